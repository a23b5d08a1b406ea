"""Images side by side on one panel: the filters of a layer, or images of a data set.

All images of a mosaic have one size. Images of three channels are shown as colors, others by the
mean of their channels, as grays.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from bnexp.figures.style import active
from bnexp.runs.stats import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = 1.04  # of the panel, over what the images take
GAP = 0.12  # between two images, of the longer side of one


def mosaic_columns(number: int) -> int:
    """How many images stand side by side: more than there are rows, with few places left empty.

    >>> [mosaic_columns(number) for number in (1, 3, 6, 10, 16, 30)]
    [1, 3, 3, 5, 4, 6]
    """
    if number <= 3:
        return max(1, number)
    least, best = ceil(sqrt(number)), sqrt(1.6 * number)
    return min(range(least, 2 * least + 1), key=lambda n: (-number % n, abs(n - best)))


def draw_mosaic(
    axes: Axes,
    images: Floats,
    columns: int,
    limits: tuple[float, float],
    is_ink: bool = False,
    room: float = 0.0,
) -> list[tuple[float, float]]:
    """Draw images (n, H, W, channels) in rows of so many columns; returns where each one's top is.

    Arguments:
        limits: the numbers that are black and white, the lower one first.
        is_ink: whether the higher limit is ink and the lower one paper, as for digits; else it is
            white, on dark paper, too. Images with colors are as they are.
        room: above each image, for words, in units of its height.

    The panel's units are those of an image's longer side. Pixels that are not finite are gray.
    """
    n, height, width, channels = images.shape
    side = max(height, width)
    w, h = width / side, height / side
    low, high = limits
    finite = np.where(np.isfinite(images), images, np.nan)
    shares = np.clip((finite - low) / (high - low), 0, 1)
    if channels != 3:
        shares = shares.mean(axis=-1, keepdims=True)
    ink, paper = (float(active().gray(lightness)) for lightness in (0, 1))
    if is_ink and channels != 3:
        shares = paper + (ink - paper) * shares
    colors = np.where(np.isfinite(shares), shares, 0.5)
    colors = np.broadcast_to(colors, (n, height, width, 3))
    tops = []
    for number, image in enumerate(colors):
        row, column = divmod(number, columns)
        left, top = column * (w + GAP), -row * (h + GAP + room * h)
        extent = (left, left + w, top - h, top)
        axes.imshow(image, extent=extent, interpolation="none", aspect="auto")
        tops.append((left + w / 2, top))
    rows = ceil(n / columns)
    across = columns * (w + GAP) - GAP
    down = rows * (h + GAP + room * h) - GAP
    # Centered, and as large as the panel allows.
    box = axes.get_window_extent()
    shape = box.width / box.height
    half_width = MARGIN * max(across, down * shape) / 2
    half_height = half_width / shape
    middle = across / 2, room * h - down / 2
    axes.set_xlim(middle[0] - half_width, middle[0] + half_width)
    axes.set_ylim(middle[1] - half_height, middle[1] + half_height)
    axes.set_aspect("equal")  # also where the page is stretched
    axes.set_axis_off()
    return tops
