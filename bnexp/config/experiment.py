"""The schema of an experiment: what is trained, swept, recorded, drawn and claimed.

What a key means stands in its description, which `bnexp explain`, the docs and editors show. The
schema is built from registries, and knows what is registered when a value is validated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bnexp.config.architecture import Model
from bnexp.config.claims import Claim
from bnexp.config.figures import Figure, option_values
from bnexp.config.messages import NAME_PATTERN
from bnexp.config.options import (
    AddedLater,
    AnyOrder,
    Either,
    Name,
    OneOf,
    Options,
    OrNone,
    Strict,
    added_later,
    key,
)
from bnexp.data.datasets import DATASETS
from bnexp.metrics import DEFAULT_METRICS, METRICS, image_sets
from bnexp.nn import OPTIMIZERS
from bnexp.nn.optimizers import SCHEDULES
from bnexp.probes import PROBES
from bnexp.registry import until_registered

Ends = Annotated[tuple[float, float, Annotated[int, Field(ge=1)]], Field(strict=False)]


class Linspace(Strict):
    linspace: Ends = Field(description="[start, stop, number], evenly spaced")


class Logspace(Strict):
    logspace: Ends = Field(
        description="[start, stop, number], start and stop as powers of ten, as in NumPy: "
        "[-4, 0, 5] is 0.0001, 0.001, 0.01, 0.1, 1"
    )


class Geomspace(Strict):
    geomspace: Ends = Field(description="[start, stop, number], a constant factor apart")


_CROSSED = key(
    False,
    "whether each draw is combined with each draw of the other random keys; else random keys are "
    "drawn together, as in a random search",
)


class UniformValues(Strict):
    uniform: Ends = Field(description="[low, high, number], random values, the same in every run")
    crossed: bool = _CROSSED


class LoguniformValues(Strict):
    loguniform: Ends = Field(
        description="[low, high, number], random values whose logarithms are evenly spread between "
        "those of low and high, as in [0.0001, 1, 20]; the same in every run"
    )
    crossed: bool = _CROSSED


class BookLoguniformValues(Strict):
    book_loguniform: Ends = Field(
        description="[low, high, number], 10 to random powers, drawn by the book's stream before "
        "each of its rounds"
    )


Values = Annotated[
    Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]
    | Linspace
    | Logspace
    | Geomspace
    | UniformValues
    | LoguniformValues
    | BookLoguniformValues,
    Either(
        "a list of values, or linspace, logspace, geomspace, uniform or loguniform: "
        "[start, stop, number]"
    ),
]


class Sweep(Strict):
    """Dotted keys and their values: every combination is a point; `zip` ties keys together.

    Random keys, `uniform` and `loguniform`, are tied together too, unless they are `crossed`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Values]
    zip: dict[str, Values] = key({}, "dotted key -> values, all of one length")

    def axes(self) -> Mapping[str, Any]:
        """The swept keys outside `zip`, with a tuple of values or a range each."""
        return self.__pydantic_extra__


MAX_STEPS = 10_000_000
MAX_SEEDS = 1_000

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Step = Annotated[int, Field(ge=0, le=MAX_STEPS)]
Optimizer = Annotated[Options, OneOf(OPTIMIZERS)]
Schedule = Annotated[Options, OneOf(SCHEDULES)]
Probe = Annotated[Options, OneOf(PROBES)]
Metric = Annotated[Options, OneOf(METRICS, without=DEFAULT_METRICS)]


OneOrMore = Annotated[Count | Literal["all"], Either("a number from 1, or all")]
ScoredTraining = Annotated[
    Count | Literal["all", "batch"], Either("a number from 1, all, or batch")
]
SomeOrNone = Annotated[
    Annotated[int, Field(ge=0)] | Literal["all"], Either("a number from 0, or all")
]


def _list_datasets(schema: dict[str, Any]) -> None:
    """Describe `data.name` by the data sets that are known now, registered ones included."""
    schema["description"] = (
        f"{', '.join(DATASETS)}, or a folder of IDX files or of CIFAR-10's, or an npz file"
    )


class Data(Strict):
    """Which images."""

    @property
    def scores_test(self) -> bool:
        """Whether test images, or validation images in their place, are scored."""
        return self.test != 0 or self.validation > 0

    @property
    def image_sets(self) -> Mapping[str, str]:
        """What the images of `train` and `test` columns are called in words."""
        return image_sets(self.validation > 0)

    name: str = key("mnist", "", min_length=1, json_schema_extra=_list_datasets)
    pixels: Literal["grey", "binary", "centred"] = key(
        "grey",
        "grey: byte / 255; binary: 0 below 128, else 1; centred: grey minus the mean of the "
        "training images that are used",
    )
    train: OneOrMore = key("all", "how many training images are used, from the first")
    validation: int = key(
        0,
        "how many training images are held out, the first ones, and scored in place of test images",
        ge=0,
    )
    draw: Literal["first", "seed"] = key(
        "first",
        "which images are the first: those of the file, or, with seed, those of a random order, "
        "which the network's seed decides",
    )
    label_noise: Annotated[float, AddedLater()] = key(
        0.0,
        "the probability that the label of a training image is replaced by another class, each "
        "alike, before training starts; test and validation images keep their labels, and training "
        "accuracy is for the replaced ones. With draw: seed the network's seed decides which "
        "labels, else they are the same for all networks",
        ge=0,
        le=1,
    )
    test: SomeOrNone = key(
        "all",
        "how many test images are scored, from the first; with 0, the default of gaussian and "
        "where validation images are held out, the test columns are empty",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_of_test(cls, values: Any) -> Any:
        """No test images where validation images take their place, and where labels are random."""
        if not isinstance(values, Mapping) or "test" in values:
            return values
        scored = not values.get("validation") and values.get("name") != "gaussian"
        return {**values, "test": "all" if scored else 0}


class Every(Strict):
    """Evaluate after every so many steps, from the first multiple on."""

    every: Count = Field(description="the number of steps from one time to the next")


Points = Annotated[
    Literal["book", "epoch", "cs231n"]
    | Every
    | Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=100_000)]
    | None,
    Either("book, epoch, cs231n, {every: number}, or a list of steps"),
]


ProbePoints = Annotated[
    Literal["ends"] | Points,
    Either("ends, book, epoch, cs231n, {every: number}, or a list of steps"),
]


class EarlyStopping(Strict):
    """When a network stops training: after evaluations that were no better than the best one."""

    patience: Count = Field(description="so many evaluations in a row")
    metric: Annotated[str, Name(lambda: tuple(METRICS))] = key(
        "loss", "what is compared, a metric of the validation images; NaN is worse than any number"
    )


Decayed = Literal["bias", "gamma", "beta"]
Trained = Literal["weights", "bias", "gamma", "beta", "scale"]


def _sorted(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """In one order, which makes no difference to any number; None for no names."""
    return tuple(sorted(names or ())) or None


class Train(Strict):
    """How the networks are trained and when they are scored."""

    epochs: Annotated[int, Field(ge=1, le=MAX_STEPS)] | None = key(
        None, "length of the training in passes over the data"
    )
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] | None = key(
        None, "length of the training in updates, instead of epochs"
    )
    batch_size: Count = Field(description="images per step")
    sampling: Literal["with_replacement", "shuffle", "all", "by_class"] = key(
        "shuffle",
        "how batches are drawn; shuffle: a new permutation of the data in each epoch; all: each "
        "batch is all images, in order, so that batch_size is their number; by_class: a batch is "
        "of classes_per_batch classes, drawn for it, with equally many images of each, drawn with "
        "replacement",
    )
    classes_per_batch: Annotated[Count | None, AddedLater(), OrNone()] = key(
        None,
        "how many classes a batch has images of, for sampling: by_class; at most as many as the "
        "training images have. Labels count as data.label_noise leaves them",
    )
    optimizer: Optimizer = key("sgd", "the update rule and its learning rate")
    schedule: Schedule = key("constant", "how the learning rate changes over the steps")
    l2: float = key(
        0.0, "adds l2 / 2 * sum(W^2) to the loss that is minimized, weights only (the book)", ge=0
    )
    weight_decay: float = key(
        0.0,
        "subtracts learning rate * weight_decay * W from each weight, apart from the loss",
        ge=0,
    )
    decay_also: Annotated[tuple[Decayed, ...] | None, AfterValidator(_sorted), AddedLater()] = key(
        None,
        "what l2 and weight_decay act on besides weights: any of bias, gamma, beta; PyTorch's and "
        "Keras's own weight decay acts on all three. Default: nothing",
        strict=False,
    )
    only: Annotated[tuple[Trained, ...] | None, AfterValidator(_sorted), AddedLater()] = key(
        None,
        "the parameters that are trained: any of weights, bias, gamma, beta, and scale of residual "
        "blocks; the others stay as they were drawn. Default: all",
        strict=False,
        min_length=1,
    )
    clip_norm: Annotated[Annotated[float, Field(gt=0)] | None, OrNone()] = key(
        None, "the largest norm of a network's gradient; a larger one is scaled down to it"
    )
    early_stopping: Annotated[EarlyStopping | None, AddedLater(), OrNone()] = key(
        None,
        "when a network stops training before the end; it then stays as it is, and later rows of "
        "the tables repeat its numbers. It needs data.validation. Default: never",
    )
    precision: Literal["float32", "float64"] = key(
        "float32", "the precision of all arithmetic in training"
    )
    evaluate: Points = key(
        None,
        "after which steps the networks are scored; with E steps per epoch, epoch: E, 2E, ...; "
        "book: 1, E+1, 2E+1, ...; cs231n: 1, E, 2E, ...; {every: n}; or a list of steps. "
        "Training stops at the last of them. Default: book with the book's stream, else epoch",
    )
    evaluate_train: ScoredTraining = key(
        "all",
        "how many training images are scored, from the first; batch: those of the step's batch, "
        "after its update",
    )
    metrics: Annotated[tuple[Metric, ...] | None, AddedLater(), AnyOrder()] = key(
        None,
        "what the networks are scored with besides loss and accuracy; default: nothing",
        strict=False,
    )


class Probes(Strict):
    """What is recorded besides loss and accuracy; it changes no number of the training."""

    at: ProbePoints = key(
        None,
        "the steps after which they record, as in train.evaluate; 0: before the first update; "
        "ends: 0 and the last. Default: where the networks are scored",
    )
    read: tuple[Probe, ...] = Field(
        description="the probes; they are given the batch of the next step",
        strict=False,
        min_length=1,
    )


class Random(Strict):
    """Where random numbers come from."""

    stream: Literal["independent", "book"] = key(
        "independent",
        "independent: one generator for a seed's weights and one for its batches, shared by all "
        "networks of that seed; book: numpy.random.seed(seed) and the draws in the book's order, "
        "with precision float64 also its arithmetic, to the last bit",
    )
    together: tuple[str, ...] | None = key(
        None,
        "for the book's stream, the swept keys whose networks form a round: they are drawn one "
        "after another, those without a norm last, and see the same batches. "
        "Default: [model.norm]",
        strict=False,
    )
    restart: bool = key(
        False,
        "for the book's stream, whether each round begins with numpy.random.seed(seed), like a "
        "script that is run again for each value; else it goes on where the last round ended",
    )
    seeds: tuple[Seed, ...] = key(
        (0,),
        "the seeds; each combination is trained with each of them",
        strict=False,
        min_length=1,
        max_length=MAX_SEEDS,
    )
    design_seeds: tuple[Seed, ...] | None = key(
        None,
        "the seeds on which claims and their thresholds were chosen; seeds are to be others, so "
        "that a claim is judged by networks that its author has not seen, and verdicts say so if "
        "one is in both lists; `--seeds design` trains them. They change no network",
        strict=False,
        min_length=1,
        max_length=MAX_SEEDS,
    )


DOI = "a DOI such as 10.1038/323533a0"
ARXIV = "a number of arXiv in quotes, such as '1502.03167'"
ISBN = "an ISBN in quotes, such as '978-4-87311-758-4'"
URL = "an address such as https://cs231n.github.io"


MODULE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")
ModuleName = Annotated[
    str,
    Field(pattern=MODULE_NAME.pattern, max_length=200),
    Either("the name of a module such as my_norms"),
]


class Reference(Strict):
    """A publication, in the parts that a bibliography needs."""

    authors: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        description="their names, first names first", strict=False, min_length=1, max_length=100
    )
    title: str = Field(description="its title", min_length=1, max_length=500)
    year: int = Field(description="the year", ge=1600, le=2200)
    venue: str = key("", "the journal, the conference or the publisher", max_length=300)
    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/\S+$"), Either(DOI)] | None = key(
        None, "its DOI, without an address in front"
    )
    arxiv: (
        Annotated[
            str,
            Field(pattern=r"^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})$"),
            Either(ARXIV),
        ]
        | None
    ) = key(None, "its number at arXiv, in quotes")
    isbn: Annotated[str, Field(pattern=r"^[0-9-]{9,16}[0-9X]$"), Either(ISBN)] | None = key(
        None, "of a book, its ISBN, in quotes"
    )
    url: Annotated[str, Field(pattern=r"^https?://\S+$"), Either(URL)] | None = key(
        None, "its address"
    )


class Setting(Strict):
    """What determines one network's numbers, but for its seed."""

    data: Data = key({}, "which images")
    model: Model = Field(description="which network")
    train: Train = Field(description="how it is trained")
    probes: Probes | None = key(None, "what is recorded besides loss and accuracy")


Tag = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


class Experiment(Setting):
    """One experiment: a setting, what is swept over, and what is drawn."""

    name: str = Field(
        description="the name of the experiment and of its run directory; default where the file "
        "extends another: the file's own name",
        pattern=NAME_PATTERN,
    )
    title: str = key("", "one line, for lists and figures", max_length=300)
    source: str = key("", "where the experiment is published", max_length=500)
    references: tuple[Reference, ...] | None = key(
        None,
        "the publications that source and claims name, for `bnexp list --bibtex`",
        strict=False,
        min_length=1,
        max_length=50,
    )
    tags: tuple[Tag, ...] | None = key(
        None,
        "words to find it by, for `bnexp list --tag`: small letters, digits and hyphens",
        strict=False,
        min_length=1,
        max_length=20,
    )
    description: str = key("", "the question it asks, and what to look at", max_length=4000)
    imports: tuple[ModuleName, ...] | None = key(
        None,
        "modules that register classes it uses; a file never loads code, so whoever runs it "
        "imports them: `bnexp --import MODULE run FILE`, or `import MODULE` in Python",
        strict=False,
        max_length=50,
    )
    seconds: float | None = key(None, "about how long a run takes on two cores", gt=0)
    random: Random = key({}, "seeds and the random stream")
    sweep: Sweep = key({}, "dotted key -> values; each combination and seed is one network")
    figures: tuple[Figure, ...] | None = key(
        None,
        "what is drawn; default: curves, or panels where a number with five or more values is "
        "swept; and scale where a number is swept",
        strict=False,
    )
    claims: tuple[Claim, ...] | None = key(
        None, "sentences to check; a run ends with a verdict on each", strict=False
    )


@until_registered
def experiment_schema() -> Mapping[str, Any]:
    """The JSON Schema of an experiment, with all registered classes; it takes 0.1 s to make."""
    return Experiment.model_json_schema()


def plain_values(value: Any) -> Any:
    """A validated part of an experiment as plain values, without what is not set.

    Options of figures are dataclasses, all else are models.

    Tuples become lists. None, empty mappings and empty texts are left out; false and 0 are kept.
    A key that is marked AddedLater is left out while it has its default.
    """
    if isinstance(value, BaseModel) or is_dataclass(value):
        items = value if isinstance(value, BaseModel) else option_values(value)
        fields = {name: plain_values(inner) for name, inner in items}
        later = added_later(type(value)) if isinstance(value, BaseModel) else {}
        return {
            name: inner
            for name, inner in fields.items()
            if inner not in (None, {}, "") and not (name in later and inner == later[name])
        }
    if isinstance(value, Mapping):
        return {key: plain_values(inner) for key, inner in value.items()}
    return [plain_values(inner) for inner in value] if isinstance(value, list | tuple) else value


def explicit_values(part: BaseModel) -> dict[str, Any]:
    """An experiment, or one network's setting, as plain values; `norm: none` is stated too.

    `model.norm` is stated because the absence of a normalizer is what experiments compare.
    """
    values: dict[str, Any] = plain_values(part)
    values["model"].setdefault("norm", "none")
    return values
