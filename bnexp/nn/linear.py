"""The dense layer, an affine map, and what all affine layers share: sums, folding, fitting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnexp.nn.protocols import Array, Generator, Initializer, Parameters, Shape, State
from bnexp.nn.windows import Window

# NumPy works through one row at a time, and starting a row costs as much as some hundred numbers:
# a convolution's features, 30 or so, are put side by side until a row is about as long as this.
LENGTH = 1024
SHORT = 64


def rowwise(operation: np.ufunc, x: Array, row: Array, out: Array | None = None) -> Array:
    """operation(x, row) for x (K, M, F) and row (K, 1, F), to the last bit; `out` may be x."""
    beside = _beside(x)
    if beside == 1 or (out is not None and not out.flags.c_contiguous):
        made: Array = operation(x, row, out=out)
        return made
    wide = (-1, x.shape[-2] // beside, beside * x.shape[-1])
    target = None if out is None else out.reshape(len(out), *wide[1:])
    made = operation(x.reshape(len(x), *wide[1:]), np.tile(row, beside), out=target)
    return made.reshape(len(made), *x.shape[1:])


def _beside(x: Array) -> int:
    """How many samples make a row: a power of two that divides their number."""
    length = x.shape[-1]
    if not 0 < length <= SHORT:
        return 1
    return math.gcd(x.shape[-2], 2 ** ((LENGTH // length).bit_length() - 1))


def column_sums(x: Array) -> Array:
    """Sum over the batch, (K, N, H) -> (K, 1, H).

    As a product with a row of ones: 4 to 5 times faster than `sum(axis=-2)` at 100 x 100.
    """
    sums: Array = np.matmul(np.ones((1, x.shape[-2]), x.dtype), x)
    return sums


def times_transposed(dy: Array, weights: Array) -> Array:
    """dy W^T, (K, N, H) and (K, D, H) -> (K, N, D).

    OpenBLAS multiplies by a copied transpose faster than by a transposed view (100 x 100: 21.6
    against 25.6 microseconds, copy included).
    """
    product: Array = np.matmul(dy, np.ascontiguousarray(weights.swapaxes(-1, -2)))
    return product


def folded(parameters: Parameters, scale: Array, shift: Array) -> dict[str, Array]:
    """Parameters W, b of an affine map followed by y -> scale * y + shift."""
    b = parameters["b"] * scale + shift if "b" in parameters else shift
    return {"W": parameters["W"] * scale, "b": b}


def fitted(layer: Any, parameters: Parameters, x: Array) -> Parameters:
    """A layer's parameters with W fitted to data, where its initializer does that."""
    if not layer.calibrates:
        return parameters

    def outputs(w: Array) -> Array:
        y: Array = layer.forward({**parameters, "W": w}, {}, x, train=True)[0]
        return y

    return {**parameters, "W": layer.initializer.fitted(parameters["W"], outputs)}


@dataclass(frozen=True)
class Dense:
    """y = x W + b: x (K or 1, N, D), W (K, D, H), b (K, 1, H), y (K, N, H), H = `features`.

    `init` takes (D,), ValueError for images. Weights come from the initializer, b starts at 0.

    >>> from bnexp.nn import Normal, stack
    >>> layer = Dense(3, Normal(0.1))
    >>> networks = [layer.init(np.random.default_rng(seed), (5,))[1] for seed in (0, 1)]
    >>> (parameters,) = stack([[network] for network in networks], "float32")
    >>> y, cache, _ = layer.forward(parameters, {}, np.ones((1, 4, 5), "float32"), train=True)
    >>> parameters["W"].shape, y.shape, y.dtype.name
    ((2, 5, 3), (2, 4, 3), 'float32')
    """

    features: int
    initializer: Initializer
    bias: bool = True

    def init(self, generator: Generator, shape: Shape) -> tuple[Shape, Parameters, State]:
        (fan_in,) = shape
        weights = (fan_in, self.features)
        parameters = {"W": self.initializer.draw(generator, weights, fan_in, self.features)}
        if self.bias:
            parameters["b"] = np.zeros((1, self.features))
        return (self.features,), parameters, {}

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Array, State]:
        y = np.matmul(x, parameters["W"])  # (K, N, H)
        if self.bias:
            y += parameters["b"]
        return y, x, state

    def backward(
        self, parameters: Parameters, cache: Array, dy: Array
    ) -> tuple[Array, dict[str, Array]]:
        return times_transposed(dy, parameters["W"]), self.gradients(parameters, cache, dy)

    @property
    def calibrates(self) -> bool:
        """Whether the initializer looks at data."""
        return hasattr(self.initializer, "fitted")

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """The parameters, W as the initializer fits it to the outputs for `x`."""
        return fitted(self, parameters, x)

    def gradients(self, parameters: Parameters, cache: Array, dy: Array) -> dict[str, Array]:
        """The parameters' gradients alone: a network's first layer needs no dx."""
        gradients = {"W": np.matmul(cache.swapaxes(-1, -2), dy)}
        if self.bias:
            gradients["b"] = column_sums(dy)
        return gradients


@dataclass(frozen=True)
class Conv:
    """y = sum over a size x size window of x W, + b; images (K, N, H, W, C) to (K, N, OH, OW, H).

    W is a matrix (K, size * size * C, features), its rows in the order of `Window.slices`; b is
    (K, 1, features). Fans count the window: fan_in = size^2 C, fan_out = size^2 features. `init`
    takes (H, W, C), ValueError where the window does not fit.

    >>> from bnexp.nn import He
    >>> shape, parameters, _ = Conv(30, 5, He()).init(np.random.default_rng(0), (28, 28, 1))
    >>> shape, parameters["W"].shape
    ((24, 24, 30), (25, 30))
    """

    features: int
    size: int
    initializer: Initializer
    stride: int = 1
    padding: int = 0
    bias: bool = True

    @property
    def window(self) -> Window:
        return Window(self.size, self.stride, self.padding)

    def init(self, generator: Generator, shape: Shape) -> tuple[Shape, Parameters, State]:
        places = self.window.places(shape)
        fan_in = self.size**2 * shape[2]
        weights = (fan_in, self.features)
        fan_out = self.size**2 * self.features
        parameters = {"W": self.initializer.draw(generator, weights, fan_in, fan_out)}
        if self.bias:
            parameters["b"] = np.zeros((1, self.features))
        return (*places, self.features), parameters, {}

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Any, State]:
        patches = self.window.patches(x)  # once for the whole stack where x is shared
        y = np.matmul(patches, parameters["W"])  # (K, N * OH * OW, features)
        if self.bias:
            rowwise(np.add, y, parameters["b"], out=y)
        places = self.window.places(x.shape[2:])
        return y.reshape(len(y), x.shape[1], *places, -1), (patches, x.shape), state

    def backward(
        self, parameters: Parameters, cache: Any, dy: Array
    ) -> tuple[Array, dict[str, Array]]:
        _, shape = cache
        rows = dy.reshape(len(dy), -1, self.features)
        dx = times_transposed(rows, parameters["W"])
        return self.window.summed(dx, (len(dy), *shape[1:])), self.gradients(parameters, cache, dy)

    @property
    def calibrates(self) -> bool:
        """Whether the initializer looks at data."""
        return hasattr(self.initializer, "fitted")

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """The parameters, W as the initializer fits it to the outputs for `x`."""
        return fitted(self, parameters, x)

    def gradients(self, parameters: Parameters, cache: Any, dy: Array) -> dict[str, Array]:
        """The parameters' gradients alone: a network's first layer needs no dx."""
        patches, _ = cache
        rows = dy.reshape(len(dy), -1, self.features)
        gradients = {"W": np.matmul(patches.swapaxes(-1, -2), rows)}
        if self.bias:
            gradients["b"] = column_sums(rows)
        return gradients
