"""The small table that a run ends with: final training accuracies over what was swept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from textwrap import wrap

import numpy as np

from bnexp.metrics import HEADLINE
from bnexp.runs.tables import Axis, Results, Value, moves_along
from bnexp.text import aligned, equations, paragraph, short

MAX_ROWS = 40
BEST = 10

Place = tuple[Value, ...]


@dataclass(frozen=True)
class Entry:
    """The networks of one field: final training accuracies that are numbers, how many diverged."""

    accuracies: tuple[float, ...] = ()
    diverged: int = 0

    @property
    def mean(self) -> float:
        return sum(self.accuracies) / len(self.accuracies) if self.accuracies else nan


@dataclass(frozen=True)
class Overview:
    """entries[i][j] belongs to rows[i] and columns[j].

    down, across: the keys whose values make the rows and the columns. left_out: how many rows there
    would be beside these, which then are the best ones.
    """

    down: tuple[str, ...]
    across: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    entries: tuple[tuple[Entry, ...], ...]
    left_out: int = 0


def trained(results: Results) -> bool:
    """Whether any network was scored after an update; probes alone need none."""
    return bool((results.metrics["step"] > 0).any()) if "step" in results.metrics else False


def overview(results: Results) -> Overview:
    """A row for each value of the first axis that is a number, a column for the rest of a point.

    Where that would be more than 40 rows: a row for each of the ten best points.
    """
    rows = _row_axes(results)
    if rows and len(set(rows[0].values)) > MAX_ROWS:
        return _best(results)
    columns = [axis for axis in results.axes if axis not in rows]
    fields = _fields(results, rows, columns)
    places = list(dict.fromkeys(row for row, _ in fields))
    heads = list(dict.fromkeys(column for _, column in fields))
    return Overview(
        tuple(axis.key for axis in rows),
        tuple(axis.key for axis in columns),
        tuple(map(_text, places)),
        tuple(_text(head) if columns else "accuracy" for head in heads),
        tuple(tuple(fields.get((row, head), Entry()) for head in heads) for row in places),
    )


def diverged(results: Results) -> Iterator[str]:
    """A line for each network that diverged."""
    summary = results.summary
    keys = [axis.key for axis in results.axes]
    for i in np.flatnonzero(summary["status"] == "diverged"):
        point = equations({key: summary[key][i] for key in keys})
        yield f"{point}, seed {summary['seed'][i]}: at step {summary['diverged_at_step'][i]}"


def _row_axes(results: Results) -> list[Axis]:
    """The first axis of numbers, else the first, and behind it those that move along with it."""
    axes = results.axes
    if not axes:
        return []
    first = next((axis for axis in axes if axis.numeric), axes[0])
    own = results.summary[first.key].tolist()
    others = [axis for axis in axes if axis is not first]
    columns = {axis: results.summary[axis.key].tolist() for axis in others}
    return [first, *(a for a in others if moves_along(zip(own, columns[a], strict=True)))]


def _best(results: Results) -> Overview:
    fields = _fields(results, results.axes, [])
    known = {place: entry for (place, _), entry in fields.items() if isfinite(entry.mean)}
    ranked = sorted(known, key=lambda place: -known[place].mean)[:BEST]
    return Overview(
        tuple(axis.key for axis in results.axes),
        (),
        tuple(map(_text, ranked)),
        ("accuracy",),
        tuple((known[place],) for place in ranked),
        len(fields) - len(ranked),
    )


def _fields(
    results: Results, rows: Sequence[Axis], columns: Sequence[Axis]
) -> dict[tuple[Place, Place], Entry]:
    """What was found at each pair of a row's place and a column's, in the summary's order."""
    summary = results.summary
    found: dict[tuple[Place, Place], list[tuple[float, str]]] = {}
    names = [*(axis.key for axis in (*rows, *columns)), f"final_train_{HEADLINE}", "status"]
    for *place, accuracy, status in zip(*(summary[n].tolist() for n in names), strict=True):
        key = (tuple(place[: len(rows)]), tuple(place[len(rows) :]))
        found.setdefault(key, []).append((accuracy, status))
    return {key: _entry(values) for key, values in found.items()}


def _entry(values: Sequence[tuple[float, str]]) -> Entry:
    return Entry(
        tuple(accuracy for accuracy, _ in values if isfinite(accuracy)),
        sum(status == "diverged" for _, status in values),
    )


def _text(place: Place) -> str:
    return ", ".join(map(short, place))


GAP = 2


def overview_lines(table: Overview, width: int = 80) -> Iterator[str]:
    """A title, then rows and columns; columns that do not fit beside the others follow below.

    With several networks in a field it says their mean, and from lowest to highest if that fits.
    """
    several = max((len(e.accuracies) for row in table.entries for e in row), default=0)
    said, blocks = "mean (lowest-highest)", _blocks(table, spread, width)
    if len(blocks) > 1:
        said, blocks = "mean", _blocks(table, mean_alone, width)
    yield f"final training accuracy{f', {said} of {several} seeds' if several > 1 else ''}"
    if any(entry.diverged for row in table.entries for entry in row):
        yield "* diverged: the loss is no longer finite"
    if table.across:
        yield from paragraph(f"columns: {', '.join(table.across)}", width, hanging=2)
    for block in blocks:
        yield ""
        yield from block
    if table.left_out:
        yield f"the {len(table.rows)} best; {table.left_out} more in summary.csv"


def mean_alone(entry: Entry) -> str:
    return f"{entry.mean:.3f}" if entry.accuracies else "-"


def spread(entry: Entry) -> str:
    """The mean, and behind it from lowest to highest where there are several networks."""
    if len(entry.accuracies) < 2:
        return mean_alone(entry)
    return f"{entry.mean:.3f} ({min(entry.accuracies):.3f}-{max(entry.accuracies):.3f})"


def _blocks(table: Overview, entry: Callable[[Entry], str], width: int) -> list[list[str]]:
    """The lines of each group of columns that fit beside the rows' heads."""
    heads = _column(", ".join(table.down), table.rows)
    groups: list[list[list[str]]] = [[]]
    for j, name in enumerate(table.columns):
        found = [row[j] for row in table.entries]
        room = " " * any(one.diverged for one in found)  # beside a mark
        column = _column(
            name, [entry(one) + ("*" if one.diverged else room) for one in found], room
        )
        if groups[-1] and _width([heads, *groups[-1], column]) > width:
            groups.append([])
        groups[-1].append(column)
    return [_joined([heads, *group]) for group in groups]


def _column(name: str, fields: Sequence[str], room: str = "") -> list[str]:
    """A head in as many lines as it needs to be no wider than the fields, then these."""
    widest = max(map(len, [*name.split(), *fields]), default=0)
    return [*(line + room for line in wrap(name, max(widest, 1))), *fields]


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column), default=0) + GAP for column in columns) - GAP


def _joined(columns: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, set to the right, their last lines level."""
    height = max(map(len, columns))
    full = [[""] * (height - len(column)) + list(column) for column in columns]
    return list(aligned(list(zip(*full, strict=True)), right=range(len(columns))))
