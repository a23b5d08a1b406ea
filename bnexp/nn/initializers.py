"""Weight initializers. The scale is an argument, because the scale is the experiment.

An initializer is a frozen dataclass with one method, `draw(generator, shape, fan_in, fan_out)`. A
weight array's columns are a layer's units: its shape is (fan_in, units), where fan_in counts the
numbers that each unit sees, size * size * channels of a convolution; fan_out is units of a dense
layer, size * size * units of a convolution. A docstring's `std = ` is what a test finds to be the
standard deviation of the drawn weights.

Most initializers draw independent weights from one of two distributions, `NormalWeights` or
`UniformWeights`, and say only how wide it is. The generator's calls, their order and the order of
operations are fixed: they decide the bits of every network.

>>> w = He().draw(np.random.default_rng(0), (784, 100), fan_in=784, fan_out=100)
>>> w.shape, f"{w.std():.4f}", f"{(2 / 784) ** 0.5:.4f}"
((784, 100), '0.0505', '0.0505')
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import numpy as np

from bnexp.nn.protocols import Array, Generator, Initializer, Shape
from bnexp.registry import Registry, option


def rounding(values: Array) -> float:
    """A spread that rounding alone can make of equal values of this size."""
    return float(64 * np.finfo(values.dtype).eps * np.abs(values).max())


class NormalWeights:
    """Independent weights w ~ N(0, scale^2)."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Weights of this shape, (fan_in, units), in float64."""
        return cast(Array, self.scale(fan_in, fan_out) * generator.standard_normal(shape))

    def scale(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation."""
        raise NotImplementedError


class UniformWeights:
    """Independent weights w ~ U(-scale, scale), whose standard deviation is scale / sqrt(3)."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Weights of this shape, (fan_in, units), in float64."""
        scale = self.scale(fan_in, fan_out)
        return cast(Array, generator.uniform(-scale, scale, shape))

    def scale(self, fan_in: int, fan_out: int) -> float:
        """The largest weight."""
        raise NotImplementedError


@dataclass(frozen=True)
class Normal(NormalWeights):
    """w ~ N(0, std^2), whatever the fan-in and the fan-out.

    The weight scale of the book's section 6.3.2.
    """

    std: float = option(doc="the standard deviation of the weights", ge=0)

    def scale(self, fan_in: int, fan_out: int) -> float:
        """std."""
        return self.std


@dataclass(frozen=True)
class Scaled:
    """The weights of another initializer, times a factor."""

    initializer: Initializer
    factor: float

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Weights of this shape, (fan_in, units), in float64."""
        return self.factor * self.initializer.draw(generator, shape, fan_in, fan_out)


@dataclass(frozen=True)
class Gained:
    """A standard deviation that the fans give, times `gain`."""

    gain: float = option(
        1.0, doc="a factor on the weights: 1 for sigmoid, sqrt(2) for relu, 5/3 for tanh", gt=0
    )


@dataclass(frozen=True)
class Xavier(Gained, NormalWeights):
    """w ~ N(0, std^2), std = gain / sqrt(fan_in).

    The book's Xavier; elsewhere LeCun normal (LeCun et al. 1998).
    """

    def scale(self, fan_in: int, fan_out: int) -> float:
        """gain / sqrt(fan_in)."""
        return self.gain * math.sqrt(1.0 / fan_in)


@dataclass(frozen=True)
class Glorot(Gained, NormalWeights):
    """w ~ N(0, std^2), std = gain * sqrt(2 / (fan_in + fan_out)).

    Glorot & Bengio 2010, equation 12.
    """

    def scale(self, fan_in: int, fan_out: int) -> float:
        """gain * sqrt(2 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(2.0 / (fan_in + fan_out))


@dataclass(frozen=True)
class LecunUniform(Gained, UniformWeights):
    """w ~ U(-a, a), a = sqrt(3) * std, std = gain / sqrt(fan_in).

    The variance of LeCun et al. 1998.
    """

    def scale(self, fan_in: int, fan_out: int) -> float:
        """gain * sqrt(3 / fan_in)."""
        return self.gain * math.sqrt(3.0 / fan_in)


@dataclass(frozen=True)
class GlorotUniform(Gained, UniformWeights):
    """w ~ U(-a, a), a = sqrt(3) * std, std = gain * sqrt(2 / (fan_in + fan_out)).

    Glorot & Bengio 2010, equation 16.
    """

    def scale(self, fan_in: int, fan_out: int) -> float:
        """gain * sqrt(6 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(6.0 / (fan_in + fan_out))


@dataclass(frozen=True)
class Rectified:
    """He et al.'s variance, 2 / ((1 + slope^2) fan), for a relu with a slope below 0."""

    slope: float = option(
        0.0,
        doc="the slope of a leaky relu below 0; sqrt(5) makes he_uniform U(+-1/sqrt(fan_in))",
        ge=0,
    )
    fan: Literal["in", "out"] = option(
        "in", doc="in: keep the variance of activations from layer to layer; out: that of gradients"
    )

    def variance(self, fan_in: int, fan_out: int) -> float:
        """2 / ((1 + slope^2) fan)."""
        return 2.0 / ((1 + self.slope**2) * (fan_in if self.fan == "in" else fan_out))


@dataclass(frozen=True)
class He(Rectified, NormalWeights):
    """w ~ N(0, std^2), std = sqrt(2 / ((1 + slope^2) * fan)).

    He et al. 2015, equations 10, 14 and 15; fan is fan_in or fan_out.
    """

    def scale(self, fan_in: int, fan_out: int) -> float:
        """sqrt(2 / ((1 + slope^2) fan))."""
        return math.sqrt(self.variance(fan_in, fan_out))


@dataclass(frozen=True)
class HeUniform(Rectified, UniformWeights):
    """w ~ U(-a, a), a = sqrt(3) * std, std = sqrt(2 / ((1 + slope^2) * fan)).

    The variance of He et al. 2015; fan is fan_in or fan_out.
    """

    def scale(self, fan_in: int, fan_out: int) -> float:
        """sqrt(6 / ((1 + slope^2) fan))."""
        return math.sqrt(3.0 * self.variance(fan_in, fan_out))


@dataclass(frozen=True)
class Uniform(UniformWeights):
    """w ~ U(-limit, limit), std = limit / sqrt(3)."""

    limit: float = option(doc="the largest weight", ge=0)

    def scale(self, fan_in: int, fan_out: int) -> float:
        """limit."""
        return self.limit


@dataclass(frozen=True)
class Truncated:
    """w ~ N(0, s^2), redrawn beyond 2 s; s = std / 0.8796, so that the deviation is std.

    The deviation after the cut, as Keras's variance scaling counts it.
    """

    std: float = option(doc="the standard deviation of the weights", ge=0)

    # The standard deviation of a standard normal that is cut at -2 and 2.
    CUT_STD: ClassVar[float] = 0.8796256610342398

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Weights of this shape, (fan_in, units), in float64."""
        w = generator.standard_normal(shape)
        while np.any(beyond := np.abs(w) > 2):
            w[beyond] = generator.standard_normal(np.count_nonzero(beyond))
        return cast(Array, self.std / self.CUT_STD * w)


@dataclass(frozen=True)
class Orthogonal:
    """A random (semi-)orthogonal matrix times `gain`, std = gain / sqrt(max(fan_in, units)).

    Saxe et al. 2014. From the QR decomposition of a normal matrix, with the signs that make it
    uniformly distributed.
    """

    gain: float = option(1.0, doc="a factor on the weights: sqrt(2) for relu, 5/3 for tanh", gt=0)

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """gain * Q of this shape, (fan_in, units): orthonormal columns, or rows if fewer."""
        rows, columns = shape
        tall = generator.standard_normal((max(shape), min(shape)))
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diag(r))
        return cast(Array, self.gain * (q if rows >= columns else q.T))


@dataclass(frozen=True)
class Lsuv:
    """Orthogonal, then divided by the outputs' standard deviation.

    Mishkin & Matas 2016. Layer by layer on the first training images, until the variance of the
    layer's outputs is within `tolerance` of 1, or 10 times (layer-sequential unit variance).
    """

    tolerance: float = option(0.1, doc="how far the variance of the outputs may be from 1", gt=0)

    MOST: ClassVar[int] = 10

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Orthogonal weights of this shape, (fan_in, units)."""
        return Orthogonal().draw(generator, shape, fan_in, fan_out)

    def fitted(self, weights: Array, outputs: Callable[[Array], Array]) -> Array:
        """The weights, scaled until outputs(weights) have variance 1, or as they are if these do
        not vary.

        weights: (1, fan_in, units); outputs: from weights to the layer's outputs, (1, N, ...).
        """
        for _ in range(self.MOST):
            y = outputs(weights)
            variance = float(y.var())
            if abs(variance - 1) < self.tolerance or not rounding(y) ** 2 < variance < np.inf:
                break
            weights = weights / np.sqrt(variance)
        return weights


@dataclass(frozen=True)
class Constant:
    """All weights equal, std = 0: all units of a layer stay the same."""

    value: float = option(doc="the value of every weight")

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Weights of this shape, (fan_in, units), in float64."""
        return np.full(shape, float(self.value))


@dataclass(frozen=True)
class Zeros:
    """All weights 0, std = 0: with relu only the output layer's bias is ever trained."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Weights of this shape, (fan_in, units), in float64."""
        return np.zeros(shape)


INITIALIZERS: Registry[type] = Registry(
    "initializer",
    {
        "normal": Normal,
        "xavier": Xavier,
        "glorot": Glorot,
        "he": He,
        "lecun": Xavier,
        "lecun_uniform": LecunUniform,
        "glorot_uniform": GlorotUniform,
        "he_uniform": HeUniform,
        "uniform": Uniform,
        "truncated": Truncated,
        "orthogonal": Orthogonal,
        "lsuv": Lsuv,
        "constant": Constant,
        "zeros": Zeros,
    },
    methods=("draw",),
)
