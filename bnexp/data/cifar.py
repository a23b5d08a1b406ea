"""CIFAR-10 in a folder: the six files of its binary version.

Each file is a row of records: one byte for the label, then 32 x 32 pixels of red, those of green
and those of blue, line by line (https://www.cs.toronto.edu/~kriz/cifar.html). The Python version
of CIFAR-10 consists of pickles, which can run any code when they are read: bnexp never reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from os.path import isfile
from pathlib import Path

import numpy as np

from bnexp.data.arrays import Bytes, Dataset, make_dataset
from bnexp.data.cache import cached, entry_key
from bnexp.data.idx import read_limited
from bnexp.errors import DataError

FOLDER = "cifar-10-batches-bin"  # in the archive
PYTHON_FOLDER = "cifar-10-batches-py"
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"
SIDE, CHANNELS = 32, 3
RECORD = 1 + SIDE * SIDE * CHANNELS
BINARY_VERSION = """\
The files of this folder are those of CIFAR-10's Python version. They are pickles, which can run any
code when they are read, so bnexp never reads them. Get the binary version, 162 MB:
  https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz
and unpack it; data.name is then the folder, such as ./cifar-10-batches-bin"""


def find_cifar(folder: Path) -> Path | None:
    """The folder of CIFAR-10's binary files: this one, or the archive's in it; None for neither."""
    for place in (folder, folder / FOLDER):
        if any(isfile(place / name) for name in (*TRAIN, TEST)):
            return place
    return None


def refuse_pickles(folder: Path) -> None:
    """DataError if the folder, or the archive's in it, holds CIFAR-10's Python version."""
    for place in (folder, folder / PYTHON_FOLDER):
        if isfile(place / "data_batch_1"):
            raise DataError(f"{place}: expected {TRAIN[0]}, got data_batch_1.", BINARY_VERSION)


def load_cifar(name: str, folder: Path, cache: Path | None) -> Dataset:
    """The data set in the six files of `folder`.

    name: what the data set is called. cache: where unpacked arrays are kept, None for nowhere.

    Raises DataError if a file is missing or damaged.
    """
    files = [folder / file for file in (*TRAIN, TEST)]
    if missing := [path.name for path in files if not isfile(path)]:
        raise DataError(f"{folder}: missing {', '.join(missing)}, expected CIFAR-10's six files.")
    raw = {path: read_limited(path) for path in files}
    content = cached(cache, entry_key([b"cifar 1", *raw.values()]), lambda: parse_cifar(raw))
    words = f"CIFAR-10's files, SHA-256 {content.sha256[:12]}..., folder {folder.resolve().name}"
    return make_dataset(name, content, f"{words}, from {folder}")


def parse_cifar(raw: Mapping[Path, bytes]) -> dict[str, Bytes]:
    """The four arrays by role, from the bytes of the files, of which the last has the test images.

    DataError if a file is no row of records, or if labels are not those of ten classes.
    """
    tables = []
    for path, content in raw.items():
        if not content or len(content) % RECORD:
            raise DataError(
                f"{path}: expected records of {RECORD} bytes, a label and 32 x 32 pixels in three "
                f"colors, got {len(content)} bytes. Get the file again."
            )
        table = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
        if table[:, 0].max() > 9:
            raise DataError(f"{path}: expected labels from 0 to 9, got {table[:, 0].max()}")
        tables.append(table)
    *train, test = tables
    arrays = {}
    for part, table in (("train", np.concatenate(train)), ("test", test)):
        planes = table[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
        arrays[f"{part}_images"] = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        arrays[f"{part}_labels"] = table[:, 0].copy()
    return arrays
