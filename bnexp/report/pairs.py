"""What two runs found at the same points, and of the same claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan

from bnexp.claims import Verdict
from bnexp.report.rows import point_text
from bnexp.report.run import Run
from bnexp.tables.interval import t_interval
from bnexp.tables.results import Value

WHICH = ("train", "test")
Place = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Final:
    """Mean and ends of the 95 % interval of a final accuracy over `n` seeds; NaN without any."""

    mean: float = nan
    low: float = nan
    high: float = nan
    n: int = 0
    diverged: int = 0


@dataclass(frozen=True)
class Pair:
    """A point of either run: the final accuracies of both, and the second's less the first's."""

    place: str
    which: str
    first: Final
    second: Final
    difference: float


def both_points(first: Run, second: Run) -> tuple[Pair, ...]:
    """The points of both, those of the first in its order before those that only the second has."""
    found = [_finals(run) for run in (first, second)]
    keys = dict.fromkeys([*found[0], *found[1]])
    pairs = (_pair(key, *(side.get(key, Final()) for side in found)) for key in keys)
    return tuple(pair for pair in pairs if pair.first.n or pair.second.n)


def _pair(key: tuple[str, Place], first: Final, second: Final) -> Pair:
    which, place = key
    return Pair(point_text(dict(place)), which, first, second, second.mean - first.mean)


def _finals(run: Run) -> Mapping[tuple[str, Place], Final]:
    """By metric and point; the point is its swept values, whatever the order of the axes."""
    summary = run.tables.summary
    keys = [axis.key for axis in run.tables.axes]
    made: dict[tuple[str, Place], list[tuple[float, str]]] = {}
    for which in WHICH:
        columns = [summary[name].tolist() for name in (*keys, "status", f"final_{which}_accuracy")]
        for *point, status, accuracy in zip(*columns, strict=True):
            place = tuple(sorted(zip(keys, point, strict=True)))
            made.setdefault((which, place), []).append((accuracy, status))
    return {key: _final(values) for key, values in made.items()}


def _final(values: list[tuple[float, str]]) -> Final:
    finite = [accuracy for accuracy, _ in values if isfinite(accuracy)]
    if not finite:
        return Final()
    lost = sum(status == "diverged" for _, status in values)
    mean, low, high = t_interval(finite)
    return Final(mean, max(low, 0.0), min(high, 1.0), len(finite), lost)  # accuracies


def paired_claims(
    first: Run, second: Run
) -> tuple[tuple[str, tuple[Verdict | None, Verdict | None]], ...]:
    """Each sentence with its verdicts in both runs, None where only the other one says it."""
    found = [{verdict.says: verdict for verdict in run.verdicts} for run in (first, second)]
    says = dict.fromkeys([*found[0], *found[1]])
    return tuple((text, (found[0].get(text), found[1].get(text))) for text in says)
