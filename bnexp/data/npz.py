"""Data sets in one npz file, as `numpy.savez` writes it and Keras distributes MNIST.

The arrays are x_train, y_train, x_test and y_test, or train_images, train_labels, test_images and
test_labels; those of the test set may be missing, others are ignored. Nothing is unpickled, and no
file makes the program use more memory than LIMIT, whatever it says of its size.
"""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.data.arrays import ROLES, Bytes, Dataset, make_dataset
from bnexp.data.bytes import byte_arrays
from bnexp.data.cache import cached, entry_key
from bnexp.data.idx import LIMIT, read_limited
from bnexp.data.known import recognize
from bnexp.errors import DataError

SPELLINGS = (("x_train", "y_train", "x_test", "y_test"), ROLES)


def load_npz(name: str, path: Path, cache: Path | None) -> Dataset:
    """The data set in an npz file.

    name: what the data set is called. cache: where unpacked arrays are kept, None for nowhere.

    Raises DataError if the file is damaged, too large, or lacks arrays.
    """
    raw = read_limited(path)
    content = cached(cache, entry_key([b"npz 1", raw]), lambda: parse_npz(raw, path))
    recognized, words = recognize({}, content.digests)
    if not recognized:
        words += f", SHA-256 {content.sha256[:12]}..., file {path.name}"
    return make_dataset(name, content, f"{words}, from {path}", recognized)


def parse_npz(raw: bytes, path: Path) -> dict[str, Bytes]:
    """The four arrays by role, from a file's bytes. path: the file, for messages."""
    try:
        with zipfile.ZipFile(BytesIO(raw)) as file:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in file.infolist()}
            names = next((each for each in SPELLINGS if each[0] in entries), SPELLINGS[0])
            used = {name: entries[name] for name in names if name in entries}
            if missing := [name for name in names[:2] if name not in entries]:
                listing = ", ".join([*entries][:8]) or "nothing"
                raise DataError(
                    f"{path}: missing {' and '.join(missing)}, expected the arrays "
                    f"{', '.join(names)}; the file holds {listing}"
                )
            size = sum(entry.file_size for entry in used.values())
            if size > LIMIT:
                raise DataError(f"{path}: expected at most {LIMIT} bytes unpacked, got {size}")
            arrays = {name: read_npy(unpacked(file, entry)) for name, entry in used.items()}
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise of many kinds
        raise DataError(f"{path}: damaged, expected an npz file: {error}") from None
    return byte_arrays(arrays, names, f"{path}: ")


def unpacked(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry, as many as its header promises; ValueError for rare compressions.

    zipfile unpacks no more than it is asked for, and compares the checksum at the end.
    """
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename}: expected no compression but deflate")
    with file.open(entry) as stream:
        return stream.read(entry.file_size)


def read_npy(content: bytes) -> NDArray[Any]:
    """The array of numbers in the bytes of an npy file; ValueError if they are anything else.

    Its header is compared with the size of what follows before an array is made.
    """
    stream = BytesIO(content)
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"expected a npy file of version 1 or 2, got {version}")
    shape, is_fortran, dtype = readers[version](stream)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise ValueError(f"expected an array of numbers, got {dtype}")
    data = content[stream.tell() :]
    array = np.frombuffer(data, dtype)
    if is_fortran:
        return array.reshape(shape[::-1]).T
    return array.reshape(shape)
