"""Tables of a page: every network, and every claim with its points."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnexp.claims import PointVerdict, Verdict
from bnexp.figures.labels import METRICS
from bnexp.report.run import Run
from bnexp.store.facts import failures
from bnexp.tables.results import Value
from bnexp.wording import equations, short

SHORT = 8
HEADS = {"cell": "network", "diverged_at_step": "diverged at step"}


@dataclass(frozen=True)
class Field:
    """A table's field: what is read, what it is sorted by, and all of it where that is longer."""

    text: str
    exact: str
    number: bool


@dataclass(frozen=True)
class Networks:
    """A row for each network of the plan; `states` is the last thing known of each row."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Field, ...]], ...]
    counts: tuple[tuple[str, int], ...]


def networks(run: Run) -> Networks:
    """The summary without empty columns, and behind it the networks that are not there."""
    summary = run.tables.summary
    keys = [axis.key for axis in run.tables.axes]
    names = [name for name in summary if name in (*keys, "seed") or _says_something(summary[name])]
    states = summary["status"].tolist()
    told = {**summary, "status": np.array(_told(run), object)}
    columns = [told[name].tolist() for name in names]
    rows = [
        (state, tuple(_field(n, value, state) for n, value in zip(names, row, strict=True)))
        for state, row in zip(states, zip(*columns, strict=True), strict=True)
    ]
    for gone in run.missing:
        known = {**gone.point, "seed": gone.seed, "status": f"missing: {gone.reason}"}
        rows.append(("missing", tuple(_field(name, known.get(name, ""), "") for name in names)))
    counts = Counter(state for state, _ in rows)
    return Networks(tuple(_head(name) for name in names), tuple(rows), tuple(counts.items()))


def _says_something(column: Any) -> bool:
    if column.dtype.kind == "f":
        return bool((~np.isnan(column)).any())
    return bool((column != -1).any())


def _head(name: str) -> str:
    which, _, metric = name.partition("_")
    if metric in METRICS:
        return f"{which} {METRICS[metric]}"
    return HEADS.get(name, name)


def _field(name: str, value: Value, status: str) -> Field:
    """Empty where there is no value; a loss that is none because its network diverged is nan."""
    if name == "cell":
        return Field(str(value)[:SHORT], str(value), False)
    empty = value == "" or (name == "diverged_at_step" and value == -1)
    if empty or (isinstance(value, float) and math.isnan(value)):
        text = "nan" if name.endswith("_loss") and status == "diverged" else ""
        return Field(text, text, False)
    return Field(number(value), str(value), isinstance(value, int | float))


def number(value: Value) -> str:
    """A number with four digits, anything else as it is; nothing for what is not a number."""
    if isinstance(value, float) and math.isnan(value):
        return ""
    return short(value)


@dataclass(frozen=True)
class Judged:
    """A claim's row: the point that decides it first, all points within."""

    verdict: Verdict
    deciding: PointVerdict | None
    place: str


def claims(verdicts: Sequence[Verdict]) -> tuple[Judged, ...]:
    return tuple(Judged(v, v.deciding, place(v.deciding)) for v in verdicts)


def place(point: PointVerdict | None) -> str:
    """'model.init.std = 0.1, model.norm = batch', and with what it is compared."""
    if point is None:
        return ""
    return point_text(point.point) + (f" against {point_text(point.than)}" if point.than else "")


def point_text(values: Mapping[str, Value]) -> str:
    """A point of the sweep in words."""
    return equations(values) or "the one point"


def failed(run: Run) -> Iterator[str]:
    """A line for each network that failed, with the reason if the run knows it."""
    summary, told = run.tables.summary, _told(run)
    for i in np.flatnonzero(summary["status"] == "failed"):
        point = {axis.key: summary[axis.key][i] for axis in run.tables.axes}
        yield f"{point_text(point)}, seed {summary['seed'][i]}: {told[i]}"


def missing(run: Run) -> Iterator[str]:
    """A line for each network that has no result."""
    for gone in run.missing:
        yield f"{point_text(gone.point)}, seed {gone.seed}: {gone.reason}"


def _told(run: Run) -> list[str]:
    """Each network's status; why it failed, if the manifest says so."""
    why = failures(run.manifest)
    rows = zip(run.tables.summary["cell"], run.tables.summary["status"], strict=True)
    return [
        f"failed: {why[cell]}" if status == "failed" and cell in why else status
        for cell, status in rows
    ]
