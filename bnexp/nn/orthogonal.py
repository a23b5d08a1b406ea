"""Orthogonal initial weights, and those that are fitted to data from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from bnexp.nn.layer import Array, Generator, Shape
from bnexp.nn.registry import knob


def rounding(values: Array) -> float:
    """A spread that rounding alone can make of equal values of this size."""
    return float(64 * np.finfo(values.dtype).eps * np.abs(values).max())


@dataclass(frozen=True)
class Orthogonal:
    """A random (semi-)orthogonal matrix times `gain`, std = gain / sqrt(max(fan_in, units)).

    Saxe et al. 2014. From the QR decomposition of a normal matrix, with the signs that make it
    uniformly distributed.
    """

    gain: float = knob(1.0, doc="a factor on the weights: sqrt(2) for relu, 5/3 for tanh", gt=0)

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
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

    tolerance: float = knob(0.1, doc="how far the variance of the outputs may be from 1", gt=0)

    MOST: ClassVar[int] = 10

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return Orthogonal().draw(generator, shape, fan_in, fan_out)

    def fitted(self, weights: Array, outputs: Callable[[Array], Array]) -> Array:
        """The weights scaled; outputs that do not vary leave them as they are."""
        for _ in range(self.MOST):
            y = outputs(weights)
            variance = float(y.var())
            if abs(variance - 1) < self.tolerance or not rounding(y) ** 2 < variance < np.inf:
                break
            weights = weights / np.sqrt(variance)
        return weights
