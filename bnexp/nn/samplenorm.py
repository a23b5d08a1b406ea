"""Normalizers that look at one sample at a time: layer, group, instance and RMS normalization.

    y = gamma * (x - mu) / sqrt(var + eps) + beta

with mu and var over each group of a sample's numbers, var over their count. There is no running
state and no difference between training and evaluation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bnexp.nn.dense import column_sums
from bnexp.nn.layer import Array, Generator, Parameters, Shape, State
from bnexp.nn.registry import knob


class Cache(NamedTuple):
    """The normalised input and 1 / sqrt(var + eps), in groups: the last axis is the members."""

    normalised: Array
    inverse: Array


@dataclass(frozen=True)
class SampleNorm:
    """What these normalisers share; each says how a sample is split and what gamma is one of.

    x, y and dy are (K, N, H) or (K, N, H, W, C); gamma and beta are rows (K, 1, number of gammas).
    `init` raises ValueError for samples that cannot be split so.
    """

    eps: float = knob(1e-5, doc="added to keep the division finite", ge=0)
    affine: bool = knob(True, doc="scale by gamma and shift by beta, both trained")

    centred = True

    def init(self, generator: Generator, shape: Shape) -> tuple[Shape, Parameters, State]:
        self.check(shape)
        row = (1, self.scales(shape))
        parameters = {"gamma": np.ones(row), "beta": np.zeros(row)}
        names = (["gamma", "beta"] if self.centred else ["gamma"]) if self.affine else []
        return shape, {name: parameters[name] for name in names}, {}

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Cache, State]:
        groups = self.split(x)
        if self.centred:
            groups = groups - groups.mean(axis=-1, keepdims=True)
        var = (groups * groups).mean(axis=-1, keepdims=True)
        inverse = np.reciprocal(np.sqrt(var + self.eps))
        normalised = groups * inverse
        y = self.join(normalised, x.shape)
        if self.affine:
            y = self._rows(y) * parameters["gamma"]
            if self.centred:
                y += parameters["beta"]
        # K may have grown where x was shared
        return y.reshape(len(y), *x.shape[1:]), Cache(normalised, inverse), state

    def backward(
        self, parameters: Parameters, cache: Cache, dy: Array
    ) -> tuple[Array, dict[str, Array]]:
        """dx = inverse * (g - mean(g) - normalised * mean(g * normalised)), g = gamma * dy."""
        normalised, inverse = cache
        gradients: dict[str, Array] = {}
        g = dy
        if self.affine:
            rows = self._rows(dy)
            joined = self._rows(self.join(normalised, (len(normalised), *dy.shape[1:])))
            gradients["gamma"] = column_sums(rows * joined)
            if self.centred:
                gradients["beta"] = column_sums(rows)
            g = (rows * parameters["gamma"]).reshape(dy.shape)
        groups = self.split(g)
        along = (groups * normalised).mean(axis=-1, keepdims=True)
        dx = groups - normalised * along
        if self.centred:
            dx -= groups.mean(axis=-1, keepdims=True)
        dx *= inverse
        return self.join(dx, dy.shape).reshape(dy.shape), gradients

    def check(self, shape: Shape) -> None:
        """ValueError where a sample of this shape cannot be normalised so."""

    def scales(self, shape: Shape) -> int:
        """How many gammas: by default one for each number of a sample."""
        return math.prod(shape)

    def split(self, x: Array) -> Array:
        """(K, N, ...) as groups (K, N, G, members); by default one group, the whole sample."""
        return x.reshape(*x.shape[:2], 1, -1)

    def join(self, groups: Array, shape: Shape) -> Array:
        """The inverse of `split`."""
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
    """


@dataclass(frozen=True)
class RMSNorm(SampleNorm):
    """y = gamma * x / sqrt(mean(x^2) + eps): not centred, no beta. Zhang & Sennrich 2019."""

    centred = False


@dataclass(frozen=True)
class ChannelGroups(SampleNorm):
    """Over the places and the channels of each group, a gamma a channel."""

    def groups_of(self, shape: Shape) -> int:
        """How many groups the channels, the last number of `shape`, are split into."""
        raise NotImplementedError

    def scales(self, shape: Shape) -> int:
        return shape[-1]

    def split(self, x: Array) -> Array:
        groups = self.groups_of(x.shape)
        parts = x.reshape(*x.shape[:2], -1, groups, x.shape[-1] // groups)
        return parts.swapaxes(2, 3).reshape(*x.shape[:2], groups, -1)

    def join(self, groups: Array, shape: Shape) -> Array:
        number = self.groups_of(shape)
        parts = groups.reshape(*shape[:2], number, -1, shape[-1] // number)
        return parts.swapaxes(2, 3).reshape(shape)


@dataclass(frozen=True)
class GroupNorm(ChannelGroups):
    """Normalize over the pixels and channels of each group; one gamma per channel. Wu & He 2018."""

    groups: int = knob(2, doc="the number of groups into which the channels are split", ge=1)

    def check(self, shape: Shape) -> None:
        if shape[-1] % self.groups:
            raise ValueError(
                f"group norm: {shape[-1]} channels do not split into {self.groups} equal groups"
            )

    def groups_of(self, shape: Shape) -> int:
        return self.groups


@dataclass(frozen=True)
class InstanceNorm(ChannelGroups):
    """Normalize over the pixels of each channel of an image. Ulyanov et al. 2016."""

    affine: bool = knob(False, doc="scale by gamma and shift by beta, both trained")

    def check(self, shape: Shape) -> None:
        if len(shape) != 3:
            raise ValueError("instance norm: needs images, a dense layer's output has no places")

    def groups_of(self, shape: Shape) -> int:
        return shape[-1]
