"""Metrics or what a probe read, against step or epoch, a line for each combination.

There is a panel for each content (a metric, training and test images of a metric together, or a
layer and place of a quantity) and each value of `panel_axis`. Panels of the same metric or
quantity, such as training and test losses, have the same limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from bnexp.config.figures import Layers, MetricOrGap, Places
from bnexp.figures import legend, limits, marks, notes, select, series
from bnexp.figures.kinds import FigureData, RuledKind, SpreadKind
from bnexp.figures.labels import metric_label, place_label, quantity_label
from bnexp.figures.page import Page, build, square
from bnexp.figures.recorded import (
    Recorded,
    check_metric,
    check_quantity,
    layers_of,
    places_of,
)
from bnexp.figures.style import DASHES, Look, active, looks
from bnexp.metrics import HEADLINE, evaluation_columns, is_headline, metric_column
from bnexp.registry import option
from bnexp.runs.stats import pooled
from bnexp.runs.tables import Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ASPECTS = {1: 0.5, 2: 0.66}  # by the number of columns


@dataclass(frozen=True, kw_only=True)
class Curves(RuledKind, SpreadKind):
    """Metrics, or a recorded quantity, against step or epoch: one line for each combination."""

    metrics: Annotated[tuple[MetricOrGap, ...], Field(strict=False, min_length=1)] | None = option(
        None,
        doc="what is drawn, one panel each; gap: training minus test accuracy. "
        "Default: the accuracies",
    )
    quantity: str | None = option(None, doc="a quantity that a probe recorded, instead of metrics")
    layer: Layers | None = option(
        None, doc="the layers of the quantity, one panel each; default: all that were recorded"
    )
    at: Places | None = option(
        None, doc="the places within the quantity, one panel each; default: all"
    )
    against: Literal["step", "epoch"] | None = option(
        None, doc="the x axis; default: epoch for metrics scored once per epoch, else step"
    )
    together: bool = option(
        False, doc="draw training and test images in one panel, told apart by markers"
    )
    panel_axis: str | None = option(None, doc="a swept key with one panel per value; default: none")
    best: Annotated[int, Field(ge=2, le=36)] | None = option(
        None,
        doc="how many values of panel_axis to draw: those with the best mean final "
        "accuracy (on test images, if they are scored), the best first; default: all",
    )
    smooth: bool = option(
        False, doc="smooth each network's curve as the book does, with a Kaiser window of 11"
    )

    def shown(self, swept: Any) -> Any:
        """The networks with the `best` values of panel_axis; FigureError without panel_axis."""
        if self.best is None:
            return swept
        if self.panel_axis is None:
            raise self.error("without panel_axis, expected both or neither, got best alone", "best")
        best = select.best_values(self.kind, swept, self.panel_axis, self.best)
        return select.restrict(self.kind, swept, {self.panel_axis: best})

    @property
    def reads_probes(self) -> bool:
        return self.quantity is not None

    def choose(self, swept: select.Swept, recorded: Recorded) -> select.Selection:
        """Spread out panel_axis, if one is named; all other axes make the lines."""
        selection = select.select_panels(self.kind, swept, self.panel_axis)
        if self.quantity is None:
            groups = self._metric_groups(recorded)
            self.check_limits([name for group in groups for name in group])
            contents = len(groups)
        else:
            self._check_quantity(self.quantity, recorded)
            contents = len(self._layers_and_places(self.quantity, recorded))
        values = len(set(selection.axis.values)) if selection.axis else 1
        if values * contents > select.MAX_PANELS:
            text = f"too many panels, expected at most {select.MAX_PANELS}, got {values * contents}"
            raise self.error(
                f"{text}; name fewer metrics, layers or places, or restrict the figure by where"
            )
        return selection

    def _check_quantity(self, quantity: str, recorded: Recorded) -> None:
        """Raise FigureError if the quantity is not recorded, or does not go with other options."""
        for name in ("metrics", "together"):
            if getattr(self, name):
                text = "beside quantity, expected one of them, got both"
                raise self.error(text, name)
        check_quantity(self.kind, quantity, recorded)
        self.check_limits(quantity=quantity)
        evaluations = recorded.evaluations
        if self.against == "epoch" and evaluations is not None and evaluations < 2:
            text = "epochs of unknown length, expected networks that are scored twice or more, got "
            raise self.error(f"{text}{evaluations} evaluation; draw against: step", "against")

    def draw(self, data: FigureData) -> Figure:
        """Draw the metrics or the quantity over training; panels of one metric share limits."""
        selection = data.selection
        time = self.against or (
            "step" if self.quantity else series.time_column(data.tables.metrics)
        )
        panels = self._panels(data, time)
        curves: dict[tuple[limits.Scale, str], list[series.Curve]] = {}
        for panel in panels:
            curves.setdefault(panel.unit, []).extend(panel.all_curves)
        values = {unit: pooled(line.reach for line in lines) for unit, lines in curves.items()}
        log = {unit: self.is_log(band.mean, unit[0]) for unit, band in values.items()}

        left_out = [notes.zero_note(band.mean, log[unit]) for unit, band in values.items()]
        for (scale, _), band in values.items():
            if scale == "loss" and self.limits is None:
                left_out.append(notes.above_note(band.mean))
        most = series.most_points(sum(len(panel.all_curves) for panel in panels))
        left_out.append(notes.thinned_note(panels[0].sources[0].table, time, most))
        page = self._page(data, panels, series.TIME_LABELS[time], left_out)
        line_looks = looks(selection)
        points_only = all(line.x.size <= 1 for panel in panels for line in panel.all_curves)
        styles = _image_styles(selection) if any(len(p.sources) > 1 for p in panels) else {}
        marked = bool(styles) or marks.needs_markers(len(line_looks))
        # With styles for images, markers of a few lines would only repeat what these say.
        many = marks.needs_markers(len(line_looks)) or (points_only and not styles)
        handles = marks.legend_lines(line_looks, many)
        for images, style in styles.items():
            name = f"{data.tables.image_sets[images]} images"
            gray = Look(active().gray(0.25), "solid", line_looks[0].marker, name)
            handles.append(marks.line_artist([], [], gray, marked=True, **style))
        figure, all_axes = build(page, handles)

        x = np.concatenate([line.x for panel in panels for line in panel.all_curves])
        for axes, panel in zip(all_axes, panels, strict=True):
            for source, lines in zip(panel.sources, panel.curves, strict=True):
                style = styles.get(source.column.partition("_")[0], {})
                marks.draw_lines(axes, lines, line_looks, marked, most_markers=8, style=style)
            if not any(line.x.size for line in panel.all_curves):
                marks.write_no_data(axes)
            limits.whole_number_axis(axes, x, 5 if page.crowded else 10)
            band, is_log = values[panel.unit], log[panel.unit]
            if panel.scale == "accuracy" and not is_log:
                limits.accuracy_axis(axes, 0.5 if page.crowded else 0.2, self.limits)
            else:
                around = limits.loss_limits if panel.scale == "loss" else limits.free_limits
                limits.free_axis(axes, self.limits or around(band, is_log), is_log)
        of_accuracy = [
            (axes, panel.all_curves)
            for axes, panel in zip(all_axes, panels, strict=True)
            if is_headline(panel.sources[0].column)
        ]
        marks.draw_chance(of_accuracy, data.run.chance)
        for axes, panel in zip(all_axes, panels, strict=True):
            marks.mark_divergence(axes, panel.curves[0], line_looks)
        legend.place(figure, page, all_axes, [panel.curves[0] for panel in panels], line_looks)
        return figure

    def _metric_groups(self, recorded: Recorded) -> list[list[str]]:
        """The metrics of each panel: one, or if `together` those of training and test images.

        Raises FigureError if a metric is not recorded, or for options of a quantity.
        """
        for name in ("layer", "at"):
            if getattr(self, name) is not None:
                raise self.error(f"without quantity, expected both or neither, got {name}", name)
        names: Sequence[str] = self.metrics or evaluation_columns([HEADLINE])
        if self.metrics is None and not recorded.tested and not self.together:
            names = names[:1]
        groups: dict[str, list[str]] = {}
        for number, name in enumerate(names):
            check_metric(self.kind, name, recorded, "metrics", number)
            if name in names[:number]:
                continue
            column = metric_column(name)
            metric = column.name if column and self.together else name
            groups.setdefault(metric, []).append(name)
        return list(groups.values())

    def _layers_and_places(self, quantity: str, recorded: Recorded) -> list[tuple[int, float]]:
        """The layers and places of the quantity, a panel each; none if they are not known."""
        layers = layers_of(self.kind, quantity, recorded, self.layer) or ()
        places = places_of(self.kind, quantity, recorded, self.at, layers or None) or ()
        return list(product(layers, places))

    def _contents(
        self, tables: Tables, recorded: Recorded, time: str
    ) -> list[tuple[str, tuple[series.Source, ...]]]:
        """What panels can show, each with its title.

        A metric, or those of training and test images together; or a layer and place of a quantity.
        """
        contents: list[tuple[str, tuple[series.Source, ...]]] = []
        if self.quantity is None:
            for names in self._metric_groups(recorded):
                sources = tuple(series.metric_source(tables, name) for name in names)
                title = (
                    metric_label(names[0], tables.image_sets)
                    if len(names) == 1
                    else sources[0].label
                )
                contents.append((title, sources))
            return contents
        table = series.readings(tables, self.quantity)
        if time == "epoch":
            table = series.with_epochs(table, tables.metrics)
        label = quantity_label(self.quantity)
        drawn = self._layers_and_places(self.quantity, recorded)
        places = list(dict.fromkeys(place for _, place in drawn))
        for layer, place in drawn:
            parts = [f"layer {layer}"] if layer else []
            parts += [] if isnan(place) else [place_label(self.quantity, place, places)]
            source = series.quantity_source(table, layer, place, label)
            contents.append((", ".join(parts), (source,)))
        return contents or [("", (series.quantity_source(table, 0, float("nan"), label),))]

    def _panels(self, data: FigureData, time: str) -> list[Panel]:
        """A panel for each content and each value of the axis, in the order of the page."""
        contents = self._contents(data.tables, data.recorded, time)
        values = data.panels()
        if len(values) > 4:  # a row for each value
            order = [(value, content) for value in values for content in contents]
        else:
            order = [(value, content) for content in contents for value in values]
        labels_differ = len({sources[0].label for _, sources in contents}) == len(contents)
        spread = self.spread(data.tables)
        lines = sum(len(points) * len(sources) for (_, points), (_, sources) in order)
        most = series.most_points(lines)
        panels = []
        for (value, points), (title, sources) in order:
            has_title = len(contents) > 1 and not (value and labels_differ)
            curves = [
                [
                    series.curve(data.tables, point, source, time, spread, self.smooth, most)
                    for point in points
                ]
                for source in sources
            ]
            named = ", ".join(filter(None, [value, title if has_title else ""]))
            panels.append(Panel(named, title, sources, curves))
        return panels

    def _page(
        self, data: FigureData, panels: Sequence[Panel], x_label: str, left_out: Sequence[str]
    ) -> Page:
        """The page of these panels.

        It has a label for all y axes together where they show the same thing.
        """
        values = len(data.panels())
        contents = len(panels) // values
        # A row or a column for each content, by what is narrower; a square if there is only one.
        columns = values if values <= 4 else contents
        if contents == 1 or values == 1:
            columns = square(len(panels))
        rows = (panels[start : start + columns] for start in range(0, len(panels), columns))
        label, content = panels[0].sources[0].label, panels[0].content
        # Several contents are named by the panels' titles.
        names = [label if self.quantity else "", content] if contents == 1 else []
        has_common_label = len({panel.sources[0].label for panel in panels}) == 1
        return Page(
            title=data.title,
            notes=data.notes(
                ", ".join(filter(None, names)),
                notes.spread_note(data.tables, self.spread(data.tables), "line", "band", "thin"),
                "smoothed over 11 points" if self.smooth else "",
                where="the best first" if self.best else "",
                metrics=[source.column for panel in panels for source in panel.sources],
                left_out=left_out,
            ),
            titles=tuple(panel.title for panel in panels),
            columns=columns,
            aspect=ASPECTS.get(columns, 0.62),
            x_label=x_label,
            y_label=label if has_common_label else "",
            y_labels=() if has_common_label else tuple(p.sources[0].label for p in panels),
            own_y=any(len({panel.unit for panel in row}) > 1 for row in rows),
        )


@dataclass(frozen=True)
class Panel:
    """One panel: the columns that it shows, and for each of them a curve for each line.

    content: what it shows, in words; title: that and the value of the axis, where they are needed.
    """

    title: str
    content: str
    sources: tuple[series.Source, ...]
    curves: list[list[series.Curve]]

    @property
    def scale(self) -> limits.Scale:
        """Which axis fits."""
        return self.sources[0].scale

    @property
    def unit(self) -> tuple[limits.Scale, str]:
        """The scale and what it measures: panels with the same have the same limits and label."""
        return self.scale, self.sources[0].label

    @property
    def all_curves(self) -> list[series.Curve]:
        """The curves of all columns."""
        return [line for lines in self.curves for line in lines]


def _image_styles(selection: select.Selection) -> Mapping[str, Mapping[str, Any]]:
    """What sets the lines of training and test images apart where they share a panel.

    Markers do, which are filled or hollow; a lone line is also dashed for test images.
    """
    dash = {} if selection.line_axes else {"linestyle": DASHES[1]}
    hollow = {"markerfacecolor": active().gray(1), "linewidth": 1.2}
    return {"train": {}, "test": {**hollow, **dash}}
