"""Batch norm with noise after it that changes its outputs' distribution at every step.

Santurkar et al. 2018, section 2.1: each unit's outputs get a random mean and a random scale, drawn
anew at every step, and each sample its own around them. It puts back the shift that batch norm is
said to take away, and trains about as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator as RandomGenerator
from numpy.random import Philox

from bnexp.nn.batchnorm import BatchNorm
from bnexp.nn.layer import Array, Generator, Parameters, Shape, State
from bnexp.nn.registry import knob


@dataclass(frozen=True)
class NoisyBatchNorm:
    """Batch norm followed by noise: y = scale * BN(x) + shift in training, BN(x) at evaluation.

    Each step and unit: mu ~ U(-mean, mean), sigma ~ U(1, deviation); each sample of it then
    shift ~ U(mu - jitter, mu + jitter), scale ~ N(sigma, jitter^2). The numbers follow from the
    state, as dropout's masks do: a key for each network and the number of steps made.
    """

    mean: float = knob(0.5, doc="the largest mean that the noise gives a unit", ge=0)
    deviation: float = knob(1.25, doc="the largest factor by which it scales a unit", ge=1)
    jitter: float = knob(
        0.1, doc="how far the noise of single samples is from that of their unit", ge=0
    )
    eps: float = knob(1e-5, doc="epsilon of the batch norm", ge=0)
    stat_decay: float = knob(
        0.9, doc="the fraction of a running statistic that is kept", ge=0, lt=1
    )

    @property
    def norm(self) -> BatchNorm:
        return BatchNorm(eps=self.eps, stat_decay=self.stat_decay)

    def init(self, generator: Generator, shape: Shape) -> tuple[Shape, Parameters, State]:
        shape, parameters, state = self.norm.init(generator, shape)
        own = {"key": np.zeros(1, np.uint64), "steps": np.zeros(1, np.uint64)}
        return shape, parameters, {**state, **own}

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Any, State]:
        y, cache, running = self.norm.forward(parameters, state, x, train)
        if not train:
            return y, (cache, None), state
        noise = [self._noise(*pair, y.shape[1:]) for pair in _keys(state)]
        scale, shift = (np.stack(part).astype(y.dtype) for part in zip(*noise, strict=True))
        own = {"key": state["key"], "steps": state["steps"] + np.uint64(1)}
        return scale * y + shift, (cache, scale), {**running, **own}

    def backward(
        self, parameters: Parameters, cache: Any, dy: Array
    ) -> tuple[Array, dict[str, Array]]:
        inner, scale = cache
        return self.norm.backward(parameters, inner, dy if scale is None else dy * scale)

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None:
        return self.norm.evaluated(parameters, state)

    def _noise(self, key: int, step: int, shape: Shape) -> tuple[Array, Array]:
        """Scale and shift of one network's outputs (N, ..., units)."""
        random = RandomGenerator(Philox(key=[key, step]))
        units = shape[-1]
        mu = random.uniform(-self.mean, self.mean, units)
        sigma = random.uniform(1, self.deviation, units)
        shift = mu + random.uniform(-self.jitter, self.jitter, shape)
        return sigma + self.jitter * random.standard_normal(shape), shift


def _keys(state: State) -> list[tuple[int, int]]:
    return list(zip(state["key"][:, 0].tolist(), state["steps"][:, 0].tolist(), strict=True))
