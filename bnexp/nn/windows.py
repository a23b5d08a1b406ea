"""Windows of an image: the patches that a convolution multiplies and a pooling reduces.

Images are (K, N, H, W, C), channels last. A square window slides by `stride` over the image, which
is framed by `padding` pixels on each side. It fits at OH x OW places:

    OH = floor((H + 2 padding - size) / stride) + 1,  and OW likewise
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bnexp.nn.protocols import Array, Shape


@dataclass(frozen=True)
class Window:
    """A square window, its stride and the frame of the image.

    >>> import numpy as np
    >>> window, x = Window(2), np.arange(9.0).reshape(1, 1, 3, 3, 1)
    >>> window.places((3, 3))
    (2, 2)
    >>> window.patches(x)[0].tolist()
    [[0.0, 1.0, 3.0, 4.0], [1.0, 2.0, 4.0, 5.0], [3.0, 4.0, 6.0, 7.0], [4.0, 5.0, 7.0, 8.0]]
    """

    size: int
    stride: int = 1
    padding: int = 0

    def places(self, shape: Shape) -> tuple[int, int]:
        """(OH, OW) for an image (H, W, ...); what does not fill a window at the end is left out.

        ValueError if `shape` is not an image's, or the image is smaller than the window.
        """
        if len(shape) < 2:
            raise ValueError("a window needs images, a dense layer's output has no places")
        height, width = (
            (side + 2 * self.padding - self.size) // self.stride + 1 for side in shape[:2]
        )
        if min(height, width) < 1:
            raise ValueError(
                f"a window of {self.size} does not fit an image of {shape[0]} x {shape[1]} "
                f"with a padding of {self.padding}"
            )
        return height, width

    def framed(self, x: Array, value: float = 0.0) -> Array:
        """The images with their frame, (K, N, H + 2 padding, W + 2 padding, C)."""
        if self.padding == 0:
            return x
        frame = (self.padding, self.padding)
        return np.pad(x, ((0, 0), (0, 0), frame, frame, (0, 0)), constant_values=value)

    def unframed(self, x: Array) -> Array:
        """The inverse of `framed`: a view without the frame."""
        p = self.padding
        return x[:, :, p:-p, p:-p] if p else x

    def slices(self, framed: Array) -> Iterator[Array]:
        """For each position in the window, row by row, the pixels that it meets at all places.

        These are views (K, N, OH, OW, C) of the framed images; there are size * size of them.
        """
        rows, columns = (
            (side - self.size) // self.stride * self.stride + 1 for side in framed.shape[2:4]
        )
        for i in range(self.size):
            for j in range(self.size):
                yield framed[:, :, i : i + rows : self.stride, j : j + columns : self.stride]

    def patches(self, x: Array) -> Array:
        """Every window as a row, (K, N * OH * OW, size * size * C)."""
        views = list(self.slices(self.framed(x)))
        k, n, height, width, channels = views[0].shape
        if channels == 1:  # a number at a time is slow to copy; made transposed, it is runs of OW
            columns = np.stack([view[..., 0] for view in views], axis=1)
            return columns.reshape(k, len(views), -1).swapaxes(1, 2)
        patches = np.empty((k, n, height, width, len(views), channels), x.dtype)
        for i, view in enumerate(views):
            patches[..., i, :] = view
        return patches.reshape(k, n * height * width, -1)

    def summed(self, patches: Array, shape: tuple[int, ...]) -> Array:
        """The transpose of `patches`: rows added up where their pixels were, (K, N, H, W, C)."""
        k, n, height, width, channels = shape
        p = 2 * self.padding
        framed = np.zeros((k, n, height + p, width + p, channels), patches.dtype)
        oh, ow = self.places((height, width))
        rows = patches.reshape(k, n, oh, ow, -1, channels)
        for i, view in enumerate(self.slices(framed)):
            view += rows[..., i, :]
        return self.unframed(framed)
