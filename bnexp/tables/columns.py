"""The columns of the tables: their order, and what each holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
# Before the swept keys, and behind them in metrics.csv, summary.csv and probes.csv.
FIRST = ("cell", "seed")
EVALUATION = ("epoch", "step", *METRICS)
NETWORK = (
    "status",
    "diverged_at_step",
    *(f"{which}_{name}" for which in ("final", "best") for name in METRICS),
    "seconds",
)
READING = ("step", "layer", "quantity", "at", "value")

TEXTS = ("cell", "status", "quantity")
INTEGERS = ("seed", "epoch", "step", "layer", "diverged_at_step")
# Swept keys are none of these, they have a dot: their columns hold numbers or labels.
FLOATS = tuple(
    name for name in (*EVALUATION, *NETWORK, *READING) if name not in (*TEXTS, *INTEGERS)
)


def column(name: str, values: list[Any]) -> NDArray[Any]:
    """The values as the array that a column of that name is; None is NaN where numbers are."""
    if name in INTEGERS:
        return np.array(values, np.int64)
    if name in FLOATS:
        return np.array([np.nan if value is None else value for value in values], np.float64)
    numbers = values and all(isinstance(value, int | float) for value in values)
    return np.array(values, None if numbers and name not in TEXTS else object)
