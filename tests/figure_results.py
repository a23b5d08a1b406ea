"""Results made by hand for the tests of figures, and what lies on the axes drawn from them."""

from __future__ import annotations

from itertools import product

import numpy as np

from bnexp.config.figures import Panels
from bnexp.figures import draw
from bnexp.tables.results import Axis, Results

W = "model.init.std"
NORM = "model.norm"
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
NORMS = Axis(NORM, ("batch", "none"))


def results(
    axes=(),
    seeds=(0,),
    points=None,
    value=lambda point, seed, epoch, metric: 0.5,
    diverged=lambda point, seed: -1,
    failed=lambda point, seed: False,
    tested=False,
    times=((0.0, 1), (1.0, 11), (2.0, 21)),
    title="Weight scale",
):
    """The tables of a sweep; `points` are its value tuples (default: the full product).

    value(point, seed, epoch, metric) is what was measured; diverged gives a step or -1.
    """
    axes = tuple(axes)
    points = list(points or product(*(axis.values for axis in axes)))
    metrics, summary = [], []
    for number, (point, seed) in enumerate(product(points, seeds)):
        head = {"cell": f"c{number:04}", "seed": seed}
        head |= {axis.key: v for axis, v in zip(axes, point, strict=True)}
        rows = [
            head | {"epoch": epoch, "step": step} | _values(value, point, seed, epoch, tested)
            for epoch, step in times
        ]
        step = diverged(point, seed)
        lost = failed(point, seed)
        if not lost:
            metrics += rows
        status = "failed" if lost else "ok" if step < 0 else "diverged"
        summary.append(
            head | {"status": status, "diverged_at_step": step} | _ends(rows, lost) | {"seconds": 1}
        )
    names = [*head, "epoch", "step", *METRICS]
    tables = _table(metrics, names), _table(summary, list(summary[0]))
    return Results("demo", title, "a book", axes, tuple(seeds), *tables)


def _values(value, point, seed, epoch, tested):
    return {
        metric: value(point, seed, epoch, metric)
        if tested or metric.startswith("train")
        else np.nan
        for metric in METRICS
    }


def _ends(rows, lost):
    ends = {f"final_{m}": np.nan if lost else rows[-1][m] for m in METRICS}
    for metric in METRICS:
        values = [row[metric] for row in rows]
        best = min(values) if metric.endswith("loss") else max(values)
        ends[f"best_{metric}"] = np.nan if lost else best
    return ends


def _table(rows, names):
    return {name: _column([row[name] for row in rows]) for name in names}


def _column(values):
    mixed = len({type(value) is str for value in values}) > 1
    return np.array(values, dtype=object if mixed else None)


def panels(data, **options):
    return draw(Panels(kind="panels", **options), data)


def curves(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_d")}


def crosses(axes):
    return [line for line in axes.lines if line.get_label() == "_diverged"]


def words(thing):
    return [text.get_text() for text in thing.texts if text.get_text()]
