"""The convolution: an affine map of each window of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bnexp.nn.dense import column_sums, fitted, times_transposed
from bnexp.nn.layer import Array, Generator, Initialiser, Parameters, Shape, State
from bnexp.nn.rowwise import rowwise
from bnexp.nn.windows import Window


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
    initialiser: Initialiser
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
        parameters = {"W": self.initialiser.draw(generator, weights, fan_in, fan_out)}
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
        """Whether the initialiser looks at data."""
        return hasattr(self.initialiser, "fitted")

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """The parameters, W as the initialiser fits it to the outputs for `x`."""
        return fitted(self, parameters, x)

    def gradients(self, parameters: Parameters, cache: Any, dy: Array) -> dict[str, Array]:
        """The parameters' gradients alone: a network's first layer needs no dx."""
        patches, _ = cache
        rows = dy.reshape(len(dy), -1, self.features)
        gradients = {"W": np.matmul(patches.swapaxes(-1, -2), rows)}
        if self.bias:
            gradients["b"] = column_sums(rows)
        return gradients
