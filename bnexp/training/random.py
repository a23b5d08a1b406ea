"""Random numbers: initial weights and batches of each network.

Networks draw in one of two ways. Independently: a generator of its own for each seed and role
(`generator`), so that networks of one seed start alike and see the same batches. Or by the book: a
replay of its script, in which all networks of an experiment draw from one stream (`replay_book`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator, RandomState
from numpy.typing import NDArray

from bnexp.nn import Parameters, Sequential, State
from bnexp.nn.book import stream_state

Indices = NDArray[np.integer[Any]]
Start = tuple[tuple[Parameters, ...], tuple[State, ...]]

ROLES = ("weights", "batches", "dropout", "images", "labels")


def generator(seed: int, role: str) -> Generator:
    """One generator a seed and role: networks of a seed share initial draws and batches."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(ROLES.index(role),)))


@dataclass(frozen=True)
class Draw:
    """Numbers that a generator drew, its state after them, and what was drawn next by arguments."""

    numbers: Any
    state: Any
    following: dict[tuple[Any, ...], Draw]


class SharedGenerator:
    """A generator whose draws are made once for all networks that ask for the same ones.

    Networks of one seed draw alike as long as their layers ask alike: each has a generator of its
    own, and these share `start`. The numbers are those of `numpy.random.Generator`, to be changed
    at will. Whatever else such a generator has, a network that asks for it goes on with one of its
    own.
    """

    def __init__(self, start: Draw) -> None:
        self._last = start
        self._own: Generator | None = None

    def standard_normal(self, size: Any = None) -> Any:
        return self._draw("standard_normal", size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return self._draw("uniform", low, high, size)

    def __getattr__(self, name: str) -> Any:
        if self._own is None:
            self._own = _generator_at(self._last.state)
        return getattr(self._own, name)

    def _draw(self, method: str, *arguments: Any) -> Any:
        if self._own is not None or not all(isinstance(a, _PLAIN) for a in arguments):
            return self.__getattr__(method)(*arguments)
        key = (method, *arguments)
        if key not in self._last.following:
            generator = _generator_at(self._last.state)
            numbers = getattr(generator, method)(*arguments)
            self._last.following[key] = Draw(numbers, generator.bit_generator.state, {})
        self._last = self._last.following[key]
        numbers = self._last.numbers
        return numbers.copy() if isinstance(numbers, np.ndarray) else numbers


_PLAIN = (int, float, tuple, type(None))


def first_draw(generator: Generator) -> Draw:
    """What `SharedGenerator`s start from, to draw what this generator would."""
    return Draw(None, generator.bit_generator.state, {})


def _generator_at(state: Any) -> Generator:
    generator = np.random.default_rng(0)
    generator.bit_generator.state = state
    return generator


def with_replacement(random: Generator, images: int, size: int) -> Iterator[Indices]:
    """Batches of `size` images of which one may be drawn again, in a batch and in an epoch."""
    while True:
        yield random.integers(0, images, size)


def shuffle(random: Generator, images: int, size: int) -> Iterator[Indices]:
    """Each epoch a new permutation; its last batch is short where `size` does not divide it."""
    while True:
        order = random.permutation(images)
        for start in range(0, images, size):
            yield order[start : start + size]


def all_images(random: Generator, images: int, size: int) -> Iterator[Indices]:
    """All images in their order, in every batch; nothing is drawn."""
    while True:
        yield np.arange(images)


def by_class(random: Generator, labels: Indices, size: int, classes: int) -> Iterator[Indices]:
    """Batches with images of few classes (Ioffe 2017, section 4.3), drawn with replacement.

    Each batch draws so many `classes`, or all that there are, and has `size` images, of each class
    equally many up to one, in a random order.
    """
    images = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[images], return_index=True, return_counts=True)
    while True:
        drawn = random.permutation(len(counts))[:classes]
        batch = drawn[random.permutation(size) % len(drawn)]
        yield images[starts[batch] + random.integers(0, counts[batch])]


SAMPLING = {"with_replacement": with_replacement, "shuffle": shuffle, "all": all_images}


def noisy_labels(
    random: Generator, labels: NDArray[np.int64], probability: float
) -> NDArray[np.int64]:
    """The labels (N,), of which each is another class with this probability (Nakkiran et al. 2020).

    Every other class that occurs among the labels is as likely. The labels that change at a lower
    probability change to the same classes at a higher one.
    """
    classes, numbers = np.unique(labels, return_inverse=True)
    changed = random.random(len(labels)) < probability
    others = numbers + random.integers(1, max(len(classes), 2), len(labels))
    noisy: NDArray[np.int64] = np.where(changed, classes[others % len(classes)], labels)
    return noisy


@dataclass(frozen=True)
class BookRound:
    """What one round of the book's loop draws: `networks` networks, then `steps` batches.

    sampling: with_replacement, or all, where batches are not drawn.
    masks: the widths of the masks that dropout draws after each batch.
    uniforms: how many values of swept keys are drawn before the networks.
    first: what the script draws before its first round, of how many images: ("order", n) or
        ("inputs", n, numbers an image); nothing by default.
    """

    networks: int
    steps: int
    images: int
    batch_size: int
    sampling: str = "with_replacement"
    masks: tuple[int, ...] = ()
    uniforms: int = 0
    first: tuple[Any, ...] = ()


def draw_first(random: RandomState, first: tuple[Any, ...]) -> Any:
    """What a script draws before its first round: an order of images, their numbers, or nothing."""
    match first:
        case ("order", number):
            return random.permutation(number)
        case ("inputs", number, size):
            return random.standard_normal((number, size))
    return None


# The generator's states at the start of each round, by what the rounds draw: a worker trains
# several stacks of an experiment, and drawing what other stacks use costs 4 % of the time.
_round_starts: dict[Any, list[Any]] = {}


def replay_book(
    seed: int,
    plan: BookRound,
    networks: Sequence[tuple[int, int, Sequential]],
    shape: tuple[int, ...],
) -> list[tuple[Start, Iterator[Indices]]]:
    """Replay the book's script (ch06/batch_norm_test.py) after `numpy.random.seed(seed)`.

    The order, read off the script: per weight scale, which is a round, the weights of one network
    after another (`randn`), then its batches (`choice`).

    `networks` are those whose draws are returned, each with its round and its place in it. Networks
    of one experiment all draw alike, so any of them can stand in for those that are left out.
    `shape` is one image's. Returns parameters and state, and the batches, of each network.
    """
    by_place = {(number, place): network for number, place, network in networks}
    stand_in = networks[0][2]
    random = RandomState(seed)
    draw_first(random, plan.first)
    widths = tuple(getattr(layer, "features", None) for layer in stand_in.layers)
    starts = _round_starts.setdefault((seed, plan, shape, widths), [random.get_state()])
    rounds: dict[int, tuple[list[Start], list[Indices]]] = {}
    needed = {number for number, _, _ in networks}
    for number in range(max(needed) + 1):
        if number + 1 < len(starts) and number not in needed:
            continue
        random.set_state(starts[number])
        row = [by_place.get((number, place), stand_in) for place in range(plan.networks)]
        random.random_sample(plan.uniforms)
        drawn = [network.init(random, shape) for network in row]
        stream = stream_state(random)[None]
        batches: list[Indices] = []
        for _ in range(max(plan.steps, 1)):
            if plan.sampling == "all":
                batches.append(np.arange(plan.images))
                continue
            batches.append(random.choice(plan.images, plan.batch_size))
            for width in plan.masks:  # which the layers draw for themselves
                random.random_sample((plan.batch_size, width))
        rounds[number] = (
            [
                (parameters, tuple({**s, "stream": stream} if "stream" in s else s for s in state))
                for parameters, state in drawn
            ],
            batches,
        )
        # In one operation: another thread may be replaying the same rounds.
        starts[number + 1 : number + 2] = [random.get_state()]
    return [(rounds[number][0][place], iter(rounds[number][1])) for number, place, _ in networks]


class BatchStream:
    """Batches of which the next one can be seen before it is taken."""

    def __init__(self, batches: Iterator[Indices]) -> None:
        self._batches = batches
        self._last: Indices | None = None
        self._peeked: Indices | None = None

    def take(self) -> Indices:
        """The next batch."""
        self._last = next(self._batches) if self._peeked is None else self._peeked
        self._peeked = None
        return self._last

    def peek(self) -> Indices:
        """The batch that `take` gives next; after the end of the stream the last one again."""
        if self._peeked is None:
            self._peeked = next(self._batches, self._last)
        assert self._peeked is not None, "a stream has at least one batch"
        return self._peeked


def stack_batches(
    streams: Sequence[Iterator[Indices]], rows: Sequence[int] | None = None
) -> Iterator[Indices]:
    """Batches of K networks, (K, N) a step, or (1, N) from a single shared stream.

    rows: which of the streams each network has; None: each its own.
    """
    steps = (np.stack(step) for step in zip(*streams, strict=False))
    return steps if rows is None else (step[rows] for step in steps)
