"""A cell's lengths, once the number of images is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bnexp.config.experiment import MAX_STEPS, Every, Setting
from bnexp.config.rules import single_sample
from bnexp.errors import ConfigError
from bnexp.sweep import Network

Rule = Literal["book", "epoch", "cs231n"]


def steps_per_epoch(images: int, batch_size: int, sampling: str) -> int:
    """Updates that count as one pass; drawing with replacement, the book's and CS231n's N // B."""
    if sampling == "shuffle":
        return math.ceil(images / batch_size)
    return max(images // batch_size, 1)


def points(rule: Rule | int | Sequence[int], steps: int, per_epoch: int) -> tuple[int, ...]:
    """The steps to evaluate after, ascending and at most `steps`; `rule` may be an interval."""
    if isinstance(rule, int):
        return tuple(range(rule, steps + 1, rule)) or (steps,)
    if not isinstance(rule, str):
        return tuple(rule)
    ends = [*range(per_epoch, steps, per_epoch), steps]
    starts = range(1, steps + 1, per_epoch) or (steps,)
    table = {"book": starts, "epoch": ends, "cs231n": sorted({1, *ends})}
    return tuple(table[rule])


@dataclass(frozen=True)
class Schedule:
    """Training images, steps an epoch, and the steps to evaluate after."""

    images: int
    per_epoch: int
    points: tuple[int, ...]
    probes: tuple[int, ...]


def schedule(network: Network, available: int) -> Schedule:
    """ConfigError where the `available` training images are too few for the cell's setting."""
    data, training = network.setting.data, network.setting.train
    images = available if data.train == "all" else data.train
    needed = max(images, training.batch_size)
    if needed > available:
        raise ConfigError(
            f"data.name {data.name}: too few training images, expected at least {needed} for "
            f"data.train and train.batch_size, got {available}"
        )
    if text := single_sample(network.setting, images):
        raise ConfigError(f"train.batch_size: {text}")
    per_epoch = steps_per_epoch(images, training.batch_size, training.sampling)
    steps = training.steps or (training.epochs or 1) * per_epoch
    if steps > MAX_STEPS:
        raise ConfigError(
            f"train.epochs: too long, expected at most {MAX_STEPS:,} steps, got {steps:,}"
        )
    rule = training.evaluate or ("book" if network.place else "epoch")
    if isinstance(rule, tuple) and rule[-1] > steps:
        raise ConfigError(
            f"train.evaluate: after the end, expected at most step {steps}, got {rule[-1]}"
        )
    scored = _points(rule, steps, per_epoch)
    return Schedule(images, per_epoch, scored, _probed(network.setting, scored, per_epoch))


def _probed(setting: Setting, scored: tuple[int, ...], per_epoch: int) -> tuple[int, ...]:
    """The steps that probes read after, up to the last evaluation, where the training ends."""
    if setting.probes is None:
        return ()
    if setting.probes.at is None:
        return scored
    wanted = _points(setting.probes.at, scored[-1], per_epoch)
    if wanted[-1] > scored[-1]:
        raise ConfigError(
            f"probes.at: after the end, expected at most step {scored[-1]}, where the networks are "
            f"scored last, got {wanted[-1]}"
        )
    return wanted


def _points(rule: Any, steps: int, per_epoch: int) -> tuple[int, ...]:
    return points(rule.every if isinstance(rule, Every) else rule, steps, per_epoch)
