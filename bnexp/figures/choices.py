"""What each kind of figure spreads out, from its options and what is swept and recorded.

All raise ConfigError if it cannot be drawn. Nothing is drawn here: they are asked before training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.config.figures import (
    Curves,
    Depth,
    Heatmap,
    Histograms,
    Landscape,
    Panels,
    Percentiles,
    Ruled,
    Scale,
)
from bnexp.errors import ConfigError
from bnexp.figures.recorded import Recorded, check_metric, check_quantity
from bnexp.figures.restriction import kept_values
from bnexp.figures.selection import (
    MAX_PANELS,
    Selection,
    Swept,
    check_lines,
    check_number,
    check_panels,
    named,
    panel_axis,
    scale_axis,
    select,
    select_beside,
)
from bnexp.tables.results import Axis

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
    names: Sequence[str] = options.metrics or ("train_accuracy", "test_accuracy")
    if options.metrics is None and not recorded.tested and not options.together:
        names = names[:1]
    for name in names:
        check_metric("curves", name, recorded, "metrics")
    if not options.together:
        return tuple((name,) for name in dict.fromkeys(names))
    whats = dict.fromkeys(name.rpartition("_")[2] for name in names)
    return tuple(
        tuple(n for n in dict.fromkeys(names) if n.rpartition("_")[2] == what) for what in whats
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
