"""Which axis a figure spreads out, and which lines remain. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import ConfigError
from bnexp.figures.labels import value_label
from bnexp.tables.results import Axis, Results, Table, Value, moves_along, rows

MAX_PANELS = 36
MAX_LINES = 12


class Swept(Protocol):
    """What is selected from, such as results: the axes, and a table with a column for each."""

    @property
    def axes(self) -> tuple[Axis, ...]: ...

    @property
    def summary(self) -> Table: ...


@dataclass(frozen=True)
class Selection:
    """`axis` is spread out; `companions` are swept along with it; the others make the lines."""

    axis: Axis | None
    companions: tuple[Axis, ...]
    line_axes: tuple[Axis, ...]
    lines: tuple[tuple[Value, ...], ...]
    labels: tuple[str, ...]


def select(swept: Swept, axis: Axis | None) -> Selection:
    """The lines that really occur beside `axis`, in the order of the summary."""
    return select_beside(swept, () if axis is None else (axis,))


def select_beside(swept: Swept, spread: tuple[Axis, ...]) -> Selection:
    """The lines that really occur beside several axes; a nameless one if there is no network."""
    others = [other for other in swept.axes if other not in spread]
    along = tuple(o for o in others if any(_follows(swept.summary, o, axis) for axis in spread))
    rest = tuple(other for other in others if other not in along)
    lines = combinations(swept.summary, [other.key for other in rest])
    rest, lines = (rest, lines) if lines else ((), ((),))
    labels = tuple(_label(rest, line, swept) for line in lines)
    return Selection(spread[0] if spread else None, along, rest, lines, labels)


def columns_of_last(selection: Selection) -> int:
    """How many columns put the values of the last line axis side by side; 0 if they do not fit."""
    lines = selection.lines
    last = list(dict.fromkeys(line[-1] for line in lines if line))
    rest = dict.fromkeys(line[:-1] for line in lines)
    whole = lines == tuple((*first, value) for first in rest for value in last)
    return len(last) if whole and 2 <= len(last) <= 4 else 0


def combinations(table: Table, keys: Sequence[str]) -> tuple[tuple[Value, ...], ...]:
    """The distinct combinations of these columns, in order of first appearance."""
    if not keys:
        return ((),)
    columns = [table[key].tolist() for key in keys]
    return tuple(dict.fromkeys(zip(*columns, strict=True)))


def rows_where(table: Table, wanted: Iterable[tuple[str, Value]]) -> NDArray[np.bool_]:
    """Which rows have these values in these columns."""
    mask = np.ones(len(table["seed"]), dtype=bool)
    for key, value in wanted:
        mask &= table[key] == value
    return mask


def networks_of(results: Results, wanted: Iterable[tuple[str, Value]]) -> Table:
    """The rows of the summary with these values, those of failed networks left out."""
    summary = results.summary
    return rows(summary, rows_where(summary, wanted) & (summary["status"] != "failed"))


def pairs(axes: Sequence[Axis], values: Sequence[Value]) -> list[tuple[str, Value]]:
    return [(axis.key, value) for axis, value in zip(axes, values, strict=True)]


def panel_axis(swept: Swept, key: str | None) -> Axis | None:
    """The named axis, else the first that is a number, else the first, else none."""
    if key is not None:
        return named(swept, key, "panels")
    return next((axis for axis in swept.axes if axis.numeric), next(iter(swept.axes), None))


def scale_axis(swept: Swept, key: str | None) -> Axis:
    """The named axis, else the first that is a number. Raises ConfigError if it is not a number."""
    numeric = [axis for axis in swept.axes if axis.numeric]
    axis = next(iter(numeric), None) if key is None else named(swept, key, "scale")
    if axis in numeric:
        return axis
    what = f"the values of {key} are not numbers" if key else "no swept key has only numbers"
    raise ConfigError(f"figure scale: {what}. Sweep a number, or draw kind: panels instead.")


def check_panels(kind: str, swept: Swept, selection: Selection) -> None:
    """Raise ConfigError if there are more panels or lines than a page can show."""
    axis = selection.axis
    if axis and len(set(axis.values)) > MAX_PANELS:
        raise ConfigError(
            f"figure {kind}: {axis.key} has {len(set(axis.values))} values, and at most "
            f"{MAX_PANELS} panels fit on a page. Sweep fewer values of {axis.key}, or draw kind: "
            f"scale, or name another axis: {_keys(swept, axis)}."
        )
    check_lines(kind, selection)


def check_lines(kind: str, selection: Selection) -> None:
    """Raise ConfigError if there are more lines than can be told apart."""
    axis = "axis" if kind in ("panels", "scale") else "panel_axis, or restrict the figure by where"
    check_number(
        kind, selection, MAX_LINES, "lines", f"name the one with most values as the figure's {axis}"
    )


def check_number(kind: str, selection: Selection, most: int, what: str, remedy: str) -> None:
    """Raise ConfigError if there are more than `most` combinations of the line axes."""
    if len(selection.lines) > most:
        keys = " and ".join(axis.key for axis in selection.line_axes)
        can = "can be told apart" if what == "lines" else "fit on a page"
        raise ConfigError(
            f"figure {kind}: {keys} would make {len(selection.lines)} {what}, and at most "
            f"{most} {can}. Sweep fewer values of {keys}, or {remedy}."
        )


def _follows(table: Table, other: Axis, axis: Axis) -> bool:
    """Whether `other` moves with `axis`."""
    return moves_along((a, b) for a, b in combinations(table, [axis.key, other.key]))


def _label(axes: tuple[Axis, ...], line: tuple[Value, ...], swept: Swept) -> str:
    keys = [axis.key for axis in swept.axes]
    return ", ".join(value_label(a, value, keys) for a, value in zip(axes, line, strict=True))


def named(swept: Swept, key: str, kind: str) -> Axis:
    found: Any = next((axis for axis in swept.axes if axis.key == key), None)
    if isinstance(found, Axis):
        return found
    near = get_close_matches(key, [axis.key for axis in swept.axes], 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ConfigError(f"figure {kind}: axis {key} is not swept. Swept: {_keys(swept)}.{hint}")


def _keys(swept: Swept, without: Axis | None = None) -> str:
    return ", ".join(axis.key for axis in swept.axes if axis != without) or "none"
