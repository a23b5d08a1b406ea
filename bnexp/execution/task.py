"""One stack's work, from cells to records: what a worker is sent and what it sends back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnexp import data, nn
from bnexp.config.experiment import Setting
from bnexp.config.options import instantiate
from bnexp.data import Dataset
from bnexp.execution.build import adjustments, draw, inputs, metrics_of, network
from bnexp.execution.checkpoints import Checkpoints
from bnexp.probes import Reading
from bnexp.sweep import Network
from bnexp.training import History, Images, Snapshot, train
from bnexp.training.loop import Probing
from bnexp.training.schedule import Schedule, schedule


@dataclass(frozen=True)
class Task:
    """A stack's cells, the folder of the data files if one is given, and where checkpoints go.

    `data` is the data set itself where it is at hand; otherwise it is loaded.
    """

    networks: tuple[Network, ...]
    data_dir: Path | None = None
    checkpoints: Checkpoints | None = None
    data: Dataset | None = None


@dataclass(frozen=True)
class Probed:
    """What a probe read: `values` are steps x layers x at, the last running fastest."""

    quantity: str
    steps: tuple[int, ...]
    layers: tuple[int, ...]
    at: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Record:
    """One network's result. Accuracies in [0, 1], losses in nats; NaN is a result."""

    cell: str
    data_sha256: str
    status: str  # ok | diverged | failed
    diverged_at_step: int | None
    steps: tuple[int, ...]
    epochs: tuple[int, ...]
    metrics: dict[str, tuple[float, ...]]
    seconds: float
    probes: tuple[Probed, ...] = ()
    error: str = ""


@lru_cache(maxsize=2)
def dataset(name: str, data_dir: Path | None, download: bool = True) -> Dataset:
    """The data set, loaded once a process."""
    return data.load(name, data_dir=data_dir, download=download)


def with_data(task: Task) -> Task:
    """The task with its data set if only this process may know it: it was registered here."""
    name = task.networks[0].setting.data.name
    if name not in data.DATASETS or name in data.DATASETS.builtin:
        return task
    return replace(task, data=dataset(name, task.data_dir))


def train_task(task: Task, on_step: Callable[[int], None] = lambda networks: None) -> list[Record]:
    """Train the task's cells as one stack; `on_step` hears how many networks made one step."""
    started = time.perf_counter()
    loaded = task.data or dataset(task.networks[0].setting.data.name, task.data_dir)
    trained = train_cells(task.networks, loaded, on_step, task.checkpoints)
    seconds = (time.perf_counter() - started) / len(task.networks)
    return [
        _record(network, k, trained, loaded.sha256, seconds)
        for k, network in enumerate(task.networks)
    ]


@dataclass(frozen=True)
class Trained:
    """A stack after training; `whole` makes its parameters those for images with every pixel."""

    network: nn.Sequential
    history: History
    per_epoch: int
    images: Images
    offset: NDArray[np.float64] | None
    whole: Callable[[Sequence[nn.Parameters]], Sequence[nn.Parameters]]


def train_cells(
    cells: tuple[Network, ...],
    loaded: Dataset,
    on_step: Callable[[int], None] = lambda networks: None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Train cells of one structure side by side, from their checkpoints where there are some."""
    with np.errstate(all="ignore"):  # a weight or a rate that overflows is a result
        return _train(cells, loaded, on_step, checkpoints)


def _train(
    cells: tuple[Network, ...],
    loaded: Dataset,
    on_step: Callable[[int], None],
    checkpoints: Checkpoints | None,
) -> Trained:
    keep = checkpoints.keeper(cells, loaded.sha256) if checkpoints else None

    def after_step(snapshot: Callable[[], Snapshot]) -> None:
        on_step(len(cells))
        if keep:
            keep(snapshot)

    setting = cells[0].setting
    dtype = np.dtype(setting.train.precision)
    plan = schedule(cells[0], len(loaded.train_labels))
    sets = inputs(setting, loaded, dtype)
    networks = [network(cell.setting, loaded.classes) for cell in cells]
    start = draw(cells, networks, plan, sets, dtype)
    optimizers = [instantiate(cell.setting.train.optimizer) for cell in cells]
    history = train(
        networks[0],
        optimizers[0],
        np.array([optimizer.lr for optimizer in optimizers], dtype)[:, None, None],
        start.parameters,
        start.state,
        start.batches,
        plan.points,
        sets.train,
        sets.test,
        sets.scored,
        setting.train.batch_size,
        on_step=after_step,
        adjustments=adjustments(setting),
        for_test=start.whole,
        probes=_probing(setting, plan),
        start=checkpoints.load(cells, loaded.sha256) if checkpoints else None,
        metrics=metrics_of(setting),
    )
    return Trained(networks[0], history, plan.per_epoch, sets.train, sets.offset, start.whole)


def _probing(setting: Setting, plan: Schedule) -> Probing:
    probes = [instantiate(options) for options in setting.probes.read] if setting.probes else []
    return Probing(probes, frozenset(plan.probes))


def _record(network: Network, k: int, trained: Trained, sha256: str, seconds: float) -> Record:
    history = trained.history
    diverged_at = int(history.diverged_at[k])
    return Record(
        cell=network.id,
        data_sha256=sha256,
        status="ok" if diverged_at < 0 else "diverged",
        diverged_at_step=None if diverged_at < 0 else diverged_at,
        steps=tuple(int(step) for step in history.steps),
        epochs=tuple(int(step) // trained.per_epoch for step in history.steps),
        metrics={name: tuple(values[k].tolist()) for name, values in history.metrics.items()},
        seconds=seconds,
        probes=_probed(k, history),
    )


def _probed(k: int, history: History) -> tuple[Probed, ...]:
    """Network k's readings, those of the same quantity and layers together."""
    series: dict[tuple[str, tuple[int, ...]], list[tuple[int, Reading]]] = {}
    for step, readings in history.readings:
        for reading in readings:
            series.setdefault((reading.quantity, reading.layers), []).append((step, reading))
    return tuple(
        Probed(
            quantity=read[0][1].quantity,
            steps=tuple(step for step, _ in read),
            layers=read[0][1].layers,
            at=read[0][1].at,
            values=tuple(v for _, reading in read for v in reading.values[k].ravel().tolist()),
        )
        for read in series.values()
    )
