"""What probes read: the rows of a quantity, its layers, places and steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnexp.errors import ConfigError
from bnexp.figures.interval import Floats
from bnexp.figures.labels import value_text
from bnexp.figures.series import Source
from bnexp.tables.results import Results, Table, rows
from bnexp.wording import counted

RANGES = {"dead": (0.0, 1.0), "similarity": (-1.0, 1.0), "shift_cosine": (-1.0, 1.0)}
COUNTS, NUMBERS = ("seed", "step", "layer"), ("at", "value")


def readings(results: Results, quantity: str) -> Table:
    """The rows of one quantity; a table without rows if nothing was recorded."""
    if "value" not in results.probes:
        names = ["cell", "quantity", *(axis.key for axis in results.axes)]
        kinds: dict[str, type] = dict.fromkeys(names, object)
        kinds |= dict.fromkeys(COUNTS, int) | dict.fromkeys(NUMBERS, float)
        return {name: np.empty(0, kind) for name, kind in kinds.items()}
    return rows(results.probes, results.probes["quantity"] == quantity)


def chosen_layers(kind: str, table: Table, wanted: Any) -> tuple[int, ...]:
    """The wanted layers, else all of the table. Raises ConfigError for one that it lacks."""
    found = np.unique(table["layer"]).tolist()
    several = found if wanted is None else [wanted] if isinstance(wanted, int) else list(wanted)
    _refuse(kind, "layer", [one for one in several if found and one not in found], found)
    return tuple(several)


def layers_between(kind: str, table: Table, ends: tuple[int, int] | None) -> tuple[int, ...]:
    """The layers from the first to the last wanted one, else all."""
    found = np.unique(table["layer"]).tolist()
    if ends is None or not found:
        return tuple(found)
    several = tuple(layer for layer in found if ends[0] <= layer <= ends[1])
    _refuse(kind, "layers", [] if several else [f"[{ends[0]}, {ends[1]}]"], found)
    return several


def chosen_places(kind: str, table: Table, wanted: Any) -> tuple[float, ...]:
    """The wanted places within the quantity, else all; NaN stands for the one of a number."""
    found = np.unique(table["at"]).tolist()  # NaN once, at the end
    if wanted is None:
        return tuple(found)
    several = [wanted] if isinstance(wanted, int | float) else list(wanted)
    near = [[place for place in found if np.isclose(place, one)] for one in several]
    _refuse(kind, "at", [o for o, n in zip(several, near, strict=True) if found and not n], found)
    return tuple(place for places in near for place in places[:1])


def at_place(table: Table, layer: int, at: float) -> Source:
    """The numbers of one layer and place; none is negative if none was read so far."""
    here = np.isnan(table["at"]) if np.isnan(at) else table["at"] == at
    own = rows(table, (table["layer"] == layer) & here)
    return Source(own, "value", "other", *value_range(own))


def value_range(table: Table) -> tuple[float, float]:
    """Where the numbers can lie; of an unknown quantity, above 0 if none that was read is below."""
    known = RANGES.get(next(iter(table["quantity"].tolist()), ""))
    finite = table["value"][np.isfinite(table["value"])]
    return known or (-np.inf if (finite < 0).any() else 0.0, np.inf)


def at_step(kind: str, table: Table, when: int | str) -> Table:
    """The rows of a step, or of each network's own first or last."""
    if isinstance(when, int):
        found = np.unique(table["step"]).tolist()
        _refuse(kind, "step", [when] if found and when not in found else [], found)
        return rows(table, table["step"] == when)
    cells, of = np.unique(table["cell"].astype(str), return_inverse=True)
    ends = np.full(len(cells), -1 if when == "last" else np.iinfo(np.int64).max)
    (np.maximum if when == "last" else np.minimum).at(ends, of, table["step"])
    return rows(table, table["step"] == ends[of])


def step_note(table: Table) -> str:
    """'step 0, before training', 'step 200', or 'steps 200 to 400'; empty without rows."""
    steps = np.unique(table["step"]).tolist()
    if not steps:
        return ""
    if steps == [0]:
        return "before the first step"
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


def not_finite_note(table: Table) -> str:
    count = int((~np.isfinite(table["value"])).sum())
    return f"{counted(count, 'number')} not finite left out" if count else ""


def with_epochs(kind: str, table: Table, metrics: Table) -> Table:
    """A column epoch, by each network's own evaluations. Raises ConfigError under two of them."""
    epochs = np.empty(len(table["step"]), dtype=np.float64)
    for cell in dict.fromkeys(table["cell"].tolist()):
        mask = table["cell"] == cell
        own = rows(metrics, metrics["cell"] == cell)
        epochs[mask] = _epochs(kind, table["step"][mask], own["step"], own["epoch"])
    return {**table, "epoch": epochs}


def _epochs(kind: str, steps: Any, known: Any, epochs: Any) -> Floats:
    """Between evaluations and beyond them in a straight line: all epochs have as many steps."""
    if len(known) < 2:
        raise ConfigError(
            f"figure {kind}: against epoch needs two evaluations, to know how long an epoch is. "
            f"Draw against: step."
        )
    slope = (epochs[-1] - epochs[0]) / (known[-1] - known[0])
    outside = (steps < known[0]) | (steps > known[-1])
    line: Floats = np.maximum(epochs[0] + slope * (steps - known[0]), 0)
    return np.where(outside, line, np.interp(steps, known, epochs))


def _refuse(kind: str, option: str, missing: Sequence[Any], found: Sequence[Any]) -> None:
    if missing:
        known = ", ".join(value_text(value) for value in found[:20])
        more = ", ..." if len(found) > 20 else ""
        raise ConfigError(
            f"figure {kind}: {option} {missing[0]} was not recorded. Recorded: {known}{more}. "
            f"Name one of them, or let the probe read it."
        )
