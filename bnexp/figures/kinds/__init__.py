"""Kinds of figures, one module each, and what they have in common: options, a choice, a drawing.

A module of this package is a kind: `bars.py` has the frozen dataclass `Bars`, and the registry
FIGURES knows it as `bars`. Its fields are the keys in YAML, of any type that pydantic validates.
Its methods:

    choose  which swept keys are spread out and which make the lines; FigureError, with the key
            that is to blame, if the figure cannot be drawn. Asked before training, and again to
            draw, so everything that a figure requires is checked here: see recorded.py.
    draw    the figure: numbers first (series.py), then the page (page.py), then what
            is on its panels (limits.py, marks.py).

and, if it draws metrics only, the property

    reads_probes  False: it is given nothing that probes read, and is up to date when that changes.

matplotlib is imported only inside functions that draw: options are read by every command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from bnexp.config.claims import WHERE, Where
from bnexp.config.figures import FIGURES, FigureName, Limits
from bnexp.figures.limits import Scale, wants_log
from bnexp.figures.notes import data_note, diverged_note, joined, missing_note, where_note
from bnexp.figures.recorded import Recorded
from bnexp.figures.select import FigureError, Selection, Swept, panels_of, restrict, values_where
from bnexp.figures.series import FEW_SEEDS, Spread
from bnexp.metrics import GAP, metric_column, metric_of
from bnexp.probes import QUANTITY_LIMITS
from bnexp.registry import option
from bnexp.runs.stats import Floats
from bnexp.runs.tables import Tables
from bnexp.runs.where import Point
from bnexp.text import exact, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureData:
    """What one figure is drawn from.

    run: all tables of the run. tables: those of the networks that the figure shows. selection:
    which swept keys are spread out. recorded: what was recorded, as `choose` was told.
    """

    run: Tables
    tables: Tables
    selection: Selection
    recorded: Recorded

    @property
    def title(self) -> str:
        """The line at the top."""
        return printable(self.run.title or self.run.name)

    def panels(self) -> list[tuple[str, list[Point]]]:
        """The title of each panel, and the point of each of its lines."""
        return panels_of(self.tables, self.selection)

    def notes(
        self,
        *drawn: str,
        left_out: Sequence[str] = (),
        metrics: Sequence[str] | None = None,
        where: str = "",
        lost: str = "",
    ) -> tuple[str, ...]:
        """The lines under the title, in the order of all figures. Parts may be empty.

        Arguments:
            drawn: what is drawn, and what shows the mean over seeds and its interval.
            left_out: which numbers the axes do not show.
            metrics: the columns that are drawn, with crosses where networks diverged; None: there
                are no crosses.
            where: more about which networks are drawn. lost: more about what is missing.
        """
        columns = filter(None, map(metric_column, metrics or ()))
        names = [column.name for column in columns]
        diverged = diverged_note(self.tables, *names, marked=metrics is not None)
        return (
            joined(*drawn),
            joined(data_note(self.run), where_note(self.run, self.tables), where),
            joined(diverged, missing_note(self.tables), lost),
            joined(*left_out),
        )


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """The base of all kinds of figures."""

    name: FigureName = option("", doc="the name of its files; default: the kind, with a number")
    caption: Annotated[str, Field(max_length=1000)] = option(
        "",
        doc="what a report says below the figure; default: what one sees in this kind of figure, "
        "and how to read it",
    )

    @property
    def kind(self) -> str:
        """The name under which the class is registered."""
        return next(name for name, cls in FIGURES.items() if cls is type(self))

    @property
    def reads_probes(self) -> bool:
        """Whether it draws what probes read; without, it need not be drawn again with them."""
        return True

    def error(self, text: str, *path: str | int) -> FigureError:
        """The error that this figure cannot be drawn: why, and the path of the option to blame."""
        return FigureError(self.kind, path, text)

    def restrict(self, swept: Any) -> Any:
        """`swept`, a plan or results, with the networks that the figure shows only."""
        return swept

    def shown(self, swept: Any) -> Any:
        """Of the networks that `restrict` left those that are drawn, by results if there are any.

        Whether the figure can be drawn must not depend on which they are.
        """
        return swept

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """Which swept keys are spread out. Raises FigureError if the figure cannot be drawn.

        swept: a plan or results, with the networks of `shown`. recorded: what those of `restrict`
        record.
        """
        raise NotImplementedError

    def draw(self, data: FigureData) -> Figure:
        """The figure, not shown and not saved."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class RestrictedKind(FigureKind):
    """A figure of some of the networks."""

    where: Where = option({}, doc=WHERE)

    def restrict(self, swept: Any) -> Any:
        if not self.where:
            return swept
        return restrict(self.kind, swept, values_where(self.kind, swept, self.where))


@dataclass(frozen=True, kw_only=True)
class SpreadKind(FigureKind):
    """A figure of means over seeds that also shows how these spread."""

    band: Spread | None = option(
        None,
        doc="what shows the spread over seeds: seeds (each of them, thin), interval (95 %, of the "
        "mean), range (from the smallest to the largest), std (one standard deviation to both "
        "sides) or none; default: seeds for up to five, interval for more",
    )

    def spread(self, tables: Tables) -> Spread:
        """What shows the spread over the seeds of these tables."""
        return self.band or ("seeds" if len(tables.seeds) <= FEW_SEEDS else "interval")


def check_limits(kind: str, limits: Limits, name: str, low: float, high: float) -> None:
    """Raise FigureError unless an axis with these limits shows numbers from `low` to `high`.

    name: of the metric or quantity whose numbers lie there. An axis may go beyond them by a tenth
    of their distance, if there is one.
    """
    room = 0.1 * (high - low)
    if high - low == inf:
        fits = limits[0] < high and limits[1] > low
    else:
        fits = low - room <= limits[0] and limits[1] <= high + room
    if not fits:
        raise FigureError(
            kind,
            ("limits",),
            f"beyond those of {name}, expected some within [{low:g}, {high:g}], "
            f"got [{limits[0]:g}, {limits[1]:g}]",
        )


def metric_limits(column: str) -> Limits:
    """The smallest and the largest number of a metric's column, or of the gap."""
    return (-1.0, 1.0) if column == GAP else metric_of(column).limits


@dataclass(frozen=True, kw_only=True)
class RuledKind(RestrictedKind):
    """A figure whose y axis can be set."""

    limits: Limits | None = option(None, doc="[low, high] of the y axis")
    log: bool | None = option(
        None, doc="whether the y axis is logarithmic; default: if the numbers span decades"
    )

    def check_limits(self, metrics: Sequence[str] = (), quantity: str = "") -> None:
        """Raise FigureError for limits that no logarithmic axis can have, or nothing that is drawn.

        metrics: the columns that are drawn, if any are. quantity: the quantity that is drawn.
        """
        if self.limits is None:
            return
        if self.log and self.limits[0] <= 0:
            raise FigureError(
                self.kind,
                ("limits",),
                f"limits of a logarithmic axis start above 0, got {exact(self.limits[0])}. "
                "Raise the lower one, or omit log.",
            )
        for column in metrics:
            check_limits(self.kind, self.limits, column, *metric_limits(column))
        if quantity in QUANTITY_LIMITS:
            check_limits(self.kind, self.limits, quantity, *QUANTITY_LIMITS[quantity])

    def is_log(self, values: Floats, scale: Scale = "other") -> bool:
        """Whether the y axis is logarithmic: as the option says, else as the numbers suggest."""
        if self.log is not None:
            return self.log
        return not (self.limits and self.limits[0] <= 0) and wants_log(values, scale)
