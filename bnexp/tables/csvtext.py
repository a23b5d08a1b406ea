"""Tables as CSV text whose numbers read back as the same bits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.tables.results import Table


def csv_text(table: Table) -> str:
    """One header line, one line a row; floats are written so that they read back exactly.

    A field is empty where there is no value: no test set, a failed network, no step of divergence.
    A loss that is not a number because its network diverged is `nan`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(_fields(name, table) for name in table), strict=True))
    return text.getvalue()


def absent(name: str, table: Table) -> NDArray[np.bool_]:
    """Which rows of a column hold no value."""
    column = table[name]
    if name == "diverged_at_step":
        return np.less(column, 0)
    if name == "value" or column.dtype.kind != "f":  # a probe's: not a number is what it read
        return np.zeros(len(column), bool)
    # An accuracy is always a number, even of a network that diverged.
    return np.isnan(table.get(name.replace("_loss", "_accuracy"), column))


def _fields(name: str, table: Table) -> Iterator[Any]:
    for value, no_value in zip(table[name].tolist(), absent(name, table).tolist(), strict=True):
        yield "" if no_value else repr(value) if isinstance(value, float) else value
