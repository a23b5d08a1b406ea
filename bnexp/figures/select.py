"""Which axis a figure spreads out, and which lines remain. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bnexp.config.figures import Curves, Drawn
from bnexp.config.yaml import flow
from bnexp.errors import ConfigError
from bnexp.figures.labels import symbol, value_label, value_text
from bnexp.metrics import HEADLINE
from bnexp.runs.tables import Axis, Results, Table, Value, moves_along, rows

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


def best_values(kind: str, swept: Swept, key: str, number: int) -> list[Value]:
    """The `number` values whose networks end with the highest mean accuracy, the best first.

    By test accuracy where test images are scored; before training, the first values. Raises
    ConfigError if the key is not swept.
    """
    values = list(dict.fromkeys(named(swept, key, kind).values))
    names = [f"final_{images}_{HEADLINE}" for images in ("test", "train")]
    found = [swept.summary[name] for name in names if name in swept.summary]
    scored = next((column for column in found if np.isfinite(column).any()), None)
    if scored is not None:
        own = swept.summary[key]
        means = {value: _mean(scored[own == value]) for value in values}
        values.sort(key=lambda value: -means[value])
    return values[:number]


def _mean(accuracies: np.ndarray) -> float:
    finite = accuracies[np.isfinite(accuracies)]
    return float(finite.mean()) if len(finite) else -1.0


TOLERANCE = 0.005  # a value is written with three digits, and 0.158 means 0.15849
TABLES = ("metrics", "summary", "probes")

Where = Mapping[str, Any]


def restricted(options: Drawn, swept: Any) -> Any:
    """`swept` with the wanted networks only; an axis that is left with one value is none any more.

    Raises ConfigError if a key or a value is not swept, or if no network is left.
    """
    where: Where = getattr(options, "where", {})
    if where:
        swept = _only(options, swept, kept_values(options.kind, swept, where))
    if isinstance(options, Curves) and options.best is not None:
        if options.panel_axis is None:
            raise ConfigError("figure curves: best is of the values of panel_axis. Name that too.")
        best = best_values(options.kind, swept, options.panel_axis, options.best)
        swept = _only(options, swept, {options.panel_axis: best})
    return swept


def _only(options: Drawn, swept: Any, kept: Mapping[str, Sequence[Value]]) -> Any:
    tables = {name: _rows(getattr(swept, name), kept) for name in TABLES if hasattr(swept, name)}
    before, after = (len(next(iter(t.values()))) for t in (swept.summary, tables["summary"]))
    if before and not after:
        raise ConfigError(f"figure {options.kind}: where leaves no network. Take a key out of it.")
    axes = (_left(axis, tables["summary"], kept) for axis in swept.axes)
    several = tuple(axis for axis in axes if len(axis.values) > 1)
    return replace(swept, axes=several, **tables)


def kept_values(kind: str, swept: Swept, where: Where) -> dict[str, list[Value]]:
    """The swept values that are wanted of each key. Raises ConfigError for one that is not."""
    return {key: _kept(kind, named(swept, key, kind), want) for key, want in where.items()}


def where_note(before: Swept, after: Swept) -> str:
    """'W = 0.05; 3 of 16 values of lr': what the figure is restricted to; empty if to nothing."""
    left = {axis.key: axis for axis in after.axes}
    keys = [axis.key for axis in before.axes]
    fixed = [axis for axis in before.axes if axis.key not in left]
    values = [(axis, after.summary[axis.key].tolist()[:1]) for axis in fixed]
    texts = [value_label(axis, value, keys) for axis, found in values for value in found]
    some = [a for a in before.axes if a.key in left and len(left[a.key].values) < len(a.values)]
    texts += [
        f"{len(left[a.key].values)} of {len(a.values)} values of {symbol(a.key, keys)}"
        for a in some
    ]
    return "; ".join(texts)


def matches(value: Value, wanted: Any) -> bool:
    """Whether a swept value is the wanted one; true and false are texts in tables."""
    if isinstance(wanted, bool) or isinstance(value, str) or isinstance(wanted, str):
        return str(value).lower() == str(wanted).lower()
    return bool(abs(value - wanted) <= TOLERANCE * abs(wanted))


def _kept(kind: str, axis: Axis, wanted: Any) -> list[Value]:
    several: Sequence[Any] = wanted if isinstance(wanted, tuple) else (wanted,)
    if (whole := flow(list(several))) in axis.values:  # the values are lists themselves
        return [whole]
    missing = [one for one in several if not any(matches(value, one) for value in axis.values)]
    if missing:
        known = ", ".join(value_text(value) for value in axis.values)
        raise ConfigError(
            f"figure {kind}: where {axis.key}: {missing[0]} is not among its values. "
            f"Swept: {known}."
        )
    return [value for value in axis.values if any(matches(value, one) for one in several)]


def _left(axis: Axis, summary: Table, kept: Mapping[str, Sequence[Value]]) -> Axis:
    """The axis with the values that are wanted and, as axes move together, occur."""
    found = set(summary[axis.key].tolist())
    wanted = kept.get(axis.key, axis.values)
    return replace(axis, values=tuple(v for v in wanted if v in found or not found))


def _rows(table: Table, kept: Mapping[str, Sequence[Value]]) -> Table:
    if not all(key in table for key in kept):  # nothing was recorded
        return table
    mask = np.ones(len(next(iter(table.values()))), dtype=bool)
    for key, values in kept.items():
        mask &= _among(table[key], values)
    return rows(table, mask)


def _among(column: NDArray[Any], values: Sequence[Value]) -> NDArray[np.bool_]:
    found = np.zeros(len(column), dtype=bool)
    for value in values:
        found |= column == value
    return found
