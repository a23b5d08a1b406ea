"""The numbers of the scale figure: one value of each network, over seeds, against the swept key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnexp.figures.interval import Band, Floats, band
from bnexp.figures.selection import Selection, networks_of, pairs
from bnexp.figures.series import ceiling
from bnexp.tables.results import Axis, Results, Table


@dataclass(frozen=True)
class Points:
    """One line: at each `x` the band over seeds, and how many networks have no finite value."""

    x: Floats
    band: Band
    networks: NDArray[np.int64]
    lost: NDArray[np.int64]


def scale_metrics(results: Results, accuracy: str) -> tuple[str, ...]:
    """The summary's columns that are drawn, row by row: accuracies, then losses."""
    tested = np.isfinite(results.summary["final_test_accuracy"]).any()
    sets = ("train", "test") if tested else ("train",)
    return (*(f"{accuracy}_{part}_accuracy" for part in sets), *(f"final_{p}_loss" for p in sets))


def scale_points(
    results: Results, selection: Selection, axis: Axis, metric: str
) -> tuple[Points, ...]:
    """A line for each line of the selection."""
    return tuple(
        _points(networks_of(results, pairs(selection.line_axes, line)), axis.key, metric)
        for line in selection.lines
    )


def _points(networks: Table, key: str, metric: str) -> Points:
    x, at = np.unique(networks[key].astype(np.float64), return_inverse=True)
    seeds, row = np.unique(networks["seed"], return_inverse=True)
    values = np.full((len(seeds), len(x)), np.nan)
    values[row, at] = networks[metric]
    lost = np.bincount(at[~np.isfinite(networks[metric].astype(np.float64))], minlength=len(x))
    return Points(x, band(values, ceiling(metric)), np.bincount(at, minlength=len(x)), lost)
