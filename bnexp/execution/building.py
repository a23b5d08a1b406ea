"""From settings to what the training loop takes: networks, images, initial weights, batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from bnexp import nn
from bnexp.config.kinds import Options, make
from bnexp.config.schema import (
    Block,
    Cnn,
    ConvBlock,
    DenseBlock,
    GlobalPoolBlock,
    Initialiser,
    Mlp,
    PoolBlock,
    Setting,
)
from bnexp.data import Dataset
from bnexp.errors import ConfigError
from bnexp.execution.schedule import Schedule
from bnexp.nn.dropout import Dropout
from bnexp.nn.loss import Labels
from bnexp.plan import Cell
from bnexp.training import Images
from bnexp.training.images import is_small
from bnexp.training.streams import (
    SAMPLING,
    BookRound,
    Indices,
    Start,
    book,
    generator,
    together,
)
from bnexp.training.updating import Adjustments

ZEROS: Options = TypeAdapter(Initialiser).validate_python("zeros")


def network(setting: Setting, classes: int) -> nn.Network:
    """The network that a setting describes."""
    model = setting.model
    names = [*(str(i + 1) for i in range(model.weighted())), "output"]
    initialisers = iter([make(model.layer_init.get(name, model.init)) for name in names])
    after = nn.block(
        make(model.activation),
        make(model.norm) if model.norm else None,
        model.norm_position == "after",
        Dropout(model.dropout.ratio, model.dropout.scale) if model.dropout else None,
    )
    layers: list[nn.Layer] = []
    for spec in _blocks(model):
        if isinstance(spec, PoolBlock | GlobalPoolBlock):
            layers.append(_pool(spec))
        else:
            layers += [*_weighted(spec, next(initialisers), model), *after]
    output = nn.Dense(classes, next(initialisers))
    return nn.Network((*layers, *([nn.Flatten()] if isinstance(model, Cnn) else []), output))


def check_shapes(setting: Setting, loaded: Dataset) -> None:
    """ConfigError where a layer does not fit what comes before it."""
    blank = setting.model.model_copy(update={"init": ZEROS, "layer_init": {}})
    made = network(setting.model_copy(update={"model": blank}), loaded.classes)
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
    pool = nn.MaxPool if spec.kind == "max_pool" else nn.AveragePool
    return pool(spec.size, spec.stride or spec.size, spec.padding)


def adjustments(setting: Setting) -> Adjustments:
    """What the setting puts between a gradient and its step."""
    train = setting.train
    return Adjustments(train.l2, train.weight_decay, train.clip_norm, make(train.schedule))


@dataclass(frozen=True)
class Inputs:
    """The images that networks are trained on, scored on and tested on; an MLP's as rows.

    `shape` is one image's shape as weights are drawn for it. `used` are the pixels that are not
    blank in all training images: a blank one adds nothing to any product, and its weights' gradient
    is 0, so it is left out of training (of the book's 1,000 images 609 of 784 pixels are used).
    None: all are. Test images keep every pixel.
    """

    train: Images
    scored: Images
    test: Images | None
    shape: tuple[int, ...]
    used: NDArray[np.intp] | None


def inputs(setting: Setting, loaded: Dataset, dtype: np.dtype[np.floating]) -> Inputs:
    """The setting's images; ConfigError where there are too few test images."""
    train, train_labels = _first(loaded.train_images, loaded.train_labels, setting.data.train)
    test, test_labels = _first(loaded.test_images, loaded.test_labels, _test_size(setting, loaded))
    rows = isinstance(setting.model, Mlp)
    if rows:
        train, test = (pixels.reshape(len(pixels), train[0].size) for pixels in (train, test))
    shape, used = train.shape[1:], None
    if rows and is_small(train, dtype):
        used = np.flatnonzero(train.any(axis=0))
        train = train[:, used]
    train_set, scored = Images(train, train_labels, dtype), setting.train.evaluate_train
    return Inputs(
        train_set,
        train_set if scored == "all" else train_set.first(scored),
        Images(test, test_labels, dtype) if len(test) else None,
        shape,
        used,
    )


def _first(
    pixels: NDArray[np.uint8], labels: Labels, size: int | Literal["all"]
) -> tuple[NDArray[np.uint8], Labels]:
    end = len(labels) if size == "all" else size
    return pixels[:end], labels[:end]


def _test_size(setting: Setting, loaded: Dataset) -> int | Literal["all"]:
    size, available = setting.data.test, len(loaded.test_labels)
    if size != "all" and size > available:
        raise ConfigError(
            f"data.name {setting.data.name}: too few test images, expected at least {size} for "
            f"data.test, got {available}"
        )
    return size


@dataclass(frozen=True)
class Drawn:
    """A stack's initial parameters and state, its batches, and how trained parameters are made
    whole again where blank pixels were left out."""

    parameters: tuple[nn.Parameters, ...]
    state: tuple[nn.State, ...]
    batches: Iterator[Indices]
    whole: Callable[[Sequence[nn.Parameters]], Sequence[nn.Parameters]]


def draw(
    cells: Sequence[Cell],
    networks: Sequence[nn.Network],
    plan: Schedule,
    data: Inputs,
    dtype: np.dtype[np.floating],
) -> Drawn:
    """What the networks of a stack start from, K side by side in `dtype`."""
    replay = _book if cells[0].place else _independent
    starts, streams = replay(cells, networks, plan, data.shape)
    keyed = [_keyed(cell, state) for cell, (_, state) in zip(cells, starts, strict=True)]
    parameters = nn.stack([parameters for parameters, _ in starts], dtype)
    state, batches = nn.stack(keyed, dtype), together(streams)
    used = data.used
    if used is None:
        return Drawn(parameters, state, batches, lambda trained: trained)
    first, *others = parameters
    weights = first["W"]

    def whole(trained: Sequence[nn.Parameters]) -> Sequence[nn.Parameters]:
        full = weights.copy()
        full[:, used] = trained[0]["W"]
        return {**trained[0], "W": full}, *trained[1:]

    return Drawn(({**first, "W": weights[:, used]}, *others), state, batches, whole)


def _keyed(cell: Cell, state: tuple[nn.State, ...]) -> tuple[nn.State, ...]:
    """The state with a key for each dropout layer, from the cell's seed."""
    keys = generator(cell.seed, "dropout").integers(2**63, size=len(state), dtype=np.uint64)
    return tuple(
        {**own, "key": keys[i : i + 1]} if "key" in own else own for i, own in enumerate(state)
    )


def _independent(
    cells: Sequence[Cell],
    networks: Sequence[nn.Network],
    plan: Schedule,
    shape: tuple[int, ...],
) -> tuple[list[Start], list[Iterator[Indices]]]:
    training = cells[0].setting.train
    starts = [
        net.init(generator(cell.seed, "weights"), shape)
        for cell, net in zip(cells, networks, strict=True)
    ]
    seeds = [cell.seed for cell in cells]
    streams = [
        SAMPLING[training.sampling](generator(seed, "batches"), plan.images, training.batch_size)
        for seed in (seeds[:1] if len(set(seeds)) == 1 else seeds)
    ]
    return starts, streams


def _book(
    cells: Sequence[Cell],
    networks: Sequence[nn.Network],
    plan: Schedule,
    shape: tuple[int, ...],
) -> tuple[list[Start], list[Iterator[Indices]]]:
    drawn: dict[str, tuple[Start, Iterator[Indices]]] = {}
    for seed in {cell.seed for cell in cells}:
        own = [(c, net) for c, net in zip(cells, networks, strict=True) if c.seed == seed]
        wanted = [(c.place.round, c.place.network, net) for c, net in own if c.place]
        size = cells[0].place.networks if cells[0].place else 1
        batch_size = cells[0].setting.train.batch_size
        whole = BookRound(size, plan.points[-1], plan.images, batch_size)
        made = book(seed, whole, wanted, shape)
        drawn.update({c.id: start for (c, _), start in zip(own, made, strict=True)})
    pairs = [drawn[cell.id] for cell in cells]
    return [start for start, _ in pairs], [batches for _, batches in pairs]
