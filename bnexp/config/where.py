"""The schema of `where`: which values of swept keys a claim or a figure is about.

`where` maps a swept key to the values of that key that are meant; the networks that have one of
these values for each key are chosen. `bnexp.runs.where` finds the values in a sweep.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from bnexp.config.options import Either, Strict

Scalar = bool | int | float | str


class Range(Strict):
    """The values of an axis of numbers from `at_least` to `at_most`, both included."""

    at_least: float | None = Field(None, description="the smallest")
    at_most: float | None = Field(None, description="the largest")


def range_problem(selector: Range) -> str | None:
    """Why a range has no numbers; None if it has some."""
    low, high = selector.at_least, selector.at_most
    if low is None and high is None:
        return "no range, expected at_least, at_most or both, got neither"
    if low is not None and high is not None and low > high:
        return f"an empty range, expected at_least <= at_most, got {low:g} and {high:g}"
    return None


def _with_kind(options: dict[str, Any]) -> dict[str, Any]:
    if "kind" in options:
        return options
    raise ValueError(options)


# A swept mapping, such as {kind: batch, dialect: book}, or some of its options.
Mapped = Annotated[
    dict[str, Any],
    AfterValidator(_with_kind),
    WithJsonSchema({"type": "object", "required": ["kind"]}),
]
Selector = Annotated[
    Scalar
    | Mapped
    | Annotated[tuple[Scalar | Mapped, ...], Field(strict=False, min_length=1)]
    | Range,
    Either("a value, a list of values, or {at_least: number, at_most: number}"),
]
Where = dict[str, Selector]
