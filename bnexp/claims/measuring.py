"""One number of each network: from its evaluations, or from what its probes read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import exp, inf, isfinite, log, nan

import numpy as np
from numpy.typing import NDArray

from bnexp.claims.sweep import Unfit
from bnexp.claims.timing import abridged, evaluations, read_steps
from bnexp.config.measures import Measure, OfMetric, OfQuantity
from bnexp.tables.results import Results, Table, rows

Floats = NDArray[np.float64]


def measured(measure: Measure, results: Results, cells: Collection[str]) -> dict[str, float]:
    """The measure of each of these cells; NaN where there is no number. Raises Unfit.

    A loss that is not finite is +inf: its network diverged.
    """
    if isinstance(measure, OfQuantity):
        return _quantities(measure, results.probes, cells)
    metric = as_metric(measure)
    return {
        cell: _metric(metric, rows(results.metrics, own))
        for cell, own in _rows(results.metrics["cell"], cells).items()
    }


def as_metric(measure: str | OfMetric) -> OfMetric:
    """final_train_loss -> {metric: train_loss, at: final}."""
    if isinstance(measure, OfMetric):
        return measure
    which, _, metric = measure.partition("_")
    return OfMetric.model_validate({"metric": metric, "at": which})


def _rows(column: NDArray[np.object_], cells: Collection[str]) -> dict[str, list[int]]:
    """The rows of each of these cells."""
    every: dict[str, list[int]] = {cell: [] for cell in cells}
    for i, cell in enumerate(column.tolist()):
        if cell in every:
            every[cell].append(i)
    return {cell: found for cell, found in every.items() if found}


def _metric(measure: OfMetric, table: Table) -> float:
    values = _scores(measure.metric, table)
    chosen = values[evaluations(measure, table["step"].tolist(), table["epoch"].tolist())]
    if measure.at != "best":
        return float(np.mean(chosen))
    known = chosen[~np.isnan(chosen)]
    best = np.max if measure.metric.endswith("accuracy") else np.min
    return float(best(known)) if len(known) else nan


def _scores(metric: str, table: Table) -> Floats:
    if metric == "gap":
        return np.asarray(table["train_accuracy"] - table["test_accuracy"])
    values = np.asarray(table[metric], dtype=np.float64)
    if not metric.endswith("loss"):
        return values
    scored = ~np.isnan(table[metric.replace("loss", "accuracy")])  # a loss may be NaN by itself
    return np.where(scored & ~np.isfinite(values), inf, values)


def _quantities(measure: OfQuantity, table: Table, cells: Collection[str]) -> dict[str, float]:
    here = np.flatnonzero(table["quantity"] == measure.quantity)
    if not len(here):
        raise Unfit(("quantity",), f"{measure.quantity}: not recorded")
    columns = {name: table[name][here] for name in ("cell", "step", "layer", "at", "value")}
    return {
        cell: _quantity(measure, rows(columns, own))
        for cell, own in _rows(columns["cell"], cells).items()
    }


def _quantity(measure: OfQuantity, table: Table) -> float:
    steps = read_steps(measure, sorted(set(table["step"].tolist())))
    table = rows(table, np.isin(table["step"], steps) & _place(measure, table["at"]))
    if measure.growth is None:
        return float(np.mean(_of_layer(measure.layer or 0, table)))
    first, last = measure.growth
    layers = range(first, last + 1)
    return growth({layer: float(np.mean(_of_layer(layer, table))) for layer in layers})


def _of_layer(layer: int, table: Table) -> Floats:
    found = np.asarray(table["value"][table["layer"] == layer])
    if not len(found):
        there = ", ".join(map(str, sorted(set(table["layer"].tolist()))))
        raise Unfit(("layer",), f"layer {layer}: not recorded, expected one of {there}")
    return found


def _place(measure: OfQuantity, places: Floats) -> NDArray[np.bool_]:
    """Where the quantity has several places, the one that is asked for."""
    several = sorted(set(places[~np.isnan(places)].tolist()))
    if measure.at is None:
        if len(several) > 1:
            raise Unfit(
                (), f"no place in it, expected at: one of {abridged(several, 12, 10)}, got none"
            )
        return np.ones(len(places), dtype=bool)
    found = np.isclose(places, measure.at, rtol=1e-6, atol=1e-12)
    if not found.any():
        expected = f"one of {abridged(several, 12, 10)}" if several else "no at, it is one number"
        raise Unfit(("at",), f"no such place, expected {expected}, got {measure.at:g}")
    return found


def growth(values: Mapping[int, float]) -> float:
    """The factor from layer to layer: exp of the least-squares slope of log(value) on the layer.

    slope = sum (l - mean l) (log v - mean log v) / sum (l - mean l)^2; NaN unless all are positive.
    """
    if not all(isfinite(value) and value > 0 for value in values.values()):
        return nan
    middle = sum(values) / len(values)
    above = sum((layer - middle) * log(value) for layer, value in values.items())
    return exp(above / sum((layer - middle) ** 2 for layer in values))
