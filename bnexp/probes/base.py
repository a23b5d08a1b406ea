"""What probes have in common: the step that they are given, and the readings that they return.

Between two steps, training describes the next one as a `TrainingStep`. From it a probe computes
what it records, a `Reading` per quantity. The pass forward and back over the step's batch is
computed once for all probes, and only if one needs it. Numbers are computed network by network
(`per_network`, `of_network`), so that the bits of one do not depend on its neighbors; and on the
CPU, whatever device the arrays of the step are on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bnexp.device import to_host
from bnexp.nn import (
    ACTIVATIONS,
    Array,
    Parameters,
    Sequential,
    Shortcuts,
    SoftmaxCrossEntropy,
    State,
)
from bnexp.nn.loss import Labels
from bnexp.nn.protocols import Affine, Gradients, Shape
from bnexp.registry import FormerName

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One record of one quantity: `values` (K, layers, at).

    `layers` are 1 for the first layer with weights, 2, ..., or 0 for the whole network; `at` says
    where a number stands within the quantity (a bin's left edge, a percentile, a step size), NaN
    where there is one number only.
    """

    quantity: str
    values: Numbers
    layers: tuple[int, ...] = (0,)
    at: tuple[float, ...] = (float("nan"),)


@dataclass(frozen=True)
class Grid:
    """Where a quantity has numbers: for each of `layers` and each place `at`, as in a `Reading`."""

    quantity: str
    layers: tuple[int, ...] = (0,)
    at: tuple[float, ...] = (float("nan"),)

    def reading(self, values: Numbers) -> Reading:
        """The reading with these values, (K, layers, at)."""
        return Reading(self.quantity, values, self.layers, self.at)


class Probe(Protocol):
    """A frozen dataclass of options that computes readings from a training step.

    It may have an attribute `quantity_names`, the quantities that `read` returns: figures of others
    are then refused before training rather than after it. If it also has a method `grids(sites)`,
    which returns a `Grid` for each reading of a network with these layers, so are figures of layers
    and places that are not recorded. One without it may have `numbers(network, image_shape,
    classes)`, how many numbers it reads at a step. A probe whose `needs_test` is true is refused
    where no test images are scored.
    """

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """A reading for each quantity; the step and its arrays are not changed."""
        ...


@dataclass(frozen=True)
class Site:
    """A layer with weights and its activation.

    `number` counts these layers from 1; `weights` and `activation` are indices into the network's
    layers. The output layer has no activation.
    """

    number: int
    weights: int
    activation: int | None


def sites(network: Sequential) -> tuple[Site, ...]:
    """The layers with weights, first to last, each with the first activation that follows it."""
    activations = tuple(ACTIVATIONS.values())
    starts = [i for i, layer in enumerate(network.layers) if isinstance(layer, Affine)]
    ends = [*starts[1:], len(network.layers)]
    return tuple(
        Site(
            number,
            start,
            next(
                (i for i in range(start, end) if isinstance(network.layers[i], activations)), None
            ),
        )
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    )


@dataclass(frozen=True)
class Pass:
    """One pass forward and back in training mode; lists have an entry per layer.

    losses: (K,), means over the batch. inputs: each layer's input (K, N, ...), and logits (K, N, C)
    the last layer's output. gradients: the parameters'. signals: the loss's gradient with respect
    to each layer's output.
    """

    losses: Array
    inputs: list[Array]
    logits: Array
    signals: list[Array]
    gradients: list[Gradients]


@dataclass(frozen=True)
class HeldOut:
    """Images that are scored and not trained on, with what K networks answer; NumPy's arrays.

    logits (K, N, C), labels (N,). pixels: a function that makes the images at some indices, (n, H,
    W, channels), from 0 to 1. For the first n images, changed in any way:

    answers: the logits (n, C) of network k for them, answers(k, images), in evaluation.
    loss_gradient: the gradient (n, H, W, channels) of the sum of their losses with respect to them.
    """

    logits: Array
    labels: Labels
    pixels: Callable[[NDArray[np.intp]], Array]
    answers: Callable[[int, Array], Array]
    loss_gradient: Callable[[int, Array], Array]


@dataclass(frozen=True)
class TrainingStep:
    """The next step of K networks, before it is taken.

    Parameters and state are those before the step; x (K or 1, N, ...) and labels (K or 1, N) are
    its batch, lr (K, 1, 1) its learning rate. `advance` computes the parameters after the step, and
    changes nothing.

    image_shape: height, width and channels of an image of the data set. full_parameters: computes,
    from the parameters, those for images with all pixels: training may leave out blank ones. score:
    scores the held-out images with the parameters before the step; None if there are none.
    """

    network: Sequential
    parameters: Sequence[Parameters]
    state: Sequence[State]
    x: Array
    labels: Labels
    lr: Array
    advance: Callable[[], Sequence[Parameters]]
    image_shape: Shape = ()
    full_parameters: Callable[[Sequence[Parameters]], Sequence[Parameters]] | None = None
    score: Callable[[], HeldOut] | None = None

    def all_parameters(self) -> Sequence[Parameters]:
        """The parameters before the step, for images with all pixels."""
        return self.full_parameters(self.parameters) if self.full_parameters else self.parameters

    @property
    def networks(self) -> int:
        """The number of networks, K."""
        return len(self.lr)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The network's layers with weights."""
        return sites(self.network)

    @cached_property
    def held_out(self) -> HeldOut | None:
        """The held-out images, scored with the parameters before the step; None without any."""
        return self.score() if self.score else None

    @cached_property
    def current(self) -> Pass:
        """The pass over the batch with the parameters before the step."""
        return self.with_parameters(self.parameters)

    here = FormerName("current")

    @cached_property
    def advanced(self) -> Sequence[Parameters]:
        """The parameters after the step."""
        return self.advance()

    def with_parameters(self, parameters: Sequence[Parameters]) -> Pass:
        """The pass over the batch with other parameters, in the same state."""
        x, inputs, caches, shortcuts = self.x, [], [], Shortcuts()
        for layer, p, s in zip(self.network.layers, parameters, self.state, strict=True):
            inputs.append(x)
            y, cache, _ = layer.forward(p, s, shortcuts.join(layer, x), train=True)
            x = shortcuts.split(layer, y)
            caches.append(cache)
        loss = SoftmaxCrossEntropy()
        losses, probabilities = loss.per_sample(x, self.labels)
        dy = loss.gradient(probabilities, self.labels)
        signals: list[Array] = []
        gradients: list[Gradients] = []
        layers = zip(self.network.layers, parameters, caches, strict=True)
        shortcuts = Shortcuts(backward=True)
        for layer, p, cache in reversed(list(layers)):
            signals.append(dy)
            dx, layer_gradients = layer.backward(p, cache, shortcuts.join(layer, dy))
            dy = shortcuts.split(layer, dx)
            gradients.append(layer_gradients)
        return Pass(losses.mean(axis=-1), inputs, x, signals[::-1], gradients[::-1])


def per_network(networks: int, function: Callable[[int], float]) -> Numbers:
    """function(k) for k = 0, ..., K - 1, as (K,): one number for each network, computed alone."""
    return np.array([function(k) for k in range(networks)], dtype=np.float64)


def of_network(array: Array, k: int) -> Numbers:
    """Network k of an array (K or 1, ...), in float64; what all networks share is each one's.

    NumPy's array, also if the other is on a device.
    """
    part: Numbers = to_host(array[k if len(array) > 1 else 0]).astype(np.float64)
    return part


def norm(arrays: Sequence[Array]) -> float:
    """The Euclidean norm of all the numbers of some arrays."""
    return float(np.sqrt(sum(np.square(a, dtype=np.float64).sum() for a in arrays)))
