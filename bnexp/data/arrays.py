"""A data set in memory, and the digests that say which one it is."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bnexp.data.catalog import ROLES

FEWEST_CLASSES = 10

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (n, H, W, C) as bytes 0..255 and labels (n,) below `classes`, all read-only.

    `sha256` identifies the four arrays, shapes included: equal digests, equal data. `origin`
    says in words where they came from. `values` are the 256 numbers that bytes stand for, None for
    byte / 255. Large arrays may be memory-mapped, so their pages are shared
    between processes.
    """

    name: str
    train_images: Bytes = field(repr=False)
    train_labels: Labels = field(repr=False)
    test_images: Bytes = field(repr=False)
    test_labels: Labels = field(repr=False)
    classes: int
    sha256: str
    origin: str
    values: NDArray[np.float32] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Content:
    """The four arrays by role, as unsigned bytes, with each one's digest."""

    arrays: dict[str, Bytes]
    digests: dict[str, str]

    @classmethod
    def of(cls, arrays: dict[str, Bytes]) -> Content:
        return cls(arrays, {role: array_digest(arrays[role]) for role in ROLES})

    @property
    def sha256(self) -> str:
        return sha256("".join(self.digests[role] for role in ROLES).encode()).hexdigest()


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


def assemble(name: str, content: Content, origin: str) -> Dataset:
    """The data set made of checked `content`."""
    arrays = content.arrays
    return Dataset(
        name=name,
        train_images=_read_only(arrays["train_images"]),
        train_labels=_read_only(arrays["train_labels"].astype(np.int64)),
        test_images=_read_only(arrays["test_images"]),
        test_labels=_read_only(arrays["test_labels"].astype(np.int64)),
        classes=class_count(arrays["train_labels"]),
        sha256=content.sha256,
        origin=origin,
    )


def class_count(train_labels: Bytes) -> int:
    """One more than the largest training label, and at least FEWEST_CLASSES."""
    return max(FEWEST_CLASSES, int(train_labels.max()) + 1)


def _read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    array.flags.writeable = False
    return array
