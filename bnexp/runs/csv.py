"""Tables from the text that `csv_text` writes: the same columns, or an error with file and line.

A file from elsewhere may hold anything. It is read line by line, its numbers must be written as
bnexp writes them, and what is too large to be a table of a run is refused.
"""

from __future__ import annotations

import csv
import io
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bnexp import files
from bnexp.errors import StoreError
from bnexp.metrics import METRICS, evaluation_columns, metric_column, summary_columns
from bnexp.runs.tables import (
    FIRST,
    INTEGERS,
    READING,
    TEXTS,
    Table,
    Value,
    column,
    evaluation_names,
    holds_floats,
    network_names,
)

ORIGINAL = ("loss", "accuracy")  # in every table; one of before another metric was added lacks it


def csv_text(table: Table) -> str:
    """One header line, one line a row; floats are written so that they read back exactly.

    A field is empty where there is no value: no test set, a failed network, no step of divergence,
    a metric that was not recorded. A loss that is not a number because its network diverged is
    `nan`, and so is any other metric then.
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
    missing = np.isnan(column)
    if scored := metric_column(name):
        # An accuracy is always a number, even of a network that diverged.
        accuracy, loss = (table.get(scored.sibling(other)) for other in ("accuracy", "loss"))
        if accuracy is not None and loss is not None:
            missing &= np.isnan(accuracy) | ~np.isnan(loss)
    return missing


def _fields(name: str, table: Table) -> Iterator[Any]:
    for value, no_value in zip(table[name].tolist(), absent(name, table).tolist(), strict=True):
        yield "" if no_value else repr(value) if isinstance(value, float) else value


MAX_BYTES = 200_000_000
MAX_LINE = 1_000_000
MAX_COLUMNS = 1000
MAX_SHOWN = 40

# The columns that are expected behind the swept keys, in view of those that are there.
Last = Callable[[Sequence[str]], Sequence[str]]
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


def read_metrics(path: Path) -> Table | None:
    """metrics.csv as columns, None if there is no such file; StoreError where it is damaged."""
    return _read(path, lambda names: evaluation_names(_written(evaluation_columns, names)))


def read_summary(path: Path) -> Table | None:
    """summary.csv likewise."""
    return _read(path, lambda names: network_names(_written(summary_columns, names)))


def read_probes(path: Path) -> Table | None:
    """probes.csv likewise."""
    return _read(path, lambda names: READING)


def _written(columns: Callable[[list[str]], Sequence[str]], names: Sequence[str]) -> list[str]:
    """The metrics that a table with these columns has; without others it is not damaged."""
    there = set(names)
    return [m for m in METRICS if m in ORIGINAL or not there.isdisjoint(columns([m]))]


def label(text: str) -> Value:
    """A swept value: the number that is written like this, or else the text itself."""
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        number = _exact(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _read(path: Path, last: Last) -> Table | None:
    try:
        if not path.exists():
            return None
        if not path.is_file():
            raise StoreError(f"{path}: not a file, expected a table that bnexp wrote")
        with path.open("rb") as file:
            _refuse_large(path)
            return _table(path, file, last)
    except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
        raise files.storage_error("cannot read", path, error) from error


def _refuse_large(path: Path) -> None:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise StoreError(
            f"{path}: too large to read, expected at most {MAX_BYTES / 1e6:.0f} MB, "
            f"got {size / 1e6:.0f} MB"
        )


def _table(path: Path, file: BinaryIO, last: Last) -> Table:
    lines = _Lines(file)
    reader = csv.reader(lines, strict=True)
    try:
        names = next(reader, [])
        columns = _columns(names, last(names))
        for row in reader:
            if len(row) != len(columns):
                raise ValueError(f"expected {len(columns)} fields, got {len(row)}")
            for column, text in zip(columns, row, strict=True):
                column.add(text)
    except (csv.Error, ValueError) as error:
        raise StoreError(
            f"{path}:{max(lines.number, 1)}: damaged, {error}; expected a table that bnexp "
            "wrote: run the experiment again"
        ) from None
    return {column.name: column.array() for column in columns}


class _Lines:
    """A file's lines as text; `number` is that of the last one, counted from 1."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MAX_LINE + 1):
            self.number += 1
            if len(line) > MAX_LINE:
                raise ValueError(f"expected lines of at most {MAX_LINE:,} bytes, got a longer one")
            yield line.decode()


def _columns(names: Sequence[str], last: Sequence[str]) -> list[_Column]:
    """A column for each name; ValueError where they are not first, swept keys, last."""
    expected = (*FIRST, *last)
    ends = (*names[: len(FIRST)], *names[len(FIRST) :][-len(last) :])
    if ends != expected:
        got = ", ".join(names)[: 2 * MAX_SHOWN]
        raise ValueError(f"expected the columns {', '.join(expected)}, got {got!r}")
    if len(names) > MAX_COLUMNS:
        raise ValueError(f"expected at most {MAX_COLUMNS} columns, got {len(names)}")
    for name, number in Counter(names).items():
        if number > 1:
            raise ValueError(f"expected each column once, got {name[:MAX_SHOWN]!r} twice")
    return [_Column(name) for name in names]


class _Column:
    """The values of one column, as they are read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._parse: Callable[[str], Any]
        self._values: Any
        if name in INTEGERS:
            self._parse, self._values = _integer(name), array("q")
        elif holds_floats(name):
            self._parse, self._values = _float(name), array("d")
        else:  # few different texts, each kept once
            self._parse, self._values = lru_cache(None)(_text(name)), []

    def add(self, text: str) -> None:
        try:
            self._values.append(self._parse(text))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}, got {text[:MAX_SHOWN]!r}") from None

    def array(self) -> NDArray[Any]:
        values = self._values
        if isinstance(values, array):
            return np.array(values, np.int64 if values.typecode == "q" else np.float64)
        return column(self.name, values)


def _integer(name: str) -> Callable[[str], int]:
    return lambda text: -1 if name == "diverged_at_step" and not text else _whole(text)


def _float(name: str) -> Callable[[str], float]:
    """A probe's value is always written, other numbers are empty where there is none."""
    return lambda text: _exact(text) if text or name == "value" else math.nan


def _text(name: str) -> Callable[[str], Value]:
    if name == "status":
        return _status
    return str if name in TEXTS else label


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("expected a whole number")
    return int(text)


def _exact(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = None
    if number is None or repr(number) != text:
        raise ValueError("expected a number as bnexp writes it")
    return number


def _status(text: str) -> str:
    if text not in ("ok", "diverged", "failed"):
        raise ValueError("expected ok, diverged or failed")
    return text
