"""Mean and 95 % confidence interval over seeds, after Student (1908)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnexp.tables.interval import t_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """At each point the mean of the finite values, and its interval (NaN under two values)."""

    mean: Floats
    low: Floats
    high: Floats


def band(values: Floats, ceiling: float = np.inf, floor: float = 0.0) -> Band:
    """Mean and t-interval over the first axis (seeds) of `values` (S, P), kept in [floor, ceiling].

    mean +- t * s / sqrt(n), with s the sample's standard deviation and n the finite values.
    """
    finite = np.isfinite(values)
    n = finite.sum(axis=0)
    with np.errstate(all="ignore"):  # 0/0 where nothing is finite: NaN is the answer
        total = np.where(finite, values, 0.0).sum(axis=0)
        mean = np.minimum(total, np.finfo(np.float64).max) / n  # finite, if too large to be shown
        squares = np.where(finite, values - mean, 0.0) ** 2
        half = _quantiles(n) * np.sqrt(squares.sum(axis=0) / (n - 1) / n)
        return Band(
            mean, np.clip(mean - half, floor, ceiling), np.clip(mean + half, floor, ceiling)
        )


def pooled(bands: Iterable[Band]) -> Band:
    """The points of all bands one after another, for limits that hold them all."""
    every = [Band(np.empty(0), np.empty(0), np.empty(0)), *bands]
    means, lows, highs = ([getattr(b, name) for b in every] for name in ("mean", "low", "high"))
    return Band(np.concatenate(means), np.concatenate(lows), np.concatenate(highs))


def _quantiles(n: NDArray[np.int64]) -> Floats:
    return np.array([t_quantile(int(k) - 1) if k > 1 else np.nan for k in n])
