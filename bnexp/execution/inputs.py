"""A setting's images as the networks of a stack see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bnexp.config.kinds import make
from bnexp.config.network import Mlp
from bnexp.config.schema import Setting
from bnexp.data import Dataset
from bnexp.errors import ConfigError
from bnexp.nn.loss import Labels
from bnexp.training import Images
from bnexp.training.images import is_small

# On so many of the first training images initialisers that look at data do so.
CALIBRATION = 250


@dataclass(frozen=True)
class Inputs:
    """The images that networks are trained on, scored on and tested on; an MLP's as rows.

    `shape` is one image's shape as weights are drawn for it. `used` are the pixels that are not
    blank in all training images: a blank one adds nothing to any product, and its weights' gradient
    is 0, so it is left out of training (of the book's 1,000 images 609 of 784 pixels are used).
    None: all are, as where its weights change or count all the same, by decay or in a length. Test
    images keep every pixel. `offset` is what is subtracted from an image, if anything.
    """

    train: Images
    scored: Images
    test: Images | None
    shape: tuple[int, ...]
    used: NDArray[np.intp] | None
    offset: NDArray[np.float64] | None = None

    def calibration(self) -> NDArray[np.floating]:
        """The first training images, every pixel, (1, n, ...) in float64."""
        x = self.train.batch(slice(CALIBRATION))[0].astype(np.float64)
        if self.used is None:
            return x[None]
        whole = np.zeros((1, len(x), *self.shape))
        whole[..., self.used] = x
        return whole


def inputs(setting: Setting, loaded: Dataset, dtype: np.dtype[np.floating]) -> Inputs:
    """The setting's images; ConfigError where there are too few test images."""
    train, train_labels = _first(loaded.train_images, loaded.train_labels, setting.data.train)
    test, test_labels = _first(loaded.test_images, loaded.test_labels, _test_size(setting, loaded))
    rows = isinstance(setting.model, Mlp)
    decay = setting.train.l2 or setting.train.weight_decay
    if rows:
        train, test = (pixels.reshape(len(pixels), train[0].size) for pixels in (train, test))
    train, test = (_numbers(setting, loaded, pixels) for pixels in (train, test))
    shape, used = train.shape[1:], None
    offset = _mean(train) if setting.data.pixels == "centred" else None
    if rows and is_small(train, dtype) and not (decay or _norms_weights(setting)):
        used = np.flatnonzero(train.any(axis=0))
        train = train[:, used]
    seen = offset if offset is None or used is None else offset[used]
    train_set, scored = Images(train, train_labels, dtype, seen), setting.train.evaluate_train
    return Inputs(
        train_set,
        train_set if scored == "all" else train_set.first(scored),
        Images(test, test_labels, dtype, offset) if len(test) else None,
        shape,
        used,
        offset,
    )


def _numbers(setting: Setting, loaded: Dataset, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Pixels as the setting wants them: still bytes, unless the data set's stand for numbers."""
    if setting.data.pixels == "binary":
        return np.where(pixels >= 128, np.uint8(255), np.uint8(0))
    return pixels if loaded.values is None else loaded.values[pixels]


def _mean(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """The mean image, as numbers."""
    mean: NDArray[np.float64] = pixels.mean(axis=0, dtype=np.float64)
    return mean / 255 if pixels.dtype == np.uint8 else mean


def _norms_weights(setting: Setting) -> bool:
    return setting.model.norm is not None and hasattr(make(setting.model.norm), "around")


def _first(
    pixels: NDArray[np.uint8], labels: Labels, size: int | Literal["all"]
) -> tuple[NDArray[np.uint8], Labels]:
    end = len(labels) if size == "all" else size
    return pixels[:end], labels[:end]


def _test_size(setting: Setting, loaded: Dataset) -> int | Literal["all"]:
    size, available = setting.data.test, len(loaded.test_labels)
    if size != "all" and size > available:
        raise ConfigError(
            f"data.name {setting.data.name}: too few test images, expected at least {size} for "
            f"data.test, got {available}"
        )
    return size
