"""The small lines under a figure's title: how many seeds, what the band is, who is missing."""

from __future__ import annotations

import numpy as np

from bnexp.figures.interval import Floats
from bnexp.figures.ranges import LOSS_TOP, above_top, not_on_log
from bnexp.figures.selection import combinations
from bnexp.tables.results import Results
from bnexp.wording import counted


def seeds_note(results: Results, line: str, spread: str) -> str:
    """'1 seed', or what line and spread mean over several."""
    if len(results.seeds) == 1:
        return "1 seed"
    seeds = counted(len(results.seeds), "seed")
    return f"{line}: mean of {seeds}, {spread}: 95 % t-interval of the mean"


def diverged_note(results: Results, loss: bool, accuracy: bool, marked: bool = True) -> str:
    """How many networks diverged, and what became of their numbers; empty if none did."""
    count = _count(results, "diverged")
    if not count:
        return ""
    treated = [
        "accuracies kept" if accuracy else "",
        "non-finite losses left out" if loss else "",
    ]
    total = counted(len(results.summary["status"]), "network")
    end = f": {', '.join(filter(None, treated))}" if any(treated) else ""
    return f"{count} of {total} diverged{' (x)' if marked else ''}{end}"


def missing_note(results: Results) -> str:
    """How many networks failed or were not trained; empty if none is missing."""
    points = combinations(results.summary, [axis.key for axis in results.axes])
    present = len(results.summary["status"]) - _count(results, "failed")
    missing = len(points) * len(results.seeds) - present
    return f"{counted(missing, 'network')} missing" if missing > 0 else ""


def above_note(losses: Floats) -> str:
    """How many drawn losses are beyond the end of the axis; empty if none is."""
    count = above_top(losses)
    return f"{counted(count, 'point')} above a loss of {LOSS_TOP:g} off the axis" if count else ""


def zero_note(values: Floats, log: bool) -> str:
    """How many drawn numbers have no place on a logarithmic axis; empty if all have."""
    count = not_on_log(values) if log else 0
    return f"{counted(count, 'point')} at 0 or below not on the logarithmic axis" if count else ""


def joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _count(results: Results, status: str) -> int:
    return int(np.sum(results.summary["status"] == status))
