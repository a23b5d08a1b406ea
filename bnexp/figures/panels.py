"""The book's figure: a panel for each value of an axis, a line for each method, over epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bnexp.config.figures import Metric
from bnexp.figures.axes import (
    accuracy_axis,
    free_axis,
    free_limits,
    loss_axis,
    loss_limits,
    wants_log,
    whole_number_axis,
)
from bnexp.figures.kind import FigureData, FigureKind
from bnexp.figures.labels import metric_label
from bnexp.figures.marks import (
    MOST_UNMARKED,
    draw_lines,
    legend_lines,
    mark_divergence,
    write_no_data,
)
from bnexp.figures.notes import above_note, diverged_note, interval_note, joined
from bnexp.figures.page import Page, build, square
from bnexp.figures.quantities import Recorded, check_metric
from bnexp.figures.select import Selection, Swept, check_panels, find_axis, select
from bnexp.figures.series import TIME_LABELS, curve, metric_source, time_column
from bnexp.registry import option
from bnexp.runs.stats import pooled
from bnexp.runs.tables import Axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ASPECT = 0.62
MOST_MARKERS = 6  # on a line


@dataclass(frozen=True, kw_only=True)
class Panels(FigureKind):
    """One panel for each value of an axis, one line for each method: the book's 4 x 4 figure."""

    axis: str | None = option(None, doc="the swept key of the panels; default: the first")
    metric: Metric = option("train_accuracy", doc="what is drawn against the epoch")

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """Spread out the named axis, else the first that is a number, else the first."""
        if self.axis is not None:
            axis: Axis | None = find_axis(self.kind, swept, self.axis)
        else:
            axis = next((a for a in swept.axes if a.numeric), next(iter(swept.axes), None))
        selection = select(swept, axis)
        check_panels(self.kind, swept, selection)
        check_metric(self.kind, self.metric, recorded)
        return selection

    def draw(self, data: FigureData) -> Figure:
        results, selection = data.results, data.selection
        source, time = metric_source(results, self.metric), time_column(results.metrics)
        titles, points = zip(*data.panels(), strict=True)
        panels = [[curve(results, point, source, time) for point in lines] for lines in points]
        curves = [line for lines in panels for line in lines]
        values = pooled(line.band for line in curves)

        page = Page(
            title=data.title,
            notes=data.notes(
                joined(metric_label(self.metric), interval_note(results, "line", "band")),
                diverged_note(results, source.scale),
                above_note(values.mean) if source.scale == "loss" else "",
            ),
            titles=titles,
            columns=square(len(panels)),
            aspect=ASPECT,
            x_label=TIME_LABELS[time],
            y_labels=(source.label,) * len(panels),
        )
        many = len(selection.lines) > MOST_UNMARKED
        points_only = all(line.x.size <= 1 for line in curves)
        figure, all_axes = build(page, legend_lines(selection, many or points_only))

        x, log = np.concatenate([line.x for line in curves]), wants_log(values.mean, source.scale)
        for axes, lines in zip(all_axes, panels, strict=True):
            draw_lines(axes, lines, selection, 0.12 if many else 0.22, many, MOST_MARKERS)
            if not any(line.x.size for line in lines):
                write_no_data(axes)
            whole_number_axis(axes, x, 5 if page.crowded else 10)
            if source.scale == "accuracy":
                accuracy_axis(axes, 0.5 if page.crowded else 0.2)
            elif source.scale == "loss":
                loss_axis(axes, loss_limits(values, log), log)
            else:
                free_axis(axes, free_limits(values, log), log)
            mark_divergence(axes, lines, selection)
        return figure
