"""Dropout, its masks a function of a key and the step.

    training:    y = x * mask / (1 - ratio)    mask = 0 with probability ratio, else 1
    evaluation:  y = x

With `scale: evaluation` the factor 1 - ratio is at evaluation instead, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator as RandomGenerator
from numpy.random import Philox
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Dropout:
    """Set each number to 0 with probability `ratio` in training. Srivastava et al. 2014.

    scale inverted: the others are divided by 1 - ratio in training; scale evaluation: all are
    multiplied by 1 - ratio at evaluation, as in the paper and the book.

    The masks are a function of the state: a key for each network, uint64 (K, 1), which whoever
    starts the training sets, and the number of steps made. So a step is repeated exactly from a
    saved state, and no network's mask depends on its neighbors.

    Arguments:
        ratio: the probability that a number is dropped, 0 <= ratio < 1.
        scale: "inverted", the default, or "evaluation": where the factor 1 - ratio is.

    x is (K, N, H) or (K, N, H, W, C), K being the number of keys, or 1.

    >>> layer = Dropout(0.5)
    >>> state = {"key": np.array([[7], [8]], np.uint64), "steps": np.zeros((2, 1), np.uint64)}
    >>> y, _, after = layer.forward({}, state, np.ones((2, 100, 10)), train=True)
    >>> sorted(set(y.ravel().tolist())), after["steps"].ravel().tolist()
    ([0.0, 2.0], [1, 1])
    """

    ratio: float
    scale: Literal["inverted", "evaluation"] = "inverted"

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """No parameters; the key, to be set by who starts the training, and 0 steps, (1,) each."""
        return shape, {}, {"key": np.zeros(1, np.uint64), "steps": np.zeros(1, np.uint64)}

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """y (K, N, ...), and in training a state with one step more; the cache is mask / scale."""
        keep = 1.0 - self.ratio
        if not train:
            return (x * keep if self.scale == "evaluation" else x), None, state
        factors = np.asarray(self._masks(state, x).astype(x.dtype), like=x)
        if self.scale == "inverted":
            factors /= keep
        return x * factors, factors, {**state, "steps": state["steps"] + 1}

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """dx = dy times the factors of the forward pass."""
        if cache is not None:
            return dy * cache, {}
        return (dy * (1.0 - self.ratio) if self.scale == "evaluation" else dy), {}

    def _masks(self, state: State, x: Array) -> NDArray[np.bool_]:
        """True where a number is kept; (K, ...), from one generator a network and step."""
        pairs = zip(state["key"][:, 0].tolist(), state["steps"][:, 0].tolist(), strict=True)
        masks = [
            RandomGenerator(Philox(key=[key, steps])).random(x.shape[1:], dtype=np.float32)
            for key, steps in pairs
        ]
        return np.stack(masks) >= self.ratio
