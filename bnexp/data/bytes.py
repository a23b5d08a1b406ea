"""Arrays of numbers as the bytes of a data set: images from 0 to 255, and labels.

Nothing is lost: arrays that bytes cannot hold are refused. The same images are therefore the same
data set, with the same SHA-256 and the same numbers in training, in whatever form they come.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.data.arrays import ROLES, Bytes
from bnexp.data.idx import refuse_labels
from bnexp.errors import DataError

MASKED = "expected an array without a mask, got a masked one; fill it, or leave such images out"


def byte_arrays(arrays: Mapping[str, Any], names: Sequence[str], source: str) -> dict[str, Bytes]:
    """The four arrays by role, as unsigned bytes.

    arrays: by name; those of the test set may be missing, which is then empty.
    names: of images, labels, test images and test labels.
    source: what messages begin with.

    DataError, with the name of the array, if one is not what it should be.
    """
    labels = {role: f"{source}{name}" for role, name in zip(ROLES, names, strict=True)}
    present = {
        role: arrays[name] for role, name in zip(ROLES, names, strict=True) if name in arrays
    }
    if len(present) == 3:
        absent = next(role for role in ROLES[2:] if role not in present)
        raise DataError(
            f"{labels[absent]}: missing, expected test images and their labels, or neither"
        )
    converted = {
        role: (label_bytes if role.endswith("labels") else image_bytes)(values, labels[role])
        for role, values in present.items()
    }
    if "test_images" not in present and "test_labels" not in present:
        shape = converted["train_images"].shape[1:]
        converted["test_images"] = np.zeros((0, *shape), np.uint8)
        converted["test_labels"] = np.zeros(0, np.uint8)
    for images, numbers in (ROLES[:2], ROLES[2:]):
        if len(converted[images]) != len(converted[numbers]):
            raise DataError(
                f"{labels[numbers]}: expected one label an image, got {len(converted[images])} "
                f"images and {len(converted[numbers])} labels"
            )
    train, test = converted["train_images"].shape[1:], converted["test_images"].shape[1:]
    if train != test:
        raise DataError(
            f"{labels['test_images']}: expected images of the shape of the training images "
            f"{train}, got {test}"
        )
    refuse_labels(converted, labels)
    return converted


def image_bytes(values: Any, label: str) -> Bytes:
    """Images as unsigned bytes (n, H, W, C), channels last.

    values: (n, H, W, C), (n, H, W), or rows (n, D), which are square images if D is a square
        number, else images of one line. Whole numbers from 0 to 255, of any type, or such numbers
        divided by 255; numbers from 0 to 1 are always taken for the latter, unless their type is
        one of integers.
    label: what messages call them.

    DataError for numbers that no byte stands for, and for arrays of another form.

    >>> image_bytes([[0.0, 1.0, 51 / 255]], "x").tolist()
    [[[[0], [255], [51]]]]
    """
    array = _array(values, label)
    if array.dtype.kind not in "iuf":
        raise DataError(f"{label}: expected real numbers, got {array.dtype}")
    if array.ndim not in (2, 3, 4) or not array.size:
        raise DataError(
            f"{label}: expected images (n, height, width), (n, height, width, channels) or rows "
            f"(n, numbers), got {array.shape}"
        )
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] not in (1, 3):
        raise DataError(
            f"{label}: expected channels last, (n, height, width, channels), got {array.shape}; "
            "move them: x.transpose(0, 2, 3, 1)"
        )
    return _as_images(_as_bytes(array, label))


def _as_images(array: Bytes) -> Bytes:
    """The array with four axes, in the order of memory that all data sets have."""
    if array.ndim == 2:
        numbers = array.shape[1]
        side = math.isqrt(numbers)
        shape = (side, side) if side * side == numbers else (1, numbers)
        array = array.reshape(len(array), *shape)
    array = array[..., None] if array.ndim == 3 else array
    return np.ascontiguousarray(array).view()  # a view: the caller's array stays writeable


def _as_bytes(array: NDArray[Any], label: str) -> Bytes:
    """Numbers that bytes stand for, as these bytes; DataError if some are none."""
    low, high = array.min(), array.max()
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind in "iu":
        if low >= 0 and high <= 255:
            return array.astype(np.uint8)
    elif low >= 0 and high <= 255:
        pixels: Bytes = np.rint(array * (255 if high <= 1 else 1)).astype(np.uint8)
        numbers = np.divide(pixels, np.float32(255), dtype=np.float32) if high <= 1 else pixels
        if np.array_equal(numbers, array.astype(np.float32)):
            return pixels
    raise DataError(
        f"{label}: expected whole numbers from 0 to 255, or such numbers / 255, as bnexp keeps a "
        f"pixel as one byte, got {array.dtype} from {low:g} to {high:g}; scale them to 0 to 1, "
        "then round: np.rint(255 * x).astype(np.uint8)"
    )


def label_bytes(values: Any, label: str) -> Bytes:
    """Labels as unsigned bytes (n,).

    values: whole numbers from 0 to 255, (n,), or (n, 1) as in some files. label: what messages call
    them. DataError for anything else.
    """
    array = _array(values, label)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not array.size:
        hint = "; of one-hot rows: y.argmax(axis=1)" if array.ndim == 2 else ""
        raise DataError(f"{label}: expected labels (n,), got {array.shape}{hint}")
    if array.dtype.kind not in "iu":
        hint = "y.astype(int)"
        raise DataError(f"{label}: expected whole numbers, got {array.dtype}; convert them: {hint}")
    if array.min() < 0 or array.max() > 255:
        got = f"{array.min()} to {array.max()}"
        raise DataError(f"{label}: expected whole numbers from 0 to 255, got {got}")
    return array.astype(np.uint8)


def _array(values: Any, label: str) -> NDArray[Any]:
    """The values as an array; DataError if they are none, such as rows of different lengths."""
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{label}: {MASKED}")
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{label}: expected an array, {error}") from None
