"""Weight initialisers. The scale is an argument, because the scale is the experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from bnexp.nn.layer import Array, Generator, Shape
from bnexp.nn.registry import Registry, knob


def _normal(std: float, generator: Generator, shape: Shape) -> Array:
    return cast(Array, std * generator.standard_normal(shape))


def _uniform(limit: float, generator: Generator, shape: Shape) -> Array:
    return cast(Array, generator.uniform(-limit, limit, shape))


@dataclass(frozen=True)
class Normal:
    """w ~ N(0, std^2), whatever the fans: the weight scale of the book's section 6.3.2."""

    std: float = knob(doc="standard deviation of the weights", ge=0)

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return _normal(self.std, generator, shape)


@dataclass(frozen=True)
class Xavier:
    """w ~ N(0, 1 / fan_in): the book's Xavier; elsewhere LeCun normal (LeCun et al. 1998)."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return _normal(np.sqrt(1.0 / fan_in), generator, shape)


@dataclass(frozen=True)
class Glorot:
    """w ~ N(0, 2 / (fan_in + fan_out)). Glorot & Bengio 2010, equation 12."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return _normal(np.sqrt(2.0 / (fan_in + fan_out)), generator, shape)


@dataclass(frozen=True)
class He:
    """w ~ N(0, 2 / fan_in). He et al. 2015, equation 10."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return _normal(np.sqrt(2.0 / fan_in), generator, shape)


@dataclass(frozen=True)
class GlorotUniform:
    """w ~ U(-a, a), a = sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010, equation 16."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return _uniform(np.sqrt(6.0 / (fan_in + fan_out)), generator, shape)


@dataclass(frozen=True)
class HeUniform:
    """w ~ U(-a, a), a = sqrt(6 / fan_in): He et al.'s variance."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return _uniform(np.sqrt(6.0 / fan_in), generator, shape)


@dataclass(frozen=True)
class Uniform:
    """w ~ U(-limit, limit)."""

    limit: float = knob(doc="the largest weight", ge=0)

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return _uniform(self.limit, generator, shape)


@dataclass(frozen=True)
class Truncated:
    """w ~ N(0, s^2) without what lies beyond 2 s; s is such that the standard deviation is std."""

    std: float = knob(doc="standard deviation of the weights", ge=0)

    # The standard deviation of a standard normal that is cut at -2 and 2.
    CUT_STD: ClassVar[float] = 0.8796256610342398

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        w = generator.standard_normal(shape)
        while np.any(beyond := np.abs(w) > 2):
            w[beyond] = generator.standard_normal(np.count_nonzero(beyond))
        return cast(Array, self.std / self.CUT_STD * w)


@dataclass(frozen=True)
class Orthogonal:
    """A random (semi-)orthogonal matrix times `gain`. Saxe et al. 2014.

    From the QR decomposition of a normal matrix, with the signs that make it uniformly distributed.
    """

    gain: float = knob(1.0, doc="factor; sqrt(2) suits relu, 5/3 tanh", gt=0)

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        rows, columns = shape
        tall = generator.standard_normal((max(shape), min(shape)))
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diag(r))
        return cast(Array, self.gain * (q if rows >= columns else q.T))


@dataclass(frozen=True)
class Constant:
    """All weights equal: nothing tells the units of a layer apart."""

    value: float = knob(doc="the value of every weight")

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return np.full(shape, float(self.value))


@dataclass(frozen=True)
class Zeros:
    """All weights 0: with relu nothing but the output layer's bias ever moves."""

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return np.zeros(shape)


INITIALISERS = Registry(
    "initialiser",
    {
        "normal": Normal,
        "xavier": Xavier,
        "glorot": Glorot,
        "he": He,
        "lecun": Xavier,
        "glorot_uniform": GlorotUniform,
        "he_uniform": HeUniform,
        "uniform": Uniform,
        "truncated": Truncated,
        "orthogonal": Orthogonal,
        "constant": Constant,
        "zeros": Zeros,
    },
)
