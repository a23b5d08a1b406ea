"""Results of a few networks, for tests of the summary table."""

from __future__ import annotations

import numpy as np

from bnexp.metrics import IMAGE_SETS
from bnexp.runs.tables import Axis, Tables


def tables(axes, rows, title="title", image_sets=IMAGE_SETS):
    """Tables of rows (value of each axis, seed, training accuracy, status)."""
    keys = [axis.key for axis in axes]
    columns = list(zip(*rows, strict=True))
    values = dict(zip(keys, columns[: len(keys)], strict=True))
    summary = {
        **{key: np.array(column, object) for key, column in values.items()},
        "seed": np.array(columns[-3]),
        "final_train_accuracy": np.array(columns[-2], float),
        "status": np.array(columns[-1], object),
    }
    seeds = tuple(dict.fromkeys(columns[-3]))
    return Tables("name", title, "", tuple(axes), seeds, {}, summary, image_sets=image_sets)


def numbers(table):
    """The values of the entries of a table with one seed, by row."""
    return [[value for entry in row for value in entry.values] for row in table.entries]


STD = Axis("model.init.std", (1.0, 0.01))
NORM = Axis("model.norm", ("batch", "none"))
ROWS = [
    (1.0, "batch", 0, 0.5, "ok"), (1.0, "batch", 1, 0.7, "ok"),
    (1.0, "none", 0, 0.1, "diverged"), (1.0, "none", 1, 0.1, "ok"),
    (0.01, "batch", 0, 1.0, "ok"), (0.01, "batch", 1, 0.8, "ok"),
    (0.01, "none", 0, float("nan"), "failed"), (0.01, "none", 1, 0.125, "ok"),
]  # fmt: skip
