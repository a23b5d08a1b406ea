"""The schema of claims: checkable sentences about an experiment's sweep.

A claim has a `measure`, one number of each network; `where`, the points of the sweep that it is
about; and one relation that has to hold there. bnexp.claims measures, and judges over seeds. Rules
between the keys of a claim are in bnexp.config.rules.

`where` is also an option of figures: it maps a swept key to the values of that key that are meant.
The networks that have one of these values for each key are chosen; `bnexp.runs.where` finds them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from bnexp.config.options import AddedLater, Either, Name, Strict
from bnexp.metrics import GAP, METRICS, SUMMARIES, evaluation_columns
from bnexp.text import exact


def _as_python(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    return value.tolist() if hasattr(value, "tolist") else value


Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_as_python)]


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
        return f"an empty range, expected at_least <= at_most, got {exact(low)} and {exact(high)}"
    return None


def _with_kind(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a swept mapping, which must name its kind."""
    if "kind" in options:
        return options
    raise ValueError(options)


# A swept mapping, such as {kind: batch, dialect: book}, or some of its options.
Mapped = Annotated[
    dict[str, Any],
    AfterValidator(_with_kind),
    WithJsonSchema({"type": "object", "required": ["kind"]}),
]
# A swept list, in a list of selectors.
Listed = Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1)]
Selector = Annotated[
    Scalar
    | Mapped
    | Annotated[tuple[Scalar | Mapped | Range | Listed, ...], Field(strict=False, min_length=1)]
    | Range,
    Either("a value, a list of values, or {at_least: number, at_most: number}"),
]
Where = dict[str, Selector]
WHERE = (
    "swept key -> a value as tables show it, a list of values, or a range of numbers; a number also"
    " means the only value within 0.5 % of it"
)


def _metrics() -> tuple[str, ...]:
    """What networks are scored by, registered metrics included."""
    return (*evaluation_columns(METRICS), GAP)


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

    metric: Annotated[str, Name(_metrics)] = Field(
        description="what was scored; gap: train_accuracy - test_accuracy of each evaluation"
    )
    at: When = Field(
        "final",
        description="which evaluation; best: the highest accuracy, the lowest loss or gap; mean: "
        "over all of them",
    )


def parse_metric(measure: str | OfMetric) -> OfMetric:
    """A measure of evaluations, also from its short name.

    >>> parse_metric("final_train_loss")
    OfMetric(metric='train_loss', at='final')
    """
    if isinstance(measure, OfMetric):
        return measure
    when, _, metric = measure.partition("_")
    return OfMetric.model_validate({"metric": metric, "at": when})


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
    since: Literal["first"] | Step | None = Field(
        None, description="an earlier step: the number divided by the one that was read then"
    )


def _measure_tag(value: Any) -> str | None:
    """Which form a measure has: a short name, a metric, or a quantity of a probe."""
    if isinstance(value, str):
        return "by name"
    if isinstance(value, OfMetric) or (isinstance(value, dict) and "metric" in value):
        return "of metric"
    is_quantity = isinstance(value, OfQuantity) or (isinstance(value, dict) and "quantity" in value)
    return "of quantity" if is_quantity else None


# The short names of measures, such as final_train_accuracy.
ByName = Annotated[
    str,
    Name(
        lambda: [f"{s}_{m}" for s in SUMMARIES for m in _metrics()],
        "{metric: ...} or {quantity: ...}",
    ),
]
Measure = Annotated[
    Annotated[ByName, Tag("by name")]
    | Annotated[OfMetric, Tag("of metric")]
    | Annotated[OfQuantity, Tag("of quantity")],
    Discriminator(
        _measure_tag,
        custom_error_type="measure",
        custom_error_message="a name such as final_train_accuracy, or a mapping with metric or "
        "with quantity",
    ),
]


def is_same_measure(measure: Measure, other: Measure) -> bool:
    """Whether the two are the same number of a network, however they are written."""
    return written_out(measure) == written_out(other)


def written_out(measure: Measure) -> OfMetric | OfQuantity:
    """A measure in the form that has all keys: the short names are of evaluations."""
    return measure if isinstance(measure, OfQuantity) else parse_metric(measure)


RELATIONS = (
    "at_least", "at_most", "within", "above", "below", "near",
    "non_decreasing", "non_increasing", "equals",
)  # fmt: skip
# The relations that are about the order of points or about each seed, not about an interval.
MONOTONE = ("non_decreasing", "non_increasing")
TOLERANT = (*MONOTONE, "equals")

VerdictWord = Literal["supported", "refuted", "undecided"]
VERDICT_WORDS: tuple[VerdictWord, ...] = get_args(VerdictWord)
# What a claim rests on. The first three are of a source, the last is the author's own.
Kind = Literal["published", "direction", "theory", "measured"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OF_A_SOURCE = KINDS[:3]
AxisKey = Annotated[str, Field(min_length=1)]


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
    by: float = Field(0.0, description="the margin that must be exceeded", ge=0)
    times: float = Field(1.0, description="a factor on the other side", gt=0)


class Near(Strict):
    """What a measure is near: another selection, another measure, or both; and the tolerance."""

    where: Where = Field(
        {},
        description="swept key -> value or values that replace the claim's; all others stay",
    )
    measure: Measure | None = Field(
        None, description="the measure of the other side; default: the claim's"
    )
    times: float = Field(1.0, description="a factor on the other side", gt=0)
    by: float | None = Field(None, description="the tolerance, in the measure's own unit", ge=0)
    relative: float | None = Field(
        None, description="the tolerance, as a fraction of times * other of the same seed", ge=0
    )


class Claim(Strict):
    """A sentence, and the one relation that has to hold for it at the points it is about."""

    says: str = Field(description="the sentence", min_length=1, max_length=1000)
    kind: Annotated[Kind, AddedLater()] = Field(
        "measured",
        description="what it rests on; published: the source states it, with its number; "
        "direction: the source states the direction, and by, times or a threshold is the author's; "
        "theory: a law, derived by the source or on bnexp's page of numerics; measured: the "
        "author's own observation",
    )
    source: str = Field(
        "",
        description="where it is published, and what in measure and where is not the source's but "
        "the author's, such as a rate; default: the experiment's",
        max_length=500,
    )
    measure: Measure = Field(description="one number for each network")
    where: Where = Field({}, description=WHERE)
    at_least: float | None = Field(None, description="the measure is at least this")
    at_most: float | None = Field(None, description="the measure is at most this")
    within: Within | None = Field(None, description="the measure is near a number")
    above: Other | None = Field(
        None, description="measure - times * other > by, in the mean of the differences by seed"
    )
    below: Other | None = Field(
        None, description="times * other - measure > by, in the mean of the differences by seed"
    )
    near: Near | None = Field(
        None,
        description="measure - times * other is at most the tolerance, above 0 or below, in the "
        "mean of the differences by seed",
    )
    non_decreasing: AxisKey | None = Field(
        None, description="a swept key: along it the measure never falls by more than tolerance"
    )
    non_increasing: AxisKey | None = Field(
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
    data: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="the data set that it is about, of which all its networks must be; default: "
        "the experiment's data.name, also if that is set to another one with --set",
    )
    expect: VerdictWord = Field("supported", description="the verdict that is expected")
    absent: Literal["error", "undecided"] = Field(
        "error",
        description="what happens if the experiment cannot decide it, for instance because the "
        "sweep lacks the selection; with --set or --seeds it is always undecided",
    )

    @property
    def relation(self) -> str:
        """The name of the one relation that is given."""
        return next(name for name in RELATIONS if getattr(self, name) is not None)

    @property
    def other(self) -> Other | Near | None:
        """What the measure is compared with; None if it is not compared."""
        return self.above or self.below or self.near

    @property
    def margins(self) -> tuple[str, ...]:
        """The keys that set a number which a direction alone does not have."""
        thresholds = ("at_least", "at_most", "within", "near", "equals")
        keys = [name for name in thresholds if getattr(self, name) is not None]
        if compared := self.above or self.below:
            keys += [f"{self.relation}.by"] * (compared.by != 0)
            keys += [f"{self.relation}.times"] * (compared.times != 1)
        keys += ["tolerance"] * bool(self.tolerance) + ["in_at_least"] * bool(self.in_at_least)
        return tuple(keys)

    @property
    def own_numbers(self) -> tuple[str, ...]:
        """The keys whose numbers are the author's, although the claim is of a source.

        Of a direction all margins are, of a law thresholds and tolerances, and of a number that is
        published its tolerance.
        """
        if self.kind == "measured":
            return ()
        if self.kind == "direction":
            return self.margins
        names = ("by", "relative")
        parts = [(key, getattr(self, key)) for key in ("within", "near")]
        keys = [
            f"{key}.{name}" for key, part in parts for name in names if getattr(part, name, None)
        ]
        keys += ["tolerance"] * bool(self.tolerance)
        if self.kind == "theory":
            keys += [key for key in ("at_least", "at_most") if getattr(self, key) is not None]
        return tuple(keys)

    @property
    def law(self) -> float | None:
        """The number that a law predicts for the mean, or for the difference; None without one."""
        if self.kind != "theory":
            return None
        return self.within.of if self.within else 0.0 if self.near else None
