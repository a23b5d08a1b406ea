"""Images and labels that a trained network is asked about, checked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import ConfigError
from bnexp.nn.loss import Labels


def pixels_of(images: Any, shape: tuple[int, ...], any_number: bool = False) -> NDArray[Any]:
    """Images as (n, *shape), bytes or pixels in [0, 1]; ConfigError for anything else.

    With `any_number` pixels are any real numbers.
    """
    pixels, size = _array("images", images), math.prod(shape)
    if pixels.ndim < 2 or math.prod(pixels.shape[1:]) != size:
        raise ConfigError(
            f"images: expected {size} pixels each, (n, {', '.join(map(str, shape))}), "
            f"got {pixels.shape}"
        )
    pixels = pixels.reshape(len(pixels), *shape)
    if not np.issubdtype(pixels.dtype, np.integer):
        if pixels.size and not any_number and not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ConfigError(
                "images: expected pixels in [0, 1], or whole numbers from 0 to 255, got "
                f"{pixels.min():g} to {pixels.max():g}; divide bytes by 255"
            )
        return pixels
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):
        raise ConfigError(
            f"images: expected whole numbers from 0 to 255, got {pixels.min()} to {pixels.max()}"
        )
    return pixels.astype(np.uint8)


def labels_of(labels: Any, number: int, classes: int) -> Labels:
    """Labels of `number` images; ConfigError where they are not whole numbers below `classes`."""
    made = _array("labels", labels)
    if made.shape != (number,) or not number:
        raise ConfigError(
            f"labels: expected one for each of {number} images, and at least one image, "
            f"got {made.shape}"
        )
    whole = np.issubdtype(made.dtype, np.integer)
    if not whole or made.min() < 0 or made.max() >= classes:
        got = f"{made.min()} to {made.max()}" if whole else made.dtype
        raise ConfigError(f"labels: expected whole numbers from 0 to {classes - 1}, got {got}")
    return made.astype(np.int64)


def _array(name: str, given: Any) -> NDArray[Any]:
    """As an array; ConfigError where it is none of real numbers."""
    try:
        made = np.asarray(given)
    except ValueError as error:
        raise ConfigError(f"{name}: expected an array, {error}") from None
    if made.dtype.kind not in "biuf":
        raise ConfigError(f"{name}: expected real numbers, got {made.dtype}")
    return made
