"""The loss along the gradient's direction. Santurkar et al. 2018, section 3.2 and figure 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bnexp.nn import Array, Parameters
from bnexp.probes.probe import Moment, Numbers, Pass, Reading, each, norm, of
from bnexp.registry import option


@dataclass(frozen=True)
class Landscape:
    """The loss L and its gradient g at theta - eta g(theta), theta being all parameters; one batch.

    loss_along, relative_loss_along: L there, and over L(theta); at = the step's factor.
    gradient_change_along: |g(theta) - g(theta - eta g)|, the paper's gradient predictiveness.
    loss_range: largest minus smallest loss over the steps. gradient_change: the largest change.
    smoothness: the largest change over |eta g|, the paper's effective beta-smoothness.
    """

    steps: tuple[float, ...] = option(
        (0.5, 1.0, 2.0, 4.0), doc="the values of eta, in units of `unit`"
    )
    unit: Literal["learning_rate", "one"] = option(
        "learning_rate", doc="learning_rate: multiples of it; one: eta itself"
    )

    def read(self, moment: Moment) -> Sequence[Reading]:
        here = moment.here
        passes = [moment.with_parameters(_moved(moment, self._eta(moment, s))) for s in self.steps]
        losses = np.stack([p.losses for p in passes], axis=-1).astype(np.float64)  # (K, steps)
        changes = np.stack([_changes(moment, here, p) for p in passes], axis=-1)
        lengths = each(moment.networks, lambda k: norm(_all(here.gradients, k)))
        etas = np.stack([self._eta(moment, s)[:, 0, 0] for s in self.steps], axis=-1)
        start = here.losses.astype(np.float64)
        slopes = changes / (etas * lengths[:, None])
        along = {
            "loss_along": losses,
            "relative_loss_along": losses / start[:, None],
            "gradient_change_along": changes,
        }
        whole = {
            "loss_range": losses.max(axis=1) - losses.min(axis=1),
            "gradient_change": changes.max(axis=1),
            "smoothness": slopes.max(axis=1),
        }
        at = tuple(self.steps)
        return [
            *(Reading(name, values[:, None], at=at) for name, values in along.items()),
            *(Reading(name, values[:, None, None]) for name, values in whole.items()),
        ]

    def _eta(self, moment: Moment, step: float) -> Array:
        """The step size of each network, (K, 1, 1)."""
        eta = step * (moment.lr if self.unit == "learning_rate" else np.ones_like(moment.lr))
        return eta.astype(moment.lr.dtype)


def _moved(moment: Moment, eta: Array) -> list[Parameters]:
    pairs = zip(moment.parameters, moment.here.gradients, strict=True)
    return [{name: p[name] - eta * g[name] for name in p} for p, g in pairs]


def _changes(moment: Moment, here: Pass, there: Pass) -> Numbers:
    def change(k: int) -> float:
        pairs = zip(_all(here.gradients, k), _all(there.gradients, k), strict=True)
        return norm([a - b for a, b in pairs])

    return each(moment.networks, change)


def _all(gradients: Sequence[dict[str, Array]], k: int) -> list[Any]:
    return [of(g, k) for layer in gradients for g in layer.values()]
