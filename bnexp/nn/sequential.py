"""A network as a sequence of layers: forward and backward pass, evaluation, calibration.

`Sequential` is an architecture: it holds layers and their options, no numbers. Parameters and
states are tuples with one mapping per layer. `mlp` and `block` put the usual layers in the usual
order, and `stack` puts the parameters of K networks side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from bnexp.nn.activations import Relu
from bnexp.nn.linear import Conv, Dense, folded
from bnexp.nn.loss import SoftmaxCrossEntropy
from bnexp.nn.pooling import MaxPool
from bnexp.nn.protocols import (
    Affine,
    Array,
    BatchStatistics,
    Generator,
    Gradients,
    Initializer,
    Layer,
    Normalizer,
    Parameters,
    PopulationStatistics,
    Shape,
    State,
)
from bnexp.nn.residual import Shortcuts
from bnexp.registry import former_keywords


@dataclass(frozen=True)
class Sequential:
    """Layers applied one after another; parameters and states are tuples, one entry a layer.

    x is (K, N, D) or (K, N, H, W, C), K = 1 where all networks see the same; logits are (K, N, C).

    >>> from bnexp.nn import BatchNorm, He, Relu, SoftmaxCrossEntropy
    >>> network = mlp([20, 10], Relu(), BatchNorm(), [He(), He()])
    >>> starts = [network.init(np.random.default_rng(seed), (784,)) for seed in (0, 1, 2)]
    >>> parameters, state = (stack(part, "float32") for part in zip(*starts))
    >>> x, labels = np.ones((1, 50, 784), "float32"), np.zeros((1, 50), int)
    >>> logits, caches, state = network.forward(parameters, state, x, train=True)
    >>> losses, probabilities = SoftmaxCrossEntropy().per_sample(logits, labels)
    >>> gradient = SoftmaxCrossEntropy().gradient(probabilities, labels)
    >>> gradients = network.backward(parameters, caches, gradient)
    >>> logits.shape, gradients[0]["W"].shape, list(gradients[1])
    ((3, 50, 10), (3, 784, 20), ['gamma', 'beta'])
    """

    layers: tuple[Layer, ...]

    loss: ClassVar[SoftmaxCrossEntropy] = SoftmaxCrossEntropy()

    def init(
        self, generator: Generator, shape: Shape
    ) -> tuple[tuple[Parameters, ...], tuple[State, ...]]:
        """One network's initial parameters and state, float64, without the stack axis.

        `shape` is one sample's. ValueError where a layer does not fit what comes before it.
        """
        parameters, states, shortcuts = [], [], Shortcuts()
        for layer in self.layers:
            outputs, p, s = layer.init(generator, shortcuts.join(layer, shape))
            shape = shortcuts.split(layer, outputs)
            parameters.append(p)
            states.append(s)
        return tuple(parameters), tuple(states)

    def forward(
        self, parameters: Sequence[Parameters], state: Sequence[State], x: Array, train: bool
    ) -> tuple[Array, list[Any], tuple[State, ...]]:
        """Logits (K, N, C), what backward needs, and the new state."""
        caches, states, shortcuts = [], [], Shortcuts()
        for layer, p, s in zip(self._computed, parameters, state, strict=True):
            y, cache, s = layer.forward(p, s, shortcuts.join(layer, x), train)
            x = shortcuts.split(layer, y)
            caches.append(cache)
            states.append(s)
        return x, caches, tuple(states)

    def evaluated(
        self, parameters: Sequence[Parameters], state: Sequence[State], x: Array
    ) -> Array:
        """Logits (K, N, C) in evaluation; keeps nothing for a backward pass."""
        shortcuts = Shortcuts()
        for layer, p, s in zip(self._computed, parameters, state, strict=True):
            y, _, _ = layer.forward(p, s, shortcuts.join(layer, x), train=False)
            x = shortcuts.split(layer, y)
        return x

    def backward(
        self, parameters: Sequence[Parameters], caches: Sequence[Any], dy: Array
    ) -> list[Gradients]:
        """Every layer's gradients, for dy (K, N, C). That of the network's input is not computed.

        The gradients have the shapes of the parameters, (K, ...).
        """
        gradients: list[Gradients] = []
        shortcuts = Shortcuts(backward=True)
        for layer, p, cache in reversed(list(zip(self._computed, parameters, caches, strict=True))):
            if len(gradients) == len(self.layers) - 1 and isinstance(layer, Affine):
                gradients.append(layer.gradients(p, cache, dy))
            else:
                dx, layer_gradients = layer.backward(p, cache, shortcuts.join(layer, dy))
                dy = shortcuts.split(layer, dx)
                gradients.append(layer_gradients)
        return gradients[::-1]

    def input_gradient(
        self, parameters: Sequence[Parameters], caches: Sequence[Any], dy: Array
    ) -> Array:
        """The gradient of the network's input, (K, N, ...), for dy (K, N, C)."""
        shortcuts = Shortcuts(backward=True)
        for layer, p, cache in reversed(list(zip(self._computed, parameters, caches, strict=True))):
            dx, _ = layer.backward(p, cache, shortcuts.join(layer, dy))
            dy = shortcuts.split(layer, dx)
        return dy

    def overflowed(self, caches: Sequence[Any]) -> Any:
        """The networks in which a statistic overflowed in the forward pass, (K,); False for none.

        What is divided by an infinite deviation is 0, so that the loss may well be finite. Asks the
        layers that have a method `overflowed(cache)`; batch norm's statistics are in its state.
        """
        overflowed: Any = False
        for layer, cache in zip(self._computed, caches, strict=True):
            check = getattr(layer, "overflowed", None)
            if check is not None:
                overflowed = overflowed | check(cache)
        return overflowed

    @property
    def _computed(self) -> tuple[Layer, ...]:
        """The layers in the order in which they are computed: max pooling before a relu.

        max(relu(x)) is relu(max(x)), gradients included, and there are fewer numbers to compare
        with 0: a quarter for the usual windows. Neither layer has parameters or a state.
        """
        layers = list(self.layers)
        for i in range(1, len(layers)):
            if type(layers[i - 1]) is Relu and type(layers[i]) is MaxPool:
                layers[i - 1 : i + 1] = layers[i], layers[i - 1]
        return tuple(layers)

    @property
    def evaluations(self) -> set[str]:
        """The statistics that layers are evaluated with, as `BatchStatistics` says."""
        return {layer.evaluation for layer in self.layers if isinstance(layer, BatchStatistics)}

    @property
    def chunk(self) -> int | None:
        """How many images are evaluated at once; None: all of them, and one network at a time.

        250 samples of 8 networks stay in the second-level cache; 1,000 at once cost a tenth of a
        sweep.
        """
        return None if "batch" in self.evaluations else 250

    @property
    def calibrates(self) -> bool:
        """Whether a layer or its initializer looks at data before training."""
        return any(getattr(layer, "calibrates", False) for layer in self.layers)

    def calibrated(
        self, parameters: Sequence[Parameters], state: Sequence[State], x: Array
    ) -> tuple[Parameters, ...]:
        """Parameters fitted to the data `x`, first layer first, where layers or initializers ask.

        Each layer sees what the calibrated layers before it make of `x`, in training mode.
        """
        calibrated, shortcuts = [], Shortcuts()
        for layer, p, s in zip(self.layers, parameters, state, strict=True):
            p = layer.calibrated(p, x) if isinstance(layer, Affine) else p
            y, _, _ = layer.forward(p, s, shortcuts.join(layer, x), train=True)
            x = shortcuts.split(layer, y)
            calibrated.append(p)
        return tuple(calibrated)

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
        """The evaluated network with each normalizer that follows a dense layer merged into it.

        Of a normalizer with y = scale * x + shift after x = u W + b, W becomes W * scale and b
        becomes b * scale + shift; convolutions alike. The result has fewer layers, and parameters
        (K, ...) of its own.
        """
        merged: list[tuple[Layer, Parameters, State]] = []
        for layer, p, s in zip(self.layers, parameters, state, strict=True):
            before = merged[-1][0] if merged else None
            affine = layer.evaluated(p, s) if isinstance(layer, Normalizer) else None
            # A row for each activation of an image fits no convolution's features.
            if (
                affine is not None
                and isinstance(before, Dense | Conv)
                and affine[0].shape[-1] == before.features
            ):
                merged[-1] = (replace(before, bias=True), folded(merged[-1][1], *affine), {})
            else:
                merged.append((layer, p, s))
        layers, merged_parameters, states = zip(*merged, strict=True)
        return Sequential(layers), merged_parameters, states


@former_keywords(normaliser="normalizer", initialisers="initializers")
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


@former_keywords(normaliser="normalizer")
def block(
    activation: Layer,
    normalizer: Layer | None,
    norm_after_activation: bool = False,
    dropout: Layer | None = None,
) -> list[Layer]:
    """What follows a dense layer or a convolution: norm, activation, dropout; those given.

    The order of Ioffe & Szegedy (section 3.2), or the norm behind the activation.

    >>> from bnexp.nn import LayerNorm, Relu
    >>> block(Relu(), LayerNorm(), norm_after_activation=True)
    [Relu(), LayerNorm(eps=1e-05, affine=True, initial_gamma=1.0)]
    """
    pair = [activation, normalizer] if norm_after_activation else [normalizer, activation]
    return [layer for layer in (*pair, dropout) if layer is not None]


def stack(
    networks: Sequence[Sequence[Mapping[str, Array]]], dtype: DTypeLike
) -> tuple[dict[str, Array], ...]:
    """Parameters (or states) of K networks side by side: K x (D, H) -> (K, D, H) in `dtype`.

    Each network's are a sequence with one mapping a layer, as `Sequential.init` returns them. A
    number too large for `dtype` becomes infinite; keys and counts, which are integers, keep theirs.

    >>> networks = [[{"W": np.ones((5, 3))}], [{"W": np.zeros((5, 3))}]]
    >>> (layer,) = stack(networks, "float32")
    >>> layer["W"].shape, layer["W"].dtype.name
    ((2, 5, 3), 'float32')
    """

    def stacked(arrays: list[Array]) -> Array:
        array = np.stack(arrays)
        with np.errstate(over="ignore"):
            is_float = np.issubdtype(array.dtype, np.floating)
            return array.astype(dtype, copy=False) if is_float else array

    return tuple(
        {name: stacked([network[i][name] for network in networks]) for name in first}
        for i, first in enumerate(networks[0])
    )
