"""Values, points and numbers of things in words: in messages, tables, pages and figures."""

from __future__ import annotations

from collections.abc import Mapping

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
