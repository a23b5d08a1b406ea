"""Estimate table rows, memory and time before training, and refuse what would be too much.

`check_sizes` and `check_memory` raise ConfigError with the key that is to blame, the number and the
limit; `Estimate` is also what `bnexp check` prints. All of it is computed from the plan and from
the number and shape of the images; nothing is allocated that grows with the plan.

Memory is counted array by array, as training holds them at its peak, for the largest of the stacks
that a run would train. Time is that of the products, at the speed of a product measured on this
machine, of the other operations, at fixed speeds, and of calling them all. Both are rough: memory
is meant to be right within a factor of 2, time within a factor of 3.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from bnexp.config import Config
from bnexp.config.architecture import CLASSES, LayerSize
from bnexp.config.experiment import Setting
from bnexp.config.messages import SettingError
from bnexp.config.options import instantiate
from bnexp.config.rules import size_problems
from bnexp.data.datasets import DATASETS, ImageCounts
from bnexp.errors import ConfigError
from bnexp.execution.blas import one_blas_thread
from bnexp.execution.build import (
    CALIBRATION,
    blank_architecture,
    check_counts,
    make_metrics,
    probe_grids,
)
from bnexp.machine import usable_memory
from bnexp.nn.book import replay
from bnexp.probes import sites
from bnexp.probes.distributions import Histogram, Percentiles
from bnexp.probes.images import Confusion, Filters
from bnexp.probes.landscape import Landscape
from bnexp.probes.layers import Layers
from bnexp.runs.csv import MAX_BYTES
from bnexp.sweep import Network, make_stacks, setting_error
from bnexp.sweep.stacks import StackSize
from bnexp.text import counted
from bnexp.training.evaluation import KEPT_BYTES, POPULATION_BATCHES
from bnexp.training.schedule import TrainingLength, training_length

Counts = Mapping[str, ImageCounts]  # by the names of data sets

# Bytes of a process that trains, and what matplotlib adds to the one that draws.
PROCESS_BYTES, MATPLOTLIB_BYTES = 75_000_000, 75_000_000
# Bytes of a row of metrics.csv while the tables are made and written: without metrics, and of each;
# and of a row of probes.csv.
ROW_BYTES, METRIC_BYTES, READING_BYTES = 250, 70, 320
# Bytes of a recorded number in the process that trains.
RECORDED_BYTES = 120

CALL_SECONDS = 4e-6  # of a call of NumPy
NUMBER_SECONDS = 0.4e-9  # of a number that passes through an operation other than a product
UPDATE_SECONDS = 0.8e-9  # of a parameter in one array of an update
DRAW_SECONDS = 2e-8  # of a parameter that is drawn at random
PAGE_SECONDS = 0.5e-9  # of a byte of newly mapped memory
MAPPED_BYTES = 32 * 2**20  # see `bnexp.execution.blas.keep_freed_memory`
START_SECONDS = 1.5  # of starting, importing and drawing


@dataclass(frozen=True)
class StackNeeds:
    """What one stack needs: bytes at its peak by what they are for, and time.

    images: the data set, and its images as numbers. parameters: those of the networks, their
    gradients and the optimizer's state. batch: what the layers make of a batch, forward and back.
    evaluation: what they make of the images that are scored at once. results: evaluations and
    readings. seconds: on one core; the first call measures how fast that is.
    """

    images: int
    parameters: int
    batch: int
    evaluation: int
    results: int
    seconds: Callable[[], float]

    @property
    def bytes(self) -> int:
        """A batch is trained on before or after an evaluation, never at the same time."""
        return self.images + self.parameters + max(self.batch, self.evaluation) + self.results


@dataclass(frozen=True)
class Estimate:
    """What the networks of a plan need.

    evaluations, readings: the rows of metrics.csv and probes.csv. tables: bytes of these tables in
    the process that writes them. largest: the stack that needs most memory; network: one of it.
    stacks: the needs of each stack.
    """

    evaluations: int
    readings: int
    tables: int
    largest: StackNeeds
    network: Network
    stacks: Sequence[StackNeeds]

    def busy_workers(self, workers: int) -> int:
        """How many of the workers have a stack to train."""
        return max(1, min(workers, len(self.stacks)))

    @property
    def worker_bytes(self) -> int:
        """The bytes of a worker process."""
        return PROCESS_BYTES + self.largest.bytes

    def memory(self, workers: int) -> int:
        """The bytes of all processes together.

        A single worker is the process that writes the tables, too. Without workers, as where a
        cluster trains, they are those of that process alone.
        """
        main = PROCESS_BYTES + MATPLOTLIB_BYTES + self.tables
        if workers == 0:
            return main
        number = self.busy_workers(workers)
        return main + (self.largest.bytes if number == 1 else number * self.worker_bytes)

    def time(self, workers: int) -> float:
        """The seconds of the run with so many workers."""
        seconds = [stack.seconds() for stack in self.stacks]
        return START_SECONDS + max(*seconds, sum(seconds) / self.busy_workers(workers))

    def line(self, workers: int) -> str:
        """Time and memory in words, and how many workers fit this machine if these do not."""
        number, memory = self.busy_workers(workers), self.memory(workers)
        each = f" ({size_text(self.worker_bytes)} each)" if number > 1 else ""
        text = (
            f"expected: {duration_text(self.time(workers))} and {size_text(memory)} of memory "
            f"with {counted(number, 'worker')}{each}"
        )
        available = usable_memory()
        if available is None or memory <= available:
            return text
        workers = self.workers_that_fit(available)
        return f"{text}; this machine has {size_text(available)}: use -j {workers}"

    def workers_that_fit(self, available: int) -> int:
        """How many workers fit so many bytes; at least 1."""
        main = PROCESS_BYTES + MATPLOTLIB_BYTES + self.tables
        return max(1, min(len(self.stacks), (available - main) // self.worker_bytes))


def estimate(networks: Iterable[Network], counts: Counts, workers: int = 1) -> Estimate | None:
    """What networks need if so many workers train them; None without a network to train.

    counts: the data sets; networks of others are left out. The networks have passed `check_sizes`.
    """
    known = [network for network in networks if network.setting.data.name in counts]
    if not known:
        return None
    by_setting: dict[tuple[int, ...], StackNeeds] = {}  # settings share their parts
    by_model: dict[tuple[Any, ...], Scoring] = {}
    stacks, needs = make_stacks(known, workers), []
    for stack in stacks:
        setting = stack.networks[0].setting
        key = (*_parts(setting), len(stack.networks))
        if key not in by_setting:
            images = counts[setting.data.name]
            model = id(setting.model), setting.train.precision, images.classes
            if model not in by_model:
                by_model[model] = scoring_of(stack.networks[0], images.classes)
            by_setting[key] = stack_needs(stack.networks, images, by_model[model])
        needs.append(by_setting[key])
    rows = plan_rows(known, counts)
    evaluations, readings = sum(row[0] for row in rows), sum(row[1] for row in rows)
    largest = max(range(len(stacks)), key=lambda i: needs[i].bytes)
    first = stacks[largest].networks[0]
    return Estimate(
        evaluations,
        readings,
        (ROW_BYTES + METRIC_BYTES * metric_columns(first.setting)) * evaluations
        + READING_BYTES * readings,
        needs[largest],
        first,
        needs,
    )


def _parts(setting: Setting) -> tuple[int, ...]:
    """What tells settings of a plan apart, which share the objects that do not differ."""
    return tuple(id(getattr(setting, name)) for name in Setting.model_fields)


def length_of(network: Network, counts: Counts) -> TrainingLength:
    """How long a network is trained."""
    data = network.setting.data
    return training_length(network, counts[data.name].train - data.validation)


def plan_rows(networks: Sequence[Network], counts: Counts) -> list[tuple[int, int]]:
    """How many rows of metrics.csv and of probes.csv each network has."""
    by_setting: dict[tuple[int, ...], tuple[int, int]] = {}
    for network in networks:
        key = _parts(network.setting)
        if key not in by_setting:
            length = length_of(network, counts)
            images = counts[network.setting.data.name]
            probed = length.probed * readings_of_step(network.setting, images)
            by_setting[key] = length.scored, probed
    return [by_setting[_parts(network.setting)] for network in networks]


# Networks that a device trains side by side, where they fit: more are no faster.
DEVICE_STACK = 4096
# What arrays may take of its free memory: the rest is for what the libraries keep, and the error of
# the estimate. Of the memory of this machine, where stacks are drawn before they are moved.
DEVICE_SHARE, DRAWING_SHARE = 0.7, 0.4


def device_stacks(counts: Counts, free: int) -> StackSize:
    """How many networks of a structure are trained side by side on a device, for `make_stacks`.

    counts: the data sets of the networks. free: the bytes that are free on the device.
    """
    limits = [DEVICE_SHARE * free]
    if (memory := usable_memory()) is not None:
        limits.append(DRAWING_SHARE * memory)

    def size(networks: Sequence[Network]) -> int:
        images = counts[networks[0].setting.data.name]
        needs = stack_needs(networks, images, scoring_of(networks[0], images.classes))
        each = (needs.bytes - needs.images) / len(networks)
        return max(1, min(DEVICE_STACK, int((min(limits) - needs.images) / each)))

    return size


def metric_columns(setting: Setting) -> int:
    """How many metrics a row of metrics.csv has."""
    return len(make_metrics(setting)) * 2


def readings_of_step(setting: Setting, images: ImageCounts) -> int:
    """How many numbers the probes read of a network at one step, with such images.

    A user's probe that does not say where it reads has one number for each quantity and layer.
    """
    number = 0
    for probe, grids in probe_grids(setting):
        if grids is not None:
            number += sum(len(grid.layers) * len(grid.at) for grid in grids)
        elif hasattr(probe, "numbers"):
            network = blank_architecture(setting, images.classes)
            number += probe.numbers(network, images.image_shape, images.classes)
        else:
            layers = sites(blank_architecture(setting, CLASSES))
            number += len(getattr(probe, "quantity_names", ("any",))) * len(layers)
    return number


@dataclass(frozen=True)
class Scoring:
    """How networks of an architecture are scored, see `bnexp.nn.Sequential`.

    chunk: how many images at once, None for all. population: whether statistics are averaged over
    batches first. calibrates: whether images are looked at before training.
    """

    chunk: int | None
    population: bool
    calibrates: bool


def scoring_of(network: Network, classes: int) -> Scoring:
    """How a network is scored."""
    architecture = blank_architecture(network.setting, classes)
    population, calibrates = "population" in architecture.evaluations, architecture.calibrates
    if network.place is not None and network.setting.train.precision == "float64":
        architecture = replay(architecture)
    return Scoring(architecture.chunk, population, calibrates)


def stack_needs(networks: Sequence[Network], counts: ImageCounts, scoring: Scoring) -> StackNeeds:
    """What a stack of networks needs, for a data set of these images."""
    network, stack = networks[0], len(networks)
    setting, train = network.setting, network.setting.train
    width = np.dtype(train.precision).itemsize
    length = length_of(network, {setting.data.name: counts})
    tests = setting.data.validation or setting.data.test
    tests = counts.test if tests == "all" else tests
    scored = {"all": length.images, "batch": train.batch_size}.get(
        str(train.evaluate_train), train.evaluate_train
    )
    pixels = math.prod(counts.image_shape)
    sizes = list(setting.model.layer_sizes(counts.image_shape, counts.classes))
    probed = _passes(setting)

    # What the layers make of an image: `kept` until the backward pass, where gradients of the
    # largest layer are added to it; in evaluation only what two neighboring layers make.
    outputs = [_outputs(setting, size, size is sizes[-1]) for size in sizes]
    kept = sum(outputs) + sum(_cached(setting, size, size is sizes[-1]) for size in sizes)
    largest = max(2 * size.outputs + (i and size.patches) for i, size in enumerate(sizes))
    made = [pixels, *(size.patches + 2 * size.outputs for size in sizes)]
    moved = max(map(sum, itertools.pairwise(made)))
    shared = 1 if len({each.seed for each in networks}) == 1 else stack
    batch = stack * (kept + 2 * largest + 2 * probed * sum(outputs)) + shared * pixels

    weights = sum(size.weights for size in sizes) + _normalizers(setting, sizes)
    heaviest = max(size.weights for size in sizes)
    arrays = len(instantiate(train.optimizer).init({"W": np.zeros((1, 1, 1))}))
    drawn = weights * (8 + width) + heaviest * 16
    ahead = 1 + arrays if probed else 0  # the parameters after the next step, and what made them
    trained = (weights * (3 + 2 * arrays + probed + ahead) + 2 * heaviest) * width
    compared = 24 * weights if probed > 1 else 0  # gradients of one network, in float64
    rounds = len({(each.seed, each.place.round) for each in networks if each.place})

    most = max(tests, int(scored))
    at_once = min(scoring.chunk or most, most)
    side_by_side = stack if scoring.chunk else 1
    evaluated = at_once * (side_by_side * moved + pixels) + stack * weights
    if scoring.calibrates:
        evaluated = max(evaluated, CALIBRATION * 2 * moved)
    images = int(scored) + tests
    if scoring.population:
        images += min(length.images, POPULATION_BATCHES * train.batch_size)
    numbers = length.scored * metric_columns(setting)
    numbers += length.probed * readings_of_step(setting, counts)
    return StackNeeds(
        images=_image_bytes(network, counts, (length.images, tests), width),
        parameters=stack * max(drawn, trained) + compared,
        batch=train.batch_size * batch * width,
        evaluation=evaluated * width,
        results=stack * numbers * RECORDED_BYTES
        + rounds * length.steps * (8 * train.batch_size + 100),
        seconds=partial(
            _seconds, setting, length, sizes, kept, stack, images, at_once, side_by_side, arrays
        ),
    )


def _seconds(
    setting: Setting,
    length: TrainingLength,
    sizes: Sequence[LayerSize],
    kept: int,
    stack: int,
    images: int,
    at_once: int,
    side_by_side: int,
    arrays: int,
) -> float:
    """The seconds that a stack takes on one core.

    kept: the numbers that the layers make of an image. images: how many are scored, `at_once` of
    them together by networks `side_by_side`. arrays: of the optimizer, for each parameter.

    Of a batch three products are computed for each that is computed of an image that is scored: the
    forward one, and those for the gradients of weights and inputs.
    """
    train = setting.train
    width = np.dtype(train.precision).itemsize / 4
    products = sum(size.products for size in sizes)
    weights = sum(size.weights for size in sizes)
    product, number = 2 * width / product_rate(), NUMBER_SECONDS * width
    layers = len(sizes) * (3 + (setting.model.norm is not None) * 4)
    # Arrays beyond MAPPED_BYTES are given back at once; the system fills new pages with zeros.
    array = 4 * width * max(max(size.patches, size.outputs) for size in sizes)
    page = 4 * width * kept * PAGE_SECONDS
    image = products * product + kept * number * 2
    image += page if array * at_once * side_by_side > MAPPED_BYTES else 0
    batch = (3 * products - sizes[0].products) * product + kept * number * 6
    batch += 2.5 * page if array * train.batch_size * stack > MAPPED_BYTES else 0
    step = train.batch_size * stack * batch
    step += stack * weights * (2 + 2 * arrays) * UPDATE_SECONDS * width + layers * 8 * CALL_SECONDS
    evaluation = (
        images * stack * image
        + math.ceil(images / at_once) * layers * 3 * CALL_SECONDS
        + 20 * CALL_SECONDS
    )
    probing = length.probed * (step + layers * 20 * CALL_SECONDS * stack) * _passes(setting)
    drawing = stack * weights * DRAW_SECONDS
    return drawing + length.steps * step + length.scored * evaluation + probing


@lru_cache(maxsize=1)
def product_rate() -> float:
    """Floating-point operations a second of float32 products on one core, of a layer's size.

    The fastest of some tries: whatever else the machine does only takes time.
    """
    x, weights = np.ones((8, 100, 784), np.float32), np.ones((8, 784, 100), np.float32)
    seconds = math.inf
    with one_blas_thread():
        for _ in range(8):
            started = time.perf_counter()
            np.matmul(x, weights)
            seconds = min(seconds, time.perf_counter() - started)
    return 2 * x.size * weights.shape[-1] / seconds


def _outputs(setting: Setting, size: LayerSize, is_last: bool) -> int:
    """How many numbers a layer, and each one that follows it, return for an image, added up."""
    model = setting.model
    after = 1 + _normalizes(setting) + (model.dropout is not None)
    return size.outputs * (1 + after * (size.weights > 0 and not is_last))


def _cached(setting: Setting, size: LayerSize, is_last: bool) -> int:
    """How many more numbers of an image they keep for the backward pass, besides outputs."""
    if not size.weights:
        return size.inputs
    if is_last:  # the softmax and its gradient
        return 2 * size.outputs
    return size.patches + size.outputs * (
        _normalizes(setting) + (setting.model.dropout is not None)
    )


def _normalizes(setting: Setting) -> bool:
    """Whether activations are normalized, and not weights only."""
    norm = setting.model.norm
    return norm is not None and not hasattr(instantiate(norm), "around")


def _normalizers(setting: Setting, sizes: Sequence[LayerSize]) -> int:
    """How many numbers normalizers have: of images perhaps several for each that a layer makes."""
    norm = setting.model.norm
    if norm is None or getattr(instantiate(norm), "spatial", "channel") == "channel":
        return 0
    return 4 * sum(size.outputs for size in sizes[:-1] if size.weights)


OF_ONE_PASS = Layers | Histogram | Percentiles | Filters | Confusion


def _passes(setting: Setting) -> int:
    """How many passes over a batch, forward and back, the probes keep at one time."""
    passes = 0
    for options in setting.probes.read if setting.probes else ():
        probe: Any = instantiate(options)
        if isinstance(probe, Landscape):
            passes = max(passes, 1 + len(probe.steps))
        else:
            passes = max(passes, 1 if isinstance(probe, OF_ONE_PASS) else 2)
    return passes


def _image_bytes(network: Network, counts: ImageCounts, used: Sequence[int], width: int) -> int:
    """The bytes of the data set, and of the images that are used, as numbers if they are kept."""
    data, pixels = network.setting.data, math.prod(counts.image_shape)
    total = (counts.train + counts.test) * pixels * 2  # the file's bytes, and what is read of them
    if data.draw == "seed":  # the images in another order: all, or those that the book's code uses
        total += sum(used) * pixels if network.place else total // 2
    facts = DATASETS.get(data.name)
    for number in used:
        if facts is not None and facts.values is not None:
            total += number * pixels * (4 + width)
        elif number * pixels * width <= KEPT_BYTES:
            total += number * pixels * width
        elif data.pixels == "binary":
            total += number * pixels
    return total


def check_sizes(config: Config, networks: Sequence[Network], counts: Counts) -> None:
    """ConfigError for too few images, for networks too large for them, or for too many rows.

    counts: the data sets of the networks. It is called before anything is made that is as long as
    the training or as large as a layer.
    """
    checked: set[tuple[int, ...]] = set()
    for network in networks:
        setting, images = network.setting, counts[network.setting.data.name]
        if _parts(setting) in checked:
            continue
        checked.add(_parts(setting))
        try:
            check_counts(setting, images)
            for problem in size_problems(setting, images.image_shape, images.classes):
                raise SettingError(problem.path, problem.text)
        except SettingError as error:
            raise setting_error(error, network, config) from None
    if networks:
        _check_rows(config, networks, plan_rows(networks, counts))


def _check_rows(
    config: Config, networks: Sequence[Network], rows: Sequence[tuple[int, int]]
) -> None:
    """ConfigError for a table of more rows than could be read back."""
    leading = 40 + sum(len(str(label)) + 1 for label in networks[0].point.values())
    metrics = leading + 20 * metric_columns(networks[0].setting)
    tables = (("metrics.csv", "evaluations", metrics), ("probes.csv", "readings", leading + 60))
    for i, (table, what, row) in enumerate(tables):
        total, limit = sum(each[i] for each in rows), MAX_BYTES // row
        if total <= limit:
            continue
        most = max(range(len(networks)), key=lambda k: rows[k][i])
        key = ("train", "evaluate")
        if what == "readings":
            probes = networks[most].setting.probes
            key = ("probes", "at") if probes and probes.at is not None else ("probes", "read")
        text = (
            f"too many {what}, expected at most {limit:,} rows of {table} ({size_text(MAX_BYTES)}, "
            f"which bnexp can read), got {total:,} of {counted(len(networks), 'network')}, up to "
            f"{rows[most][i]:,} each; choose fewer steps, or sweep over fewer values"
        )
        raise setting_error(SettingError(key, text), networks[most], config)


# What a stack needs memory for: the key that decides it, and what it is in words.
PARTS: Mapping[str, tuple[str, str]] = {
    "images": ("data", "the images"),
    "parameters": ("model", "parameters, gradients and optimizer"),
    "batch": ("train.batch_size", "the layers of a batch"),
    "evaluation": ("model", "the images that are scored at once"),
    "results": ("train.evaluate", "evaluations and readings"),
}


def check_memory(config: Config, needs: Estimate, workers: int = 1) -> None:
    """ConfigError where so many workers need more memory than this machine has.

    workers: 0 where they run on other machines.
    """
    available = usable_memory()
    if available is None or needs.memory(workers) <= available:
        return
    if workers > 1 and needs.memory(1) <= available:
        raise ConfigError(
            f"jobs: too many workers for the memory of this machine, expected at most "
            f"{size_text(available)}, got about {size_text(needs.memory(workers))} for "
            f"{needs.busy_workers(workers)} workers; use fewer "
            f"(-j {needs.workers_that_fit(available)})"
        )
    sizes = {name: getattr(needs.largest, name) for name in PARTS if workers}
    sizes["tables"] = needs.tables
    part = max(sizes, key=lambda name: sizes[name])
    key, what = PARTS.get(part, ("train.evaluate", "the tables of results"))
    if key == "model":
        key = "model.hidden" if needs.network.setting.model.kind == "mlp" else "model.blocks"
    text = (
        f"too large for this machine, expected at most {size_text(available)} of memory, got about "
        f"{size_text(needs.memory(min(workers, 1)))}, of which {size_text(sizes[part])} for {what}"
    )
    raise setting_error(SettingError(tuple(key.split(".")), text), needs.network, config)


def size_text(number: float) -> str:
    """A number of bytes with two digits.

    >>> size_text(310_400_000), size_text(12_600_000_000), size_text(999_999)
    ('310 MB', '13 GB', '1 MB')
    """
    rounded = float(f"{number:.2g}")
    if rounded < 1e9:
        return f"{max(rounded / 1e6, 1):.0f} MB"
    return f"{rounded / 1e9:.2g} GB" if rounded < 1e12 else f"{rounded / 1e9:,.0f} GB"


def duration_text(seconds: float) -> str:
    """A time with one digit: it is rough.

    >>> duration_text(42), duration_text(100), duration_text(9000), duration_text(400_000)
    ('about 40 s', 'about 2 min', 'about 2 h', 'about 5 days')
    """
    for length, unit, most in ((1, "s", 90), (60, "min", 90), (3600, "h", 48), (86400, "days", 0)):
        if seconds < most * length or not most:
            number = float(f"{seconds / length:.1g}")
            return f"about {max(number, 1):,.0f} {unit}"
    raise AssertionError
