"""Skip connections: `Fork` begins a residual block and `Add` ends it. He et al. 2016.

    y = shortcut + scale * f(x)    the layers between Fork and Add compute f; the shortcut is x,
                                   or x W where f changes its shape

The layers of a network stay one list: Fork and Add stand in it like brackets, and blocks may be
nested. A fork hands on two values, an addition takes two; in the backward pass they change parts.
`Shortcuts` carries the second value from one to the other. Whoever calls the layers of a
`Sequential` one by one does so with its help:

    shortcuts = Shortcuts()
    y = shortcuts.split(layer, layer.forward(p, s, shortcuts.join(layer, x), train)[0])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bnexp.nn.linear import times_transposed
from bnexp.nn.protocols import (
    Array,
    Backward,
    Forward,
    Generator,
    Initial,
    Initializer,
    Layer,
    Parameters,
    Shape,
    State,
)

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Fork:
    """The beginning of a residual block: its input goes into the block and around it.

    Shapes:
        x is (K, N, H) or (K, N, H, W, C).
    """

    def init(self, generator: Generator, shape: Shape) -> tuple[Any, Parameters, State]:
        """The shape twice; no parameters and no state."""
        return (shape, shape), {}, {}

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Any, Any, State]:
        """x (K, N, ...) twice, for the layers of the block and for the shortcut."""
        return (x, x), None, state

    def backward(self, parameters: Parameters, cache: Any, dy: Any) -> Backward:
        """dx (K, N, ...), the sum of what comes back through the block and the shortcut."""
        through_block, through_shortcut = dy
        return through_block + through_shortcut, {}


@dataclass(frozen=True)
class Add:
    """The end of a residual block: y = shortcut + scale * x, for the pair (x, shortcut).

    x is (K, N, H) or (K, N, H, W, C). Where the shortcut has another shape, it is projected: its
    units or channels are multiplied by weights W (K, D, H), and of images only every `stride`-th
    row and column is read.

    Arguments:
        initializer: draws W. By default shapes must agree.
        stride: by how much the block's convolutions move on in all; 1 by default.
        scale: the initial value of `scale`, one learnable number for each network; 0 is SkipInit
            (De & Smith 2020). By default there is none, and y = shortcut + x.

    Gradients:
        dx = scale dy,    dshortcut = dy or dy W^T,    dW = shortcut^T dy,    dscale = sum of dy x
    """

    initializer: Initializer | None = None
    stride: int = 1
    scale: float | None = None

    def init(self, generator: Generator, shapes: Any) -> Initial:
        """The output's shape, and W (D, H) where shapes differ, scale (1, 1) if there is one.

        ValueError if a shortcut of this shape cannot be projected.
        """
        shape, start = shapes
        parameters = {}
        if shape != start:
            places = tuple(-(-side // self.stride) for side in start[:-1])
            if self.initializer is None or places != shape[:-1]:
                raise ValueError(
                    f"a residual block turns {_sizes(start)} into {_sizes(shape)}, which its "
                    "shortcut cannot do"
                )
            fans = start[-1], shape[-1]
            parameters["W"] = self.initializer.draw(generator, fans, *fans)
        if self.scale is not None:
            parameters["scale"] = np.full((1, 1), self.scale)
        return shape, parameters, {}

    def forward(self, parameters: Parameters, state: State, x: Any, train: bool) -> Forward:
        """y, of the shape of x; the cache is the pair, the shortcut as it is projected."""
        x, shortcut = x
        projection = None
        if "W" in parameters:
            rows = _rows(self._read(shortcut))
            projection = rows, shortcut.shape
            shortcut = np.matmul(rows, parameters["W"]).reshape(x.shape)
        if "scale" not in parameters:
            return shortcut + x, (None, projection), state
        return shortcut + _number(parameters["scale"], x) * x, (x, projection), state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> tuple[Any, Any]:
        """The pair (dx, dshortcut), and the gradients of W and scale."""
        x, projection = cache
        gradients, dx, dshortcut = {}, dy, dy
        if x is not None:
            dx = _number(parameters["scale"], dy) * dy
            products = np.matmul(dy.reshape(len(dy), 1, -1), x.reshape(len(dy), -1, 1))
            gradients["scale"] = products
        if projection is not None:
            rows, shape = projection
            gradients["W"] = np.matmul(rows.swapaxes(-1, -2), _rows(dy))
            dshortcut = np.zeros((len(dy), *shape[1:]), dy.dtype, like=dy)
            read = self._read(dshortcut)
            read[...] = times_transposed(_rows(dy), parameters["W"]).reshape(read.shape)
        return (dx, dshortcut), gradients

    def _read(self, shortcut: Array) -> Array:
        """A view of what the projection reads: every `stride`-th row and column of images."""
        step = self.stride
        return shortcut if step == 1 else shortcut[:, :, ::step, ::step]


class Shortcuts(list[Any]):
    """The second values between forks and additions, the innermost block's last.

    backward: whether they come from additions and go to forks, as in the backward pass.
    """

    def __init__(self, backward: bool = False) -> None:
        super().__init__()
        self.splits: type = Add if backward else Fork
        self.joins: type = Fork if backward else Add

    def join(self, layer: Layer, value: Any) -> Any:
        """What the layer takes: the value, or the pair of it and the shortcut's."""
        return (value, self.pop()) if isinstance(layer, self.joins) else value

    def split(self, layer: Layer, value: Any) -> Any:
        """What the next layer takes; the second value of a pair is kept."""
        if isinstance(layer, self.splits):
            value, second = value
            self.append(second)
        return value


def _sizes(shape: Shape) -> str:
    """A shape in words: "100 units", "28 x 28 x 16"."""
    return " x ".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} units"


def _rows(x: Array) -> Array:
    """(K, N, D) as it is, images (K, N, H, W, C) as (K, N * H * W, C)."""
    return x if x.ndim == 3 else x.reshape(len(x), -1, x.shape[-1])


def _number(scale: Array, x: Array) -> Array:
    """One number a network, (K, 1, 1), with as many axes as x."""
    return scale.reshape(-1, *[1] * (x.ndim - 1))
