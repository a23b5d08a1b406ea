"""Whether a figure can be drawn: decided from what is swept, before or after training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bnexp.config.figures import Drawn
from bnexp.errors import ConfigError
from bnexp.figures.kinds import KINDS
from bnexp.figures.recorded import Recorded
from bnexp.figures.restriction import restricted
from bnexp.figures.selection import Swept
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


def refusal(options: Drawn, swept: Swept, recorded: Recorded) -> str | None:
    """Why the figure cannot be drawn; None if it can."""
    try:
        KINDS[options.kind](options, restricted(options, swept), recorded)
    except ConfigError as error:
        return str(error)
    return None
