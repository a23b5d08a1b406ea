"""How each layer's numbers are distributed, layers side by side, as in the book's section 6.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnexp.config.figures import Histograms
from bnexp.errors import ConfigError
from bnexp.figures.axes import bins_axis, free_axis, free_limits
from bnexp.figures.labels import PLACES, quantity_label
from bnexp.figures.marks import diverged_note, joined, missing_note, seeds_note, write_no_data
from bnexp.figures.page import Page, build
from bnexp.figures.select import Selection, pairs, restricted, rows_where, where_note
from bnexp.figures.series import at_step, found_records, layers_between, readings, step_note
from bnexp.figures.spec import histograms_choice
from bnexp.figures.style import Look, looks
from bnexp.runs.stats import Band, Floats, band, pooled
from bnexp.runs.tables import Results, Table, Value, rows
from bnexp.text import counted

MOST_LAYERS = 12
LOWEST = 1e-300  # where bars begin that have no bottom on a logarithmic axis


@dataclass(frozen=True)
class Bins:
    """Left edges and one right edge (B + 1), and at each bin the band over seeds."""

    edges: Floats
    band: Band


def histograms(options: Histograms, results: Results) -> Figure:
    """A row for each combination, a column for each layer."""
    shown = restricted(options, results)
    selection = histograms_choice(options, shown, found_records(results))
    table = at_step("histograms", readings(shown, options.quantity), options.step)
    layers = _layers(options, table)
    grid = [_row(selection, line, table, layers) for line in selection.lines]
    flat = [bins for row in grid for bins in row]
    log = bool(options.log)
    page = _page(options, results, shown, selection, table, layers, flat)
    figure, axes = build(page, [])
    for number, (one, bins) in enumerate(zip(axes, flat, strict=True)):
        row = number // len(layers)
        _draw(one, bins, looks(selection)[row], log)
        bins_axis(one, np.concatenate([bins.edges for bins in flat]))
        free_axis(one, options.limits or free_limits(_all(grid[row]), log), log)
        lowest = page.is_lowest(number)
        one.set_xlabel(PLACES.get(options.quantity, "value") if lowest else "")
    return figure


def _layers(options: Histograms, table: Table) -> tuple[int, ...]:
    layers = layers_between("histograms", table, options.layers)
    if len(layers) > MOST_LAYERS:
        raise ConfigError(
            f"figure histograms: {len(layers)} layers, and at most {MOST_LAYERS} fit on a page. "
            f"Name some with layers: [first, last]."
        )
    return layers or (0,)


def _row(
    selection: Selection, line: tuple[Value, ...], table: Table, layers: Sequence[int]
) -> list[Bins]:
    own = rows(table, rows_where(table, pairs(selection.line_axes, line)))
    return [_bins(own, layer) for layer in layers]


def _bins(table: Table, layer: int) -> Bins:
    """The bins are equally wide: the last ends as far from its left edge as the others."""
    mask = table["layer"] == layer
    lefts, column = np.unique(table["at"][mask].astype(np.float64), return_inverse=True)
    seeds, row = np.unique(table["seed"][mask], return_inverse=True)
    values = np.full((len(seeds), len(lefts)), np.nan)
    values[row, column] = table["value"][mask]
    width = np.diff(lefts)[-1:] if lefts.size > 1 else np.ones(lefts.size)
    return Bins(np.append(lefts, lefts[-1:] + width), band(values, 1.0))


def _all(bins: Sequence[Bins]) -> Band:
    return pooled(one.band for one in bins)


def _page(
    options: Histograms,
    results: Results,
    shown: Results,
    selection: Selection,
    table: Table,
    layers: Sequence[int],
    flat: Sequence[Bins],
) -> Page:
    notes = (
        joined(step_note(table), seeds_note(shown, "bars", "lines")),
        where_note(results, shown),
        joined(diverged_note(shown, False, False, marked=False), missing_note(shown)),
        joined(_cut_note(options, flat), _outside_note(flat)),
    )
    titles = tuple(f"{layer}-layer" for layer in layers if layer) or ("",)
    empty = ("",) * len(layers) * (len(selection.lines) - 1)
    heads = selection.labels if selection.line_axes else ()
    title, label = results.title or results.name, quantity_label(options.quantity)
    aspect = {1: 0.35, 2: 0.45, 3: 0.55}.get(len(layers), 0.62)
    return Page(title, notes, titles + empty, len(layers), aspect, heads=heads, y_label=label)


def _cut_note(options: Histograms, flat: Sequence[Bins]) -> str:
    """How many bars the given limits cut off; empty if none."""
    top = options.limits[1] if options.limits else np.inf
    count = int((_all(flat).mean > top).sum())
    return f"{counted(count, 'bar')} higher than the axis" if count else ""


def _outside_note(flat: Sequence[Bins]) -> str:
    """The largest share of a layer's numbers that lies in no bin; empty if it is small."""
    shares = [1 - float(np.nansum(one.band.mean)) for one in flat if one.band.mean.size]
    largest = max(shares, default=0.0)
    return (
        f"up to {100 * largest:.0f} % of a layer's numbers outside the bins"
        if largest > 0.005
        else ""
    )


def _draw(axes: Axes, bins: Bins, look: Look, log: bool) -> None:
    if not np.isfinite(bins.band.mean).any():
        write_no_data(axes)
        return
    heights, low = np.nan_to_num(bins.band.mean), LOWEST if log else 0.0
    axes.stairs(heights, bins.edges, baseline=low, fill=True, color=look.color, alpha=0.45)
    axes.stairs(heights, bins.edges, baseline=low, color=look.color, linewidth=0.9)
    centres = (bins.edges[:-1] + bins.edges[1:]) / 2
    some = np.isfinite(bins.band.low) & (bins.band.high > 0)
    axes.vlines(
        centres[some],
        np.maximum(bins.band.low[some], low),
        bins.band.high[some],
        color="0.15",
        linewidth=0.7,
    )
