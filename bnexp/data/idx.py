"""The IDX format: two zero bytes, a type byte, the number of dimensions, their sizes, the data."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from stat import S_ISREG

import numpy as np

from bnexp.data.arrays import FEWEST_CLASSES, Bytes, class_count
from bnexp.data.catalog import MNIST_FILES, ROLES, WAYS_TO_GET_DATA
from bnexp.errors import DataError

LIMIT = 1 << 30  # bytes; no data set for this program is near it, a gzip bomb soon is
CHUNK = 1 << 20
GZIP_MARK = b"\x1f\x8b"

Stream = BytesIO | gzip.GzipFile


def read_file(path: Path) -> bytes:
    """All bytes of a file as it lies on disk; DataError if it cannot be read or exceeds LIMIT."""
    try:
        if path.stat().st_size > LIMIT:
            raise DataError(f"{path}: expected at most {LIMIT} bytes, got {path.stat().st_size}.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def is_file(path: Path) -> bool:
    """Whether `path` is a file; DataError if that cannot be told, as in a folder closed to us."""
    try:
        return S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # ValueError: a path no system can have
        raise DataError(
            f"{path}: cannot be looked up ({getattr(error, 'strerror', error)}). "
            "Check the path and the permissions of its folders."
        ) from error


def open_bytes(raw: bytes) -> Stream:
    """A stream of what `raw` holds. The content decides: browsers unpack files and keep `.gz`."""
    source = BytesIO(raw)
    return gzip.GzipFile(fileobj=source) if raw.startswith(GZIP_MARK) else source


def read_up_to(stream: Stream, size: int, path: Path) -> bytes:
    """The next `size` bytes, fewer only at the end; DataError if the packed data are damaged."""
    content = bytearray()
    try:
        while len(content) < size and (part := stream.read1(min(CHUNK, size - len(content)))):
            content += part
    except EOFError as error:
        raise DataError(_cut_short(path, len(content))) from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}). Get the file again.") from error
    return bytes(content)


def _cut_short(path: Path, got: int) -> str:
    return (
        f"{path}: the file is truncated: expected a complete gzip stream, "
        f"got one that ends after {got} unpacked bytes of this part. Get the file again."
    )


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


STEMS = {
    "train_images": "train-images",
    "train_labels": "train-labels",
    "test_images": "t10k-images",
    "test_labels": "t10k-labels",
}
PARTNERS = {"train_images": "test_images", "test_images": "train_images"}


def find_files(folder: Path) -> dict[str, Path]:
    """The four files of `folder` by role; DataError says which are missing and what is there."""
    found = {role: find_file(folder, role) for role in ROLES}
    missing = [spellings(role)[0] for role, path in found.items() if path is None]
    if missing:
        raise DataError(_missing(folder, missing))
    return {role: path for role, path in found.items() if path is not None}


def find_file(folder: Path, role: str) -> Path | None:
    """The first file of `folder` that has one of the role's spellings, packed before unpacked.

    None if there is none; DataError if the folder cannot be searched.
    """
    candidates = (folder / name for name in spellings(role))
    return next((path for path in candidates if is_file(path)), None)


def spellings(role: str) -> list[str]:
    """The names a file of this role may have, the canonical one first."""
    ranks = ("1",) if role.endswith("labels") else ("3", "4")
    names = [f"{STEMS[role]}{mark}idx{rank}-ubyte" for rank in ranks for mark in "-."]
    return [name + ending for ending in (".gz", "") for name in names]


def parse_set(raw: Mapping[str, bytes], files: Mapping[str, Path]) -> dict[str, Bytes]:
    """The four arrays by role, from the bytes of the four files.

    Raises DataError if a file is damaged or the four do not belong together.
    """
    arrays = {
        role: (parse_labels if role.endswith("labels") else parse_images)(raw[role], files[role])
        for role in ROLES
    }
    for part in ("train", "test"):
        _check_counts(arrays, files, part)
    _check_shapes(arrays, files)
    return arrays


def refuse_swapped(digests: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """DataError if MNIST's own training file stands under the test file's name, or the reverse."""
    canonical = {file.role: file.content_sha256 for file in MNIST_FILES}
    for role, partner in PARTNERS.items():
        if digests[role] == canonical[partner]:
            raise DataError(
                f"{files[role]}: the training and test files are swapped: expected MNIST's "
                f"{role.replace('_', ' ')}, got its {partner.replace('_', ' ')}. Rename the files."
            )


def refuse_labels(arrays: Mapping[str, Bytes], files: Mapping[str, Path]) -> None:
    """DataError if a class has no training image, or a test label is of no training class.

    Up to FEWEST_CLASSES classes some may be empty: a folder may hold only some of the digits. Class
    0 may always be: some sets, EMNIST's letters among them, count from 1.
    """
    classes = class_count(arrays["train_labels"])
    empty = np.setdiff1d(np.arange(1, classes), arrays["train_labels"]).tolist()
    if classes > FEWEST_CLASSES and empty:
        raise DataError(_gaps(files["train_labels"], classes, empty))
    largest = int(arrays["test_labels"].max())
    if largest >= classes:
        raise DataError(
            f"{files['test_labels']}: expected labels of the training set's classes, 0 to "
            f"{classes - 1}, got {largest}. Do the training and test files belong together?"
        )


def _gaps(path: Path, classes: int, empty: list[int]) -> str:
    some = ", ".join(map(str, empty[:8])) + ", ..." * (len(empty) > 8)
    return (
        f"{path}: the largest label is {classes - 1}; expected an image of every class 0 to "
        f"{classes - 1}, got none of {some}. Is a label wrong? If not, number the classes from "
        "0 or 1 without gaps."
    )


def _check_counts(arrays: Mapping[str, Bytes], files: Mapping[str, Path], part: str) -> None:
    images, labels = f"{part}_images", f"{part}_labels"
    if len(arrays[images]) != len(arrays[labels]):
        raise DataError(
            f"{files[images]} and {files[labels]}: expected one label an image, "
            f"got {len(arrays[images])} images and {len(arrays[labels])} labels. "
            "Do the two files belong together?"
        )


def _check_shapes(arrays: Mapping[str, Bytes], files: Mapping[str, Path]) -> None:
    train, test = (arrays[role].shape[1:] for role in ("train_images", "test_images"))
    if train != test:
        raise DataError(
            f"{files['test_images']}: expected images of the shape of the training images {train}, "
            f"got {test}. Do the files belong together?"
        )


def _missing(folder: Path, names: list[str]) -> str:
    there = _listing(folder)
    return f"{folder}: missing {', '.join(names)}; {there}.\n{WAYS_TO_GET_DATA}"


def _listing(folder: Path) -> str:
    try:
        if not folder.is_dir():
            return "there is no such folder"
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return f"the folder cannot be read ({error.strerror})"
    return f"the folder holds {', '.join(names[:8]) or 'nothing'}" + (", ..." * (len(names) > 8))
