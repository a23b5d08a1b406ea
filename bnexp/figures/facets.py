"""The panels of the curves figure: what each shows, of which networks, in which place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan, sqrt

from bnexp.config.figures import Curves
from bnexp.errors import ConfigError
from bnexp.figures.choices import curve_metrics
from bnexp.figures.labels import METRICS, quantity_label, value_text
from bnexp.figures.panel_rows import panel_values
from bnexp.figures.readings import (
    at_place,
    chosen_layers,
    chosen_places,
    readings,
    with_epochs,
)
from bnexp.figures.recorded import Recorded
from bnexp.figures.selection import MAX_PANELS, Selection, pairs
from bnexp.figures.series import Curve, Source, What, curve, metric_source
from bnexp.tables.results import Results, Table, Value


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
    title = METRICS[names[0]] if len(names) == 1 else sources[0].what
    label = METRICS["gap"] if names[0] == "gap" else sources[0].what
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
