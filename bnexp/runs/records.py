"""Records from files: whatever a cell file holds, it is a record of its network or damaged.

A record is validated like a config (`bnexp.config.stored`): every field has its type and its range,
lists have the lengths that belong together, and the columns are those of the network's metrics.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field

from bnexp.config.options import Strict
from bnexp.config.stored import (
    MAX_NAME,
    Count,
    Counts,
    Digest,
    Numbers,
    Seconds,
    is_name,
    require,
    validate,
)
from bnexp.execution.task import Probed, Record
from bnexp.metrics import DEFAULT_METRICS, IMAGE_SETS, METRICS, metric_column
from bnexp.sweep import Network
from bnexp.text import counted, exact

# Of a metric in single precision, beyond its own limits.
ROUNDING = 1e-3
A_NAME = f"a printable text of at most {MAX_NAME} characters"


class _StoredProbed(Strict):
    """The fields of `Probed`."""

    quantity: str
    steps: Counts
    layers: Counts
    at: Numbers
    values: Numbers


class _StoredRecord(Strict):
    """The fields of `Record`: the body of a cell file."""

    cell: str
    data_sha256: Digest
    status: Literal["ok", "diverged"]
    diverged_at_step: Count | None
    steps: Counts
    epochs: Counts
    metrics: dict[str, Numbers]
    seconds: Seconds
    probes: Annotated[tuple[_StoredProbed, ...], Field(strict=False)] = ()
    error: Literal[""] = ""
    device: Literal["cpu", "cuda"] = "cpu"


def decode_record(fields: Any) -> Record:
    """The record with these fields, plain values from JSON; Misfit if they are no record."""
    stored = validate(_StoredRecord, fields)
    diverged_at, steps, epochs = stored.diverged_at_step, stored.steps, stored.epochs
    expected = "a step if the status is diverged, else null"
    is_ok = stored.status == "ok"
    require((diverged_at is None) == is_ok, ("diverged_at_step",), expected, diverged_at)
    _require_steps(steps, ("steps",))
    require(len(epochs) == len(steps), ("epochs",), f"{len(steps)}, one for each step", epochs)
    require(list(epochs) == sorted(epochs), ("epochs",), "ascending numbers", epochs)
    for name, values in stored.metrics.items():
        require(is_name(name), ("metrics",), f"{A_NAME} as a name", name)
        path, expected = ("metrics", name), f"{counted(len(steps), 'number')}, one for each step"
        require(len(values) == len(steps), path, expected, values)
    for i, probed in enumerate(stored.probes):
        require(is_name(probed.quantity), ("probes", i, "quantity"), A_NAME, probed.quantity)
        _require_steps(probed.steps, ("probes", i, "steps"))
        count = len(probed.steps) * len(probed.layers) * len(probed.at)
        expected = f"{counted(count, 'number')}, steps times layers times at"
        require(len(probed.values) == count, ("probes", i, "values"), expected, probed.values)
    quantities = [(probed.quantity, probed.layers) for probed in stored.probes]
    expected = "each quantity of the same layers once"
    require(len({*quantities}) == len(quantities), ("probes",), expected, quantities)
    return Record(**{**dict(stored), "probes": tuple(Probed(**dict(p)) for p in stored.probes)})


def check_record(record: Record, network: Network) -> None:
    """Misfit unless the network can have this record: its metrics in their limits, its probes.

    Metrics of a user's own are not bounded: their limits are only as good as their author's word.
    """
    setting = network.setting
    names = {*DEFAULT_METRICS, *(options.kind for options in setting.train.metrics or ())}
    sets = IMAGE_SETS if setting.data.scores_test else ("train",)
    expected = sorted(f"{images}_{name}" for images in sets for name in names)
    got = sorted(record.metrics)
    require(got == expected, ("metrics",), ", ".join(expected), ", ".join(got))
    if setting.probes is None:
        require(not record.probes, ("probes",), "none, as the network has none", record.probes)
    last = setting.train.steps
    if last is not None:
        require(record.steps[-1] <= last, ("steps",), f"at most {last}", record.steps[-1])
    check_limits(record.metrics)


def check_limits(metrics: Mapping[str, Sequence[float]]) -> None:
    """Misfit if a number of one of bnexp's own metrics is outside its limits; NaN is in them."""
    for name, values in metrics.items():
        low, high = column_limits(name)
        for value in values:
            if not low <= value <= high and value == value:
                require(False, ("metrics", name), limits_text(name), value)


def column_limits(name: str) -> tuple[float, float]:
    """The least and the largest number of a column of a table, up to rounding."""
    column = metric_column(name)
    if name == "seconds":
        return 0.0, sys.float_info.max
    if column is None or column.name not in METRICS.builtin:
        return -math.inf, math.inf
    low, high = column.metric.limits
    return low - ROUNDING, high + ROUNDING


def limits_text(name: str) -> str:
    """What is expected of a number in a column that has limits."""
    column = metric_column(name)
    low, high = column.metric.limits if column else (0.0, math.inf)
    if high == math.inf:
        return f"a number >= {exact(low)}"
    return f"a number from {exact(low)} to {exact(high)}"


def _require_steps(steps: Sequence[int], path: tuple[str | int, ...]) -> None:
    """At least one step, each after the one before."""
    expected = "at least one step, each after the one before"
    require(bool(steps) and all(a < b for a, b in pairwise(steps)), path, expected, steps)
