"""Which quantities a run records, by its plan or by its tables, and which of them a figure shows.

A probe records a quantity at steps, for layers, and at one or several places within each layer,
which are the left edges of bins, percentiles or step sizes. The place of a quantity with one number
is NaN. `Readings` says at which of them; a `Recorded` has those of all quantities.

`planned_sweep` finds out what the networks of a plan will record, `recorded_in` what tables hold.
Both give the same `Recorded` for a run whose networks are all there, so that the functions below,
which look up the layers, places and steps of a figure, say the same before training and when the
figure is drawn. Each raises a `FigureError` for what is not recorded, with the option's key. None
stands for what is not known before training, such as the steps of data that are not at hand.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isnan
from typing import Any

import numpy as np

from bnexp.config.experiment import Setting
from bnexp.config.yaml import KeyPath
from bnexp.execution.build import probe_grids
from bnexp.figures.labels import value_texts
from bnexp.figures.select import FigureError, Swept
from bnexp.metrics import GAP, HEADLINE, metric_column, recorded_metrics
from bnexp.runs.tables import Axis, Table, Tables, plan_axes, rows
from bnexp.sweep import Plan, make_stacks
from bnexp.text import choices, exact
from bnexp.training.schedule import TrainingSchedule

MAX_LISTED = 12  # how many steps or places a message lists


@dataclass(frozen=True)
class Readings:
    """Readings of one quantity: after each of `steps`, of each of `layers`, at each of `places`.

    None: that is not known.
    """

    steps: Sequence[int] | None
    layers: tuple[int, ...] | None
    places: tuple[float, ...] | None


@dataclass(frozen=True)
class Recorded:
    """What networks record; None stands for what is not known.

    tested: whether test images are scored.
    quantities: by the name of each quantity that is read, such as "dead", where it is read.
    metrics: names of metrics, such as "loss", without the images they belong to.
    evaluations: how often that network is scored that is scored least often.
    """

    tested: bool
    quantities: Mapping[str, tuple[Readings, ...]] | None
    metrics: tuple[str, ...] | None = None
    evaluations: int | None = None


# Before training


@dataclass(frozen=True)
class PlannedSweep:
    """What is to be swept: like results whose summary has the swept columns only.

    summary: a row for each network of the plan, a column for each swept key, and in `recorded` what
        the network will record. It is a `Swept`, from which a `Selection` can be made.
    """

    axes: tuple[Axis, ...]
    summary: Table

    @property
    def recorded(self) -> Recorded:
        """What these networks will record."""
        distinct = {id(recorded): recorded for recorded in self.summary["recorded"].tolist()}
        return _all_of(distinct.values())


def planned_sweep(
    plan: Plan, schedules: Mapping[str, TrainingSchedule] | None = None
) -> PlannedSweep:
    """The sweep of a plan, with what each of its networks will record.

    schedules: by the ids of networks, when they are scored and probed, as far as that is known.
    """
    axes = plan_axes(plan)
    columns = {axis.key: [network.point[axis.key] for network in plan.networks] for axis in axes}
    summary = {key: np.array(values, object) for key, values in columns.items()}
    recorded: dict[str, Recorded] = {}
    for stack in make_stacks(plan.networks, size=max(len(plan.networks), 1)):
        first = stack.networks[0]
        planned = planned_records(first.setting, (schedules or {}).get(first.id))
        recorded |= {network.id: planned for network in stack.networks}
    cells = np.empty(len(plan.networks), object)
    cells[:] = [recorded[network.id] for network in plan.networks]
    return PlannedSweep(axes, {**summary, "recorded": cells})


def planned_records(setting: Setting, schedule: TrainingSchedule | None = None) -> Recorded:
    """What a network of this setting will record; its steps are known with its `schedule`."""
    metrics = recorded_metrics({options.kind for options in setting.train.metrics or ()})
    evaluations = len(schedule.evaluations) if schedule else None
    steps = schedule.probes if schedule else None
    quantities: dict[str, tuple[Readings, ...]] = {}
    for probe, grids in probe_grids(setting):
        if grids is not None:
            readings = [(g.quantity, Readings(steps, g.layers, g.at)) for g in grids]
        elif hasattr(probe, "quantity_names"):
            readings = [(name, Readings(steps, None, None)) for name in probe.quantity_names]
        else:
            return Recorded(setting.data.scores_test, None, metrics, evaluations)
        for name, where in readings:
            if where.layers != () and where.places != ():
                quantities[name] = (*quantities.get(name, ()), where)
    return Recorded(setting.data.scores_test, quantities, metrics, evaluations)


def _all_of(parts: Iterable[Recorded]) -> Recorded:
    """What several networks record, all together."""
    parts = list(parts)
    quantities: dict[str, tuple[Readings, ...]] | None = {}
    for part in parts:
        if part.quantities is None or quantities is None:
            quantities = None
            continue
        for name, readings in part.quantities.items():
            quantities[name] = (*quantities.get(name, ()), *readings)
    is_known = all(part.metrics is not None for part in parts)
    metrics = chain.from_iterable(part.metrics or () for part in parts)
    evaluations = [part.evaluations for part in parts if part.evaluations is not None]
    return Recorded(
        any(part.tested for part in parts),
        quantities,
        tuple(dict.fromkeys(metrics)) if is_known else None,
        min(evaluations) if len(evaluations) == len(parts) and parts else None,
    )


# After training


def recorded_in(tables: Tables) -> Recorded:
    """What results hold; where no network was trained, nothing is known, and anything allowed."""
    accuracies = tables.metrics[f"test_{HEADLINE}"]
    tested = bool(np.isfinite(accuracies).any())
    columns = [column for name in tables.metrics if (column := metric_column(name))]
    metrics = tuple(dict.fromkeys(column.name for column in columns))
    if not len(accuracies):
        return Recorded(True, None, metrics)
    _, counts = np.unique(tables.metrics["cell"].astype(str), return_counts=True)
    quantities = {}
    for name in dict.fromkeys(tables.probes["quantity"].tolist()):
        table = rows(tables.probes, tables.probes["quantity"] == name)
        quantities[name] = tuple(
            Readings(
                steps=tuple(np.unique(table["step"][of_layer]).tolist()),
                layers=(layer,),
                places=tuple(np.unique(table["at"][of_layer]).tolist()),
            )
            for layer in np.unique(table["layer"]).tolist()
            for of_layer in [table["layer"] == layer]
        )
    return Recorded(tested, quantities, metrics, int(counts.min()))


def recorded_of(swept: Swept) -> Recorded:
    """What a planned sweep will record, or what results hold."""
    return swept.recorded if isinstance(swept, PlannedSweep) else recorded_in(swept)  # type: ignore[arg-type]


# What a figure shows


# Quantities that are images or a matrix, and the kind of figure that draws them.
OF_IMAGES = {"confusion": "confusion", "mistake": "confusion", "filter": "filters"}


def check_quantity(kind: str, quantity: str, recorded: Recorded) -> None:
    """Raise FigureError if no probe reads the quantity, or if another kind of figure draws it.

    kind: of the figure, for the message. If the quantities are not known, anything passes.
    """
    if OF_IMAGES.get(quantity, kind) != kind:
        expected = f"expected kind: {OF_IMAGES[quantity]} for it"
        raise FigureError(kind, ("quantity",), f"no single numbers, {expected}, got {kind}")
    if recorded.quantities is None or quantity in recorded.quantities:
        return
    if not recorded.quantities:
        text = f"not recorded, expected a probe in probes.read that reads {quantity}, got none"
    else:
        text = f"not recorded, expected {choices(quantity, [*recorded.quantities])}; or add a probe"
        text += " that reads it to probes.read"
    raise FigureError(kind, ("quantity",), text)


def check_metric(kind: str, metric: str, recorded: Recorded, *path: str | int) -> None:
    """Raise FigureError if `metric` is not recorded, or of test images and none are scored.

    path: the option that names the metric; default: `metric`.
    """
    path = path or ("metric",)
    column = metric_column(metric)
    if column and recorded.metrics is not None and column.name not in recorded.metrics:
        text = f"not recorded, expected {column.name} in train.metrics, got {metric}"
        raise FigureError(kind, path, text)
    if (metric == GAP or (column and column.images == "test")) and not recorded.tested:
        other = metric.replace("test_", "train_") if column else f"train_{HEADLINE}"
        text = f"no test images, expected data.test above 0 for {metric}, or {other}, got none"
        raise FigureError(kind, path, text)


def step_of(kind: str, quantity: str, recorded: Recorded, step: int | str) -> int | str:
    """The step of the option `step`: a number of updates, or each network's `first` or `last`.

    Raises FigureError if nothing is recorded at that step.
    """
    schedules = {part.steps for part in _readings(recorded, quantity)}
    known = [steps for steps in schedules if steps]
    if isinstance(step, str) or None in schedules or not known:
        return step
    if not any(step in steps for steps in known):
        ends = {*(n for steps in known for n in steps[:MAX_LISTED]), max(s[-1] for s in known)}
        beside = [
            n for s in known for i in [bisect_left(s, step)] for n in s[max(i - 1, 0) : i + 1]
        ]
        nearest = min(beside, key=lambda candidate: abs(candidate - step))
        text = f"no such reading, expected {_listed(sorted(ends))}, got {step}"
        raise FigureError(kind, ("step",), f"{text}; the nearest is {nearest}")
    return step


def layers_of(
    kind: str,
    quantity: str,
    recorded: Recorded,
    layers: int | Sequence[int] | None,
    step: int | str = "first",
) -> tuple[int, ...] | None:
    """The layers of the option `layer`, each once, or all that are recorded at a step.

    Raises FigureError for one that is not recorded. None: they are not known.
    """
    known = _known_layers(recorded, quantity, step)
    if layers is None or known is None:
        return known
    paths = _option_items("layer", layers)
    for path, layer in paths:
        if known and layer not in known:
            raise _missing(kind, path, layer, known)
    return tuple(dict.fromkeys(layer for _, layer in paths))


def layers_between(
    kind: str,
    quantity: str,
    recorded: Recorded,
    ends: tuple[int, int] | None,
    step: int | str = "first",
) -> tuple[int, ...] | None:
    """The layers of the option `layers`, [first, last], of those recorded at a step; or all.

    Raises FigureError if there is none between them. None: they are not known.
    """
    if ends is not None and ends[0] > ends[1]:
        text = f"not in order, expected [first, last] layer, got [{ends[0]}, {ends[1]}]"
        raise FigureError(kind, ("layers",), text)
    known = _known_layers(recorded, quantity, step)
    if ends is None or not known:
        return known
    layers = tuple(layer for layer in known if ends[0] <= layer <= ends[1])
    if not layers:
        raise _missing(kind, ("layers",), f"[{ends[0]}, {ends[1]}]", known)
    return layers


def places_of(
    kind: str,
    quantity: str,
    recorded: Recorded,
    places: float | Sequence[float] | None = None,
    layers: Sequence[int] | None = None,
) -> tuple[float, ...] | None:
    """The places of the option `at`, each once, or all of these layers (None: of any).

    Raises FigureError for one that is not recorded. None: they are not known.

    A number means the recorded place that is close to it by `np.isclose`. The places are returned
    as they are recorded, NaN at the end.
    """
    readings = _readings(recorded, quantity)
    if any(part.places is None for part in readings):
        return None
    of_layers = [
        part
        for part in readings
        if layers is None or part.layers is None or {*layers} & {*part.layers}
    ]
    known = np.unique([place for part in of_layers for place in part.places or ()]).tolist()
    if places is None:
        return tuple(known)
    chosen: list[float] = []
    for path, place in _option_items("at", places):
        near = [other for other in known if np.isclose(other, place)]
        if known and not near:
            if all(map(isnan, known)):
                text = f"no such place, expected no at, as {quantity} is one number, got "
                raise FigureError(kind, path, f"{text}{exact(place)}")
            raise _missing(kind, path, place, known)
        chosen += near[:1]
    return tuple(dict.fromkeys(chosen))


def _readings(recorded: Recorded, quantity: str) -> tuple[Readings, ...]:
    """Where a quantity is read; nothing is known of it where no network was trained."""
    unknown = Readings(None, None, None)
    return (unknown,) if recorded.quantities is None else recorded.quantities.get(quantity, ())


def _known_layers(recorded: Recorded, quantity: str, step: int | str) -> tuple[int, ...] | None:
    """The layers that are read at a step, ascending; None if they are not known."""
    layers: set[int] = set()
    for part in _readings(recorded, quantity):
        if part.layers is None:
            return None
        if isinstance(step, str) or part.steps is None or step in part.steps:
            layers |= {*part.layers}
    return tuple(sorted(layers))


def _option_items(option: str, value: Any) -> list[tuple[KeyPath, Any]]:
    """The numbers of an option that takes one or a list, each with the path of its key."""
    if isinstance(value, int | float):
        return [((option,), value)]
    return [((option, number), item) for number, item in enumerate(value)]


def _missing(kind: str, path: KeyPath, got: Any, known: Sequence[float]) -> FigureError:
    """The error that a layer or a place of an option is not recorded."""
    word = "place" if path[0] == "at" else "layer"
    shown = got if isinstance(got, str) else exact(got)
    return FigureError(kind, path, f"no such {word}, expected {_listed(known)}, got {shown}")


def _listed(values: Sequence[float]) -> str:
    """'one of 1, 2, 3', the first MAX_LISTED of them and the last, without NaN."""
    texts = value_texts([value for value in values if not isnan(value)])
    if len(texts) > MAX_LISTED:
        texts = [*texts[: MAX_LISTED - 1], "...", texts[-1]]
    return f"one of {', '.join(texts)}" if len(texts) > 1 else texts[0]
