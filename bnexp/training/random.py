"""Random numbers: initial weights and batches of each network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator, RandomState
from numpy.typing import NDArray

from bnexp.nn import Parameters, Sequential, State

Indices = NDArray[np.integer[Any]]
Start = tuple[tuple[Parameters, ...], tuple[State, ...]]

ROLES = ("weights", "batches", "dropout")


def generator(seed: int, role: str) -> Generator:
    """One generator a seed and role: networks of a seed share initial draws and batches."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(ROLES.index(role),)))


def with_replacement(random: Generator, images: int, size: int) -> Iterator[Indices]:
    while True:
        yield random.integers(0, images, size)


def shuffle(random: Generator, images: int, size: int) -> Iterator[Indices]:
    """Each epoch a new permutation; its last batch is short where `size` does not divide it."""
    while True:
        order = random.permutation(images)
        for start in range(0, images, size):
            yield order[start : start + size]


SAMPLING = {"with_replacement": with_replacement, "shuffle": shuffle}


@dataclass(frozen=True)
class BookRound:
    """What one round of the book's loop draws: `networks` networks, then `steps` batches."""

    networks: int
    steps: int
    images: int
    batch_size: int


# The generator's states at the start of each round, by what the rounds draw: a worker trains
# several stacks of an experiment, and drawing what other stacks use costs 4 % of the time.
_round_starts: dict[Any, list[Any]] = {}


def book(
    seed: int,
    plan: BookRound,
    wanted: Sequence[tuple[int, int, Sequential]],
    shape: tuple[int, ...],
) -> list[tuple[Start, Iterator[Indices]]]:
    """Replay the book's script after `numpy.random.seed(seed)`.

    `wanted` are networks by their round and their place in it; networks of one experiment all draw
    alike, so any of them can stand in for those that are skipped. The order, read off the script:
    per weight scale the weights of one network after another (`randn`), then its batches
    (`choice`).
    """
    networks = {(place, which): network for place, which, network in wanted}
    stand_in = wanted[0][2]
    random = RandomState(seed)
    widths = tuple(getattr(layer, "features", None) for layer in stand_in.layers)
    starts = _round_starts.setdefault((seed, plan, shape, widths), [random.get_state()])
    made: dict[int, tuple[list[Start], list[Indices]]] = {}
    for place in range(max(place for place, _, _ in wanted) + 1):
        if place + 1 < len(starts) and all(place != other for other, _, _ in wanted):
            continue
        random.set_state(starts[place])
        row = [networks.get((place, i), stand_in) for i in range(plan.networks)]
        made[place] = (
            [network.init(random, shape) for network in row],
            [random.choice(plan.images, plan.batch_size) for _ in range(max(plan.steps, 1))],
        )
        if place + 1 == len(starts):
            starts.append(random.get_state())
    return [(made[place][0][which], iter(made[place][1])) for place, which, _ in wanted]


class Peekable:
    """Batches of which the next one can be seen before it is taken."""

    def __init__(self, batches: Iterator[Indices]) -> None:
        self._batches = batches
        self._last: Indices | None = None
        self._seen: Indices | None = None

    def take(self) -> Indices:
        self._last = next(self._batches) if self._seen is None else self._seen
        self._seen = None
        return self._last

    def peek(self) -> Indices:
        """The batch that `take` gives next; after the end of the stream the last one again."""
        if self._seen is None:
            self._seen = next(self._batches, self._last)
        assert self._seen is not None, "a stream has at least one batch"
        return self._seen


def together(streams: Sequence[Iterator[Indices]]) -> Iterator[Indices]:
    """Batches of K networks, (K, N) a step, or (1, N) from a single shared stream."""
    return (np.stack(step) for step in zip(*streams, strict=False))
