"""Batch norm that normalizes with other statistics in training: ghost batches, renormalization.

Both are made of `BatchNorm`: what they add is which images a statistic is of, or which constants
correct it. `Centre` is what is left of it without the variance: it subtracts means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bnexp.nn.batchnorm import BatchNorm, pixel_sums
from bnexp.nn.linear import column_sums
from bnexp.nn.protocols import (
    Array,
    Backward,
    Forward,
    Generator,
    Initial,
    Parameters,
    Shape,
    State,
)
from bnexp.registry import option


class MadeOfBatchNorm:
    """What normalizers share that are made of a batch norm: its parameters and its evaluation."""

    @property
    def norm(self) -> BatchNorm:
        """The batch norm that it is made of."""
        raise NotImplementedError

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """The batch norm's parameters and state."""
        return self.norm.init(generator, shape)

    def values(self, shape: Shape) -> int:
        """How many numbers of one sample of this shape share a statistic."""
        return self.norm.values(shape)

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None:
        """The batch norm's scale and shift, rows (K, 1, H)."""
        return self.norm.evaluated(parameters, state)


@dataclass(frozen=True)
class Centre:
    """Subtract the mean of each unit or channel over the batch; at evaluation the running mean.

    Shapes:
        x and y are (K, N, H) or (K, N, H, W, C); means run over all axes but K and the last. The
        state is the running mean, a row (K, 1, H) or (K, 1, C). There are no parameters.
    """

    gradient: Literal["exact", "ignored"] = option(
        "exact", doc="ignored: computed as if the mean did not depend on the parameters"
    )
    stat_decay: float = option(0.9, doc="the fraction of the running mean that is kept", ge=0, lt=1)

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """No parameters; the running mean starts at 0."""
        return shape, {}, {"mean": np.zeros((1, shape[-1]))}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y = x - mean(x); the cache is `train`."""
        rows = x.reshape(len(x), -1, x.shape[-1])
        sums = pixel_sums if x.ndim == 5 else column_sums
        mean = sums(rows, rows.shape[1]) if train else state["mean"]
        y = (rows - mean).reshape(-1, *x.shape[1:])
        averaged = self.stat_decay * state["mean"] + (1 - self.stat_decay) * mean
        return y, train, {"mean": averaged} if train else state

    def backward(self, parameters: Parameters, cache: bool, dy: Array) -> Backward:
        """dx = dy - mean(dy); dx = dy after an evaluation, or if the mean's gradient is ignored."""
        if not cache or self.gradient == "ignored":
            return dy, {}
        rows = dy.reshape(len(dy), -1, dy.shape[-1])
        sums = pixel_sums if dy.ndim == 5 else column_sums
        return (rows - sums(rows, rows.shape[1])).reshape(dy.shape), {}

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None:
        """Scale 1 and shift -mean, rows (K, 1, H)."""
        return np.ones_like(state["mean"]), -state["mean"]


@dataclass(frozen=True)
class GhostBatchNorm(MadeOfBatchNorm):
    """Batch norm of each `size` images of a batch by themselves. Hoffer et al. 2017.

    What is left over at the end of a batch belongs to its last ghost batch. The running averages
    take the statistics of one ghost batch after another; at evaluation this is batch norm.

    Shapes:
        x and y are (K, N, H) or (K, N, H, W, C). Parameters and state are those of `BatchNorm`,
        with statistics per channel.

    Source:
        Algorithm 1 of the paper, where the updates of the running averages are written as a sum.
    """

    size: int = option(16, doc="the number of images of a ghost batch", ge=2)
    eps: float = option(1e-5, doc="epsilon of the batch norm", ge=0)
    stat_decay: float = option(
        0.9, doc="the fraction of a running statistic that each ghost batch keeps", ge=0, lt=1
    )

    @property
    def norm(self) -> BatchNorm:
        """The batch norm of a ghost batch."""
        return BatchNorm(eps=self.eps, stat_decay=self.stat_decay, spatial="channel")

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y in the shape of x; the cache is the batch norm's of each ghost batch."""
        outputs, caches = [], []
        for ghost in self._ghosts(x.shape[1]) if train else (slice(None),):
            y, cache, state = self.norm.forward(parameters, state, x[:, ghost], train)
            outputs.append(y)
            caches.append((ghost, cache))
        return np.concatenate(outputs, axis=1), caches, state

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """The batch norm's gradients; those of gamma and beta are sums over ghost batches."""
        pairs = [self.norm.backward(parameters, inner, dy[:, ghost]) for ghost, inner in cache]
        gradients = {
            name: sum((g[name] for _, g in pairs[1:]), pairs[0][1][name]) for name in parameters
        }
        return np.concatenate([dx for dx, _ in pairs], axis=1), gradients

    def _ghosts(self, images: int) -> list[slice]:
        """Which images of a batch are a ghost batch."""
        ends = [i * self.size for i in range(1, images // self.size)]
        return [slice(*pair) for pair in zip([0, *ends], [*ends, images], strict=True)]


@dataclass(frozen=True)
class BatchRenorm(MadeOfBatchNorm):
    """Batch norm whose training pass is corrected towards the running averages. Ioffe 2017.

        x hat = (x - mu) / sigma        as batch norm, mu and sigma of the batch
        r = sigma / sigma_run           within [1 / r_max, r_max]
        d = (mu - mu_run) / sigma_run   within [-d_max, d_max]
        y = gamma * (r * x hat + d) + beta

    r and d are constants of the backward pass. Without limits y would be what evaluation gives,
    gamma * (x - mu_run) / sigma_run + beta. mu_run and sigma_run are averages without their initial
    values; before the first step there are none, and r = 1 and d = 0.

    Shapes:
        x and y are (K, N, H) or (K, N, H, W, C). gamma, beta and the running mean and standard
        deviation are rows (K, 1, H) or (K, 1, C); `unseen` and `steps` are (K, 1, 1).

    Source:
        Section 3 of the paper. It starts with r = 1 and d = 0 and relaxes the limits later:
        `plain_steps` and `relaxing_steps`.
    """

    r_max: float = option(3.0, doc="the largest r", ge=1)
    d_max: float = option(5.0, doc="the largest absolute d", ge=0)
    plain_steps: int = option(0, doc="for so many steps r = 1 and d = 0, as in batch norm", ge=0)
    relaxing_steps: int = option(
        0, doc="over so many steps after these the limits grow to r_max and d_max, linearly", ge=0
    )
    eps: float = option(1e-5, doc="epsilon of the batch norm", ge=0)
    stat_decay: float = option(
        0.99, doc="the fraction of a running statistic that is kept", ge=0, lt=1
    )

    @property
    def norm(self) -> BatchNorm:
        """The batch norm that makes x hat; its statistics are the last batch's."""
        return BatchNorm(eps=self.eps, stat_decay=0.0, spatial="channel")

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """gamma = 1 and beta = 0; running averages 0, `unseen` 1, no steps."""
        row, one = (1, shape[-1]), (1, 1)
        state = {"mean": np.zeros(row), "std": np.zeros(row), "unseen": np.ones(one)}
        parameters = {"gamma": np.ones(row), "beta": np.zeros(row)}
        return shape, parameters, {**state, "steps": np.zeros(one)}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y in the shape of x; the cache is the batch norm's, and r and d."""
        if not train:
            y, cache, _ = EVALUATED.forward(parameters, self._running(state), x, train)
            return y, (cache, None), state
        blank = {name: np.zeros_like(state["mean"]) for name in ("mean", "var", "unseen")}
        unit = {"gamma": np.ones_like(state["mean"]), "beta": np.zeros_like(state["mean"])}
        normalized, cache, batch = self.norm.forward(unit, blank, x, train)
        mean, std = batch["mean"], np.sqrt(batch["var"] + self.eps)
        r, d = self._corrections(state, mean, std)
        rows = normalized.reshape(len(normalized), -1, x.shape[-1])
        gamma = parameters["gamma"]
        y = (rows * (gamma * r) + (gamma * d + parameters["beta"])).reshape(normalized.shape)
        averaged = {
            name: self.stat_decay * state[name] + (1 - self.stat_decay) * new
            for name, new in (("mean", mean), ("std", std), ("unseen", 0.0))
        }
        return y, (cache, (r, d)), {**averaged, "steps": state["steps"] + 1}

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """That of batch norm with gamma * r for gamma; dgamma = r * sum(dy * x hat) + d * sum(dy).

        After an evaluation the running averages are constants.
        """
        inner, corrections = cache
        if corrections is None:
            return EVALUATED.backward(parameters, inner, dy)
        r, d = corrections
        scaled = {**parameters, "gamma": parameters["gamma"] * r}
        inner = inner._replace(scale=inner.inverse * scaled["gamma"])
        dx, gradients = self.norm.backward(scaled, inner, dy)
        gradients["gamma"] = r * gradients["gamma"] + d * gradients["beta"]
        return dx, gradients

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None:
        """Scale and shift, rows (K, 1, H)."""
        return EVALUATED.evaluated(parameters, self._running(state))

    def _running(self, state: State) -> dict[str, Array]:
        """The running averages as a state of `EVALUATED`; mean 0 and variance 1 before any step."""
        unseen = state["unseen"]
        seen = np.where(unseen < 1, 1 - unseen, 1)
        std = np.where(unseen < 1, state["std"] / seen, 1)
        return {"mean": state["mean"] / seen, "var": std * std, "unseen": unseen}

    def _corrections(self, state: State, mean: Array, std: Array) -> tuple[Array, Array]:
        """r and d, rows (K, 1, H), for the statistics of a batch."""
        running = self._running(state)
        running_std = np.sqrt(running["var"])
        share = self._share(state)
        r_max, d_max = 1 + share * (self.r_max - 1), share * self.d_max
        r, d = std / running_std, (mean - running["mean"]) / running_std
        return (
            np.minimum(np.maximum(r, 1 / r_max), r_max),
            np.minimum(np.maximum(d, -d_max), d_max),
        )

    def _share(self, state: State) -> Array:
        """How far the limits have grown, from 0 to 1, (K, 1, 1); 0 at the first step."""
        steps = state["steps"]
        late = steps - self.plain_steps
        grown = np.minimum(late / self.relaxing_steps, 1) if self.relaxing_steps else 1
        return np.where((late < 0) | (steps == 0), 0, grown).astype(steps.dtype)


# What the running averages of `BatchRenorm` are evaluated with.
EVALUATED = BatchNorm(eps=0.0, spatial="channel")
