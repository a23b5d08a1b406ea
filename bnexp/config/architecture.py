"""The schema of a network's architecture: its kind, its layers, and what stands between them.

`Model` is a multilayer perceptron (`Mlp`) or a convolutional network (`Cnn`). Both have the keys
of `Architecture`; activations, initializers, normalizers and poolings come from the registries of
bnexp.nn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union

import numpy as np
from pydantic import (
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    TypeAdapter,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from bnexp.config.options import (
    AddedLater,
    OneOf,
    Options,
    OrNone,
    Strict,
    instantiate,
    key,
    options_class,
)
from bnexp.nn import ACTIVATIONS, INITIALIZERS, NORMALIZERS
from bnexp.nn.pooling import POOLS

MAX_LAYERS = 200
MAX_WIDTH = 20_000
MAX_SIDE = 64
BLOCK_LAYERS = 2  # of a residual block in an mlp
IMAGE_SHAPE, CLASSES = (28, 28, 1), 10  # MNIST's

Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Activation = Annotated[Options, OneOf(ACTIVATIONS)]
Initializer = Annotated[Options, OneOf(INITIALIZERS)]
Normalizer = Annotated[Options | None, OneOf(NORMALIZERS, or_none=True)]


class DropoutOptions(Strict):
    """Dropout after each hidden activation."""

    ratio: float = Field(description="the probability that a number is dropped", ge=0, lt=1)
    scale: Literal["inverted", "evaluation"] = key(
        "inverted",
        "divide by 1 - ratio in training (inverted) or multiply by it at evaluation (the book)",
    )


class Residual(Strict):
    """Skip connections around blocks of hidden layers: y = shortcut + scale * block(shortcut).

    Where a block changes the shape, its shortcut is multiplied by weights that `init` draws.
    """

    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS)] | None = key(
        None,
        "how many hidden layers of an mlp are a block, the first one standing before all blocks; "
        "default: 2. A cnn has blocks of kind residual instead",
    )
    order: Literal["post", "pre"] = key(
        "post",
        "post: a block's last activation follows the addition (He et al. 2016, arXiv 1512.03385); "
        "pre: norm and activation stand before each layer (He et al. 2016, arXiv 1603.05027)",
    )
    scale: Annotated[float | None, OrNone()] = key(
        None,
        "the initial value of a learnable factor on each block, 0 in SkipInit (De & Smith 2020); "
        "default: none, the block is added as it is",
    )
    init: Literal["plain", "fixup"] = key(
        "plain",
        "plain: as other layers; fixup: the last layer of each block and the output layer start "
        "at 0, the block's m - 1 others are divided by L^(1 / (2m - 2)) for L blocks (Zhang et "
        "al. 2019)",
    )


class LayerSize(NamedTuple):
    """How large a dense layer, a convolution or a pooling is, for one image.

    weights: how many it has, without biases. inputs, outputs: the numbers that it reads and
    returns. products: how often a number is multiplied by a weight. patches: the numbers of a
    convolution's windows, written as rows; 0 elsewhere.
    """

    weights: int
    inputs: int
    outputs: int
    products: int
    patches: int = 0


class Architecture(Strict):
    """What every network has, whatever its layers."""

    activation: Activation = key("relu", "the hidden layers' activation")
    norm: Normalizer = key("none", "the normalization of each hidden layer, or none")
    norm_position: Literal["before", "after"] = key(
        "before",
        "before: the norm precedes the activation (the paper, the book); after: it follows it",
    )
    bias: bool = key(
        True, "whether hidden layers have a bias; batch norm right after it cancels it"
    )
    dropout: Annotated[DropoutOptions | None, OrNone()] = key(
        None, "dropout after each hidden activation; default: none"
    )
    residual: Annotated[Residual | None, AddedLater(), OrNone()] = key(
        None, "skip connections around blocks of hidden layers; default: none"
    )
    init: Initializer = key("he", "how weights are drawn; biases start at 0")
    layer_init: dict[str, Initializer] = key(
        {}, "a different init for single layers: 1 is the first with weights, output the last"
    )

    def widths(self) -> Sequence[int]:
        """How many units, or channels, each layer with weights has, but for the output layer."""
        raise NotImplementedError

    def layer_sizes(
        self, image_shape: Sequence[int] = IMAGE_SHAPE, classes: int = CLASSES
    ) -> Iterator[LayerSize]:
        """The size of each layer that is no normalizer, activation or dropout, first to last.

        image_shape: (H, W, C). classes: the width of the output layer.

        Nothing is allocated, however large the layers are.
        """
        raise NotImplementedError

    def weight_count(self, image_shape: Sequence[int] = IMAGE_SHAPE, classes: int = CLASSES) -> int:
        """The number of weights of all layers, without biases and normalizers."""
        return sum(layer.weights for layer in self.layer_sizes(image_shape, classes))

    def weighted(self) -> int:
        """How many layers have weights, but for the output layer."""
        return len(self.widths())


class Mlp(Architecture):
    """Dense - [norm] - activation for each hidden width, then a dense layer for the classes."""

    kind: Literal["mlp"] = key("mlp", "a multilayer perceptron")
    hidden: tuple[Width, ...] = Field(
        description="widths of the hidden layers", max_length=MAX_LAYERS, strict=False
    )

    def widths(self) -> Sequence[int]:
        return self.hidden

    def layer_sizes(
        self, image_shape: Sequence[int] = IMAGE_SHAPE, classes: int = CLASSES
    ) -> Iterator[LayerSize]:
        inputs = start = math.prod(image_shape)
        for i, outputs in enumerate((*self.hidden, classes)):
            yield LayerSize(inputs * outputs, inputs, outputs, inputs * outputs)
            start = inputs if self.begins_block(i) else start
            if self.ends_block(i) and start != outputs:
                yield LayerSize(start * outputs, start, outputs, start * outputs)
            inputs = outputs

    @property
    def block_layers(self) -> int:
        """How many hidden layers a residual block has, if there are any."""
        return (self.residual and self.residual.layers) or BLOCK_LAYERS

    def begins_block(self, i: int) -> bool:
        """Whether hidden layer i, from 0, is the first of a residual block."""
        return self.residual is not None and i > 0 and (i - 1) % self.block_layers == 0

    def ends_block(self, i: int) -> bool:
        """Whether hidden layer i, from 0, is the last of a residual block."""
        return self.residual is not None and 0 < i < len(self.hidden) and self.begins_block(i + 1)


class ConvBlock(Strict):
    """A convolution, then norm and activation."""

    kind: Literal["conv"]
    features: Width = Field(description="the number of output channels")
    size: Side = key(3, "the side of the window")
    stride: Side = key(1, "how far the window moves")
    padding: Annotated[int, Field(ge=0, le=MAX_SIDE)] = key(
        0, "the width of the frame of zeros around the image"
    )


class ResidualBlock(Strict):
    """Convolutions, around which `model.residual` leads a skip connection."""

    kind: Literal["residual"]
    blocks: tuple[ConvBlock, ...] = Field(
        description="the convolutions", min_length=1, max_length=MAX_LAYERS, strict=False
    )


class PoolBlock(Strict):
    """The largest or the mean of each window."""

    kind: Literal[tuple(name for name in POOLS if name in POOLS.builtin)]  # type: ignore[valid-type]
    size: Side = key(2, "the side of the window")
    stride: Side | None = key(None, "how far the window moves; default: its size")
    padding: Annotated[int, Field(ge=0, le=MAX_SIDE)] = key(
        0, "the width of the frame around the image, which counts as no pixel"
    )


def output_side(block: ConvBlock | PoolBlock, side: int) -> int:
    """The side of the output for an image of this side; at least 1."""
    stride = block.stride or block.size
    return max((side + 2 * block.padding - block.size) // stride + 1, 1)


class GlobalPoolBlock(Strict):
    """The mean of each channel."""

    kind: Literal["global_average_pool"]


class DenseBlock(Strict):
    """A dense layer, then norm and activation."""

    kind: Literal["dense"]
    features: Width = Field(description="its width")


class _ByKind:
    """Annotation: one of the blocks above, or the options of a pooling that a user registered."""

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: self._blocks().validate_python(value)
        )

    def _blocks(self) -> TypeAdapter[Any]:
        registered = [
            options_class(POOLS.noun, name, cls)
            for name, cls in POOLS.items()
            if name not in POOLS.builtin
        ]
        return _blocks(
            (ConvBlock, ResidualBlock, PoolBlock, GlobalPoolBlock, DenseBlock, *registered)
        )

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        union = handler(self._blocks().core_schema)
        # Unlike elsewhere a bare name does not stand for {kind: NAME}.
        union["oneOf"] = [block.get("anyOf", [block])[-1] for block in union["oneOf"]]
        return union


@cache
def _blocks(kinds: tuple[type, ...]) -> TypeAdapter[Any]:
    union: Any = Union[kinds]  # noqa: UP007
    return TypeAdapter(Annotated[union, Field(discriminator="kind")])


Block = Annotated[Any, _ByKind()]


class Cnn(Architecture):
    """The blocks in order, then a dense layer for the classes."""

    kind: Literal["cnn"]
    blocks: tuple[Block, ...] = Field(
        description="the layers; each one with weights is followed by a norm and the activation",
        max_length=MAX_LAYERS,
        min_length=1,
        strict=False,
    )

    def widths(self) -> Sequence[int]:
        return [
            inner.features
            for block in self.blocks
            for inner in (block.blocks if isinstance(block, ResidualBlock) else (block,))
            if isinstance(inner, ConvBlock | DenseBlock)
        ]

    def layer_sizes(
        self, image_shape: Sequence[int] = IMAGE_SHAPE, classes: int = CLASSES
    ) -> Iterator[LayerSize]:
        """The image's height, width and channels are followed from block to block.

        A dense block has a weight for each number of the image before it and each of its units, and
        so has the output layer.
        """
        shape = tuple(image_shape)
        for block in (*self.blocks, DenseBlock(kind="dense", features=classes)):
            start = shape
            for inner in block.blocks if isinstance(block, ResidualBlock) else (block,):
                size, shape = _size_of_block(inner, shape)
                yield size
            if isinstance(block, ResidualBlock) and self.residual and shape != start:
                weights, places = start[2] * shape[2], shape[0] * shape[1]
                read, made = math.prod(start), math.prod(shape)
                yield LayerSize(weights, read, made, weights * places, places * start[2])


def _size_of_block(block: Any, shape: tuple[int, ...]) -> tuple[LayerSize, tuple[int, ...]]:
    """The size of a block of a CNN for images (H, W, C), and the shape of its output."""
    height, width, channels = shape
    inputs = height * width * channels
    weights = products = patches = 0
    if isinstance(block, ConvBlock | PoolBlock):
        height, width = output_side(block, height), output_side(block, width)
    if isinstance(block, ConvBlock):
        window = channels * block.size**2
        weights, patches = window * block.features, height * width * window
        products, channels = patches * block.features, block.features
    elif isinstance(block, DenseBlock):
        weights = products = inputs * block.features
        height, width, channels = 1, 1, block.features
    elif isinstance(block, GlobalPoolBlock):
        height, width = 1, 1
    elif isinstance(block, Options):
        image, random = (height, width, channels), np.random.default_rng(0)
        with suppress(ValueError):  # `check_shapes` says what does not fit
            (height, width, channels), _, _ = instantiate(block).init(random, image)
    size = LayerSize(weights, inputs, height * width * channels, products, patches)
    return size, (height, width, channels)


def _model_kind(value: Any) -> str | None:
    """The kind of a mapping or of a validated model; mlp if it has none."""
    kind = value.get("kind", "mlp") if isinstance(value, dict) else getattr(value, "kind", "mlp")
    return kind if isinstance(kind, str) else None


Model = Annotated[
    Annotated[Mlp, Tag("mlp")] | Annotated[Cnn, Tag("cnn")], Discriminator(_model_kind)
]
