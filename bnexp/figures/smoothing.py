"""The smoothing of the book's curves: common/util.py, smooth_curve."""

from __future__ import annotations

import numpy as np

from bnexp.figures.interval import Floats

WINDOW, BETA = 11, 2.0


def smoothed(y: Floats) -> Floats:
    """Kaiser-weighted mean of 11 points, the ends reflected; as it is where it has fewer.

    Numbers that are not finite are left out of it and stay where they are.
    """
    finite = np.isfinite(y)
    if finite.sum() < WINDOW:
        return y
    made = y.copy()
    made[finite] = _mean(y[finite])
    return made


def _mean(y: Floats) -> Floats:
    weights = np.kaiser(WINDOW, BETA)
    reflected = np.r_[y[WINDOW - 1 : 0 : -1], y, y[-1:-WINDOW:-1]]
    half = WINDOW // 2
    return np.convolve(weights / weights.sum(), reflected, mode="valid")[half:-half]
