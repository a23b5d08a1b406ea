"""The small table that a run ends with: final training accuracies over what was swept.

`overview` arranges the accuracies in rows and columns; `overview_lines` prints that for a terminal,
and `Result` shows it in a notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from textwrap import wrap

import numpy as np

from bnexp.metrics import HEADLINE
from bnexp.runs.tables import Axis, Tables, Value, axis_texts, moves_along
from bnexp.text import PAGE_WIDTH, Texts, aligned, equations, paragraph

MAX_ROWS = 40
BEST = 10
GAP = 2  # spaces between columns, as `aligned` sets them

Values = tuple[Value, ...]


@dataclass(frozen=True)
class Entry:
    """One field: the finite final training accuracies of its networks; how many diverged.

    There is one accuracy for each seed, in [0, 1]; networks that failed have none. A network that
    diverged has an accuracy too, that of its last evaluation.
    """

    accuracies: tuple[float, ...] = ()
    diverged: int = 0

    @property
    def mean(self) -> float:
        """The mean accuracy; NaN without one."""
        return sum(self.accuracies) / len(self.accuracies) if self.accuracies else nan

    @property
    def mean_text(self) -> str:
        """The mean with three decimals; `-` without one."""
        return f"{self.mean:.3f}" if self.accuracies else "-"

    @property
    def range_text(self) -> str:
        """The mean and, if there are several networks, the lowest and the highest accuracy."""
        if len(self.accuracies) < 2:
            return self.mean_text
        return f"{self.mean_text} ({min(self.accuracies):.3f}-{max(self.accuracies):.3f})"


@dataclass(frozen=True)
class Overview:
    """A table of accuracies: entries[i][j] belongs to rows[i] and columns[j].

    down, across: the swept keys whose values make the rows and the columns. left_out: how many rows
    are not shown; if any, the rows are the best ones.

    rows, columns: the texts of their headings. Without any swept key there is one nameless row;
    `columns` is ("accuracy",) if no axis goes across.
    """

    down: tuple[str, ...]
    across: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    entries: tuple[tuple[Entry, ...], ...]
    left_out: int = 0


def has_scores(tables: Tables) -> bool:
    """Whether any network was scored after an update; probes alone need no training."""
    return bool((tables.metrics["step"] > 0).any()) if "step" in tables.metrics else False


def overview(tables: Tables) -> Overview:
    """A row for each value of the first axis of numbers, a column for each point of the others.

    Axes that are swept along with the first one are in the rows, too. If there were more than 40
    rows, there is a row for each of the ten best points.

    `tables` need the columns of summary.csv; the accuracies are those of the training images, as
    test images may not be scored. A combination that the sweep does not have is an Entry without
    numbers.
    """
    row_axes = _row_axes(tables)
    is_long = bool(row_axes) and len(set(row_axes[0].values)) > MAX_ROWS
    if is_long:
        row_axes = list(tables.axes)
    column_axes = [axis for axis in tables.axes if axis not in row_axes]
    entries = _entries(tables, row_axes, column_axes)
    texts = axis_texts(tables.axes)
    rows = list(dict.fromkeys(row for row, _ in entries))
    columns = list(dict.fromkeys(column for _, column in entries))
    if is_long:
        means = {row: entry.mean for (row, _), entry in entries.items() if isfinite(entry.mean)}
        rows = sorted(means, key=lambda row: -means[row])[:BEST]
    return Overview(
        down=tuple(axis.key for axis in row_axes),
        across=tuple(axis.key for axis in column_axes),
        rows=tuple(_values_text(row, row_axes, texts) for row in rows),
        columns=tuple(
            _values_text(column, column_axes, texts) if column_axes else "accuracy"
            for column in columns
        ),
        entries=tuple(
            tuple(entries.get((row, column), Entry()) for column in columns) for row in rows
        ),
        left_out=len(entries) - len(rows) if is_long else 0,
    )


def describe_diverged(tables: Tables) -> Iterator[str]:
    """A line for each network that diverged."""
    summary, texts = tables.summary, axis_texts(tables.axes)
    for i in np.flatnonzero(summary["status"] == "diverged"):
        point = equations({axis.key: summary[axis.key][i] for axis in tables.axes}, texts)
        yield f"{point}, seed {summary['seed'][i]}: at step {summary['diverged_at_step'][i]}"


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
    tables: Tables, row_axes: Sequence[Axis], column_axes: Sequence[Axis]
) -> dict[tuple[Values, Values], Entry]:
    """The entry at the values of each row and column, in the order of the summary."""
    keys = [axis.key for axis in (*row_axes, *column_axes)]
    columns = [
        tables.summary[name].tolist() for name in (*keys, f"final_train_{HEADLINE}", "status")
    ]
    networks: dict[tuple[Values, Values], list[tuple[float, str]]] = {}
    for *values, accuracy, status in zip(*columns, strict=True):
        row, column = tuple(values[: len(row_axes)]), tuple(values[len(row_axes) :])
        networks.setdefault((row, column), []).append((accuracy, status))
    return {
        place: Entry(
            tuple(accuracy for accuracy, _ in pairs if isfinite(accuracy)),
            sum(status == "diverged" for _, status in pairs),
        )
        for place, pairs in networks.items()
    }


def _values_text(values: Values, axes: Sequence[Axis], texts: Texts) -> str:
    return ", ".join(texts[axis.key][value] for axis, value in zip(axes, values, strict=True))


def overview_lines(table: Overview, width: int = PAGE_WIDTH) -> Iterator[str]:
    """The overview as text: a title, then rows and columns.

    Columns that do not fit beside the others follow below. Entries of several networks are their
    mean, with the lowest and the highest accuracy if all columns fit side by side then.

    width: the number of characters that a line may have. Yields lines without line ends. A star
    marks an entry with networks that diverged.
    """
    seeds = max((len(entry.accuracies) for row in table.entries for entry in row), default=0)
    numbers, blocks = "mean (lowest-highest)", _blocks(table, lambda e: e.range_text, width)
    if len(blocks) > 1:
        numbers, blocks = "mean", _blocks(table, lambda e: e.mean_text, width)
    yield f"final training accuracy{f', {numbers} of {seeds} seeds' if seeds > 1 else ''}"
    if any(entry.diverged for row in table.entries for entry in row):
        yield "* diverged: the loss or a statistic is no longer finite"
    if table.across:
        yield from paragraph(f"columns: {', '.join(table.across)}", width, hanging=2)
    for block in blocks:
        yield ""
        yield from block
    if table.left_out:
        yield f"the {len(table.rows)} best; {table.left_out} more in summary.csv"


def _blocks(table: Overview, text: Callable[[Entry], str], width: int) -> list[list[str]]:
    """The lines of each group of columns that fit side by side, behind the names of the rows."""

    def column_lines(name: str, fields: Sequence[str], padding: str = "") -> list[str]:
        """A heading in as many lines as it needs to be no wider than the fields, and these."""
        widest = max(map(len, [*name.split(), *fields]), default=0)
        return [*(line + padding for line in wrap(name, max(widest, 1))), *fields]

    def total_width(columns: Sequence[Sequence[str]]) -> int:
        return sum(max(map(len, column), default=0) + GAP for column in columns) - GAP

    row_names = column_lines(", ".join(table.down), table.rows)
    groups: list[list[list[str]]] = [[]]
    for j, name in enumerate(table.columns):
        entries = [row[j] for row in table.entries]
        padding = " " * any(entry.diverged for entry in entries)  # in place of a mark
        fields = [text(entry) + ("*" if entry.diverged else padding) for entry in entries]
        column = column_lines(name, fields, padding)
        if groups[-1] and total_width([row_names, *groups[-1], column]) > width:
            groups.append([])
        groups[-1].append(column)

    blocks = []
    for group in groups:
        columns = [row_names, *group]
        height = max(map(len, columns))
        level = [[""] * (height - len(column)) + list(column) for column in columns]
        lines = list(zip(*level, strict=True))
        blocks.append(list(aligned(lines, right=range(len(columns)))))
    return blocks
