"""Claims about results made by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from figure_results import NORM, W, results

from bnexp.claims import SweepPoints, judge_claims
from bnexp.config.claims import Claim
from bnexp.runs.tables import Axis

SCALES = Axis(W, (0.1, 0.025118864315095794))
METHODS = Axis(NORM, ("batch", "none"))


def claim(**parts):
    return Claim.model_validate({"says": "it is so", "measure": "final_train_accuracy", **parts})


def sweep_points(data):
    keys = [axis.key for axis in data.axes]
    points = (dict(zip(keys, p, strict=True)) for p in product(*(a.values for a in data.axes)))
    return SweepPoints(data.axes, tuple(points), data.seeds)


def judged(data, **parts):
    """The verdict on one claim."""
    (verdict,) = judge_claims((claim(**parts),), sweep_points(data), data)
    return verdict


def spread(*values, **options):
    """One point, its final accuracy of each seed given; the same at every evaluation."""
    return results(
        seeds=tuple(range(len(values))), value=lambda p, seed, e, m: values[seed], **options
    )


def by_point(table, axes=(METHODS,), **options):
    """Point -> one value for each seed."""
    seeds = tuple(range(len(next(iter(table.values())))))
    return results(axes, seeds, value=lambda p, seed, e, m: table[p][seed], **options)


def with_probes(data, rows):
    """The results with rows (cell's number, step, layer, quantity, at, value)."""
    networks = data.summary["cell"].tolist()
    names = ("step", "layer", "quantity", "at", "value")
    table = {"cell": np.array([networks[row[0]] for row in rows], object)}
    for i, name in enumerate(names, 1):
        column = [row[i] for row in rows]
        table[name] = np.array(column, object if name == "quantity" else None)
    return replace(data, probes=table)
