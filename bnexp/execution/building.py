"""From settings to what the training loop takes: networks, images, initial weights, batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bnexp import nn
from bnexp.config.kinds import make
from bnexp.config.schema import Setting
from bnexp.data import Dataset
from bnexp.errors import ConfigError
from bnexp.execution.schedule import Schedule
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


def network(setting: Setting, classes: int) -> nn.Network:
    """The network that a setting describes."""
    model = setting.model
    names = [*(str(i + 1) for i in range(len(model.hidden))), "output"]
    return nn.mlp(
        (*model.hidden, classes),
        make(model.activation),
        make(model.norm) if model.norm else None,
        [make(model.layer_init.get(name, model.init)) for name in names],
    )


@dataclass(frozen=True)
class Inputs:
    """The images that networks are trained on, scored on and tested on, as rows of numbers.

    `shape` is one image's shape as weights are drawn for it. `used` are the pixels that are not
    blank in all of these images: a blank one adds nothing to any product, and its weights' gradient
    is 0, so it is left out (of the book's 1,000 images 609 of 784 pixels are used). None: all are.
    """

    train: Images
    scored: Images
    test: Images | None
    shape: tuple[int, ...]
    used: NDArray[np.intp] | None


def inputs(setting: Setting, loaded: Dataset, dtype: np.dtype[np.floating]) -> Inputs:
    """The setting's images; ConfigError where there are too few test images."""
    train, train_labels = _rows(loaded.train_images, loaded.train_labels, setting.data.train)
    test, test_labels = _rows(loaded.test_images, loaded.test_labels, _test_size(setting, loaded))
    shape, used = train.shape[1:], None
    if is_small(train, dtype) and is_small(test, dtype):
        used = np.flatnonzero(train.any(axis=0) | test.any(axis=0))
        train, test = train[:, used], test[:, used]
    train_set, scored = Images(train, train_labels, dtype), setting.train.evaluate_train
    return Inputs(
        train_set,
        train_set if scored == "all" else train_set.first(scored),
        Images(test, test_labels, dtype) if len(test) else None,
        shape,
        used,
    )


def _rows(
    pixels: NDArray[np.uint8], labels: Labels, size: int | Literal["all"]
) -> tuple[NDArray[np.uint8], Labels]:
    end = len(labels) if size == "all" else size
    return pixels.reshape(len(pixels), -1)[:end], labels[:end]


def _test_size(setting: Setting, loaded: Dataset) -> int | Literal["all"]:
    size, available = setting.data.test, len(loaded.test_labels)
    if size != "all" and size > available:
        raise ConfigError(
            f"data.name {setting.data.name}: too few test images, expected at least {size} for "
            f"data.test, got {available}"
        )
    return size


def draw(
    cells: Sequence[Cell], networks: Sequence[nn.Network], plan: Schedule, data: Inputs
) -> tuple[list[Start], Iterator[Indices]]:
    """Each network's initial parameters and state, and the stack's batches."""
    replay = _book if cells[0].place else _independent
    starts, streams = replay(cells, networks, plan, data.shape)
    if data.used is not None:
        starts = [(_without_blank(p, data.used), state) for p, state in starts]
    return starts, together(streams)


def _without_blank(
    parameters: tuple[nn.Parameters, ...], used: NDArray[np.intp]
) -> tuple[nn.Parameters, ...]:
    """The parameters with only those rows of the first layer's weights that see a used pixel."""
    first, *others = parameters
    return {**first, "W": first["W"][used]}, *others


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
