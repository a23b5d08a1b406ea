"""The experiment that every program runs: the book's weight-scale sweep, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

WIDTHS = (784, 100, 100, 100, 100, 100, 10)
IMAGES, BATCH, RATE, PER_EPOCH = 1000, 100, 0.01, 10
PIXELS = 28  # on each side

Array = NDArray[Any]


@dataclass(frozen=True)
class Sweep:
    """Weight scales, each with a network with batch norm and a plain one; `data` is a name."""

    exponents: tuple[int, int, int] = (0, -4, 16)  # for numpy.logspace
    epochs: int = 20
    data: str = "mnist"
    seed: int = 0

    base: ClassVar[str] = "book_weight_scale"

    @property
    def scales(self) -> Array:
        return np.logspace(*self.exponents)

    @property
    def networks(self) -> int:
        return 2 * len(self.scales)

    @property
    def updates(self) -> int:
        """The last evaluation is the last thing seen: after updates 1, 11, ..., 191."""
        return PER_EPOCH * (self.epochs - 1) + 1

    def overrides(self) -> dict[str, Any]:
        """The same sweep for bnexp's `book_weight_scale`."""
        scales = {"logspace": list(self.exponents)}
        return {
            "data.name": self.data,
            "train.epochs": self.epochs,
            "random.seeds": [self.seed],
            "sweep.model.init.std": scales,
        }

    def small(self) -> Sweep:
        """What a worker trains before its clock starts."""
        return Sweep(QUICK.exponents, QUICK.epochs, self.data)


QUICK = replace(Sweep(), exponents=(-1, -2, 2), epochs=3)


@dataclass(frozen=True)
class Draws:
    """One weight scale: the initial weights of its two networks, and their batches."""

    normed: list[Array]
    plain: list[Array]
    batches: Array  # (updates, BATCH), indices of images


def draws(sweep: Sweep) -> list[Draws]:
    """What the book's script draws after `numpy.random.seed(seed)`, in its order."""
    random = RandomState(sweep.seed)

    def weights(scale: float) -> list[Array]:
        return [scale * random.randn(fan_in, fan_out) for fan_in, fan_out in pairwise(WIDTHS)]

    return [
        Draws(weights(scale), weights(scale), _batches(random, sweep.updates))
        for scale in sweep.scales
    ]


def _batches(random: RandomState, updates: int) -> Array:
    return np.stack([random.choice(IMAGES, BATCH) for _ in range(updates)])


def images(name: str) -> tuple[Array, Array]:
    """A data set's first images: pixels byte / 255 in float32, (1000, 784), and labels."""
    from bnexp import data

    loaded = data.load(name)
    pixels = loaded.train_images[:IMAGES].reshape(IMAGES, -1)
    return np.divide(pixels, np.float32(255), dtype=np.float32), loaded.train_labels[:IMAGES]
