"""What a probe sees: a stack of networks between two steps, and the batch of the coming one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bnexp.nn import ACTIVATIONS, Array, Parameters, Sequential, SoftmaxCrossEntropy, State
from bnexp.nn.loss import Labels
from bnexp.nn.protocols import Affine

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What a probe read: `values` (K, layers, at).

    `layers` are 1 for the first layer with weights, 2, ..., or 0 for the whole network; `at` says
    where a number stands within the quantity (a bin's left edge, a percentile, a step size), NaN
    where there is one number only.
    """

    quantity: str
    values: Numbers
    layers: tuple[int, ...] = (0,)
    at: tuple[float, ...] = (float("nan"),)


class Probe(Protocol):
    """A frozen dataclass of options that reads quantities off a moment of the training."""

    def read(self, moment: Moment) -> Sequence[Reading]: ...


@dataclass(frozen=True)
class Site:
    """A layer with weights: its number from 1, its place in the network, its activation's place.

    The output layer has no activation.
    """

    number: int
    weights: int
    activation: int | None


def sites(network: Sequential) -> tuple[Site, ...]:
    """The layers with weights, first to last."""
    kinds = tuple(ACTIVATIONS.values())
    starts = [i for i, layer in enumerate(network.layers) if isinstance(layer, Affine)]
    ends = [*starts[1:], len(network.layers)]
    found = [
        next((j for j in range(a, b) if isinstance(network.layers[j], kinds)), None)
        for a, b in zip(starts, ends, strict=True)
    ]
    return tuple(
        Site(n, a, activation)
        for n, (a, activation) in enumerate(zip(starts, found, strict=True), 1)
    )


@dataclass(frozen=True)
class Pass:
    """One pass forward and back in training mode; lists have an entry a layer.

    losses: (K,). inputs: what each layer was given; logits: what the last one made. gradients: the
    parameters'. signals: the loss's gradient with respect to each layer's output.
    """

    losses: Array
    inputs: list[Array]
    logits: Array
    signals: list[Array]
    gradients: list[dict[str, Array]]


@dataclass(frozen=True)
class Moment:
    """K networks, the batch x (K or 1, N, ...) of the coming step, and its learning rate (K, 1, 1).

    `advance` gives the parameters after that step; it changes nothing.
    """

    network: Sequential
    parameters: Sequence[Parameters]
    state: Sequence[State]
    x: Array
    labels: Labels
    lr: Array
    advance: Callable[[], Sequence[Parameters]]

    @property
    def networks(self) -> int:
        return len(self.lr)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        return sites(self.network)

    @cached_property
    def here(self) -> Pass:
        """The pass with the parameters as they are."""
        return self.with_parameters(self.parameters)

    @cached_property
    def advanced(self) -> Sequence[Parameters]:
        """The parameters after the coming step."""
        return self.advance()

    def with_parameters(self, parameters: Sequence[Parameters]) -> Pass:
        """The pass on the same batch with other parameters."""
        x, inputs, caches = self.x, [], []
        for layer, p, s in zip(self.network.layers, parameters, self.state, strict=True):
            inputs.append(x)
            x, cache, _ = layer.forward(p, s, x, train=True)
            caches.append(cache)
        loss = SoftmaxCrossEntropy()
        losses, probabilities = loss.per_sample(x, self.labels)
        dy = loss.gradient(probabilities, self.labels)
        signals, gradients = self._back(parameters, caches, dy)
        return Pass(losses.mean(axis=-1), inputs, x, signals, gradients)

    def _back(
        self, parameters: Sequence[Parameters], caches: Sequence[Any], dy: Array
    ) -> tuple[list[Array], list[dict[str, Array]]]:
        signals, gradients = [], []
        layers = list(zip(self.network.layers, parameters, caches, strict=True))
        for layer, p, cache in reversed(layers):
            signals.append(dy)
            dy, own = layer.backward(p, cache, dy)
            gradients.append(own)
        return signals[::-1], gradients[::-1]


def each(networks: int, function: Callable[[int], float]) -> Numbers:
    """One number for each network, computed alone: its bits do not depend on its neighbors."""
    return np.array([function(k) for k in range(networks)], dtype=np.float64)


def of(array: Array, k: int) -> Numbers:
    """Network k's part, in float64; what all networks share is each one's."""
    own: Numbers = array[k if len(array) > 1 else 0].astype(np.float64)
    return own


def norm(arrays: Sequence[Array]) -> float:
    """The Euclidean norm of all the numbers of some arrays."""
    return float(np.sqrt(sum(np.square(a, dtype=np.float64).sum() for a in arrays)))
