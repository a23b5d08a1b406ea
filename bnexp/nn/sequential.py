"""A network: layers one after another, forward, backward, evaluated, calibrated, folded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from bnexp.nn.linear import Conv, Dense, folded
from bnexp.nn.protocols import (
    Affine,
    Array,
    BatchStatistics,
    Generator,
    Initializer,
    Layer,
    Normalizer,
    Parameters,
    PopulationStatistics,
    Shape,
    State,
)


@dataclass(frozen=True)
class Sequential:
    """Layers applied one after another; parameters and states are tuples, one entry a layer.

    x is (K, N, D) or (K, N, H, W, C), K = 1 where all networks see the same; logits are (K, N, C).

    >>> from bnexp.nn import BatchNorm, He, Relu, SoftmaxCrossEntropy
    >>> network = mlp([20, 10], Relu(), BatchNorm(), [He(), He()])
    >>> made = [network.init(np.random.default_rng(seed), (784,)) for seed in (0, 1, 2)]
    >>> parameters, state = (stack(part, "float32") for part in zip(*made))
    >>> x, labels = np.ones((1, 50, 784), "float32"), np.zeros((1, 50), int)
    >>> logits, caches, state = network.forward(parameters, state, x, train=True)
    >>> losses, probabilities = SoftmaxCrossEntropy().per_sample(logits, labels)
    >>> gradient = SoftmaxCrossEntropy().gradient(probabilities, labels)
    >>> gradients = network.backward(parameters, caches, gradient)
    >>> logits.shape, gradients[0]["W"].shape, list(gradients[1])
    ((3, 50, 10), (3, 784, 20), ['gamma', 'beta'])
    """

    layers: tuple[Layer, ...]

    def init(
        self, generator: Generator, shape: Shape
    ) -> tuple[tuple[Parameters, ...], tuple[State, ...]]:
        """One network's initial parameters and state, float64, without the stack axis.

        `shape` is one sample's. ValueError where a layer does not fit what comes before it.
        """
        made = []
        for layer in self.layers:
            shape, parameters, state = layer.init(generator, shape)
            made.append((parameters, state))
        return tuple(p for p, _ in made), tuple(s for _, s in made)

    def forward(
        self, parameters: Sequence[Parameters], state: Sequence[State], x: Array, train: bool
    ) -> tuple[Array, list[Any], tuple[State, ...]]:
        """Logits (K, N, C), what backward needs, and the new state."""
        caches, states = [], []
        for layer, p, s in zip(self.layers, parameters, state, strict=True):
            x, cache, s = layer.forward(p, s, x, train)
            caches.append(cache)
            states.append(s)
        return x, caches, tuple(states)

    def evaluated(
        self, parameters: Sequence[Parameters], state: Sequence[State], x: Array
    ) -> Array:
        """Logits (K, N, C) in evaluation; keeps nothing for a backward pass."""
        for layer, p, s in zip(self.layers, parameters, state, strict=True):
            x, _, _ = layer.forward(p, s, x, train=False)
        return x

    def backward(
        self, parameters: Sequence[Parameters], caches: Sequence[Any], dy: Array
    ) -> list[dict[str, Array]]:
        """Every layer's gradients. The gradient of the network's input is not computed."""
        gradients: list[dict[str, Array]] = []
        for layer, p, cache in reversed(list(zip(self.layers, parameters, caches, strict=True))):
            if len(gradients) == len(self.layers) - 1 and isinstance(layer, Affine):
                gradients.append(layer.gradients(p, cache, dy))
            else:
                dy, own = layer.backward(p, cache, dy)
                gradients.append(own)
        return gradients[::-1]

    @property
    def evaluations(self) -> set[str]:
        """The statistics that layers are evaluated with, as `BatchStatistics` says."""
        return {layer.evaluation for layer in self.layers if isinstance(layer, BatchStatistics)}

    @property
    def calibrates(self) -> bool:
        """Whether a layer or its initializer looks at data before training."""
        return any(isinstance(layer, Affine) and layer.calibrates for layer in self.layers)

    def calibrated(
        self, parameters: Sequence[Parameters], state: Sequence[State], x: Array
    ) -> tuple[Parameters, ...]:
        """Parameters fitted to the data `x`, first layer first, where layers or initializers ask.

        Each layer sees what the calibrated layers before it make of `x`, in training mode.
        """
        made = []
        for layer, p, s in zip(self.layers, parameters, state, strict=True):
            p = layer.calibrated(p, x) if isinstance(layer, Affine) else p
            x, _, _ = layer.forward(p, s, x, train=True)
            made.append(p)
        return tuple(made)

    def population_state(
        self, parameters: Sequence[Parameters], state: Sequence[State], batches: Iterable[Array]
    ) -> tuple[State, ...]:
        """The state with the statistics of normalizers averaged over `batches`, (K, N, ...) each.

        Ioffe & Szegedy 2015, Algorithm 2: the parameters are fixed, and every batch counts alike.
        Layers that are not `PopulationStatistics` keep their state.
        """
        state = tuple(
            {name: np.zeros_like(a) for name, a in s.items()}
            if isinstance(layer, PopulationStatistics)
            else s
            for layer, s in zip(self.layers, state, strict=True)
        )
        for seen, x in enumerate(batches):
            layers = tuple(
                layer.averaging(seen) if isinstance(layer, PopulationStatistics) else layer
                for layer in self.layers
            )
            _, _, state = Sequential(layers).forward(parameters, state, x, train=True)
        return state

    def folded(
        self, parameters: Sequence[Parameters], state: Sequence[State]
    ) -> tuple[Sequential, tuple[Parameters, ...], tuple[State, ...]]:
        """The evaluated network with each normalizer that follows a dense layer merged into it."""
        out: list[tuple[Layer, Parameters, State]] = []
        for layer, p, s in zip(self.layers, parameters, state, strict=True):
            before = out[-1][0] if out else None
            affine = layer.evaluated(p, s) if isinstance(layer, Normalizer) else None
            # A row for each activation of an image fits no convolution's features.
            if (
                affine is not None
                and isinstance(before, Dense | Conv)
                and affine[0].shape[-1] == before.features
            ):
                out[-1] = (replace(before, bias=True), folded(out[-1][1], *affine), {})
            else:
                out.append((layer, p, s))
        layers, merged, states = zip(*out, strict=True)
        return Sequential(layers), merged, states


def mlp(
    widths: Sequence[int],
    activation: Layer,
    normalizer: Layer | None,
    initializers: Sequence[Initializer],
    bias: bool = True,
) -> Sequential:
    """Dense - [normalizer] - activation for every width but the last, which is a plain dense layer.

    The order of Ioffe & Szegedy (section 3.2) and of the book; one initializer for each width;
    `bias` is that of the hidden layers.
    """
    after = block(activation, normalizer)
    layers: list[Layer] = []
    for width, initializer in zip(widths[:-1], initializers[:-1], strict=True):
        layers += [Dense(width, initializer, bias), *after]
    layers.append(Dense(widths[-1], initializers[-1]))
    return Sequential(tuple(layers))


def block(
    activation: Layer,
    normalizer: Layer | None,
    norm_after_activation: bool = False,
    dropout: Layer | None = None,
) -> list[Layer]:
    """What follows a dense layer or a convolution: norm, activation, dropout; those given.

    The order of Ioffe & Szegedy (section 3.2), or the norm behind the activation.
    """
    pair = [activation, normalizer] if norm_after_activation else [normalizer, activation]
    return [layer for layer in (*pair, dropout) if layer is not None]


def stack(
    networks: Sequence[Sequence[Mapping[str, Array]]], dtype: DTypeLike
) -> tuple[dict[str, Array], ...]:
    """Parameters (or states) of K networks side by side: K x (D, H) -> (K, D, H) in `dtype`.

    Each network's are a sequence with one mapping a layer, as `Network.init` returns them.

    >>> networks = [[{"W": np.ones((5, 3))}], [{"W": np.zeros((5, 3))}]]
    >>> (layer,) = stack(networks, "float32")
    >>> layer["W"].shape, layer["W"].dtype.name
    ((2, 5, 3), 'float32')
    """
    return tuple(
        {name: _cast(np.stack([net[i][name] for net in networks]), dtype) for name in first}
        for i, first in enumerate(networks[0])
    )


def _cast(array: Array, dtype: DTypeLike) -> Array:
    """Numbers in `dtype`, where one that is too large is infinite; keys and counts as they are."""
    with np.errstate(over="ignore"):
        return array.astype(dtype) if np.issubdtype(array.dtype, np.floating) else array
