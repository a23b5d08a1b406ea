"""Activations: elementwise layers without parameters.

An activation is its equation and its slope, one method each. The slope dy/dx is written in terms of
what the forward pass remembers, which is the output y (the input x for `Gelu`):

    forward:   y = value(x)
    backward:  dx = dy * slope(y)

Choices by sign are written as arithmetic. `np.where` branches at each number, and as a processor
cannot predict the signs of activations, it takes 4 ns a number, an arithmetic operation 0.2 ns.

An activation of one's own subclasses `Elementwise`, or is any other layer. Registered in
ACTIVATIONS, it can be named in YAML.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bnexp.nn.protocols import (
    Array,
    Backward,
    Forward,
    Generator,
    Initial,
    Parameters,
    Shape,
    State,
)
from bnexp.registry import Registry, option


@dataclass(frozen=True)
class Elementwise:
    """What every activation shares: it keeps the shape, trains nothing and remembers its output.

    x, y and dy are (K, N, H) or (K, N, H, W, C). A subclass has `value(x)` and `slope(y)`, both
    elementwise and in the precision of their argument.

    >>> Relu().forward({}, {}, np.array([[[-1.0, 0.0, 2.0]]]), train=True)[0].tolist()
    [[[0.0, 0.0, 2.0]]]
    """

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """The same shape, no parameters, no state."""
        return shape, {}, {}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y = value(x); the cache is y."""
        y = self.value(x)
        return y, y, state

    def backward(self, parameters: Parameters, cache: Array, dy: Array) -> Backward:
        """dx = dy * slope(y)."""
        return dy * self.slope(cache), {}

    def value(self, x: Array) -> Array:
        """y, for x of any shape."""
        raise NotImplementedError

    def slope(self, y: Array) -> Array:
        """dy/dx, in terms of what `forward` remembers: the output y."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x))."""

    def value(self, x: Array) -> Array:
        """1 / (1 + exp(-x)); 0 where exp(-x) overflows, which is right."""
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-x))

    def slope(self, y: Array) -> Array:
        """y (1 - y)."""
        return y * (1.0 - y)


@dataclass(frozen=True)
class Tanh(Elementwise):
    """y = tanh(x)."""

    def value(self, x: Array) -> Array:
        """tanh(x)."""
        return np.tanh(x)

    def slope(self, y: Array) -> Array:
        """1 - y^2."""
        return 1.0 - y * y


@dataclass(frozen=True)
class Softsign(Elementwise):
    """y = x / (1 + |x|). Glorot & Bengio 2010, section 2."""

    def value(self, x: Array) -> Array:
        """x / (1 + |x|)."""
        y: Array = x / (1.0 + np.abs(x))
        return y

    def slope(self, y: Array) -> Array:
        """(1 - |y|)^2, which is 1 / (1 + |x|)^2."""
        slope: Array = np.square(1.0 - np.abs(y))
        return slope


@dataclass(frozen=True)
class Relu(Elementwise):
    """y = max(x, 0); the slope at 0 is 0."""

    def value(self, x: Array) -> Array:
        """max(x, 0)."""
        # A row of zeros, not the number: NumPy's maximum with a scalar takes 1.6 times as long.
        rows = x.reshape(len(x), len(x[0]), -1)
        return np.maximum(rows, np.zeros(rows.shape[-1], x.dtype, like=x)).reshape(x.shape)

    def backward(self, parameters: Parameters, cache: Array, dy: Array) -> Backward:
        """dx = dy where y > 0, 0 where y <= 0: an infinite or undefined dy leaves no NaN there."""
        # The bits of dy times 0 or 1: 0 * inf would be NaN, and np.where takes 10 times as long.
        bits = np.dtype(f"i{dy.itemsize}")
        return (~(cache <= 0) * dy.view(bits)).view(dy.dtype), {}

    def slope(self, y: Array) -> Array:
        """1 where y > 0, 0 elsewhere."""
        return (y > 0).astype(y.dtype)


@dataclass(frozen=True)
class LeakyRelu(Elementwise):
    """y = x where x > 0, negative_slope * x elsewhere."""

    negative_slope: float = option(0.01, doc="the slope for x <= 0", ge=0, lt=1)

    def value(self, x: Array) -> Array:
        """max(x, negative_slope * x)."""
        y: Array = np.maximum(x, self.negative_slope * x)
        return y

    def slope(self, y: Array) -> Array:
        """1 where y > 0, `negative_slope` elsewhere."""
        slope: Array = np.maximum((y > 0).astype(y.dtype), self.negative_slope)
        return slope


@dataclass(frozen=True)
class Elu(Elementwise):
    """y = x where x > 0, alpha * (exp(x) - 1) elsewhere. Clevert et al. 2016."""

    alpha: float = option(1.0, doc="the limit for x -> -inf is -alpha", gt=0)

    def value(self, x: Array) -> Array:
        """max(x, 0) + alpha * (exp(min(x, 0)) - 1), of which one is 0."""
        y: Array = np.maximum(x, 0) + self.alpha * np.expm1(np.minimum(x, 0))
        return y

    def slope(self, y: Array) -> Array:
        """1 where y > 0; elsewhere alpha * exp(x) = y + alpha."""
        slope: Array = (y > 0) + (y <= 0) * (np.minimum(y, 0) + self.alpha)
        return slope


@dataclass(frozen=True)
class Gelu(Elementwise):
    """y = x * P(Z < x), Z ~ N(0, 1), by the tanh form of Hendrycks & Gimpel 2016, section 2:

    y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
    """

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y = value(x); the cache is x, because y does not tell which x it came from."""
        return self.value(x), x, state

    def value(self, x: Array) -> Array:
        """x / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (x + 0.044715 x^3)."""
        return 0.5 * x * (1.0 + np.tanh(self._inner(x)))

    def slope(self, y: Array) -> Array:
        """(1 + tanh(u)) / 2 + x / 2 * (1 - tanh(u)^2) du/dx, with x for `y`."""
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
        """x."""
        return x

    def slope(self, y: Array) -> Array:
        """1."""
        return np.ones_like(y)


ACTIVATIONS: Registry[type] = Registry(
    "activation",
    {
        "sigmoid": Sigmoid,
        "tanh": Tanh,
        "softsign": Softsign,
        "relu": Relu,
        "leaky_relu": LeakyRelu,
        "elu": Elu,
        "gelu": Gelu,
        "identity": Identity,
    },
    methods=("init", "forward", "backward"),
)
