"""Activations: elementwise layers without parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bnexp.nn.protocols import Array, Generator, Parameters, Shape, State
from bnexp.registry import Registry, option


@dataclass(frozen=True)
class Elementwise:
    """What every activation shares: it keeps the shape, trains nothing and remembers its output.

    x, y and dy are (K, N, H) or (K, N, H, W, C).

    >>> Relu().forward({}, {}, np.array([[[-1.0, 0.0, 2.0]]]), train=True)[0].tolist()
    [[[0.0, 0.0, 2.0]]]
    """

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
        """dy/dx, in terms of what `forward` remembers: the output y."""
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
        rows = x.reshape(len(x), len(x[0]), -1)
        return np.maximum(rows, np.zeros(rows.shape[-1], x.dtype)).reshape(x.shape)

    def slope(self, y: Array) -> Array:
        return y > 0  # type: ignore[return-value]  # as a number: 0 or 1


@dataclass(frozen=True)
class LeakyRelu(Elementwise):
    """y = x where x > 0, negative_slope * x elsewhere."""

    negative_slope: float = option(0.01, doc="the slope for x <= 0", ge=0, lt=1)

    def value(self, x: Array) -> Array:
        y: Array = np.maximum(x, self.negative_slope * x)
        return y

    def slope(self, y: Array) -> Array:
        return np.where(y > 0, 1.0, self.negative_slope).astype(y.dtype, copy=False)


@dataclass(frozen=True)
class Elu(Elementwise):
    """y = x where x > 0, alpha * (exp(x) - 1) elsewhere. Clevert et al. 2016."""

    alpha: float = option(1.0, doc="the limit for x -> -inf is -alpha", gt=0)

    def value(self, x: Array) -> Array:
        y: Array = np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))
        return y

    def slope(self, y: Array) -> Array:
        return np.where(y > 0, 1, y + self.alpha).astype(y.dtype, copy=False)


@dataclass(frozen=True)
class Gelu(Elementwise):
    """y = x * P(Z < x), Z ~ N(0, 1), by the tanh form of Hendrycks & Gimpel 2016, section 2:

    y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
    """

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Array, State]:
        return self.value(x), x, state  # y does not tell which x it came from

    def value(self, x: Array) -> Array:
        return 0.5 * x * (1.0 + np.tanh(self._inner(x)))

    def slope(self, y: Array) -> Array:
        x, tanh = y, np.tanh(self._inner(y))
        inner_slope = math.sqrt(2 / math.pi) * (1.0 + 3 * 0.044715 * x * x)
        return 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner_slope

    @staticmethod
    def _inner(x: Array) -> Array:
        return math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)


@dataclass(frozen=True)
class Identity(Elementwise):
    """y = x: a linear network."""

    def value(self, x: Array) -> Array:
        return x

    def slope(self, y: Array) -> Array:
        return np.ones_like(y)


ACTIVATIONS: Registry[type] = Registry(
    "activation",
    {
        "sigmoid": Sigmoid,
        "tanh": Tanh,
        "relu": Relu,
        "leaky_relu": LeakyRelu,
        "elu": Elu,
        "gelu": Gelu,
        "identity": Identity,
    },
    methods=("init", "forward", "backward"),
)
