"""Running an experiment: what to train, training it, and what is left on disk."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bnexp import claims, figures
from bnexp import config as configuration
from bnexp.claims import Times, Verdict, claims_text, judge_run
from bnexp.config import Config
from bnexp.config.document import OVERRIDES
from bnexp.config.messages import Problem, problems_error
from bnexp.data import Dataset
from bnexp.data.datasets import data_folder
from bnexp.errors import ConfigError, NetworksFailed
from bnexp.execution.build import check_shapes
from bnexp.execution.checkpoints import Checkpoints
from bnexp.execution.processes import Executor, Local, leave_if_worker
from bnexp.execution.task import Record, Task, dataset
from bnexp.files import read_file, remove_file, write_file
from bnexp.result import Result
from bnexp.runs import RunDirectory, manifest
from bnexp.runs.csv import csv_text
from bnexp.runs.data import read_finished_run, run_data
from bnexp.runs.tables import Tables
from bnexp.sweep import Network, Plan, make_plan, make_stacks, stacks_by_step
from bnexp.training.schedule import make_schedule


@dataclass(frozen=True)
class Prepared:
    """An experiment with its data at hand: everything that is known before training."""

    config: Config
    plan: Plan
    data_dir: Path | None
    data: Mapping[str, Dataset]
    steps: Mapping[str, int]
    left_out: tuple[str, ...] = ()  # figures that do not fit what was overridden, and why


def prepare(config: Config, data_dir: Path | None = None, download: bool = True) -> Prepared:
    """Expand the sweep and load the data; raises before anything is written or trained."""
    plan = make_plan(config)
    config, left_out = fitting_figures(config, plan)
    check_claims(config, plan)
    data_dir = data_folder(data_dir)
    names = dict.fromkeys(network.setting.data.name for network in plan.networks)
    data = {name: dataset(name, data_dir, download) for name in names}
    steps: dict[str, int] = {}
    times: dict[str, Times] = {}
    for stack in make_stacks(plan.networks, size=len(plan.networks)):  # one for each structure
        first = stack.networks[0]
        images = data[first.setting.data.name]
        check_shapes(first.setting, images)
        course = make_schedule(first, len(images.train_labels))
        steps |= {network.id: course.points[-1] for network in stack.networks}
        planned = Times(course.per_epoch, course.points, course.probes)
        times |= {network.id: planned for network in stack.networks}
    check_claims(config, plan, times)
    return Prepared(config, plan, data_dir, data, steps, left_out)


def fitting_figures(config: Config, plan: Plan) -> tuple[Config, tuple[str, ...]]:
    """The config with the figures that can be drawn, and what is said of the others.

    Only an override can leave a figure out: it may have taken away what an inherited figure shows.
    ConfigError for any other figure that could not be drawn.
    """
    has_test = any(network.setting.data.test != 0 for network in plan.networks)
    wanted = config.experiment.figures or ()
    refusals = {
        i: text
        for i, options in enumerate(wanted)
        if (text := figures.planned_refusal(options, plan, has_test))
    }
    if not refusals:
        return config, ()
    if not config.overridden or _given_from_outside(config):
        problems = [Problem(("figures", i), text) for i, text in refusals.items()]
        raise problems_error(problems, config.document)
    left = tuple(options for i, options in enumerate(wanted) if i not in refusals)
    experiment = config.experiment.model_copy(update={"figures": left or None})
    return replace(config, experiment=experiment), tuple(refusals.values())


def _given_from_outside(config: Config) -> bool:
    at = config.document.values.get(("figures",))
    return at is not None and at.source.startswith(OVERRIDES)


def check_claims(config: Config, plan: Plan, times: Mapping[str, Times] | None = None) -> None:
    """ConfigError where a claim could not be judged; `times` are known once the data are."""
    problems = claims.claim_problems(config.experiment.claims, plan, times)
    if problems:
        raise problems_error(problems, config.document)


def missing(prepared: Prepared, directory: RunDirectory) -> dict[str, str]:
    """Which cells a run would train, and why: by cell id, in the sweep's order."""
    return read_records(prepared, directory)[1]


def read_records(
    prepared: Prepared, directory: RunDirectory
) -> tuple[dict[str, Record], dict[str, str]]:
    """The records of networks that need no training, by id, and why the others need it."""
    records: dict[str, Record] = {}
    reasons: dict[str, str] = {}
    for name, images in prepared.data.items():
        networks = [
            network for network in prepared.plan.networks if network.setting.data.name == name
        ]
        data_records, data_reasons = directory.read_records(networks, images.sha256)
        records |= data_records
        reasons |= data_reasons
    return records, reasons


def write_figures(tables: Tables, config: Config, directory: RunDirectory) -> list[Path]:
    """Draw what the experiment asks for into the run directory, as PNG and SVG."""
    from bnexp import figures

    if not len(tables.metrics["cell"]):
        return []
    wanted = figures.requested_figures(config.experiment.figures, tables)
    kinds = [options.kind for options in wanted]
    written: list[Path] = []
    for i, options in enumerate(wanted):
        number = kinds[:i].count(options.kind)
        stem = f"{options.kind}{number + 1 if number else ''}"
        folder = directory.path / "figures"
        written += figures.save(figures.draw(options, tables), folder, stem, write_file)
    _remove_others(directory.path / "figures", written)
    return written


def _remove_others(folder: Path, written: list[Path]) -> None:
    """Figures that an earlier configuration asked for would be taken for this one's."""
    for path in folder.glob("*"):
        ours = re.fullmatch(rf"({'|'.join(figures.FIGURES)})\d*\.(png|svg)", path.name)
        if ours and path not in written:
            remove_file(path)


def replot(directory: Path) -> list[Path]:
    """Draw a run directory's figures again, from its own config and results."""
    data, store = read_finished_run(directory), RunDirectory(directory)
    with store.writing():
        return write_figures(data.tables, data.config, store)


def write_claims(judged: Sequence[Verdict], directory: RunDirectory) -> list[Path]:
    """Write claims.json; where nothing is claimed none is left, as it would be another's."""
    if judged:
        return [directory.write("claims.json", claims_text(judged))]
    remove_file(directory.path / "claims.json")
    return []


def judge_again(directory: Path) -> tuple[Verdict, ...]:
    """The verdicts of a run directory, from its own config and results; writes its claims.json."""
    data, store = read_finished_run(directory), RunDirectory(directory)
    judged = judge_run(data)
    with store.writing():
        write_claims(judged, store)
    return judged


@dataclass(frozen=True)
class Progress:
    """Where a run tells how far it is; every part does nothing unless it is given.

    planned: all networks, the records of those that are not trained, how many steps the others will
        make, and how many networks of other settings the run directory holds. steps: how many were
        made so far. done: the records of a stack.
    """

    planned: Callable[[Sequence[Network], Sequence[Record], int, int], None] = lambda *about: None
    steps: Callable[[int], None] = lambda total: None
    done: Callable[[Sequence[Record]], None] = lambda records: None
    waiting: Callable[[], None] = lambda: None


def run(
    config: Config | str | Path,
    out: str | Path | None = None,
    jobs: int = 1,
    data_dir: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    checkpoint: float = 60.0,
    cell_timeout: float | None = None,
    place: Executor | None = None,
) -> Result:
    """Train what is missing in the run directory `out` and return the whole experiment's result.

    `config` is what `load_config` returns, or what it takes: a shipped name or a file's path.
    With `out=None` nothing is kept on disk. `jobs` worker processes train side by side; a script
    that asks for more than one must do so under `if __name__ == "__main__":`. The numbers do not
    depend on `jobs`. A network that trains for longer than `checkpoint` seconds leaves where it
    stands in the run directory, and goes on from there if the run is stopped; one that takes longer
    than `cell_timeout` seconds has failed. `place` is another place to train in than this machine.
    Raises ConfigError, DataError or StoreError, and NetworksFailed, which has the result, where
    some networks could not be trained.

    >>> few = {"data.name": "synthetic", "data.train": 200, "train.epochs": 2}
    >>> config = configuration.load_config("quickstart", {**few, "sweep.model.init.std": [0.1]})
    >>> result = run(config)
    >>> result.trained, result.summary["model.norm"].tolist(), len(result.metrics["train_loss"])
    (2, ['batch', 'none'], 4)
    """
    leave_if_worker()  # before it waits for the folder that this run is writing to
    config = _checked(config, out, jobs, checkpoint)
    prepared = prepare(config, Path(data_dir) if data_dir is not None else None)
    directory = RunDirectory(Path(out)) if out is not None else None
    place, progress = place or Local(jobs, cell_timeout), progress or Progress()
    with directory.writing(progress.waiting) if directory else nullcontext():
        return _run(prepared, directory, place, fresh, progress, checkpoint)


def _checked(config: Any, out: Any, jobs: Any, checkpoint: Any) -> Config:
    """The config, loaded where it is a name or a path; ConfigError for what cannot be meant."""
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ConfigError(f"jobs: not a number of workers, expected at least 1, got {jobs!r}")
    if isinstance(checkpoint, str) or not checkpoint > 0:
        raise ConfigError(f"checkpoint: expected a number of seconds > 0, got {checkpoint!r}")
    if not (out is None or isinstance(out, Path) or (isinstance(out, str) and out.strip())):
        raise ConfigError(f"out: expected a folder, or None to keep nothing, got {out!r}")
    if isinstance(config, str | Path):
        return configuration.load_config(config)
    if not isinstance(config, Config):
        kind = type(config).__name__
        raise ConfigError(f"config: expected a Config, a shipped name or a path, got a {kind}")
    return config


def _run(
    prepared: Prepared,
    directory: RunDirectory | None,
    place: Executor,
    fresh: bool,
    progress: Progress,
    checkpoint: float,
) -> Result:
    started, clock = datetime.now(UTC), time.perf_counter()
    networks = prepared.plan.networks
    if directory:  # first of all, so that an interrupted run is a run directory too
        directory.write("config.yaml", configuration.resolved(prepared.config))
    if directory and fresh:
        directory.remove_records(networks)
    records = read_records(prepared, directory)[0] if directory else {}
    to_train = [network for network in networks if network.id not in records]
    checkpoints = directory.checkpoints(checkpoint) if directory else None
    if checkpoints:  # a run may have been stopped between a result and this
        checkpoints.clear(list(records))
    made_before = _made_before(prepared, to_train, checkpoints)
    steps = sum(prepared.steps[network.id] - made_before[network.id] for network in to_train)
    others = directory.count_others(networks) if directory else 0
    progress.planned(networks, list(records.values()), steps, others)
    workers = place.workers if to_train else 0  # a cluster is not asked for nothing
    stacks = stacks_by_step(to_train, made_before, max(workers, 1))
    tasks = [Task(stack.networks, prepared.data_dir, checkpoints) for stack in stacks]
    with closing(place.records(tasks, progress.steps)) as batches:
        for made in batches:
            if directory and checkpoints:
                directory.save_records(made)
                checkpoints.clear([record.cell for record in made if record.status != "failed"])
            records.update({record.cell: record for record in made})
            progress.done(made)
    result = _result(prepared, records, len(to_train), directory)
    if directory:
        times = {"started": started.isoformat(), "seconds": time.perf_counter() - clock}
        facts = {**times, "jobs": workers, "trained": len(to_train)}
        result = _write(result, prepared, directory, facts)
    if result.failed:
        raise NetworksFailed(_failures(result.failed), result)
    return result


def _result(
    prepared: Prepared, records: Mapping[str, Record], trained: int, directory: RunDirectory | None
) -> Result:
    path = directory.path if directory else None
    data = run_data(prepared.config, prepared.plan, records, path)
    failed = {
        network: record.error for network, record in records.items() if record.status == "failed"
    }
    return Result(data, trained, failed, judge_run(data), left_out=prepared.left_out)


def _failures(failed: Mapping[str, str]) -> str:
    reasons = Counter(failed.values())
    text = "; ".join(f"{number} x {reason}" for reason, number in reasons.items())
    return f"{len(failed)} networks failed, the others are kept: {text}"


def _made_before(
    prepared: Prepared, networks: Sequence[Network], checkpoints: Checkpoints | None
) -> dict[str, int]:
    """How many steps each network has made in a run that was stopped."""
    if checkpoints is None or not checkpoints.folder.is_dir():
        return dict.fromkeys([network.id for network in networks], 0)
    data = prepared.data
    return {
        network.id: checkpoints.step(network, data[network.setting.data.name].sha256)
        for network in networks
    }


def _write(
    result: Result, prepared: Prepared, directory: RunDirectory, run_facts: Mapping[str, Any]
) -> Result:
    data = {
        # What the data are, without the folder, which says nothing on another machine.
        name: {"sha256": images.sha256, "origin": images.origin.partition(" from ")[0].rstrip(",")}
        for name, images in prepared.data.items()
    }
    extends = result.config.document.extends
    facts = {
        "name": result.config.name,
        **({"extends": extends} if extends else {}),
        "command": manifest.command_line(),
        **run_facts,
        "data": data,
        **({"failed": dict(result.failed)} if result.failed else {}),
    }
    directory.check_exists()
    tables = [
        directory.write("metrics.csv", csv_text(result.results.metrics)),
        directory.write("summary.csv", csv_text(result.results.summary)),
    ]
    if len(result.results.probes["quantity"]):
        tables.append(directory.write("probes.csv", csv_text(result.results.probes)))
    else:  # one that is there is of other settings
        remove_file(directory.path / "probes.csv")
    path = directory.path / "manifest.json"
    # A run that trained nothing made none of the numbers.
    if result.trained or not manifest.is_manifest(read_file(path)):
        directory.write("manifest.json", manifest.manifest_text(facts))
    claims = write_claims(result.claims, directory)
    drawn = write_figures(result.results, result.config, directory)
    return replace(result, files=(directory.path / "config.yaml", *tables, path, *claims, *drawn))
