"""A data set in memory, and the digests that say which one it is.

A data set has four arrays, one for each of ROLES. The function that loads it makes or reads them as
unsigned bytes and gives them to `make_dataset`; `Content` adds their digests, which `cache` stores.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import DataError
from bnexp.text import counted

ROLES = ("train_images", "train_labels", "test_images", "test_labels")
FEWEST_CLASSES = 10

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (n, H, W, C) as bytes 0..255 and labels (n,) below `classes`, all read-only.

    `sha256` identifies the four arrays, shapes included: equal digests, equal data. `origin` says
    in words where they came from, and `recognized` is the name of the known data set that they are
    by their content; empty if they are none. `values` are the 256 numbers that bytes stand for,
    None for byte / 255. Large arrays may be memory-mapped, so their pages are shared between
    processes.
    """

    name: str
    train_images: Bytes = field(repr=False)
    train_labels: Labels = field(repr=False)
    test_images: Bytes = field(repr=False)
    test_labels: Labels = field(repr=False)
    classes: int
    sha256: str
    origin: str
    recognized: str = ""
    values: NDArray[np.float32] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Content:
    """The four arrays by role, as unsigned bytes, with each one's digest."""

    arrays: Mapping[str, Bytes]
    digests: dict[str, str]

    @classmethod
    def of(cls, arrays: Mapping[str, Bytes]) -> Content:
        """The arrays with their digests computed."""
        return cls(arrays, {role: array_digest(arrays[role]) for role in ROLES})

    @property
    def sha256(self) -> str:
        """The digest of all four arrays: that of their digests in the order of ROLES."""
        return sha256("".join(self.digests[role] for role in ROLES).encode()).hexdigest()


def split_arrays(images: Bytes, labels: Bytes, train: int) -> dict[str, Bytes]:
    """The four arrays by role: the first `train` images are for training, the others for tests."""
    return dict(
        zip(ROLES, (images[:train], labels[:train], images[train:], labels[train:]), strict=True)
    )


def make_dataset(
    name: str,
    arrays: Mapping[str, NDArray[np.uint8]] | Content,
    origin: str,
    recognized: str = "",
) -> Dataset:
    """The data set that consists of four arrays of unsigned bytes.

    name: what the data set is called.
    arrays: by role, train_images and test_images (n, H, W, C), train_labels and test_labels (n,).
        Labels count classes from 0, or from 1. There may be no test images.
    origin: where the arrays came from, in a few words.
    recognized: which known data set they are, if that was found out.

    The arrays become read-only. Raises DataError if an array is of another type or dimension, or
    if they do not fit together.

    >>> images, labels = np.zeros((4, 2, 2, 1), np.uint8), np.array([0, 1, 2, 3], np.uint8)
    >>> make_dataset("blank", dict(zip(ROLES, [images, labels] * 2)), "an example").classes
    10
    """
    by_role = arrays.arrays if isinstance(arrays, Content) else arrays
    _check_arrays(name, by_role)
    content = arrays if isinstance(arrays, Content) else Content.of(arrays)
    train_labels, test_labels = (
        by_role[role].astype(np.int64) for role in ("train_labels", "test_labels")
    )
    images = by_role["train_images"], by_role["test_images"]
    for array in (*images, train_labels, test_labels):
        array.flags.writeable = False
    return Dataset(
        name=name,
        train_images=images[0],
        train_labels=train_labels,
        test_images=images[1],
        test_labels=test_labels,
        classes=class_count(train_labels),
        sha256=content.sha256,
        origin=origin,
        recognized=recognized,
    )


def _check_arrays(name: str, arrays: Mapping[str, Bytes]) -> None:
    for role in ROLES:
        dimensions = 1 if role.endswith("labels") else 4
        array = arrays[role]
        is_empty = role.startswith("train") and not array.size
        if array.dtype != np.uint8 or array.ndim != dimensions or is_empty:
            raise DataError(
                f"data {name}: {role}: expected unsigned bytes in {dimensions} dimensions, got "
                f"{array.dtype} of shape {array.shape}."
            )
    for part in ("train", "test"):
        images, labels = len(arrays[f"{part}_images"]), len(arrays[f"{part}_labels"])
        if images != labels:
            raise DataError(
                f"data {name}: {part}: expected one label an image, got "
                f"{counted(images, 'image')} and {counted(labels, 'label')}."
            )
    train, test = arrays["train_images"].shape[1:], arrays["test_images"].shape[1:]
    if train != test:
        raise DataError(
            f"data {name}: test_images: expected images of the shape of the training images "
            f"{train}, got {test}."
        )
    classes, largest = (
        class_count(arrays["train_labels"]),
        int(arrays["test_labels"].max(initial=0)),
    )
    if largest >= classes:
        raise DataError(
            f"data {name}: test_labels: expected labels of the training set's classes, 0 to "
            f"{classes - 1}, got {largest}."
        )


def class_count(train_labels: NDArray[np.uint8] | Labels) -> int:
    """One more than the largest training label, and at least FEWEST_CLASSES."""
    return max(FEWEST_CLASSES, int(train_labels.max()) + 1)


def array_digest(array: Bytes) -> str:
    """SHA-256 of the IDX file that would hold `array` (n,) or (n, H, W, C).

    So it equals what `sha256sum` prints for an unpacked file, and covers the shape.
    """
    grey = array.ndim == 4 and array.shape[3] == 1
    digest = sha256(idx_header(array.shape[:3] if grey else array.shape))
    digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The head of an IDX file of unsigned bytes: magic number, then one 32-bit size a dimension."""
    return struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
