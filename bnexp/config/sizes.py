"""How many weights a network has, estimated before its images are known: as if they were MNIST."""

from __future__ import annotations

import itertools

from bnexp.config.network import Cnn, ConvBlock, DenseBlock, Mlp, PoolBlock

SIDE, CLASSES = 28, 10


def weights(model: Mlp | Cnn) -> int:
    """The weights of all layers, biases and normalisers apart."""
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
