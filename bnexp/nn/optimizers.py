"""Optimizers and learning-rate schedules.

An optimizer's rule gives, from a gradient g, its state and the learning rate, the step that w is
moved by. Rules write into the parameters: the one place where arrays are changed in place. A rule
here is the printed equation for one parameter, `step(w, g, lr, ...)`; the arrays of its state come
after the rate, in the order of `state_arrays`.

Parameters and gradients are (K, ...) of equal shapes; the gradients are used up. The learning rate
is an array (K, 1, 1); the option `lr` is where the configuration has it from. A schedule multiplies
it by a factor that depends on the step.

>>> w, g = {"W": np.ones((1, 1, 1))}, {"W": np.full((1, 1, 1), 2.0)}
>>> rule = Momentum(momentum=0.5)
>>> state = rule.init(w)
>>> for step in range(2):
...     state = rule.update(w, {"W": g["W"].copy()}, state, np.full((1, 1, 1), 0.1))
>>> round(w["W"].item(), 4)  # 1 - 0.2, then 0.5 * 0.2 + 0.2 less
0.5
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from bnexp.nn.protocols import Array, Gradients, Parameters, State
from bnexp.registry import Registry, option


@dataclass(frozen=True)
class Schedule:
    """The factor at step t = 1, 2, ... of `steps`; the first `warmup` steps rise to it linearly."""

    warmup: int = option(
        0, doc="the number of steps over which the rate rises linearly from 0", ge=0
    )

    def factor(self, step: int, steps: int) -> float:
        """min(1, t / (warmup + 1)) * after_warmup(t)."""
        return min(1.0, step / (self.warmup + 1)) * self.after_warmup(step, steps)

    def after_warmup(self, step: int, steps: int) -> float:
        """The factor at step t of `steps`, the linear rise apart."""
        return 1.0


@dataclass(frozen=True)
class Constant(Schedule):
    """The learning rate does not change."""


@dataclass(frozen=True)
class StepDecay(Schedule):
    """The factor gamma^floor((t - 1) / every)."""

    every: int = option(1000, doc="how many steps there are between two falls of the rate", ge=1)
    gamma: float = option(0.1, doc="the factor by which it falls", gt=0, le=1)

    def after_warmup(self, step: int, steps: int) -> float:
        """gamma^floor((t - 1) / every)."""
        return self.gamma ** ((step - 1) // self.every)


@dataclass(frozen=True)
class Cosine(Schedule):
    """The factor end + (1 - end) * (1 + cos(pi (t - 1) / steps)) / 2. Loshchilov & Hutter 2017."""

    end: float = option(0.0, doc="the factor after the last step", ge=0, le=1)

    def after_warmup(self, step: int, steps: int) -> float:
        """end + (1 - end) * (1 + cos(pi (t - 1) / steps)) / 2."""
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * (step - 1) / steps)) / 2


SCHEDULES: Registry[type] = Registry(
    "schedule",
    {"constant": Constant, "step": StepDecay, "cosine": Cosine},
    methods=("factor",),
)


@dataclass(frozen=True)
class Rule:
    """What the rules share: the loop over parameters, and a state of arrays like them.

    A subclass names its state's arrays in `state_arrays`, and has

        step(w, g, lr, *arrays)

    which changes one parameter w and its arrays in place. w, g and the arrays are (K, ...) of one
    shape, and lr is (K, 1, 1); g may be written over. The state maps "v W" to the array v of the
    parameter W; all start at 0.
    """

    lr: float = option(0.01, doc="the learning rate", gt=0)

    state_arrays: ClassVar[tuple[str, ...]] = ()
    step: ClassVar[Callable[..., None]]

    def init(self, parameters: Parameters) -> State:
        """An array of zeros (K, ...) for each of `state_arrays` and each parameter."""
        return {
            f"{array} {name}": np.zeros_like(w)
            for array in self.state_arrays
            for name, w in parameters.items()
        }

    def update(
        self, parameters: Parameters, gradients: Gradients, state: State, lr: Array
    ) -> State:
        """One step of every parameter, in place; returns the state, whose arrays have changed."""
        for name, w in parameters.items():
            arrays = (state[f"{array} {name}"] for array in self.state_arrays)
            self.step(w, gradients[name], lr, *arrays)
        return state


@dataclass(frozen=True)
class SGD(Rule):
    """w <- w - lr * g."""

    def step(self, w: Array, g: Array, lr: Array) -> None:
        """w <- w - lr * g."""
        g *= lr
        w -= g


@dataclass(frozen=True)
class Momentum(Rule):
    """v <- momentum * v - lr * g;  w <- w + v. The book's section 6.1.4.

    State:
        v (K, ...), the velocity; it contains the rate, unlike PyTorch's momentum buffer. The two
        agree as long as the rate does not change.
    """

    momentum: float = option(0.9, doc="the fraction of the last update that is kept", ge=0, lt=1)

    state_arrays = ("v",)

    def step(self, w: Array, g: Array, lr: Array, v: Array) -> None:
        """v <- momentum * v - lr * g;  w <- w + v."""
        g *= lr
        v *= self.momentum
        v -= g
        w += v


@dataclass(frozen=True)
class Nesterov(Rule):
    """v <- momentum * v - lr * g;  w <- w + momentum * v - lr * g. Sutskever et al. 2013; PyTorch.

    Computed as in Bengio et al. 2012, equation 7, where the step is the same number written with
    the velocity before its update: w <- w + momentum^2 * v_old - (1 + momentum) * lr * g. The
    book's code has this equation since 2021-01-18 (dialect book). Before, it took the updated v in
    its place, another rule: dialect book_2016.
    """

    momentum: float = option(0.9, doc="the fraction of the last update that is kept", ge=0, lt=1)
    velocity: Literal["old", "new"] = option("old", doc="which v is used in Bengio's formula")

    DIALECTS: ClassVar[Registry[Mapping[str, Any]]] = Registry(
        "nesterov dialect",
        {"standard": {}, "book": {}, "book_2016": {"velocity": "new"}},
        instance_of=Mapping,
    )
    state_arrays = ("v",)

    def step(self, w: Array, g: Array, lr: Array, v: Array) -> None:
        """Bengio's equation with v before its update, or (velocity new) after it."""
        m = self.momentum
        if self.velocity == "old":
            w += m * m * v
        v *= m
        v -= lr * g
        if self.velocity == "new":
            w += m * m * v
        g *= (1 + m) * lr
        w -= g


@dataclass(frozen=True)
class AdaGrad(Rule):
    """h <- h + g^2;  w <- w - lr * g / (sqrt(h) + eps). Duchi et al. 2011.

    State:
        h (K, ...), the sum of squared gradients: each weight's rate can only fall.
    """

    eps: float = option(1e-7, doc="added to keep the division finite", gt=0)

    state_arrays = ("h",)

    def step(self, w: Array, g: Array, lr: Array, h: Array) -> None:
        """h <- h + g^2;  w <- w - lr * g / (sqrt(h) + eps)."""
        h += g * g
        w -= lr * g / (np.sqrt(h) + self.eps)


@dataclass(frozen=True)
class RMSprop(Rule):
    """h <- decay * h + (1 - decay) * g^2;  w <- w - lr * g / (sqrt(h) + eps).

    Source:
        Tieleman & Hinton 2012, lecture 6.5.

    State:
        h (K, ...), the running average of g^2.
    """

    decay: float = option(0.99, doc="the fraction of h that is kept", ge=0, lt=1)
    eps: float = option(1e-7, doc="added to keep the division finite", gt=0)

    state_arrays = ("h",)

    def step(self, w: Array, g: Array, lr: Array, h: Array) -> None:
        """h <- decay * h + (1 - decay) * g^2;  w <- w - lr * g / (sqrt(h) + eps)."""
        h *= self.decay
        h += (1 - self.decay) * g * g
        w -= lr * g / (np.sqrt(h) + self.eps)


@dataclass(frozen=True)
class Adam(Rule):
    """m, v: running averages of g, g^2;  w <- w - lr * m' / (sqrt(v') + eps). Kingma & Ba 2015.

    m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t). The book puts both corrections into the rate,
    lr * sqrt(1 - beta2^t) / (1 - beta1^t), where eps is not corrected: dialect book.

    State:
        m, v (K, ...) of each parameter, and `steps`, the number t of updates so far.

    Source:
        Algorithm 1 of the paper; the book's order is the one at the end of its section 2, with
        eps for the paper's epsilon hat.
    """

    lr: float = option(0.001, doc="the learning rate", gt=0)
    beta1: float = option(
        0.9, doc="the fraction of the running average of gradients that is kept", ge=0, lt=1
    )
    beta2: float = option(
        0.999, doc="the fraction of the running average of squares that is kept", ge=0, lt=1
    )
    eps: float = option(1e-8, doc="added to keep the division finite", gt=0)
    correction: Literal["moments", "rate"] = option(
        "moments", doc="where the initial bias is corrected: in m and v, or in the rate"
    )

    DIALECTS: ClassVar[Registry[Mapping[str, Any]]] = Registry(
        "adam dialect",
        {"standard": {}, "book": {"eps": 1e-7, "correction": "rate"}},
        instance_of=Mapping,
    )
    state_arrays = ("m", "v")

    def init(self, parameters: Parameters) -> State:
        """m and v of each parameter (K, ...), and the number of steps t, all 0."""
        return {**super().init(parameters), "steps": np.zeros((), np.int64)}

    def update(
        self, parameters: Parameters, gradients: Gradients, state: State, lr: Array
    ) -> State:
        """One step of every parameter, in place; the state with its number of steps increased.

        Both corrections are put into the rate; if eps is to be corrected, it is multiplied by that
        of v instead, which is the same equation.
        """
        t = int(state["steps"]) + 1
        first, second = 1 - self.beta1**t, math.sqrt(1 - self.beta2**t)
        eps = self.eps * second if self.correction == "moments" else self.eps
        for name, w in parameters.items():
            g, m, v = gradients[name], state[f"m {name}"], state[f"v {name}"]
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            w -= lr * second / first * m / (np.sqrt(v) + eps)
        return {**state, "steps": np.array(t)}


OPTIMIZERS: Registry[type] = Registry(
    "optimizer",
    {
        "sgd": SGD,
        "momentum": Momentum,
        "nesterov": Nesterov,
        "adagrad": AdaGrad,
        "rmsprop": RMSprop,
        "adam": Adam,
    },
    methods=("init", "update"),
)
