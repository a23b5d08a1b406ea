"""Pooling: the largest or the mean of each window; and images as rows.

These layers have no parameters and no state. `MaxPool` and `AveragePool` reduce each window of a
channel to one number, `GlobalAveragePool` a whole channel; `Flatten` reduces nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnexp.nn.linear import Window
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
class Pool:
    """What poolings share: a window, and no parameters; (K, N, H, W, C) -> (K, N, OH, OW, C).

    `init` takes (H, W, C), ValueError where the window does not fit or lies in the padding alone.
    dy is (K, N, OH, OW, C), dx (K, N, H, W, C); a pixel in several windows gets the sum of their
    shares.
    """

    size: int = option(2, doc="the side of the window", ge=1)
    stride: int = option(2, doc="how far the window moves", ge=1)
    padding: int = option(
        0, doc="the width of the frame around the image, which counts as no pixel", ge=0
    )

    @property
    def window(self) -> Window:
        """The window that slides over the image."""
        return Window(self.size, self.stride, self.padding)

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """Output shape (OH, OW, C), no parameters, no state."""
        if self.padding >= self.size:
            raise ValueError(
                f"a pooling window of {self.size} with a padding of {self.padding} would lie in "
                "the frame alone: the padding must be smaller"
            )
        return (*self.window.places(shape), shape[2]), {}, {}


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest of each window. Of equal ones the first, row by row, gets the gradient.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4, 1)
    >>> MaxPool(2).forward({}, {}, x, train=True)[0][0, 0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The maximum over the window's positions; a frame of -inf is never the largest.

        The cache has the shape of the framed images and the position of each maximum, the place of
        the largest pixel in its window, counted row by row.
        """
        framed = self.window.framed(x, -np.inf)
        first, *others = self.window.slices(framed)
        y = first.copy()
        integer = np.min_scalar_type(self.size**2)
        positions = np.zeros(y.shape, integer, like=y)
        for i, view in enumerate(others, 1):
            view = np.ascontiguousarray(view, like=view)  # short rows are slow to read twice
            larger = view > y
            np.maximum(positions, larger.astype(integer) * i, out=positions)
            np.maximum(y, view, out=y)
        return y, (framed.shape, positions), state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """dy goes to the first pixel of each window that is its largest."""
        shape, positions = cache
        disjoint = self.stride >= self.size  # no pixel is in two windows: nothing to add up
        everywhere = self.stride == self.size and not any(s % self.size for s in shape[2:4])
        create = np.empty if everywhere else np.zeros
        dx = create((len(dy), *shape[1:]), dy.dtype, like=dy)
        for i, view in enumerate(self.window.slices(dx)):
            if disjoint:
                np.multiply(dy, positions == i, out=view)
            else:
                view += dy * (positions == i)
        return self.window.unframed(dx), {}


@dataclass(frozen=True)
class AveragePool(Pool):
    """The mean of each window, the frame's zeros included.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4, 1)
    >>> AveragePool(2).forward({}, {}, x, train=True)[0][0, 0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The sum over the window's positions, divided by their number."""
        first, *others = self.window.slices(self.window.framed(x))
        y = first.copy()
        for view in others:
            y += view
        y /= self.size**2
        return y, x.shape, state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """dy / size^2 for every pixel of a window, summed over the windows that contain it."""
        _, n, height, width, channels = cache
        p = 2 * self.padding
        dx = np.zeros((len(dy), n, height + p, width + p, channels), dy.dtype, like=dy)
        share = dy / self.size**2
        for out in self.window.slices(dx):
            out += share
        return self.window.unframed(dx), {}


@dataclass(frozen=True)
class GlobalAveragePool:
    """The mean of each channel, (K, N, H, W, C) -> (K, N, C)."""

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """Output shape (C,), no parameters, no state; ValueError if `shape` is not an image's."""
        if len(shape) != 3:
            raise ValueError("a mean of pixels needs images, a dense layer's output has none")
        return shape[2:], {}, {}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The mean over H and W."""
        y: Array = x.mean(axis=(2, 3))
        return y, x.shape, state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """dy / (H W) for every pixel, (K, N, H, W, C)."""
        share = dy[:, :, None, None, :] / (cache[2] * cache[3])
        return np.broadcast_to(share, (len(dy), *cache[1:])), {}


@dataclass(frozen=True)
class Flatten:
    """Images as rows, (K, N, H, W, C) -> (K, N, H * W * C)."""

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """Output shape (H * W * C,), no parameters, no state."""
        return (math.prod(shape),), {}, {}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The same numbers, row by row of the image, channels last."""
        return x.reshape(*x.shape[:2], -1), x.shape, state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """dy in the shape of x."""
        return dy.reshape(len(dy), *cache[1:]), {}


POOLS: Registry[type] = Registry(
    "pooling",
    {"max_pool": MaxPool, "average_pool": AveragePool},
    methods=("init", "forward", "backward"),
)
