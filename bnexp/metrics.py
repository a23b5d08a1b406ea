"""The metrics: what networks are scored with, and all that the rest of bnexp knows about it.

A metric is one row of the table METRICS: a frozen dataclass with its label, unit, better direction
and limits, and the method `values`, which gives one number for each image. What is recorded is the
mean of these over the images. Tables, figures, claims, reports and exports read everything they
know about a metric here, so that a new one needs nothing but its row.

A metric has one column for each set of images that is scored, `train_NAME` and `test_NAME`, in
metrics.csv, and four in summary.csv, `final_train_NAME`, `best_train_NAME` and so on. Loss and
accuracy are always recorded, the others where `train.metrics` lists them. A table has the columns
of what any of its networks was scored with; networks without one of these metrics have NaN there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf, log
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from bnexp.nn import Array, SoftmaxCrossEntropy
from bnexp.nn.book import BookSoftmaxCrossEntropy
from bnexp.nn.loss import Labels
from bnexp.registry import Registry

IMAGE_SETS = {"train": "training", "test": "test"}  # prefix of a column: in words
SUMMARIES = ("final", "best")  # what a summary has of each metric: its last value and its best
Better = Literal["higher", "lower"]
HEADLINE = "accuracy"  # the metric that short summaries report
GAP = "gap"  # in figures and claims: the training images' headline metric minus the test images'


class Metric:
    """What every metric has; a metric is a frozen dataclass that extends this class.

    label: what figures and reports call it.
    unit: "nats" for example; "" for a fraction or a number without a unit.
    better: whether a higher or a lower value is better.
    limits: the smallest and the largest possible value.
    default: whether it is recorded in every run (bnexp's own metrics only).

    The first line of the docstring is its meaning for users. `values(logits, labels)` is given the
    logits (K, N, C) of a stack of K networks and the labels (N,), both read-only, and returns
    (K, N): a number for each network and image. It must not compute across the networks' axis, so
    that a network's numbers are the same to the last bit whatever is trained beside it.
    """

    label: ClassVar[str]
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    limits: ClassVar[tuple[float, float]] = (-inf, inf)
    default: ClassVar[bool] = False

    def values(self, logits: Array, labels: Labels) -> Array:
        """One number for each network and image, (K, N)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Loss(Metric):
    """Mean cross-entropy of the softmax, in nats."""

    label = "loss"
    unit = "nats"
    better = "lower"
    limits = (0.0, inf)
    default = True

    def values(self, logits: Array, labels: Labels) -> Array:
        # A copy, because the loss of a single image would be computed in the logits' own memory.
        return SoftmaxCrossEntropy().per_sample(logits.copy(), labels[None])[0]


@dataclass(frozen=True)
class Accuracy(Metric):
    """Share of images whose label has the largest logit.

    Of equal logits the class with the lowest number counts as the largest, as for numpy.argmax; the
    first NaN counts as larger than any number, so that a diverged network has an accuracy, too.
    """

    label = "accuracy"
    limits = (0.0, 1.0)
    default = True

    def values(self, logits: Array, labels: Labels) -> Array:
        correct: Array = logits.argmax(axis=-1) == labels
        return correct


@dataclass(frozen=True)
class Top2Accuracy(Metric):
    """Share of images whose label has one of the two largest logits.

    Of equal logits those of the classes with the lowest numbers count as larger, as in `accuracy`.
    NaN where a logit of any image is NaN.
    """

    label = "top-2 accuracy"
    limits = (0.0, 1.0)

    def values(self, logits: Array, labels: Labels) -> Array:
        logit = np.take_along_axis(logits, labels[None, :, None], axis=-1)  # the label's
        before = np.arange(logits.shape[-1], like=logits) < labels[:, None]
        rank = ((logits > logit) | ((logits == logit) & before)).sum(axis=-1)
        return np.where(np.isnan(logits).any(axis=-1), np.nan, rank < 2)


@dataclass(frozen=True)
class Confidence(Metric):
    """Mean probability of the predicted class, the largest of the softmax.

    max softmax(z) = 1 / sum exp(z - max z). NaN where a logit of any image is not finite.
    """

    label = "confidence"
    limits = (0.0, 1.0)

    def values(self, logits: Array, labels: Labels) -> Array:
        shifted = logits - logits.max(axis=-1, keepdims=True)
        confidence: Array = 1 / np.exp(shifted).sum(axis=-1)
        return confidence


@dataclass(frozen=True)
class BookLoss(Metric):
    """The loss as the book's code prints it, -log(probability + 1e-7): at most 16.1."""

    label = "loss (1e-7 in its log)"
    unit = "nats"
    better = "lower"
    limits = (-log(1 + 1e-7), -log(1e-7))

    def values(self, logits: Array, labels: Labels) -> Array:
        _, probabilities = BookSoftmaxCrossEntropy().per_sample(logits, labels[None])
        probability = np.take_along_axis(probabilities, labels[None, :, None], axis=-1)[..., 0]
        losses: Array = -np.log(probability + 1e-7)
        return losses


class _Metrics(Registry[type[Metric]]):
    """The registry of metrics: classes that extend Metric and say what it asks for."""

    def _checked(self, name: str, entry: Any) -> Any:
        super()._checked(name, entry)
        expected = ""
        if not name.isidentifier():
            expected = "letters, digits and _, a letter first"
        elif name == GAP or name.partition("_")[0] in (*IMAGE_SETS, *SUMMARIES):
            prefixes = ", ".join((*IMAGE_SETS, *SUMMARIES))
            expected = f"a name other than {GAP} whose first word is none of {prefixes}"
        elif not issubclass(entry, Metric):
            expected = f"a class that extends Metric, got {entry.__name__}"
        elif entry.values is Metric.values:
            expected = f"a method values, got {entry.__name__} without"
        elif not isinstance(getattr(entry, "label", None), str):
            expected = f"a label, got {entry.__name__} without"
        elif entry.better not in get_args(Better):
            expected = f"better to be one of {', '.join(get_args(Better))}, got {entry.better!r}"
        elif not entry.limits[0] < entry.limits[1]:
            expected = f"limits with the lower one first, got {entry.limits}"
        elif entry.default and name not in self.builtin:
            expected = "one that train.metrics switches on, got default=True"
        if expected:
            raise TypeError(f"metric {name!r}: expected {expected}")
        return entry


_BUILT_IN: dict[str, type[Metric]] = {
    "loss": Loss,
    "accuracy": Accuracy,
    "top2_accuracy": Top2Accuracy,
    "confidence": Confidence,
    "book_loss": BookLoss,
}
METRICS = _Metrics("metric", _BUILT_IN, methods=("values",))
DEFAULT_METRICS = {name: metric() for name, metric in _BUILT_IN.items() if metric.default}


def recorded_metrics(additional: Collection[str] = ()) -> tuple[str, ...]:
    """The default metrics and the `additional` ones, in the order of the table."""
    return tuple(name for name, row in METRICS.items() if row.default or name in additional)


def evaluation_columns(metrics: Iterable[str]) -> tuple[str, ...]:
    """train_loss, train_accuracy, ..., test_loss, ...: the columns of metrics.csv.

    >>> evaluation_columns(["loss", "accuracy"])
    ('train_loss', 'train_accuracy', 'test_loss', 'test_accuracy')
    """
    metrics = tuple(metrics)
    return tuple(f"{images}_{metric}" for images in IMAGE_SETS for metric in metrics)


def summary_columns(metrics: Iterable[str]) -> tuple[str, ...]:
    """final_train_loss, ..., best_train_loss, ...: the columns of summary.csv."""
    columns = evaluation_columns(metrics)
    return tuple(f"{summary}_{column}" for summary in SUMMARIES for column in columns)


def image_sets(has_validation: bool) -> Mapping[str, str]:
    """What the images of each prefix are called where others than test images are held out.

    >>> image_sets(True)
    {'train': 'training', 'test': 'validation'}
    """
    return {**IMAGE_SETS, "test": "validation"} if has_validation else IMAGE_SETS


@dataclass(frozen=True)
class MetricColumn:
    """A column that holds a metric: `train_loss` of metrics.csv, `final_train_loss` of summary.csv.

    name: the metric's. images: train or test. summary: final or best; empty in metrics.csv.
    """

    name: str
    images: str
    summary: str = ""

    @property
    def metric(self) -> type[Metric]:
        """The metric's row of the table."""
        return METRICS[self.name]

    def label(self, image_sets: Mapping[str, str] = IMAGE_SETS) -> str:
        """What figures and reports call it: 'training loss', 'final test accuracy'."""
        label = f"{image_sets[self.images]} {self.metric.label}"
        return f"{self.summary} {label}" if self.summary else label

    def sibling(self, name: str) -> str:
        """The column of another metric for the same images, at the same time."""
        return "_".join(part for part in (self.summary, self.images, name) if part)


def metric_column(column: str) -> MetricColumn | None:
    """What a column of metrics.csv or summary.csv holds; None if it does not hold a metric.

    >>> metric_column("best_test_loss")
    MetricColumn(name='loss', images='test', summary='best')
    >>> metric_column("seconds") is None
    True
    """
    first, _, remainder = column.partition("_")
    summary, column = (first, remainder) if first in SUMMARIES else ("", column)
    images, _, name = column.partition("_")
    if images not in IMAGE_SETS or name not in METRICS:
        return None
    return MetricColumn(name, images, summary)


def is_headline(column: str) -> bool:
    """Whether a column holds the accuracy, of whatever images."""
    parsed = metric_column(column)
    return parsed is not None and parsed.name == HEADLINE


def metric_of(column: str) -> type[Metric]:
    """The metric of such a column; KeyError if there is none."""
    parsed = metric_column(column)
    if parsed is None:
        raise KeyError(column)
    return parsed.metric


def is_unbounded_loss(metric: Any) -> bool:
    """Whether lower values are better and nothing limits how bad they get, as for the loss.

    Where such a number is not finite, the network has diverged.
    """
    return bool(metric.better == "lower" and metric.limits[1] == inf)
