"""Tables of the report's page, as rows of texts and numbers for the templates.

`network_table` has a row for each network. `failed_lines` and `missing_lines` say what is wrong
with networks without a result. For two runs side by side, `pair_verdicts` puts the verdicts on the
same claim together and `compare_accuracies` the final accuracies at the same point of the sweep.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite, isnan, nan
from typing import TypeAlias

import numpy as np

from bnexp.claims import PointVerdict, Verdict
from bnexp.metrics import HEADLINE, IMAGE_SETS, METRICS, is_unbounded_loss, metric_column
from bnexp.runs.data import RunData
from bnexp.runs.manifest import failed_networks
from bnexp.runs.stats import interval
from bnexp.runs.tables import Value, axis_texts
from bnexp.sweep import Network
from bnexp.text import Texts, equations, short

ID_LETTERS = 8  # of a network's id that are shown
MAX_ROWS = 2_000  # of the table of networks: about 2 MB
HEADS = {"cell": "network", "diverged_at_step": "diverged at step"}


def number_text(value: Value) -> str:
    """A number with four digits, anything else as it is; empty for NaN.

    >>> number_text(0.0251188643), number_text("batch"), number_text(nan)
    ('0.02512', 'batch', '')
    """
    return "" if isinstance(value, float) and isnan(value) else short(value)


def point_text(values: Mapping[str, Value], texts: Texts) -> str:
    """A point of the sweep in words: 'model.init.std = 0.1, model.norm = batch'.

    texts: those of the values of the axes, see `axis_texts`.
    """
    return equations(values, texts) or "the one point"


def compared_text(point: PointVerdict, texts: Texts) -> str:
    """A claim's point in words, and the point that it is compared with."""
    other = f" against {point_text(point.than, texts)}" if point.than else ""
    return point_text(point.point, texts) + other


@dataclass(frozen=True)
class Field:
    """A field of a table: its text, its exact value, and whether it is a number to sort by."""

    text: str
    exact: str
    number: bool


@dataclass(frozen=True)
class NetworkTable:
    """The table of networks.

    rows: for each of the first MAX_ROWS networks its status and its fields. counts: how many of
    these have each status. left_out: how many networks have no row.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Field, ...]], ...]
    counts: tuple[tuple[str, int], ...]
    left_out: int = 0


def network_table(run: RunData) -> NetworkTable:
    """The summary table without its empty columns, followed by the networks without a result.

    The status of a failed network is followed by the reason, that of one without a result says
    whether it was not trained or its file is damaged.
    """
    summary = run.summary
    texts = axis_texts(run.axes)
    names = []
    for name, column in summary.items():
        empty = np.isnan(column) if column.dtype.kind == "f" else column == -1
        if name == "seed" or name in texts or not empty.all():
            names.append(name)
    columns = [_status_texts(run) if name == "status" else summary[name].tolist() for name in names]
    table = zip(summary["status"].tolist(), *columns, strict=True)
    missing = _missing_networks(run)
    left_out = max(len(summary["status"]) + len(missing) - MAX_ROWS, 0)
    rows = []
    for status, *row in islice(table, MAX_ROWS):
        fields = (_field(n, value, status, texts) for n, value in zip(names, row, strict=True))
        rows.append((status, tuple(fields)))
    for network, reason in missing[: MAX_ROWS - len(rows)]:
        values = {**network.point, "seed": network.seed, "status": f"missing: {reason}"}
        rows.append(("missing", tuple(_field(n, values.get(n, ""), "", texts) for n in names)))
    labels = {
        name: metric.label(run.tables.image_sets)
        for name in names
        if (metric := metric_column(name))
    }
    heads = [labels.get(name, HEADS.get(name, name)) for name in names]
    counts = Counter(status for status, _ in rows)
    return NetworkTable(tuple(heads), tuple(rows), tuple(counts.items()), left_out)


def _field(name: str, value: Value, status: str, texts: Texts) -> Field:
    """A field of the column `name`; empty without a value, but nan for the loss of divergence."""
    if name == "cell":
        return Field(str(value)[:ID_LETTERS], str(value), False)
    no_step = name == "diverged_at_step" and value == -1
    if value == "" or no_step or (isinstance(value, float) and isnan(value)):
        metric = metric_column(name)
        diverged = metric and is_unbounded_loss(metric.metric) and status == "diverged"
        text = "nan" if diverged else ""
        return Field(text, text, False)
    text = texts[name][value] if name in texts else number_text(value)
    return Field(text, str(value), isinstance(value, int | float))


def failed_lines(run: RunData) -> Iterator[str]:
    """A line for each network that failed, with the reason if the manifest has it."""
    summary, statuses, texts = run.summary, _status_texts(run), axis_texts(run.axes)
    for row in np.flatnonzero(summary["status"] == "failed"):
        point = {axis.key: summary[axis.key][row] for axis in run.axes}
        yield f"{point_text(point, texts)}, seed {summary['seed'][row]}: {statuses[row]}"


def missing_lines(run: RunData) -> Iterator[str]:
    """A line for each network without a result, with the reason."""
    texts = axis_texts(run.axes)
    for network, reason in _missing_networks(run):
        yield f"{point_text(network.point, texts)}, seed {network.seed}: {reason}"


def _missing_networks(run: RunData) -> list[tuple[Network, str]]:
    """The networks of the plan without a result, each with the reason."""
    networks = run.plan.networks
    return [(network, run.missing[network.id]) for network in networks if network.id in run.missing]


def _status_texts(run: RunData) -> list[str]:
    """The status of each row of the summary, with the reason of a failure that is known."""
    reasons = failed_networks(run.manifest or {})
    return [
        f"failed: {reasons[network]}" if status == "failed" and network in reasons else status
        for network, status in zip(run.summary["cell"], run.summary["status"], strict=True)
    ]


def pair_verdicts(
    first: Sequence[Verdict], second: Sequence[Verdict]
) -> list[tuple[str, tuple[Verdict | None, Verdict | None]]]:
    """The sentence of each claim, and its verdicts in both runs; None where it is not claimed."""
    sides = [{verdict.says: verdict for verdict in verdicts} for verdicts in (first, second)]
    return [(says, (sides[0].get(says), sides[1].get(says))) for says in {**sides[0], **sides[1]}]


@dataclass(frozen=True)
class FinalAccuracy:
    """Mean and 95 % interval of a final accuracy over `n` seeds, of which some diverged."""

    mean: float = nan
    low: float = nan
    high: float = nan
    n: int = 0
    diverged: int = 0


@dataclass(frozen=True)
class AccuracyPair:
    """The final accuracies of both runs at a point, and the second's minus the first's.

    point: in words. images: which were scored, in words.
    """

    point: str
    images: str
    first: FinalAccuracy
    second: FinalAccuracy
    difference: float


# Train or test, and the swept values by key, whatever the order of the axes.
AccuracyKey: TypeAlias = tuple[str, tuple[tuple[str, Value], ...]]


def compare_accuracies(first: RunData, second: RunData) -> list[AccuracyPair]:
    """The points of the first run in its order, then those that only the second run has.

    Runs of different experiments can be compared: points are paired by their swept values, whatever
    the order of the axes. A run without a point has NaN there, and a point is left out if neither
    run has a finite accuracy.
    """
    sides = [_final_accuracies(run) for run in (first, second)]
    pairs, texts = [], axis_texts((*first.axes, *second.axes))
    for images, point in {**sides[0], **sides[1]}:
        a, b = (side.get((images, point), FinalAccuracy()) for side in sides)
        if a.n or b.n:
            words = point_text(dict(point), texts)
            names = dict.fromkeys(run.tables.image_sets[images] for run in (first, second))
            pairs.append(AccuracyPair(words, " or ".join(names), a, b, b.mean - a.mean))
    return pairs


def _final_accuracies(run: RunData) -> dict[AccuracyKey, FinalAccuracy]:
    """The final accuracy at each point; without seeds where no network has one."""
    keys = [axis.key for axis in run.axes]
    samples: defaultdict[AccuracyKey, list[tuple[float, str]]] = defaultdict(list)
    for images in IMAGE_SETS:
        names = (*keys, "status", f"final_{images}_{HEADLINE}")
        columns = (run.summary[name].tolist() for name in names)
        for *point, status, accuracy in zip(*columns, strict=True):
            values = tuple(sorted(zip(keys, point, strict=True)))
            samples[images, values].append((accuracy, status))
    accuracies = {}
    for key, sample in samples.items():
        finite = [accuracy for accuracy, _ in sample if isfinite(accuracy)]
        accuracies[key] = FinalAccuracy()
        if finite:
            ends = interval(finite, METRICS[HEADLINE].limits)
            diverged = sum(status == "diverged" for _, status in sample)
            accuracies[key] = FinalAccuracy(*ends, len(finite), diverged)
    return accuracies
