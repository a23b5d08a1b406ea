"""Values, points and numbers of things in words: in messages, tables, pages and figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def plain(value: Any) -> Any:
    """The value without NumPy's types; NaN is null, infinities are texts.

    >>> plain({"loss": [0.5, float("nan"), float("inf")]})
    {'loss': [0.5, None, 'inf']}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


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


WIDTH_lines = 80
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
        room = max(WIDTH_lines - before, 24)
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


def templates(folder: Path) -> jinja2.Environment:
    """The templates of a folder."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


DIGITS = 4


def short(value: object, digits: int = DIGITS) -> str:
    """Texts and whole numbers as they are, other numbers with so many significant digits.

    >>> short(0.0251188643), short(12345.6), short(1e20), short("batch")
    ('0.02512', '12346', '1e+20', 'batch')
    """
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e6 else text


def equations(values: Mapping[str, object]) -> str:
    """'model.norm = batch, model.init.std = 0.01'; empty without values."""
    return ", ".join(f"{key} = {short(value)}" for key, value in values.items())


def counted(number: int, noun: str) -> str:
    """'1 seed', '5 seeds', '1,000 seeds'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def cut(text: str, length: int) -> str:
    """The text's beginning, with dots where that is not all of it."""
    return text if len(text) <= length else f"{text[: length - 3]}..."
