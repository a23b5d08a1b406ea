"""The book's stream of random numbers: where each network of a sweep draws in it.

A script of the book calls `numpy.random.seed` once, and all that it draws comes from one stream.
It goes through rounds: each draws the weights of one or several networks, and then the batches that
these share. `stream_positions` says which round each point of a sweep is, and `drawn_values` gives
the numbers that a random search of the book draws at the start of its rounds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from numpy.random import RandomState

from bnexp.config.architecture import Mlp
from bnexp.config.experiment import Setting
from bnexp.config.load import Config
from bnexp.data.datasets import DATASETS
from bnexp.sweep.axes import sweep_error


@dataclass(frozen=True)
class StreamPosition:
    """Where a network draws in the book's stream of random numbers.

    The stream goes through rounds: number `round`, from 0, draws `uniforms` values of swept keys,
    then the weights of all its `networks`, of which this one is number `network`, and then trains
    them.
    """

    round: int
    network: int
    networks: int
    uniforms: int = 0

    @property
    def identity(self) -> list[int]:
        """What of it a network's id stands for."""
        place = [self.round, self.network, self.networks]
        return [*place, self.uniforms] if self.uniforms else place


def stream_positions(
    points: Sequence[Mapping[str, Any]], settings: Sequence[Setting], config: Config
) -> list[StreamPosition]:
    """The position of each point of a sweep, whatever the order of the sweep's keys.

    points: the swept keys and their values, of each point; settings: their settings.

    Points that agree in all but the keys `random.together` form a round. Rounds follow the order of
    the sweep; in each the networks with a norm are drawn first, as the book's script does.

    ConfigError unless all networks of a stream draw alike, because it goes on from one to the next.
    """
    random = config.experiment.random
    together = ("model.norm",) if random.together is None else random.together
    for i, key in enumerate(random.together or ()):
        if not any(_is_inside(name, key) for name in points[0]):
            expected = f"expected one of {', '.join(sorted(points[0]))}" if points[0] else "none is"
            text = f"not swept, {expected}, got {key!r}"
            raise sweep_error(("random", "together", i), text, config.document)
    rounds: dict[tuple[Any, ...], list[int]] = {}
    for number, point in enumerate(points):
        outside = tuple(
            (name, repr(value))
            for name, value in point.items()
            if not any(_is_inside(name, key) for key in together)
        )
        rounds.setdefault(outside, []).append(number)
    streams = rounds.values() if random.restart else [range(len(points))]
    if any(len({_draws(settings[number]) for number in stream}) > 1 for stream in streams):
        text = "sweeps what is drawn, expected one data set, one shape and one length of training"
        text += " with random.stream: book, got several; use random.stream: independent, or "
        text += "random.restart: true for a script that is run again"
        raise sweep_error(("sweep",), text, config.document)
    uniforms = len(drawn_ranges(config))
    positions: dict[int, StreamPosition] = {}
    for i, members in enumerate(rounds.values()):
        members.sort(key=lambda number: settings[number].model.norm is None)
        for place, number in enumerate(members):
            start = 0 if random.restart else i
            positions[number] = StreamPosition(start, place, len(members), uniforms)
    if any(
        settings[number].model.dropout and positions[number].networks > 1 for number in positions
    ):
        text = "several networks a round, expected one with dropout and random.stream: book; "
        text += "random.together: [] puts each into a round of its own"
        raise sweep_error(("sweep",), text, config.document)
    if len({position.networks for position in positions.values()}) > 1 and not random.restart:
        text = f"rounds of several sizes, expected {', '.join(together)} outside of zip for "
        raise sweep_error(("sweep",), f"{text}random.stream: book", config.document)
    return [positions[number] for number in range(len(points))]


def _is_inside(key: str, outer: str) -> bool:
    """Whether a dotted key is `outer` or a key of it."""
    return key == outer or key.startswith(f"{outer}.")


def _draws(setting: Setting) -> str:
    """What decides which random numbers the training of a network draws.

    Test images are only scored.
    """
    data, model, train = setting.data, setting.model, setting.train
    layers = model.hidden if isinstance(model, Mlp) else model.blocks
    length = (train.epochs, train.steps, train.batch_size, train.sampling, train.evaluate)
    images = (data.name, data.train, data.draw, data.validation)
    return str((images, layers, model.dropout is not None, length))


def drawn_ranges(config: Config) -> dict[str, tuple[float, float, int]]:
    """The swept keys whose values the book's stream draws, with [low, high, number]."""
    sweep = config.experiment.sweep
    return {
        key: values.book_loguniform
        for axes in (sweep.axes(), sweep.zip)
        for key, values in axes.items()
        if hasattr(values, "book_loguniform")
    }


def drawn_values(config: Config) -> dict[str, tuple[float, ...]]:
    """The values of these keys: 10 ** uniform(log10 low, log10 high), drawn before each round.

    The rounds before are drawn, too, so that the stream is where the script's is. ConfigError where
    a round is not one network of one seed, whose weights and batches can be counted beforehand.
    """
    ranges = drawn_ranges(config)
    if not ranges:
        return {}
    experiment = config.experiment
    data, model, train = experiment.data, experiment.model, experiment.train
    facts = DATASETS.get(data.name)
    countable = (
        experiment.random.stream == "book"
        and not experiment.random.restart
        and len(experiment.random.seeds) == 1
        and set(ranges) == {*experiment.sweep.axes(), *experiment.sweep.zip}
        and len({number for _, _, number in ranges.values()}) == 1
        and all(0 < low <= high for low, high, _ in ranges.values())
        and isinstance(model, Mlp)
        and model.dropout is None
        and isinstance(data.train, int)
        and train.steps is not None
        and isinstance(train.evaluate, tuple)
        and train.evaluate[-1] == train.steps
        and facts is not None
    )
    if not countable or not isinstance(model, Mlp) or facts is None:
        text = (
            "book_loguniform cannot be drawn, expected random.stream: book with one seed, an mlp, "
            "numbers for data.train and train.steps, train.evaluate as a list up to the last step, "
            "and [low, high, number] with low above 0 and one number for all swept keys"
        )
        raise sweep_error(("sweep",), text, config.document)
    sizes = [math.prod(facts.image_shape), *model.hidden, facts.classes]
    images, steps = int(data.train), int(train.steps or 0)
    order = images + data.validation if data.draw == "seed" else 0
    batches = (steps, images, train.batch_size)
    bounds = tuple((math.log10(low), math.log10(high)) for low, high, _ in ranges.values())
    number = next(iter(ranges.values()))[2]
    weights = sum(a * b for a, b in itertools.pairwise(sizes))
    drawn = _draw(experiment.random.seeds[0], order, number, bounds, weights, batches)
    return dict(zip(ranges, drawn, strict=True))


@lru_cache(maxsize=8)
def _draw(
    seed: int,
    order: int,
    number: int,
    bounds: tuple[tuple[float, float], ...],
    weights: int,
    batches: tuple[int, int, int],
) -> tuple[tuple[float, ...], ...]:
    """The values of each key in `number` rounds of so many weights and (steps, images, size)."""
    random, rows = RandomState(seed), []
    steps, images, size = batches
    if order:
        random.permutation(order)
    for _ in range(number):
        rows.append([10 ** random.uniform(low, high) for low, high in bounds])
        random.standard_normal(weights)
        for _ in range(steps):
            random.choice(images, size)
    return tuple(zip(*rows, strict=True))
