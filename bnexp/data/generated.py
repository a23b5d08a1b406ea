"""Images made on the spot, to the last bit the same everywhere, and the table of such data sets.

Only integers are computed with, and random bits come straight from PCG64: no version of numpy and
no processor rounds them differently.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bnexp.data.arrays import Bytes, Dataset, make_dataset, split_arrays
from bnexp.data.datasets import DatasetFacts, Places

TRAIN, TEST, CLASSES = 2000, 500, 10
SIDE = 28  # pixels of a synthetic image
GRID = 7  # pixels of the coarse pattern that it is enlarged from
STEP = SIDE // GRID
SHIFT = 2  # pixels, each way
NOISE = 96  # grey levels, each way
NORMAL_SHAPE = (10, 10, 1)

Integers = NDArray[np.int64]


def load_synthetic(places: Places) -> Dataset:
    """The images of a class are one smooth pattern, shifted, blended with another, and noisy.

    Every block of 10 images holds each class once.
    """
    bits = np.random.PCG64(0)
    count = TRAIN + TEST
    labels = random_orders(bits, count // CLASSES, CLASSES).reshape(-1)
    patterns = _smooth_patterns(bits)
    offsets = np.arange(SIDE)
    rows, columns = (
        (offsets + random_bytes(bits, count, 1).astype(np.int64) % (2 * SHIFT + 1) - SHIFT) % SIDE
        for _ in range(2)
    )
    other_labels = random_bytes(bits, count).astype(np.int64) % CLASSES
    other_share = random_bytes(bits, count, 1, 1).astype(np.int64) // 2  # of 256
    shifted = (rows[:, :, None], columns[:, None, :])
    pattern = patterns[(labels[:, None, None], *shifted)]
    other_pattern = patterns[(other_labels[:, None, None], *shifted)]
    noise = (random_bytes(bits, count, SIDE, SIDE).astype(np.int64) - 128) * NOISE // 128
    grey = ((256 - other_share) * pattern + other_share * other_pattern) // 256 + noise
    images = np.clip(grey, 0, 255).astype(np.uint8)[..., None]
    arrays = split_arrays(images, labels.astype(np.uint8), TRAIN)
    return make_dataset("synthetic", arrays, "made by bnexp")


def load_gaussian(places: Places) -> Dataset:
    """Noise: every number of a sample is drawn from N(0, 1), and its label at random.

    Pixels are bytes, which stand for the 256 numbers of `normal_values`.
    """
    bits = np.random.PCG64(1)
    images = random_bytes(bits, TRAIN + TEST, *NORMAL_SHAPE)
    labels = random_bytes(bits, TRAIN + TEST).astype(np.int64) % CLASSES
    arrays = split_arrays(images, labels.astype(np.uint8), TRAIN)
    return make_dataset("gaussian", arrays, "made by bnexp")


def random_bytes(bits: np.random.PCG64, *shape: int) -> Bytes:
    """Uniform bytes of this shape, the same on every platform."""
    size = math.prod(shape)
    words = bits.random_raw(-(-size // 8)).astype("<u8")
    return words.view(np.uint8)[:size].reshape(shape)


def random_orders(bits: np.random.PCG64, rows: int, size: int) -> Integers:
    """`rows` independent permutations of range(size): (rows, size)."""
    keys = bits.random_raw(rows * size).reshape(rows, size)
    return np.argsort(keys, axis=1, kind="stable").astype(np.int64)


def normal_values() -> NDArray[np.float32]:
    """The 256 numbers that the bytes of `gaussian` stand for: mean 0, variance 1.

    Byte b stands for the quantile (b + 1/2) / 256 of the normal distribution.
    """
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf((byte + 0.5) / 256) for byte in range(256)])
    values: NDArray[np.float32] = (quantiles / quantiles.std()).astype(np.float32)
    return values


def _smooth_patterns(bits: np.random.PCG64) -> Integers:
    """A smooth pattern a class, dark for about half of it: (10, 28, 28)."""
    coarse = random_bytes(bits, CLASSES, GRID, GRID).astype(np.int64)
    smooth = _enlarge(_enlarge(coarse).transpose(0, 2, 1)) // STEP**2
    return np.clip(3 * smooth - 384, 0, 255)


def _enlarge(grid: Integers) -> Integers:
    """STEP times linear interpolation between neighbors along the last axis, which wraps round."""
    weight = np.tile(np.arange(STEP), grid.shape[-1])
    left = np.repeat(grid, STEP, axis=-1)
    right = np.repeat(np.roll(grid, -1, axis=-1), STEP, axis=-1)
    return (STEP - weight) * left + weight * right


SYNTHETIC = DatasetFacts(
    train=TRAIN,
    test=TEST,
    image_shape=(SIDE, SIDE, 1),
    classes=CLASSES,
    description="10 smooth random patterns, shifted, blended and made noisy; no download",
    load=load_synthetic,
    sha256="7e794bb92679c71a44cfc3232f7c8bd9ed3223b8442b57b3a85f6924fa2006c4",
    fixed=True,
)

GAUSSIAN = DatasetFacts(
    train=TRAIN,
    test=TEST,
    image_shape=NORMAL_SHAPE,
    classes=CLASSES,
    description="standard normal noise, 100 numbers a sample, labels at random; no download",
    load=load_gaussian,
    sha256="2fd1dc5c97c1460318dffc998f201409b3de7ed289ba897c16ab33759b69d57d",
    values=normal_values,
)

GENERATED = {"synthetic": SYNTHETIC, "gaussian": GAUSSIAN}
