"""Update rules. They write into the parameters: the one place where arrays are changed in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bnexp.nn.layer import Array, Parameters, State
from bnexp.nn.registry import Registry, knob


@dataclass(frozen=True)
class SGD:
    """w <- w - lr * g."""

    lr: float = knob(0.01, doc="learning rate", gt=0)

    def init(self, parameters: Parameters) -> State:
        return {}

    def update(
        self, parameters: Parameters, gradients: dict[str, Array], state: State, lr: Array
    ) -> State:
        for name, w in parameters.items():
            step = gradients[name]
            step *= lr
            np.subtract(w, step, out=w)
        return state


@dataclass(frozen=True)
class Momentum:
    """v <- momentum * v - lr * g;  w <- w + v. The book's section 6.1.4."""

    lr: float = knob(0.01, doc="learning rate", gt=0)
    momentum: float = knob(0.9, doc="the fraction of the last update that is kept", ge=0, lt=1)

    def init(self, parameters: Parameters) -> State:
        return {name: np.zeros_like(w) for name, w in parameters.items()}

    def update(
        self, parameters: Parameters, gradients: dict[str, Array], state: State, lr: Array
    ) -> State:
        for name, w in parameters.items():
            step, v = gradients[name], state[name]
            step *= lr
            v *= self.momentum
            v -= step
            np.add(w, v, out=w)
        return state


OPTIMISERS = Registry("optimiser", {"sgd": SGD, "momentum": Momentum})
