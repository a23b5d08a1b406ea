"""The numbers of the summary table: a metric at each point of the sweep, over its seeds.

`overview` arranges them in rows and columns; `bnexp.summary.formats` writes them as text, and
`Result` shows them in a notebook.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from bnexp.errors import BnexpError, ConfigError
from bnexp.figures.labels import axis_name, value_label, value_name, value_texts
from bnexp.metrics import HEADLINE, METRICS, metric_column, summary_columns
from bnexp.runs.stats import UNLIMITED, Limits
from bnexp.runs.tables import Axis, Tables, Value, axis_texts, moves_along, planned_metrics
from bnexp.sweep import Plan
from bnexp.text import choices, counted, equations

MAX_ROWS = 40
MAX_DIVERGED = 20  # networks that have a line of their own
BEST = 10
ORDERS = ("sweep", "best")  # of rows
SECONDS = "seconds"

Values = tuple[Value, ...]


@dataclass(frozen=True)
class Entry:
    """One field: the finite numbers of its networks, one for each seed; how many diverged.

    Networks that failed have no number. A network that diverged has an accuracy, that of its last
    evaluation, but its loss is seldom finite.
    """

    values: tuple[float, ...] = ()
    diverged: int = 0

    @property
    def mean(self) -> float:
        """The mean; NaN without a number."""
        return sum(self.values) / len(self.values) if self.values else nan

    @property
    def std(self) -> float:
        """The standard deviation of the sample (n - 1); NaN of fewer than two numbers."""
        if len(self.values) < 2:
            return nan
        if min(self.values) == max(self.values):
            return 0.0  # exactly
        with np.errstate(all="ignore"):
            return float(np.std(self.values, ddof=1))


@dataclass(frozen=True)
class Overview:
    """A table of one metric: entries[i][j] belongs to rows[i] and columns[j].

    title: of the experiment. column: of summary.csv. label: what it is called, with its unit;
    heading: the same without "final". limits: of what is measured.

    down, across: the swept axes whose values make the rows and the columns. rows: the values of
    each row, one for each axis of `down`; without any, there is one row without values. columns:
    likewise for `across`; without any, there is one column without values. row_texts, headings:
    these as texts; a table without `across` is headed by its metric.

    left_out: how many rows are not shown; if any, the rows are the best ones.
    """

    title: str
    column: str
    label: str
    heading: str
    limits: Limits
    down: tuple[Axis, ...]
    across: tuple[Axis, ...]
    rows: tuple[Values, ...]
    columns: tuple[Values, ...]
    row_texts: tuple[tuple[str, ...], ...]
    headings: tuple[str, ...]
    entries: tuple[tuple[Entry, ...], ...]
    left_out: int = 0

    @property
    def down_names(self) -> tuple[str, ...]:
        """What the columns of the rows' values are called."""
        return tuple(axis_name(axis.key) for axis in self.down)

    @property
    def seeds(self) -> tuple[int, int]:
        """The fewest and the most numbers that an entry has, empty ones aside; 0 of none."""
        sizes = {len(entry.values) for row in self.entries for entry in row} - {0}
        return min(sizes, default=0), max(sizes, default=0)

    @property
    def diverged(self) -> bool:
        """Whether an entry has networks that diverged."""
        return any(entry.diverged for row in self.entries for entry in row)


def has_scores(tables: Tables) -> bool:
    """Whether any network was scored after an update; probes alone need no training."""
    return bool((tables.metrics["step"] > 0).any()) if "step" in tables.metrics else False


def summary_column(tables: Tables, metric: str | None = None) -> str:
    """The column of summary.csv that a name of a metric means.

    metric: a column, such as `best_test_loss`; one of metrics.csv, which means the final value; a
    metric alone, such as `loss`, which is that of the images that are held out, if any are scored;
    or `seconds`. Default: the accuracy.

    ConfigError if no network has such a number.
    """
    summary = tables.summary
    scored = {
        name: bool(np.isfinite(column).any())
        for name, column in summary.items()
        if name == SECONDS or metric_column(name)
    }
    for column in columns_named(metric or HEADLINE, tables.image_sets):
        if scored.get(column):
            return column
    if metric is None:
        raise BnexpError("no network has an accuracy that is a number")
    raise metric_error(metric, [column for column, is_scored in scored.items() if is_scored])


def columns_named(metric: str, image_sets: Mapping[str, str]) -> tuple[str, ...]:
    """The columns of summary.csv that a name of a metric can mean; the first that exists is meant.

    image_sets: what the images of each prefix are called; `validation_loss` means `test_loss` where
    the images that are held out are called so.

    >>> columns_named("loss", {"train": "training", "test": "test"})
    ('loss', 'final_loss', 'final_test_loss', 'final_train_loss')
    """
    words = ("test" if word == image_sets["test"] else word for word in metric.split("_"))
    name = "_".join(words)
    of_metric = (f"final_test_{name}", f"final_train_{name}") if name in METRICS else ()
    return name, f"final_{name}", *of_metric


def metric_error(metric: str, columns: Iterable[str]) -> ConfigError:
    """The error about a name that means none of these columns of summary.csv."""
    known = [column.removeprefix("final_") for column in columns]
    return ConfigError(f"metric: expected {choices(metric, known)}")


def check_metric(metric: str, plan: Plan, image_sets: Mapping[str, str]) -> None:
    """ConfigError if no network of the plan will have such a metric, before any is trained."""
    columns = (*summary_columns(planned_metrics(plan)), SECONDS)
    if not set(columns_named(metric, image_sets)) & set(columns):
        raise metric_error(metric, columns)


def overview(
    tables: Tables, metric: str | None = None, order: str = "sweep", limit: int | None = MAX_ROWS
) -> Overview:
    """A row for each value of the first axis of numbers, a column for each point of the others.

    Axes that are swept along with the first one are in the rows, too.

    Arguments:
        tables: with the columns of summary.csv.
        metric: see `summary_column`; default: the accuracy on test images, or on those held out for
            validation, or on training images if no others are scored.
        order: of the rows: `sweep`, as in the experiment, or `best` first. A row is as good as the
            best of its entries; rows without a number come last.
        limit: if there were more rows, there is a row for each of the ten best points; None for
            all rows.

    A combination that the sweep does not have is an Entry without numbers. Raises ConfigError if
    no network has the metric.
    """
    if order not in ORDERS:
        raise ConfigError(f"order of rows: expected {choices(order, ORDERS)}")
    column = summary_column(tables, metric)
    row_axes = _row_axes(tables)
    is_long = bool(row_axes) and limit is not None and len(set(row_axes[0].values)) > limit
    if is_long:
        row_axes = list(tables.axes)
    column_axes = [axis for axis in tables.axes if axis not in row_axes]
    entries = _entries(tables, column, row_axes, column_axes)
    rows = list(dict.fromkeys(row for row, _ in entries))
    columns = list(dict.fromkeys(column for _, column in entries))
    number = len(rows)
    parsed = metric_column(column)
    is_lower_better = parsed is None or parsed.metric.better == "lower"
    if is_long or order == "best":
        means: dict[Values, list[float]] = {}
        for (row, _), entry in entries.items():
            mean = entry.mean if is_lower_better else -entry.mean
            means.setdefault(row, []).extend([mean] if isfinite(mean) else [])
        if is_long:
            rows = [row for row in rows if means[row]]
        rows.sort(key=lambda row: (not means[row], min(means[row], default=0.0)))
        rows = rows[:BEST] if is_long else rows
    label, heading = column_labels(column, tables)
    names = [_value_names(axis) for axis in row_axes]
    return Overview(
        title=tables.title,
        column=column,
        label=label,
        heading=heading,
        limits=parsed.metric.limits if parsed else UNLIMITED,
        down=tuple(row_axes),
        across=tuple(column_axes),
        rows=tuple(rows),
        columns=tuple(columns),
        row_texts=tuple(
            tuple(texts[value] for texts, value in zip(names, row, strict=True)) for row in rows
        ),
        headings=tuple(_column_heading(values, column_axes, heading) for values in columns),
        entries=tuple(
            tuple(entries.get((row, column), Entry()) for column in columns) for row in rows
        ),
        left_out=number - len(rows),
    )


def column_labels(column: str, tables: Tables) -> tuple[str, str]:
    """What a column of the summary is called, with its unit, and the same without "final"."""
    parsed = metric_column(column)
    if parsed is None:
        return "training time (s)", "training time (s)"
    unit = f" ({parsed.metric.unit})" if parsed.metric.unit else ""
    label = f"{parsed.label(tables.image_sets)}{unit}"
    return label, label.removeprefix("final ")


def describe_diverged(tables: Tables) -> Iterator[str]:
    """A line for each network that diverged; of many, a line for each point of the sweep."""
    summary, texts = tables.summary, axis_texts(tables.axes)
    diverged = np.flatnonzero(summary["status"] == "diverged")
    by_point: dict[str, list[tuple[int, int]]] = {}
    for i in diverged:
        point = equations({axis.key: summary[axis.key][i] for axis in tables.axes}, texts)
        network = int(summary["seed"][i]), int(summary["diverged_at_step"][i])
        by_point.setdefault(point, []).append(network)
    for point, networks in by_point.items():
        start = f"{point}, " if point else ""
        if len(diverged) > MAX_DIVERGED and len(networks) > 1:
            first, *_, last = sorted(step for _, step in networks)
            steps = f"at step {first}" if first == last else f"from step {first} to {last}"
            yield f"{start}{counted(len(networks), 'seed')}: {steps}"
        else:
            yield from (f"{start}seed {seed}: at step {step}" for seed, step in networks)


def _row_axes(tables: Tables) -> list[Axis]:
    """The first axis of numbers, or else the first axis, and those that are swept along with it."""
    if not tables.axes:
        return []
    first = next((axis for axis in tables.axes if axis.numeric), tables.axes[0])
    values = tables.summary[first.key].tolist()
    companions = [
        axis
        for axis in tables.axes
        if axis is not first
        and moves_along(zip(values, tables.summary[axis.key].tolist(), strict=True))
    ]
    return [first, *companions]


def _entries(
    tables: Tables, name: str, row_axes: Sequence[Axis], column_axes: Sequence[Axis]
) -> dict[tuple[Values, Values], Entry]:
    """The entry at the values of each row and column, in the order of the summary."""
    keys = [axis.key for axis in (*row_axes, *column_axes)]
    columns = [tables.summary[column].tolist() for column in (*keys, name, "status")]
    networks: dict[tuple[Values, Values], list[tuple[float, str]]] = {}
    for *values, number, status in zip(*columns, strict=True):
        row, column = tuple(values[: len(row_axes)]), tuple(values[len(row_axes) :])
        networks.setdefault((row, column), []).append((number, status))
    return {
        place: Entry(
            tuple(number for number, _ in pairs if isfinite(number)),
            sum(status == "diverged" for _, status in pairs),
        )
        for place, pairs in networks.items()
    }


def _value_names(axis: Axis) -> dict[Value, str]:
    """What each value of an axis is called."""
    if axis.numeric:  # all at once: each has as many digits as tell it from the others
        return dict(zip(axis.values, value_texts(axis.values), strict=True))
    return {value: value_name(axis, value) for value in axis.values}


def _column_heading(values: Values, axes: Sequence[Axis], metric: str) -> str:
    """'with batch norm, learning rate 0.1'; the metric if no axis goes across."""
    keys = [axis.key for axis in axes]
    labels = [value_label(axis, value, keys) for axis, value in zip(axes, values, strict=True)]
    return ", ".join(labels) or metric
