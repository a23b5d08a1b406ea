"""Images as numbers: bytes to pixels in [0, 1], all at once or batch by batch."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bnexp.nn import Array
from bnexp.nn.loss import Labels

# Below this size the numbers are computed once and kept; above it, batch by batch from the (often
# memory-mapped) bytes, so that 60,000 images in float64 do not cost 376 MB in every process.
KEPT_BYTES = 64 * 2**20


def is_small(pixels: NDArray[np.uint8], dtype: DTypeLike) -> bool:
    """Whether the images' numbers are kept."""
    return pixels.size * np.dtype(dtype).itemsize <= KEPT_BYTES


class Images:
    """Images and their labels, as numbers when a batch of them is asked for.

    Arguments:
        pixels: (n, ...), bytes or numbers. A byte's pixel is byte / 255 in float32 whatever `dtype`
            is, as in the book's loader; pixels that are not bytes are numbers already.
        labels: (n,), whole numbers.
        dtype: float32 or float64, the type of the numbers.
        offset: (...), what is subtracted from each image; None for nothing.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        labels: Labels,
        dtype: DTypeLike,
        offset: NDArray[np.float64] | None = None,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.labels = labels
        self.offset = offset
        self._converted = pixels.dtype != np.uint8 or is_small(pixels, dtype)
        self._pixels: NDArray[Any] = self._convert(pixels) if self._converted else pixels

    @property
    def shape(self) -> tuple[int, ...]:
        """One image's shape."""
        return self._pixels.shape[1:]

    def first(self, number: int) -> Images:
        """The first images alone."""
        if not self._converted:
            return Images(self._pixels[:number], self.labels[:number], self.dtype, self.offset)
        images = copy(self)
        images._pixels, images.labels = self._pixels[:number], self.labels[:number]
        return images

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Any) -> tuple[Array, Labels]:
        """Numbers and labels at `indices`, an index array of any shape or a slice."""
        pixels = self._pixels[indices]
        return pixels if self._converted else self._convert(pixels), self.labels[indices]

    def _convert(self, pixels: NDArray[Any]) -> Array:
        if pixels.dtype == np.uint8:
            pixels = np.divide(pixels, np.float32(255), dtype=np.float32)
        numbers: Array = pixels.astype(self.dtype, copy=False)
        return numbers if self.offset is None else numbers - self.offset.astype(self.dtype)
