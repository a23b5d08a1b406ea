"""Batch normalisation (Ioffe & Szegedy 2015), each convention that programs differ in a knob.

    mu    = mean of x over the batch
    var   = sum (x - mu)^2 / (N - ddof)
    y     = gamma * (x - mu) / sqrt(var + eps) + beta

At evaluation mu and var are replaced by what `evaluation` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from bnexp.nn.dense import column_sums
from bnexp.nn.layer import Array, Generator, Parameters, Shape, State
from bnexp.nn.registry import knob


class Cache(NamedTuple):
    """What backward needs: x - mu (K, N, H), and rows (K, 1, H)."""

    centred: Array
    var: Array
    inverse: Array  # 1 / sqrt(var + eps)
    scale: Array  # gamma * inverse


@dataclass(frozen=True)
class BatchNorm:
    """Normalise each feature over the batch; input and output (K, N, H), N >= 2 to be of any use.

    A batch of one gives y = beta, as in the book (PyTorch refuses it). The state holds the running
    averages of mean and variance as if they had started at 0, and `unseen` = stat_decay^t, the
    share that their initial values still have after t updates. The defaults are the book's.
    """

    eps: float = knob(1e-6, doc="what keeps the division finite", ge=0)
    eps_placement: Literal["inside", "outside"] = knob(
        "inside", doc="inside: sqrt(var + eps); outside: sqrt(var) + eps"
    )
    stat_decay: float = knob(
        0.9, doc="the fraction of a running statistic kept at each update", ge=0, le=1
    )
    ddof: Literal[0, 1] = knob(0, doc="normalise with the variance over N - ddof")
    running_ddof: Literal[0, 1] = knob(0, doc="average the variance over N - running_ddof")
    running_var: float = knob(0.0, doc="the running variance before the first update", ge=0)
    evaluation: Literal["running", "debiased", "population", "batch"] = knob(
        "running",
        doc="statistics at evaluation. running: the running averages; debiased: these without "
        "their initial values; population: the average over training batches of the fixed "
        "network, variance m/(m-1) (Algorithm 2); batch: those of the evaluated set itself",
    )
    affine: bool = knob(True, doc="scale by gamma and shift by beta, both trained")

    DIALECTS: ClassVar[dict[str, dict[str, Any]]] = {
        "book": {},
        "cs231n": {"eps": 1e-5},
        "paper": {"eps": 1e-5, "running_ddof": 1, "evaluation": "population"},
        "pytorch": {"eps": 1e-5, "running_ddof": 1, "running_var": 1.0},
        "keras": {"eps": 1e-3, "stat_decay": 0.99, "running_var": 1.0},
        "tensorflow": {"eps": 1e-3, "stat_decay": 0.99, "running_var": 1.0, "running_ddof": 1},
    }

    def init(self, generator: Generator, shape: Shape) -> tuple[Shape, Parameters, State]:
        row = (1, shape[-1])
        affine = {"gamma": np.ones(row), "beta": np.zeros(row)} if self.affine else {}
        return (
            shape,
            affine,
            {
                "mean": np.zeros(row),
                "var": np.zeros(row),
                "unseen": np.ones((1, 1)),
            },
        )

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Cache | None, State]:
        if not train and self.evaluation != "batch":
            scale, shift = self._affine(parameters, state)
            return x * scale + shift, None, state
        mean = column_sums(x)
        mean /= x.shape[-2]
        centred = x - mean
        squares = column_sums(centred * centred)
        var = squares / self._count(x, self.ddof)
        inverse = self._inverse(var)
        scale = inverse * parameters["gamma"] if self.affine else inverse
        y = centred * scale
        if self.affine:
            y += parameters["beta"]
        if train:
            state = self._averaged(state, mean, squares / self._count(x, self.running_ddof))
        return y, Cache(centred, var, inverse, scale), state

    def backward(
        self, parameters: Parameters, cache: Cache, dy: Array
    ) -> tuple[Array, dict[str, Array]]:
        """With r = 1 / sqrt(var + eps) and c = x - mu, sums and means over the batch:

            dx = gamma * r * (dy - mean(dy)) - gamma * slope * c * sum(dy * c) / (N - ddof)

        where slope = -2 dr/dvar, which is r^3 with eps inside the root.
        """
        centred, _, inverse, scale = cache
        gamma: Array | float = parameters["gamma"] if self.affine else 1.0
        product = dy * centred
        along = column_sums(product)  # sum of dy * (x - mu)
        total = column_sums(dy)
        gradients = {"gamma": along * inverse, "beta": total} if self.affine else {}
        along = self._times_slope(along, cache) * (gamma / self._count(dy, self.ddof))
        dx = dy * scale
        dx -= np.multiply(centred, along, out=product)
        dx -= scale * total / dy.shape[-2]
        return dx, gradients

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None:
        """Scale and shift, rows (K, 1, H), of the evaluated layer; None where the batch decides."""
        return None if self.evaluation == "batch" else self._affine(parameters, state)

    def statistics(self, state: State) -> tuple[Array, Array]:
        """Mean and variance to evaluate with, (K, 1, H); before any update the initial ones."""
        mean, var, unseen = state["mean"], state["var"], state["unseen"]
        if self.evaluation != "debiased":
            return mean, var + self.running_var * unseen
        seen = np.where(unseen < 1, 1 - unseen, 1)
        return mean / seen, np.where(unseen < 1, var / seen, self.running_var)

    def averaging(self, seen: int) -> BatchNorm:
        """This layer with running statistics that weigh `seen` batches and the next one alike."""
        return replace(self, stat_decay=seen / (seen + 1), running_ddof=1)

    @staticmethod
    def _count(x: Array, ddof: int) -> int:
        """N - ddof; 1 for a single sample, whose squares are 0."""
        samples: int = x.shape[-2]
        return max(samples - ddof, 1)

    def _inverse(self, var: Array) -> Array:
        outside = self.eps_placement == "outside"
        root: Array = np.sqrt(var) + self.eps if outside else np.sqrt(var + self.eps)
        return np.reciprocal(root)

    def _times_slope(self, along: Array, cache: Cache) -> Array:
        """One factor after another: the slope alone overflows where the deviations are tiny."""
        once = along * cache.inverse
        if self.eps_placement == "inside":
            return once * cache.inverse * cache.inverse
        std = np.sqrt(cache.var)  # a constant feature has x - mu = 0: any finite slope is right
        return once * cache.inverse / np.where(std > 0, std, np.inf)

    def _averaged(self, state: State, mean: Array, var: Array) -> State:
        keep = self.stat_decay
        return {
            "mean": keep * state["mean"] + (1 - keep) * mean,
            "var": keep * state["var"] + (1 - keep) * var,
            "unseen": keep * state["unseen"],
        }

    def _affine(self, parameters: Parameters, state: State) -> tuple[Array, Array]:
        mean, var = self.statistics(state)
        scale = self._inverse(var)
        if not self.affine:
            return scale, -mean * scale
        scale = scale * parameters["gamma"]
        return scale, parameters["beta"] - mean * scale
