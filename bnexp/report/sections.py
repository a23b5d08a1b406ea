"""Tables of a page: every network, and every claim with its points."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np

from bnexp.claims import PointVerdict, Verdict
from bnexp.metrics import HEADLINE, IMAGE_SETS, is_unbounded_loss, metric_column
from bnexp.runs.data import RunData
from bnexp.runs.manifest import failures
from bnexp.runs.stats import t_interval
from bnexp.runs.tables import Value
from bnexp.sweep import Network
from bnexp.text import equations, short

SHORT = 8
HEADS = {"cell": "network", "diverged_at_step": "diverged at step"}


@dataclass(frozen=True)
class Field:
    """A table's field: what is read, what it is sorted by, and all of it where that is longer."""

    text: str
    exact: str
    number: bool


@dataclass(frozen=True)
class Networks:
    """A row for each network of the plan; `states` is the last thing known of each row."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Field, ...]], ...]
    counts: tuple[tuple[str, int], ...]


def networks(run: RunData) -> Networks:
    """The summary without empty columns, and behind it the networks that are not there."""
    summary = run.tables.summary
    keys = [axis.key for axis in run.tables.axes]
    names = [name for name in summary if name in (*keys, "seed") or _says_something(summary[name])]
    states = summary["status"].tolist()
    told = {**summary, "status": np.array(_told(run), object)}
    columns = [told[name].tolist() for name in names]
    rows = [
        (state, tuple(_field(n, value, state) for n, value in zip(names, row, strict=True)))
        for state, row in zip(states, zip(*columns, strict=True), strict=True)
    ]
    for network, reason in _missing_networks(run):
        known = {**network.point, "seed": network.seed, "status": f"missing: {reason}"}
        rows.append(("missing", tuple(_field(name, known.get(name, ""), "") for name in names)))
    counts = Counter(state for state, _ in rows)
    return Networks(tuple(_head(name) for name in names), tuple(rows), tuple(counts.items()))


def _says_something(column: Any) -> bool:
    if column.dtype.kind == "f":
        return bool((~np.isnan(column)).any())
    return bool((column != -1).any())


def _head(name: str) -> str:
    scored = metric_column(name)
    return scored.label if scored else HEADS.get(name, name)


def _field(name: str, value: Value, status: str) -> Field:
    """Empty where there is no value; a loss that is none because its network diverged is nan."""
    if name == "cell":
        return Field(str(value)[:SHORT], str(value), False)
    empty = value == "" or (name == "diverged_at_step" and value == -1)
    if empty or (isinstance(value, float) and math.isnan(value)):
        scored = metric_column(name)
        lost = scored and is_unbounded_loss(scored.metric) and status == "diverged"
        text = "nan" if lost else ""
        return Field(text, text, False)
    return Field(number(value), str(value), isinstance(value, int | float))


def number(value: Value) -> str:
    """A number with four digits, anything else as it is; nothing for what is not a number."""
    if isinstance(value, float) and math.isnan(value):
        return ""
    return short(value)


@dataclass(frozen=True)
class Judged:
    """A claim's row: the point that decides it first, all points within."""

    verdict: Verdict
    deciding: PointVerdict | None
    place: str


def claims(verdicts: Sequence[Verdict]) -> tuple[Judged, ...]:
    return tuple(Judged(v, v.deciding, place(v.deciding)) for v in verdicts)


def place(point: PointVerdict | None) -> str:
    """'model.init.std = 0.1, model.norm = batch', and with what it is compared."""
    if point is None:
        return ""
    return point_text(point.point) + (f" against {point_text(point.than)}" if point.than else "")


def point_text(values: Mapping[str, Value]) -> str:
    """A point of the sweep in words."""
    return equations(values) or "the one point"


def failed(run: RunData) -> Iterator[str]:
    """A line for each network that failed, with the reason if the run knows it."""
    summary, told = run.tables.summary, _told(run)
    for i in np.flatnonzero(summary["status"] == "failed"):
        point = {axis.key: summary[axis.key][i] for axis in run.tables.axes}
        yield f"{point_text(point)}, seed {summary['seed'][i]}: {told[i]}"


def missing(run: RunData) -> Iterator[str]:
    """A line for each network that has no result."""
    for network, reason in _missing_networks(run):
        yield f"{point_text(network.point)}, seed {network.seed}: {reason}"


def _missing_networks(run: RunData) -> list[tuple[Network, str]]:
    """The networks of the plan that have no result, and why."""
    networks = run.plan.networks
    return [(network, run.missing[network.id]) for network in networks if network.id in run.missing]


def _told(run: RunData) -> list[str]:
    """Each network's status; why it failed, if the manifest says so."""
    why = failures(run.manifest or {})
    rows = zip(run.tables.summary["cell"], run.tables.summary["status"], strict=True)
    return [
        f"failed: {why[network]}" if status == "failed" and network in why else status
        for network, status in rows
    ]


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


def both_points(first: RunData, second: RunData) -> tuple[Pair, ...]:
    """The points of both, those of the first in its order before those that only the second has."""
    found = [_finals(run) for run in (first, second)]
    keys = dict.fromkeys([*found[0], *found[1]])
    pairs = (_pair(key, *(side.get(key, Final()) for side in found)) for key in keys)
    return tuple(pair for pair in pairs if pair.first.n or pair.second.n)


def _pair(key: tuple[str, Place], first: Final, second: Final) -> Pair:
    which, place = key
    return Pair(point_text(dict(place)), which, first, second, second.mean - first.mean)


def _finals(run: RunData) -> Mapping[tuple[str, Place], Final]:
    """By metric and point; the point is its swept values, whatever the order of the axes."""
    summary = run.tables.summary
    keys = [axis.key for axis in run.tables.axes]
    made: dict[tuple[str, Place], list[tuple[float, str]]] = {}
    for which in IMAGE_SETS:
        names = (*keys, "status", f"final_{which}_{HEADLINE}")
        columns = [summary[name].tolist() for name in names]
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
    first: Sequence[Verdict], second: Sequence[Verdict]
) -> tuple[tuple[str, tuple[Verdict | None, Verdict | None]], ...]:
    """Each sentence with its verdicts in both runs, None where only the other one says it."""
    found = [{verdict.says: verdict for verdict in verdicts} for verdicts in (first, second)]
    says = dict.fromkeys([*found[0], *found[1]])
    return tuple((text, (found[0].get(text), found[1].get(text))) for text in says)
