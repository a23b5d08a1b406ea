"""Paths of optimizers over f(x, y) = x^2 / 20 + y^2: section 6.1 of the book.

The paths are computed where the figure is drawn, by the optimizers of bnexp.nn, in float64. They
need no training: the figure is the same for every run, unless it shows the optimizers that the
experiment sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter

from bnexp.config.experiment import Optimizer
from bnexp.config.options import Either, Options, instantiate
from bnexp.figures.kinds import FigureData, FigureKind
from bnexp.figures.labels import NAMES, value_text
from bnexp.figures.limits import plain_ticks
from bnexp.figures.page import Page, build, square
from bnexp.figures.recorded import Recorded
from bnexp.figures.select import Selection, Swept, find_axis, select
from bnexp.figures.style import active
from bnexp.registry import option
from bnexp.runs.stats import Floats
from bnexp.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bnexp.nn import Optimizer as Rule

MOST_PANELS = 12
SWEPT = "train.optimizer"
# The book's, with its rates: those of its deep networks would not leave the start.
OF_BOOK = (
    {"kind": "sgd", "lr": 0.95},
    {"kind": "momentum", "lr": 0.1},
    {"kind": "adagrad", "lr": 1.5},
    {"kind": "adam", "dialect": "book", "lr": 0.3},
)
CURVATURES = np.array([0.1, 2.0])  # of f along x and y: its gradient is (x / 10, 2 y)
BEYOND = 10.0  # what the axes show at most, in both directions
LEVELS = (0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0, 80.0)  # of f, where lines are

Optimizers = Annotated[
    Literal["swept"] | Annotated[tuple[Optimizer, ...], Field(strict=False, min_length=1)],
    Either("swept, or a list of optimizers as in train.optimizer"),
]
Start = Annotated[tuple[float, float], Field(strict=False)]


@dataclass(frozen=True, kw_only=True)
class Trajectory(FigureKind):
    """Paths of optimizers on x^2 / 20 + y^2, with contours: the book's section 6.1."""

    optimizers: Optimizers | None = option(
        None,
        doc="the optimizers, a panel each, as in train.optimizer; swept: those of the sweep, with "
        "its learning rates. "
        "Default: the book's, SGD 0.95, momentum 0.1, AdaGrad 1.5 and Adam 0.3",
    )
    steps: Annotated[int, Field(ge=1, le=10_000)] = option(30, doc="how many steps each takes")
    start: Start = option((-7.0, 2.0), doc="[x, y] of the start")

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """No swept key matters, but for train.optimizer where its values are drawn."""
        if not 0 < max(map(abs, self.start)) <= BEYOND:
            text = f"not on the axes, expected numbers from -{BEYOND:g} to {BEYOND:g}, not both 0"
            raise self.error(f"{text}, got [{self.start[0]:g}, {self.start[1]:g}]", "start")
        if (number := len(self._rules(swept))) > MOST_PANELS:
            text = f"too many panels, expected at most {MOST_PANELS} optimizers, got {number}"
            raise self.error(text, "optimizers")
        return select(swept)

    def _rules(self, swept: Swept) -> list[Options]:
        """The options of the optimizers."""
        values: Any = OF_BOOK if self.optimizers is None else self.optimizers
        if values == "swept":
            axis = find_axis(self.kind, swept, SWEPT, "optimizers")
            values = [axis.config_values.get(v, v) for v in dict.fromkeys(axis.values)]
        adapter: TypeAdapter[Options] = TypeAdapter(Optimizer)
        return [adapter.validate_python(value) for value in values]

    def draw(self, data: FigureData) -> Figure:
        """Draw a panel for each optimizer: contours of the function, and the path over them."""
        rules = [instantiate(options) for options in self._rules(data.run)]
        kinds = [options.kind for options in self._rules(data.run)]
        rates = [rule.lr for rule in rules]
        paths = [path(rule, self.start, self.steps) for rule in rules]
        points = np.concatenate(paths)
        inside = points[np.isfinite(points).all(axis=1)]
        inside = np.abs(inside[np.abs(inside).max(axis=1) <= BEYOND])
        reach = np.minimum(1.15 * np.maximum(inside.max(axis=0), 0.2 * inside.max()), BEYOND)
        start = f"({self.start[0]:g}, {self.start[1]:g})"
        length = counted(self.steps, "step")
        page = Page(
            title=data.title,
            notes=(f"{length} over x²/20 + y² from {start}; +: the minimum",),
            titles=tuple(
                f"{NAMES.get(kind, kind)}, learning rate {value_text(rate, rates)}"
                for kind, rate in zip(kinds, rates, strict=True)
            ),
            columns=square(len(rules)),
            aspect=0.66,
            x_label="x",
            y_label="y",
        )
        figure, all_axes = build(page, [])
        for axes, points in zip(all_axes, paths, strict=True):
            axes.set_xlim(-reach[0], reach[0])
            axes.set_ylim(-reach[1], reach[1])
            plain_ticks(axes.xaxis, 6, steps=(1, 2, 5, 10))
            plain_ticks(axes.yaxis, 6, steps=(1, 2, 5, 10))
            _draw_contours(axes, reach)
            _draw_path(axes, points)
        return figure


def path(rule: Rule, start: tuple[float, float], steps: int) -> Floats:
    """Where an optimizer is after 0, 1, ..., steps steps from the start, (steps + 1, 2)."""
    w = {"w": np.array(start, np.float64).reshape(1, 1, 2)}
    state, lr = rule.init(w), np.full((1, 1, 1), rule.lr)  # type: ignore[attr-defined]
    points = [w["w"].ravel()]
    with np.errstate(all="ignore"):  # a rate that is too large overflows in the end
        for _ in range(steps):
            w = {"w": w["w"].copy()}
            state = rule.update(w, {"w": CURVATURES * w["w"]}, state, lr)
            points.append(w["w"].ravel())
    return np.array(points)


def _draw_contours(axes: Axes, reach: Floats) -> None:
    """Lines of equal f, and a cross at the minimum."""
    x, y = (np.linspace(-end, end, 101) for end in reach)
    f = x**2 / 20 + y[:, None] ** 2
    axes.grid(False)
    axes.contour(x, y, f, levels=LEVELS, colors=[active().gray(0.7)], linewidths=0.7)
    axes.plot([0], [0], "+", color=active().gray(0.2), markersize=8, label="_minimum")


def _draw_path(axes: Axes, points: Floats) -> None:
    """The path as a line with a dot at each step, the start larger."""
    shown = points[np.isfinite(points).all(axis=1) & (np.abs(points) < 1e6).all(axis=1)]
    color = active().colors[0]
    size = 2.8 if len(points) <= 100 else 1.2
    axes.plot(*shown.T, "o-", color=color, linewidth=1.1, markersize=size, label="path")
    axes.plot(*points[:1].T, "o", color=color, markersize=6, label="_start")
