"""Two configurations, key by key."""

from __future__ import annotations

from bnexp.comparison.differences import Difference, differences
from bnexp.config import Config
from bnexp.config.writing import bare, flat, said


def config_differences(first: Config, second: Config) -> tuple[Difference, ...]:
    """The dotted keys whose values differ, every default written out."""
    return differences(_keys(first), _keys(second))


def _keys(config: Config) -> dict[str, str]:
    return {key: bare(value) for key, value in flat(said(config.experiment), _is_axis)}


def _is_axis(key: str) -> bool:
    """An axis of the sweep is one value."""
    return key.startswith("sweep.") and key != "sweep.zip"
