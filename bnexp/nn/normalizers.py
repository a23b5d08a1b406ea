"""Normalizers other than batch norm, and the table of all that `norm: {kind: ...}` may name.

`LayerNorm`, `RMSNorm`, `GroupNorm` and `InstanceNorm` normalize each sample by itself, in training
and at evaluation alike, and have no state. `SampleNorm` has their equations; they differ in how a
sample is split into groups of numbers that share a mean and a variance:

    layer      one group, the whole sample          a gamma and a beta per number
    rms        the same, without subtracting means  a gamma per number
    group      some channels, at all pixels         a gamma and a beta per channel
    instance   one channel, at all pixels           a gamma and a beta per channel
    scale      as rms                               a single gamma
    filter_response   one channel, no means         a gamma and a beta per channel

`NoisyBatchNorm` adds noise to batch norm. `BatchNorm`, its variants and the norms of weights have
modules of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.random import Generator as RandomGenerator
from numpy.random import Philox

from bnexp.nn.batchnorm import BatchNorm, inverse_root
from bnexp.nn.batchvariants import BatchRenorm, Centre, GhostBatchNorm, MadeOfBatchNorm
from bnexp.nn.linear import column_sums
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
from bnexp.nn.weightnorm import SpectralNorm, WeightNorm, WeightStandardization
from bnexp.registry import FormerName, Registry, option


class SampleNormCache(NamedTuple):
    """What backward needs, in groups (K, N, G, members): x hat, and r (K, N, G, 1).

    And the variances, of the shape of r, of which `overflowed` tells whether they are finite.
    """

    normalized: Array
    inverse: Array
    var: Array


@dataclass(frozen=True)
class SampleNorm:
    """Normalization within each sample, in groups of numbers:

        r = 1 / sqrt(mean((x - mean(x))^2) + eps)       means over a group
        x hat = (x - mean(x)) * r
        y = gamma * x hat + beta

    x, y and dy are (K, N, H) or (K, N, H, W, C); gamma and beta are rows (K, 1, number of gammas).
    If `centered` is false, nothing is subtracted and there is no beta. If the root is 0 (eps 0 and
    a group that does not vary), r counts as 0. Subclasses say how a sample is split into groups,
    and how many gammas there are.

    `init` raises ValueError for samples that cannot be split so.
    """

    eps: float = option(1e-5, doc="added to keep the division finite", ge=0)
    affine: bool | Literal["scale", "shift"] = option(
        True,
        doc="scale by gamma and shift by beta, both trained; scale: gamma alone; shift: beta alone",
    )
    initial_gamma: float = option(1.0, doc="the value that gamma starts at", added_later=True)

    centered: ClassVar[bool] = True
    centred: ClassVar = FormerName("centered")

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """gamma = `initial_gamma` and beta = 0; no state, and nothing is drawn."""
        self.check(shape)
        row = (1, self.scales(shape))
        parameters: dict[str, Array] = {}
        if self._has_gamma:
            parameters["gamma"] = np.full(row, self.initial_gamma)
        if self._has_beta:
            parameters["beta"] = np.zeros(row)
        return shape, parameters, {}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The equations above; `train` makes no difference."""
        groups = self.split(x)
        if self.centered:
            groups = groups - groups.mean(axis=-1, keepdims=True)
        var = (groups * groups).mean(axis=-1, keepdims=True)
        inverse = inverse_root(np.sqrt(var + self.eps), self.eps)
        normalized = groups * inverse
        y = self.join(normalized, x.shape)
        if self._has_gamma:
            y = self._rows(y) * parameters["gamma"]
        if self._has_beta:
            y = self._rows(y) + parameters["beta"]
        # K may have grown where x was shared
        return y.reshape(len(y), *x.shape[1:]), SampleNormCache(normalized, inverse, var), state

    def backward(self, parameters: Parameters, cache: SampleNormCache, dy: Array) -> Backward:
        """dx = r * (g - mean(g) - x hat * mean(g * x hat)), g = gamma * dy; means over a group.

        dgamma and dbeta are sums of dy * x hat and dy over all that one gamma scales.
        """
        normalized, inverse, _ = cache
        gradients: Gradients = {}
        g, rows = dy, self._rows(dy)
        if self._has_gamma:
            joined = self._rows(self.join(normalized, (len(normalized), *dy.shape[1:])))
            gradients["gamma"] = column_sums(rows * joined)
            g = (rows * parameters["gamma"]).reshape(dy.shape)
        if self._has_beta:
            gradients["beta"] = column_sums(rows)
        groups = self.split(g)
        along = (groups * normalized).mean(axis=-1, keepdims=True)
        dx = groups - normalized * along
        if self.centered:
            dx -= groups.mean(axis=-1, keepdims=True)
        dx *= inverse
        return self.join(dx, dy.shape).reshape(dy.shape), gradients

    def overflowed(self, cache: SampleNormCache) -> Any:
        """The networks with an infinite variance, (K,): their samples are all normalized to 0."""
        return ~np.isfinite(cache.var).all(axis=(1, 2, 3))

    @property
    def _has_gamma(self) -> bool:
        return self.affine in (True, "scale")

    @property
    def _has_beta(self) -> bool:
        return self.centered and self.affine in (True, "shift")

    def check(self, shape: Shape) -> None:
        """ValueError where a sample of this shape cannot be normalized so."""

    def scales(self, shape: Shape) -> int:
        """The number of gammas: by default one for each number of a sample."""
        return math.prod(shape)

    def split(self, x: Array) -> Array:
        """(K, N, ...) as groups (K, N, G, members); by default one group, the whole sample."""
        return x.reshape(*x.shape[:2], 1, -1)

    def join(self, groups: Array, shape: Shape) -> Array:
        """The inverse of `split`: groups (K, N, G, members) in this shape, (K, N, ...)."""
        return groups.reshape(shape)

    def _rows(self, y: Array) -> Array:
        """(K, rows, gammas): the same numbers, so that a row of gammas fits."""
        return y.reshape(len(y), -1, self.scales(y.shape[2:]))


@dataclass(frozen=True)
class LayerNorm(SampleNorm):
    """Normalize over all numbers of a sample, with one gamma for each. Ba et al. 2016.

    >>> layer, x = LayerNorm(eps=0), np.array([[[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]])
    >>> _, parameters, state = layer.init(np.random.default_rng(0), (3,))
    >>> layer.forward(parameters, state, x, train=True)[0].round(3).tolist()
    [[[-1.225, 0.0, 1.225], [-1.225, 0.0, 1.225]]]

    Source:
        Ba et al. 2016, section 3. Of images the mean runs over all of (H, W, C), as in PyTorch's
        LayerNorm with the shape of a sample.
    """


@dataclass(frozen=True)
class RMSNorm(SampleNorm):
    """y = gamma * x / sqrt(mean(x^2) + eps): not centered, no beta. Zhang & Sennrich 2019.

    Source:
        Section 4 of the paper, equation 4.
    """

    centered: ClassVar[bool] = False


@dataclass(frozen=True)
class ScaleNorm(RMSNorm):
    """Scaled to one learned length: y = gamma * x / sqrt(mean(x^2) + eps), one gamma for all.

    Source:
        Nguyen & Salazar 2019, section 3.2, whose g is gamma * sqrt(D) for D numbers in a sample:
        y = g * x / ||x||.
    """

    def scales(self, shape: Shape) -> int:
        """A single gamma."""
        return 1


@dataclass(frozen=True)
class ChannelGroups(SampleNorm):
    """Sample normalization over the pixels and the channels of each group; one gamma per channel.

    A dense layer's output (K, N, H) counts as one pixel with H channels.
    """

    def groups_of(self, shape: Shape) -> int:
        """The number of groups into which the channels, the last number of `shape`, are split."""
        raise NotImplementedError

    def scales(self, shape: Shape) -> int:
        """One gamma for each channel."""
        return shape[-1]

    def split(self, x: Array) -> Array:
        """(K, N, ..., C) as groups (K, N, G, pixels * C / G)."""
        groups = self.groups_of(x.shape)
        pixels = x.reshape(*x.shape[:2], -1, groups, x.shape[-1] // groups)
        return pixels.swapaxes(2, 3).reshape(*x.shape[:2], groups, -1)

    def join(self, groups: Array, shape: Shape) -> Array:
        """The inverse of `split`: groups (K, N, G, members) in this shape, (K, N, ..., C)."""
        number = self.groups_of(shape)
        pixels = groups.reshape(*shape[:2], number, -1, shape[-1] // number)
        return pixels.swapaxes(2, 3).reshape(shape)


@dataclass(frozen=True)
class GroupNorm(ChannelGroups):
    """Normalize over the pixels and channels of each group; one gamma per channel. Wu & He 2018.

    Notes:
        One group is layer norm with gammas per channel; as many groups as channels, instance norm.

    Raises:
        ValueError from `init` if the channels do not split into `groups` equal groups.
    """

    groups: int = option(2, doc="the number of groups into which the channels are split", ge=1)

    def check(self, shape: Shape) -> None:
        """ValueError if the number of channels is not a multiple of `groups`."""
        if shape[-1] % self.groups:
            raise ValueError(
                f"group norm: {shape[-1]} channels do not split into {self.groups} equal groups"
            )

    def groups_of(self, shape: Shape) -> int:
        """The option `groups`."""
        return self.groups


@dataclass(frozen=True)
class InstanceNorm(ChannelGroups):
    """Normalize over the pixels of each channel of an image. Ulyanov et al. 2016.

    Notes:
        By default without gamma and beta, as in PyTorch.

    Raises:
        ValueError from `init` if a sample is not an image (H, W, C).
    """

    affine: bool | Literal["scale", "shift"] = option(
        False,
        doc="scale by gamma and shift by beta, both trained; scale: gamma alone; shift: beta alone",
    )

    def check(self, shape: Shape) -> None:
        """ValueError if a sample is not an image."""
        if len(shape) != 3:
            raise ValueError("instance norm: needs images, a dense layer's output has no places")

    def groups_of(self, shape: Shape) -> int:
        """Each channel is a group."""
        return shape[-1]


@dataclass(frozen=True)
class FilterResponseNorm(ChannelGroups):
    """y = gamma * x / sqrt(mean(x^2) + eps) + beta, means over the pixels of a channel.

    Source:
        Singh & Krishnan 2020, equations 1 and 2. The unit max(y, tau) that they put behind it, with
        a learned tau for each channel, is not here; for tau = 0 it is relu.

    Raises:
        ValueError from `init` if a sample is not an image (H, W, C).
    """

    eps: float = option(1e-6, doc="added to keep the division finite", ge=0)

    centered: ClassVar[bool] = False

    def check(self, shape: Shape) -> None:
        """ValueError if a sample is not an image."""
        if len(shape) != 3:
            raise ValueError("filter response norm: needs images, a dense layer's output has none")

    def groups_of(self, shape: Shape) -> int:
        """Each channel is a group."""
        return shape[-1]

    @property
    def _has_beta(self) -> bool:
        return self.affine in (True, "shift")


@dataclass(frozen=True)
class NoisyBatchNorm(MadeOfBatchNorm):
    """Batch norm followed by noise: y = scale * BN(x) + shift in training, BN(x) at evaluation.

    Each step and unit: mu ~ U(-mean, mean), sigma ~ U(1, deviation); each sample of it then
    shift ~ U(mu - jitter, mu + jitter), scale ~ N(sigma, jitter^2). The numbers follow from the
    state, as dropout's masks do: a key for each network and the number of steps made.

    Source:
        Santurkar et al. 2018, section 2.1: the noise brings back the covariate shift that batch
        norm is said to reduce, and networks train as well as with batch norm alone.
    """

    mean: float = option(0.5, doc="the largest mean that the noise gives a unit", ge=0)
    deviation: float = option(1.25, doc="the largest factor by which it scales a unit", ge=1)
    jitter: float = option(
        0.1, doc="how far the noise of single samples is from that of their unit", ge=0
    )
    eps: float = option(1e-5, doc="epsilon of the batch norm", ge=0)
    stat_decay: float = option(
        0.9, doc="the fraction of a running statistic that is kept", ge=0, lt=1
    )

    @property
    def norm(self) -> BatchNorm:
        """The batch norm that the noise is added to."""
        return BatchNorm(eps=self.eps, stat_decay=self.stat_decay, spatial="channel")

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """The batch norm's parameters and state, and a key and a number of steps, (1,) each."""
        shape, parameters, state = super().init(generator, shape)
        counters = {"key": np.zeros(1, np.uint64), "steps": np.zeros(1, np.uint64)}
        return shape, parameters, {**state, **counters}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y in the shape of x; the cache is the batch norm's and the noise's scale."""
        y, cache, running = self.norm.forward(parameters, state, x, train)
        if not train:
            return y, (cache, None), state
        keys, steps = (state[name][:, 0].tolist() for name in ("key", "steps"))
        noise = [self._noise(*pair, y.shape[1:]) for pair in zip(keys, steps, strict=True)]
        scale, shift = (
            np.asarray(np.stack(arrays).astype(y.dtype), like=y)
            for arrays in zip(*noise, strict=True)
        )
        counters = {"key": state["key"], "steps": state["steps"] + np.uint64(1)}
        return scale * y + shift, (cache, scale), {**running, **counters}

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """The batch norm's gradients for scale * dy: the noise is a constant."""
        inner, scale = cache
        return self.norm.backward(parameters, inner, dy if scale is None else dy * scale)

    def _noise(self, key: int, step: int, shape: Shape) -> tuple[Array, Array]:
        """Scale and shift of one network's outputs (N, ..., units)."""
        random = RandomGenerator(Philox(key=[key, step]))
        units = shape[-1]
        mu = random.uniform(-self.mean, self.mean, units)
        sigma = random.uniform(1, self.deviation, units)
        shift = mu + random.uniform(-self.jitter, self.jitter, shape)
        return sigma + self.jitter * random.standard_normal(shape), shift


NORMALIZERS: Registry[type] = Registry(
    "normalizer",
    {
        "batch": BatchNorm,
        "layer": LayerNorm,
        "instance": InstanceNorm,
        "group": GroupNorm,
        "rms": RMSNorm,
        "weight": WeightNorm,
        "centre": Centre,
        "noisy_batch": NoisyBatchNorm,
        "ghost_batch": GhostBatchNorm,
        "batch_renorm": BatchRenorm,
        "filter_response": FilterResponseNorm,
        "scale": ScaleNorm,
        "weight_standardization": WeightStandardization,
        "spectral": SpectralNorm,
    },
    methods=("init", "forward", "backward"),
    or_method="around",
)
# Those that normalize with statistics of the batch.
BATCH_NORMS = (BatchNorm, NoisyBatchNorm, GhostBatchNorm, BatchRenorm)
