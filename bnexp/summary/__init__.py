"""The table that sums up a run: a number for each point of the sweep, over its seeds.

overview  which metric, in which rows and columns, in which order
formats   the same table for a terminal, or to paste: Markdown, LaTeX, CSV
"""

from bnexp.summary.formats import FORMATS, SPREADS, overview_lines
from bnexp.summary.overview import (
    ORDERS,
    Overview,
    check_metric,
    describe_diverged,
    has_scores,
    overview,
)

__all__ = [
    "FORMATS",
    "ORDERS",
    "SPREADS",
    "Overview",
    "check_metric",
    "describe_diverged",
    "has_scores",
    "overview",
    "overview_lines",
]
