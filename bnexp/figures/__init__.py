"""Figures from run data: `draw` one, `save` it, or ask which ones an experiment gets by default.

    options      a frozen dataclass for each kind of figure, `FigureKind` (kinds), by name in the
                 registry FIGURES
    + run data   or, before training, a plan's axes and points
    -> select    which networks are shown, which swept keys are spread out, and which make the lines
                 (select.py, series.py)
    -> series    the numbers of each line, with bands over the seeds (series.py)
    -> page      title, notes, panels and legend (page.py, notes.py), and what is on the panels
                 (limits.py, marks.py, style.py, labels.py)
    -> file      PNG and SVG (canvas.py)

A kind is one module of the package kinds, named after it, which reads in this order: options,
choose, draw. Nothing here imports matplotlib before a figure is drawn, and nothing ever shows a
window.

The same code decides before training and after it whether a figure can be drawn. `planned_refusal`
asks with a plan, `draw` with tables; both call the kind's `restrict` and `choose`, which raise the
same ConfigError. So a wrong figure is reported before hours of training, not after them.

Figures of the same tables and options have the same bytes on the same versions of matplotlib and
its fonts: no date, no random ids, and no settings of the user's (style.py, page.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bnexp.config.figures import FIGURES
from bnexp.errors import ConfigError
from bnexp.figures.kinds import FigureData, FigureKind
from bnexp.figures.labels import chosen_text
from bnexp.figures.select import FigureError, Swept
from bnexp.figures.series import Recorded, planned_records, recorded_in
from bnexp.runs.tables import Axis, Table, Tables, plan_axes
from bnexp.sweep import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FIGURES",
    "FigureData",
    "FigureError",
    "FigureKind",
    "default_figures",
    "draw",
    "planned_refusal",
    "requested_figures",
    "save",
]


def draw(options: FigureKind, tables: Tables) -> Figure:
    """The figure with these options, not shown and not saved.

    Raises ConfigError if the options name an axis, a metric or a quantity that the results do not
    have, or if there are more panels or lines than can be told apart.

    Arguments:
        options: an instance of a class in FIGURES, such as `FIGURES["panels"](metric="test_loss")`.
        tables: the results; networks that failed or are missing are left out and counted in a note.
    """
    from bnexp.figures.style import fonts_for, house_style

    with house_style(fonts_for(chosen_text(tables))):
        restricted = options.restrict(tables)
        selection = options.choose(restricted, recorded_in(tables))
        return options.draw(FigureData(tables, restricted, selection))


def save(
    figure: Figure, folder: Path, stem: str, write: Callable[[Path, bytes], None]
) -> list[Path]:
    """`write` the figure as `stem`.png and `stem`.svg to `folder`, and return their paths.

    The same figure gives the same bytes. Nothing is written if it cannot be rendered.

    Arguments:
        folder, stem: where the files go, and their name without ending.
        write: what writes the bytes, such as `bnexp.files.write_file`; its errors are raised.
    """
    from bnexp.figures.canvas import METADATA, render

    files = {folder / f"{stem}.{kind}": render(figure, kind) for kind in METADATA}
    for path, content in files.items():
        write(path, content)
    return list(files)


@dataclass(frozen=True)
class PlannedSweep:
    """What is to be swept: like results whose summary has the swept columns only.

    summary: a row for each network of the plan and a column for each swept key. It is a `Swept`,
    from which a `Selection` can be made.
    """

    axes: tuple[Axis, ...]
    summary: Table


def planned_refusal(options: FigureKind, plan: Plan, has_test: bool) -> ConfigError | None:
    """Why the figure of a whole `plan` could not be drawn, None if it could.

    It is `draw`'s own error, known before training: an axis that is not swept or not a number,
    more panels or lines than can be told apart, a quantity that no probe reads, or a metric of test
    images though none are scored, as `has_test` says.

    Arguments:
        plan: all networks of the experiment.
        has_test: whether some network is scored with test images.

    The error is returned, not raised, so that all figures of an experiment can be asked about.
    """
    axes = plan_axes(plan)
    columns = {axis.key: [network.point[axis.key] for network in plan.networks] for axis in axes}
    summary = {key: np.array(values, object) for key, values in columns.items()}
    return refusal(options, PlannedSweep(axes, summary), planned_records(plan, has_test))


def refusal(options: FigureKind, swept: Swept, recorded: Recorded) -> ConfigError | None:
    """Why the figure cannot be drawn; None if it can.

    `swept` is a plan or results; `recorded` says which metrics and quantities it has.
    """
    try:
        options.choose(options.restrict(swept), recorded)
    except ConfigError as error:
        return error
    return None


def default_figures(tables: Tables) -> tuple[FigureKind, ...]:
    """The figures of an experiment that asks for none: panels, and scale if a number is swept.

    They are over the usual axis, or over the first other one of which they can be drawn.

    A kind that cannot be drawn of any axis is left out; the result may be empty.
    """
    recorded = recorded_in(tables)
    figures = []
    for kind in ("panels", "scale"):
        for key in (None, *(axis.key for axis in tables.axes)):
            options = FIGURES[kind](axis=key)
            if refusal(options, tables, recorded) is None:
                figures.append(options)
                break
    return tuple(figures)


def requested_figures(figures: Sequence[FigureKind] | None, tables: Tables) -> Sequence[FigureKind]:
    """The figures that an experiment asks for, or those of one that asks for none."""
    return default_figures(tables) if figures is None else figures
