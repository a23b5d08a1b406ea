"""Verify a run directory: train its networks again, to see whether its numbers repeat.

`verify` trains all networks, or a sample of them, with the stored config and returns a
`Verification` with the outcome of each network (`Verified`). Nothing is written.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bnexp.comparison.match import (
    Deviation,
    Difference,
    NetworkKey,
    Numbers,
    check_tolerance,
    damaged_files,
    key_differences,
    network_key,
    network_numbers,
    pair_series,
    read_compared_run,
    run_facts,
)
from bnexp.config import Config
from bnexp.errors import ConfigError, StoreError
from bnexp.execution.processes import Executor, Local
from bnexp.execution.task import Record, Task
from bnexp.metrics import metric_column
from bnexp.progress import Progress, callbacks
from bnexp.running import check_device, one_executor, prepare, trained_stacks
from bnexp.runs.data import RunData, run_data
from bnexp.runs.manifest import environment_facts, manifest_facts
from bnexp.runs.references import find_run
from bnexp.sweep import Network, make_stacks
from bnexp.text import counted

TOLERANCE = 1e-6
OUTCOMES = ("identical", "within tolerance", "different", "failed", "damaged", "not trained")
_GOLDEN = (math.sqrt(5) - 1) / 2
# The keys of an environment that can change a number, the likeliest first, in the user's words.
CAUSES = {
    "data": "data",
    "numerics": "bnexp's numerics",
    "packages.bnexp": "bnexp",
    "device.name": "GPU",
    "device.cupy": "CuPy",
    "device.cuda": "CUDA",
    "device.driver": "GPU driver",
    "blas": "BLAS",
    "packages.numpy": "numpy",
    "cpu.model": "processor",
    "python": "python",
    "platform": "platform",
    "git_commit": "bnexp's commit",
}


@dataclass(frozen=True)
class Verified:
    """One network: what became of its numbers.

    cell: its id. point, seed: its swept values and seed. outcome: one of OUTCOMES. worst: the
    largest deviation, None if there is none. reason: what else is different, or why nothing could
    be compared.
    """

    cell: str
    point: Mapping[str, object]
    seed: int
    outcome: str
    worst: Deviation | None = None
    reason: str = ""


@dataclass(frozen=True)
class Verification:
    """What `verify` found, network by network in the sweep's order.

    left_out: how many a sample left out. causes: what differs between the run's environment and
    data and this process's, the likeliest first; None where the run does not say. unread: tables
    that would say more and are not there. renamed: whether the tables' cells have other ids than
    config.yaml's.
    """

    directory: Path
    tolerance: float
    networks: tuple[Verified, ...]
    left_out: int
    causes: tuple[Difference, ...] | None
    unread: tuple[str, ...]
    renamed: bool

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {outcome}" for outcome, number in self.counts.items())
        return f"Verification({self.directory}: {counts})"

    @property
    def counts(self) -> dict[str, int]:
        """How many networks have each outcome, without the outcomes that none has."""
        counts = Counter(network.outcome for network in self.networks)
        return {outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]}

    @property
    def exit_status(self) -> int:
        """0: all that was trained repeats; 1: some differ or failed; 4: some files are damaged."""
        counts = self.counts
        if "different" in counts or "failed" in counts:
            return 1
        return StoreError.exit_status if "damaged" in counts else 0


def verify(
    directory: str | Path,
    sample: int | None = None,
    jobs: int = 1,
    data_dir: str | Path | None = None,
    tolerance: float = TOLERANCE,
    progress: Progress | None = None,
    executor: Executor | None = None,
    *,
    device: str = "cpu",
    place: Executor | None = None,
) -> Verification:
    """Train the networks of a run directory again and compare every number with the stored one.

    Nothing is written. All networks are trained, or `sample` of them, spread over the sweep,
    always the same ones. A number is within `tolerance` if |a - b| <= tolerance * max(1, |a|,
    |b|). With the default, accuracies over fewer than a million images are within it only if the
    same number of images is right. A run directory without cells is compared by its metrics.csv,
    probes.csv and summary.csv, and so is the shipped result of an experiment, by its name. `jobs`,
    `data_dir`, `executor` (or `place`, its older name) and `device` are those of `run`; numbers of
    another device differ in their last bits, and where training is chaotic by more. Raises
    ConfigError, DataError or StoreError.
    """
    for name, value in (("sample", sample), ("jobs", jobs)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}: expected a number of at least 1, got {value}")
    check_tolerance(tolerance)
    stored = read_compared_run(find_run(directory).directory)
    stored_numbers = network_numbers(stored)
    # Figures and claims are left out: they could be wrong without the numbers being so.
    experiment = stored.config.experiment.model_copy(update={"figures": None, "claims": None})
    config = Config(experiment, stored.config.document)
    executor = one_executor(executor, place) or Local(jobs)
    check_device(device, executor)
    prepared = prepare(config, Path(data_dir) if data_dir else None, device=device)
    evaluated = [n for n in stored.plan.networks if network_key(n) in stored_numbers]
    networks = sample_networks(evaluated, sample)
    stored_facts = run_facts(stored)

    stacks = make_stacks(networks, executor.workers, prepared.stack_size)
    tasks = [Task(stack.networks, prepared.data_dir, device=device) for stack in stacks]
    records: dict[str, Record] = {}
    with callbacks(progress, config) as shown:
        shown.planned(networks, [], sum(prepared.steps[network.id] for network in networks), 0)
        for batch in trained_stacks(executor, tasks, shown.steps):
            records.update({record.cell: record for record in batch})
            shown.done(batch)

    new = run_data(config, prepared.plan, records)
    causes = None
    if stored_facts is not None:
        data = {name: {"sha256": images.sha256} for name, images in prepared.data.items()}
        causes = likely_causes(
            stored_facts, manifest_facts({"environment": environment_facts(device), "data": data})
        )
    return Verification(
        Path(directory),
        tolerance,
        tuple(_verify_networks(stored, stored_numbers, new, tolerance)),
        len(evaluated) - len(networks),
        causes,
        stored.missing_files,
        stored.matched_by_values,
    )


def likely_causes(stored: Mapping[str, str], here: Mapping[str, str]) -> tuple[Difference, ...]:
    """The differences that can change a number, the likeliest first, with their keys in words."""
    differences = key_differences(stored, here)
    causes = []
    for cause, words in CAUSES.items():
        for d in differences:
            if cause == ("data" if d.key.startswith("data.") else d.key):
                key = d.key.replace(cause, words, 1).replace("data.", "data ")
                causes.append(Difference(key, d.first, d.second))
    return tuple(causes)


def sample_networks(networks: Sequence[Network], number: int | None) -> list[Network]:
    """One network of each of `number` equal parts of the sweep; all if there are not more.

    Its place in its part moves by the golden ratio, so that the last axis is sampled too.
    """
    if number is None or number >= len(networks):
        return list(networks)
    ends = [len(networks) * i // number for i in range(number + 1)]
    parts = pairwise(ends)
    return [networks[a + int((b - a) * (i * _GOLDEN % 1))] for i, (a, b) in enumerate(parts)]


def _verify_networks(
    stored: RunData,
    stored_numbers: Mapping[NetworkKey, Numbers],
    new: RunData,
    tolerance: float,
) -> Iterator[Verified]:
    """The outcome of each network, except for those that a sample left out.

    stored: the run directory as it was read, with its numbers by network. new: the networks that
    were trained again just now.
    """
    new_numbers, damaged = network_numbers(new), damaged_files(stored)
    for network in stored.plan.networks:
        key, identity = network_key(network), (network.id, network.point, network.seed)
        record = new.records.get(network.id)
        if key in damaged:
            yield Verified(*identity, "damaged", reason=f"{damaged[key]}, not verified")
        elif key not in stored_numbers:
            yield Verified(*identity, "not trained")
        elif record and record.status == "failed":
            yield Verified(*identity, "failed", reason=record.error)
        elif record:
            numbers = stored_numbers[key], new_numbers[key]
            yield Verified(*identity, *_compare_numbers(*numbers, stored.missing_files, tolerance))


def _compare_numbers(
    stored: Numbers, new: Numbers, missing_files: Sequence[str], tolerance: float
) -> tuple[str, Deviation | None, str]:
    """Outcome, largest deviation, and why it is different where no deviation says so.

    `missing_files` are the tables that the stored side lacks: what only they have is not compared.
    """

    def table(name: str) -> str:
        if metric_column(name):
            return "metrics.csv"
        return "summary.csv" if name == "diverged_at_step" else "probes.csv"

    new = {
        name: series
        for name, series in new.items()
        if name in stored or table(name) not in missing_files
    }
    deviations = []
    for name in dict.fromkeys([*stored, *new]):
        if name not in stored or name not in new:
            reason = f"{name}: only in the {'stored' if name in stored else 'new'} numbers"
            return "different", None, reason
        pair = pair_series(stored[name], new[name])
        if pair.only_first or pair.only_second:
            number = counted(len(stored[name].values), "number")
            counts = f"{number} stored, {len(new[name].values)} now"
            return "different", None, f"{name}: at other places, {counts}"
        deviations.append(pair.largest_deviation(name))
    worst = max(filter(None, deviations), key=lambda deviation: deviation.size, default=None)
    if worst is None:
        return "identical", None, ""
    return "within tolerance" if worst.size <= tolerance else "different", worst, ""
