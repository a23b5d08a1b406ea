"""How far two runs' numbers are apart, quantity by quantity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bnexp.comparison.deviations import Deviation, Floats, identical, pair
from bnexp.comparison.matching import Matched
from bnexp.comparison.networks import Key, Series
from bnexp.tables.results import Value

ACCURACIES = ("train_accuracy", "test_accuracy")
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
