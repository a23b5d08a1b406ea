"""The schema of a network: its kind, its layers, and what stands between them."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from bnexp.config.options import OneOf, Options, Strict, text
from bnexp.nn import ACTIVATIONS, INITIALIZERS, NORMALIZERS

MAX_LAYERS = 200
MAX_WIDTH = 20_000
MAX_SIDE = 64

Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Activation = Annotated[Options, OneOf(ACTIVATIONS)]
Initializer = Annotated[Options, OneOf(INITIALIZERS)]
Normalizer = Annotated[Options | None, OneOf(NORMALIZERS, or_none=True)]


class Dropout(Strict):
    """Dropout after each hidden activation."""

    ratio: float = Field(description="the probability that a number is dropped", ge=0, lt=1)
    scale: Literal["inverted", "evaluation"] = text(
        "inverted",
        "divide by 1 - ratio in training (inverted) or multiply by it at evaluation (the book)",
    )


class Architecture(Strict):
    """What every network has, whatever its layers."""

    activation: Activation = text("relu", "the hidden layers' activation")
    norm: Normalizer = text("none", "the normalization of each hidden layer, or none")
    norm_position: Literal["before", "after"] = text(
        "before",
        "before: the norm precedes the activation (the paper, the book); after: it follows it",
    )
    bias: bool = text(
        True, "whether hidden layers have a bias; batch norm right after it cancels it"
    )
    dropout: Dropout | None = text(None, "dropout after each hidden activation; default: none")
    init: Initializer = text("he", "how weights are drawn; biases start at 0")
    layer_init: dict[str, Initializer] = text(
        {}, "a different init for single layers: 1 is the first with weights, output the last"
    )

    def weighted(self) -> int:
        """How many layers have weights, the output layer apart."""
        raise NotImplementedError


class Mlp(Architecture):
    """Dense - [norm] - activation for each hidden width, then a dense layer for the classes."""

    kind: Literal["mlp"] = text("mlp", "a multilayer perceptron")
    hidden: tuple[Width, ...] = Field(
        description="widths of the hidden layers", max_length=MAX_LAYERS, strict=False
    )

    def weighted(self) -> int:
        return len(self.hidden)


class ConvBlock(Strict):
    """A convolution, then norm and activation."""

    kind: Literal["conv"]
    features: Width = Field(description="the number of output channels")
    size: Side = text(3, "the side of the window")
    stride: Side = text(1, "how far the window moves")
    padding: Annotated[int, Field(ge=0, le=MAX_SIDE)] = text(
        0, "the width of the frame of zeros around the image"
    )


class PoolBlock(Strict):
    """The largest or the mean of each window."""

    kind: Literal["max_pool", "average_pool"]
    size: Side = text(2, "the side of the window")
    stride: Side | None = text(None, "how far the window moves; default: its size")
    padding: Annotated[int, Field(ge=0, le=MAX_SIDE)] = text(
        0, "the width of the frame around the image, which counts as no pixel"
    )


class GlobalPoolBlock(Strict):
    """The mean of each channel."""

    kind: Literal["global_average_pool"]


class DenseBlock(Strict):
    """A dense layer, then norm and activation."""

    kind: Literal["dense"]
    features: Width = Field(description="its width")


Block = Annotated[ConvBlock | PoolBlock | GlobalPoolBlock | DenseBlock, Field(discriminator="kind")]


class Cnn(Architecture):
    """The blocks in order, then a dense layer for the classes."""

    kind: Literal["cnn"]
    blocks: tuple[Block, ...] = Field(
        description="the layers; each one with weights is followed by a norm and the activation",
        max_length=MAX_LAYERS,
        min_length=1,
        strict=False,
    )

    def weighted(self) -> int:
        return sum(block.kind in ("conv", "dense") for block in self.blocks)


def _model_kind(value: Any) -> Any:
    kind = value.get("kind", "mlp") if isinstance(value, dict) else getattr(value, "kind", "mlp")
    return kind if isinstance(kind, str) else None


Model = Annotated[
    Annotated[Mlp, Tag("mlp")] | Annotated[Cnn, Tag("cnn")], Discriminator(_model_kind)
]


SIDE, CLASSES = 28, 10


def weights(model: Mlp | Cnn) -> int:
    """The weights of all layers, biases and normalizers apart."""
    if isinstance(model, Cnn):
        return _of_blocks(model)
    widths = (SIDE * SIDE, *model.hidden, CLASSES)
    return sum(a * b for a, b in itertools.pairwise(widths))


def _of_blocks(model: Cnn) -> int:
    number, side, channels = 0, SIDE, 1
    for block in model.blocks:
        if isinstance(block, ConvBlock):
            number += channels * block.features * block.size**2
            side, channels = _side(side, block, block.stride), block.features
        elif isinstance(block, PoolBlock):
            side = _side(side, block, block.stride or block.size)
        elif isinstance(block, DenseBlock):
            number += channels * side**2 * block.features
            side, channels = 1, block.features
        else:
            side = 1
    return number + channels * side**2 * CLASSES


def _side(side: int, block: ConvBlock | PoolBlock, stride: int) -> int:
    return max((side + 2 * block.padding - block.size) // stride + 1, 1)
