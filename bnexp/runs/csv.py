"""Tables as CSV files: `csv_text` writes what `read_table` reads back exactly.

A file from elsewhere may hold anything. It is read line by line, its numbers must be written as
bnexp writes them and lie in the limits of their column, and what is too large to be a table of a
run is refused. What is wrong is an error with the file, the line, the column and what was expected.

Form of a file: UTF-8, fields separated by commas, lines ended by a line feed, one header line. The
columns are cell, seed, one for each swept key (such as model.init.std, or train where it is swept
as one value), and then those of the table: see `bnexp.runs.tables.Tables`. Which columns are swept
keys is known from their place, whatever their names are. Floats are written by `repr`, the shortest
text that is read back as the same float64. A number in another form, such as 1 or 1.50 in a column
of floats, is refused as damaged.
"""

from __future__ import annotations

import csv
import io
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bnexp.config.experiment import MAX_STEPS
from bnexp.config.stored import is_name
from bnexp.errors import StoreError
from bnexp.files import open_file, storage_errors
from bnexp.metrics import METRICS, evaluation_columns, metric_column, summary_columns
from bnexp.runs.records import A_NAME, column_limits, limits_text
from bnexp.runs.tables import (
    INTEGER_COLUMNS,
    LEADING_COLUMNS,
    PROBE_COLUMNS,
    TEXT_COLUMNS,
    Table,
    Value,
    make_column,
    make_swept_column,
    metrics_table_columns,
    summary_table_columns,
)

ColumnsOf: TypeAlias = Callable[[Iterable[str]], tuple[str, ...]]  # of the metrics' names

STATUSES = ("ok", "diverged", "failed")
# The metrics of every table. Tables that were written before another metric was added lack it.
ORIGINAL_METRICS = ("loss", "accuracy")
MAX_BYTES = 200_000_000
MAX_LINE = 1_000_000
MAX_COLUMNS = 1000
MAX_SHOWN = 40
MAX_SEED = 2**32 - 1
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def csv_text(table: Table) -> str:
    """One header line and a line for each row; floats are written so that they read back exactly.

    A field is empty where there is no value: no test set, a failed network, no step of divergence,
    a metric that was not recorded. Metrics that are not a number because their network diverged
    are `nan`.

    The columns are written in the order of `table`. The same table gives the same bytes, so equal
    runs have equal files but for the column `seconds`.
    """

    def fields(name: str) -> Iterator[Any]:
        empty = empty_fields(name, table).tolist()
        for value, is_empty in zip(table[name].tolist(), empty, strict=True):
            yield "" if is_empty else repr(value) if isinstance(value, float) else value

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*map(fields, table), strict=True))
    return text.getvalue()


def empty_fields(name: str, table: Table) -> NDArray[np.bool_]:
    """Which rows of a column have no value, and an empty field in the CSV file.

    name: a column of `table`. Returns booleans, one for each row. A loss that is NaN has a value if
    the accuracy of that row is a number: its network diverged. If both are NaN, nothing was scored.
    """
    values = table[name]
    if name == "diverged_at_step":
        return np.less(values, 0)
    if name == "value" or values.dtype.kind != "f":  # a probe may record NaN
        return np.zeros(len(values), bool)
    empty = np.isnan(values)
    if metric := metric_column(name):
        # An accuracy is always a number, even that of a network that diverged.
        accuracy, loss = (table.get(metric.sibling(other)) for other in ("accuracy", "loss"))
        if accuracy is not None and loss is not None:
            empty &= np.isnan(accuracy) | ~np.isnan(loss)
    return empty


def read_table(path: Path) -> Table | None:
    """The columns of a metrics.csv, summary.csv or probes.csv; None if there is no such file.

    Raises StoreError if the file cannot be read, is too large or damaged.

    The name of the file, without .csv, decides which columns are expected: metrics, summary, or
    else probes. Types are int64, float64 or objects, as in tables made of records; an empty field
    is NaN, or -1 as the step of divergence.
    """
    with (
        storage_errors("cannot read", path),
        suppress(FileNotFoundError),
        open_file(path, MAX_BYTES) as file,
    ):
        return _parse_table(path, file)
    return None


def _parse_table(path: Path, file: BinaryIO) -> Table:
    number = 0  # of the last line, counted from 1

    def lines() -> Iterator[str]:
        nonlocal number
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise ValueError(f"expected lines of at most {MAX_LINE:,} bytes, got a longer one")
            yield line.decode()

    reader = csv.reader(lines(), strict=True)
    try:
        names = next(reader, [])
        swept = _swept_names(names, path.stem)
        columns = {
            name: _empty_swept_column() if name in swept else _empty_column(name) for name in names
        }
        for row in reader:
            if len(row) != len(columns):
                raise ValueError(f"expected {len(columns)} fields, got {len(row)}")
            for (name, (parse, values)), text in zip(columns.items(), row, strict=True):
                try:
                    values.append(parse(text))
                except ValueError as error:
                    raise ValueError(f"{name}: {error}, got {text[:MAX_SHOWN]!r}") from None
    except (csv.Error, ValueError) as error:
        raise StoreError(
            f"{path}:{max(number, 1)}: damaged, {error}; expected a table that bnexp "
            "wrote: run the experiment again"
        ) from None
    types = {"q": np.int64, "d": np.float64}
    return {
        name: np.array(values, types[values.typecode])
        if isinstance(values, array)
        else make_swept_column(values)
        if name in swept
        else make_column(name, values)
        for name, (_, values) in columns.items()
    }


def _swept_names(names: Sequence[str], table: str) -> Sequence[str]:
    """The columns of swept keys: those between the first and the last ones, which the table fixes.

    ValueError unless the other columns are those of the table.
    """
    forms: dict[str, tuple[ColumnsOf, ColumnsOf]] = {
        "metrics": (metrics_table_columns, evaluation_columns),
        "summary": (summary_table_columns, summary_columns),
    }
    trailing: tuple[str, ...] = PROBE_COLUMNS
    if table in forms:
        table_columns, columns = forms[table]
        trailing = table_columns(
            metric
            for metric in METRICS
            if metric in ORIGINAL_METRICS or not set(names).isdisjoint(columns([metric]))
        )
    leading = len(LEADING_COLUMNS)
    expected = (*LEADING_COLUMNS, *trailing)
    if (*names[:leading], *names[leading:][-len(trailing) :]) != expected:
        got = ", ".join(names)[: 2 * MAX_SHOWN]
        raise ValueError(f"expected the columns {', '.join(expected)}, got {got!r}")
    if len(names) > MAX_COLUMNS:
        raise ValueError(f"expected at most {MAX_COLUMNS} columns, got {len(names)}")
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"expected each column once, got {name[:MAX_SHOWN]!r} twice")
    return names[leading : len(names) - len(trailing)]


def _empty_column(name: str) -> tuple[Callable[[str], Any], Any]:
    """What parses a field of the column, and what its values are appended to.

    Numbers are collected in arrays of the standard library, 8 bytes each, as a table of probes may
    have millions of rows. A text is parsed once and kept once, however many rows have it.
    """
    if name == "diverged_at_step":
        return lambda text: _parse_count(text) if text else -1, array("q")
    if name == "seed":
        return partial(_parse_count, most=MAX_SEED), array("q")
    if name in INTEGER_COLUMNS:
        return _parse_count, array("q")
    if name == "value":  # of a probe; it is always written
        return _parse_float, array("d")
    if name in TEXT_COLUMNS:
        return lru_cache(None)(_parse_status if name == "status" else _parse_name), []
    return partial(_parse_limited, name, *column_limits(name)), array("d")


def _empty_swept_column() -> tuple[Callable[[str], Value], list[Value]]:
    """As `_empty_column`, for a swept key, whose values are numbers or texts."""
    return lru_cache(None)(parse_label), []


def parse_label(text: str) -> Value:
    """A swept value: the number that is written like this, or else the text itself.

    Only a number in bnexp's own form is a number: "0.10" and "1e3" stay texts, and so do nan and
    inf.
    """
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        number = _parse_float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError("expected a whole number")
    return int(text)


def _parse_count(text: str, most: int = MAX_STEPS) -> int:
    number = _parse_integer(text)
    if not 0 <= number <= most:
        raise ValueError(f"expected a whole number from 0 to {most:,}")
    return number


def _parse_limited(name: str, low: float, high: float, text: str) -> float:
    """A number that has limits; NaN if the field is empty."""
    number = _parse_float(text) if text else math.nan
    if not low <= number <= high and number == number:
        raise ValueError(f"expected {limits_text(name)}")
    return number


def _parse_name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"expected {A_NAME}")
    return text


def _parse_float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = None
    if number is None or repr(number) != text:
        raise ValueError("expected a number as bnexp writes it")
    return number


def _parse_status(text: str) -> str:
    if text not in STATUSES:
        raise ValueError("expected ok, diverged or failed")
    return text
