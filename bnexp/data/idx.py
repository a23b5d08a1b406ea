"""The IDX format: two zero bytes, a type byte, the number of dimensions, their sizes, the data."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from bnexp.data.dataset import Bytes
from bnexp.data.unpack import LIMIT, Stream, open_bytes, read_up_to
from bnexp.errors import DataError

UNSIGNED_BYTE = 0x08


def parse_images(raw: bytes, path: Path) -> Bytes:
    """Images (n, H, W, C) from the bytes of an IDX file of 3 (then C = 1) or 4 dimensions.

    Raises DataError, naming `path`, if they are anything else.
    """
    images = _parse(raw, path, "an image file", (3, 4))
    return images.reshape(*images.shape[:3], -1)


def parse_labels(raw: bytes, path: Path) -> Bytes:
    """Labels (n,) from the bytes of an IDX file of 1 dimension; DataError if they are not."""
    return _parse(raw, path, "a label file", (1,))


def _parse(raw: bytes, path: Path, kind: str, dimensions: tuple[int, ...]) -> Bytes:
    with open_bytes(raw) as stream:
        rank = _rank(read_up_to(stream, 4, path), path)
        if rank not in dimensions:
            raise DataError(_wrong_rank(path, kind, dimensions, rank))
        shape = _shape(read_up_to(stream, 4 * rank, path), rank, path)
        content = _content(stream, math.prod(shape), path)
    return np.frombuffer(content, np.uint8).reshape(shape)


def _rank(magic: bytes, path: Path) -> int:
    if len(magic) < 4 or magic[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise DataError(
            f"{path}: not an IDX file of unsigned bytes: expected it to begin with 00 00 08, "
            f"got {magic.hex(' ') or 'an empty file'}. Get the file again."
        )
    return magic[3]


def _wrong_rank(path: Path, kind: str, dimensions: tuple[int, ...], rank: int) -> str:
    wanted = " or ".join(map(str, dimensions))
    return (
        f"{path}: expected {kind} ({wanted} dimensions), got an IDX file of {rank}. "
        "Are the image and label files swapped?"
    )


def _shape(sizes: bytes, rank: int, path: Path) -> tuple[int, ...]:
    if len(sizes) < 4 * rank:
        raise DataError(f"{path}: truncated in its header: expected {4 + 4 * rank} bytes.")
    shape = struct.unpack(f">{rank}I", sizes)
    if not 0 < math.prod(shape) <= LIMIT:
        raise DataError(
            f"{path}: the header promises {_times(shape)} bytes; expected 1 to {LIMIT}. "
            "Is this the right file?"
        )
    return shape


def _content(stream: Stream, size: int, path: Path) -> bytes:
    content = read_up_to(stream, size + 1, path)
    if len(content) < size:
        raise DataError(
            f"{path}: the file is truncated: its header promises {size} bytes of data, "
            f"got {len(content)}. Get the file again."
        )
    if len(content) > size:
        raise DataError(
            f"{path}: its header promises {size} bytes of data, but more follow. "
            "Is the file damaged, or made of two?"
        )
    return content


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
