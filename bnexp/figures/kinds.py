"""The table of figure kinds.

A kind's options are a class of its name in bnexp.config.figures; what it spreads out is its entry
here, asked before training and again when it is drawn; the function of its name in the file of its
name draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bnexp.figures import choices
from bnexp.figures.recorded import Recorded
from bnexp.figures.selection import Swept

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bnexp.tables.results import Results

KINDS: Mapping[str, Callable[[Any, Swept, Recorded], object]] = {
    "panels": choices.panels_choice,
    "scale": choices.scale_choice,
    "curves": choices.curves_choice,
    "percentiles": choices.percentiles_choice,
    "histograms": choices.histograms_choice,
    "heatmap": choices.heatmap_choice,
    "landscape": choices.landscape_choice,
    "depth": choices.depth_choice,
}


def drawing(kind: str) -> Callable[[Any, Results], Figure]:
    """The function that draws a kind; matplotlib is imported with it, not before."""
    found: Callable[[Any, Results], Figure] = getattr(import_module(f"bnexp.figures.{kind}"), kind)
    return found
