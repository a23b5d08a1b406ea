"""The overview as text that fits a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap

from bnexp.tables.overview import Entry, Overview

GAP = 2


def overview_lines(table: Overview, width: int = 80) -> Iterator[str]:
    """A title, then rows and columns; columns that do not fit beside the others follow below.

    With several networks in a field it says their mean, and from lowest to highest if that fits.
    """
    several = max((len(e.accuracies) for row in table.entries for e in row), default=0)
    said, blocks = "mean (lowest-highest)", _blocks(table, spread, width)
    if len(blocks) > 1:
        said, blocks = "mean", _blocks(table, mean_alone, width)
    yield f"final training accuracy{f', {said} of {several} seeds' if several > 1 else ''}"
    if any(entry.diverged for row in table.entries for entry in row):
        yield "* diverged: the loss is no longer finite"
    if table.across:
        yield from wrap(f"columns: {', '.join(table.across)}", width, subsequent_indent="  ")
    for block in blocks:
        yield ""
        yield from block
    if table.left_out:
        yield f"the {len(table.rows)} best; {table.left_out} more in summary.csv"


def mean_alone(entry: Entry) -> str:
    return f"{entry.mean:.3f}" if entry.accuracies else "-"


def spread(entry: Entry) -> str:
    """The mean, and behind it from lowest to highest where there are several networks."""
    if len(entry.accuracies) < 2:
        return mean_alone(entry)
    return f"{entry.mean:.3f} ({min(entry.accuracies):.3f}-{max(entry.accuracies):.3f})"


def _blocks(table: Overview, entry: Callable[[Entry], str], width: int) -> list[list[str]]:
    """The lines of each group of columns that fit beside the rows' heads."""
    heads = _column(", ".join(table.down), table.rows)
    groups: list[list[list[str]]] = [[]]
    for j, name in enumerate(table.columns):
        found = [row[j] for row in table.entries]
        room = " " * any(one.diverged for one in found)  # beside a mark
        column = _column(
            name, [entry(one) + ("*" if one.diverged else room) for one in found], room
        )
        if groups[-1] and _width([heads, *groups[-1], column]) > width:
            groups.append([])
        groups[-1].append(column)
    return [_joined([heads, *group]) for group in groups]


def _column(name: str, fields: Sequence[str], room: str = "") -> list[str]:
    """A head in as many lines as it needs to be no wider than the fields, then these."""
    widest = max(map(len, [*name.split(), *fields]), default=0)
    return [*(line + room for line in wrap(name, max(widest, 1))), *fields]


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column), default=0) + GAP for column in columns) - GAP


def _joined(columns: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, set to the right, their last lines level."""
    height = max(map(len, columns))
    widths = [max(map(len, column), default=0) for column in columns]
    full = [[""] * (height - len(column)) + list(column) for column in columns]
    return [
        (" " * GAP).join(f.rjust(w) for f, w in zip(line, widths, strict=True)).rstrip()
        for line in zip(*full, strict=True)
    ]
