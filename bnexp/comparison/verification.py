"""Training a run directory's networks again, to see whether its numbers repeat."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bnexp.comparison.differences import Deviation, Difference, causes, largest, pair
from bnexp.comparison.match import (
    Key,
    Numbers,
    damaged_files,
    key_of,
    network_numbers,
    read_compared_run,
    run_facts,
)
from bnexp.config import Config
from bnexp.errors import ConfigError, StoreError
from bnexp.execution import Record, Task
from bnexp.execution.processes import Local, Place
from bnexp.metrics import metric_column
from bnexp.running import Prepared, Progress, prepare
from bnexp.runs.data import RunData, run_data
from bnexp.runs.manifest import environment, facts
from bnexp.sweep import Network, make_stacks


def check_tolerance(tolerance: float) -> None:
    """ConfigError where nothing can be within it."""
    if not 0 <= tolerance < math.inf:
        raise ConfigError(f"tolerance: expected a number of at least 0, got {tolerance}")


def judged(
    old: Numbers, new: Numbers, unread: tuple[str, ...], tolerance: float
) -> tuple[str, Deviation | None, str]:
    """Outcome, largest deviation, and why it is different where no deviation says so.

    `unread` names the tables that the stored side lacks: what only they have is not compared.
    """
    new = {
        name: series for name, series in new.items() if name in old or _table(name) not in unread
    }
    if reason := _apart(old, new):
        return "different", None, reason
    worst = largest(pair(series, new[name]).worst(name) for name, series in old.items())
    if worst is None:
        return "identical", None, ""
    return "within tolerance" if worst.size <= tolerance else "different", worst, ""


def _table(name: str) -> str:
    """The file that a quantity stands in."""
    if metric_column(name):
        return "metrics.csv"
    return "summary.csv" if name == "diverged_at_step" else "probes.csv"


def _apart(old: Numbers, new: Numbers) -> str:
    """What one side has numbers of, and the other has not."""
    for name in [*old, *new]:
        if name not in old or name not in new:
            return f"{name}: only in the {'stored' if name in old else 'new'} numbers"
        both = pair(old[name], new[name])
        if both.only_first or both.only_second:
            numbers = f"{len(old[name].values)} numbers stored, {len(new[name].values)} now"
            return f"{name}: at other places, {numbers}"
    return ""


TOLERANCE = 1e-6
OUTCOMES = ("identical", "within tolerance", "different", "failed", "damaged", "not trained")
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Verified:
    """One network: `outcome` is one of OUTCOMES; `reason` says more where no number does."""

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
        counted = ", ".join(f"{number} {outcome}" for outcome, number in self.counts.items())
        return f"Verification({self.directory}: {counted})"

    @property
    def counts(self) -> dict[str, int]:
        """How many networks have each outcome, those that none has left out."""
        found = Counter(network.outcome for network in self.networks)
        return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}

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
    place: Place | None = None,
) -> Verification:
    """Train the networks of a run directory again and compare every number with the stored one.

    Nothing is written. All networks are trained, or `sample` of them, spread over the sweep, always
    the same ones. A number is within `tolerance` if |a - b| <= tolerance * max(1, |a|, |b|): with
    the default an accuracy of fewer than a million images must be of the very same count. A run
    directory without cells is compared by its metrics.csv, probes.csv and summary.csv. `jobs`,
    `data_dir` and `place` are those of `run`. Raises ConfigError, DataError or StoreError.
    """
    _check(sample, jobs, tolerance)
    before = read_compared_run(Path(directory))
    old = network_numbers(before)
    prepared = prepare(_numbers_only(before.config), Path(data_dir) if data_dir else None)
    known = [network for network in before.plan.networks if key_of(network) in old]
    chosen = sampled(known, sample)
    old_facts = run_facts(before)
    records = _train(prepared, chosen, place or Local(jobs), progress or Progress())
    return Verification(
        Path(directory),
        tolerance,
        tuple(_verified(before, old, prepared, chosen, records, tolerance)),
        len(known) - len(chosen),
        None if old_facts is None else causes(old_facts, _here(prepared)),
        before.missing_files,
        before.matched_by_values,
    )


def sampled(networks: Sequence[Network], number: int | None) -> list[Network]:
    """One cell of each of `number` equal parts of the sweep; all if there are not more.

    Where in its part it stands moves by the golden ratio, so that the last axis is sampled too.
    """
    if number is None or number >= len(networks):
        return list(networks)
    ends = [len(networks) * i // number for i in range(number + 1)]
    parts = pairwise(ends)
    return [networks[a + int((b - a) * (i * _GOLDEN % 1))] for i, (a, b) in enumerate(parts)]


def _check(sample: int | None, jobs: int, tolerance: float) -> None:
    for name, value in (("sample", sample), ("jobs", jobs)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}: expected a number of at least 1, got {value}")
    check_tolerance(tolerance)


def _numbers_only(config: Config) -> Config:
    """Without figures and claims: what could not be drawn or judged can be trained all the same."""
    nothing = {"figures": None, "claims": None}
    return Config(config.experiment.model_copy(update=nothing), config.document)


def _train(
    prepared: Prepared, networks: Sequence[Network], place: Place, progress: Progress
) -> dict[str, Record]:
    progress.planned(networks, [], sum(prepared.steps[network.id] for network in networks), 0)
    stacks = make_stacks(networks, place.workers)
    tasks = [Task(stack.networks, prepared.data_dir) for stack in stacks]
    records: dict[str, Record] = {}
    with closing(place.records(tasks, progress.steps)) as batches:
        for made in batches:
            records.update({record.cell: record for record in made})
            progress.done(made)
    return records


def _here(prepared: Prepared) -> dict[str, str]:
    data = {name: {"sha256": images.sha256} for name, images in prepared.data.items()}
    return facts({"environment": environment(), "data": data})


def _verified(
    before: RunData,
    old: Mapping[Key, Numbers],
    prepared: Prepared,
    chosen: Sequence[Network],
    records: Mapping[str, Record],
    tolerance: float,
) -> Iterator[Verified]:
    new = network_numbers(run_data(prepared.config, prepared.plan, records))
    damaged = damaged_files(before)
    trained = {network.id for network in chosen}
    for network in before.plan.networks:
        key, about = key_of(network), (network.id, network.point, network.seed)
        if key in damaged:
            yield Verified(*about, "damaged", reason=f"{damaged[key]}, not verified")
        elif key not in old:
            yield Verified(*about, "not trained")
        elif network.id in trained and records[network.id].status == "failed":
            yield Verified(*about, "failed", reason=records[network.id].error)
        elif network.id in trained:
            yield Verified(*about, *judged(old[key], new[key], before.missing_files, tolerance))
