"""What a stack starts from: initial parameters and state of its networks, and their batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bnexp import nn
from bnexp.execution.inputs import Inputs
from bnexp.execution.schedule import Schedule
from bnexp.plan import Cell
from bnexp.training.streams import (
    SAMPLING,
    BookRound,
    Indices,
    Start,
    book,
    generator,
    together,
)


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
    drawn = [_calibrated(*pair, data) for pair in zip(networks, starts, strict=True)]
    parameters = nn.stack(drawn, dtype)
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


def _calibrated(net: nn.Network, start: Start, data: Inputs) -> tuple[Mapping[str, nn.Array], ...]:
    """One network's parameters, fitted to the first training images where something asks."""
    if not net.calibrates:
        return start[0]
    parameters, state = (nn.stack([part], np.float64) for part in start)
    made = net.calibrated(parameters, state, data.calibration())
    return tuple({name: array[0] for name, array in layer.items()} for layer in made)


def _keyed(cell: Cell, state: tuple[nn.State, ...]) -> tuple[nn.State, ...]:
    """The state with a key for each layer that draws while it trains, from the cell's seed."""
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
