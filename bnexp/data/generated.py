"""`synthetic`: images made on the spot, to the last bit the same everywhere (integers only)."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bnexp.data.arrays import Bytes
from bnexp.data.catalog import DATASETS


def random_bytes(bits: np.random.PCG64, *shape: int) -> Bytes:
    """Uniform bytes of this shape, the same on every platform."""
    size = math.prod(shape)
    words = bits.random_raw(-(-size // 8)).astype("<u8")
    return words.view(np.uint8)[:size].reshape(shape)


def random_orders(bits: np.random.PCG64, rows: int, size: int) -> NDArray[np.int64]:
    """`rows` independent permutations of range(size): (rows, size)."""
    keys = bits.random_raw(rows * size).reshape(rows, size)
    return np.argsort(keys, axis=1, kind="stable").astype(np.int64)


def make_gaussian() -> dict[str, Bytes]:
    """The four arrays by role."""
    facts = DATASETS["gaussian"]
    cut, count = facts.train, facts.train + facts.test
    bits = np.random.PCG64(1)
    images = random_bytes(bits, count, *facts.image_shape)
    labels = (random_bytes(bits, count).astype(np.int64) % facts.classes).astype(np.uint8)
    return {
        "train_images": images[:cut],
        "train_labels": labels[:cut],
        "test_images": images[cut:],
        "test_labels": labels[cut:],
    }


def normal_values() -> NDArray[np.float32]:
    """The number that each byte stands for: mean 0, variance 1."""
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf((byte + 0.5) / 256) for byte in range(256)])
    values: NDArray[np.float32] = (quantiles / quantiles.std()).astype(np.float32)
    return values


CLASSES, SIDE, GRID = 10, 28, 7
STEP = SIDE // GRID
SHIFT = 2  # pixels, each way
NOISE = 96  # grey levels, each way

Integers = NDArray[np.int64]


def make_synthetic() -> dict[str, Bytes]:
    """The four arrays by role; every block of 10 images holds each class once."""
    cut, count = DATASETS["synthetic"].train, 2500
    bits = np.random.PCG64(0)
    labels = random_orders(bits, count // CLASSES, CLASSES).reshape(-1)
    images = _images(bits, labels)
    return {
        "train_images": images[:cut],
        "train_labels": labels[:cut].astype(np.uint8),
        "test_images": images[cut:],
        "test_labels": labels[cut:].astype(np.uint8),
    }


def _images(bits: np.random.PCG64, labels: Integers) -> Bytes:
    """One shifted, blended and noisy pattern a label: (n, 28, 28, 1)."""
    count = len(labels)
    patterns = _patterns(bits)
    rows, columns = (_positions(bits, count) for _ in range(2))  # (n, 28) each
    others = random_bytes(bits, count).astype(np.int64) % CLASSES
    share = random_bytes(bits, count, 1, 1).astype(np.int64) // 2  # of 256, of the other pattern
    at = (rows[:, :, None], columns[:, None, :])
    own = patterns[(labels[:, None, None], *at)]
    other = patterns[(others[:, None, None], *at)]
    noise = (random_bytes(bits, count, SIDE, SIDE).astype(np.int64) - 128) * NOISE // 128
    grey = ((256 - share) * own + share * other) // 256 + noise
    return np.clip(grey, 0, 255).astype(np.uint8)[..., None]


def _patterns(bits: np.random.PCG64) -> Integers:
    """A smooth pattern a class, dark for about half of it: (10, 28, 28)."""
    coarse = random_bytes(bits, CLASSES, GRID, GRID).astype(np.int64)
    smooth = _enlarge(_enlarge(coarse).transpose(0, 2, 1)) // STEP**2
    return np.clip(3 * smooth - 384, 0, 255)


def _enlarge(grid: Integers) -> Integers:
    """STEP times linear interpolation between neighbors along the last axis, which wraps round."""
    weight = np.tile(np.arange(STEP), grid.shape[-1])
    here = np.repeat(grid, STEP, axis=-1)
    following = np.repeat(np.roll(grid, -1, axis=-1), STEP, axis=-1)
    return (STEP - weight) * here + weight * following


def _positions(bits: np.random.PCG64, count: int) -> Integers:
    shifts = random_bytes(bits, count, 1).astype(np.int64) % (2 * SHIFT + 1) - SHIFT
    return (np.arange(SIDE) + shifts) % SIDE
