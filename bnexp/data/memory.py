"""Data sets from NumPy arrays that a Python program passes.

Their images become bytes, as in every data set (`bnexp.data.bytes`), and their name has the SHA-256
of their content.
"""

from __future__ import annotations

from typing import Any

from bnexp.data.arrays import Content, Dataset, make_dataset
from bnexp.data.bytes import byte_arrays
from bnexp.data.datasets import ARRAYS, recognize_digest
from bnexp.data.known import recognize
from bnexp.errors import DataError

NAMES = ("x", "y", "x_test", "y_test")  # of the arrays, in the order of ROLES
EXPECTED = "expected (x, y) or (x, y, x_test, y_test)"


def memory_dataset(data: Any) -> Dataset:
    """The data set of arrays (x, y) or (x, y, x_test, y_test), or ((x, y), (x_test, y_test)).

    data: x are images (n, H, W), (n, H, W, C) or, as rows of numbers, (n, D); y are labels (n,).
        See `bnexp.data.bytes`.

    Its name begins with ARRAYS and goes on with the SHA-256 of its content, so that networks that
    were trained on other arrays are never mistaken for those of this one. DataError if the arrays
    are of other forms or do not fit together.

    >>> import numpy as np
    >>> x, y = np.zeros((3, 28, 28)), np.array([0, 1, 2])
    >>> memory_dataset((x, y)).name, len(memory_dataset((x, y, x, y)).test_labels)
    ('arrays-ffd641df4e6237b6', 3)
    """
    if not isinstance(data, tuple | list):
        raise DataError(f"data: {EXPECTED}, got {type(data).__name__}")
    if len(data) == 2 and all(isinstance(part, tuple) and len(part) == 2 for part in data):
        data = (*data[0], *data[1])  # as Keras returns its data sets
    if len(data) not in (2, 4):
        raise DataError(f"data: {EXPECTED}, got {len(data)} arrays")
    arrays = byte_arrays(dict(zip(NAMES, data, strict=False)), NAMES, "data: ")
    content = Content.of(arrays)
    recognized, words = recognize({}, content.digests)
    if not recognized and (recognized := recognize_digest("", content.sha256)):
        words = recognized
    elif not recognized:
        words = "arrays" if words == "unknown files" else words
        words += f", SHA-256 {content.sha256[:12]}..."
    name = f"{ARRAYS}{content.sha256[:16]}"
    return make_dataset(name, content, words, recognized)
