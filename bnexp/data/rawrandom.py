"""Random bytes and orders that never change.

NumPy promises the stream of a bit generator for ever, but not that of `Generator`'s methods; data
that are identified by a digest may only use the former.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bnexp.data.dataset import Bytes


def random_bytes(bits: np.random.PCG64, *shape: int) -> Bytes:
    """Uniform bytes of this shape, the same on every platform."""
    size = math.prod(shape)
    words = bits.random_raw(-(-size // 8)).astype("<u8")
    return words.view(np.uint8)[:size].reshape(shape)


def random_orders(bits: np.random.PCG64, rows: int, size: int) -> NDArray[np.int64]:
    """`rows` independent permutations of range(size): (rows, size)."""
    keys = bits.random_raw(rows * size).reshape(rows, size)
    return np.argsort(keys, axis=1, kind="stable").astype(np.int64)
