"""Activations: elementwise layers without parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bnexp.nn.layer import Array, Generator, Parameters, Shape, State
from bnexp.nn.registry import Registry


@dataclass(frozen=True)
class Elementwise:
    """What every activation shares: it keeps the shape, trains nothing and remembers its output."""

    def init(self, generator: Generator, shape: Shape) -> tuple[Shape, Parameters, State]:
        return shape, {}, {}

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Array, State]:
        y = self.value(x)
        return y, y, state

    def backward(
        self, parameters: Parameters, cache: Array, dy: Array
    ) -> tuple[Array, dict[str, Array]]:
        return dy * self.slope(cache), {}

    def value(self, x: Array) -> Array:
        raise NotImplementedError

    def slope(self, y: Array) -> Array:
        """dy/dx, written in terms of the output y."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x))."""

    def value(self, x: Array) -> Array:
        with np.errstate(over="ignore"):  # exp(-x) = inf is right: y = 0
            return 1.0 / (1.0 + np.exp(-x))

    def slope(self, y: Array) -> Array:
        return y * (1.0 - y)


@dataclass(frozen=True)
class Tanh(Elementwise):
    """y = tanh(x)."""

    def value(self, x: Array) -> Array:
        return np.tanh(x)

    def slope(self, y: Array) -> Array:
        return 1.0 - y * y


@dataclass(frozen=True)
class Relu(Elementwise):
    """y = max(x, 0); the slope at 0 is 0."""

    def value(self, x: Array) -> Array:
        # A row of zeros, not the number: NumPy's maximum with a scalar takes 1.6 times as long.
        return np.maximum(x, np.zeros(x.shape[-1:], x.dtype))

    def slope(self, y: Array) -> Array:
        return y > 0  # type: ignore[return-value]  # as a number: 0 or 1


ACTIVATIONS = Registry("activation", {"sigmoid": Sigmoid, "tanh": Tanh, "relu": Relu})
