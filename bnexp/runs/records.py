"""Records from files: whatever a cell file holds, it is a record of its network or damaged.

A checksum says that a file is what was written, not who wrote it. So a record is checked like a
config: every field has its type and its range, lists have the lengths that belong together, and the
columns are those of the network's metrics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from bnexp.config.experiment import MAX_STEPS
from bnexp.execution.task import Probed, Record
from bnexp.metrics import DEFAULT_METRICS, IMAGE_SETS, METRICS, metric_column
from bnexp.sweep import Network

MAX_NAME = 200
# Of a metric in single precision, beyond its own limits.
ROUNDING = 1e-3
_SHA256 = re.compile(r"[0-9a-f]{64}")


def decode_record(fields: Any) -> Record:
    """The record with these fields, plain values from JSON; ValueError if they are no record."""
    _require(isinstance(fields, dict), "a mapping")
    probes = tuple(map(_decode_probed, _list(fields.pop("probes", ()))))
    metrics = fields.pop("metrics", None)
    _require(isinstance(metrics, dict), "metrics")
    columns = {name: tuple(_list(values)) for name, values in metrics.items()}
    steps, epochs = (tuple(_list(fields.pop(name, None))) for name in ("steps", "epochs"))
    try:
        record = Record(metrics=columns, steps=steps, epochs=epochs, probes=probes, **fields)
    except TypeError:  # a field is missing, or is none
        raise ValueError("expected the fields of a record") from None
    _require(isinstance(record.cell, str), "cell")
    _require(bool(_SHA256.fullmatch(str(record.data_sha256))), "data_sha256")
    _require(record.status in ("ok", "diverged") and record.error == "", "status")
    diverged_at = record.diverged_at_step
    _require((diverged_at is None) == (record.status == "ok"), "diverged_at_step")
    _require(diverged_at is None or _are_steps([diverged_at]), "diverged_at_step")
    _require(type(record.seconds) is float or type(record.seconds) is int, "seconds")
    _require(0 <= record.seconds < math.inf, "seconds")
    _require(_are_steps(steps), "steps")
    _require(all(type(n) is int and 0 <= n <= MAX_STEPS for n in epochs), "epochs")
    _require(len(epochs) == len(steps) and list(epochs) == sorted(epochs), "epochs")
    for name, values in columns.items():
        _require(_is_name(name) and len(values) == len(steps), "metrics")
        _require(all(type(value) is float for value in values), "metrics")
    quantities = [(probed.quantity, probed.layers) for probed in probes]
    _require(len({*quantities}) == len(quantities), "probes")
    return record


def _decode_probed(fields: Any) -> Probed:
    _require(isinstance(fields, dict), "a mapping")
    series: dict[str, Any] = {
        name: v if name == "quantity" else tuple(_list(v)) for name, v in fields.items()
    }
    try:
        probed = Probed(**series)
    except TypeError:
        raise ValueError("expected the fields of probes") from None
    _require(_is_name(probed.quantity) and _are_steps(probed.steps), "probes")
    _require(all(type(n) is int and 0 <= n <= MAX_STEPS for n in probed.layers), "probes")
    _require(all(type(n) in (int, float) for n in (*probed.at, *probed.values)), "probes")
    count = len(probed.steps) * len(probed.layers) * len(probed.at)
    _require(len(probed.values) == count, "probes")
    return probed


def is_record_of(record: Record, network: Network) -> bool:
    """Whether the network can have this record: its metrics within their limits, its probes.

    Metrics of a user's own are not bounded: their limits are only as good as their author's word.
    """
    setting = network.setting
    names = {*DEFAULT_METRICS, *(options.kind for options in setting.train.metrics or ())}
    sets = IMAGE_SETS if setting.data.scores_test else ("train",)
    if record.metrics.keys() != {f"{images}_{name}" for images in sets for name in names}:
        return False
    if bool(record.probes) > (setting.probes is not None):
        return False
    if setting.train.steps is not None and record.steps[-1] > setting.train.steps:
        return False
    return _within_limits(record.metrics)


def _within_limits(metrics: Mapping[str, tuple[float, ...]]) -> bool:
    for name, values in metrics.items():
        column = metric_column(name)
        if column is None or column.name not in METRICS.builtin:
            continue
        low, high = column.metric.limits
        if not all(low - ROUNDING <= v <= high + ROUNDING for v in values if v == v):
            return False
    return True


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(f"not a valid value: {what}")


def _list(value: Any) -> Iterable[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list, got {type(value).__name__}")
    return value


def _is_name(value: Any) -> bool:
    """Whether this is a short text that can be printed."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()


def _are_steps(values: Any) -> bool:
    """Whether these are steps, at least one, each after the one before."""
    if not values or not all(type(step) is int and 0 <= step <= MAX_STEPS for step in values):
        return False
    return all(a < b for a, b in pairwise(values))
