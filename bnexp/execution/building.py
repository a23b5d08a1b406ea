"""From a setting to its network: the layers that the configuration describes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import TypeAdapter

from bnexp import nn
from bnexp.config.kinds import Options, make
from bnexp.config.network import (
    Block,
    Cnn,
    ConvBlock,
    DenseBlock,
    GlobalPoolBlock,
    Initialiser,
    Mlp,
    PoolBlock,
)
from bnexp.config.schema import Setting
from bnexp.data import Dataset
from bnexp.errors import ConfigError
from bnexp.nn.dropout import Dropout
from bnexp.training.updating import Adjustments

POOLS: Mapping[str, type[nn.MaxPool | nn.AveragePool]] = {
    "max_pool": nn.MaxPool,
    "average_pool": nn.AveragePool,
}
ZEROS: Options = TypeAdapter(Initialiser).validate_python("zeros")


def network(setting: Setting, classes: int) -> nn.Network:
    """The network that a setting describes."""
    model, norm = setting.model, make(setting.model.norm) if setting.model.norm else None
    around = getattr(norm, "around", None)  # a norm of the weights, not of activations
    names = [*(str(i + 1) for i in range(model.weighted())), "output"]
    initialisers = iter([make(model.layer_init.get(name, model.init)) for name in names])
    after = nn.block(
        make(model.activation),
        None if around else norm,
        model.norm_position == "after",
        Dropout(model.dropout.ratio, model.dropout.scale) if model.dropout else None,
    )
    layers: list[nn.Layer] = []
    for spec in _blocks(model):
        if isinstance(spec, PoolBlock | GlobalPoolBlock):
            layers.append(_pool(spec))
        else:
            *before, weighted = _weighted(spec, next(initialisers), model)
            layers += [*before, around(weighted) if around else weighted, *after]
    output = nn.Dense(classes, next(initialisers))
    return nn.Network((*layers, *([nn.Flatten()] if isinstance(model, Cnn) else []), output))


def blank(setting: Setting, classes: int) -> nn.Network:
    """The network whose weights start at 0: quickly made where only its shapes matter."""
    model = setting.model.model_copy(update={"init": ZEROS, "layer_init": {}})
    return network(setting.model_copy(update={"model": model}), classes)


def check_shapes(setting: Setting, loaded: Dataset) -> None:
    """ConfigError where a layer does not fit what comes before it."""
    made = blank(setting, loaded.classes)
    shape = loaded.train_images.shape[1:]
    if isinstance(setting.model, Mlp):
        shape = (math.prod(shape),)
    try:
        made.init(np.random.default_rng(0), shape)
    except ValueError as error:
        raise ConfigError(f"model: layers do not fit together, {error}") from None


def _blocks(model: Mlp | Cnn) -> Sequence[Block]:
    if isinstance(model, Cnn):
        return model.blocks
    return [DenseBlock(kind="dense", features=width) for width in model.hidden]


def _weighted(
    spec: ConvBlock | DenseBlock, initialiser: nn.Initialiser, model: Mlp | Cnn
) -> list[nn.Layer]:
    if isinstance(spec, ConvBlock):
        window = spec.stride, spec.padding
        return [nn.Conv(spec.features, spec.size, initialiser, *window, model.bias)]
    dense = nn.Dense(spec.features, initialiser, model.bias)
    return [nn.Flatten(), dense] if isinstance(model, Cnn) else [dense]


def _pool(spec: PoolBlock | GlobalPoolBlock) -> nn.Layer:
    if isinstance(spec, GlobalPoolBlock):
        return nn.GlobalAveragePool()
    return POOLS[spec.kind](spec.size, spec.stride or spec.size, spec.padding)


def adjustments(setting: Setting) -> Adjustments:
    """What the setting puts between a gradient and its step."""
    train = setting.train
    return Adjustments(train.l2, train.weight_decay, train.clip_norm, make(train.schedule))
