"""The numbers of the depth figure: a quantity at each layer, over seeds, and what laws say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnexp.config.figures import Depth, Law
from bnexp.errors import ConfigError
from bnexp.figures.interval import Band, Floats, band
from bnexp.figures.panel_rows import Pair, panel_values
from bnexp.figures.readings import value_range
from bnexp.figures.restriction import matches
from bnexp.figures.selection import Selection, pairs, rows_where
from bnexp.tables.results import Results, Table


@dataclass(frozen=True)
class LayerLine:
    """One combination: where it stands in the sweep, and at each layer the band over seeds."""

    at: tuple[Pair, ...]
    x: Floats
    band: Band


@dataclass(frozen=True)
class LawLine:
    label: str
    number: int
    x: Floats
    y: Floats


def layer_lines(
    results: Results, selection: Selection, table: Table, layers: Sequence[int]
) -> list[tuple[str, list[LayerLine]]]:
    """For each panel its title and its lines."""
    return [
        (
            title,
            [
                _line(table, here + pairs(selection.line_axes, line), layers)
                for line in selection.lines
            ],
        )
        for title, here in panel_values(results, selection)
    ]


def law_lines(options: Depth, lines: Sequence[LayerLine], layers: Sequence[int]) -> list[LawLine]:
    """The laws of a panel; one that starts from a line which is not in it is left out."""
    made = (_law(options, number, law, lines, layers) for number, law in enumerate(options.law))
    return [line for line in made if line is not None]


def _line(table: Table, wanted: list[Pair], layers: Sequence[int]) -> LayerLine:
    mask = rows_where(table, wanted) & np.isin(table["layer"], layers)
    x, column = np.unique(table["layer"][mask].astype(np.float64), return_inverse=True)
    seeds, row = np.unique(table["seed"][mask], return_inverse=True)
    values = np.full((len(seeds), len(x)), np.nan)
    values[row, column] = table["value"][mask]
    floor, ceiling = value_range(table)
    return LayerLine(tuple(wanted), x, band(values, ceiling, floor))


def _law(
    options: Depth, number: int, law: Law, lines: Sequence[LayerLine], layers: Sequence[int]
) -> LawLine | None:
    x = np.array(layers, dtype=np.float64)
    if law.values is not None:
        if len(law.values) != len(layers):
            raise ConfigError(
                f"figure depth: law[{number}] ({law.label}): {len(law.values)} values for "
                f"{len(layers)} layers. Give one for each layer that is drawn."
            )
        return LawLine(law.label, number, x, np.array(law.values))
    line = next((line for line in lines if _is_wanted(line, law)), None)
    finite = np.isfinite(line.band.mean) if line else np.zeros(0, dtype=bool)
    if line is None or law.rate is None or not finite.any():
        return None
    end = np.flatnonzero(finite)[-1 if options.backwards else 0]
    steps = line.x[end] - x if options.backwards else x - line.x[end]
    return LawLine(law.label, number, x, line.band.mean[end] * law.rate**steps)


def _is_wanted(line: LayerLine, law: Law) -> bool:
    own = dict(line.at)
    several = {key: v if isinstance(v, tuple) else (v,) for key, v in law.where.items()}
    return all(
        key in own and any(matches(own[key], one) for one in wanted)
        for key, wanted in several.items()
    )
