"""Whether a figure can be drawn: decided from what is swept, before or after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnexp.config.figures import Panels, Scale
from bnexp.errors import ConfigError
from bnexp.figures.selection import (
    Selection,
    Swept,
    check_lines,
    check_metric,
    check_panels,
    panel_axis,
    scale_axis,
    select,
)
from bnexp.plan import Plan
from bnexp.tables.results import Axis, Table


@dataclass(frozen=True)
class Planned:
    """What is to be swept: like results whose summary has the swept columns only."""

    axes: tuple[Axis, ...]
    summary: Table


def planned(plan: Plan) -> Planned:
    """The axes and points of a plan as results will have them."""
    axes = tuple(Axis(axis.key, axis.labels) for axis in plan.axes)
    columns = {axis.key: [cell.point[axis.key] for cell in plan.cells] for axis in axes}
    return Planned(axes, {key: np.array(values, object) for key, values in columns.items()})


def panels_selection(options: Panels, swept: Swept, tested: bool) -> Selection:
    """The panels' axis and lines. Raises ConfigError if they cannot be drawn."""
    selection = select(swept, panel_axis(swept, options.axis))
    check_panels(swept, selection)
    check_metric(options.metric, tested)
    return selection


def scale_selection(options: Scale, swept: Swept, tested: bool) -> Selection:
    """The x axis and the lines. Raises ConfigError if they cannot be drawn."""
    selection = select(swept, scale_axis(swept, options.axis))
    check_lines("scale", selection)
    return selection


SELECTIONS: Mapping[str, Callable[[Any, Swept, bool], Selection]] = {
    "panels": panels_selection,
    "scale": scale_selection,
}


def refusal(options: Panels | Scale, swept: Swept, tested: bool) -> str | None:
    """Why the figure cannot be drawn; None if it can."""
    try:
        SELECTIONS[options.kind](options, swept, tested)
    except ConfigError as error:
        return str(error)
    return None
