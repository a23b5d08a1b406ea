"""The schema of claims: checkable sentences about an experiment's sweep."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from bnexp.config.kinds import Either, Strict
from bnexp.config.measures import Measure

RELATIONS = (
    "at_least",
    "at_most",
    "within",
    "above",
    "below",
    "non_decreasing",
    "non_increasing",
    "equals",
)
# The relations that are about the order of points or about each seed, not about an interval.
MONOTONE = ("non_decreasing", "non_increasing")
TOLERANT = (*MONOTONE, "equals")

Word = Literal["supported", "refuted", "undecided"]
WORDS: tuple[Word, ...] = get_args(Word)
Scalar = bool | int | float | str
Axis = Annotated[str, Field(min_length=1)]


class Range(Strict):
    """The values of an axis of numbers from `at_least` to `at_most`, both included."""

    at_least: float | None = Field(None, description="the smallest")
    at_most: float | None = Field(None, description="the largest")


Chosen = Annotated[
    Scalar | Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1)] | Range,
    Either("a value, a list of values, or {at_least: number, at_most: number}"),
]
Where = dict[str, Chosen]


class Within(Strict):
    """A number and the tolerance around it."""

    of: float = Field(description="the number")
    by: float | None = Field(None, description="the tolerance, in the number's own unit", ge=0)
    relative: float | None = Field(
        None, description="the tolerance, as a fraction of the number", ge=0
    )


class Other(Strict):
    """What a measure is compared with: another selection, another measure, or both."""

    where: Where = Field(
        {},
        description="swept key -> value or values that replace the claim's; all others stay",
    )
    measure: Measure | None = Field(
        None, description="the measure of the other side; default: the claim's"
    )
    by: float = Field(0.0, description="the margin that must be exceeded")
    times: float = Field(1.0, description="a factor on the other side", gt=0)


class Claim(Strict):
    """A sentence, and the one relation that has to hold for it at the points it is about."""

    says: str = Field(description="the sentence", min_length=1, max_length=1000)
    source: str = Field(
        "", description="where it is published; default: the experiment's", max_length=500
    )
    measure: Measure = Field(description="one number for each network")
    where: Where = Field(
        {}, description="swept key -> a value as tables show it, a list, or a range of numbers"
    )
    at_least: float | None = Field(None, description="the measure is at least this")
    at_most: float | None = Field(None, description="the measure is at most this")
    within: Within | None = Field(None, description="the measure is near a number")
    above: Other | None = Field(
        None, description="measure - times * other > by, in the mean of the differences by seed"
    )
    below: Other | None = Field(
        None, description="times * other - measure > by, in the mean of the differences by seed"
    )
    non_decreasing: Axis | None = Field(
        None, description="a swept key: along it the measure never falls by more than tolerance"
    )
    non_increasing: Axis | None = Field(
        None, description="a swept key: along it the measure never rises by more than tolerance"
    )
    equals: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] | None = Field(
        None, description="the measure of each point in the sweep's order, of every seed"
    )
    tolerance: float | None = Field(
        None,
        description="the tolerance of equals, non_decreasing and non_increasing; default: 0",
        ge=0,
    )
    in_at_least: Annotated[int, Field(ge=1)] | None = Field(
        None, description="at how many points the relation must hold; default: all"
    )
    expect: Word = Field("supported", description="the verdict that is expected")
    absent: Literal["error", "undecided"] = Field(
        "error",
        description="what happens if the experiment cannot decide it, for instance because the "
        "sweep lacks the selection; with --set or --seeds it is always undecided",
    )

    @property
    def relation(self) -> str:
        """The name of the one relation that is given."""
        return next(name for name in RELATIONS if getattr(self, name) is not None)
