"""The small lines under a figure's title: what is drawn, of which networks, and what is left out.

Each function returns one part of a note, and an empty text if there is nothing to say. The order is
the same in all figures, see `FigureData.notes` in kinds.

Notes are facts that a reader needs in order to trust the figure: the number of seeds, what a band
shows, which networks were selected, how many diverged or are missing, and how many numbers lie
outside the axes.
"""

from __future__ import annotations

import numpy as np

from bnexp.figures.labels import symbol, value_label
from bnexp.figures.limits import LOSS_TOP
from bnexp.figures.select import Selection, Swept, combinations
from bnexp.figures.series import Spread
from bnexp.runs.stats import Floats
from bnexp.runs.tables import Table, Tables
from bnexp.text import counted


def joined(*parts: str) -> str:
    """The parts that say something, as one note."""
    return "; ".join(part for part in parts if part)


def seeds_note(tables: Tables, template: str = "mean of {}") -> str:
    """'1 seed', or what is made of several: the template with their number in it."""
    seeds = counted(len(tables.seeds), "seed")
    return seeds if len(tables.seeds) == 1 else template.format(seeds)


SPREADS = {
    "interval": "95 % interval of the mean",
    "range": "from the smallest to the largest",
    "std": "one standard deviation to both sides",
}


def spread_note(tables: Tables, spread: Spread, mean: str, band: str, seed: str) -> str:
    """'1 seed', or what shows the mean over several and what shows their spread.

    mean, band, seed: what they are drawn as, such as "line", "band" and "thin".
    """
    text = f"{mean}: mean of {{}}"
    if spread == "seeds":
        text += f", {seed}: each seed"
    elif spread in SPREADS:
        text += f", {band}: {SPREADS[spread]}"
    return seeds_note(tables, text)


def data_note(tables: Tables) -> str:
    """'data: MNIST': which images the networks were trained on, as far as that is known."""
    return f"data: {' and '.join(map(str, tables.data))}" if tables.data else ""


def companions_note(selection: Selection) -> str:
    """Which swept keys change along with the axis that is spread out."""
    return ", ".join(f"{axis.key} moves along" for axis in selection.companions)


def where_note(before: Swept, after: Swept) -> str:
    """'W = 0.05; 3 of 16 values of lr': what the figure is restricted to.

    before, after: the sweep as it is, and as the figure shows it. An axis that was reduced to one
    value is named with that value, one that lost some values with the number of those left.
    """
    left = {axis.key: axis for axis in after.axes}
    keys = [axis.key for axis in before.axes]
    single, some = [], []
    for axis in before.axes:
        if axis.key not in left:
            value = after.summary[axis.key].tolist()[:1]
            single += [value_label(axis, v, keys) for v in value]
        elif len(left[axis.key].values) < len(axis.values):
            count = f"{len(left[axis.key].values)} of {len(axis.values)}"
            some.append(f"{count} values of {symbol(axis.key, keys)}")
    return joined(*single, *some)


TREATMENTS = {"accuracy": "accuracies kept", "loss": "non-finite losses left out"}


def diverged_note(tables: Tables, *metrics: str, marked: bool = True) -> str:
    """How many networks diverged, and what became of their accuracies and losses.

    metrics: the names of those that the figure shows; others than accuracy and loss have no text.
    marked: whether the figure has crosses.
    """
    count = _count(tables, "diverged")
    if not count:
        return ""
    networks = counted(len(tables.summary["status"]), "network")
    treatments = ", ".join(text for name, text in TREATMENTS.items() if name in metrics)
    end = f": {treatments}" if treatments else ""
    return f"{count} of {networks} diverged{' (x)' if marked else ''}{end}"


def missing_note(tables: Tables) -> str:
    """How many networks failed or were not trained.

    Expected are all seeds for each combination of swept values that occurs in the results.
    """
    points = combinations(tables.summary, [axis.key for axis in tables.axes])
    present = len(tables.summary["status"]) - _count(tables, "failed")
    missing = len(points) * len(tables.seeds) - present
    return f"{counted(missing, 'network')} missing" if missing > 0 else ""


def _count(tables: Tables, status: str) -> int:
    return int(np.sum(tables.summary["status"] == status))


def above_note(losses: Floats) -> str:
    """How many losses that are drawn are beyond the end of the axis."""
    count = int((np.isfinite(losses) & (losses > LOSS_TOP)).sum())
    return f"{counted(count, 'point')} above a loss of {LOSS_TOP:g} off the axis" if count else ""


def zero_note(values: Floats, log: bool) -> str:
    """How many numbers that are drawn have no place on a logarithmic axis."""
    count = int((np.isfinite(values) & (values <= 0)).sum()) if log else 0
    return f"{counted(count, 'point')} at 0 or below not on the logarithmic axis" if count else ""


def not_finite_note(table: Table) -> str:
    """How many of the numbers that a probe read are not finite."""
    count = int((~np.isfinite(table["value"])).sum())
    return f"{counted(count, 'number')} not finite left out" if count else ""


def step_note(table: Table) -> str:
    """'before the first step', 'step 200', or 'steps 200 to 400'."""
    steps = np.unique(table["step"]).tolist()
    if not steps:
        return ""
    if steps == [0]:
        return "before the first step"
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


def thinned_note(table: Table, time: str, most: int) -> str:
    """How many points of the longest lines are drawn, if some are left out."""
    points = len(np.unique(table[time]))
    return f"{most:,} of {points:,} points of a line drawn" if points > most else ""
