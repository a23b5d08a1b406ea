"""The tables of a run: columns of metrics, of a summary and of what probes recorded.

A table maps column names to arrays of one length. `make_tables` makes the three tables of a run
from the records of its networks; `bnexp.runs.csv` writes and reads them as files. Figures, claims
and reports work on these tables and on the `Axis` of each swept key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bnexp.config import Experiment
from bnexp.execution.task import Record
from bnexp.metrics import (
    IMAGE_SETS,
    evaluation_columns,
    metric_of,
    recorded_metrics,
    summary_columns,
)
from bnexp.runs.origins import DataOrigin
from bnexp.sweep import Network, Plan
from bnexp.text import Texts, distinct_by_key

Value: TypeAlias = float | int | str
Table: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Axis:
    """A swept key of the config.

    values: the swept values in their order; mappings, lists, true, false and null by their labels.
    config_values: by label, the values as the config has them; empty if they are not known.

    key: dotted, such as "model.init.std". Values are numbers or texts; `values` may hold one value
    more than once where axes are swept together (`zip`).
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


def axis_texts(axes: Iterable[Axis]) -> Texts:
    """By key the texts of an axis's values, which differ where the values do.

    Several axes of one key, as of two runs, have the values of both.
    """
    values: dict[str, dict[Value, None]] = {}
    for axis in axes:
        values.setdefault(axis.key, {}).update(dict.fromkeys(axis.values))
    return distinct_by_key(values)


def rows(table: Table, selection: Any) -> Table:
    """The rows that a mask or an array of their numbers selects.

    selection: a boolean for each row, or row numbers in the order that the result shall have.
    """
    return {name: column[selection] for name, column in table.items()}


def group_rows(table: Table, names: Sequence[str]) -> dict[tuple[Any, ...], NDArray[np.intp]]:
    """The numbers of the rows that have the same values of the named columns, by these values.

    Groups are in the order of their first rows. An empty table needs no columns.

    Row numbers within a group are ascending. Columns may hold numbers or texts; each value must be
    hashable.
    """
    if not len(next(iter(table.values()))):
        return {}
    numbers: dict[tuple[Any, ...], int] = {}
    combinations = zip(*(table[name].tolist() for name in names), strict=True)
    groups = np.array([numbers.setdefault(values, len(numbers)) for values in combinations])
    ends = np.cumsum(np.bincount(groups))[:-1]
    return dict(zip(numbers, np.split(np.argsort(groups, kind="stable"), ends), strict=True))


def moves_along(pairs: Iterable[tuple[Value, Value]]) -> bool:
    """Whether a second axis is swept along with a first one, as under `zip`.

    `pairs` are the values of both axes at each point. The second axis must vary, but have a single
    value for each value of the first.
    """
    distinct = set(pairs)
    firsts, seconds = {first for first, _ in distinct}, {second for _, second in distinct}
    return len(seconds) > 1 and len(distinct) == len(firsts)


@dataclass(frozen=True)
class Tables:
    """The tables of an experiment, with its axes and seeds.

    metrics: one row for each evaluation: cell, seed, a column for each swept key, epoch, step,
        train_loss, train_accuracy, test_loss, test_accuracy (NaN if no test images are scored), and
        likewise other recorded metrics. Failed networks have no rows.
    summary: one row for each network: cell, seed, a column for each swept key, status (ok, diverged
        or failed), diverged_at_step (-1 if it did not), final_* and best_* of each metric, seconds.
    probes: one row for each number that a probe recorded: cell, seed, a column for each swept key,
        step (0: before the first update), layer (1: the first with weights, 0: the whole network),
        quantity, at (the place within the quantity: the left edge of a bin, a percentile, a step
        size; NaN for a quantity of one number), value.

    name, title, source: of the experiment; the title is the name if it has none. axes: the swept
    keys. seeds: all seeds of the experiment, whether their networks are finished or not. All
    columns of a table have one length. Losses are in nats, accuracies in [0, 1], seconds are of
    wall-clock time. data: which images the networks were trained on, as far as that is known.
    image_sets: what the images of `train` and `test` columns are called in words.
    """

    name: str
    title: str
    source: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    metrics: Table
    summary: Table
    probes: Table = field(default_factory=lambda: {"quantity": np.empty(0, object)})
    data: tuple[DataOrigin, ...] = ()
    image_sets: Mapping[str, str] = field(default_factory=lambda: IMAGE_SETS)

    @property
    def chance(self) -> float | None:
        """The accuracy of a guess, 1 / classes; None if it is not known, or not one number."""
        classes = {origin.classes for origin in self.data}
        return 1 / classes.pop() if len(classes) == 1 and 0 not in classes else None


# All tables start with these columns and those of the swept keys; probes.csv goes on with those.
LEADING_COLUMNS = ("cell", "seed")
PROBE_COLUMNS = ("step", "layer", "quantity", "at", "value")
TEXT_COLUMNS = ("cell", "status", "quantity")
INTEGER_COLUMNS = ("seed", "epoch", "step", "layer", "diverged_at_step")


def metrics_table_columns(metrics: Iterable[str]) -> tuple[str, ...]:
    """The columns of metrics.csv behind the swept keys, for the names of recorded metrics."""
    return "epoch", "step", *evaluation_columns(metrics)


def summary_table_columns(metrics: Iterable[str]) -> tuple[str, ...]:
    """The columns of summary.csv behind the swept keys, for the names of recorded metrics."""
    return "status", "diverged_at_step", *summary_columns(metrics), "seconds"


def make_column(name: str, values: list[Any]) -> NDArray[Any]:
    """The values as an array of the type that a table's column of this name has.

    Objects for texts, integers, or else float64, in which None becomes NaN. The columns of swept
    keys are made by `make_swept_column`.
    """
    if name in TEXT_COLUMNS:
        return np.array(values, object)
    if name in INTEGER_COLUMNS:
        return np.array(values, np.int64)
    return np.array([np.nan if value is None else value for value in values], np.float64)


def make_swept_column(values: list[Value]) -> NDArray[Any]:
    """The values of a swept key: an array of numbers if all of them are, or else of objects."""
    numbers = values and all(isinstance(value, int | float) for value in values)
    return np.array(values, None if numbers else object)


def leading_columns(networks: Sequence[Network], keys: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The columns that all tables begin with, a row for each network: id, seed, swept values."""
    return {
        "cell": make_column("cell", [network.id for network in networks]),
        "seed": make_column("seed", [network.seed for network in networks]),
        **{key: make_swept_column([network.point[key] for network in networks]) for key in keys},
    }


def planned_metrics(plan: Plan) -> tuple[str, ...]:
    """The metrics that some network of the plan is scored with."""
    lists = {network.setting.train.metrics for network in plan.networks}
    return recorded_metrics({options.kind for metrics in lists for options in metrics or ()})


def make_tables(experiment: Experiment, plan: Plan, records: Mapping[str, Record]) -> Tables:
    """The tables of the networks that have a record, in the sweep's order.

    Arguments:
        experiment: gives name, title, source and seeds.
        plan: the order of rows, and the swept values of each network.
        records: by id; records of networks that are not in the plan are ignored.

    A metric that only some settings record has NaN in the rows of the others.
    """
    pairs = [(network, records[network.id]) for network in plan.networks if network.id in records]
    keys = [axis.key for axis in plan.axes]
    metrics = planned_metrics(plan)

    def table(names: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> Table:
        return {
            **{name: make_column(name, [row[name] for row in rows]) for name in LEADING_COLUMNS},
            **{key: make_swept_column([row[key] for row in rows]) for key in keys},
            **{name: make_column(name, [row.get(name) for row in rows]) for name in names},
        }

    return Tables(
        name=experiment.name,
        title=experiment.title or experiment.name,
        source=experiment.source,
        axes=plan_axes(plan),
        seeds=experiment.random.seeds,
        image_sets=experiment.data.image_sets,
        metrics=table(
            metrics_table_columns(metrics),
            [
                {**_leading_fields(network), "epoch": epoch, "step": step}
                | {name: series[i] for name, series in record.metrics.items()}
                for network, record in pairs
                for i, (epoch, step) in enumerate(zip(record.epochs, record.steps, strict=True))
            ],
        ),
        summary=table(
            summary_table_columns(metrics),
            [_summary_row(network, record) for network, record in pairs],
        ),
        probes=_probes_table(pairs, keys),
    )


def _leading_fields(network: Network) -> dict[str, Any]:
    return {"cell": network.id, "seed": network.seed, **network.point}


def _summary_row(network: Network, record: Record) -> dict[str, Any]:
    row = _leading_fields(network)
    row["status"] = record.status
    row["diverged_at_step"] = -1 if record.diverged_at_step is None else record.diverged_at_step
    row["seconds"] = record.seconds
    for name, values in record.metrics.items():
        lower = metric_of(name).better == "lower"
        best = np.fmin if lower else np.fmax  # they ignore NaN unless there is nothing else
        row[f"final_{name}"] = values[-1]
        row[f"best_{name}"] = float(best.reduce(np.array(values)))
    return row


def _probes_table(pairs: Sequence[tuple[Network, Record]], keys: Sequence[str]) -> Table:
    """A row for each number of each series of readings that the records hold."""
    series = [(network, probed) for network, record in pairs for probed in record.probes]
    sizes = np.array([len(probed.values) for _, probed in series], np.int64)

    def concatenated(parts: Iterable[Any], dtype: Any) -> NDArray[Any]:
        return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)

    grids = [
        np.meshgrid(probed.steps, probed.layers, probed.at, indexing="ij") for _, probed in series
    ]
    leading = leading_columns([network for network, _ in series], keys)
    return {
        **{name: np.repeat(column, sizes) for name, column in leading.items()},
        "step": concatenated((steps.ravel() for steps, _, _ in grids), np.int64),
        "layer": concatenated((layers.ravel() for _, layers, _ in grids), np.int64),
        "quantity": np.repeat(make_column("quantity", [p.quantity for _, p in series]), sizes),
        "at": concatenated((at.ravel() for _, _, at in grids), np.float64),
        "value": concatenated((np.array(probed.values) for _, probed in series), np.float64),
    }
