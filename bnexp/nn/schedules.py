"""Learning-rate schedules: the factor on the learning rate at each step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bnexp.nn.registry import Registry, knob


@dataclass(frozen=True)
class Schedule:
    """The factor at step t = 1, 2, ... of `steps`; the first `warmup` steps rise to it linearly."""

    warmup: int = knob(0, doc="the number of steps over which the rate rises linearly from 0", ge=0)

    def factor(self, step: int, steps: int) -> float:
        return min(1.0, step / (self.warmup + 1)) * self.after_warmup(step, steps)

    def after_warmup(self, step: int, steps: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Constant(Schedule):
    """The learning rate does not change."""


@dataclass(frozen=True)
class StepDecay(Schedule):
    """The factor gamma^floor((t - 1) / every)."""

    every: int = knob(1000, doc="how many steps there are between two falls of the rate", ge=1)
    gamma: float = knob(0.1, doc="the factor by which it falls", gt=0, le=1)

    def after_warmup(self, step: int, steps: int) -> float:
        return self.gamma ** ((step - 1) // self.every)


@dataclass(frozen=True)
class Cosine(Schedule):
    """The factor end + (1 - end) * (1 + cos(pi (t - 1) / steps)) / 2. Loshchilov & Hutter 2017."""

    end: float = knob(0.0, doc="the factor after the last step", ge=0, le=1)

    def after_warmup(self, step: int, steps: int) -> float:
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * (step - 1) / steps)) / 2


SCHEDULES = Registry("schedule", {"constant": Constant, "step": StepDecay, "cosine": Cosine})
