"""The schema of measures: what makes one number of each network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from bnexp.config.kinds import Either, Strict

METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "gap")
NAMED = tuple(f"{which}_{metric}" for which in ("final", "best") for metric in METRICS)

Step = Annotated[int, Field(ge=0)]
Layer = Annotated[int, Field(ge=0, le=1_000)]


class AtStep(Strict):
    step: Step = Field(description="a step that is scored")


class AtEpoch(Strict):
    epoch: Annotated[float, Field(ge=0)] = Field(description="an epoch that is scored")


class MeanOfLast(Strict):
    mean_of_last: Annotated[int, Field(ge=1)] = Field(description="how many evaluations")


When = Annotated[
    Literal["final", "best", "first", "mean"] | AtStep | AtEpoch | MeanOfLast,
    Either("final, best, first, mean, {step: n}, {epoch: n} or {mean_of_last: n}"),
]


class OfMetric(Strict):
    """One number for each network from its evaluations."""

    metric: Literal["train_loss", "train_accuracy", "test_loss", "test_accuracy", "gap"] = Field(
        description="what was scored; gap: train_accuracy - test_accuracy of each evaluation"
    )
    at: When = Field(
        "final",
        description="which evaluation; best: the highest accuracy, the lowest loss or gap; mean: "
        "over all of them",
    )


class MeanFrom(Strict):
    mean_from: Step = Field(description="the mean over what was read after this step or later")


WhenRead = Annotated[
    Literal["final", "first", "mean"] | Step | MeanFrom,
    Either("a step, final, first, mean or {mean_from: step}"),
]


class OfQuantity(Strict):
    """One number for each network from what its probes read."""

    quantity: Annotated[str, Field(min_length=1)] = Field(description="what a probe reads")
    layer: Layer | None = Field(
        None, description="1 is the first layer with weights; default: 0, the whole network"
    )
    growth: Annotated[tuple[Layer, Layer], Field(strict=False)] | None = Field(
        None,
        description="[first, last] instead of a layer: the factor from layer to layer, exp of the "
        "least-squares slope of log(value) against the layer",
    )
    at: float | None = Field(
        None, description="the place within the quantity: a bin, a percentile, a step size"
    )
    step: WhenRead = Field("final", description="after which step it was read")


_MEASURES = "a name such as final_train_accuracy, or a mapping with metric or with quantity"


def _measure(value: Any) -> str | None:
    if isinstance(value, str):
        return "by name"
    for tag, key, cls in (
        ("of metric", "metric", OfMetric),
        ("of quantity", "quantity", OfQuantity),
    ):
        if isinstance(value, cls) or (isinstance(value, dict) and key in value):
            return tag
    return None


Named = Annotated[
    Literal[
        "final_train_loss",
        "final_train_accuracy",
        "final_test_loss",
        "final_test_accuracy",
        "final_gap",
        "best_train_loss",
        "best_train_accuracy",
        "best_test_loss",
        "best_test_accuracy",
        "best_gap",
    ],
    Either(f"one of {', '.join(NAMED)}, {{metric: ...}} or {{quantity: ...}}"),
]
Measure = Annotated[
    Annotated[Named, Tag("by name")]
    | Annotated[OfMetric, Tag("of metric")]
    | Annotated[OfQuantity, Tag("of quantity")],
    Discriminator(
        _measure,
        custom_error_type="measure",
        custom_error_message=_MEASURES,
    ),
]
