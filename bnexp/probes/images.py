"""Probes that record images: the filters of the first layer, and the most confident mistakes.

A table holds numbers, so an image is recorded as one after another: row by row, with the channels
of a pixel side by side. Where the shape cannot be known otherwise, a reading begins with it.
`decode_filters` and `decode_mistakes` make images of readings again.

These readings are large: of 10 units of a dense layer on MNIST 7,843 numbers a network and step.
`probes: {at: ends, ...}` records them before training and after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import BnexpError
from bnexp.nn import Parameters, Sequential, Shortcuts
from bnexp.nn.pooling import Flatten
from bnexp.nn.protocols import Shape
from bnexp.probes.base import HeldOut, Numbers, Reading, TrainingStep, of_network, sites
from bnexp.registry import option

WEIGHTS = {"W", "direction"}
FACTS = 3  # what an image of a mistake begins with: class, answer, probability
WHITE = 255.0
LARGEST_SIDE = 10_000  # of an image in pixels


@dataclass(frozen=True)
class Filters:
    """The weights of the first `units` of the first layer with weights, each unit's as an image.

    filter: height, width and channels, and then these weights. A unit of a dense layer is as large
    as the images, one of a convolution as its window.
    roughness: the mean square of the difference of neighboring weights over twice the variance of a
    unit's weights, which is 1 for independent weights and near 0 for smooth ones.
    """

    units: int = option(
        10, doc="how many units, from the first; fewer where the layer has fewer", ge=1, le=1000
    )

    quantity_names = ("filter", "roughness")

    def numbers(self, network: Sequential, image_shape: Shape, classes: int) -> int:
        """How many numbers it reads of a network at one step."""
        first = sites(network)[0].weights
        units = min(self.units, getattr(network.layers[first], "features", self.units))
        return 4 + units * math.prod(seen_by(network, first, image_shape))

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """`filter` of layer 1, (K, 1, 3 + units * H * W * channels), and `roughness`, (K, 1, 1).

        Nothing if the layer has no W.
        """
        first = step.sites[0].weights
        parameters = step.all_parameters()[first]
        if not WEIGHTS & parameters.keys():
            return []
        shape = seen_by(step.network, first, step.image_shape)
        images = [effective_weights(parameters, k)[:, : self.units] for k in range(step.networks)]
        values = np.stack([np.append(shape, weights.T.ravel()) for weights in images])
        rough = [[roughness(weights.T.reshape(-1, *shape))] for weights in images]
        return [
            _reading("filter", values, layer=1),
            Reading("roughness", np.array(rough)[:, None], (1,)),
        ]


@dataclass(frozen=True)
class Confusion:
    """What the classes of held-out images are taken for, and the most confident mistakes.

    confusion: how many images of class c the network takes for class d; at = c * classes + d.
    mistake: height, width and channels of an image; then of each mistake its class, the network's
    answer, the probability of that, and the pixels from 0 to 255. It is NaN where the network makes
    fewer mistakes.
    """

    mistakes: int = option(6, doc="how many mistakes, the most confident first", ge=0, le=25)

    needs_test = True

    @property
    def quantity_names(self) -> tuple[str, ...]:
        """The quantities that `read` returns."""
        return ("confusion", "mistake") if self.mistakes else ("confusion",)

    def numbers(self, network: Sequential, image_shape: Shape, classes: int) -> int:
        """How many numbers it reads of a network at one step."""
        return classes**2 + 3 + self.mistakes * (FACTS + math.prod(image_shape))

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """`confusion`, (K, 1, classes^2), and `mistake`, (K, 1, 3 + mistakes * (3 + pixels)).

        Nothing if no image is held out.
        """
        held_out = step.held_out
        if held_out is None:
            return []
        classes = held_out.logits.shape[-1]
        counts = np.empty((step.networks, classes**2))
        size = FACTS + math.prod(step.image_shape)
        worst = np.full((step.networks, self.mistakes, size), np.nan)
        for k in range(step.networks):
            logits = of_network(held_out.logits, k)
            places = held_out.labels * classes + logits.argmax(axis=-1)
            counts[k] = np.bincount(places, minlength=classes**2)
            facts = self._mistakes(logits, held_out)
            worst[k, : len(facts)] = facts
        header = np.tile(np.array(step.image_shape, np.float64), (step.networks, 1))
        images = np.concatenate([header, worst.reshape(step.networks, -1)], axis=1)
        readings = [_reading("confusion", counts)]
        return [*readings, _reading("mistake", images)] if self.mistakes else readings

    def _mistakes(self, logits: Numbers, held_out: HeldOut) -> Numbers:
        """The most confident mistakes of one network, (n, 3 + pixels).

        logits: (N, C). Of equally confident ones the first images come first; those whose
        probability is NaN come last.
        """
        answers, labels = logits.argmax(axis=-1), held_out.labels
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities = 1 / powers.sum(axis=-1)  # of the answers, which have exp(0)
        wrong = np.flatnonzero(answers != labels)
        order = np.argsort(-np.nan_to_num(probabilities[wrong], nan=-1.0), kind="stable")
        chosen = wrong[order[: self.mistakes]]
        pixels = held_out.pixels(chosen).astype(np.float64)
        pixels = pixels.reshape(len(chosen), math.prod(pixels.shape[1:]))
        facts = [labels[chosen], answers[chosen], probabilities[chosen]]
        return np.column_stack([*facts, np.round(WHITE * pixels, 2)])


def effective_weights(parameters: Parameters, k: int) -> Numbers:
    """What multiplies the inputs of network k, (D, H); with weight norm length * unit vector."""
    if "W" in parameters:
        return of_network(parameters["W"], k)
    direction, length = of_network(parameters["direction"], k), of_network(parameters["length"], k)
    weights: Numbers = length * direction / np.sqrt(np.square(direction).sum(axis=0))
    return weights


def roughness(filters: Numbers) -> float:
    """Mean (w - w')^2 over pairs of neighbors / (2 * variance), filters (units, H, W, channels).

    NaN for filters of a single pixel.
    """
    differences = [np.diff(filters, axis=axis).ravel() for axis in (1, 2)]
    squares = np.square(np.concatenate(differences))
    if not squares.size:
        return math.nan
    variance = filters.reshape(len(filters), -1).var(axis=1, ddof=1).mean()
    return float(np.divide(squares.mean(), 2 * variance))


def seen_by(network: Sequential, first: int, image_shape: Shape) -> Shape:
    """What a unit of the first layer with weights sees: height, width and channels.

    first: the layer's index. A convolution sees its window, a dense layer all of what comes before
    `Flatten`, such as images that were made smaller.
    """
    layer: Any
    shape, generator = image_shape, np.random.default_rng(0)  # layers without weights draw nothing
    shortcuts = Shortcuts()
    for layer in network.layers[:first]:
        if isinstance(layer, Flatten):
            break
        shape = shortcuts.split(layer, layer.init(generator, shape)[0])
    layer = network.layers[first]
    while hasattr(layer, "layer"):  # of the layer in weight norm
        layer = layer.layer
    size = getattr(layer, "size", None)
    return shape if size is None else (size, size, shape[-1])


def _reading(quantity: str, values: Numbers, layer: int = 0) -> Reading:
    """The reading with these values, (K, places)."""
    at = tuple(float(place) for place in range(values.shape[1]))
    return Reading(quantity, values[:, None].astype(np.float64), (layer,), at)


@dataclass(frozen=True)
class Mistake:
    """A held-out image, (H, W, channels) from 0 to 1, of class `label`, that is taken for `answer`.

    probability: of the answer.
    """

    label: int
    answer: int
    probability: float
    image: NDArray[np.float64]


def decode_filters(values: Numbers) -> Numbers:
    """The images (units, H, W, channels) of a reading of `filter`, (places,)."""
    shape = _shape_of("filter", values, 0)
    return values[3:].reshape(-1, *shape)


def decode_mistakes(values: Numbers) -> list[Mistake]:
    """The mistakes in a reading of `mistake`, (places,), the most confident first."""
    shape = _shape_of("mistake", values, FACTS)
    parts = values[3:].reshape(-1, FACTS + math.prod(shape))
    return [
        Mistake(int(part[0]), int(part[1]), float(part[2]), part[FACTS:].reshape(shape) / WHITE)
        for part in parts
        if np.isfinite(part[:2]).all()
    ]


def _shape_of(quantity: str, values: Numbers, facts: int) -> Shape:
    """The shape that a reading begins with: height, width, channels.

    BnexpError unless images of that shape follow, each with so many `facts` before it.
    """
    sides = [number for number in values[:3].tolist() if 1 <= number <= LARGEST_SIDE]
    height, width, channels = map(int, sides) if len(sides) == 3 else (0, 0, 0)
    size = facts + height * width * channels
    if not height or (len(values) - 3) % size:
        raise BnexpError(
            f"quantity {quantity}: no images, expected height, width and channels, and then "
            f"numbers of whole images, got {len(values)} numbers that begin with "
            f"{', '.join(f'{number:g}' for number in values[:3])}"
        )
    return height, width, channels
