"""Which figures an experiment gets that asks for none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from bnexp.config.figures import Panels, Scale
from bnexp.errors import ConfigError
from bnexp.figures.selection import check_lines, check_panels, panel_axis, scale_axis, select
from bnexp.tables.results import Results


def defaults(results: Results) -> tuple[Panels | Scale, ...]:
    """Panels over the usual axis, scale over the first number; another axis if those do not fit."""
    keys = [None, *(axis.key for axis in results.axes)]
    panels = next((key for key in keys if _fits(_check_panels, results, key)), "")
    scales = next((key for key in keys if _fits(_check_scale, results, key)), "")
    found: list[Panels | Scale] = []
    if panels != "":
        found.append(Panels(kind="panels", axis=panels))
    if scales != "":
        found.append(Scale(kind="scale", axis=scales))
    return tuple(found)


def _fits(check: Callable[[Results, str | None], None], results: Results, key: str | None) -> bool:
    with suppress(ConfigError):
        check(results, key)
        return True
    return False


def _check_panels(results: Results, key: str | None) -> None:
    check_panels(results, select(results, panel_axis(results, key)))


def _check_scale(results: Results, key: str | None) -> None:
    check_lines("scale", select(results, scale_axis(results, key)))
