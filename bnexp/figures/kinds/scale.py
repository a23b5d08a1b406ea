"""Final or best accuracy, and final loss below it, against a swept number, as CS231n draws them.

The figures of assignment 2, batch normalization: the effect of the weight scale, and of the batch
size. There is a column for each set of images. A network whose loss is not finite has no place on
the loss axis: crosses at the top say where and how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bnexp.figures import legend, marks, notes, series
from bnexp.figures.kinds import FigureData, SpreadKind
from bnexp.figures.labels import axis_name
from bnexp.figures.limits import accuracy_axis, loss_axis, loss_limits, number_axis, wants_log
from bnexp.figures.page import Page, build
from bnexp.figures.recorded import Recorded
from bnexp.figures.select import (
    Selection,
    Swept,
    check_lines,
    find_axis,
    networks_at,
    select,
    swept_keys,
)
from bnexp.figures.series import Line, Spread, by_seed
from bnexp.figures.style import Look, active, looks
from bnexp.metrics import HEADLINE, metric_of
from bnexp.registry import option
from bnexp.runs.stats import pooled
from bnexp.runs.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CROSS_ROOM = 0.13  # of a loss panel's height, for each line's crosses


@dataclass(frozen=True, kw_only=True)
class Scale(SpreadKind):
    """Final or best accuracy and final loss against a swept number, as CS231n draws them."""

    axis: str | None = option(
        None, doc="the swept key on the x axis; default: the first that is a number"
    )
    accuracy: Literal["final", "best"] = option("final", doc="which accuracy is drawn")

    @property
    def reads_probes(self) -> bool:
        return False

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """Spread out the named axis, else the first, of those that are numbers."""
        numeric = [axis for axis in swept.axes if axis.numeric]
        axis = next(iter(numeric), None)
        if self.axis is not None:
            axis = find_axis(self.kind, swept, self.axis, "axis")
        if axis not in numeric:
            got = self.axis or swept_keys(swept)
            text = f"no numbers, expected a swept key that has only numbers, got {got}"
            raise self.error(f"{text}; or draw kind: panels", *(["axis"] if self.axis else []))
        selection = select(swept, axis)
        check_lines(self.kind, selection)
        return selection

    def draw(self, data: FigureData) -> Figure:
        """Draw a column for each set of images: accuracy above, loss below."""
        tables, selection = data.tables, data.selection
        axis = selection.spread[0]
        tested = np.isfinite(tables.summary[f"final_test_{HEADLINE}"]).any()
        images = ("train", "test") if tested else ("train",)
        metrics = [f"{self.accuracy}_{which}_{HEADLINE}" for which in images]
        metrics += [f"final_{which}_loss" for which in images]
        networks = [networks_at(tables, point) for point in selection.line_points]
        spread = self.spread(tables)
        panels = [
            [_line(line, axis.key, metric, spread) for line in networks] for metric in metrics
        ]
        columns = len(images)
        losses = panels[columns:]
        values = pooled(line.reach for lines in losses for line in lines)

        page = Page(
            title=data.title,
            notes=data.notes(
                notes.spread_note(tables, spread, "points", "bars", "dots"),
                notes.companions_note(selection),
                metrics=metrics,
                left_out=[notes.above_note(values.mean)],
            ),
            titles=(*(f"{tables.image_sets[which]} images" for which in images), *("",) * columns),
            columns=columns,
            aspect=0.4 if columns == 1 else 0.72,
            x_label=axis_name(axis.key),
            y_labels=tuple(f"{name.split('_')[0]} {metric_of(name).label}" for name in metrics),
        )
        line_looks = looks(selection)
        handles = marks.legend_lines(line_looks, marked=True)
        if any(line.lost.any() for lines in losses for line in lines):
            handles.append(marks.cross(active().gray(0.25), "diverged (loss not finite)"))
        figure, all_axes = build(page, handles)

        # The losses' limits are the same along the row and leave room for the crosses.
        log = wants_log(values.mean, "loss")
        crossed = max(sum(bool(line.lost.any()) for line in lines) for lines in losses)
        limits = loss_limits(values, log, 0.05 + CROSS_ROOM * crossed)
        for number, (axes, lines) in enumerate(zip(all_axes, panels, strict=True)):
            number_axis(axes, axis.values)
            if number < columns:
                accuracy_axis(axes, 0.2)
            else:
                loss_axis(axes, limits, log)
            _draw_lines(axes, lines, line_looks, crosses=number >= columns)
        marks.draw_chance(zip(all_axes, panels[:columns], strict=False), data.run.chance)
        legend.place(figure, page, all_axes, panels, line_looks)
        return figure


@dataclass(frozen=True)
class ScaleLine(Line):
    """A line, and at each x how many networks there are and how many have no finite value."""

    networks: NDArray[np.int64]
    lost: NDArray[np.int64]


def _line(networks: Table, key: str, metric: str, spread: Spread) -> ScaleLine:
    """A column of the summary of these networks against a swept key."""
    x, values = by_seed(networks, {}, key, metric)
    place = np.searchsorted(x, networks[key].astype(np.float64))
    infinite = ~np.isfinite(networks[metric].astype(np.float64))
    line = series.over_seeds(x, values, spread, metric_of(metric).limits)
    return ScaleLine(
        x=x,
        band=line.band,
        seeds=line.seeds,
        networks=np.bincount(place, minlength=len(x)),
        lost=np.bincount(place[infinite], minlength=len(x)),
    )


def _draw_lines(
    axes: Axes, lines: Sequence[ScaleLine], looks: Sequence[Look], crosses: bool
) -> None:
    """Draw the lines with bars or dots for the spread over seeds.

    crosses: whether networks without a finite value are marked at the top, each line's at a height
    of its own.
    """
    height = 1 - CROSS_ROOM / 3
    for line, look in zip(lines, looks, strict=True):
        mean, low, high = line.band.mean, line.band.low, line.band.high
        axes.add_line(marks.line_artist(line.x, mean, look, marked=True))
        marks.draw_single_seeds(axes, line, look, is_joined=False)
        finite = np.isfinite(low) & np.isfinite(high)
        if finite.any():
            arms = np.stack([mean - low, high - mean])[:, finite]
            bars: Any = axes.errorbar(
                line.x[finite], mean[finite], yerr=arms, fmt="none", ecolor=look.color, capsize=2.2
            )
            bars[2][0].set_linewidth(1.0)
    for line, look in zip(lines, looks, strict=True):
        if crosses and line.lost.any():
            marks.top_crosses(axes, line.x, line.lost, line.networks, look.color, height)
            height -= CROSS_ROOM
