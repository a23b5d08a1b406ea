"""The ConvNet as a textbook program: float64 NumPy, images (N, C, H, W), one network at a time.

Written from the formulas, in the manner of the book's chapter 7: each window of an image becomes a
row of a matrix, a convolution is one product with it, and what backward gives for the rows is added
up where their pixels were. Batch norm is per channel, with PyTorch's conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from peers import plain
from peers.convnets import BETA1, BETA2, EPS, POOL, RATE, SCORED, ConvNets, Draws, draws
from peers.plain import Affine, Relu
from peers.sweep import PIXELS, Array, images


class Layer(Protocol):
    trained: dict[str, Array]
    gradients: dict[str, Array]

    def forward(self, x: Array, train: bool) -> Array: ...

    def backward(self, dy: Array) -> Array: ...


def windows(size: int, stride: int, height: int, width: int) -> Iterator[tuple[int, int, Array]]:
    """For each place (i, j) in a window: the pixels that stand there, as an index of an image."""
    for i in range(size):
        for j in range(size):
            rows = slice(i, height - size + i + 1, stride)
            yield i, j, np.s_[:, :, rows, j : width - size + j + 1 : stride]


def im2col(x: Array, size: int, stride: int) -> Array:
    """Every window as a row, (N * OH * OW, C * size * size)."""
    n, channels, height, width = x.shape
    oh, ow = (height - size) // stride + 1, (width - size) // stride + 1
    col = np.zeros((n, channels, size, size, oh, ow), x.dtype)
    for i, j, pixels in windows(size, stride, height, width):
        col[:, :, i, j] = x[pixels]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)


def col2im(col: Array, shape: tuple[int, ...], size: int, stride: int) -> Array:
    """The transpose of `im2col`: an image (N, C, H, W) of the sums over its windows."""
    n, channels, height, width = shape
    oh, ow = (height - size) // stride + 1, (width - size) // stride + 1
    cut = col.reshape(n, oh, ow, channels, size, size).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros(shape, col.dtype)
    for i, j, pixels in windows(size, stride, height, width):
        x[pixels] += cut[:, :, i, j]
    return x


class Conv:
    """y = windows(x) W + b, with W (features, C, size, size)."""

    def __init__(self, weights: Array) -> None:
        self.trained = {"W": weights.copy(), "b": np.zeros(len(weights))}
        self.gradients: dict[str, Array] = {}

    def forward(self, x: Array, train: bool) -> Array:
        features, _, size, _ = self.trained["W"].shape
        self.shape, self.col = x.shape, im2col(x, size, 1)
        self.matrix = self.trained["W"].reshape(features, -1).T
        y = self.col @ self.matrix + self.trained["b"]
        height, width = x.shape[2] - size + 1, x.shape[3] - size + 1
        return y.reshape(len(x), height, width, features).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        features, _, size, _ = self.trained["W"].shape
        rows = dy.transpose(0, 2, 3, 1).reshape(-1, features)
        slope = (self.col.T @ rows).T.reshape(self.trained["W"].shape)
        self.gradients = {"W": slope, "b": rows.sum(axis=0)}
        return col2im(rows @ self.matrix.T, self.shape, size, 1)


class MaxPool:
    """The largest of each window."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.trained: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}

    def forward(self, x: Array, train: bool) -> Array:
        n, channels, height, width = self.shape = x.shape
        col = im2col(x, self.size, self.size).reshape(-1, self.size**2)
        self.largest = col.argmax(axis=1)
        y = col.max(axis=1).reshape(n, height // self.size, width // self.size, channels)
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        dy = dy.transpose(0, 2, 3, 1)
        col = np.zeros((dy.size, self.size**2), dy.dtype)
        col[np.arange(dy.size), self.largest] = dy.ravel()
        return col2im(col, self.shape, self.size, self.size)


class Norm(plain.Norm):
    """Batch norm of rows, or of an image's channels: its pixels are rows, too."""

    eps, ddof, first_var = 1e-5, 1, 1.0

    def forward(self, x: Array, train: bool) -> Array:
        return self._as(x, super().forward(self._rows(x), train))

    def backward(self, dy: Array) -> Array:
        return self._as(dy, super().backward(self._rows(dy)))

    @staticmethod
    def _rows(x: Array) -> Array:
        return x if x.ndim == 2 else x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])

    @staticmethod
    def _as(x: Array, rows: Array) -> Array:
        if x.ndim == 2:
            return rows
        n, channels, height, width = x.shape
        return rows.reshape(n, height, width, channels).transpose(0, 3, 1, 2)


class Flatten:
    """Images as rows."""

    def __init__(self) -> None:
        self.trained: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}

    def forward(self, x: Array, train: bool) -> Array:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.shape)


class Adam:
    """m, v: running averages of g, g^2; w <- w - rate_t * m / (sqrt(v) + eps), section 6.1.6."""

    def __init__(self) -> None:
        self.steps = 0
        self.averages: dict[tuple[int, str], tuple[Array, Array]] = {}

    def update(self, layers: Sequence[Layer]) -> None:
        self.steps += 1
        rate = RATE * np.sqrt(1 - BETA2**self.steps) / (1 - BETA1**self.steps)
        for place, layer in enumerate(layers):
            for name, w in layer.trained.items():
                g, zeros = layer.gradients[name], np.zeros_like(w)
                m, v = self.averages.setdefault((place, name), (zeros, zeros.copy()))
                m += (1 - BETA1) * (g - m)
                v += (1 - BETA2) * (g**2 - v)
                w -= rate * m / (np.sqrt(v) + EPS)


def build(one: Draws) -> list[Layer]:
    def block(layer: Layer, width: int) -> list[Layer]:
        return [layer, Norm(width), Relu()] if one.norm else [layer, Relu()]

    conv, dense = block(Conv(one.conv), len(one.conv)), block(Affine(one.dense), len(one.output))
    return [*conv, MaxPool(POOL), Flatten(), *dense, Affine(one.output)]


def loss(layers: Sequence[Layer], x: Array, labels: Array, train: bool) -> float:
    """Mean cross-entropy in nats."""
    shares = plain.softmax(plain.forward(layers, x, train))
    return float(-np.log(shares[np.arange(len(labels)), labels]).mean())


def train(one: Draws, x: Array, labels: Array) -> float:
    """The loss on the first images, after the last step."""
    layers, adam = build(one), Adam()
    with np.errstate(all="ignore"):
        for batch in one.batches:
            plain.differentiate(layers, x[batch], labels[batch])
            adam.update(layers)
        return loss(layers, x[:SCORED], labels[:SCORED], train=False)


def prepare(nets: ConvNets, share: int = 0, shares: int = 1) -> Callable[[], list[float]]:
    """A program for this process's share of the networks; a first step is made beforehand."""
    pixels, labels = images(nets.data)
    x = pixels.reshape(-1, 1, PIXELS, PIXELS)
    drawn = draws(nets)[share::shares]
    for one in draws(nets.small())[share::shares]:
        train(one, x, labels)
    return lambda: [train(one, x, labels) for one in drawn]
