"""The table of figure kinds.

A kind's options are a class of its name in bnexp.config.figures; what it spreads out is its entry
here, asked before training and again when it is drawn; the function of its name in the file of its
name draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from bnexp.config.figures import (
    Curves,
    Depth,
    Drawn,
    FigureOptions,
    Heatmap,
    Histograms,
    Landscape,
    Panels,
    Percentiles,
    Ruled,
    Scale,
)
from bnexp.errors import ConfigError
from bnexp.figures.select import (
    MAX_PANELS,
    Selection,
    Swept,
    check_lines,
    check_number,
    check_panels,
    kept_values,
    named,
    panel_axis,
    restricted,
    scale_axis,
    select,
    select_beside,
)
from bnexp.figures.series import Recorded, check_metric, check_quantity, found_records
from bnexp.metrics import HEADLINE, evaluation_columns, metric_column
from bnexp.runs.tables import Axis, Results, Table
from bnexp.sweep import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORM = "model.norm"
MAX_ROWS = 16
RESTRICT = "restrict the figure by where"


def panels_choice(options: Panels, swept: Swept, recorded: Recorded) -> Selection:
    selection = select(swept, panel_axis(swept, options.axis))
    check_panels("panels", swept, selection)
    check_metric("panels", options.metric, recorded)
    return selection


def scale_choice(options: Scale, swept: Swept, recorded: Recorded) -> Selection:
    selection = select(swept, scale_axis(swept, options.axis))
    check_lines("scale", selection)
    return selection


def curves_choice(options: Curves, swept: Swept, recorded: Recorded) -> Selection:
    """Panels of panel_axis, if one is named; all other axes make the lines."""
    selection = select(swept, _optional(swept, options.panel_axis, "curves"))
    check_panels("curves", swept, selection)
    _check_ruled(options)
    if options.quantity is None:
        curve_metrics(options, recorded)
        return selection
    _refuse_both(options)
    check_quantity("curves", options.quantity, recorded)
    return selection


def curve_metrics(options: Curves, recorded: Recorded) -> tuple[tuple[str, ...], ...]:
    """The metrics of each panel; those of training and test images side by side if `together`."""
    if options.layer is not None or options.at is not None:
        raise ConfigError(
            "figure curves: layer and at are a quantity's. Add quantity or omit them."
        )
    names: Sequence[str] = options.metrics or evaluation_columns([HEADLINE])
    if options.metrics is None and not recorded.tested and not options.together:
        names = names[:1]
    for name in names:
        check_metric("curves", name, recorded, "metrics")
    if not options.together:
        return tuple((name,) for name in dict.fromkeys(names))
    metrics = {name: column.name if (column := metric_column(name)) else name for name in names}
    return tuple(
        tuple(name for name in metrics if metrics[name] == metric)
        for metric in dict.fromkeys(metrics.values())
    )


def percentiles_choice(options: Percentiles, swept: Swept, recorded: Recorded) -> Selection:
    """A panel for each combination."""
    selection = select(swept, None)
    check_number("percentiles", selection, MAX_PANELS, "panels", RESTRICT)
    check_quantity("percentiles", options.quantity, recorded)
    return selection


def histograms_choice(options: Histograms, swept: Swept, recorded: Recorded) -> Selection:
    """A row for each combination."""
    selection = select(swept, None)
    check_number("histograms", selection, MAX_ROWS, "rows", RESTRICT)
    _check_ruled(options)
    check_quantity("histograms", options.quantity, recorded)
    return selection


@dataclass(frozen=True)
class Grid:
    """The two axes of a map, and a map for each line of the selection."""

    x: Axis
    y: Axis
    selection: Selection


def heatmap_choice(options: Heatmap, swept: Swept, recorded: Recorded) -> Grid:
    """The named axes, else the first ones, model.norm last of all."""
    given = {key: named(swept, key, "heatmap") for key in (options.x, options.y) if key}
    free = [axis for axis in swept.axes if axis.key not in given]
    rest = iter(sorted(free, key=lambda axis: axis.key == NORM))
    x, y = (given[key] if key else next(rest, None) for key in (options.x, options.y))
    if x is None or y is None or x == y:
        keys = ", ".join(axis.key for axis in swept.axes) or "none"
        raise ConfigError(
            f"figure heatmap: two different swept keys are needed for x and y. Swept: {keys}. "
            f"Sweep another key, or draw kind: scale instead."
        )
    selection = select_beside(swept, (x, y))
    check_number("heatmap", selection, 12, "maps", RESTRICT)
    check_metric("heatmap", options.value, recorded, "value")
    return Grid(x, y, selection)


def landscape_choice(options: Landscape, swept: Swept, recorded: Recorded) -> Selection:
    """Panels of the named axis, else of the first but model.norm."""
    first = next((axis.key for axis in swept.axes if axis.key != NORM), None)
    selection = select(swept, _optional(swept, options.panel_axis or first, "landscape"))
    check_panels("landscape", swept, selection)
    _check_ruled(options)
    check_quantity("landscape", options.quantity, recorded)
    return selection


def depth_choice(options: Depth, swept: Swept, recorded: Recorded) -> Selection:
    """Panels of panel_axis, if one is named; all other axes make the lines."""
    selection = select(swept, _optional(swept, options.panel_axis, "depth"))
    check_panels("depth", swept, selection)
    _check_ruled(options)
    check_quantity("depth", options.quantity, recorded)
    for number, law in enumerate(options.law):
        kept_values("depth", swept, law.where)
        if (law.rate is None) == (law.values is None):
            raise ConfigError(
                f"figure depth: law[{number}] ({law.label}): either rate or values is needed. "
                f"Give one of them."
            )
    return selection


def _optional(swept: Swept, key: str | None, kind: str) -> Axis | None:
    return None if key is None else named(swept, key, kind)


def _check_ruled(options: Ruled) -> None:
    if options.log and options.limits and options.limits[0] <= 0:
        raise ConfigError(
            f"figure {options.kind}: limits of a logarithmic axis start above 0, got "
            f"{options.limits[0]:g}. Raise the lower one, or omit log."
        )


def _refuse_both(options: Curves) -> None:
    for name in ("metrics", "together"):
        if getattr(options, name):
            raise ConfigError(f"figure curves: quantity and {name} exclude each other. Omit one.")


KINDS: Mapping[str, Callable[[Any, Swept, Recorded], object]] = {
    "panels": panels_choice,
    "scale": scale_choice,
    "curves": curves_choice,
    "percentiles": percentiles_choice,
    "histograms": histograms_choice,
    "heatmap": heatmap_choice,
    "landscape": landscape_choice,
    "depth": depth_choice,
}


def drawing(kind: str) -> Callable[[Any, Results], Figure]:
    """The function that draws a kind; matplotlib is imported with it, not before."""
    found: Callable[[Any, Results], Figure] = getattr(import_module(f"bnexp.figures.{kind}"), kind)
    return found


@dataclass(frozen=True)
class Planned:
    """What is to be swept: like results whose summary has the swept columns only."""

    axes: tuple[Axis, ...]
    summary: Table


def planned(plan: Plan) -> Planned:
    """The axes and points of a plan as results will have them."""
    axes = tuple(Axis(axis.key, axis.labels) for axis in plan.axes)
    columns = {axis.key: [network.point[axis.key] for network in plan.networks] for axis in axes}
    return Planned(axes, {key: np.array(values, object) for key, values in columns.items()})


def refusal(options: Drawn, swept: Swept, recorded: Recorded) -> str | None:
    """Why the figure cannot be drawn; None if it can."""
    try:
        KINDS[options.kind](options, restricted(options, swept), recorded)
    except ConfigError as error:
        return str(error)
    return None


def defaults(results: Results) -> tuple[FigureOptions, ...]:
    """Panels over the usual axis, scale over the first number; another axis if those do not fit."""
    keys = [None, *(axis.key for axis in results.axes)]
    recorded = found_records(results)
    kinds: tuple[list[FigureOptions], ...] = (
        [Panels(kind="panels", axis=key) for key in keys],
        [Scale(kind="scale", axis=key) for key in keys],
    )
    first = (
        next((one for one in kind if not refusal(one, results, recorded)), None) for kind in kinds
    )
    return tuple(options for options in first if options)
