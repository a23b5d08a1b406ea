"""Metrics or what a probe read, against step or epoch, a line for each combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from bnexp.config.figures import Layers, MetricOrGap, Places
from bnexp.errors import ConfigError
from bnexp.figures.axes import (
    Scale,
    accuracy_axis,
    free_axis,
    free_limits,
    loss_limits,
    whole_number_axis,
)
from bnexp.figures.kind import FigureData, RuledKind
from bnexp.figures.labels import metric_label, quantity_label, value_text
from bnexp.figures.marks import (
    MOST_UNMARKED,
    band_alpha,
    draw_lines,
    legend_lines,
    line_artist,
    mark_divergence,
    write_no_data,
)
from bnexp.figures.notes import above_note, diverged_note, interval_note, joined, zero_note
from bnexp.figures.page import Page, build, square
from bnexp.figures.quantities import (
    Recorded,
    check_metric,
    check_quantity,
    layers_of,
    places_of,
    readings,
    recorded_in,
    with_epochs,
)
from bnexp.figures.select import (
    MAX_PANELS,
    NORM,
    Selection,
    Swept,
    best_values,
    check_panels,
    find_axis,
    restrict,
    select,
)
from bnexp.figures.series import (
    TIME_LABELS,
    Curve,
    Source,
    curve,
    metric_source,
    quantity_source,
    time_column,
)
from bnexp.figures.style import DASHES, Look
from bnexp.metrics import HEADLINE, IMAGE_SETS, evaluation_columns, metric_column
from bnexp.registry import option
from bnexp.runs.stats import Band, pooled
from bnexp.runs.tables import Tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

ASPECTS = {1: 0.5, 2: 0.66}  # by the number of columns
MOST_MARKERS = 8  # on a line

# How the lines of training and test images differ, by the first part of the column's name.
Styles = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Curves(RuledKind):
    """Metrics, or a recorded quantity, against step or epoch: one line for each combination."""

    metrics: Annotated[tuple[MetricOrGap, ...], Field(strict=False, min_length=1)] | None = option(
        None,
        doc="what is drawn, one panel each; gap: training minus test accuracy. "
        "Default: the accuracies",
    )
    quantity: str | None = option(None, doc="a quantity that a probe recorded, instead of metrics")
    layer: Layers | None = option(
        None,
        doc="the layers of the quantity, one panel each; default: all that were recorded",
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
        False,
        doc="smooth each network's curve as the book does, with a Kaiser window of 11",
    )

    def restrict(self, swept: Any) -> Any:
        """With the networks of `where`, and of these those with the best values."""
        swept = super().restrict(swept)
        if self.best is None:
            return swept
        if self.panel_axis is None:
            raise ConfigError("figure curves: best is of the values of panel_axis. Name that too.")
        best = best_values(self.kind, swept, self.panel_axis, self.best)
        return restrict(self.kind, swept, {self.panel_axis: best})

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """Spread out panel_axis, if one is named; all other axes make the lines."""
        axis = None if self.panel_axis is None else find_axis(self.kind, swept, self.panel_axis)
        selection = select(swept, axis)
        check_panels(self.kind, swept, selection)
        self.check_limits()
        if self.quantity is None:
            self._metric_groups(recorded)
            return selection
        for name in ("metrics", "together"):
            if getattr(self, name):
                raise ConfigError(
                    f"figure curves: quantity and {name} exclude each other. Omit one."
                )
        check_quantity(self.kind, self.quantity, recorded)
        return selection

    def draw(self, data: FigureData) -> Figure:
        results, selection = data.results, data.selection
        time = self.against or ("step" if self.quantity else time_column(results.metrics))
        facets = self._facets(results, recorded_in(data.run), time)
        panels = self._panels(data, facets, time)
        styles = _image_styles(selection, facets)
        scales = list(dict.fromkeys(facet.scale for facet in facets))
        values = {
            scale: pooled(
                line.band for panel in panels if panel.facet.scale == scale for line in panel.all
            )
            for scale in scales
        }
        log = {scale: self.is_log(band.mean, scale) for scale, band in values.items()}

        left_out = [zero_note(band.mean, log[scale]) for scale, band in values.items()]
        if "loss" in values and self.limits is None:
            left_out.append(above_note(values["loss"].mean))
        page = self._page(data, panels, facets, TIME_LABELS[time], joined(*left_out))
        many = len(selection.lines) > MOST_UNMARKED
        points_only = all(line.x.size <= 1 for panel in panels for line in panel.all)
        handles = legend_lines(selection, marked=not styles and (many or points_only))
        figure, all_axes = build(page, [*handles, *_image_handles(styles)])

        x = np.concatenate([line.x for panel in panels for line in panel.all])
        for axes, panel in zip(all_axes, panels, strict=True):
            alpha = band_alpha(len(selection.lines))
            for source, lines in zip(panel.facet.sources, panel.curves, strict=True):
                style = styles.get(source.column.partition("_")[0])
                draw_lines(axes, lines, selection, alpha, many, MOST_MARKERS, style)
            if not any(line.x.size for line in panel.all):
                write_no_data(axes)
            whole_number_axis(axes, x, 5 if page.crowded else 10)
            scale = panel.facet.scale
            self._rule(axes, scale, values[scale], log[scale], page.crowded)
            mark_divergence(axes, panel.curves[0], selection)
        return figure

    def _metric_groups(self, recorded: Recorded) -> list[tuple[str, ...]]:
        """The metrics of each panel; if `together`, those of training and test images."""
        if self.layer is not None or self.at is not None:
            raise ConfigError(
                "figure curves: layer and at are a quantity's. Add quantity or omit them."
            )
        names: Sequence[str] = self.metrics or evaluation_columns([HEADLINE])
        if self.metrics is None and not recorded.tested and not self.together:
            names = names[:1]
        for name in names:
            check_metric(self.kind, name, recorded, "metrics")
        groups: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            column = metric_column(name)
            metric = column.name if column and self.together else name
            groups.setdefault(metric, []).append(name)
        return [tuple(group) for group in groups.values()]

    def _facets(self, results: Tables, recorded: Recorded, time: str) -> list[Facet]:
        """One for each metric or pair of metrics, or for each layer and place of a quantity."""
        if self.quantity is None:
            return [_metric_facet(results, group) for group in self._metric_groups(recorded)]
        table = readings(results, self.quantity)
        if time == "epoch":
            table = with_epochs(self.kind, table, results.metrics)
        label = quantity_label(self.quantity)
        facets = []
        places = places_of(self.kind, table, self.at)
        for layer in layers_of(self.kind, table, self.layer):
            for place in places:
                parts = (f"layer {layer}" if layer else "", _place_text(place))
                title = ", ".join(part for part in parts if part)
                about = ", ".join(part for part in (label, title) if part)
                facets.append(Facet(title, label, about, (quantity_source(table, layer, place),)))
        return facets or [Facet("", label, label, (quantity_source(table, 0, float("nan")),))]

    def _panels(self, data: FigureData, facets: Sequence[Facet], time: str) -> list[Panel]:
        """Every facet of every value of the axis. ConfigError if they do not fit on a page."""
        values = data.panels()
        if len(values) * len(facets) > MAX_PANELS:
            raise ConfigError(
                f"figure curves: {len(values) * len(facets)} panels, and at most {MAX_PANELS} fit "
                f"on a page. Name fewer metrics, layers or places, or restrict the figure by where."
            )
        if len(values) > 4:
            order = [(value, facet) for value in values for facet in facets]
        else:
            order = [(value, facet) for facet in facets for value in values]
        labels_differ = len({facet.label for facet in facets}) == len(facets)
        panels = []
        for (value, points), facet in order:
            titled = len(facets) > 1 and not (value and labels_differ)
            title = ", ".join(part for part in (value, facet.title if titled else "") if part)
            curves = tuple(
                tuple(curve(data.results, point, source, time, self.smooth) for point in points)
                for source in facet.sources
            )
            panels.append(Panel(title, facet, curves))
        return panels

    def _page(
        self,
        data: FigureData,
        panels: Sequence[Panel],
        facets: Sequence[Facet],
        x_label: str,
        left_out: str,
    ) -> Page:
        columns = _columns(len(panels), len(facets))
        rows = (panels[start : start + columns] for start in range(0, len(panels), columns))
        common_label = len({facet.label for facet in facets}) == 1
        return Page(
            title=data.title,
            notes=data.notes(
                joined(
                    facets[0].about if len(facets) == 1 else "",  # several have it in their titles
                    interval_note(data.results, "line", "band"),
                    "smoothed over 11 points" if self.smooth else "",
                ),
                diverged_note(data.results, *(facet.scale for facet in facets)),
                left_out,
                where="the best first" if self.best else "",
            ),
            titles=tuple(panel.title for panel in panels),
            columns=columns,
            aspect=ASPECTS.get(columns, 0.62),
            x_label=x_label,
            y_label=facets[0].label if common_label else "",
            y_labels=() if common_label else tuple(panel.facet.label for panel in panels),
            own_y=any(len({panel.facet.scale for panel in row}) > 1 for row in rows),
        )

    def _rule(self, axes: Axes, scale: Scale, values: Band, log: bool, crowded: bool) -> None:
        """Give the panel the y axis of all panels with numbers of this scale."""
        if scale == "accuracy" and not log:
            accuracy_axis(axes, 0.5 if crowded else 0.2, self.limits)
        else:
            limits = loss_limits(values, log) if scale == "loss" else free_limits(values, log)
            free_axis(axes, self.limits or limits, log)


@dataclass(frozen=True)
class Facet:
    """What a panel shows: a column, or those of training and test images together.

    title: in the panel's title; label: of the y axis; about: in the notes if it is the only one.
    """

    title: str
    label: str
    about: str
    sources: tuple[Source, ...]

    @property
    def scale(self) -> Scale:
        """Which axis fits: accuracy, loss or other."""
        return self.sources[0].scale


@dataclass(frozen=True)
class Panel:
    """A facet of some networks: for each of its sources a curve for each line."""

    title: str
    facet: Facet
    curves: tuple[tuple[Curve, ...], ...]

    @property
    def all(self) -> list[Curve]:
        """The curves of all sources."""
        return [line for lines in self.curves for line in lines]


def _metric_facet(results: Tables, metrics: Sequence[str]) -> Facet:
    sources = tuple(metric_source(results, name) for name in metrics)
    label = sources[0].label
    title = metric_label(metrics[0]) if len(metrics) == 1 else label
    return Facet(title, label, title, sources)


def _place_text(place: float) -> str:
    return "" if isnan(place) else f"at {value_text(place)}"


def _columns(panels: int, facets: int) -> int:
    """A row a facet or a column a facet, by what is narrower; about as many of both if only one."""
    values = panels // facets
    if facets == 1 or values == 1:
        return square(panels)
    return values if values <= 4 else facets


def _image_styles(selection: Selection, facets: Sequence[Facet]) -> Styles:
    """What sets the lines of training and test images apart where they share a panel.

    The marker does; the dash too, where it has no normalization to tell.
    """
    if all(len(facet.sources) == 1 for facet in facets):
        return {}
    has_norm = any(axis.key == NORM for axis in selection.line_axes)
    dash = {} if has_norm else {"linestyle": DASHES[1]}
    hollow = {"marker": "s", "markerfacecolor": "white", "linewidth": 1.2}
    return {"train": {"marker": "o", "markersize": 4.0}, "test": {**hollow, **dash}}


def _image_handles(styles: Styles) -> list[Line2D]:
    """The legend's entries for training and test images."""
    handles = []
    for images, style in styles.items():
        handle = line_artist([], [], Look("0.25", "solid", ""), f"{IMAGE_SETS[images]} images")
        handle.set(**style)
        handles.append(handle)
    return handles
