"""Which networks a figure shows, which swept keys it spreads out, and which lines remain.

A figure of some kind spreads out no swept key, one (the panels, or the x axis) or two (a map). Keys
that are swept together with those are its companions; all other keys make the lines. Nothing is
drawn here, and no metric is read but to rank values: a selection can be made of a plan before
training (see `Swept`) and is the same afterwards.

An example: a sweep over model.init.std (16 values) and model.norm (batch, none). The figure
`panels` spreads out model.init.std, so it has 16 panels; model.norm makes two lines in each of
them. If train.optimizer.lr changed together with model.init.std (`zip`), it would be a companion:
it adds no panels, and its value stands in the title of each panel.

Errors are ConfigErrors that name the figure and a remedy; `FigureError` also has the key of the
options that is wrong, for its place in the YAML file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bnexp.config.messages import dotted
from bnexp.config.yaml import KeyPath
from bnexp.errors import ConfigError
from bnexp.figures.labels import value_label
from bnexp.metrics import HEADLINE
from bnexp.runs.tables import Axis, Table, Tables, Value, moves_along, rows
from bnexp.runs.where import Point, WhereError, no_such_points, select_values
from bnexp.text import choices

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
    """The roles of the swept keys in one figure.

    spread: the axes that are spread out. companions: those that are swept along with them.
    line_axes: the others; `lines` are their combinations that occur, in the order of the summary,
    and `labels` what a legend calls them. Without line axes there is one nameless line.
    """

    spread: tuple[Axis, ...]
    companions: tuple[Axis, ...]
    line_axes: tuple[Axis, ...]
    lines: tuple[tuple[Value, ...], ...]
    labels: tuple[str, ...]

    @property
    def axis(self) -> Axis | None:
        """The axis that is spread out, or the first of them."""
        return self.spread[0] if self.spread else None

    @property
    def line_points(self) -> list[Point]:
        """The values of the line axes on each line."""
        keys = [axis.key for axis in self.line_axes]
        return [dict(zip(keys, line, strict=True)) for line in self.lines]


def select(swept: Swept, *spread: Axis | None) -> Selection:
    """The selection that spreads out these axes; None stands for no axis.

    Axes that change whenever a spread axis does, and never else, are its companions. Combinations
    of the others that occur in the summary are the lines.

    Only axes of `swept.axes` may be spread out. No network need exist at a combination of a spread
    value and a line.
    """
    axes = tuple(axis for axis in spread if axis is not None)
    others = [other for other in swept.axes if other not in axes]
    companions = tuple(
        other
        for other in others
        if any(moves_along(combinations(swept.summary, [a.key, other.key])) for a in axes)
    )
    line_axes = tuple(other for other in others if other not in companions)
    lines = combinations(swept.summary, [axis.key for axis in line_axes])
    if not lines:  # there is no network
        line_axes, lines = (), ((),)
    keys = [axis.key for axis in swept.axes]
    labels = []
    for line in lines:
        named = zip(line_axes, line, strict=True)
        labels.append(", ".join(value_label(axis, value, keys) for axis, value in named))
    return Selection(axes, companions, line_axes, lines, tuple(labels))


def panels_of(tables: Tables, selection: Selection) -> list[tuple[str, list[Point]]]:
    """The title of each panel, and the point of each of its lines.

    There is a panel for each value of the axis, in the sweep's order, named by that value and those
    of its companions; without an axis there is one panel without a title.
    """
    axis, lines = selection.axis, selection.line_points
    if axis is None:
        return [("", lines)]
    axes = {other.key: other for other in tables.axes}
    panels: list[tuple[str, list[Point]]] = []
    for value in dict.fromkeys(axis.values):
        mask = tables.summary[axis.key] == value
        named: dict[str, Value] = {axis.key: value}
        for companion in selection.companions:
            present = tables.summary[companion.key][mask].tolist()
            if present:
                named[companion.key] = present[0]
        title = ", ".join(value_label(axes[key], v, list(axes)) for key, v in named.items())
        panels.append((title, [{axis.key: value, **line} for line in lines]))
    return panels


def combinations(table: Table, keys: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    """The distinct combinations of these columns, in order of first appearance."""
    if not keys:
        return ((),)
    columns = [table[key].tolist() for key in keys]
    return tuple(dict.fromkeys(zip(*columns, strict=True)))


def rows_where(table: Table, point: Point) -> NDArray[np.bool_]:
    """Which rows have the values of this point.

    point: swept key -> value; an empty one selects all rows. Returns booleans, one for each row of
    `table`, which must have a column `seed`.
    """
    mask = np.ones(len(table["seed"]), dtype=bool)
    for key, value in point.items():
        mask &= table[key] == value
    return mask


def networks_at(tables: Tables, point: Point) -> Table:
    """The rows of the summary at this point, without those of failed networks."""
    summary = tables.summary
    return rows(summary, rows_where(summary, point) & (summary["status"] != "failed"))


def find_axis(kind: str, swept: Swept, key: str, option: str) -> Axis:
    """The axis of a swept key, which `option` names. Raises FigureError if it is not swept.

    kind: of the figure, for the message, which also names the swept key that is spelled most like
    it.
    """
    for axis in swept.axes:
        if axis.key == key:
            return axis
    keys = [axis.key for axis in swept.axes]
    expected = choices(key, keys) if keys else f"a swept key, and none is swept, got {key!r}"
    raise FigureError(kind, (option,), f"not a swept key, expected {expected}")


def swept_keys(swept: Swept, but: Axis | None = None) -> str:
    """The swept keys as a message lists them."""
    return ", ".join(axis.key for axis in swept.axes if axis != but) or "none"


def select_panels(
    kind: str,
    swept: Swept,
    key: str | None,
    option: str = "panel_axis",
    default: Axis | None = None,
) -> Selection:
    """Spread out the swept key that `option` names, else the `default`; all others make the lines.

    Raises FigureError if it is not swept, or for more panels or lines than a page can show.
    """
    axis = default if key is None else find_axis(kind, swept, key, option)
    selection = select(swept, axis)
    if axis and len(set(axis.values)) > MAX_PANELS:
        raise FigureError(
            kind,
            () if key is None else (option,),
            f"too many panels, expected at most {MAX_PANELS}, got {len(set(axis.values))} values "
            f"of {axis.key}; sweep fewer, or draw kind: scale, or name another key as {option}: "
            f"{swept_keys(swept, axis)}",
        )
    check_lines(kind, selection)
    return selection


def check_lines(kind: str, selection: Selection) -> None:
    """Raise FigureError if there are more lines than can be told apart."""
    axis = "axis" if kind in ("panels", "scale") else "panel_axis, or restrict the figure by where"
    remedy = f"name the key with most values as the figure's {axis}"
    check_number(kind, selection, MAX_LINES, "lines", remedy)


def check_number(
    kind: str,
    selection: Selection,
    most: int,
    what: str,
    remedy: str = "restrict the figure by where",
) -> None:
    """Raise FigureError if there are more than `most` combinations of the line axes.

    `what` is made of each of them: lines, rows, panels, maps.

    remedy: the end of the message, after "or": what else the user can do.
    """
    if len(selection.lines) > most:
        keys = " and ".join(axis.key for axis in selection.line_axes)
        text = f"too many {what}, expected at most {most}, got {len(selection.lines)} by {keys}; "
        raise FigureError(kind, (), f"{text}sweep fewer values, or {remedy}")


TABLES = ("metrics", "summary", "probes")


class FigureError(ConfigError):
    """A figure cannot be drawn; `path` is the key of its options that is to blame.

    kind: of the figure. text: what is wrong. at_key: whether the key itself is wrong, not its
    value. An empty path stands for the figure as a whole.
    """

    def __init__(self, kind: str, path: KeyPath, text: str, at_key: bool = False) -> None:
        place = f"{dotted(path)}: " if path else ""
        super().__init__(f"figure {kind}: {place}{text}")
        self.path, self.text, self.at_key = path, text, at_key


def restrict(kind: str, swept: Any, values: Mapping[str, Sequence[Value]]) -> Any:
    """`swept`, such as results, with the networks that have one of the `values` of each key.

    The axes have these values in this order; one that is left with a single value is an axis no
    more. Raises FigureError if no network is left.

    Rows are removed from metrics, summary and probes alike, as far as `swept` has these tables. The
    type of `swept` is kept; it must be a dataclass.
    """
    tables = {n: _rows_among(getattr(swept, n), values) for n in TABLES if hasattr(swept, n)}
    before, after = (len(next(iter(t.values()))) for t in (swept.summary, tables["summary"]))
    if before and not after:
        points = combinations(swept.summary, [axis.key for axis in swept.axes])
        error = no_such_points(len(points))
        raise FigureError(kind, ("where",), error.text)
    axes = []
    for axis in swept.axes:  # axes that move together lose values together
        present = set(tables["summary"][axis.key].tolist())
        left = values.get(axis.key, axis.values)
        axes.append(replace(axis, values=tuple(v for v in left if v in present or not present)))
    return replace(swept, axes=tuple(a for a in axes if len(a.values) > 1), **tables)


def values_where(
    kind: str, swept: Swept, where: Mapping[str, Any], path: KeyPath = ("where",)
) -> dict[str, list[Value]]:
    """The swept values that `where` selects of each key. Raises FigureError if it selects none.

    `path` is the key of this `where` among the options of the figure.
    """
    try:
        return {key: list(values) for key, values in select_values(where, swept.axes).items()}
    except WhereError as error:
        raise FigureError(kind, (*path, *error.path), error.text, error.at_key) from None


def _rows_among(table: Table, values: Mapping[str, Sequence[Value]]) -> Table:
    """The rows that have one of the values of each key."""
    if not all(key in table for key in values):  # nothing was recorded
        return table
    mask = np.ones(len(next(iter(table.values()))), dtype=bool)
    for key, allowed in values.items():
        mask &= np.any([table[key] == value for value in allowed], axis=0)
    return rows(table, mask)


def best_values(kind: str, swept: Swept, key: str, number: int) -> list[Value]:
    """The `number` values whose networks end with the highest mean accuracy, the best first.

    By test accuracy where test images are scored; before training, the first values. Raises
    FigureError if the key, the option panel_axis, is not swept.

    Values are compared by the mean over all their networks with a finite accuracy; a value without
    any comes last. Equal ones keep the order of the sweep.
    """
    values = list(dict.fromkeys(find_axis(kind, swept, key, "panel_axis").values))
    columns = (swept.summary.get(f"final_{images}_{HEADLINE}") for images in ("test", "train"))
    scored = (c for c in columns if c is not None and np.isfinite(c).any())
    if (accuracies := next(scored, None)) is not None:
        finite = np.isfinite(accuracies)
        samples = {v: accuracies[finite & (swept.summary[key] == v)] for v in values}
        means = {v: float(sample.mean()) if len(sample) else -1.0 for v, sample in samples.items()}
        values.sort(key=lambda value: -means[value])
    return values[:number]
