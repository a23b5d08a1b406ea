"""Batch normalization (Ioffe & Szegedy 2015), with an option for each convention that varies.

    mu    = mean of x over the batch
    var   = sum (x - mu)^2 / (N - ddof)
    y     = gamma * (x - mu) / sqrt(var + eps) + beta

At evaluation mu and var are replaced by what `evaluation` says. Published implementations differ in
a handful of conventions; `BatchNorm.DIALECTS` has those of well-known ones by name.

x is centered before it is squared: the textbook's mean(x^2) - mu^2 loses all digits of a variance
that is small beside mu^2. Sums over the batch are products with a row of ones (`column_sums`); over
the pixels of images, which are many, they are added up in float64, block by block (`pixel_sums`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from bnexp.nn.linear import column_sums, rowwise
from bnexp.nn.protocols import (
    Array,
    Backward,
    Forward,
    Generator,
    Gradients,
    Initial,
    Parameters,
    Shape,
    State,
)
from bnexp.registry import Registry, option

Sums = Callable[..., Array]  # over the batch, (K, M, F) -> (K, 1, F), and divided by a number
FREEZABLE = ("running", "debiased")


class BatchNormCache(NamedTuple):
    """What backward needs after batch statistics: x - mu (K, M, F), and rows (K, 1, F)."""

    centered: Array
    var: Array
    inverse: Array  # 1 / sqrt(var + eps)
    scale: Array  # gamma * inverse


class EvaluatedBatchNormCache(NamedTuple):
    """What backward needs after constant statistics: x (K, M, F), and rows (K, 1, F)."""

    x: Array
    mean: Array
    inverse: Array
    scale: Array


# Below this epsilon, float32's smallest normal number, 1 / sqrt(var + eps) can be infinite.
TINY_EPSILON = 1.2e-38
# So many rows of images are added up in the precision of the images, their sums in float64.
BLOCK = 16
FEW_ROWS = 1000  # these are added up in float64 from the start

_CHANNEL = {"spatial": "channel"}
_DARKNET = {
    **_CHANNEL,
    "eps_placement": "outside",
    "stat_decay": 0.99,
    "ddof": 1,
    "running_ddof": 1,
}
_KERAS = {**_CHANNEL, "eps": 1e-3, "stat_decay": 0.99, "running_var": 1.0}


@dataclass(frozen=True)
class BatchNorm:
    """Normalize each feature over the batch. Ioffe & Szegedy 2015.

    Inputs (K, N, H), or images (K, N, H, W, C). A single value per feature or channel gives
    y = beta, as in the book (PyTorch refuses it). The state holds the running averages of mean and
    variance as if they had started at 0, and `unseen`, the share that their initial values still
    have: stat_decay^t after t updates. BatchNorm() has the book's values.

    Whose the dialects are: book, Deep Learning from Scratch; cs231n, its assignment 2; paper, Ioffe
    & Szegedy; pytorch, torch.nn; keras, Keras 3; tensorflow, the fused kernel that Keras 2 uses for
    images; flax, flax.linen; darknet, pjreddie's CPU code; darknet_alexeyab, that of AlexeyAB's
    fork; darknet_fixed, darknet with its exact gradient.

    >>> layer = BatchNorm(**BatchNorm.DIALECTS["pytorch"])
    >>> _, parameters, state = layer.init(np.random.default_rng(0), (1,))
    >>> x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    >>> y, cache, state = layer.forward(parameters, state, x, train=True)
    >>> y[0, :, 0].round(3).tolist()
    [-1.342, -0.447, 0.447, 1.342]
    >>> mean, var = layer.statistics(state)
    >>> print(f"{mean.item():.4f} {var.item():.4f}")  # 0.1 * 2.5 and 0.9 * 1 + 0.1 * 5 / 3
    0.2500 1.0667

    Dialects:
        DIALECTS maps the name of an implementation to those options in which it differs from the
        book's. To add one, for YAML's `dialect:` too:
        BatchNorm.DIALECTS.register("slow", {"stat_decay": 0.999, "spatial": "channel"})

    Parameters:
        gamma, beta: rows (K, 1, F), where F is H for rows, C or H * W * C for images, as `spatial`
        says; those that `affine` asks for.

    State:
        mean, var: rows (K, 1, F), the running averages; unseen: (K, 1, 1). If `average` is
        cumulative or `freeze_after` is set, also updates: (K, 1, 1), the number of batches so far.

    Notes:
        If var + eps is 0 (eps 0 and a feature that does not vary), 1 / sqrt(var + eps) counts as 0:
        y = beta and dx = 0.

    Source:
        Ioffe & Szegedy 2015: Algorithm 1 in training, Algorithm 2 for `evaluation` population,
        section 3.2 for images, where statistics are per channel.

    Raises:
        ValueError from `forward` and `backward` for arrays that are not (K, N, H) or
        (K, N, H, W, C); for `freeze_after` with an evaluation that takes other statistics.
    """

    eps: float = option(1e-6, doc="added to keep the division finite", ge=0)
    eps_placement: Literal["inside", "outside"] = option(
        "inside", doc="inside: sqrt(var + eps); outside: sqrt(var) + eps"
    )
    stat_decay: float = option(
        0.9, doc="the fraction of a running statistic that is kept at each update", ge=0, le=1
    )
    ddof: Literal[0, 1] = option(0, doc="the variance that normalizes has the denominator N - ddof")
    running_ddof: Literal[0, 1] = option(
        0, doc="the variance that is averaged has the denominator N - running_ddof"
    )
    running_var: float = option(0.0, doc="the running variance before the first update", ge=0)
    evaluation: Literal["running", "debiased", "population", "batch"] = option(
        "running",
        doc="the statistics at evaluation. running: the running averages; debiased: these without "
        "their initial values; population: averages over training batches of the fixed network, "
        "variances times m/(m-1) (Algorithm 2); batch: those of the evaluated images themselves",
    )
    affine: bool | Literal["scale", "shift"] = option(
        True,
        doc="scale by gamma and shift by beta, both trained; scale: gamma alone; shift: beta alone",
    )
    spatial: Literal["channel", "activation"] = option(
        "activation",
        doc="for images. channel: statistics over N, H and W, one gamma per channel; activation: "
        "statistics over N alone, one gamma per number of an image",
    )
    gradient: Literal["exact", "darknet", "darknet_alexeyab"] = option(
        "exact",
        doc="darknet: as in its CPU code, 1e-5 inside the root and N for N - ddof whatever the "
        "forward pass does; off by 3 to 5 % at N = 8, by more where variances are small. "
        "darknet_alexeyab: the same, but dy is divided by sqrt(var) + 1e-5. This concerns batch "
        "statistics; where they are constants, the gradient is exact",
    )
    average: Literal["exponential", "cumulative"] = option(
        "exponential",
        doc="how running statistics are averaged. exponential: with stat_decay; cumulative: all "
        "batches count alike, and the initial values not at all (momentum=None in PyTorch)",
        added_later=True,
    )
    variance: Literal["centered", "fast"] = option(
        "centered",
        doc="how the variance over N is computed. centered: mean((x - mu)^2); fast: "
        "mean(x^2) - mu^2, at least 0, which loses digits where mu^2 is large beside it",
        added_later=True,
    )
    initial_gamma: float = option(1.0, doc="the value that gamma starts at", added_later=True)
    freeze_after: int | None = option(
        None,
        doc="after so many updates the running statistics normalize in training, too, and no "
        "longer change; gamma and beta are still trained. Default: never",
        ge=1,
        added_later=True,
    )

    DIALECTS: ClassVar[Registry[Mapping[str, Any]]] = Registry(
        "batch norm dialect",
        {
            "book": {},
            "cs231n": {**_CHANNEL, "eps": 1e-5},
            "paper": {**_CHANNEL, "eps": 1e-5, "running_ddof": 1, "evaluation": "population"},
            "pytorch": {**_CHANNEL, "eps": 1e-5, "running_ddof": 1, "running_var": 1.0},
            "keras": _KERAS,
            "tensorflow": {**_KERAS, "running_ddof": 1},
            "flax": {**_KERAS, "eps": 1e-5, "variance": "fast"},
            "darknet": {**_DARKNET, "gradient": "darknet"},
            "darknet_alexeyab": {
                **_DARKNET,
                "eps": 1e-5,
                "eps_placement": "inside",
                "stat_decay": 0.9,
                "gradient": "darknet_alexeyab",
            },
            "darknet_fixed": _DARKNET,
        },
        instance_of=Mapping,
    )

    def __post_init__(self) -> None:
        if self.freeze_after is not None and self.evaluation not in FREEZABLE:
            raise ValueError(
                "statistics that cannot be frozen, expected evaluation: "
                f"{' or '.join(FREEZABLE)} with freeze_after, got {self.evaluation}"
            )

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """gamma = `initial_gamma`, beta = 0, running averages 0, `unseen` = 1; draws nothing."""
        row = (1, shape[-1] if self.spatial == "channel" else math.prod(shape))
        affine: dict[str, Array] = {}
        if self._has_gamma:
            affine["gamma"] = np.full(row, self.initial_gamma)
        if self._has_beta:
            affine["beta"] = np.zeros(row)
        state = {"mean": np.zeros(row), "var": np.zeros(row), "unseen": np.ones((1, 1))}
        if self.average == "cumulative" or self.freeze_after is not None:
            state["updates"] = np.zeros((1, 1))
        return shape, affine, state

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y in the shape of x; in training the state has averaged this batch.

        ValueError if x is neither (K, N, H) nor (K, N, H, W, C).
        """
        rows = self._rows(x)
        if (train and not self._is_frozen(state)) or self.evaluation == "batch":
            y, cache, averaged = self._normalized(parameters, state, rows, self._sums_of(x))
            return _reshaped(y, x), cache, averaged if train else state
        mean, inverse, scale, shift = self._at_evaluation(parameters, state)
        evaluated = EvaluatedBatchNormCache(rows, mean, inverse, scale)
        return _reshaped(rows * scale + shift, x), evaluated, state

    def _normalized(
        self, parameters: Parameters, state: State, x: Array, sums: Sums
    ) -> tuple[Array, BatchNormCache, State]:
        """The module's equations for rows x (K, M, F), and the running averages after them."""
        mean = sums(x, x.shape[-2])
        centered = rowwise(np.subtract, x, mean)
        if self.eps == 0:  # what does not vary is its mean, whatever the mean was rounded to
            centered *= x.max(axis=-2, keepdims=True) != x.min(axis=-2, keepdims=True)
        if self.variance == "centered":
            squares = sums(centered * centered)
        else:
            fast = sums(x * x) / x.shape[-2] - mean * mean
            squares = np.maximum(fast, 0) * x.shape[-2]
        var = squares / _degrees_of_freedom(x, self.ddof)
        inverse = self._inverse(var)
        scale = inverse * parameters["gamma"] if self._has_gamma else inverse
        y = rowwise(np.multiply, centered, scale)
        if self._has_beta:
            rowwise(np.add, y, parameters["beta"], out=y)
        keep, running_var = self._kept(state), squares / _degrees_of_freedom(x, self.running_ddof)
        averaged = {
            "mean": keep * state["mean"] + (1 - keep) * mean,
            "var": keep * state["var"] + (1 - keep) * running_var,
            "unseen": keep * state["unseen"],
        }
        if "updates" in state:
            averaged["updates"] = state["updates"] + 1
        return y, BatchNormCache(centered, var, inverse, scale), averaged

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """With r = 1 / sqrt(var + eps) and c = x - mu, sums and means over the batch:

            dx = gamma * r * (dy - mean(dy)) - gamma * slope * c * sum(dy * c) / (N - ddof)

        where slope = -2 dr/dvar, which is r^3 with eps inside the root. After an evaluation the
        statistics are constants, and dx = gamma * r * dy. In both cases

            dgamma = r * sum(dy * c),    dbeta = sum(dy)
        """
        rows, sums = self._rows(dy), self._sums_of(dy)
        if isinstance(cache, EvaluatedBatchNormCache):
            x, mean, inverse, scale = cache
            along = sums(rows * (x - mean))
            return _reshaped(rows * scale, dy), self._gradients(along, inverse, sums(rows))
        product = rows * cache.centered
        along = sums(product)
        total = sums(rows)
        gradients = self._gradients(along, cache.inverse, total)
        gamma: Array | float = parameters["gamma"] if self._has_gamma else 1.0
        count = _degrees_of_freedom(rows, self.ddof)
        if self.gradient != "exact":  # their backward has an epsilon of its own, inside the root
            inverse = np.reciprocal(np.sqrt(cache.var + 1e-5))
            cache, count = cache._replace(inverse=inverse, scale=gamma * inverse), rows.shape[-2]
        scale = cache.scale
        if self.gradient == "darknet_alexeyab":  # and here outside
            scale = gamma / (np.sqrt(cache.var) + 1e-5)
        along = self._times_slope(along, cache) * (gamma / count)
        dx = rowwise(np.multiply, rows, scale)
        dx -= rowwise(np.multiply, cache.centered, along, out=product)
        rowwise(np.subtract, dx, cache.scale * total / rows.shape[-2], out=dx)
        return _reshaped(dx, dy), gradients

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None:
        """Scale and shift, rows (K, 1, H), of the evaluated layer; None where the batch decides."""
        if self.evaluation == "batch":
            return None
        _, _, scale, shift = self._at_evaluation(parameters, state)
        return scale, shift

    def statistics(self, state: State) -> tuple[Array, Array]:
        """Mean and variance to evaluate with, (K, 1, H); before any update the initial ones.

        The averages in the state started at 0. The initial variance is therefore added with the
        weight that it still has, `unseen`, or ("debiased") both are divided by 1 - `unseen`.
        """
        mean, var, unseen = state["mean"], state["var"], state["unseen"]
        if self.evaluation != "debiased":
            return mean, var + self.running_var * unseen
        seen = np.where(unseen < 1, 1 - unseen, 1)
        return mean / seen, np.where(unseen < 1, var / seen, self.running_var)

    def values(self, shape: Shape) -> int:
        """How many numbers of one sample of this shape share a statistic: pixels, or 1."""
        return math.prod(shape[:-1]) if self.spatial == "channel" else 1

    def averaging(self, seen: int) -> BatchNorm:
        """This layer with running statistics that weigh `seen` batches and the next one alike."""
        return replace(
            self,
            stat_decay=seen / (seen + 1),
            running_ddof=1,
            average="exponential",
            freeze_after=None,
        )

    @property
    def _has_gamma(self) -> bool:
        return self.affine in (True, "scale")

    @property
    def _has_beta(self) -> bool:
        return self.affine in (True, "shift")

    def _is_frozen(self, state: State) -> bool:
        """Whether `freeze_after` updates were made: the networks of a stack make them together."""
        return self.freeze_after is not None and float(state["updates"].max()) >= self.freeze_after

    def _kept(self, state: State) -> Array | float:
        """The fraction of a running statistic that is kept at this update, the t-th one.

        stat_decay, or (t - 1) / t for the average of all batches.
        """
        if self.average == "exponential":
            return self.stat_decay
        kept: Array = state["updates"] / (state["updates"] + 1)
        return kept

    def _sums_of(self, x: Array) -> Sums:
        """How numbers are added up that share a statistic: of images there are many."""
        return pixel_sums if x.ndim == 5 and self.spatial == "channel" else column_sums

    def _rows(self, x: Array) -> Array:
        """Rows of what shares a statistic, (K, M, F): images (K, N, H, W, C) as M = N * H * W rows
        of C channels, or as N rows of H * W * C activations."""
        if x.ndim == 3:
            return x
        if x.ndim != 5:
            raise ValueError(
                f"batch norm: expected x of (K, N, H) or (K, N, H, W, C), got {x.shape}; "
                "for one network K is 1: x[np.newaxis]"
            )
        rows = -1 if self.spatial == "channel" else x.shape[1]
        return x.reshape(len(x), rows, x.shape[-1] if self.spatial == "channel" else -1)

    def _inverse(self, var: Array) -> Array:
        """1 / sqrt(var + eps), or 1 / (sqrt(var) + eps)."""
        outside = self.eps_placement == "outside"
        root: Array = np.sqrt(var) + self.eps if outside else np.sqrt(var + self.eps)
        return inverse_root(root, self.eps)

    def _gradients(self, along: Array, inverse: Array, total: Array) -> Gradients:
        gradients: Gradients = {"gamma": along * inverse} if self._has_gamma else {}
        return {**gradients, "beta": total} if self._has_beta else gradients

    def _times_slope(self, along: Array, cache: BatchNormCache) -> Array:
        """One factor after another: the slope alone overflows where the deviations are tiny."""
        once = along * cache.inverse
        if self.variance == "fast":  # where it was negative it is the constant 0
            once = np.where(cache.var == 0, 0, once)
        if self.eps_placement == "inside" or self.gradient != "exact":
            return once * cache.inverse * cache.inverse
        std = np.sqrt(cache.var)  # a constant feature has x - mu = 0: any finite slope is right
        return once * cache.inverse / np.where(std > 0, std, np.inf)

    def _at_evaluation(
        self, parameters: Parameters, state: State
    ) -> tuple[Array, Array, Array, Array]:
        """mu, 1 / sqrt(var + eps), and scale and shift of y = scale * x + shift."""
        mean, var = self.statistics(state)
        inverse = self._inverse(var)
        scale = inverse * parameters["gamma"] if self._has_gamma else inverse
        shift = parameters["beta"] - mean * scale if self._has_beta else -mean * scale
        return mean, inverse, scale, shift


def pixel_sums(x: Array, divisor: int = 1) -> Array:
    """Sum over many rows, (K, M, F) -> (K, 1, F), divided by `divisor`; rounded at the end, or
    nearly so.

    Rows M / BLOCK apart are added up by a product with ones, as in `column_sums`, and these sums in
    float64. A plain product of 57,600 numbers of mean 1e5 and standard deviation 1 can give a mean
    that is off by 10 in float32; this one is off by 0.004, half the distance of two such numbers.
    """
    k, m, features = x.shape
    whole = m - m % BLOCK if m > FEW_ROWS else 0
    total = x[:, whole:].sum(axis=1, keepdims=True, dtype=np.float64)
    if whole:
        blocks = column_sums(x[:, :whole].reshape(k, BLOCK, -1)).reshape(k, -1, features)
        total += blocks.sum(axis=1, keepdims=True, dtype=np.float64)
    sums: Array = (total / divisor).astype(x.dtype)
    return sums


def inverse_root(root: Array, eps: float) -> Array:
    """1 / root, the root being that of a variance and `eps`; 0 where it is 0.

    What does not vary has no scale: x - mu is 0, so that y is beta, and the gradient, which has no
    limit, counts as 0.
    """
    return np.reciprocal(root if eps >= TINY_EPSILON else np.where(root == 0, np.inf, root))


def _degrees_of_freedom(rows: Array, ddof: int) -> int:
    """M - ddof; 1 for a single row, whose squares are 0."""
    samples: int = rows.shape[-2]
    return max(samples - ddof, 1)


def _reshaped(rows: Array, x: Array) -> Array:
    """Rows in the shape of `x`; K may have grown where x was shared."""
    return rows if x.ndim == 3 else rows.reshape(len(rows), *x.shape[1:])
