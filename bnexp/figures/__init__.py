"""Figures from tables: `draw` one, `save` it, or ask which ones an experiment gets by default.

Nothing here imports matplotlib before a figure is drawn, and nothing ever shows a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bnexp.config.figures import Drawn, FigureOptions
    from bnexp.runs.tables import Results
    from bnexp.sweep import Plan

__all__ = ["check", "default_figures", "draw", "save", "wanted"]


def check(options: Drawn, plan: Plan, has_test: bool) -> str | None:
    """Why the figure of a whole `plan` could not be drawn, None if it could.

    It is `draw`'s own message, known before training: an axis that is not swept or not a number,
    more panels or lines than can be told apart, a quantity that no probe reads, or a metric of test
    images though none are scored, as `has_test` says.
    """
    from bnexp.figures.series import planned_records
    from bnexp.figures.spec import planned, refusal

    return refusal(options, planned(plan), planned_records(plan, has_test))


def draw(options: Drawn, results: Results) -> Figure:
    """The figure of `options.kind`, not shown and not saved.

    Raises ConfigError if the options name an axis, a metric or a quantity that the results do not
    have, or if there are more panels or lines than can be told apart.
    """
    from bnexp.figures.labels import written
    from bnexp.figures.spec import drawing
    from bnexp.figures.style import families, house_style

    with house_style(families(written(results))):
        return drawing(options.kind)(options, results)


def save(
    figure: Figure, folder: Path, stem: str, write: Callable[[Path, bytes], None]
) -> list[Path]:
    """`write` the figure as `stem`.png and `stem`.svg to `folder`, and return their paths.

    The same figure gives the same bytes. Nothing is written if it cannot be rendered.
    """
    from bnexp.figures.page import save_with

    return save_with(write, figure, folder, stem)


def default_figures(results: Results) -> tuple[FigureOptions, ...]:
    """The figures of an experiment that asks for none: panels, and scale if a number is swept."""
    from bnexp.figures.spec import defaults

    return defaults(results)


def wanted(asked: Sequence[FigureOptions] | None, results: Results) -> Sequence[FigureOptions]:
    """The figures that an experiment asks for, or those of one that asks for none."""
    return default_figures(results) if asked is None else asked
