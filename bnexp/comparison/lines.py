"""Text in 80 columns: tables, and how many rows are not shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

WIDTH = 80
MAX_ROWS = 20


def table(
    rows: Sequence[Sequence[str]],
    right: set[int] | frozenset[int] = frozenset(),
    wrapped: bool = False,
) -> Iterator[str]:
    """Rows in columns, some of them to the right; the last one wrapped where it is too long."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    for row in rows:
        fields = [
            field.rjust(width) if i in right else field.ljust(width)
            for i, (field, width) in enumerate(zip(row, widths, strict=True))
        ]
        first = "  ".join(fields[:-1])
        room = max(WIDTH - before, 24)
        lines = (
            wrap(row[-1], room, break_long_words=False, break_on_hyphens=False)
            if wrapped
            else [fields[-1]]
        )
        yield f"{first}  {lines[0] if lines else ''}".rstrip()
        yield from (f"{'':<{before}}{line}" for line in lines[1:])


def more(number: int, what: str) -> Iterator[str]:
    """A line that says how many are not shown."""
    if number > 0:
        yield f"... and {number} more {what}"
