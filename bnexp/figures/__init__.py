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
    from bnexp.tables.results import Results

__all__ = ["default_figures", "draw", "save"]


def draw(options: Panels | Scale, results: Results) -> Figure:
    """The figure of `options.kind`, not shown and not saved.

    Raises ConfigError if the options name an axis or a metric that the results do not have, or if
    there are more panels or lines than can be told apart.
    """
    from bnexp.figures.kinds import KINDS
    from bnexp.figures.style import house_style

    with house_style():
        return KINDS[options.kind](options, results)


def save(
    figure: Figure, folder: Path, stem: str, write: Callable[[Path, bytes], None] | None = None
) -> list[Path]:
    """Write `stem`.png and `stem`.svg to `folder`; the same figure gives the same bytes.

    `write` puts bytes at a path; by default through a temporary file, so that a reader sees the old
    file or the new one. Raises StoreError if the default cannot write.
    """
    from bnexp.figures.files import replace_file, save_with

    return save_with(write or replace_file, figure, folder, stem)


def default_figures(results: Results) -> tuple[Panels | Scale, ...]:
    """The figures of an experiment that asks for none: panels, and scale if a number is swept."""
    from bnexp.figures.defaults import defaults

    return defaults(results)
