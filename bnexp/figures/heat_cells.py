"""The numbers of the heat map: one value of each network, over seeds, on two swept keys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnexp.figures.choices import NORM, Grid
from bnexp.figures.interval import Floats, band
from bnexp.figures.selection import Selection, networks_of, pairs, rows_where
from bnexp.tables.results import Axis, Results, Table, Value

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Map:
    """The mean over seeds (rows, columns), and how many networks diverged there."""

    title: str
    values: Floats
    diverged: Counts
    signed: bool = False


def maps(results: Results, grid: Grid, value: str) -> list[Map]:
    """A map for each line, batch norm's first."""
    return [_map(results, grid, value, number) for number in _order(grid.selection)]


def difference(results: Results, grid: Grid, value: str) -> Map | None:
    """The first map minus the second, seed by seed, if there are exactly two."""
    if len(grid.selection.lines) != 2:
        return None
    order = _order(grid.selection)
    a, b = (_by_cell(results, grid, value, number) for number in order)
    labels = " minus ".join(grid.selection.labels[number] for number in order)
    counts = np.zeros(a.shape[1:], dtype=np.int64)
    return Map(labels, _mean(a - b), counts, signed=True)


def ordered(axis: Axis) -> list[Value]:
    """Numbers from small to large, others as they are swept."""
    values = list(dict.fromkeys(axis.values))
    return sorted(values) if axis.numeric else values


def _order(selection: Selection) -> list[int]:
    keys = [axis.key for axis in selection.line_axes]
    numbers = list(range(len(selection.lines)))
    if NORM not in keys:
        return numbers
    at = keys.index(NORM)
    return sorted(numbers, key=lambda n: not str(selection.lines[n][at]).startswith("batch"))


def _map(results: Results, grid: Grid, value: str, number: int) -> Map:
    networks = _line(results, grid, number)
    gone = networks["status"] == "diverged"
    diverged = [
        [int((gone & rows_where(networks, place)).sum()) for place in row] for row in _places(grid)
    ]
    values = _mean(_by_cell(results, grid, value, number))
    return Map(grid.selection.labels[number], values, np.array(diverged))


def _by_cell(results: Results, grid: Grid, value: str, number: int) -> Floats:
    """(seeds, rows, columns); NaN where there is no finite value."""
    networks = _line(results, grid, number)
    values = np.full((len(results.seeds), *_shape(grid)), np.nan)
    for i, places in enumerate(_places(grid)):
        for j, place in enumerate(places):
            here = rows_where(networks, place)
            at = [results.seeds.index(seed) for seed in networks["seed"][here].tolist()]
            values[at, i, j] = networks[value][here]
    return np.where(np.isfinite(values), values, np.nan)


def _line(results: Results, grid: Grid, number: int) -> Table:
    return networks_of(results, pairs(grid.selection.line_axes, grid.selection.lines[number]))


def _places(grid: Grid) -> list[list[list[tuple[str, Value]]]]:
    return [[[(grid.x.key, x), (grid.y.key, y)] for x in ordered(grid.x)] for y in ordered(grid.y)]


def _shape(grid: Grid) -> tuple[int, int]:
    return len(ordered(grid.y)), len(ordered(grid.x))


def _mean(values: Floats) -> Floats:
    flat = values.reshape(len(values), -1)
    return band(flat, floor=-np.inf).mean.reshape(values.shape[1:])
