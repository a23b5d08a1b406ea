"""Tables made by hand for the tests of figures, and what lies on the axes drawn from them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from bnexp.config.figures import figure_options
from bnexp.figures import draw
from bnexp.figures.kinds.panels import Panels
from bnexp.figures.kinds.scale import Scale
from bnexp.runs.tables import Axis, Tables

W = "model.init.std"
NORM = "model.norm"
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
NORMS = Axis(NORM, ("batch", "none"))
PROBED = ("step", "layer", "quantity", "at", "value")
NAN = float("nan")


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
    read=None,
):
    """The tables of a sweep; `points` are its value tuples (default: the full product).

    value(point, seed, epoch, metric) is what was measured; diverged gives a step or -1;
    read(point, seed) what probes read: tuples of PROBED.
    """
    axes = tuple(axes)
    points = list(points or product(*(axis.values for axis in axes)))
    metrics, summary, probes = [], [], []
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
            found = read(point, seed) if read else []
            probes += [head | dict(zip(PROBED, one, strict=True)) for one in found]
        status = "failed" if lost else "ok" if step < 0 else "diverged"
        summary.append(
            head | {"status": status, "diverged_at_step": step} | _ends(rows, lost) | {"seconds": 1}
        )
    names = [*head, "epoch", "step", *METRICS]
    tables = [_table(metrics, names), _table(summary, list(summary[0]))]
    tables += [_table(probes, [*head, *PROBED])] if read else []
    return Tables("demo", title, "a book", axes, tuple(seeds), *tables)


def without_rows(data):
    """The same with no network at all."""
    names = ("metrics", "summary", "probes")
    empty = {n: {key: c[:0] for key, c in getattr(data, n).items()} for n in names}
    return replace(data, **empty)


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
    texts = {type(value) is str for value in values}
    return np.array(values, dtype=object if True in texts else None)


def figure(data, kind, **options):
    return draw(figure_options(kind, **options), data)


def lines(axes):
    """The named lines, by name."""
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def legend(figure):
    """The names of the lines: in the legend, or beside the lines of the first panel."""
    texts = figure.legends[0].get_texts() if figure.legends else figure.axes[0].texts
    return [text.get_text() for text in texts if text.get_text() != "chance"]


def maps(figure):
    """The panels, without color bars."""
    return [axes for axes in figure.axes if axes.get_label() != "_bar"]


def titles(figure):
    return [axes.get_title().replace("\n", " ") for axes in maps(figure)]


def panels(data, **options):
    return draw(Panels(**options), data)


def curves(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_d")}


def crosses(axes):
    return [line for line in axes.lines if line.get_label() == "_diverged"]


def words(thing):
    return [text.get_text() for text in thing.texts if text.get_text()]


def notes(figure):
    """The small lines under the title."""
    return [text.get_text() for text in figure.texts if text.get_color() == "0.25"]


def everything(number=lambda step, layer: 0.5 + 0.1 * layer):
    """What EVERY kind of figure draws, as `read` of `results`."""

    def read(point, seed):
        places = {"loss_along": (1.0, 2.0), "percentile": (15.0, 50.0, 85.0)}
        places |= {"activation_density": (0.0, 0.5), "dead": (NAN,)}
        rows = [
            (step, layer, quantity, at, number(step, layer))
            for quantity, own in places.items()
            for at in own
            for step in (0, 10)
            for layer in (1, 2)
        ]
        for step in (0, 10):
            x = number(step, 1)
            images = {"filter": [2, 2, 1, *[x] * 8], "confusion": [3, x, x, 4]}
            images["mistake"] = [1, 2, 1, *[0, 1, x, x, x], *[1, 0, x, x, x]]
            rows += [
                (step, int(quantity == "filter"), quantity, float(at), value)
                for quantity, values in images.items()
                for at, value in enumerate(values)
            ]
        return rows

    return read


EVERY = (
    Panels(metric="train_loss"),
    Scale(),
    figure_options("curves", metrics=["train_loss", "train_accuracy"]),
    figure_options("curves", quantity="dead"),
    figure_options("percentiles"),
    figure_options("histograms"),
    figure_options("histograms", log=True),
    figure_options("heatmap", value="final_train_loss"),
    figure_options("landscape"),
    figure_options("landscape", quantity="dead", log=True),
    figure_options("depth", quantity="dead", law=[{"label": "law", "rate": 2.0}]),
    figure_options("confusion"),
    figure_options("filters"),
    figure_options("trajectory"),
)
