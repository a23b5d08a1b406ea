"""A cell's lengths, once the number of images is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bnexp.config.rules import single_sample
from bnexp.config.schema import MAX_STEPS, Every, Setting
from bnexp.errors import ConfigError
from bnexp.plan import Cell
from bnexp.training.points import points, steps_per_epoch


@dataclass(frozen=True)
class Schedule:
    """Training images, steps an epoch, and the steps to evaluate after."""

    images: int
    per_epoch: int
    points: tuple[int, ...]
    probes: tuple[int, ...]


def schedule(cell: Cell, available: int) -> Schedule:
    """ConfigError where the `available` training images are too few for the cell's setting."""
    data, training = cell.setting.data, cell.setting.train
    images = available if data.train == "all" else data.train
    needed = max(images, training.batch_size)
    if needed > available:
        raise ConfigError(
            f"data.name {data.name}: too few training images, expected at least {needed} for "
            f"data.train and train.batch_size, got {available}"
        )
    if text := single_sample(cell.setting, images):
        raise ConfigError(f"train.batch_size: {text}")
    per_epoch = steps_per_epoch(images, training.batch_size, training.sampling)
    steps = training.steps or (training.epochs or 1) * per_epoch
    if steps > MAX_STEPS:
        raise ConfigError(
            f"train.epochs: too long, expected at most {MAX_STEPS:,} steps, got {steps:,}"
        )
    rule = training.evaluate or ("book" if cell.place else "epoch")
    if isinstance(rule, tuple) and rule[-1] > steps:
        raise ConfigError(
            f"train.evaluate: after the end, expected at most step {steps}, got {rule[-1]}"
        )
    scored = _points(rule, steps, per_epoch)
    return Schedule(images, per_epoch, scored, _probed(cell.setting, scored, per_epoch))


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
