"""Weight initialisers. The scale is an argument, because the scale is the experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from bnexp.nn.layer import Array, Generator, Shape
from bnexp.nn.registry import Registry, knob


def _normal(std: float, generator: Generator, shape: Shape) -> Array:
    return cast(Array, std * generator.standard_normal(shape))


@dataclass(frozen=True)
class Normal:
    """w ~ N(0, std^2), whatever the fans: the weight scale of the book's section 6.3.2."""

    std: float = knob(doc="standard deviation of the weights", ge=0)

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return _normal(self.std, generator, shape)


@dataclass(frozen=True)
class Xavier:
    """w ~ N(0, 1 / fan_in): what the book calls Xavier (elsewhere LeCun normal)."""

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


INITIALISERS = Registry(
    "initialiser", {"normal": Normal, "xavier": Xavier, "glorot": Glorot, "he": He}
)
