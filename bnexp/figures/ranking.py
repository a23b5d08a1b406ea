"""Which values of a swept key end best: a figure's option `best`."""

from __future__ import annotations

import numpy as np

from bnexp.figures.selection import Swept, named
from bnexp.tables.results import Value


def best_values(kind: str, swept: Swept, key: str, number: int) -> list[Value]:
    """The `number` values whose networks end with the highest mean accuracy, the best first.

    By test accuracy where test images are scored; before training, the first values. Raises
    ConfigError if the key is not swept.
    """
    values = list(dict.fromkeys(named(swept, key, kind).values))
    names = [f"final_{which}_accuracy" for which in ("test", "train")]
    found = [swept.summary[name] for name in names if name in swept.summary]
    scored = next((column for column in found if np.isfinite(column).any()), None)
    if scored is not None:
        own = swept.summary[key]
        means = {value: _mean(scored[own == value]) for value in values}
        values.sort(key=lambda value: -means[value])
    return values[:number]


def _mean(accuracies: np.ndarray) -> float:
    finite = accuracies[np.isfinite(accuracies)]
    return float(finite.mean()) if len(finite) else -1.0
