"""Which figures an experiment gets that asks for none."""

from __future__ import annotations

from bnexp.config.figures import FigureOptions, Panels, Scale
from bnexp.figures.checks import refusal
from bnexp.figures.recorded import found_records
from bnexp.tables.results import Results


def defaults(results: Results) -> tuple[FigureOptions, ...]:
    """Panels over the usual axis, scale over the first number; another axis if those do not fit."""
    keys = [None, *(axis.key for axis in results.axes)]
    recorded = found_records(results)
    kinds: tuple[list[FigureOptions], ...] = (
        [Panels(kind="panels", axis=key) for key in keys],
        [Scale(kind="scale", axis=key) for key in keys],
    )
    first = (
        next((one for one in kind if not refusal(one, results, recorded)), None) for kind in kinds
    )
    return tuple(options for options in first if options)
