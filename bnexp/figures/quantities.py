"""What a run records, and the part of its table of probes that a figure draws.

Before training only the names of the quantities are known (`planned_records`); afterwards they are
read from the results (`recorded_in`). A quantity has numbers for some layers, and within each layer
for one or several places: the left edges of bins, percentiles, step sizes. The place of a quantity
with one number is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from bnexp.config.options import instantiate
from bnexp.errors import ConfigError
from bnexp.figures.labels import value_text
from bnexp.metrics import GAP, HEADLINE, metric_column
from bnexp.runs.stats import Floats
from bnexp.runs.tables import Table, Tables, planned_metrics, rows
from bnexp.sweep import Plan

# Where the numbers of a quantity lie; those of others are not known.
RANGES = {"dead": (0.0, 1.0), "similarity": (-1.0, 1.0), "shift_cosine": (-1.0, 1.0)}


@dataclass(frozen=True)
class Recorded:
    """Whether test images are scored, which quantities are read, and the names of the metrics.

    None: that is not known.
    """

    tested: bool
    quantities: tuple[str, ...] | None
    metrics: tuple[str, ...] | None = None


def planned_records(plan: Plan, tested: bool) -> Recorded:
    """What a plan's networks will record; None for quantities if a probe does not name its own."""
    setting = plan.networks[0].setting if plan.networks else None
    probes = getattr(setting, "probes", None)
    read = [instantiate(options) for options in probes.read] if probes else []
    metrics = planned_metrics(plan)
    if not all(hasattr(probe, "quantity_names") for probe in read):
        return Recorded(tested, None, metrics)
    names = [name for probe in read for name in probe.quantity_names]
    return Recorded(tested, tuple(dict.fromkeys(names)), metrics)


def recorded_in(tables: Tables) -> Recorded:
    """What results hold; where no network was trained, nothing can be said of probes."""
    accuracies = tables.metrics[f"test_{HEADLINE}"]
    tested = bool(np.isfinite(accuracies).any())
    columns = [column for name in tables.metrics if (column := metric_column(name))]
    metrics = tuple(dict.fromkeys(column.name for column in columns))
    if not len(accuracies):
        return Recorded(tested, None, metrics)
    return Recorded(tested, tuple(dict.fromkeys(tables.probes["quantity"].tolist())), metrics)


def check_quantity(kind: str, quantity: str, recorded: Recorded) -> None:
    """Raise ConfigError if no probe reads the quantity."""
    if recorded.quantities is None or quantity in recorded.quantities:
        return
    near = get_close_matches(quantity, recorded.quantities, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    names = ", ".join(recorded.quantities) or "none"
    raise ConfigError(
        f"figure {kind}: quantity {quantity} is not recorded. Recorded: {names}. Add a probe that "
        f"reads it to probes.read.{hint}"
    )


def check_metric(kind: str, metric: str, recorded: Recorded, option: str = "metric") -> None:
    """Raise ConfigError if `metric` is not recorded, or of test images and none are scored.

    `option` is the key that names the metric.
    """
    column = metric_column(metric)
    if column and recorded.metrics is not None and column.name not in recorded.metrics:
        raise ConfigError(
            f"figure {kind}: {option} {metric} is not recorded. Add {column.name} to train.metrics."
        )
    if (metric == GAP or (column and column.images == "test")) and not recorded.tested:
        other = metric.replace("test_", "train_") if column else f"train_{HEADLINE}"
        raise ConfigError(
            f"figure {kind}: {option} {metric} needs test images, and none were scored. "
            f"Set data.test, or draw {option}: {other}."
        )


def readings(tables: Tables, quantity: str) -> Table:
    """The rows of one quantity; a table without rows if nothing was recorded."""
    if "value" not in tables.probes:
        dtypes: dict[str, type] = {"cell": object, "quantity": object}
        dtypes |= {axis.key: object for axis in tables.axes}
        dtypes |= {"seed": int, "step": int, "layer": int, "at": float, "value": float}
        return {name: np.empty(0, dtype) for name, dtype in dtypes.items()}
    return rows(tables.probes, tables.probes["quantity"] == quantity)


def layers_of(kind: str, table: Table, layers: int | Sequence[int] | None) -> tuple[int, ...]:
    """These layers, or all of the table. Raises ConfigError for one that was not recorded."""
    recorded = np.unique(table["layer"]).tolist()
    if layers is None:
        return tuple(recorded)
    named = (layers,) if isinstance(layers, int) else tuple(layers)
    missing = [layer for layer in named if recorded and layer not in recorded]
    _refuse_missing(kind, "layer", missing, recorded)
    return named


def layers_between(kind: str, table: Table, ends: tuple[int, int] | None) -> tuple[int, ...]:
    """The recorded layers from the first to the last of `ends`, or all.

    Raises ConfigError if there is none between them.
    """
    recorded = np.unique(table["layer"]).tolist()
    if ends is None or not recorded:
        return tuple(recorded)
    layers = tuple(layer for layer in recorded if ends[0] <= layer <= ends[1])
    _refuse_missing(kind, "layers", [] if layers else [f"[{ends[0]}, {ends[1]}]"], recorded)
    return layers


def places_of(
    kind: str, table: Table, places: float | Sequence[float] | None = None
) -> tuple[float, ...]:
    """These places within the quantity, or all. Raises ConfigError for one not recorded."""
    recorded = np.unique(table["at"]).tolist()  # NaN once, at the end
    if places is None:
        return tuple(recorded)
    named = [places] if isinstance(places, int | float) else list(places)
    near = {place: [r for r in recorded if np.isclose(r, place)][:1] for place in named}
    missing = [place for place in named if recorded and not near[place]]
    _refuse_missing(kind, "at", missing, recorded)
    return tuple(place for wanted in named for place in near[wanted])


def check_places(kind: str, quantity: str, table: Table) -> None:
    """Raise ConfigError if the quantity has numbers without a place, and so no bins to draw."""
    if np.isnan(table["at"]).any():
        raise ConfigError(
            f"figure {kind}: quantity {quantity} has no bins. Name one that a histogram probe "
            f"records, such as activation_density."
        )


def rows_at_place(table: Table, layer: int, place: float) -> Table:
    """The rows of one layer and place."""
    here = np.isnan(table["at"]) if np.isnan(place) else table["at"] == place
    return rows(table, (table["layer"] == layer) & here)


def value_range(table: Table) -> tuple[float, float]:
    """Where the numbers of a quantity can lie.

    Those of an unknown quantity are taken to be positive if none that was read is negative.
    """
    quantity = next(iter(table["quantity"].tolist()), "")
    finite = table["value"][np.isfinite(table["value"])]
    return RANGES.get(quantity, (-np.inf if (finite < 0).any() else 0.0, np.inf))


def rows_at_step(kind: str, table: Table, step: int | str) -> Table:
    """The rows of a step, or of each network's own `first` or `last`.

    Raises ConfigError if nothing was recorded at that step.
    """
    if isinstance(step, int):
        recorded = np.unique(table["step"]).tolist()
        missing = [step] if recorded and step not in recorded else []
        _refuse_missing(kind, "step", missing, recorded)
        return rows(table, table["step"] == step)
    networks, network = np.unique(table["cell"].astype(str), return_inverse=True)
    ends = np.full(len(networks), -1 if step == "last" else np.iinfo(np.int64).max)
    (np.maximum if step == "last" else np.minimum).at(ends, network, table["step"])
    return rows(table, table["step"] == ends[network])


def with_epochs(kind: str, table: Table, metrics: Table) -> Table:
    """The table with a column `epoch`, by each network's own evaluations.

    Raises ConfigError for a network with fewer than two evaluations.
    """
    epochs = np.empty(len(table["step"]), dtype=np.float64)
    for network in dict.fromkeys(table["cell"].tolist()):
        mask = table["cell"] == network
        scored = metrics["cell"] == network
        steps = table["step"][mask]
        epochs[mask] = _epochs(kind, steps, metrics["step"][scored], metrics["epoch"][scored])
    return {**table, "epoch": epochs}


def _epochs(kind: str, steps: Any, scored_steps: Any, scored_epochs: Any) -> Floats:
    """Interpolate between evaluations; before and after, all epochs have as many steps."""
    if len(scored_steps) < 2:
        raise ConfigError(
            f"figure {kind}: against epoch needs two evaluations, to know how long an epoch is. "
            f"Draw against: step."
        )
    first, last = scored_steps[0], scored_steps[-1]
    slope = (scored_epochs[-1] - scored_epochs[0]) / (last - first)
    line: Floats = np.maximum(scored_epochs[0] + slope * (steps - first), 0)
    between = np.interp(steps, scored_steps, scored_epochs)
    return np.where((steps < first) | (steps > last), line, between)


def _refuse_missing(
    kind: str, option: str, missing: Sequence[Any], recorded: Sequence[Any]
) -> None:
    if missing:
        names = ", ".join(value_text(value) for value in recorded[:20])
        more = ", ..." if len(recorded) > 20 else ""
        raise ConfigError(
            f"figure {kind}: {option} {missing[0]} was not recorded. Recorded: {names}{more}. "
            f"Name one of them, or let the probe read it."
        )
