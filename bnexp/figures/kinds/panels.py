"""The book's figure: a panel for each value of an axis, a line for each method, over epochs.

It is section 6.3.2 of Saito, Deep Learning from Scratch: training accuracy with and without batch
normalization for 16 weight scales. Networks that diverged are marked in their panels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bnexp.config.figures import Metric
from bnexp.figures import legend, limits, marks, notes, series
from bnexp.figures.kinds import FigureData, SpreadKind
from bnexp.figures.labels import metric_label
from bnexp.figures.page import Page, build, square
from bnexp.figures.recorded import Recorded, check_metric
from bnexp.figures.select import Selection, Swept, select_panels
from bnexp.figures.style import looks
from bnexp.metrics import is_headline
from bnexp.registry import option
from bnexp.runs.stats import pooled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Panels(SpreadKind):
    """One panel for each value of an axis, one line for each method: the book's 4 x 4 figure."""

    axis: str | None = option(None, doc="the swept key of the panels; default: the first")
    metric: Metric = option("train_accuracy", doc="what is drawn against the epoch")

    @property
    def reads_probes(self) -> bool:
        return False

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """Spread out the named axis, else the first that is a number, else the first."""
        default = next(iter(sorted(swept.axes, key=lambda axis: not axis.numeric)), None)
        selection = select_panels(self.kind, swept, self.axis, "axis", default)
        check_metric(self.kind, self.metric, recorded)
        return selection

    def draw(self, data: FigureData) -> Figure:
        """Draw the metric over training, row by row in the sweep's order."""
        source = series.metric_source(data.tables, self.metric)
        time, spread = series.time_column(data.tables.metrics), self.spread(data.tables)
        titles, points = zip(*data.panels(), strict=True)
        most = series.most_points(sum(map(len, points)))
        panels = [
            [series.curve(data.tables, point, source, time, spread, most=most) for point in lines]
            for lines in points
        ]
        curves = [line for lines in panels for line in lines]
        values = pooled(line.reach for line in curves)

        page = Page(
            title=data.title,
            notes=data.notes(
                metric_label(self.metric, data.tables.image_sets),
                notes.spread_note(data.tables, spread, "line", "band", "thin"),
                metrics=[self.metric],
                left_out=[
                    notes.above_note(values.mean) if source.scale == "loss" else "",
                    notes.thinned_note(data.tables.metrics, time, most),
                ],
            ),
            titles=titles,
            columns=square(len(panels)),
            aspect=0.62,
            x_label=series.TIME_LABELS[time],
            y_labels=(source.label,) * len(panels),
        )
        line_looks = looks(data.selection)
        points_only = all(line.x.size <= 1 for line in curves)
        figure, all_axes = build(page, marks.legend_lines(line_looks, points_only or None))

        x = np.concatenate([line.x for line in curves])
        log = limits.wants_log(values.mean, source.scale)
        for axes, lines in zip(all_axes, panels, strict=True):
            marks.draw_lines(axes, lines, line_looks, most_markers=6)
            if not any(line.x.size for line in lines):
                marks.write_no_data(axes)
            limits.whole_number_axis(axes, x, 5 if page.crowded else 10)
            if source.scale == "accuracy":
                limits.accuracy_axis(axes, 0.5 if page.crowded else 0.2)
            elif source.scale == "loss":
                limits.loss_axis(axes, limits.loss_limits(values, log), log)
            else:
                limits.free_axis(axes, limits.free_limits(values, log), log)
        if is_headline(self.metric):
            marks.draw_chance(zip(all_axes, panels, strict=True), data.run.chance)
        for axes, lines in zip(all_axes, panels, strict=True):
            marks.mark_divergence(axes, lines, line_looks)
        legend.place(figure, page, all_axes, panels, line_looks)
        return figure
