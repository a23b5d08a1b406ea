"""One stack's work, from networks to records: what a worker is sent and what it sends back.

`Task` and `Record` are what travels between processes and machines; both can be pickled. The steps
of `train_task` are: load the data set (once a process), build and train the stack
(`train_networks`), and cut the stack's history into one record for each network.

`train_networks` is also what `bnexp.fit` calls: a single network is a stack of one. A network's
numbers do not depend on its stack, on the process, or on whether training was stopped and resumed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnexp import data, nn
from bnexp.config.experiment import Setting
from bnexp.config.options import instantiate
from bnexp.data import Dataset
from bnexp.data.datasets import count_images
from bnexp.device import device_array, release_memory
from bnexp.errors import ConfigError
from bnexp.execution import stopping
from bnexp.execution.build import (
    Start,
    build_architecture,
    check_counts,
    choose_images,
    draw_start,
    make_image_sets,
    make_metrics,
)
from bnexp.execution.checkpoints import Checkpoints, fits
from bnexp.nn.book import BookNetwork, replay
from bnexp.probes import Reading
from bnexp.sweep import Network
from bnexp.training import History, Images, Snapshot, train
from bnexp.training.loop import EarlyStopping, Probing
from bnexp.training.schedule import TrainingSchedule, make_schedule
from bnexp.training.update import Adjustments


@dataclass(frozen=True)
class Task:
    """A stack to train: its networks, the folder of data files if any, and where checkpoints go.

    `data` is the data set itself where it is at hand; otherwise it is loaded. `device` is what it
    is trained on.

    Fields:
        networks: at least one; all have the same data, structure and training length.
        data_dir: None for the default folder of data sets.
        checkpoints: None if nothing is to be kept of an unfinished training.
    """

    networks: tuple[Network, ...]
    data_dir: Path | None = None
    checkpoints: Checkpoints | None = None
    data: Dataset | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Probed:
    """What a probe read: `values` are steps x layers x at, the last running fastest.

    Fields:
        quantity: what was read, such as "dead"; a column of probes.csv.
        steps: the S steps at which it was read; 0 is before the first update.
        layers: the L layers it was read for, 1 is the first with weights; 0: the whole network.
        at: the P places within the quantity, such as left edges of bins; NaN for a single number.
        values: S * L * P numbers.
    """

    quantity: str
    steps: tuple[int, ...]
    layers: tuple[int, ...]
    at: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Record:
    """One network's result.

    `metrics` has a number for each of `steps` and each metric's column. Accuracies are in [0, 1],
    losses in nats; NaN is a result. `status` is ok, diverged or failed; a failed network has an
    `error` and no numbers. `seconds` is its share of the time that its stack took.

    Fields:
        cell: the network's id, and the name of its cell file.
        data_sha256: the digest of the data set; a record of other data is not used.
        diverged_at_step: the first step at which the loss of the batch, or the evaluated training
            loss, was not finite; None if there is none.
        steps, epochs: where the network was evaluated; `epochs` are whole epochs finished by then.
        metrics: by column, such as "train_loss" or "test_accuracy"; without test images there are
            no test columns.
        probes: what the probes read, one entry for each quantity and set of layers.
        device: what it was trained on; a file says so only if it is not the CPU.

    The body of a cell file is this class as JSON: a new or renamed field changes the file format.
    """

    cell: str
    data_sha256: str
    status: str
    diverged_at_step: int | None
    steps: tuple[int, ...]
    epochs: tuple[int, ...]
    metrics: dict[str, tuple[float, ...]]
    seconds: float
    probes: tuple[Probed, ...] = ()
    error: str = ""
    device: str = "cpu"


def record_text(record: Record) -> str:
    """The record as JSON in one line; NaN and infinite numbers as Python writes them."""
    fields = asdict(record)
    if record.device == "cpu":  # as files were before there were devices
        del fields["device"]
    return json.dumps(fields, separators=(",", ":"))


def read_record(text: str | bytes) -> Record:
    """The record that `record_text` wrote; ValueError if the text is no such thing."""
    try:
        fields = json.loads(text)
        fields["steps"], fields["epochs"] = tuple(fields["steps"]), tuple(fields["epochs"])
        fields["metrics"] = {name: tuple(values) for name, values in fields["metrics"].items()}
        fields["probes"] = tuple(
            Probed(series.pop("quantity"), **{name: tuple(v) for name, v in series.items()})
            for series in fields["probes"]
        )
        return Record(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no record: {error}") from None


@lru_cache(maxsize=2)
def dataset(name: str, data_dir: Path | None, download: bool = True) -> Dataset:
    """The data set, loaded once a process.

    Arguments:
        name: a registered data set, or the path of a folder of data files.
        data_dir: the folder of the data sets; None for the default.
        download: whether a missing file may be fetched.

    The two data sets used last are kept in memory. DataError if the data are missing or damaged.
    """
    return data.load(name, data_dir=data_dir, download=download)


def with_data(task: Task) -> Task:
    """The task with its data set if only this process may know it: it was registered here.

    A spawned worker does not run the code that registered the data set, so its arrays are sent
    along. Arrays that a program passed are in the task already; built-in data sets and those of a
    path are loaded by the worker itself.
    """
    name = task.networks[0].setting.data.name
    if task.data or name not in data.DATASETS or name in data.DATASETS.builtin:
        return task
    return replace(task, data=dataset(name, task.data_dir))


def train_task(task: Task, on_step: Callable[[int], None] = lambda networks: None) -> list[Record]:
    """Train the task's networks as one stack; `on_step` is told how many made one step.

    Returns one record for each network, in the task's order, with the status ok or diverged. Any
    error of building or training is raised; `processes.run_tasks` turns it into failed records.
    """
    started = time.perf_counter()
    loaded = task.data or dataset(task.networks[0].setting.data.name, task.data_dir)
    try:
        trained = train_networks(
            *(task.networks, loaded, on_step, task.checkpoints, task.device), records_only=True
        )
    except MemoryError as error:
        if task.device == "cpu":
            raise
        shortage = " ".join(str(error).split())
    else:
        seconds = (time.perf_counter() - started) / len(task.networks)
        return [
            replace(_make_record(network, k, trained, loaded.sha256, seconds), device=task.device)
            for k, network in enumerate(task.networks)
        ]
    # Here, where the error no longer holds the arrays.
    release_memory(task.device)
    if len(task.networks) == 1:
        raise ConfigError(
            f"device: out of memory with a single network on {task.device} ({shortage}); make "
            "train.batch_size or the layers smaller, or train with device cpu"
        )
    half = len(task.networks) // 2
    halves = task.networks[:half], task.networks[half:]
    return [r for part in halves for r in train_task(replace(task, networks=part), on_step)]


@dataclass(frozen=True)
class Trained:
    """A stack after training.

    images: those it was trained on. offset: what was subtracted from them. full_parameters:
    computes, from its parameters, those for images with all pixels.

    network: the layers that the stack shares. history: evaluations, readings, and final arrays (K,
    ...). per_epoch: how many steps an epoch has.
    """

    network: nn.Sequential
    history: History
    per_epoch: int
    images: Images
    offset: NDArray[np.float64] | None
    full_parameters: Callable[[Sequence[nn.Parameters]], Sequence[nn.Parameters]]


def train_networks(
    networks: tuple[Network, ...],
    loaded: Dataset,
    on_step: Callable[[int], None] = lambda networks: None,
    checkpoints: Checkpoints | None = None,
    device: str = "cpu",
    records_only: bool = False,
) -> Trained:
    """Train networks of one structure side by side, from their checkpoints where there are some.

    Arguments:
        networks: K networks that may be stacked (`bnexp.sweep.make_stacks`).
        loaded: the data set of their setting.
        on_step: called after each step with K.
        checkpoints: where snapshots are saved now and then, and looked for at the start.
        device: what they are trained on. All that is drawn is drawn on the CPU, from the same
            bits, and moved once; what is returned is on the CPU again.
        records_only: whether final parameters are not needed, so that networks that are NaN for
            good need not be trained to the end.

    Overflow and division by zero are no errors: a network that diverges is a result.
    """
    save = checkpoints.saver(networks, loaded.sha256) if checkpoints else None

    def after_step(snapshot: Callable[[], Snapshot]) -> None:
        on_step(len(networks))
        if save:
            save(snapshot)
        stopping.check()

    setting, recipe = networks[0].setting, networks[0].setting.train
    dtype, like = np.dtype(recipe.precision), device_array(device)
    with np.errstate(all="ignore"):  # a weight or a rate that overflows is a result
        check_counts(setting, count_images(loaded))
        digest, loaded = loaded.sha256, choose_images(networks[0], loaded)
        schedule = make_schedule(networks[0], len(loaded.train_labels))
        # The book's arithmetic, for its bits: only in the precision of the book.
        is_book = networks[0].place is not None and dtype == np.float64
        images = make_image_sets(setting, loaded, dtype, every_pixel=is_book)
        architectures = [build_architecture(n.setting, loaded.classes) for n in networks]
        if is_book:
            batch = schedule.images, setting.train.batch_size
            architectures = [replay(architecture, *batch) for architecture in architectures]
        start = draw_start(networks, architectures, schedule, images, dtype)
        optimizers = [instantiate(network.setting.train.optimizer) for network in networks]
        probes = [instantiate(options) for options in setting.probes.read] if setting.probes else []
        rates = np.array([optimizer.lr for optimizer in optimizers], dtype)[:, None, None]
        on_device = images.moved(like)
        history = train(
            architectures[0],
            optimizers[0],
            np.asarray(rates, like=like),
            start.parameters,
            start.state,
            start.batches,
            schedule.evaluations,
            on_device.train,
            on_device.test,
            on_device.scored,
            recipe.batch_size,
            on_step=after_step,
            adjustments=Adjustments(
                recipe.l2,
                recipe.weight_decay,
                recipe.clip_norm,
                instantiate(recipe.schedule),
                recipe.decay_also or (),
                recipe.only or (),
            ),
            for_test=start.full_parameters.moved(like),
            probes=Probing(probes, schedule.probes),
            start=_stored_start(networks, digest, checkpoints, schedule, start, optimizers[0]),
            metrics=make_metrics(setting),
            score_batch=setting.train.evaluate_train == "batch",
            image_shape=loaded.train_images.shape[1:],
            leave_out_lost=records_only and device == "cpu" and not recipe.early_stopping,
            early_stopping=_early_stopping(setting),
        )
    full_parameters: Callable[..., Sequence[nn.Parameters]] = start.full_parameters
    if isinstance(architecture := architectures[0], BookNetwork):
        full_parameters = partial(architecture.fast_parameters, shape=images.shape)
    return Trained(
        architecture, history, schedule.per_epoch, images.train, images.offset, full_parameters
    )


def _early_stopping(setting: Setting) -> EarlyStopping | None:
    """The setting's early stopping as the loop takes it."""
    if (options := setting.train.early_stopping) is None:
        return None
    metric = make_metrics(setting)[options.metric]
    return EarlyStopping(options.patience, f"test_{options.metric}", metric.better)


def _stored_start(
    networks: tuple[Network, ...],
    sha256: str,
    checkpoints: Checkpoints | None,
    schedule: TrainingSchedule,
    start: Start,
    optimizer: nn.Optimizer,
) -> Snapshot | None:
    """Where the stack's checkpoints stand; None without any, or if they do not fit.

    A checkpoint fits if it could have been saved by this training: see `fits`.
    """
    snapshot = checkpoints.load(networks, sha256) if checkpoints else None
    if snapshot is None:
        return None
    setting = networks[0].setting
    names = {*make_metrics(setting)}
    sets = ("train", "test") if setting.data.scores_test else ("train",)
    columns = {f"{images}_{name}" for images in sets for name in names}
    fresh = Snapshot(
        0,
        start.parameters,
        start.state,
        tuple(optimizer.init(layer) for layer in start.parameters),
        {name: np.empty((len(networks), 0)) for name in columns},
        np.full(len(networks), -1),
        (),
    )
    return snapshot if fits(snapshot, fresh, schedule.evaluations, schedule.probes) else None


def _make_record(network: Network, k: int, trained: Trained, sha256: str, seconds: float) -> Record:
    """The record of network k of a stack; readings of the same quantity and layers are joined.

    `sha256` is the data set's digest; `seconds` the network's share of the stack's time. Arrays
    become tuples of Python numbers, which JSON writes so that they are read back exactly.
    """
    history = trained.history
    diverged_at = int(history.diverged_at[k])
    series: dict[tuple[str, tuple[int, ...]], list[tuple[int, Reading]]] = {}
    for step, readings in history.readings:
        for reading in readings:
            series.setdefault((reading.quantity, reading.layers), []).append((step, reading))
    probes = [
        Probed(
            quantity=quantity,
            steps=tuple(step for step, _ in readings),
            layers=layers,
            at=readings[0][1].at,
            values=tuple(v for _, reading in readings for v in reading.values[k].ravel().tolist()),
        )
        for (quantity, layers), readings in series.items()
    ]
    return Record(
        cell=network.id,
        data_sha256=sha256,
        status="ok" if diverged_at < 0 else "diverged",
        diverged_at_step=None if diverged_at < 0 else diverged_at,
        steps=tuple(int(step) for step in history.steps),
        epochs=tuple(int(step) // trained.per_epoch for step in history.steps),
        metrics={name: tuple(values[k].tolist()) for name, values in history.metrics.items()},
        seconds=seconds,
        probes=tuple(probes),
    )
