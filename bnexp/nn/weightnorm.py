"""Norms of weights: weight normalization and weight standardization.

Weight normalization writes each unit's weights as a length times a direction (Salimans & Kingma
2016):

w = g v / ||v||                 (equation 2), for each unit: a column of W
dL/dg = <dL/dw, v> / ||v||      (equation 3)
dL/dv = g / ||v|| dL/dw - g dL/dg / ||v||^2 v

Weight standardization computes with weights of mean 0 and one variance (Qiao et al. 2019).

A normalizer usually stands between a layer and its activation. These change the layer: they
have a method `around(layer)` instead of the methods of a layer. Any class with this method can be
registered in NORMALIZERS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from bnexp.nn.batchnorm import inverse_root
from bnexp.nn.initializers import rounding
from bnexp.nn.linear import Conv, Dense, column_sums
from bnexp.nn.protocols import (
    Array,
    Backward,
    Forward,
    Generator,
    Gradients,
    Initial,
    Parameters,
    Shape,
    State,
)
from bnexp.registry import option


@dataclass(frozen=True)
class WeightNorm:
    """Each unit's weights as a length times a direction. Salimans & Kingma 2016.

    Not a layer of its own: it is put `around` the dense layer or the convolution.

    >>> from bnexp.nn import Dense, Normal
    >>> layer = WeightNorm().around(Dense(3, Normal(0.1)))
    >>> shape, parameters, _ = layer.init(np.random.default_rng(0), (5,))
    >>> {name: array.shape for name, array in parameters.items()}
    {'direction': (5, 3), 'length': (1, 3), 'b': (1, 3)}
    """

    start: Literal["weights", "data"] = option(
        "weights",
        doc="weights: start with the drawn weights; data: start with lengths and biases that give "
        "the outputs for the first images mean 0 and variance 1 (section 3)",
    )

    def around(self, layer: Dense | Conv) -> WeightNormed:
        """The layer with its weights normalized."""
        return WeightNormed(layer, self.start)


class WeightNormCache(NamedTuple):
    """What backward needs: the layer's own cache, its parameters with the effective W, the
    directions v (K, D, H), and 1 / ||v|| (K, 1, H)."""

    inner: Any
    effective: Parameters
    direction: Array
    inverse: Array


class WithOtherWeights:
    """What layers share that compute with weights made of their parameters.

    `layer` computes; a cache has the `effective` parameters it was given and its own `inner` cache.
    """

    layer: Dense | Conv

    @property
    def features(self) -> int:
        """The number of outputs, or channels."""
        return self.layer.features

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """The layer's dx, and the gradients of the parameters."""
        dx, gradients = self.layer.backward(cache.effective, cache.inner, dy)
        return dx, self._chained(parameters, cache, gradients)

    def gradients(self, parameters: Parameters, cache: Any, dy: Array) -> Gradients:
        """The parameters' gradients alone: a network's first layer needs no dx."""
        gradients = self.layer.gradients(cache.effective, cache.inner, dy)
        return self._chained(parameters, cache, gradients)

    def _chained(self, parameters: Parameters, cache: Any, gradients: Gradients) -> Gradients:
        """From the gradients of the effective parameters to those of the parameters."""
        raise NotImplementedError


@dataclass(frozen=True)
class WeightNormed(WithOtherWeights):
    """`layer` with W = length * direction / ||direction||: (K, D, H), lengths (K, 1, H).

    g of the module's equations is the parameter `length`, v is `direction`; a bias stays the
    layer's. A direction of length 0 has no unit vector: the outputs are NaN.
    """

    layer: Dense | Conv
    start: Literal["weights", "data"] = "weights"

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """The layer's parameters, W as `direction` with `length` = ||W||: W is as it was drawn."""
        shape, parameters, state = self.layer.init(generator, shape)
        others = {name: array for name, array in parameters.items() if name != "W"}
        w = parameters["W"]
        return shape, {"direction": w, "length": _lengths(w), **others}, state

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The layer's y for the effective weights."""
        direction = parameters["direction"]
        inverse = np.reciprocal(np.sqrt(column_sums(np.square(direction))))
        effective: dict[str, Array] = {"W": direction * (parameters["length"] * inverse)}
        if self.layer.bias:
            effective["b"] = parameters["b"]
        y, cache, state = self.layer.forward(effective, state, x, train)
        return y, WeightNormCache(cache, effective, direction, inverse), state

    def overflowed(self, cache: WeightNormCache) -> Any:
        """The networks in which the length of a direction is infinite, (K,): its unit is a bias."""
        return (cache.inverse == 0).any(axis=(1, 2))

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """Parameters that suit the data x (K, N, ...): what the initializer fits, and then, with
        `start` data, lengths and biases for which the outputs have mean 0 and variance 1."""
        inner = {**parameters, "W": parameters["direction"]}
        direction = self.layer.calibrated(inner, x)["W"]
        length = _lengths(direction)
        fitted = {**parameters, "direction": direction, "length": length}
        if self.start == "weights":
            return fitted
        y, _, _ = replace(self.layer, bias=False).forward({"W": direction}, {}, x, train=True)
        rows = y.reshape(len(y), -1, self.features)
        std = rows.std(axis=1, keepdims=True)
        std = np.where(std > rounding(rows), std, 1.0)  # a unit that is constant has no scale
        fitted["length"] = length / std
        return {**fitted, "b": -rows.mean(axis=1, keepdims=True) / std} if "b" in fitted else fitted

    @property
    def calibrates(self) -> bool:
        """Whether lengths, or the layer's initializer, look at data."""
        return self.start == "data" or self.layer.calibrates

    def _chained(self, parameters: Parameters, cache: Any, gradients: Gradients) -> Gradients:
        """Equation 3: from dL/dW to the gradients of length and direction."""
        dw = gradients.pop("W")
        unit = cache.direction * cache.inverse
        d_length = column_sums(dw * unit)
        d_direction = (dw - unit * d_length) * (parameters["length"] * cache.inverse)
        return {"direction": d_direction, "length": d_length, **gradients}


def _lengths(w: Array) -> Array:
    """||w|| of each unit, w (..., fan_in, units) -> (..., 1, units)."""
    lengths: Array = np.sqrt(np.square(w).sum(axis=-2, keepdims=True))
    return lengths


@dataclass(frozen=True)
class WeightStandardization:
    """Each unit's weights with mean 0 and the same variance. Qiao et al. 2019.

        w hat = gain * (w - mean(w)) / sqrt(D * (var(w) + eps))    means over the D inputs of a unit

    Not a layer of its own: it is put `around` the dense layer or the convolution, whose weights
    stay what is trained.

    Source:
        Brock et al. 2021, equation 1, which divides by sqrt(D); by `divide: false` Qiao et al.
    """

    gain: float = option(
        1.0, doc="a factor on the weights: sqrt(2 / (1 - 1 / pi)), about 1.71, for relu", gt=0
    )
    divide: bool = option(True, doc="divide by the square root of the number of inputs, too")
    eps: float = option(1e-10, doc="added to keep the division finite", ge=0)

    def around(self, layer: Dense | Conv) -> WeightStandardized:
        """The layer with its weights standardized."""
        return WeightStandardized(layer, self)


class WeightStandardCache(NamedTuple):
    """What backward needs: the layer's own cache, its parameters with the effective W, the weights
    with mean 0 and variance 1 (K, D, H), and the factor on the slope (K, 1, H)."""

    inner: Any
    effective: Parameters
    standard: Array
    factor: Array


@dataclass(frozen=True)
class WeightStandardized(WithOtherWeights):
    """`layer`, computed with the weights of `norm`; parameters are the layer's own, W and b."""

    layer: Dense | Conv
    norm: WeightStandardization

    @property
    def calibrates(self) -> bool:
        """Whether the layer's initializer looks at data."""
        return self.layer.calibrates

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """The layer's own parameters."""
        return self.layer.init(generator, shape)

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The layer's y for the effective weights."""
        w = parameters["W"]
        inputs = w.shape[-2]
        centered = w - column_sums(w, inputs)
        var = column_sums(centered * centered, inputs)
        inverse = inverse_root(np.sqrt(var + self.norm.eps), self.norm.eps)
        standard = centered * inverse
        gain = w.dtype.type(self.norm.gain / (math.sqrt(inputs) if self.norm.divide else 1))
        effective = {**parameters, "W": gain * standard}
        y, cache, state = self.layer.forward(effective, state, x, train)
        return y, WeightStandardCache(cache, effective, standard, gain * inverse), state

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """The parameters as the layer's initializer fits them to the data x, (K, N, ...)."""
        return self.layer.calibrated(parameters, x)

    def _chained(self, parameters: Parameters, cache: Any, gradients: Gradients) -> Gradients:
        """dw = factor * (g - mean(g) - s * mean(g * s)), g = dL/dw hat, s the standard weights."""
        g, inputs = gradients["W"], cache.standard.shape[-2]
        along = column_sums(g * cache.standard, inputs)
        dw = cache.factor * (g - column_sums(g, inputs) - cache.standard * along)
        return {**gradients, "W": dw}
