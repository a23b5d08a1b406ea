"""From settings to what the training loop takes: networks, images, initial weights, batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bnexp import nn
from bnexp.config.kinds import make
from bnexp.config.schema import Setting
from bnexp.data import Dataset
from bnexp.errors import ConfigError
from bnexp.execution.schedule import Schedule
from bnexp.plan import Cell
from bnexp.training import Images
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


def images(
    setting: Setting, loaded: Dataset, dtype: np.dtype[np.floating]
) -> tuple[Images, Images, Images | None]:
    """The images to train on, the training images to score, and the test images to score."""
    size, scored = setting.data.train, setting.train.evaluate_train
    flat = loaded.train_images.reshape(len(loaded.train_images), -1)
    end = None if size == "all" else size
    train_set = Images(flat[:end], loaded.train_labels[:end], dtype)
    part = train_set if scored == "all" else train_set.first(scored)
    return train_set, part, _test_images(setting, loaded, dtype)


def _test_images(setting: Setting, loaded: Dataset, dtype: np.dtype[np.floating]) -> Images | None:
    size, available = setting.data.test, len(loaded.test_labels)
    if size == 0:
        return None
    end = available if size == "all" else size
    if end > available:
        raise ConfigError(
            f"data.name {setting.data.name}: too few test images, expected at least {end} for "
            f"data.test, got {available}"
        )
    return Images(loaded.test_images.reshape(available, -1)[:end], loaded.test_labels[:end], dtype)


def draw(
    cells: Sequence[Cell],
    networks: Sequence[nn.Network],
    plan: Schedule,
    shape: tuple[int, ...],
) -> tuple[list[Start], Iterator[Indices]]:
    """Each network's initial parameters and state, and the stack's batches."""
    replay = _book if cells[0].place else _independent
    starts, streams = replay(cells, networks, plan, shape)
    return starts, together(streams)


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
