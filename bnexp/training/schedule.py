"""The training schedule of a network: the steps at which things happen, once the data are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bnexp.config.experiment import MAX_STEPS, Every
from bnexp.config.messages import SettingError
from bnexp.sweep import Network

Rule = Literal["book", "epoch", "cs231n", "ends"]


@dataclass(frozen=True)
class TrainingSchedule:
    """When a network is scored and probed.

    images: the number of training images. per_epoch: steps an epoch. evaluations, probes: the steps
    after which the network is scored, and its probes are read; 0 is before the first update.
    Training ends at the last of `evaluations`.
    """

    images: int
    per_epoch: int
    evaluations: Sequence[int]
    probes: Sequence[int]


@dataclass(frozen=True)
class TrainingLength:
    """How long a network is trained, and how often it is scored and probed."""

    images: int
    per_epoch: int
    steps: int
    scored: int
    probed: int


def training_length(network: Network, available: int) -> TrainingLength:
    """As `make_schedule`, but of times only their number: nothing as long as the training is made.

    SettingError where the training is too long.
    """
    data, training = network.setting.data, network.setting.train
    images = available if data.train == "all" else data.train
    per_epoch = steps_per_epoch(images, training.batch_size, training.sampling)
    steps = training.steps or (training.epochs or 1) * per_epoch
    if steps > MAX_STEPS:
        text = f"too long, expected at most {MAX_STEPS:,} steps, got {steps:,}"
        raise SettingError(("train", "epochs"), text)
    scored = count_of_rule(scoring_rule(network), steps, per_epoch)
    probes = network.setting.probes
    probed = scored if probes else 0
    if probes and probes.at is not None:
        probed = count_of_rule(probes.at, steps, per_epoch)
    return TrainingLength(images, per_epoch, steps, scored, probed)


def scoring_rule(network: Network) -> Any:
    """The network's `train.evaluate`, or its default."""
    return network.setting.train.evaluate or ("book" if network.place else "epoch")


def make_schedule(network: Network, available: int) -> TrainingSchedule:
    """The network's schedule where `available` training images are there.

    They are enough for the setting (`bnexp.execution.build.check_counts`), and those that are held
    out are not among them. SettingError where something is to happen after the end.
    """
    length, rule = training_length(network, available), scoring_rule(network)
    images, per_epoch, steps = length.images, length.per_epoch, length.steps
    if isinstance(rule, tuple) and rule[-1] > steps:
        text = f"after the end, expected at most step {steps}, got {rule[-1]}"
        raise SettingError(("train", "evaluate"), text)
    scored = steps_of_rule(rule, steps, per_epoch)
    probes = network.setting.probes
    if probes is None or probes.at is None:
        return TrainingSchedule(images, per_epoch, scored, scored if probes else ())
    probed = steps_of_rule(probes.at, scored[-1], per_epoch)
    if probed[-1] > scored[-1]:
        text = f"after the end, expected at most step {scored[-1]}, where the networks are scored "
        raise SettingError(("probes", "at"), f"{text}last, got {probed[-1]}")
    return TrainingSchedule(images, per_epoch, scored, probed)


def steps_per_epoch(images: int, batch_size: int, sampling: str) -> int:
    """Updates that count as one pass; drawing with replacement, the book's and CS231n's N // B."""
    if sampling == "all":
        return 1
    if sampling == "shuffle":
        return math.ceil(images / batch_size)
    return max(images // batch_size, 1)


def steps_of_rule(
    rule: Rule | Every | Sequence[int] | Any, steps: int, per_epoch: int
) -> Sequence[int]:
    """The steps after which `train.evaluate` or `probes.at` asks for something, ascending.

    `rule` is a name, an interval, or the steps themselves; `steps` is the length of the training.
    Steps at equal distances are a range, which takes no memory however many there are.
    """
    if isinstance(rule, Every):
        return range(rule.every, steps + 1, rule.every) or (steps,)
    if not isinstance(rule, str):
        return tuple(rule)
    if rule == "ends":
        return (0, steps) if steps else (0,)
    if rule == "book":
        return range(1, steps + 1, per_epoch) or (steps,)
    if rule == "epoch" and steps % per_epoch == 0:
        return range(per_epoch, steps + 1, per_epoch) or (steps,)
    ends = [*range(per_epoch, steps, per_epoch), steps]
    return tuple(ends if rule == "epoch" else sorted({min(1, steps), *ends}))


def count_of_rule(rule: Any, steps: int, per_epoch: int) -> int:
    """How many steps `steps_of_rule` returns."""
    if isinstance(rule, Every):
        return max(steps // rule.every, 1)
    if not isinstance(rule, str):
        return len(rule)
    if rule == "ends":
        return 1 + (steps > 0)
    epochs = max(math.ceil(steps / per_epoch), 1)
    return epochs + (rule == "cs231n" and min(per_epoch, steps) > 1)
