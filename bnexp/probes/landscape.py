"""The loss along the gradient's direction. Santurkar et al. 2018, section 3.2 and figure 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bnexp.device import to_host
from bnexp.nn import Array
from bnexp.nn.protocols import Gradients
from bnexp.probes.base import (
    Grid,
    Numbers,
    Pass,
    Reading,
    Site,
    TrainingStep,
    norm,
    of_network,
    per_network,
)
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

    quantity_names = (
        "loss_along",
        "relative_loss_along",
        "gradient_change_along",
        "loss_range",
        "gradient_change",
        "smoothness",
    )

    def grids(self, sites: Sequence[Site]) -> Sequence[Grid]:
        """Quantities of the network: those `_along` at the values of eta, the others a number."""
        return [
            Grid(name, at=tuple(self.steps)) if name.endswith("_along") else Grid(name)
            for name in self.quantity_names
        ]

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """The quantities above: those `_along` are (K, 1, steps), the others (K, 1, 1)."""
        networks, start = step.networks, step.current
        etas = [self._eta(step, factor) for factor in self.steps]
        passes = [_pass_at(step, eta) for eta in etas]
        losses = np.stack([_on_host(p.losses) for p in passes], axis=-1)  # (K, steps)
        changes = np.stack([_changes(networks, start, end) for end in passes], axis=-1)
        lengths = per_network(networks, lambda k: norm(_of_all(start.gradients, k)))
        sizes = np.stack([to_host(eta)[:, 0, 0] for eta in etas], axis=-1)
        slopes = changes / (sizes * lengths[:, None])
        numbers = {
            "loss_along": losses,
            "relative_loss_along": losses / _on_host(start.losses)[:, None],
            "gradient_change_along": changes,
            "loss_range": (losses.max(axis=1) - losses.min(axis=1))[:, None],
            "gradient_change": changes.max(axis=1)[:, None],
            "smoothness": slopes.max(axis=1)[:, None],
        }
        return [grid.reading(numbers[grid.quantity][:, None]) for grid in self.grids(step.sites)]

    def _eta(self, step: TrainingStep, factor: float) -> Array:
        """The step size of each network, (K, 1, 1)."""
        lr = step.lr
        eta = factor * (lr if self.unit == "learning_rate" else np.ones_like(lr))
        return eta.astype(lr.dtype)


def _on_host(losses: Array) -> Numbers:
    """Losses (K,) in float64."""
    numbers: Numbers = to_host(losses).astype(np.float64)
    return numbers


def _pass_at(step: TrainingStep, eta: Array) -> Pass:
    """The pass at theta - eta g(theta)."""
    pairs = zip(step.parameters, step.current.gradients, strict=True)
    return step.with_parameters([{name: p[name] - eta * g[name] for name in p} for p, g in pairs])


def _changes(networks: int, start: Pass, end: Pass) -> Numbers:
    """The distance of each network's gradients in two passes, (K,)."""

    def change(k: int) -> float:
        pairs = zip(_of_all(start.gradients, k), _of_all(end.gradients, k), strict=True)
        return norm([a - b for a, b in pairs])

    return per_network(networks, change)


def _of_all(gradients: Sequence[Gradients], k: int) -> list[Any]:
    """Network k's gradients of all parameters of all layers."""
    return [of_network(g, k) for layer in gradients for g in layer.values()]
