"""One update of all parameters: regularization, clipping, schedule, and the optimizer's rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnexp.nn import Array, Optimizer, Parameters, State
from bnexp.nn.optimizers import Constant, Schedule
from bnexp.nn.protocols import Gradients


@dataclass(frozen=True)
class Adjustments:
    """What stands between a gradient and its step; by default nothing does.

    l2: adds l2 * W to the gradient of each weight, as the loss term l2 / 2 * sum(W^2) of the book's
        section 6.4.2 does.
    weight_decay: takes lr * weight_decay * W from each weight, apart from the gradient
        (Loshchilov & Hutter 2019).
    decay_also: what l2 and weight_decay act on besides weights, "bias", "gamma" or "beta"; by
        default these are left alone.
    only: the parameters that are trained, among "weights", "bias", "gamma", "beta" and "scale"; by
        default all are.
    clip_norm: scales a network's whole gradient down to this norm where it is longer.
    schedule: the factor on the learning rate at each step.
    """

    l2: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    schedule: Schedule = field(default_factory=Constant)
    decay_also: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def decayed(self) -> tuple[str, ...]:
        """The names of the parameters that decay.

        Weights, also the length of a normalized weight, whose square is that of its length; and
        those of `decay_also`.
        """
        return ("W", "length", *("b" if name == "bias" else name for name in self.decay_also))

    def trained(self, layer: Parameters) -> dict[str, Array]:
        """Those of a layer's arrays, parameters or gradients by name, that are trained."""
        names = {name for kind in self.only for name in PARAMETERS.get(kind, (kind,))}
        return {name: a for name, a in layer.items() if name in names or not self.only}


# What parameters are called in a configuration, where layers have other names for them.
PARAMETERS = {"weights": ("W", "direction", "length"), "bias": ("b",)}
UNADJUSTED = Adjustments()


def update(
    adjustments: Adjustments,
    optimizer: Optimizer,
    lr: Array,
    parameters: Sequence[Parameters],
    gradients: Sequence[Gradients],
    opt_state: Sequence[State],
    step: tuple[int, int],
) -> list[State]:
    """Update the parameters in place at step (t, of T); returns the optimizer's new state.

    `lr` is (K, 1, 1). Parameters, gradients (which may be written over) and the optimizer's state
    have an entry per layer, each with arrays (K, ...).
    """
    factor = adjustments.schedule.factor(*step)
    lr = lr if factor == 1.0 else lr * factor
    parameters = [adjustments.trained(layer) for layer in parameters]
    gradients = [adjustments.trained(layer) for layer in gradients]
    pairs = zip(parameters, gradients, strict=True)
    decayed = [(p[name], g[name]) for p, g in pairs for name in adjustments.decayed if name in p]
    if adjustments.l2:
        for p, g in decayed:
            g += adjustments.l2 * p
    if adjustments.clip_norm is not None:
        clip(gradients, adjustments.clip_norm)
    if adjustments.weight_decay:
        for p, _ in decayed:
            p -= lr * adjustments.weight_decay * p
    return [
        {**layer_state, **_checked(optimizer.update(p, g, layer_state, lr), optimizer)}
        for p, g, layer_state in zip(parameters, gradients, opt_state, strict=True)
    ]


def _checked(state: Any, optimizer: Optimizer) -> State:
    """What `update` of the optimizer has returned; TypeError if it is no state of a layer."""
    if not isinstance(state, Mapping):
        raise TypeError(
            f"optimizer {type(optimizer).__name__}: update: expected the new state as a mapping, "
            f"got {type(state).__name__}"
        )
    return state


def clip(gradients: Sequence[Gradients], norm: float) -> None:
    """Scale each network's gradient, over all layers, to at most `norm`; in place.

    g <- g * min(1, norm / ||g||) (Pascanu et al. 2013). The norm is computed in float64.
    """
    arrays = [g for layer in gradients for g in layer.values()]
    squares = sum(np.square(g).sum(axis=(1, 2), dtype=np.float64) for g in arrays)
    with np.errstate(divide="ignore"):
        factor = np.minimum(1.0, norm / np.sqrt(squares))[:, None, None]
    for g in arrays:
        g *= factor.astype(g.dtype)
