"""Tables as CSV text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from bnexp.tables.results import Table


def csv_text(table: Table) -> str:
    """One header line, one line a row; floats are written so that they read back exactly.

    A field is empty where there is no value: no test set, a failed network, no step of divergence.
    A loss that is not a number because its network diverged is `nan`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    for values in zip(*(table[name].tolist() for name in table), strict=True):
        row = dict(zip(table, values, strict=True))
        writer.writerow(_field(name, row) for name in row)
    return text.getvalue()


def _field(name: str, row: Mapping[str, Any]) -> Any:
    value = row[name]
    if name == "diverged_at_step" and value < 0:
        return ""
    if not isinstance(value, float):
        return value
    if name == "value":  # a probe's: not a number is what it read
        return repr(value)
    # An accuracy is always a number, even of a network that diverged.
    measured = row.get(name.replace("_loss", "_accuracy"), value)
    return "" if math.isnan(measured) else repr(value)
