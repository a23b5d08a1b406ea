"""The networks that a figure shows: its options `where` and `best`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.config.figures import Curves, Drawn
from bnexp.config.writing import flow
from bnexp.errors import ConfigError
from bnexp.figures.labels import symbol, value_label, value_text
from bnexp.figures.ranking import best_values
from bnexp.figures.selection import Swept, named
from bnexp.tables.results import Axis, Table, Value, rows

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
