"""Arithmetic with one row for many samples, fast where the row is short."""

from __future__ import annotations

import math

import numpy as np

from bnexp.nn.layer import Array

# NumPy works through one row at a time, and starting a row costs as much as some hundred numbers:
# a convolution's features, 30 or so, are put side by side until a row is about as long as this.
LENGTH = 1024
SHORT = 64


def rowwise(operation: np.ufunc, x: Array, row: Array, out: Array | None = None) -> Array:
    """operation(x, row) for x (K, M, F) and row (K, 1, F), to the last bit; `out` may be x."""
    beside = _beside(x)
    if beside == 1 or (out is not None and not out.flags.c_contiguous):
        made: Array = operation(x, row, out=out)
        return made
    wide = (-1, x.shape[-2] // beside, beside * x.shape[-1])
    target = None if out is None else out.reshape(len(out), *wide[1:])
    made = operation(x.reshape(len(x), *wide[1:]), np.tile(row, beside), out=target)
    return made.reshape(len(made), *x.shape[1:])


def _beside(x: Array) -> int:
    """How many samples make a row: a power of two that divides their number."""
    length = x.shape[-1]
    if not 0 < length <= SHORT:
        return 1
    return math.gcd(x.shape[-2], 2 ** ((LENGTH // length).bit_length() - 1))
