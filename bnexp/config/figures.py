"""The options of each figure kind.

A new kind is a class here, a member of `FigureOptions`, and an entry of bnexp.figures.kinds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from bnexp.config.descriptions import allowed_keys
from bnexp.config.messages import Problem, dotted, real_path, schema_problem
from bnexp.config.options import ByName, Either, Name, Strict
from bnexp.errors import ConfigError
from bnexp.metrics import GAP, METRICS, evaluation_columns, summary_columns

Metric = Annotated[str, Name(lambda: evaluation_columns(METRICS))]
Drawable = Annotated[str, Name(lambda: (*evaluation_columns(METRICS), GAP))]
Column = Annotated[str, Name(lambda: summary_columns(METRICS))]


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] < pair[1]:
        return pair
    raise ValueError(pair)


Layer = Annotated[int, Field(ge=0)]
Step = Annotated[int, Field(ge=0)]
One = bool | int | float | str
Several = Annotated[tuple[One, ...], Field(strict=False, min_length=1)]
Wanted = Annotated[One | Several, Either("a value of the swept key, or a list of values")]
Numbers = Annotated[tuple[float, ...], Field(strict=False, min_length=1)]
Limits = Annotated[
    Annotated[tuple[float, float], Field(strict=False)],
    AfterValidator(_rising),
    Either("[low, high], the lower first"),
]
Layers = Annotated[
    Layer | Annotated[tuple[Layer, ...], Field(strict=False, min_length=1)],
    Either("a layer's number, or a list of numbers"),
]
Places = Annotated[float | Numbers, Either("a number, or a list of numbers")]
Span = Annotated[tuple[Layer, Layer], Field(strict=False)]
When = Annotated[Step | Literal["first", "last"], Either("a step, first or last")]

LAYERS = "[first, last] layer to draw; default: all"
WHEN = "the step to draw; first or last: of those recorded for each network"
LOG = "whether the y axis is logarithmic; default: if the numbers span decades"


class Drawn(Strict):
    """What every figure has."""

    kind: str


class Panels(Drawn):
    """One panel for each value of an axis, one line for each method: the book's 4 x 4 figure."""

    kind: Literal["panels"]
    axis: str | None = Field(None, description="the swept key of the panels; default: the first")
    metric: Metric = Field("train_accuracy", description="what is drawn against the epoch")


class Scale(Drawn):
    """Final or best accuracy and final loss against a swept number, as CS231n draws them."""

    kind: Literal["scale"]
    axis: str | None = Field(
        None, description="the swept key on the x axis; default: the first that is a number"
    )
    accuracy: Literal["final", "best"] = Field("final", description="which accuracy is drawn")


class Chosen(Drawn):
    """A figure of some of the networks."""

    where: dict[str, Wanted] = Field(
        {}, description="swept key -> the value or values to draw; numbers match to 0.5 %"
    )


class Ruled(Chosen):
    """A figure whose y axis can be set."""

    limits: Limits | None = Field(None, description="[low, high] of the y axis")
    log: bool | None = Field(None, description=LOG)


class Curves(Ruled):
    """Metrics, or a recorded quantity, against step or epoch: one line for each combination."""

    kind: Literal["curves"]
    metrics: Annotated[tuple[Drawable, ...], Field(strict=False, min_length=1)] | None = Field(
        None,
        description="what is drawn, one panel each; gap: training minus test accuracy. "
        "Default: the accuracies",
    )
    quantity: str | None = Field(
        None, description="a quantity that a probe recorded, instead of metrics"
    )
    layer: Layers | None = Field(
        None,
        description="the layers of the quantity, one panel each; default: all that were recorded",
    )
    at: Places | None = Field(
        None, description="the places within the quantity, one panel each; default: all"
    )
    against: Literal["step", "epoch"] | None = Field(
        None, description="the x axis; default: epoch for metrics scored once per epoch, else step"
    )
    together: bool = Field(
        False, description="draw training and test images in one panel, told apart by markers"
    )
    panel_axis: str | None = Field(
        None, description="a swept key with one panel per value; default: none"
    )
    best: Annotated[int, Field(ge=2, le=36)] | None = Field(
        None,
        description="how many values of panel_axis to draw: those with the best mean final "
        "accuracy (on test images, if they are scored), the best first; default: all",
    )
    smooth: bool = Field(
        False,
        description="smooth each network's curve as the book does, with a Kaiser window of 11",
    )


class Percentiles(Chosen):
    """Percentiles of one unit's activation input over training: Ioffe & Szegedy, figure 1."""

    kind: Literal["percentiles"]
    quantity: str = Field("percentile", description="a quantity recorded at several places")
    layer: Layer | None = Field(
        None, description="the unit's layer; default: the last that was recorded"
    )
    at: Numbers | None = Field(None, description="which percentiles; default: all recorded")
    limits: Limits | None = Field(None, description="[low, high] of the y axes")


class Histograms(Ruled):
    """The distribution of each layer's numbers, one column per layer: the book's section 6.2."""

    kind: Literal["histograms"]
    quantity: str = Field("activation_density", description="the recorded shares of the bins")
    layers: Span | None = Field(None, description=LAYERS)
    step: When = Field("first", description=WHEN)


class Heatmap(Chosen):
    """One number of each network as a color over two swept keys, one map for each method."""

    kind: Literal["heatmap"]
    x: str | None = Field(
        None, description="the swept key of the columns; default: the first except model.norm"
    )
    y: str | None = Field(None, description="the swept key of the rows; default: the next")
    value: Column = Field("final_train_accuracy", description="a column of the summary")
    limits: Limits | None = Field(None, description="[low, high] of the colors")


class Landscape(Ruled):
    """How far a quantity varies along the gradient, over training: Santurkar et al., figure 4."""

    kind: Literal["landscape"]
    quantity: str = Field("loss_along", description="a quantity recorded at one or several places")
    layer: Layer | None = Field(
        None, description="the layer of the quantity; default: the first that was recorded"
    )
    panel_axis: str | None = Field(
        None, description="the swept key of the panels; default: the first except model.norm"
    )


class Law(Strict):
    """What theory says: a rate of growth per layer, or the values themselves."""

    label: str = Field(description="its name in the legend", min_length=1, max_length=80)
    rate: float | None = Field(
        None,
        description="the factor from one layer to the next, starting at the measured line",
        gt=0,
    )
    values: Numbers | None = Field(
        None, description="the values themselves, one for each layer drawn"
    )
    where: dict[str, Wanted] = Field(
        {}, description="the line at which a rate starts: swept key -> value; default: the first"
    )


class Depth(Ruled):
    """A quantity of each layer against the layer's number: a line for each combination."""

    kind: Literal["depth"]
    quantity: str = Field(description="a quantity recorded for each layer")
    step: When = Field("first", description=WHEN)
    layers: Span | None = Field(None, description=LAYERS)
    panel_axis: str | None = Field(
        None, description="a swept key with one panel per value; default: none"
    )
    law: tuple[Law, ...] = Field(
        (), description="lines of theory, drawn thin and black", strict=False, max_length=4
    )
    backwards: bool = Field(
        False,
        description="laws start at the last layer and grow towards the first, as gradients do",
    )


FigureOptions = Panels | Scale | Curves | Percentiles | Histograms | Heatmap | Landscape | Depth
Figure = Annotated[Annotated[FigureOptions, Field(discriminator="kind")], ByName()]


_NAMED: TypeAdapter[dict[str, Figure]] = TypeAdapter(dict[str, Figure])


def figure_options(kind: str, **options: Any) -> FigureOptions:
    """The validated options of one figure; ConfigError says all that is wrong with them."""
    data = {"figure": {"kind": kind, **options}}
    try:
        return _NAMED.validate_python(data)["figure"]
    except ValidationError as error:
        problems = [_problem(entry, data) for entry in error.errors()]
    raise ConfigError("\n".join(f"{dotted(p.path)}: {p.text}" for p in problems))


def _problem(entry: ErrorDetails, data: Any) -> Problem:
    path = real_path(entry["loc"], data, entry["type"])
    return schema_problem(entry, path, allowed_keys(_NAMED.json_schema(), data, path[:-1]))
