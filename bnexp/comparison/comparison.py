"""One run directory against another: how they were made, and how far their numbers are apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnexp.comparison.differences import (
    Deviation,
    Difference,
    Floats,
    config_differences,
    differences,
    identical,
    pair,
)
from bnexp.comparison.match import (
    Key,
    Matched,
    Series,
    damaged_files,
    matched,
    read_compared_run,
    run_facts,
)
from bnexp.comparison.verification import check_tolerance
from bnexp.metrics import HEADLINE, evaluation_columns
from bnexp.runs.tables import Value

ACCURACIES = evaluation_columns([HEADLINE])
NOTHING = Series(np.zeros((0, 3)), np.zeros(0))

Sides = Mapping[Key, tuple[Series, Series]]


@dataclass(frozen=True)
class Metric:
    """One quantity over all networks that both runs have.

    paired, only_first, only_second: numbers. final: the mean of |A - B| at the end of training, of
    each run's own; NaN if there is nothing to compare. largest, network: the largest deviation and
    whose it is, None if all numbers are identical.
    """

    name: str
    paired: int
    only_first: int
    only_second: int
    final: float
    largest: Deviation | None
    network: Key | None


@dataclass(frozen=True)
class Final:
    """Final accuracies, A's and B's, at one point of the common axes, means over its seeds."""

    point: tuple[Value, ...]
    accuracies: Mapping[str, tuple[float, float]]


def metrics(both: Matched) -> Iterator[Metric]:
    """Each quantity that some network of one of the runs has numbers of."""
    names = dict.fromkeys(name for sides in both.both.values() for side in sides for name in side)
    for name in names:
        sides = _sides(both, name)
        if any(not np.isnan(side.values).all() for pair_ in sides.values() for side in pair_):
            yield _metric(name, sides)


def finals(both: Matched) -> Iterator[Final]:
    """A row for each point where some network ends with another accuracy."""
    groups: dict[tuple[Value, ...], list[Key]] = {}
    for key in both.both:
        groups.setdefault(key[:-1], []).append(key)
    ends = {name: _ends(both, name) for name in ACCURACIES}
    for point, keys in groups.items():
        if any(not identical(*ends[name][key]).all() for name in ACCURACIES for key in keys):
            yield Final(point, {name: _means(ends[name], keys) for name in ACCURACIES})


def _sides(both: Matched, name: str) -> dict[Key, tuple[Series, Series]]:
    return {
        key: (ours.get(name, NOTHING), theirs.get(name, NOTHING))
        for key, (ours, theirs) in both.both.items()
    }


def _metric(name: str, sides: Sides) -> Metric:
    paired = {key: pair(*two) for key, two in sides.items()}
    worst = {key: found for key, one in paired.items() if (found := one.worst(name))}
    network = max(worst, key=lambda key: worst[key].size, default=None)
    return Metric(
        name,
        sum(len(one.first) for one in paired.values()),
        sum(one.only_first for one in paired.values()),
        sum(one.only_second for one in paired.values()),
        _mean_final(sides),
        None if network is None else worst[network],
        network,
    )


def _mean_final(sides: Sides) -> float:
    ends = [(_end(a), _end(b)) for a, b in sides.values()]
    apart = [_distance(a, b) for a, b in ends if len(a) == len(b) > 0]
    return float(np.mean(np.concatenate(apart))) if apart else float("nan")


def _distance(a: Floats, b: Floats) -> Floats:
    """|a - b|: 0 for equal ones, NaN too; infinite where one of them is not a number."""
    with np.errstate(all="ignore"):
        apart = np.abs(a - b)
    return np.where(identical(a, b), 0.0, np.where(np.isnan(apart), np.inf, apart))


def _end(series: Series) -> Floats:
    """The numbers of the last step."""
    steps = series.places[:, 0]
    return series.values[steps == steps.max()] if len(steps) else series.values


def _ends(both: Matched, name: str) -> dict[Key, tuple[Floats, Floats]]:
    """The last number of each network of both runs."""
    return {key: (_end(a)[-1:], _end(b)[-1:]) for key, (a, b) in _sides(both, name).items()}


def _means(ends: Mapping[Key, tuple[Floats, Floats]], keys: list[Key]) -> tuple[float, float]:
    """Over networks, those without such images left out."""
    first, second = (np.concatenate([ends[key][side] for key in keys]) for side in (0, 1))
    return _mean(first), _mean(second)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.mean(known)) if len(known) else float("nan")


@dataclass(frozen=True)
class Comparison:
    """What `compare` found of two run directories, A and B.

    environment: with the data's SHA-256; None where one of the two does not say. keys: the swept
    keys by which networks are paired. only_first, only_second: networks that only A or B has.
    finals: where final accuracies differ. damaged: the files of each that could not be read.
    """

    directories: tuple[Path, Path]
    tolerance: float
    config: tuple[Difference, ...]
    environment: tuple[Difference, ...] | None
    keys: tuple[str, ...]
    paired: int
    only_first: tuple[Key, ...]
    only_second: tuple[Key, ...]
    metrics: tuple[Metric, ...]
    finals: tuple[Final, ...]
    damaged: tuple[tuple[str, ...], tuple[str, ...]]

    def __repr__(self) -> str:
        same = "all numbers identical" if self.all_paired else "what both have is identical"
        said = same if self.paired else "nothing to compare"
        if any(metric.largest for metric in self.metrics):
            names = ", ".join(self.beyond)
            said = f"beyond {self.tolerance:g}: {names}" if names else f"within {self.tolerance:g}"
        a, b = self.directories
        return f"Comparison({a} against {b}: {self.paired} paired, {said})"

    @property
    def beyond(self) -> tuple[str, ...]:
        """The quantities with a deviation beyond the tolerance."""
        return tuple(
            metric.name
            for metric in self.metrics
            if metric.largest and metric.largest.size > self.tolerance
        )

    @property
    def all_paired(self) -> bool:
        """Whether neither run has a network or a number that the other lacks."""
        alone = any(metric.only_first or metric.only_second for metric in self.metrics)
        return not (alone or self.only_first or self.only_second)

    @property
    def exit_status(self) -> int:
        """1 if a number deviates beyond the tolerance, or if no network is in both."""
        return 1 if self.beyond or not self.paired else 0


def compare(first: str | Path, second: str | Path, tolerance: float = 0.0) -> Comparison:
    """Compare two run directories, or references without cells, number by number.

    Networks are paired by their swept values and seed, their numbers by step, those of probes by
    layer and place too. A number is within `tolerance` if |a - b| <= tolerance * max(1, |a|, |b|);
    one NaN is the same as another. Raises ConfigError where networks cannot be paired one to one,
    StoreError where a file is damaged.
    """
    check_tolerance(tolerance)
    directories = Path(first), Path(second)
    a, b = map(read_compared_run, directories)
    both = matched(a, b)
    a_facts, b_facts = run_facts(a), run_facts(b)
    known = a_facts is not None and b_facts is not None
    return Comparison(
        directories=directories,
        tolerance=tolerance,
        config=config_differences(a.config, b.config),
        environment=differences(a_facts or {}, b_facts or {}) if known else None,
        keys=both.keys,
        paired=len(both.both),
        only_first=both.only_first,
        only_second=both.only_second,
        metrics=tuple(metrics(both)),
        finals=tuple(finals(both)),
        damaged=(tuple(damaged_files(a).values()), tuple(damaged_files(b).values())),
    )
