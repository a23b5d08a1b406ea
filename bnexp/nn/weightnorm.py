"""Norms of weights: weight normalization, weight standardization and spectral normalization.

Weight normalization writes each unit's weights as a length times a direction (Salimans & Kingma
2016):

w = g v / ||v||                 (equation 2), for each unit: a column of W
dL/dg = <dL/dw, v> / ||v||      (equation 3)
dL/dv = g / ||v|| dL/dw - g dL/dg / ||v||^2 v

Weight standardization computes with weights of mean 0 and one variance (Qiao et al. 2019), spectral
normalization with weights whose largest singular value is 1 (Miyato et al. 2018).

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
from bnexp.nn.batchvariants import Centre
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
    mean_only: bool = option(
        False,
        doc="subtract the outputs' means over the batch, at evaluation the running means, before "
        "the bias is added: mean-only batch norm (section 4)",
        added_later=True,
    )

    def around(self, layer: Dense | Conv) -> WeightNormed | MeanOnly:
        """The layer with its weights normalized."""
        if self.mean_only:
            return MeanOnly(WeightNormed(replace(layer, bias=False), self.start), layer.bias)
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

    @property
    def calibrates(self) -> bool:
        """Whether the layer's initializer looks at data."""
        return self.layer.calibrates

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """The parameters as the layer's initializer fits them to the data x, (K, N, ...)."""
        return self.layer.calibrated(parameters, x)

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


@dataclass(frozen=True)
class MeanOnly:
    """Mean-only batch norm of a layer without a bias: y = x W - mean(x W) + b.

    Parameters are the layer's, and b (K, 1, H) if `bias` is true; the state is that of `Centre`.
    """

    layer: WeightNormed
    bias: bool

    @property
    def features(self) -> int:
        """The number of outputs, or channels."""
        return self.layer.features

    @property
    def calibrates(self) -> bool:
        """Whether the layer looks at data before training."""
        return self.layer.calibrates

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """The layer's parameters and b = 0; the running means start at 0."""
        shape, parameters, _ = self.layer.init(generator, shape)
        _, _, state = CENTRE.init(generator, shape)
        b = {"b": np.zeros((1, self.features))} if self.bias else {}
        return shape, {**parameters, **b}, state

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y in the shape of the layer's; the cache is the layer's, and that of `Centre`."""
        y, inner, _ = self.layer.forward(parameters, {}, x, train)
        y, cache, state = CENTRE.forward({}, state, y, train)
        if self.bias:
            y += parameters["b"].reshape(-1, *[1] * (y.ndim - 2), self.features)
        return y, (inner, cache), state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """The layer's dx and gradients for dy - mean(dy); db = sum(dy)."""
        inner, centre = cache
        dx, gradients = self.layer.backward(parameters, inner, CENTRE.backward({}, centre, dy)[0])
        return dx, {**gradients, **self._bias_gradient(dy)}

    def gradients(self, parameters: Parameters, cache: Any, dy: Array) -> Gradients:
        """The parameters' gradients alone: a network's first layer needs no dx."""
        inner, centre = cache
        gradients = self.layer.gradients(parameters, inner, CENTRE.backward({}, centre, dy)[0])
        return {**gradients, **self._bias_gradient(dy)}

    def _bias_gradient(self, dy: Array) -> Gradients:
        return {"b": column_sums(dy.reshape(len(dy), -1, self.features))} if self.bias else {}

    def overflowed(self, cache: Any) -> Any:
        """The networks in which the length of a direction is infinite, (K,)."""
        return self.layer.overflowed(cache[0])

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """The layer's parameters fitted to the data x, (K, N, ...); means need no fitted bias."""
        others = {name: array for name, array in parameters.items() if name != "b"}
        return {**parameters, **self.layer.calibrated(others, x)}


CENTRE = Centre()


def _lengths(w: Array) -> Array:
    """||w|| of each unit, w (..., fan_in, units) -> (..., 1, units)."""
    lengths: Array = np.sqrt(np.square(w).sum(axis=-2, keepdims=True))
    return lengths


@dataclass(frozen=True)
class WeightStandardization:
    """Each unit's weights with mean 0 and the same variance. Qiao et al. 2019.

        w hat = gain * (w - mean(w)) / sqrt(D * (var(w) + eps))

    The mean and the variance are those over the D inputs of a unit.
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

    def _chained(self, parameters: Parameters, cache: Any, gradients: Gradients) -> Gradients:
        """dw = factor * (g - mean(g) - s * mean(g * s)), g = dL/dw hat, s the standard weights."""
        g, inputs = gradients["W"], cache.standard.shape[-2]
        along = column_sums(g * cache.standard, inputs)
        dw = cache.factor * (g - column_sums(g, inputs) - cache.standard * along)
        return {**gradients, "W": dw}


@dataclass(frozen=True)
class SpectralNorm:
    """Weights divided by their largest singular value. Miyato et al. 2018.

        w hat = W / (v^T W u)
        v = W u / |W u|    in each training step, and then
        u = W^T v / |W^T v|

    Not a layer of its own: it is put `around` the dense layer or the convolution, whose weights
    stay what is trained.
    """

    iterations: int = option(1, doc="power iterations in each training step", ge=1)

    def around(self, layer: Dense | Conv) -> SpectralNormed:
        """The layer with its weights divided."""
        return SpectralNormed(layer, self.iterations)


class SpectralCache(NamedTuple):
    """What backward needs: the layer's own cache, its parameters with the effective W, sigma
    (K, 1, 1), and the gradient of sigma with respect to W, (K, D, H)."""

    inner: Any
    effective: Parameters
    sigma: Array
    slope: Array


FIRST_ITERATIONS = 15  # before training, as in PyTorch


@dataclass(frozen=True)
class SpectralNormed(WithOtherWeights):
    """`layer`, computed with W / sigma; parameters are the layer's own, W and b.

    The state has the singular vectors as far as they are known: `left` (K, 1, D) and `right`
    (K, 1, H). They are constants of the backward pass.
    """

    layer: Dense | Conv
    iterations: int = 1

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """The layer's own parameters; singular vectors after some iterations from equal numbers."""
        shape, parameters, _ = self.layer.init(generator, shape)
        w = parameters["W"][None]
        start = {
            "left": np.full((1, 1, w.shape[1]), w.shape[1] ** -0.5),
            "right": np.full((1, 1, w.shape[2]), w.shape[2] ** -0.5),
        }
        vectors = _iterated(w, start, FIRST_ITERATIONS)
        return shape, parameters, {name: vector[0] for name, vector in vectors.items()}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The layer's y for the effective weights."""
        w = parameters["W"]
        vectors = _iterated(w, state, self.iterations) if train else state
        left, right = vectors["left"], vectors["right"]
        sigma = np.matmul(np.matmul(left, w), right.swapaxes(-1, -2))
        sigma = np.where(sigma == 0, 1, sigma)  # of weights that are all 0
        effective = {**parameters, "W": w / sigma}
        y, inner, _ = self.layer.forward(effective, {}, x, train)
        slope = left.swapaxes(-1, -2) * right
        return y, SpectralCache(inner, effective, sigma, slope), vectors

    def _chained(self, parameters: Parameters, cache: Any, gradients: Gradients) -> Gradients:
        """dW = (g - sum(g * w hat) * slope) / sigma, g = dL/dw hat."""
        g, networks = gradients["W"], len(gradients["W"])
        rows, columns = g.reshape(networks, 1, -1), cache.effective["W"].reshape(networks, -1, 1)
        dw = (g - np.matmul(rows, columns) * cache.slope) / cache.sigma
        return {**gradients, "W": dw}


def _iterated(w: Array, vectors: State, iterations: int) -> dict[str, Array]:
    """Singular vectors of w (K, D, H) after so many power iterations from these."""
    left, right = vectors["left"], vectors["right"]
    for _ in range(iterations):
        left = _unit(np.matmul(right, w.swapaxes(-1, -2)), left)
        right = _unit(np.matmul(left, w), right)
    return {"left": left, "right": right}


def _unit(rows: Array, otherwise: Array) -> Array:
    """rows (K, 1, n) divided by their lengths; `otherwise` where a length is 0."""
    length = np.sqrt(np.matmul(rows, rows.swapaxes(-1, -2)))
    unit: Array = np.where(length == 0, otherwise, rows / np.where(length == 0, 1, length))
    return unit
