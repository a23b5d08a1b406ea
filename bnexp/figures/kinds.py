"""The table of figure kinds. A new kind is a function here and its options in the config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.figure import Figure

from bnexp.figures.panels import panels
from bnexp.figures.scale import scale
from bnexp.tables.results import Results

KINDS: Mapping[str, Callable[[Any, Results], Figure]] = {"panels": panels, "scale": scale}
