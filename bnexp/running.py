"""Run an experiment: decide what has to be trained, train it, and write the run directory.

`prepare` finds out everything that can be known before training, so that a wrong config, claim or
figure costs no time. `run` trains the networks that the run directory does not have yet, saves each
one as soon as it is finished, and then writes tables, manifest, claims and figures. `replot` and
`judge_again` make the figures and the claims of a run directory again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from os.path import expanduser
from pathlib import Path
from typing import Any

from bnexp import claims, figures
from bnexp.claims import Times, Verdict, claims_text, judge_run
from bnexp.config import Config, resolved
from bnexp.config.document import OVERRIDES
from bnexp.config.load import ExperimentSource, loaded_config, with_arrays
from bnexp.config.messages import Problem, SettingError, problems_error
from bnexp.data import Dataset
from bnexp.data.datasets import DATASETS, ImageCounts, count_images, data_folder, is_arrays
from bnexp.data.idx import check_data_dir
from bnexp.device import check_device_name, device_array, free_memory
from bnexp.errors import ConfigError, Interrupted, NetworksFailed
from bnexp.estimate import check_memory, check_sizes, device_stacks, estimate
from bnexp.execution import stopping
from bnexp.execution.build import (
    check_arithmetic,
    check_classes,
    check_counts,
    check_shapes,
)
from bnexp.execution.checkpoints import Checkpoints
from bnexp.execution.processes import Executor, Local
from bnexp.execution.task import Record, Task, dataset
from bnexp.execution.workers import check_seconds, leave_if_worker
from bnexp.files import read_file, remove_file
from bnexp.plots import write_figures
from bnexp.progress import Progress, callbacks
from bnexp.result import Result
from bnexp.runs import RunDirectory
from bnexp.runs.csv import csv_text
from bnexp.runs.data import read_finished_run, run_data
from bnexp.runs.manifest import MAX_BYTES, command_line, is_manifest, manifest_text
from bnexp.runs.origins import DataOrigin, loaded_origin
from bnexp.runs.references import find_run
from bnexp.sweep import Network, Plan, make_plan, make_stacks, setting_error, stacks_by_step
from bnexp.sweep.stacks import StackSize
from bnexp.text import counted, cut
from bnexp.training.schedule import TrainingSchedule, make_schedule


@dataclass(frozen=True)
class Prepared:
    """An experiment and everything that is known about it before training.

    config: without figures that cannot be drawn. plan: its networks. data: the data sets by name,
    from the folder `data_dir`. steps: how many steps each network makes in all, by id. left_out:
    why figures were left out. device: what the networks are to be trained on.
    """

    config: Config
    plan: Plan
    data_dir: Path | None
    data: Mapping[str, Dataset]
    steps: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    device: str = "cpu"

    @property
    def stack_size(self) -> StackSize | None:
        """How many networks the device trains side by side; None for the CPU's default."""
        free = free_memory(self.device)
        if free is None:
            return None
        counts = {name: count_images(images) for name, images in self.data.items()}
        return device_stacks(counts, free)

    @property
    def origins(self) -> dict[str, DataOrigin]:
        """By name of a data set, which images it is."""
        return {name: loaded_origin(name, images) for name, images in self.data.items()}

    def sha256(self, network: Network) -> str:
        """The digest of the images that a network is trained on."""
        return self.data[network.setting.data.name].sha256

    def in_memory(self, network: Network) -> Dataset | None:
        """A network's images if they came as arrays, which no other process can load."""
        name = network.setting.data.name
        return self.data[name] if is_arrays(name) else None


def prepare(
    config: Config,
    data_dir: Path | None = None,
    download: bool = True,
    workers: int = 1,
    arrays: Dataset | None = None,
    device: str = "cpu",
) -> Prepared:
    """Expand the sweep, load the data, and check that figures and claims fit; writes nothing.

    workers: how many processes of this machine will train; their memory is checked, too.
    arrays: the data set of the experiment if it is in memory already.
    device: what the networks are to be trained on. On another than the CPU stacks are made to fit.

    Raises ConfigError if the experiment cannot be run as it is, DataError if data are missing.
    """
    plan = make_plan(config)
    workers = workers if device == "cpu" else 0
    for network in plan.networks:
        try:
            check_arithmetic(network, device)
        except SettingError as error:
            raise setting_error(error, network, config) from None
    check_data_dir(data_dir)
    data_dir = data_folder(data_dir)
    names = dict.fromkeys(network.setting.data.name for network in plan.networks)
    fixed = {name: DATASETS[name] for name in names if name in DATASETS and DATASETS[name].fixed}
    counts = {name: count_images(facts) for name, facts in fixed.items()}
    schedules = known_schedules(config, plan, counts, workers)
    config, left_out = fitting_figures(config, plan, schedules)
    in_memory = {arrays.name: arrays} if arrays else {}
    data = {name: in_memory.get(name) or dataset(name, data_dir, download) for name in names}
    others = {name: count_images(images) for name, images in data.items() if name not in fixed}
    if others:
        schedules |= known_schedules(config, plan, others, workers)
        config, more_left_out = fitting_figures(config, plan, schedules)
        left_out += more_left_out
    for network in plan.networks:
        try:
            check_classes(network, data[network.setting.data.name])
        except SettingError as error:
            raise setting_error(error, network, config) from None
    steps = {network: schedule.evaluations[-1] for network, schedule in schedules.items()}
    return Prepared(config, plan, data_dir, data, steps, left_out, device)


def check_device(device: str, executor: Executor) -> None:
    """ConfigError if networks cannot be trained on the device here, or not by this executor.

    A GPU trains one stack after another, in this process.
    """
    check_device_name(device)
    if device == "cpu":
        return
    if not isinstance(executor, Local):
        name = type(executor).__name__
        raise ConfigError(
            f"device: {device} trains in this process, expected no executor, got {name}"
        )
    if executor.workers > 1:
        raise ConfigError(
            f"jobs: expected 1 with device {device}, which trains one stack after another, "
            f"got {executor.workers}"
        )
    if executor.cell_timeout is not None:
        raise ConfigError(
            f"cell_timeout: expected none with device {device}: a time limit needs worker "
            f"processes; got {executor.cell_timeout:g}"
        )
    device_array(device)


def known_schedules(
    config: Config, plan: Plan, counts: Mapping[str, ImageCounts], workers: int = 1
) -> dict[str, TrainingSchedule]:
    """When networks are scored and probed, by id, where so much is known of their data sets.

    counts: by the names of data sets. Networks of others are left out. workers: how many processes
    of this machine will train.

    ConfigError where the images are too few, or layers do not fit them, or something is to happen
    after the end, or a claim is about steps that are not scored; where networks or tables are too
    large, or all of it needs more memory than there is (`bnexp.estimate`).
    """
    schedules: dict[str, TrainingSchedule] = {}
    known = [network for network in plan.networks if network.setting.data.name in counts]
    check_sizes(config, known, counts)
    for stack in make_stacks(known, size=max(len(known), 1)):  # one for each structure
        first = stack.networks[0]
        images = counts[first.setting.data.name]
        try:
            check_counts(first.setting, images)
            check_shapes(first.setting, images)
            schedule = make_schedule(first, images.train - first.setting.data.validation)
        except SettingError as error:
            raise setting_error(error, first, config) from None
        schedules |= {network.id: schedule for network in stack.networks}
    times = {n: Times(s.per_epoch, s.evaluations, s.probes) for n, s in schedules.items()}
    check_claims(config, plan, times)
    if needs := estimate(known, counts, max(workers, 1)):
        check_memory(config, needs, workers)
    return schedules


def schedules_without_data(config: Config, plan: Plan) -> dict[str, TrainingSchedule]:
    """`known_schedules` by what is known of data sets that are not at hand."""
    return known_schedules(config, plan, known_counts(plan))


def known_counts(plan: Plan) -> dict[str, ImageCounts]:
    """How many images, and of what size, the plan's data sets have as far as their names tell."""
    names = dict.fromkeys(network.setting.data.name for network in plan.networks)
    return {name: count_images(DATASETS[name]) for name in names if name in DATASETS}


def fitting_figures(
    config: Config, plan: Plan, schedules: Mapping[str, TrainingSchedule] | None = None
) -> tuple[Config, tuple[str, ...]]:
    """The config with the figures that can be drawn of the plan, and why the others cannot.

    Only an override can leave a figure out: it may have removed what an inherited figure shows.
    Raises ConfigError for any other figure that cannot be drawn.

    schedules: by the ids of networks, as far as they are known: without its network's schedule a
    figure's step cannot be checked.
    """
    requested = config.experiment.figures or ()
    if not requested:
        return config, ()
    swept = figures.planned_sweep(plan, schedules)
    refusals = {
        i: refusal
        for i, options in enumerate(requested)
        if (refusal := figures.refusal(options, swept))
    }
    if not refusals:
        return config, ()
    place = config.document.values.get(("figures",))
    is_override = place is not None and place.source.startswith(OVERRIDES)
    if not config.overridden or is_override:
        problems = [
            Problem(("figures", i, *refusal.path), refusal.text, refusal.at_key)
            if isinstance(refusal, figures.FigureError)
            else Problem(("figures", i), str(refusal))
            for i, refusal in refusals.items()
        ]
        raise problems_error(problems, config.document)
    fitting = tuple(options for i, options in enumerate(requested) if i not in refusals)
    experiment = config.experiment.model_copy(update={"figures": fitting or None})
    return replace(config, experiment=experiment), tuple(map(str, refusals.values()))


def check_claims(config: Config, plan: Plan, times: Mapping[str, Times] | None = None) -> None:
    """ConfigError if a claim states nothing or could not be judged.

    times: those of networks, which are known once the data are loaded.
    """
    problems = claims.statement_problems(config.experiment.claims, plan)
    problems += claims.claim_problems(config.experiment.claims, plan, times)
    if problems:
        raise problems_error(problems, config.document)


def read_records(
    prepared: Prepared, directory: RunDirectory
) -> tuple[dict[str, Record], dict[str, str]]:
    """The records of networks that need no training, by id, and why the others need it."""
    records: dict[str, Record] = {}
    missing: dict[str, str] = {}
    for name, images in prepared.data.items():
        networks = [n for n in prepared.plan.networks if n.setting.data.name == name]
        of_data = directory.read_records(networks, images.sha256)
        records |= of_data[0]
        missing |= of_data[1]
    return records, missing


def write_claims(
    verdicts: Sequence[Verdict], config: Config, directory: RunDirectory
) -> list[Path]:
    """Write claims.json.

    Remove it if the experiment has no claims: an old one would be misleading.
    """
    if verdicts:
        random = config.experiment.random
        text = claims_text(verdicts, random.seeds, random.design_seeds or ())
        return [directory.write("claims.json", text)]
    remove_file(directory.path / "claims.json")
    return []


def judge_again(directory: Path) -> tuple[Verdict, ...]:
    """Judge the claims of a run directory again, from its own config and results.

    Writes claims.json, unless it is a shipped result, and returns the verdicts.
    """
    place = find_run(directory)
    data = read_finished_run(place.directory)
    verdicts = judge_run(data)
    if not place.is_shipped:
        store = RunDirectory(place.output)
        with store.writing():
            write_claims(verdicts, data.config, store)
    return verdicts


def run(
    config: Config | ExperimentSource,
    out: str | Path | None = None,
    jobs: int = 1,
    data_dir: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    checkpoint: float = 60.0,
    cell_timeout: float | None = None,
    executor: Executor | None = None,
    *,
    seeds: int | Iterable[int] | str | None = None,
    data: Any = None,
    device: str = "cpu",
    mix_devices: bool = False,
    place: Executor | None = None,
) -> Result:
    """Train what is missing in the run directory `out` and return the whole experiment's result.

    config: what `load_config` returns, or what it takes: a shipped name, the path of a file, a
        mapping or YAML text.
    out: the run directory; None keeps nothing on disk.
    jobs: how many worker processes train side by side; the numbers do not depend on it. A script
        that asks for more than one must do so under `if __name__ == "__main__":`.
    data_dir: the folder of the data sets.
    fresh: whether all networks are trained, and all figures drawn, again.
    progress: what is called as the run goes on; default: a bar in a notebook, nothing elsewhere.
    checkpoint: a network that trains for longer than so many seconds leaves a checkpoint in the run
        directory, and continues from there if the run is stopped and started again. Ctrl-C writes
        one too, after the step that is being made; a second Ctrl-C stops at once.
    cell_timeout: a network that takes longer than so many seconds has failed.
    executor: where to train, if not on this machine; see `bnexp.Cluster`.
    seeds: 3 for the seeds 0, 1 and 2, or a list, in place of the experiment's; see `load_config`.
    data: arrays (x, y) or (x, y, x_test, y_test) in place of the experiment's data set: images (n,
        H, W), (n, H, W, C) or rows (n, D), whole numbers from 0 to 255 or such numbers / 255, and
        labels (n,). Test images are scored unless the experiment says otherwise. The networks' ids
        and the manifest name them by their SHA-256.
    device: cpu, or cuda for an NVIDIA GPU with CuPy, which trains stacks as large as its memory
        allows. Networks start from the same bits on both and have the same ids; results differ in
        their last bits.
    mix_devices: whether a run directory may be finished on another device than it was begun on.
    place: the older name of `executor`.

    Raises ConfigError, DataError or StoreError, and NetworksFailed, which holds the result, if some
    networks could not be trained. Figures that could not be drawn are in the result's `undrawn`.

    >>> few = {"data.name": "synthetic", "data.train": 200, "train.epochs": 2}
    >>> from bnexp import load_config
    >>> config = load_config("quickstart", {**few, "sweep.model.init.std": [0.1]})
    >>> result = run(config)
    >>> result.trained, result.summary["model.norm"].tolist(), len(result.metrics["train_loss"])
    (2, ['batch', 'none'], 4)
    """
    leave_if_worker()  # before it waits for the folder that this run is writing to
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ConfigError(f"jobs: not a number of workers, expected at least 1, got {jobs!r}")
    check_seconds("checkpoint", checkpoint)
    if not (out is None or isinstance(out, Path) or (isinstance(out, str) and out.strip())):
        raise ConfigError(f"out: expected a folder, or None to keep nothing, got {out!r}")
    config, arrays = loaded_config(config, seeds), None
    if data is not None:
        config, arrays = with_arrays(config, data)
    executor = one_executor(executor, place) or Local(jobs, cell_timeout)
    check_device(device, executor)
    workers = executor.workers if isinstance(executor, Local) else 0
    folder = Path(data_dir) if data_dir is not None else None
    prepared = prepare(config, folder, workers=workers, arrays=arrays, device=device)
    directory = RunDirectory(Path(expanduser(out))) if out is not None else None
    with (
        callbacks(progress, config) as shown,
        directory.writing(shown.waiting) if directory else nullcontext(),
    ):
        result = _run(prepared, directory, executor, fresh, shown, checkpoint, mix_devices)
    if result.failed:
        errors = Counter(result.failed.values())
        text = "; ".join(f"{number} x {error}" for error, number in errors.items())
        message = f"{counted(len(result.failed), 'network')} failed, the others are kept: {text}"
        raise NetworksFailed(message, result)
    return result


def _run(
    prepared: Prepared,
    directory: RunDirectory | None,
    executor: Executor,
    fresh: bool,
    progress: Progress,
    checkpoint: float,
    mix_devices: bool,
) -> Result:
    """Train what is missing and write the results; the directory is locked."""
    started, clock = datetime.now(UTC), time.perf_counter()
    networks = prepared.plan.networks
    records: dict[str, Record] = {}
    checkpoints = None
    if directory:
        # First of all, so that an interrupted run is a run directory, too.
        directory.write("config.yaml", resolved(prepared.config))
        if fresh:
            directory.remove_records(networks)
        records = read_records(prepared, directory)[0]
        checkpoints = directory.checkpoints(checkpoint, prepared.device)
        checkpoints.clear(list(records))  # left by a run that was stopped just after a result
    to_train = [network for network in networks if network.id not in records]

    # Where an earlier run that was stopped left off.
    steps_before = dict.fromkeys([network.id for network in to_train], 0)
    if checkpoints and checkpoints.folder.is_dir():
        for network in to_train:
            step = checkpoints.step(network, prepared.sha256(network))
            steps_before[network.id] = step if step <= prepared.steps[network.id] else 0
    if directory and to_train and not mix_devices:
        made = [record.device for record in records.values()]
        if checkpoints:
            made += [checkpoints.made_on(n) for n in to_train if steps_before[n.id]]
        _check_one_device(directory, made, prepared.device)
    steps = sum(prepared.steps[network.id] - steps_before[network.id] for network in to_train)
    others = directory.count_others(networks) if directory else 0
    progress.data(list(prepared.origins.values()))
    progress.resumed(checkpoint_lines(prepared.steps, steps_before))
    progress.planned(networks, list(records.values()), steps, others)

    workers = executor.workers if to_train else 0  # a cluster is not started for nothing
    size = prepared.stack_size if to_train else None
    stacks = stacks_by_step(to_train, steps_before, max(workers, 1), size)
    tasks = [
        Task(
            stack.networks,
            prepared.data_dir,
            checkpoints,
            prepared.in_memory(stack.networks[0]),
            prepared.device,
        )
        for stack in stacks
    ]
    if directory and workers > 1:
        figures.start_loading(prepared.config.experiment.figures)
    with stopping.gracefully():
        try:
            for batch in trained_stacks(executor, tasks, progress.steps):
                if directory and checkpoints:
                    directory.save_records(batch)
                    checkpoints.clear([r.cell for r in batch if r.status != "failed"])
                records.update({record.cell: record for record in batch})
                progress.done(batch)
            stopping.check()
        except Interrupted:
            raise Interrupted(_kept_text(prepared, records, checkpoints)) from None
    if missing := [network for network in to_train if network.id not in records]:
        raise ConfigError(
            f"executor {type(executor).__name__}: records: expected one for each network, got none "
            f"for {len(missing)} of {len(to_train)}"
        )

    path = directory.path if directory else None
    data = run_data(prepared.config, prepared.plan, records, path, prepared.origins)
    failed = {
        network: record.error for network, record in records.items() if record.status == "failed"
    }
    result = Result(data, len(to_train), failed, judge_run(data), left_out=prepared.left_out)
    if directory is None:
        return result
    seconds = time.perf_counter() - clock
    run_facts = {"started": started.isoformat(), "seconds": seconds, "jobs": workers}
    files, failures = _write_results(result, prepared, directory, run_facts, fresh)
    return replace(result, files=files, undrawn=failures)


def _check_one_device(directory: RunDirectory, made: Sequence[str], device: str) -> None:
    """ConfigError if networks of the directory were trained on another device than the others."""
    others = [name for name in made if name != device]
    if others:
        raise ConfigError(
            f"{directory.path}: {counted(len(others), 'network')} trained on {others[0]}, expected "
            f"the others to be trained there, too, got device {device}, which gives other last "
            f"bits; go on with --device {others[0]}, train all again with --fresh, or mix them "
            "with --mix-devices"
        )


def one_executor(executor: Executor | None, place: Executor | None) -> Executor | None:
    """The executor, of which `place` is the older name; ConfigError for both."""
    if executor is not None and place is not None:
        raise ConfigError("place: the older name of executor, expected one of them, got both")
    return executor or place


def trained_stacks(
    executor: Executor, tasks: Sequence[Task], on_steps: Callable[[int], None]
) -> Iterator[list[Record]]:
    """The records of one stack after another; ConfigError if the executor returns anything else."""
    name = type(executor).__name__
    generator = executor.records(tasks, on_steps)
    if not hasattr(generator, "close"):
        kind = type(generator).__name__
        raise ConfigError(f"executor {name}: records: expected a generator, got a {kind}")
    with closing(generator) as batches:
        for batch in batches:
            if not isinstance(batch, list) or not all(isinstance(r, Record) for r in batch):
                raise ConfigError(
                    f"executor {name}: records: expected a list of the records of a stack, got "
                    f"{cut(repr(batch), 60)}"
                )
            yield batch


def _kept_text(
    prepared: Prepared, records: Mapping[str, Record], checkpoints: Checkpoints | None
) -> str:
    """What a run that was stopped leaves on disk, and what of it is lost, in lines."""
    networks = prepared.plan.networks
    finished = [n for n in networks if n.id in records and records[n.id].status != "failed"]
    count = f"{len(finished)} of {counted(len(networks), 'network')} finished"
    if checkpoints is None:
        return f"{count}; nothing is kept, as the run has no folder"
    left = [network for network in networks if network not in finished]
    steps = {n.id: checkpoints.step(n, prepared.sha256(n)) for n in left}
    lines = [f"{count} and kept", *checkpoint_lines(prepared.steps, steps)]
    if without := sum(not step for step in steps.values()):
        lines.append(f"{counted(without, 'network')} without a checkpoint: to begin at step 0")
    return "\n".join(lines)


def checkpoint_lines(steps: Mapping[str, int], made: Mapping[str, int]) -> list[str]:
    """'2 networks with a checkpoint at step 30 of 200': a line for each such pair of numbers.

    steps: how many steps networks make in all, by id. made: at which step each network's checkpoint
    is, 0 for none.
    """
    places = Counter((step, steps[network]) for network, step in made.items() if step)
    return [
        f"{counted(number, 'network')} with a checkpoint at step {step:,} of {total:,}"
        for (step, total), number in sorted(places.items())
    ]


def _write_results(
    result: Result,
    prepared: Prepared,
    directory: RunDirectory,
    run_facts: Mapping[str, Any],
    fresh: bool,
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write tables, manifest, claims and figures, as far as they have changed.

    fresh: whether all figures are drawn again. Returns all files of the result, and why figures
    could not be drawn.
    """
    data = result.data
    directory.check_exists()
    tables = [
        directory.write("metrics.csv", csv_text(data.metrics)),
        directory.write("summary.csv", csv_text(data.summary)),
    ]
    if len(data.probes["quantity"]):
        tables.append(directory.write("probes.csv", csv_text(data.probes)))
    else:  # an old one would be of other settings
        remove_file(directory.path / "probes.csv")

    path = directory.path / "manifest.json"
    # A run that trained nothing made none of the numbers.
    if result.trained or not is_manifest(read_file(path, MAX_BYTES)):
        extends, random = data.config.document.extends, data.config.experiment.random
        design = random.design_seeds
        records = data.records.values()
        devices = Counter(r.device for r in records if r.status != "failed")
        manifest = {
            "name": data.config.name,
            **({"extends": extends} if extends else {}),
            "command": command_line(),
            **run_facts,
            "trained": result.trained,
            **({"seeds": {"judged": [*random.seeds], "design": [*design]}} if design else {}),
            "data": {name: origin.content() for name, origin in prepared.origins.items()},
            **({"failed": dict(result.failed)} if result.failed else {}),
            **({"devices": devices} if len(devices) > 1 else {}),
        }
        directory.write("manifest.json", manifest_text(manifest, prepared.device))
    verdicts = write_claims(result.claims, data.config, directory)
    drawn = write_figures(data, directory, fresh)
    files = (directory.path / "config.yaml", *tables, path, *verdicts, *drawn.files)
    return files, drawn.failures
