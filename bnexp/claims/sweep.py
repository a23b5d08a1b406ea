"""What a claim selects from: the axes and points of a sweep, seeds apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bnexp.config.yaml_text import Path
from bnexp.plan import Plan
from bnexp.tables.results import Axis, Value

Point = Mapping[str, Value]


class Unfit(Exception):
    """A claim cannot be judged in this sweep; `path` is the key of the claim that it is about."""

    def __init__(self, path: Path, text: str, at_key: bool = False) -> None:
        super().__init__(text)
        self.path, self.text, self.at_key = path, text, at_key


@dataclass(frozen=True)
class Swept:
    """Axes and points in the sweep's order, and the seeds that each point should have."""

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    seeds: tuple[int, ...]

    def axis(self, key: str) -> Axis | None:
        return next((axis for axis in self.axes if axis.key == key), None)


def planned(plan: Plan) -> Swept:
    """The axes and points of a plan, as tables will show them."""
    axes = tuple(Axis(axis.key, axis.labels) for axis in plan.axes)
    points = {place(cell.point): cell.point for cell in plan.cells}
    seeds = tuple(dict.fromkeys(cell.seed for cell in plan.cells))
    return Swept(axes, tuple(points.values()), seeds)


def place(point: Point) -> tuple[tuple[str, Value], ...]:
    """A point as something to look up."""
    return tuple(point.items())
