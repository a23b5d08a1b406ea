"""The book's arithmetic: its layers in the order in which its code rounds.

The layers of this package compute the same equations as the book's, faster, in another order of
operations, and so with other last bits. Where batch norm follows tiny weights these bits grow to
other accuracies within a few updates. `replay` therefore turns a network into one whose numbers are
those of the book's code to the last bit, on the same machine, in float64: each class here stands
beside the fast one that it inherits from and overrides what is rounded otherwise.

    fast                                            here, as in the book
    sums over the batch are products with ones      numpy's own sums
    dy W^T from a transposed copy of W              from a transposed view of W
    y = (gamma / std) * (x - mu) + beta             y = gamma * ((x - mu) / std) + beta
    dx of batch norm in three terms                 one node of the computational graph at a time
    classes first in the softmax                    rows of the ten classes
    at evaluation a norm is merged into W           layer after layer, on all images at once

Besides, blank pixels stay in the first product (`bnexp.execution.build.make_image_sets`), which
BLAS would otherwise split elsewhere. All else is shared with the fast order: the layers' forward
products, the optimizers, whose rules all round as the book's do, and the training loop.

Source:
    The code of *Deep Learning from Scratch*: common/layers.py, common/functions.py,
    common/multi_layer_net_extend.py and ch07/simple_convnet.py, as of commit 07b1161.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from bnexp.nn.activations import Relu, Sigmoid
from bnexp.nn.batchnorm import BatchNorm, EvaluatedBatchNormCache
from bnexp.nn.dropout import Dropout
from bnexp.nn.initializers import He, Normal, Xavier
from bnexp.nn.linear import Conv, Dense
from bnexp.nn.loss import Labels, SoftmaxCrossEntropy
from bnexp.nn.optimizers import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop
from bnexp.nn.pooling import Flatten, MaxPool
from bnexp.nn.protocols import (
    Array,
    Backward,
    Forward,
    Generator,
    Gradients,
    Initial,
    Layer,
    Parameters,
    Shape,
    State,
)
from bnexp.nn.sequential import Sequential


class BookDense(Dense):
    """The book's Affine: y = x W + b."""

    def backward(self, parameters: Parameters, cache: Array, dy: Array) -> Backward:
        """dx = dy W^T, and the gradients of W and b."""
        dx = np.matmul(dy, parameters["W"].swapaxes(-1, -2))
        return dx, self.gradients(parameters, cache, dy)

    def gradients(self, parameters: Parameters, cache: Array, dy: Array) -> Gradients:
        """dW = x^T dy, db = sum of dy over the batch."""
        return {"W": np.matmul(cache.swapaxes(-1, -2), dy), "b": dy.sum(axis=-2, keepdims=True)}


class BookConv(Conv):
    """The book's Convolution of images with one channel.

    The book draws and keeps a filter (channels, size, size) after the other.
    """

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """Output shape (OH, OW, features), and W (size * size, features), b of one network.

        ValueError for images of several channels.
        """
        *_, channels = shape
        if channels != 1:
            raise ValueError(
                "the book's stream has one convolution, of images with one channel; "
                f"got {channels} channels"
            )
        area = self.size**2
        w = self.initializer.draw(generator, (self.features, area), area, area * self.features).T
        places = self.window.places(shape)
        return (*places, self.features), {"W": w, "b": np.zeros((1, self.features))}, {}

    def gradients(self, parameters: Parameters, cache: Any, dy: Array) -> Gradients:
        """dW = patches^T dy, db = sum of dy over images and places."""
        patches, rows = cache[0], self._rows(dy)
        dw = np.matmul(patches.swapaxes(-1, -2), rows)
        return {"W": dw, "b": rows.sum(axis=-2, keepdims=True)}


class BookFlatten(Flatten):
    """Images as rows with the channels first, (K, N, H, W, C) -> (K, N, C * H * W).

    What are rows already stays as it is.
    """

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The same numbers, one channel after the other."""
        images = np.moveaxis(x, -1, 2) if x.ndim == 5 else x
        return images.reshape(*x.shape[:2], -1), x.shape, state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """dy in the shape of x."""
        if len(cache) == 3:
            return dy, {}
        _, _, height, width, channels = cache
        images = dy.reshape(*dy.shape[:2], channels, height, width)
        return np.moveaxis(images, 2, -1), {}


class BookSigmoid(Sigmoid):
    """The book's Sigmoid: y = 1 / (1 + exp(-x))."""

    def backward(self, parameters: Parameters, cache: Array, dy: Array) -> Backward:
        """dx = dy * (1 - y) * y, from left to right."""
        dx = dy * (1.0 - cache)
        dx *= cache
        return dx, {}


class BookBatchNormCache(NamedTuple):
    """What backward needs: x - mu and (x - mu) / std, (K, N, H), and std, (K, 1, H)."""

    centered: Array
    normalized: Array
    std: Array


class BookBatchNorm(BatchNorm):
    """The book's BatchNormalization, of which `eps` and `stat_decay` may be other than printed."""

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y = gamma * (x - mu) / std + beta, std = sqrt(var + eps); x is (K, N, H)."""
        keep = self.stat_decay
        mean = x.mean(axis=-2, keepdims=True) if train else state["mean"]
        centered = x - mean
        var = np.square(centered).mean(axis=-2, keepdims=True) if train else state["var"]
        std = np.sqrt(var + self.eps)
        normalized = centered / std
        if train:
            state = {
                "mean": keep * state["mean"] + (1 - keep) * mean,
                "var": keep * state["var"] + (1 - keep) * var,
                "unseen": keep * state["unseen"],
            }
        y = parameters["gamma"] * normalized
        y += parameters["beta"]
        if not train:  # the statistics are constants
            scale = parameters["gamma"] / std
            return y, EvaluatedBatchNormCache(x, mean, 1.0 / std, scale), state
        return y, BookBatchNormCache(centered, normalized, std), state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """The gradient of each node of the computational graph, from the output to x.

        The book has none after an evaluation: it is that of `BatchNorm`.
        """
        if isinstance(cache, EvaluatedBatchNormCache):
            return super().backward(parameters, cache, dy)
        centered, normalized, std = cache
        dbeta = dy.sum(axis=-2, keepdims=True)
        dgamma = (normalized * dy).sum(axis=-2, keepdims=True)
        dnormalized = parameters["gamma"] * dy
        dcentered = dnormalized / std
        dnormalized *= centered
        dnormalized /= std * std
        dstd = -dnormalized.sum(axis=-2, keepdims=True)
        dvar = 0.5 * dstd / std
        dcentered += (2.0 / dy.shape[-2]) * centered * dvar
        dmean = dcentered.sum(axis=-2, keepdims=True)
        dcentered -= dmean / dy.shape[-2]
        return dcentered, {"gamma": dgamma, "beta": dbeta}

    def evaluated(self, parameters: Parameters, state: State) -> None:
        """None: the book does not merge its layers."""


@dataclass(frozen=True)
class BookDropout(Dropout):
    """The book's Dropout, whose masks are drawn from the stream that draws the batches, too.

    In each step the script draws a batch and then the masks of all dropout layers. The state,
    `stream`, is that of the generator (MT19937, 624 numbers and the position) before a step; each
    layer draws all that the script draws in the step, and keeps its own mask. So a step can be
    repeated from a saved state, and layers need not know each other.

    Arguments:
        images, batch_size: what a batch is drawn from, and its size.
        widths: the number of units of each dropout layer of the network.
        index: which of them this layer is.
    """

    images: int = 1
    batch_size: int = 1
    widths: tuple[int, ...] = ()
    index: int = 0

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """No parameters; the state of the stream, (1, 625), which the drawing of batches sets."""
        return shape, {}, {"stream": np.zeros((1, 625), np.uint32)}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y = x * mask in training, x * (1 - ratio) in evaluation; the cache is the mask."""
        if not train:
            return x * (1.0 - self.ratio), None, state
        masks, streams = [], []
        for stream in state["stream"][:, 0]:
            random = stream_at(stream)
            random.choice(self.images, self.batch_size)
            drawn = [random.random_sample((self.batch_size, width)) for width in self.widths]
            masks.append(drawn[self.index] > self.ratio)
            streams.append(stream_state(random))
        mask = np.asarray(np.stack(masks), like=x)
        return x * mask, mask, {"stream": np.stack(streams)[:, None]}


def stream_state(random: RandomState) -> NDArray[np.uint32]:
    """The state of a generator of the book's stream as an array (625,), between two steps."""
    state = random.get_state(legacy=False)["state"]
    return np.append(state["key"], np.uint32(state["pos"]))


def stream_at(state: NDArray[np.uint32]) -> RandomState:
    """A generator of the book's stream in that state."""
    random = RandomState()
    key, position = state[:-1], int(state[-1])
    random.set_state({"bit_generator": "MT19937", "state": {"key": key, "pos": position}})
    return random


@dataclass(frozen=True)
class BookSoftmaxCrossEntropy(SoftmaxCrossEntropy):
    """The book's SoftmaxWithLoss, but for the 1e-7 that its printed loss has in the logarithm."""

    def per_sample(self, logits: Array, labels: Labels) -> tuple[Array, Array]:
        """Every sample's loss, (K, N), and the probabilities, (K, N, C)."""
        z = logits - logits.max(axis=-1, keepdims=True)
        networks, samples = (np.arange(n, like=z) for n in z.shape[:2])
        probabilities = np.exp(z)
        total = probabilities.sum(axis=-1, keepdims=True)
        probabilities /= total
        return np.log(total[..., 0]) - z[networks[:, None], samples, labels], probabilities


class BookNetwork(Sequential):
    """A network of the layers above; its loss is the book's, and so is its evaluation."""

    loss = BookSoftmaxCrossEntropy()

    @property
    def chunk(self) -> int | None:
        """None: the book's products are of all images; of 100 where there is a convolution."""
        return 100 if any(isinstance(layer, BookConv) for layer in self.layers) else None

    def fast_parameters(self, parameters: Sequence[Parameters], shape: Shape) -> list[Parameters]:
        """The parameters (K, ...) as the fast layers have them, for images of this shape.

        The rows of a dense layer after `BookFlatten` are put into the order of `Flatten`.
        """
        result, rows = [], None
        for layer, p in zip(self.layers, parameters, strict=True):
            if rows is not None and isinstance(layer, BookDense):
                p, rows = {**p, "W": p["W"][:, rows]}, None
            result.append(p)
            if isinstance(layer, BookFlatten) and len(shape) == 3:  # (C, H, W) to (H, W, C)
                indices = np.arange(math.prod(shape)).reshape(shape[-1], *shape[:-1])
                rows = indices.transpose(1, 2, 0).ravel()
            shape = layer.init(np.random.default_rng(0), shape)[0]
        return result


# The layers that the book's code has, and the class that computes each in its order. The fast Relu
# masks as the book's does.
BOOK_LAYERS: dict[type, type] = {
    Dense: BookDense,
    Conv: BookConv,
    MaxPool: MaxPool,
    Flatten: BookFlatten,
    BatchNorm: BookBatchNorm,
    Relu: Relu,
    Sigmoid: BookSigmoid,
    Dropout: BookDropout,
}


BOOK_RULES = (SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam)


def replay(network: Sequential, images: int = 1, batch_size: int = 1) -> BookNetwork:
    """The network in the book's arithmetic.

    images, batch_size: what each batch is drawn from, and its size; dropout draws with it.

    ValueError for a layer that the book's code does not have.
    """
    layers: list[Layer] = []
    widths = dropout_widths(network)
    layer: Any
    for layer in network.layers:
        if not is_book_layer(layer):
            raise ValueError(f"expected a layer of the book's code, got {layer}")
        options = {field.name: getattr(layer, field.name) for field in fields(layer)}
        if isinstance(layer, Dropout):
            index = sum(isinstance(before, Dropout) for before in layers)
            options |= {"images": images, "batch_size": batch_size}
            options |= {"widths": widths, "index": index}
        layers.append(BOOK_LAYERS[type(layer)](**options))
    return BookNetwork(tuple(layers))


def dropout_widths(network: Sequential) -> tuple[int, ...]:
    """The number of units of each dropout layer, in the order in which their masks are drawn."""
    widths, width = [], 0
    for layer in network.layers:
        width = layer.features if isinstance(layer, Dense) else width
        if isinstance(layer, Dropout):
            widths.append(width)
    return tuple(widths)


def is_book_layer(layer: Any) -> bool:
    """Whether the book's code has the layer, with these options."""
    if isinstance(layer, BatchNorm):
        # On rows, where `spatial` decides nothing.
        book = replace(layer, eps=BatchNorm().eps, stat_decay=BatchNorm().stat_decay)
        return replace(book, spatial=BatchNorm().spatial) == BatchNorm()
    if isinstance(layer, Dense | Conv):
        return layer.bias
    if isinstance(layer, MaxPool):
        return layer.padding == 0
    if isinstance(layer, Dropout):
        return layer.scale == "evaluation"
    return type(layer) in BOOK_LAYERS


def is_book_rule(rule: Any) -> bool:
    """Whether the book's code has the optimizer with these options; rates and decays are free."""
    is_rate = getattr(rule, "correction", "rate") == "rate"
    return type(rule) in BOOK_RULES and is_rate and getattr(rule, "eps", 1e-7) == 1e-7


def is_book_initializer(initializer: Any) -> bool:
    """Whether the book's code draws so: a number, or Xavier's or He's of a layer's inputs."""
    return isinstance(initializer, Normal) or initializer in (Xavier(), He())
