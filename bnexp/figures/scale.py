"""Final or best accuracy, and final loss below it, against a swept number, as CS231n draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import ConfigError
from bnexp.figures.axes import accuracy_axis, loss_axis, loss_limits, number_axis, wants_log
from bnexp.figures.kind import FigureData, FigureKind
from bnexp.figures.labels import axis_name
from bnexp.figures.marks import cross, legend_lines, line_artist, top_crosses
from bnexp.figures.notes import above_note, companions_note, diverged_note, interval_note, joined
from bnexp.figures.page import Page, build
from bnexp.figures.quantities import Recorded
from bnexp.figures.select import Selection, Swept, check_lines, find_axis, networks_at, select
from bnexp.figures.series import Line, by_seed
from bnexp.figures.style import looks
from bnexp.metrics import HEADLINE, IMAGE_SETS, metric_of
from bnexp.registry import option
from bnexp.runs.stats import band, pooled
from bnexp.runs.tables import Axis, Tables
from bnexp.runs.where import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CROSS_ROOM = 0.13  # of a loss panel's height, for each line's crosses


@dataclass(frozen=True, kw_only=True)
class Scale(FigureKind):
    """Final or best accuracy and final loss against a swept number, as CS231n draws them."""

    axis: str | None = option(
        None, doc="the swept key on the x axis; default: the first that is a number"
    )
    accuracy: Literal["final", "best"] = option("final", doc="which accuracy is drawn")

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """Spread out the named axis, else the first, of those that are numbers."""
        numeric = [axis for axis in swept.axes if axis.numeric]
        if self.axis is None:
            axis = next(iter(numeric), None)
        else:
            axis = find_axis(self.kind, swept, self.axis)
        if axis not in numeric:
            key = self.axis
            what = (
                f"the values of {key} are not numbers" if key else "no swept key has only numbers"
            )
            raise ConfigError(
                f"figure scale: {what}. Sweep a number, or draw kind: panels instead."
            )
        selection = select(swept, axis)
        check_lines(self.kind, selection)
        return selection

    def draw(self, data: FigureData) -> Figure:
        """A column for each set of images: accuracy above, loss below."""
        results, selection = data.results, data.selection
        axis: Any = selection.axis
        tested = np.isfinite(results.summary[f"final_test_{HEADLINE}"]).any()
        images = ("train", "test") if tested else ("train",)
        columns = len(images)
        metrics = [f"{self.accuracy}_{which}_{HEADLINE}" for which in images]
        metrics += [f"final_{which}_loss" for which in images]
        panels = [
            [_line(results, point, axis, metric) for point in selection.line_points]
            for metric in metrics
        ]
        losses = panels[columns:]
        values = pooled(line.band for lines in losses for line in lines)

        page = Page(
            title=data.title,
            notes=data.notes(
                joined(interval_note(results, "points", "bars"), companions_note(selection)),
                diverged_note(results, "loss", "accuracy"),
                above_note(values.mean),
            ),
            titles=(*(f"{IMAGE_SETS[which]} images" for which in images), *("",) * columns),
            columns=columns,
            aspect=0.4 if columns == 1 else 0.72,
            x_label=axis_name(axis.key),
            y_labels=tuple(f"{name.split('_')[0]} {metric_of(name).label}" for name in metrics),
        )
        handles = legend_lines(selection, marked=True)
        if any(line.lost.any() for lines in losses for line in lines):
            handles.append(cross("0.25", "diverged (loss not finite)"))
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
            for line, look, label in zip(lines, looks(selection), selection.labels, strict=True):
                artist = line_artist(line.x, line.band.mean, look, label, marker=look.marker)
                axes.add_line(artist)
                _draw_bars(axes, line, look.color)
            height = 1 - CROSS_ROOM / 3  # each line's crosses have their own, values have none
            for line, look in zip(lines, looks(selection), strict=True):
                if number >= columns and line.lost.any():
                    top_crosses(axes, line.x, line.lost, line.networks, look.color, height)
                    height -= CROSS_ROOM
        return figure


@dataclass(frozen=True)
class ScaleLine(Line):
    """A line, and at each x how many networks there are and how many have no finite value."""

    networks: NDArray[np.int64]
    lost: NDArray[np.int64]


def _line(results: Tables, point: Point, axis: Axis, metric: str) -> ScaleLine:
    networks = networks_at(results, point)
    x, values = by_seed(networks, {}, axis.key, metric)
    place = np.searchsorted(x, networks[axis.key].astype(np.float64))
    infinite = ~np.isfinite(networks[metric].astype(np.float64))
    return ScaleLine(
        x=x,
        band=band(values, metric_of(metric).limits[1]),
        networks=np.bincount(place, minlength=len(x)),
        lost=np.bincount(place[infinite], minlength=len(x)),
    )


def _draw_bars(axes: Any, line: Line, color: str) -> None:
    """Draw the intervals as bars."""
    arms = np.stack([line.band.mean - line.band.low, line.band.high - line.band.mean])
    finite = np.isfinite(arms).all(axis=0)
    if finite.any():
        x, y = line.x[finite], line.band.mean[finite]
        bars = axes.errorbar(x, y, yerr=arms[:, finite], fmt="none", ecolor=color, capsize=2.2)
        bars[2][0].set_linewidth(1.0)
