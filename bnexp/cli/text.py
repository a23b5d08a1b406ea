"""Text in columns of a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

WIDTH = 79


def beside(name: str, lines: Iterable[str], column: int) -> Iterator[str]:
    """Lines that begin at a column, a name before the first; above it where it is too long."""
    head = f"  {name}  "
    if len(head) > column:
        yield head.rstrip()
        head = ""
    for line in lines:
        yield f"{head:<{column}}{line}".rstrip()
        head = ""
