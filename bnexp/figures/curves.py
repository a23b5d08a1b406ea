"""Metrics or what a probe read, against step or epoch, a line for each combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, isnan, sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bnexp.config.figures import Curves
from bnexp.errors import ConfigError
from bnexp.figures.axes import (
    accuracy_axis,
    free_axis,
    free_limits,
    loss_limits,
    time_axis,
    wanted_log,
)
from bnexp.figures.labels import metric_label, quantity_label, value_text
from bnexp.figures.marks import (
    above_note,
    band_alpha,
    diverged_note,
    draw_band,
    joined,
    legend_lines,
    line,
    mark_divergence,
    missing_note,
    seeds_note,
    write_no_data,
    zero_note,
)
from bnexp.figures.page import Page, build
from bnexp.figures.select import MAX_PANELS, Selection, pairs, restricted, where_note
from bnexp.figures.series import (
    Curve,
    Recorded,
    Source,
    What,
    at_place,
    chosen_layers,
    chosen_places,
    curve,
    found_records,
    metric_source,
    panel_values,
    readings,
    time_column,
    with_epochs,
)
from bnexp.figures.spec import NORM, curve_metrics, curves_choice
from bnexp.figures.style import DASHES, Look, looks
from bnexp.runs.stats import Band, pooled
from bnexp.runs.tables import Results, Table, Value


@dataclass(frozen=True)
class Facet:
    """What a panel shows: a column, or those of training and test images together."""

    title: str
    label: str
    about: str
    sources: tuple[Source, ...]

    @property
    def what(self) -> What:
        return self.sources[0].what


@dataclass(frozen=True)
class Panel:
    """A facet of some networks: for each of its sources a curve for each line."""

    title: str
    facet: Facet
    curves: tuple[tuple[Curve, ...], ...]


def facets(options: Curves, results: Results, recorded: Recorded, time: str) -> list[Facet]:
    """One for each metric or pair of metrics, or for each layer and place of a quantity."""
    if options.quantity is None:
        groups = curve_metrics(options, recorded)
        return [_of_metrics(results, group) for group in groups]
    table = readings(results, options.quantity)
    table = with_epochs("curves", table, results.metrics) if time == "epoch" else table
    layers = chosen_layers("curves", table, options.layer)
    places = chosen_places("curves", table, options.at)
    label = quantity_label(options.quantity)
    if not layers or not places:
        return [Facet("", label, label, (at_place(table, 0, float("nan")),))]
    return [_of_place(table, label, layer, at) for layer in layers for at in places]


def panels_of(
    results: Results,
    selection: Selection,
    facets: Sequence[Facet],
    time: str,
    smooth: bool,
) -> list[Panel]:
    """Every facet of every value of the axis. Raises ConfigError if they do not fit on a page."""
    places = panel_values(results, selection)
    if len(places) * len(facets) > MAX_PANELS:
        raise ConfigError(
            f"figure curves: {len(places) * len(facets)} panels, and at most {MAX_PANELS} fit on a "
            f"page. Name fewer metrics, layers or places, or restrict the figure by where."
        )
    both = [(place, facet) for facet in facets for place in places]
    if len(places) > 4:
        both.sort(key=lambda pair: places.index(pair[0]))
    return [
        Panel(
            _title(title, facet, facets),
            facet,
            _curves(results, selection, here, facet, time, smooth),
        )
        for (title, here), facet in both
    ]


def columns(panels: Sequence[Panel], facets: Sequence[Facet]) -> int:
    """A row a facet or a column a facet, by what is narrower; about as many of both if only one."""
    values = len(panels) // len(facets)
    if len(facets) == 1 or values == 1:
        return ceil(sqrt(len(panels)))
    return values if values <= 4 else len(facets)


def _of_place(table: Table, label: str, layer: int, at: float) -> Facet:
    parts = (f"layer {layer}" if layer else "", "" if isnan(at) else f"at {value_text(at)}")
    title = ", ".join(part for part in parts if part)
    about = ", ".join(part for part in (label, title) if part)
    return Facet(title, label, about, (at_place(table, layer, at),))


def _of_metrics(results: Results, names: Sequence[str]) -> Facet:
    sources = tuple(metric_source(results, name) for name in names)
    label = sources[0].label
    title = metric_label(names[0]) if len(names) == 1 else label
    return Facet(title, label, title, sources)


def _curves(
    results: Results,
    selection: Selection,
    here: list[tuple[str, Value]],
    facet: Facet,
    time: str,
    smooth: bool,
) -> tuple[tuple[Curve, ...], ...]:
    lines = [here + pairs(selection.line_axes, line) for line in selection.lines]
    return tuple(
        tuple(curve(results, wanted, source, time, smooth) for wanted in lines)
        for source in facet.sources
    )


def _labels_tell(facets: Sequence[Facet]) -> bool:
    """Whether the y axes' labels tell the facets apart."""
    return len({facet.label for facet in facets}) == len(facets)


def _title(value: str, facet: Facet, facets: Sequence[Facet]) -> str:
    several = len(facets) > 1 and not (value and _labels_tell(facets))
    return ", ".join(part for part in (value, facet.title if several else "") if part)


TIME_LABELS = {"epoch": "epochs", "step": "step"}
ASPECTS = {1: 0.5, 2: 0.66}
UNMARKED = 2  # so many lines are told apart in grey print by their dashes; more get markers
MARKERS_A_LINE = 8
SETS = {"train": "training images", "test": "test images"}


def curves(options: Curves, results: Results) -> Figure:
    """Draw the metrics or the quantity over training."""
    recorded, shown = found_records(results), restricted(options, results)
    selection = curves_choice(options, shown, recorded)
    time = options.against or ("step" if options.quantity else time_column(shown.metrics))
    parts = facets(options, shown, recorded, time)
    drawn = panels_of(shown, selection, parts, time, options.smooth)
    page = _page(options, results, shown, drawn, parts)
    styles = _styles(selection, drawn)
    figure, axes = build(page, _legend(selection, styles, drawn))
    for number, (one, panel) in enumerate(zip(axes, drawn, strict=True)):
        _draw(one, panel, selection, styles)
        _rule(one, options, drawn, panel.facet.what, page.columns > 2)
        one.set_ylabel(panel.facet.label if page.has_y(number) and not page.y_label else "")
        one.set_xlabel(TIME_LABELS[time] if page.is_lowest(number) else "")
        mark_divergence(one, panel.curves[0], looks(selection))
    return figure


def _page(
    options: Curves,
    results: Results,
    shown: Results,
    drawn: Sequence[Panel],
    parts: Sequence[Facet],
) -> Page:
    whats = dict.fromkeys(part.what for part in parts)
    zeros = (zero_note(_all(drawn, w).mean, _is_log(options, drawn, w)) for w in whats)
    off = "loss" in whats and options.limits is None
    notes = (
        joined(_about(parts), seeds_note(shown, "line", "band"), _smoothed(options)),
        joined(where_note(results, shown), "the best first" if options.best else ""),
        joined(diverged_note(shown, "loss" in whats, "accuracy" in whats), missing_note(shown)),
        joined(*zeros, above_note(_all(drawn, "loss").mean) if off else ""),
    )
    titles = tuple(panel.title for panel in drawn)
    wide = columns(drawn, parts)
    rows = (drawn[start : start + wide] for start in range(0, len(drawn), wide))
    own_y = any(len({panel.facet.what for panel in row}) > 1 for row in rows)
    title = results.title or results.name
    label = parts[0].label if len({part.label for part in parts}) == 1 else ""
    aspect = ASPECTS.get(wide, 0.62)
    return Page(title, notes, titles, wide, aspect, own_y=own_y, y_label=label)


def _about(parts: Sequence[Facet]) -> str:
    """What the only facet shows, for the notes; several have it in their titles."""
    return parts[0].about if len(parts) == 1 else ""


def _smoothed(options: Curves) -> str:
    return "smoothed over 11 points" if options.smooth else ""


def _all(drawn: Sequence[Panel], what: What) -> Band:
    own = (panel for panel in drawn if panel.facet.what == what)
    return pooled(one.band for panel in own for one in chain(*panel.curves))


def _is_log(options: Curves, drawn: Sequence[Panel], what: What) -> bool:
    return wanted_log(options.log, what, _all(drawn, what).mean, options.limits)


def _styles(selection: Selection, drawn: Sequence[Panel]) -> Mapping[str, Mapping[str, object]]:
    """What sets the lines of training and test images apart where they share a panel.

    The marker does; the dash too, where it has no normalization to tell.
    """
    if all(len(panel.facet.sources) == 1 for panel in drawn):
        return {}
    norms = any(axis.key == NORM for axis in selection.line_axes)
    test = {} if norms else {"linestyle": DASHES[1]}
    hollow = {"marker": "s", "markerfacecolor": "white", "linewidth": 1.2}
    return {"train": {"marker": "o", "markersize": 4.0}, "test": {**hollow, **test}}


def _legend(
    selection: Selection, styles: Mapping[str, Mapping[str, object]], drawn: Sequence[Panel]
) -> list[Line2D]:
    handles = legend_lines(selection, not styles and _marked(drawn))
    for part, style in styles.items():
        handle = line([], [], Look("0.25", "solid", ""), SETS[part], "")
        handle.set(**style)
        handles.append(handle)
    return handles


def _marked(drawn: Sequence[Panel]) -> bool:
    every = [one for panel in drawn for one in chain(*panel.curves)]
    many = any(len(panel.curves[0]) > UNMARKED for panel in drawn)
    return many or all(one.x.size <= 1 for one in every)


def _draw(
    axes: Axes, panel: Panel, selection: Selection, styles: Mapping[str, Mapping[str, object]]
) -> None:
    for source, row in zip(panel.facet.sources, panel.curves, strict=True):
        style = styles.get(source.column.partition("_")[0], {})
        for one, look, label in zip(row, looks(selection), selection.labels, strict=True):
            if one.x.size:
                _draw_curve(axes, one, look, label, len(row), style)
    if not any(one.x.size for one in chain(*panel.curves)):
        write_no_data(axes)


def _draw_curve(
    axes: Axes, one: Curve, look: Look, label: str, lines: int, style: Mapping[str, object]
) -> None:
    draw_band(axes, one.x, one.band, look, band_alpha(lines))
    marker = look.marker if lines > UNMARKED or one.x.size == 1 else ""
    drawn = line(one.x, one.band.mean, look, label, marker, ceil(one.x.size / MARKERS_A_LINE))
    drawn.set(**style)
    axes.add_line(drawn)


def _rule(axes: Axes, options: Curves, drawn: Sequence[Panel], what: What, small: bool) -> None:
    """The same limits for all panels of one sort of number."""
    xs = [one.x for panel in drawn for one in chain(*panel.curves)]
    time_axis(axes, np.concatenate([np.empty(0), *xs]), 5 if small else 10)
    values, log = _all(drawn, what), _is_log(options, drawn, what)
    if what == "accuracy" and not log:
        accuracy_axis(axes, 0.5 if small else 0.2, options.limits)
        return
    limits = loss_limits(values, log) if what == "loss" else free_limits(values, log)
    free_axis(axes, options.limits or limits, log)
