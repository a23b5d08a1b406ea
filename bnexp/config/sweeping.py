"""The schema of a sweep: dotted keys and the values that each takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from bnexp.config.kinds import Either, Strict

Ends = Annotated[tuple[float, float, Annotated[int, Field(ge=1)]], Field(strict=False)]


class Linspace(Strict):
    linspace: Ends = Field(description="[start, stop, number], evenly spaced")


class Logspace(Strict):
    logspace: Ends = Field(description="[start, stop, number], start and stop as powers of ten")


class Geomspace(Strict):
    geomspace: Ends = Field(description="[start, stop, number], a constant factor apart")


class Uniform(Strict):
    uniform: Ends = Field(description="[low, high, number], random values, the same in every run")


class Loguniform(Strict):
    loguniform: Ends = Field(
        description="[low, high, number], 10 to random powers between low and high"
    )


Values = Annotated[
    Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]
    | Linspace
    | Logspace
    | Geomspace
    | Uniform
    | Loguniform,
    Either(
        "a list of values, or linspace, logspace, geomspace, uniform or loguniform: "
        "[start, stop, number]"
    ),
]


class Sweep(Strict):
    """Dotted keys and their values: every combination is a point; `zip` ties keys together."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Values]
    zip: dict[str, Values] = Field(
        {}, description="dotted key -> values, all of one length", validate_default=True
    )

    def axes(self) -> Mapping[str, Any]:
        return self.__pydantic_extra__
