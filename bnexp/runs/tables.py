"""Cell records as columns: one row an evaluation, and one row a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bnexp.config import Experiment
from bnexp.execution.task import Probed, Record
from bnexp.metrics import evaluation_columns, metric_of, recorded_metrics, summary_columns
from bnexp.sweep import Network, Plan

Value: TypeAlias = float | int | str
Table: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Axis:
    """A swept key of the config.

    values: the swept values in their order; mappings, lists, true, false and null by their labels.
    config_values: by label, the values as the config has them; empty if they are not known.
    """

    key: str
    values: tuple[Value, ...]
    config_values: Mapping[Value, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def numeric(self) -> bool:
        """Whether every value is a number (true and false are not)."""
        return all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in self.values
        )


def plan_axes(plan: Plan) -> tuple[Axis, ...]:
    """The axes of a plan, as tables have them."""
    return tuple(
        Axis(axis.key, axis.labels, dict(zip(axis.labels, axis.values, strict=True)))
        for axis in plan.axes
    )


def rows(table: Table, chosen: Any) -> Table:
    """The rows that a mask, or a list of their numbers, chooses."""
    return {name: column[chosen] for name, column in table.items()}


def group_rows(table: Table, names: Sequence[str]) -> dict[tuple[Any, ...], NDArray[np.intp]]:
    """The numbers of the rows that have the same values of the named columns, by these values.

    Groups are in the order of their first rows. An empty table needs no columns.
    """
    if not len(next(iter(table.values()))):
        return {}
    numbers: dict[tuple[Any, ...], int] = {}
    combinations = zip(*(table[name].tolist() for name in names), strict=True)
    groups = np.array([numbers.setdefault(values, len(numbers)) for values in combinations])
    ends = np.cumsum(np.bincount(groups))[:-1]
    return dict(zip(numbers, np.split(np.argsort(groups, kind="stable"), ends), strict=True))


def moves_along(pairs: Iterable[tuple[Value, Value]]) -> bool:
    """Of (value of one axis, value of another): the other varies, but not while the one stays."""
    together = set(pairs)
    own, others = {a for a, _ in together}, {b for _, b in together}
    return len(others) > 1 and len(together) == len(own)


@dataclass(frozen=True)
class Tables:
    """An experiment's tables: column name to array, all columns of a table equally long.

    metrics: one row an evaluation: cell, seed, one column a swept key, epoch, step, train_loss,
        train_accuracy, test_loss, test_accuracy (NaN if no test images are scored), likewise for
        other recorded metrics. Failed cells may be absent.
    summary: one row a network: cell, seed, one column a swept key, status (ok, diverged, failed),
        diverged_at_step (-1: it did not), final_* and best_* of each metric, seconds.
    probes: one row a number that a probe read: cell, seed, one column a swept key, step (0 = before
        the first update), layer (1 = the first with weights, 0 = the whole network), quantity, at
        (where the number stands within the quantity: a bin's left edge, a percentile, a step size;
        NaN where there is one number only), value.
    """

    name: str
    title: str
    source: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    metrics: Table
    summary: Table
    probes: Table = field(default_factory=lambda: {"quantity": np.empty(0, object)})


Results = Tables  # the name in modules that have not changed yet

# The columns before the swept keys; those behind them in probes.csv.
FIRST = ("cell", "seed")
READING = ("step", "layer", "quantity", "at", "value")
TEXTS = ("cell", "status", "quantity")
INTEGERS = ("seed", "epoch", "step", "layer", "diverged_at_step")


def evaluation_names(metrics: Iterable[str]) -> tuple[str, ...]:
    """The columns behind the swept keys in metrics.csv, for the names of recorded metrics."""
    return "epoch", "step", *evaluation_columns(metrics)


def network_names(metrics: Iterable[str]) -> tuple[str, ...]:
    """The columns behind the swept keys in summary.csv, likewise."""
    return "status", "diverged_at_step", *summary_columns(metrics), "seconds"


def holds_floats(name: str) -> bool:
    """Whether a column always holds floats. Those of swept keys, whose names have a dot, do not."""
    return "." not in name and name not in TEXTS and name not in INTEGERS


def column(name: str, values: list[Any]) -> NDArray[Any]:
    """The values as the array that a column of that name is; None is NaN where numbers are."""
    if name in INTEGERS:
        return np.array(values, np.int64)
    if holds_floats(name):
        return np.array([np.nan if value is None else value for value in values], np.float64)
    numbers = values and all(isinstance(value, int | float) for value in values)
    return np.array(values, None if numbers and name not in TEXTS else object)


def probe_table(pairs: Sequence[tuple[Network, Record]], keys: Sequence[str]) -> Table:
    """Columns cell, seed, the swept keys, step, layer, quantity, at, value."""
    blocks = [(network, read) for network, record in pairs for read in record.probes]
    sizes = np.array([len(read.values) for _, read in blocks], np.int64)

    def repeated(name: str, values: list[Any]) -> Any:
        return np.repeat(column(name, values), sizes)

    columns: dict[str, Any] = {
        "cell": repeated("cell", [network.id for network, _ in blocks]),
        "seed": repeated("seed", [network.seed for network, _ in blocks]),
        **{key: repeated(key, [network.point[key] for network, _ in blocks]) for key in keys},
    }
    places = [_places(read) for _, read in blocks]
    columns["step"] = _joined([steps for steps, _, _ in places], np.int64)
    columns["layer"] = _joined([layers for _, layers, _ in places], np.int64)
    columns["quantity"] = repeated("quantity", [read.quantity for _, read in blocks])
    columns["at"] = _joined([at for _, _, at in places], np.float64)
    columns["value"] = _joined([np.array(read.values) for _, read in blocks], np.float64)
    return columns


def _places(read: Probed) -> tuple[Any, Any, Any]:
    """Step, layer and place of each of the values."""
    grid = np.meshgrid(read.steps, read.layers, read.at, indexing="ij")
    steps, layers, at = (axis.ravel() for axis in grid)
    return steps, layers, at


def _joined(parts: Sequence[Any], dtype: Any) -> Any:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


Row = dict[str, Any]


def planned_metrics(plan: Plan) -> tuple[str, ...]:
    """The metrics that some network of the plan is scored with."""
    lists = {network.setting.train.metrics for network in plan.networks}
    return recorded_metrics({options.kind for metrics in lists for options in metrics or ()})


def make_tables(experiment: Experiment, plan: Plan, records: Mapping[str, Record]) -> Tables:
    """Tables of the plan's networks in the sweep's order; those without a record are left out."""
    pairs = [(network, records[network.id]) for network in plan.networks if network.id in records]
    keys = [axis.key for axis in plan.axes]
    metrics = planned_metrics(plan)
    return Tables(
        name=experiment.name,
        title=experiment.title or experiment.name,
        source=experiment.source,
        axes=plan_axes(plan),
        seeds=experiment.random.seeds,
        metrics=_columns(
            [*FIRST, *keys, *evaluation_names(metrics)],
            [row for network, record in pairs for row in _evaluations(network, record)],
        ),
        summary=_columns(
            [*FIRST, *keys, *network_names(metrics)],
            [_summary(network, record) for network, record in pairs],
        ),
        probes=probe_table(pairs, keys),
    )


def _evaluations(network: Network, record: Record) -> Iterator[Row]:
    for i, (epoch, step) in enumerate(zip(record.epochs, record.steps, strict=True)):
        values = {name: column[i] for name, column in record.metrics.items()}
        yield {**_cell(network), "epoch": epoch, "step": step, **values}


def _summary(network: Network, record: Record) -> Row:
    finals = {f"final_{name}": values[-1] for name, values in record.metrics.items()}
    bests = {f"best_{name}": _best(name, values) for name, values in record.metrics.items()}
    at = -1 if record.diverged_at_step is None else record.diverged_at_step
    status = {"status": record.status, "diverged_at_step": at, "seconds": record.seconds}
    return {**_cell(network), **status, **finals, **bests}


def _cell(network: Network) -> Row:
    return {"cell": network.id, "seed": network.seed, **network.point}


def _best(column: str, values: Sequence[float]) -> float:
    """The highest accuracy, the lowest loss, and so on; NaN only where there is nothing else."""
    choose = np.fmin.reduce if metric_of(column).better == "lower" else np.fmax.reduce
    return float(choose(np.array(values)))


def _columns(names: Sequence[str], rows: Sequence[Row]) -> Table:
    return {name: column(name, [row.get(name) for row in rows]) for name in names}
