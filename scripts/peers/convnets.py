"""The second experiment: the book's ConvNet (section 7.5), with and without batch norm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np

from peers.sweep import BATCH, IMAGES, PIXELS, Array

FEATURES, WINDOW, POOL, HIDDEN, CLASSES = 30, 5, 2, 100, 10
POOLED = (PIXELS - WINDOW + 1) // POOL
RATE, BETA1, BETA2, EPS = 0.001, 0.9, 0.999, 1e-7  # Adam's, as the book has them
SCORED = 100

NORM = {"kind": "batch", "dialect": "pytorch"}  # per channel, of which all programs have one


@dataclass(frozen=True)
class ConvNets:
    """Networks of each weight scale and kind; their loss on some images is taken at the end."""

    scales: tuple[float, ...] = (0.01,)
    norms: tuple[bool, ...] = (False,)
    steps: int = 30
    data: str = "mnist"
    seed: int = 0

    base: ClassVar[str] = "book_convnet"

    @property
    def networks(self) -> int:
        return len(self.scales) * len(self.norms)

    def overrides(self) -> dict[str, Any]:
        """The same networks for bnexp's `book_convnet`."""
        return {
            "data.name": self.data,
            "data.train": IMAGES,
            "data.test": 0,
            "figures": [],
            "train.epochs": None,
            "train.steps": self.steps,
            "train.evaluate": [self.steps],
            "train.evaluate_train": SCORED,
            "random.seeds": [self.seed],
            "sweep.zip": None,
            "sweep.model.norm": [NORM if norm else "none" for norm in self.norms],
            "sweep.model.init.std": list(self.scales),
        }

    def small(self) -> ConvNets:
        return replace(self, steps=2)


@dataclass(frozen=True)
class Draws:
    """One network's initial weights, channels first as the book has them, and its batches."""

    norm: bool
    conv: Array  # (features, channels, height, width)
    dense: Array  # (channels * height * width, hidden)
    output: Array
    batches: Array  # (steps, BATCH), indices of images


def draws(nets: ConvNets) -> list[Draws]:
    """What bnexp draws: all networks of a seed start alike but for the scale."""
    weights, batches = (
        np.random.default_rng(np.random.SeedSequence(nets.seed, spawn_key=(role,)))
        for role in range(2)
    )
    conv = weights.standard_normal((WINDOW, WINDOW, FEATURES))
    dense = weights.standard_normal((POOLED, POOLED, FEATURES, HIDDEN))
    output = weights.standard_normal((HIDDEN, CLASSES))
    conv_first = conv.transpose(2, 0, 1)[:, None]
    dense_first = dense.transpose(2, 0, 1, 3).reshape(-1, HIDDEN)
    chosen = np.stack([batches.integers(0, IMAGES, BATCH) for _ in range(nets.steps)])
    return [
        Draws(norm, scale * conv_first, scale * dense_first, scale * output, chosen)
        for norm, scale in product(nets.norms, nets.scales)
    ]
