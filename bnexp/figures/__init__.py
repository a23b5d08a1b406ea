"""Figures from tables: `draw` one, `save` it, or ask which ones an experiment gets by default.

Nothing here imports matplotlib before a figure is drawn, and nothing ever shows a window.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bnexp.config.figures import Panels, Scale
    from bnexp.plan import Plan
    from bnexp.tables.results import Results

__all__ = ["check", "default_figures", "draw", "save"]


def check(options: Panels | Scale, plan: Plan, has_test: bool) -> str | None:
    """Why the figure of a whole `plan` could not be drawn, None if it could.

    It is `draw`'s own message, known before training: an axis that is not swept or not a number,
    more panels or lines than can be told apart, or a metric of test images though none are scored,
    as `has_test` says.
    """
    from bnexp.figures.checks import planned, refusal

    return refusal(options, planned(plan), has_test)


def draw(options: Panels | Scale, results: Results) -> Figure:
    """The figure of `options.kind`, not shown and not saved.

    Raises ConfigError if the options name an axis or a metric that the results do not have, or if
    there are more panels or lines than can be told apart.
    """
    from bnexp.figures.fonts import families
    from bnexp.figures.kinds import KINDS
    from bnexp.figures.labels import written
    from bnexp.figures.style import house_style

    with house_style(families(written(results))):
        return KINDS[options.kind](options, results)


def save(
    figure: Figure, folder: Path, stem: str, write: Callable[[Path, bytes], None]
) -> list[Path]:
    """`write` the figure as `stem`.png and `stem`.svg to `folder`, and return their paths.

    The same figure gives the same bytes. Nothing is written if it cannot be rendered.
    """
    from bnexp.figures.files import save_with

    return save_with(write, figure, folder, stem)


def default_figures(results: Results) -> tuple[Panels | Scale, ...]:
    """The figures of an experiment that asks for none: panels, and scale if a number is swept."""
    from bnexp.figures.defaults import defaults

    return defaults(results)
