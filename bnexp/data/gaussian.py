"""`gaussian`: normal noise, for what holds of a network before it has seen any image.

The bytes are drawn evenly, so that they are the same everywhere; each stands for a quantile of the
standard normal distribution, 256 of them, scaled to variance 1.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bnexp.data.catalog import DATASETS
from bnexp.data.dataset import Bytes
from bnexp.data.rawrandom import random_bytes


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
