"""Layers with weights: the dense layer and the convolution, and products and sums that are fast.

Both are affine maps of rows: a convolution is a dense layer applied to every window of an image.
`folded` merges an affine map with a scale and a shift that follow it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnexp.nn.protocols import (
    Array,
    Backward,
    Forward,
    Generator,
    Gradients,
    Initial,
    Initializer,
    Parameters,
    Shape,
    State,
)
from bnexp.registry import former_keywords

FEW_CHANNELS = 8  # images of so many are copied before they are added up


@dataclass(frozen=True)
class Window:
    """A square window, its stride and the frame of the image.

    >>> import numpy as np
    >>> window, x = Window(2), np.arange(9.0).reshape(1, 1, 3, 3, 1)
    >>> window.places((3, 3))
    (2, 2)
    >>> window.patches(x)[0].tolist()
    [[0.0, 1.0, 3.0, 4.0], [1.0, 2.0, 4.0, 5.0], [3.0, 4.0, 6.0, 7.0], [4.0, 5.0, 7.0, 8.0]]
    """

    size: int
    stride: int = 1
    padding: int = 0

    def places(self, shape: Shape) -> tuple[int, int]:
        """(OH, OW) for an image (H, W, ...); what does not fill a window at the end is left out.

        ValueError if `shape` is not an image's, or the image is smaller than the window.
        """
        if len(shape) < 2:
            raise ValueError("a window needs images, a dense layer's output has no places")
        height, width = (
            (side + 2 * self.padding - self.size) // self.stride + 1 for side in shape[:2]
        )
        if min(height, width) < 1:
            raise ValueError(
                f"a window of {self.size} does not fit an image of {shape[0]} x {shape[1]} "
                f"with a padding of {self.padding}"
            )
        return height, width

    def framed(self, x: Array, value: float = 0.0) -> Array:
        """The images with their frame, (K, N, H + 2 padding, W + 2 padding, C)."""
        if self.padding == 0:
            return x
        frame = (self.padding, self.padding)
        return np.pad(x, ((0, 0), (0, 0), frame, frame, (0, 0)), constant_values=value)

    def unframed(self, x: Array) -> Array:
        """The inverse of `framed`: a view without the frame."""
        p = self.padding
        return x[:, :, p:-p, p:-p] if p else x

    def slices(self, framed: Array) -> Iterator[Array]:
        """For each position in the window, row by row, the pixels that it meets at all places.

        These are views (K, N, OH, OW, C) of the framed images; there are size * size of them.
        """
        rows, columns = (
            (side - self.size) // self.stride * self.stride + 1 for side in framed.shape[2:4]
        )
        for i in range(self.size):
            for j in range(self.size):
                yield framed[:, :, i : i + rows : self.stride, j : j + columns : self.stride]

    def patches(self, x: Array) -> Array:
        """Every window as a row, (K, N * OH * OW, size * size * C)."""
        framed = self.framed(x)
        views = list(self.slices(framed))
        k, n, height, width, channels = views[0].shape
        if channels == 1:  # a number at a time is slow to copy; made transposed, it is runs of OW
            columns = np.stack([view[..., 0] for view in views], axis=1)
            return columns.reshape(k, len(views), -1).swapaxes(1, 2)
        shape = (k, n, height, width, self.size, self.size, channels)
        patches = np.empty(shape, x.dtype, like=x)
        if isinstance(x, np.ndarray):  # a row of a window lies in one piece: size * C numbers
            windows = np.lib.stride_tricks.sliding_window_view(framed, self.size, axis=3)
            rows = windows.swapaxes(-1, -2)[:, :, :, :: self.stride]
            for i in range(self.size):
                patches[..., i, :, :] = rows[:, :, i:][:, :, :: self.stride][:, :, :height]
        else:
            for i, view in enumerate(views):
                patches[..., i // self.size, i % self.size, :] = view
        return patches.reshape(k, n * height * width, -1)

    def summed(self, patches: Array, shape: tuple[int, ...]) -> Array:
        """The transpose of `patches`: rows added up where their pixels were, (K, N, H, W, C)."""
        k, n, height, width, channels = shape
        p = 2 * self.padding
        size = (k, n, height + p, width + p, channels)
        framed = np.zeros(size, patches.dtype, like=patches)
        oh, ow = self.places((height, width))
        rows = patches.reshape(k, n, oh, ow, -1, channels)
        for i, view in enumerate(self.slices(framed)):
            share = rows[..., i, :]
            if channels <= FEW_CHANNELS:  # as short runs are slow to add up, too
                share = np.ascontiguousarray(share, like=share)
            view += share
        return self.unframed(framed)


# NumPy works through one row at a time, and starting a row costs as much as some hundred numbers:
# a convolution's features, 30 or so, are put side by side until a row is about as long as this, 32
# KB in float32, which the first-level cache holds.
ROW_LENGTH = 8192
SHORT_ROW = 64


def rowwise(operation: np.ufunc, x: Array, row: Array, out: Array | None = None) -> Array:
    """operation(x, row) for x (K, M, F) and row (K, 1, F), to the last bit; `out` may be x.

    Several short rows are computed as one long row, with copies of `row` side by side.
    """
    samples, features = x.shape[-2:]
    tiles = 1  # a power of two that divides the number of samples
    if 0 < features <= SHORT_ROW:
        tiles = math.gcd(samples, 2 ** ((ROW_LENGTH // features).bit_length() - 1))
    if tiles == 1 or (out is not None and not out.flags.c_contiguous):
        result: Array = operation(x, row, out=out)
        return result
    shape = (-1, samples // tiles, tiles * features)
    target = None if out is None else out.reshape(len(out), *shape[1:])
    result = operation(x.reshape(len(x), *shape[1:]), np.tile(row, tiles), out=target)
    return result.reshape(len(result), *x.shape[1:])


def column_sums(x: Array, divisor: int = 1) -> Array:
    """Sum over the batch, (K, N, H) -> (K, 1, H), divided by `divisor`.

    As a product with a row of ones: 4 to 5 times faster than `sum(axis=-2)` at 100 x 100.
    """
    sums: Array = np.matmul(np.ones_like(x, shape=(1, x.shape[-2])), x)
    if divisor != 1:
        sums /= divisor
    return sums


LARGE_WEIGHTS = 2**17  # so many numbers, for one network


def times_transposed(dy: Array, weights: Array) -> Array:
    """dy W^T, (K, N, H) and (K, D, H) -> (K, N, D).

    OpenBLAS multiplies by a copied transpose faster than by a transposed view (100 x 100: 21.6
    against 25.6 microseconds, copy included), unless W is so large that the copy leaves the cache
    (4320 x 100: 0.95 against 0.74 milliseconds).
    """
    transposed = weights.swapaxes(-1, -2)
    if math.prod(weights.shape[-2:]) < LARGE_WEIGHTS:
        transposed = np.ascontiguousarray(transposed, like=weights)
    product: Array = np.matmul(dy, transposed)
    return product


def folded(parameters: Parameters, scale: Array, shift: Array) -> dict[str, Array]:
    """Parameters W, b of an affine map followed by y -> scale * y + shift, rows (K, 1, H)."""
    b = parameters["b"] * scale + shift if "b" in parameters else shift
    return {"W": parameters["W"] * scale, "b": b}


class WeightedLayer:
    """What a dense layer and a convolution share: weights W, a bias b, and what fits W to data.

    W is drawn by `initializer`, b starts at 0 and exists if `bias` is true.
    """

    initializer: Initializer
    bias: bool

    @property
    def calibrates(self) -> bool:
        """Whether the initializer looks at data."""
        return hasattr(self.initializer, "fitted")

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """The parameters, W as the initializer fits it to the outputs for x, (K, N, ...)."""
        if not self.calibrates:
            return parameters
        layer: Any = self

        def outputs(w: Array) -> Array:
            y: Array = layer.forward({**parameters, "W": w}, {}, x, train=True)[0]
            return y

        return {**parameters, "W": layer.initializer.fitted(parameters["W"], outputs)}

    def _initial(
        self, generator: Generator, fan_in: int, features: int, fan_out: int
    ) -> Parameters:
        """W (fan_in, features) and b (1, features) of one network."""
        w = self.initializer.draw(generator, (fan_in, features), fan_in, fan_out)
        return {"W": w, "b": np.zeros((1, features))} if self.bias else {"W": w}

    def _gradients(self, x: Array, dy: Array) -> Gradients:
        """dW = x^T dy and db = sum(dy), for rows x (K or 1, M, D) and dy (K, M, H)."""
        gradients = {"W": np.matmul(x.swapaxes(-1, -2), dy)}
        if self.bias:
            gradients["b"] = column_sums(dy)
        return gradients


@former_keywords(initialiser="initializer")
@dataclass(frozen=True)
class Dense(WeightedLayer):
    """y = x W + b: x (K or 1, N, D), W (K, D, H), b (K, 1, H), y (K, N, H), H = `features`.

    `init` takes (D,), ValueError for images. Weights come from the initializer, b starts at 0.

    Arguments:
        features: the number of outputs, H.
        initializer: draws W; any object with the method `draw` (`protocols.Initializer`).
        bias: whether there is a b; by default there is.

    Gradients:
        dx = dy W^T,    dW = x^T dy,    db = sum of dy over the batch

    >>> from bnexp.nn import Normal, stack
    >>> layer = Dense(3, Normal(0.1))
    >>> networks = [layer.init(np.random.default_rng(seed), (5,))[1] for seed in (0, 1)]
    >>> (parameters,) = stack([[network] for network in networks], "float32")
    >>> y, cache, _ = layer.forward(parameters, {}, np.ones((1, 4, 5), "float32"), train=True)
    >>> parameters["W"].shape, y.shape, y.dtype.name
    ((2, 5, 3), (2, 4, 3), 'float32')
    """

    features: int
    initializer: Initializer
    bias: bool = True

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """Output shape (H,), and the parameters W (D, H) and b (1, H) of one network."""
        (fan_in,) = shape
        parameters = self._initial(generator, fan_in, self.features, self.features)
        return (self.features,), parameters, {}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y (K, N, H); the cache is x."""
        y = np.matmul(x, parameters["W"])
        if self.bias:
            y += parameters["b"]
        return y, x, state

    def backward(self, parameters: Parameters, cache: Array, dy: Array) -> Backward:
        """dx (K, N, D), and the gradients of W and b."""
        return times_transposed(dy, parameters["W"]), self.gradients(parameters, cache, dy)

    def gradients(self, parameters: Parameters, cache: Array, dy: Array) -> Gradients:
        """The parameters' gradients alone: a network's first layer needs no dx."""
        return self._gradients(cache, dy)


@former_keywords(initialiser="initializer")
@dataclass(frozen=True)
class Conv(WeightedLayer):
    """y = sum over a size x size window of x W, + b; images (K, N, H, W, C) to (K, N, OH, OW, H).

    W is a matrix (K, size * size * C, features), its rows in the order of `Window.slices`; b is
    (K, 1, features). Fans count the window: fan_in = size^2 C, fan_out = size^2 features. `init`
    takes (H, W, C), ValueError where the window does not fit.

    Arguments:
        features: the number of output channels.
        size: the side of the square window.
        initializer: draws W; any object with the method `draw` (`protocols.Initializer`).
        stride: how far the window moves; 1 by default.
        padding: the width of the frame of zeros around the image; 0 by default.
        bias: whether there is a b; by default there is.

    >>> from bnexp.nn import He
    >>> shape, parameters, _ = Conv(30, 5, He()).init(np.random.default_rng(0), (28, 28, 1))
    >>> shape, parameters["W"].shape
    ((24, 24, 30), (25, 30))
    """

    features: int
    size: int
    initializer: Initializer
    stride: int = 1
    padding: int = 0
    bias: bool = True

    @property
    def window(self) -> Window:
        """The window that slides over the image."""
        return Window(self.size, self.stride, self.padding)

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """Output shape (OH, OW, features), and W (fan_in, features), b of one network."""
        places, area = self.window.places(shape), self.size**2
        fans = (area * shape[2], self.features, area * self.features)
        return (*places, self.features), self._initial(generator, *fans), {}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y (K, N, OH, OW, features); the cache is the windows as rows, and the shape of x."""
        patches = self.window.patches(x)  # once for the whole stack where x is shared
        y = np.matmul(patches, parameters["W"])  # (K, N * OH * OW, features)
        if self.bias:
            rowwise(np.add, y, parameters["b"], out=y)
        places = self.window.places(x.shape[2:])
        return y.reshape(len(y), x.shape[1], *places, -1), (patches, x.shape), state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """dx (K, N, H, W, C), summed over the windows that contain a pixel; and the gradients."""
        _, shape = cache
        dx = times_transposed(self._rows(dy), parameters["W"])
        return self.window.summed(dx, (len(dy), *shape[1:])), self.gradients(parameters, cache, dy)

    def gradients(self, parameters: Parameters, cache: Any, dy: Array) -> Gradients:
        """The parameters' gradients alone: a network's first layer needs no dx."""
        patches, _ = cache
        return self._gradients(patches, self._rows(dy))

    def _rows(self, dy: Array) -> Array:
        """(K, N * OH * OW, features)."""
        return dy.reshape(len(dy), -1, self.features)
