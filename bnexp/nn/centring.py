"""Mean subtraction alone, with a gradient that takes it into account or ignores it.

    y = x - E[x]

Ioffe & Szegedy 2015, section 2: where the gradient ignores that E[x] depends on the parameters, a
bias b before the subtraction gets the step Delta b although y, and so the loss, stays as it was; b
grows without bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bnexp.nn.dense import column_sums
from bnexp.nn.layer import Array, Generator, Parameters, Shape, State
from bnexp.nn.registry import knob


@dataclass(frozen=True)
class Centre:
    """Subtract the mean of each unit or channel over the batch; at evaluation the running mean."""

    gradient: Literal["exact", "ignored"] = knob(
        "exact", doc="ignored: computed as if the mean did not depend on the parameters"
    )
    stat_decay: float = knob(0.9, doc="the fraction of the running mean that is kept", ge=0, lt=1)

    def init(self, generator: Generator, shape: Shape) -> tuple[Shape, Parameters, State]:
        return shape, {}, {"mean": np.zeros((1, shape[-1]))}

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Any, State]:
        rows = x.reshape(len(x), -1, x.shape[-1])
        mean = column_sums(rows) / rows.shape[1] if train else state["mean"]
        y = (rows - mean).reshape(-1, *x.shape[1:])
        kept = self.stat_decay * state["mean"] + (1 - self.stat_decay) * mean
        return y, train, {"mean": kept} if train else state

    def backward(
        self, parameters: Parameters, cache: Any, dy: Array
    ) -> tuple[Array, dict[str, Array]]:
        if not cache or self.gradient == "ignored":
            return dy, {}
        rows = dy.reshape(len(dy), -1, dy.shape[-1])
        return (rows - column_sums(rows) / rows.shape[1]).reshape(dy.shape), {}

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None:
        return np.ones_like(state["mean"]), -state["mean"]
