"""Whether one network's numbers are those that are stored."""

from __future__ import annotations

import math

from bnexp.comparison.deviations import Deviation, largest, pair
from bnexp.comparison.networks import Numbers
from bnexp.errors import ConfigError
from bnexp.tables import METRICS


def check_tolerance(tolerance: float) -> None:
    """ConfigError where nothing can be within it."""
    if not 0 <= tolerance < math.inf:
        raise ConfigError(f"tolerance: expected a number of at least 0, got {tolerance}")


def judged(
    old: Numbers, new: Numbers, unread: tuple[str, ...], tolerance: float
) -> tuple[str, Deviation | None, str]:
    """Outcome, largest deviation, and why it is different where no deviation says so.

    `unread` names the tables that the stored side lacks: what only they have is not compared.
    """
    new = {
        name: series for name, series in new.items() if name in old or _table(name) not in unread
    }
    if reason := _apart(old, new):
        return "different", None, reason
    worst = largest(pair(series, new[name]).worst(name) for name, series in old.items())
    if worst is None:
        return "identical", None, ""
    return "within tolerance" if worst.size <= tolerance else "different", worst, ""


def _table(name: str) -> str:
    """The file that a quantity stands in."""
    if name in METRICS:
        return "metrics.csv"
    return "summary.csv" if name == "diverged_at_step" else "probes.csv"


def _apart(old: Numbers, new: Numbers) -> str:
    """What one side has numbers of, and the other has not."""
    for name in [*old, *new]:
        if name not in old or name not in new:
            return f"{name}: only in the {'stored' if name in old else 'new'} numbers"
        both = pair(old[name], new[name])
        if both.only_first or both.only_second:
            numbers = f"{len(old[name].values)} numbers stored, {len(new[name].values)} now"
            return f"{name}: at other places, {numbers}"
    return ""
