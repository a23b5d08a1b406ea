"""`Model`, one trained network: `fit` trains it; it predicts and scores, is saved and loaded.

A model has the numbers that the same network has in a run, to the last bit. Its file is a header
(setting, seed, shape of an image, number of classes) with the parameters and the running statistics
of each layer as arrays; `load_model` accepts only arrays that fit the setting.

The file has the format of `bnexp.files.encode_npz`, under the name "bnexp_network". Header keys are
format, setting (as plain values, every default stated), seed, shape and classes. Arrays are
parameters/I/NAME and state/I/NAME of layer I, (1, ...), in the precision of training, and `offset`
(float64) if pixels are centred. Loading runs no code from the file: nothing is unpickled, the
setting is validated like a configuration, and arrays must have the shapes that it asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os.path import expanduser
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bnexp import files, nn
from bnexp.config import Config
from bnexp.config.architecture import Mlp
from bnexp.config.document import axis_paths
from bnexp.config.experiment import Count, Seed, Setting, plain_values
from bnexp.config.load import ExperimentSource, loaded_config, override, with_arrays
from bnexp.config.messages import SettingError, dotted
from bnexp.config.options import Strict
from bnexp.config.rules import MAX_WEIGHTS, setting_problems
from bnexp.config.stored import Misfit, validate
from bnexp.data.bytes import MASKED
from bnexp.data.datasets import DATASETS, count_images, data_folder
from bnexp.data.idx import check_data_dir
from bnexp.errors import BnexpError, ConfigError, StoreError
from bnexp.estimate import check_memory, check_sizes, estimate
from bnexp.execution.blas import one_blas_thread
from bnexp.execution.build import (
    blank_architecture,
    check_arithmetic,
    check_classes,
    check_counts,
    check_shapes,
    make_metrics,
)
from bnexp.execution.task import Trained, dataset, train_networks
from bnexp.files import read_file, write_file
from bnexp.nn.loss import Labels
from bnexp.runs.columns import Columns
from bnexp.runs.tables import Axis, plan_axes
from bnexp.runs.where import SeveralValues, WhereError, select_values
from bnexp.sweep import Network, make_plan, setting_error
from bnexp.text import integers
from bnexp.training import Images, evaluate, logits_of
from bnexp.training.evaluation import evaluation_state
from bnexp.training.schedule import make_schedule

FORMAT = 1
KIND = "bnexp_network"
MAX_CLASSES = 256  # labels are bytes
IF_OWN = "; if it is your own, import the module that registers it first"


@dataclass(frozen=True)
class Model:
    """A trained network.

    setting: the part of the config that it was made from. seed: its seed. shape: that of one image,
    (H, W) or (H, W, C). classes: the number of classes. parameters, state: weights and running
    statistics of each layer, with a leading axis of length 1. offset: the mean image, which is
    subtracted from each image if the training images were centred. history: its evaluations, a
    table with the columns epoch, step, train_loss, train_accuracy and those of other metrics and of
    test images, if they were scored; empty for a model that was loaded from a file.
    """

    setting: Setting
    seed: int
    shape: tuple[int, ...]
    classes: int
    parameters: tuple[nn.Parameters, ...]
    state: tuple[nn.State, ...]
    offset: NDArray[np.float64] | None = None
    history: Columns = field(default_factory=Columns, compare=False)

    def __repr__(self) -> str:
        norm = self.setting.model.norm
        numbers = sum(array.size for layer in self.parameters for array in layer.values())
        return (
            f"Model({self.setting.model.kind}, norm {norm.kind if norm else 'none'}, "
            f"seed {self.seed}: images {self.shape} to {self.classes} classes, "
            f"{numbers:,} parameters)"
        )

    @property
    def network(self) -> nn.Sequential:
        """The layers, without parameters.

        They are made anew by each call. All weights that they would draw are 0; `parameters`
        replace them.
        """
        return blank_architecture(self.setting, self.classes)

    def logits(self, images: Any) -> NDArray[np.floating]:
        """Logits (n, classes) of images (n, H, W), (n, H, W, C) or (n, H * W * C).

        Whole numbers are bytes from 0 to 255, other numbers pixels in [0, 1]. Raises ConfigError
        for images of another size.

        The logits have the precision of training, float32 or float64. Layers work as in evaluation:
        dropout is off, and normalizers use the statistics that their setting asks for. Pixels are
        prepared as in training: made binary or centred if `data.pixels` says so.
        """
        pixels = self._check_pixels(images)
        if not len(pixels):
            return np.zeros((0, self.classes), self.setting.train.precision)
        prepared = self._prepare(pixels, np.zeros(len(pixels), np.int64))
        with _arithmetic_of_runs():
            stack = logits_of(self.network, self.parameters, self.state, prepared)
        logits: NDArray[np.floating] = stack[0]
        return logits

    def probabilities(self, images: Any) -> NDArray[np.floating]:
        """The softmax of the logits, (n, classes); takes what `logits` takes.

        Each row sums to 1 up to rounding. A network that diverged has NaN. Raises what `logits`
        raises.
        """
        logits = self.logits(images)
        with np.errstate(all="ignore"):
            exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
            shares: NDArray[np.floating] = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return shares

    def predict(self, images: Any) -> NDArray[np.int64]:
        """The likeliest class of each image, (n,); takes what `logits` takes.

        If several are equally likely, the first of them. Raises what `logits` raises.
        """
        classes: NDArray[np.int64] = self.logits(images).argmax(axis=-1)
        return classes

    def score(self, images: Any, labels: Any) -> dict[str, float]:
        """Mean cross-entropy in nats and accuracy in [0, 1], as {"loss": ..., "accuracy": ...}.

        The metrics of `train.metrics` are in it, too. Images are those that `logits` takes, labels
        (n,) whole numbers below `classes`. Raises ConfigError for images of another size and for
        labels that do not belong to them.

        For the test images that the experiment uses, these are the numbers of the run's last
        evaluation.
        """
        pixels = self._check_pixels(images)
        prepared = self._prepare(pixels, self._check_labels(labels, len(pixels)))
        with _arithmetic_of_runs():
            metrics = make_metrics(self.setting)
            scores = evaluate(self.network, self.parameters, self.state, prepared, metrics)
        return {name: float(values[0]) for name, values in scores.items()}

    @property
    def _byte_values(self) -> Callable[[], NDArray[np.float32]] | None:
        """The numbers that bytes stand for in the data set; None for byte / 255."""
        facts = DATASETS.get(self.setting.data.name)
        return facts.values if facts else None

    def _check_pixels(self, images: Any) -> NDArray[Any]:
        """Images as (n, *shape), bytes or pixels in [0, 1]; ConfigError for anything else.

        If the data set gives bytes other values, pixels may be any real numbers.
        """
        pixels, size = _real_array("images", images), math.prod(self.shape)
        if pixels.ndim < 2 or math.prod(pixels.shape[1:]) != size:
            raise ConfigError(
                f"images: expected {size} pixels each, (n, {', '.join(map(str, self.shape))}), "
                f"got {pixels.shape}"
            )
        pixels = pixels.reshape(len(pixels), *self.shape)
        if not np.issubdtype(pixels.dtype, np.integer):
            limited = self._byte_values is None
            if pixels.size and limited and not (pixels.min() >= 0 and pixels.max() <= 1):
                if ((pixels >= 0) & (pixels <= 255) & (pixels == np.rint(pixels))).all():
                    return pixels.astype(np.uint8)
                raise ConfigError(
                    "images: expected pixels in [0, 1], or whole numbers from 0 to 255, got "
                    f"{pixels.min():g} to {pixels.max():g}; divide bytes by 255"
                )
            return pixels
        if pixels.size and (pixels.min() < 0 or pixels.max() > 255):
            raise ConfigError(
                "images: expected whole numbers from 0 to 255, got "
                f"{pixels.min()} to {pixels.max()}"
            )
        return pixels.astype(np.uint8)

    def _check_labels(self, labels: Any, number: int) -> Labels:
        """The labels of `number` images; ConfigError unless they are whole numbers in range."""
        array = _real_array("labels", labels)
        if array.shape != (number,) or not number:
            raise ConfigError(
                f"labels: expected one for each of {number} images, and at least one image, "
                f"got {array.shape}"
            )
        is_integer = np.issubdtype(array.dtype, np.integer)
        if not is_integer or array.min() < 0 or array.max() >= self.classes:
            got = f"{array.min()} to {array.max()}" if is_integer else array.dtype
            expected = f"whole numbers from 0 to {self.classes - 1}"
            raise ConfigError(f"labels: expected {expected}, got {got}")
        return array.astype(np.int64)

    def _prepare(self, pixels: NDArray[Any], labels: Labels) -> Images:
        """The images as in training: binary pixels, rows for an MLP, less the mean image."""
        if self.setting.data.pixels == "binary":
            black = 128 if pixels.dtype == np.uint8 else 128 / 255
            pixels = np.where(pixels >= black, np.uint8(255), np.uint8(0))
        elif self._byte_values is not None and pixels.dtype == np.uint8:
            pixels = self._byte_values()[pixels]
        if isinstance(self.setting.model, Mlp):
            pixels = pixels.reshape(len(pixels), -1) if len(pixels) else pixels
        with np.errstate(over="ignore"):
            return Images(pixels, labels, self.setting.train.precision, self.offset)


def _real_array(name: str, values: Any) -> NDArray[Any]:
    """The values as an array; ConfigError unless they are real numbers."""
    if isinstance(values, np.ma.MaskedArray):
        raise ConfigError(f"{name}: {MASKED}")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ConfigError(f"{name}: expected an array, {error}") from None
    if array.dtype.kind not in "biuf":
        raise ConfigError(f"{name}: expected real numbers, got {array.dtype}")
    return array


def fit(
    config: Config | ExperimentSource,
    point: Mapping[str, Any] | None = None,
    seed: int | None = None,
    data_dir: str | Path | None = None,
    *,
    data: Any = None,
    device: str = "cpu",
) -> Model:
    """Train one network of an experiment and return it; its numbers are those of `bnexp.run`.

    config: what `load_config` returns, or what it takes.
    point: selects values of swept keys as the `where` of a claim or a figure does (see
        `bnexp.runs.where`); may be left out if there is one point. A value that the sweep does not
        have takes the place of the key's values, and a key that is not swept is set, so that any
        network can be trained: {"model.init.std": 0.1, "train.epochs": 3}.
    seed: any seed; may be left out if the experiment has one.
    data_dir: the folder of the data sets.
    data: arrays (x, y) or (x, y, x_test, y_test) in place of the data set, as for `bnexp.run`;
        `Model.history` has the scores of the test images.
    device: cpu or cuda, as for `bnexp.run`; the model is on the CPU in any case.

    Raises ConfigError if point and seed do not name one network, or for a key or a value that an
    experiment cannot have; DataError if the data set is missing or damaged.

    >>> from bnexp.data import load
    >>> config = {"extends": "quickstart", "data": {"name": "synthetic", "train": 200}}
    >>> point = {"model.norm": "batch", "model.init.std": 0.12, "train.epochs": 2}
    >>> model = fit(config, point, seed=7)
    >>> model.history["step"].tolist(), model.setting.model.init.std
    ([1, 3], 0.12)
    >>> images = load("synthetic").test_images[:3]
    >>> model.shape, model.logits(images).shape, model.predict(images).dtype.name
    ((28, 28, 1), (3, 10), 'int64')

    The network is trained from its first step, whatever a run directory holds; nothing is written.
    It trains in this process with one BLAS thread.
    """
    config, arrays = loaded_config(config), None
    if data is not None:
        config, arrays = with_arrays(config, data)
    config, point = _with_values(config, point or {}, seed)
    network = select_single_network(config, point, seed)
    setting = network.setting
    check_data_dir(data_dir)
    folder = data_folder(data_dir)
    loaded = arrays or dataset(setting.data.name, folder)
    counts = count_images(loaded)
    check_sizes(config, [network], {setting.data.name: counts})
    try:
        check_arithmetic(network, device)
        check_counts(setting, counts)
        check_shapes(setting, counts)
        check_classes(network, loaded)
        make_schedule(network, counts.train - setting.data.validation)
    except SettingError as error:
        raise setting_error(error, network, config) from None
    if needs := estimate([network], {setting.data.name: counts}):
        check_memory(config, needs)
    with _arithmetic_of_runs():
        trained = train_networks((network,), loaded, device=device)
        history = trained.history
        state = evaluation_state(
            trained.network,
            history.parameters,
            history.state,
            trained.images,
            setting.train.batch_size,
        )
    return Model(
        setting,
        network.seed,
        loaded.train_images.shape[1:],
        loaded.classes,
        tuple(trained.full_parameters(history.parameters)),
        tuple(state),
        trained.offset,
        _history(trained),
    )


def _history(trained: Trained) -> Columns:
    """The evaluations of the one network of a stack, as a table."""
    history = trained.history
    steps = np.asarray(history.steps, np.int64)
    scores = {name: values[0] for name, values in history.metrics.items()}
    return Columns({"epoch": steps // trained.per_epoch, "step": steps, **scores})


def _with_values(
    config: Config, point: Mapping[str, Any], seed: int | None
) -> tuple[Config, dict[str, Any]]:
    """The config with what the point and the seed have and it has not; the rest of the point.

    A value that the sweep lacks is set in place of the axis, a key that is not swept beside it.
    """
    axes = plan_axes(make_plan(config))
    values: dict[str, Any] = {}
    selected: dict[str, Any] = {}
    for key, value in point.items():
        if _is_selector(key, value, axes):
            selected[key] = value
            continue
        if path := axis_paths(config.document).get(key):
            values[".".join(path)] = None
        values[key] = value
    if seed is not None and seed not in config.experiment.random.seeds:
        values["random.seeds"] = [seed]
    return (override(config, values) if values else config), selected


def _is_selector(key: str, value: Any, axes: Sequence[Axis]) -> bool:
    """Whether this selects values of an axis, or could be meant for nothing else."""
    try:
        select_values({key: value}, axes)
    except SeveralValues:
        return True
    except WhereError:
        return isinstance(value, Mapping) and {*value} <= {"at_least", "at_most"}
    return True


@contextmanager
def _arithmetic_of_runs() -> Iterator[None]:
    """As in a run: one BLAS thread, and no warnings, as divergence is a result.

    The last bits of a product depend on the number of threads.
    """
    with one_blas_thread(), np.errstate(all="ignore"):
        yield


def select_single_network(config: Config, point: Mapping[str, Any], seed: int | None) -> Network:
    """The one network that `point` and `seed` select; ConfigError if there is none or several."""
    plan = make_plan(config)
    try:
        values = select_values(point, plan_axes(plan))
    except WhereError as error:
        place = dotted(error.path) if error.path else "point"
        raise ConfigError(f"fit: {place}: {error.text}") from None
    networks = [
        network
        for network in plan.networks
        if seed in (None, network.seed)
        and all(network.point[key] in selected for key, selected in values.items())
    ]
    if len(networks) == 1:
        return networks[0]
    swept = "; ".join(f"{axis.key}: {', '.join(map(str, axis.labels))}" for axis in plan.axes)
    seeds = integers(config.experiment.random.seeds)
    raise ConfigError(
        f"fit: expected a point and a seed that name one network, got {len(networks)}; "
        f"{swept + '; ' if swept else ''}seeds: {seeds}"
    )


def save_model(model: Model, path: str | Path) -> Path:
    """Write the model to `path`, whole or not at all, and return the path.

    Raises StoreError if that fails.

    By convention the path ends in .npz, which NumPy can read; the ending is not added or checked.
    An existing file is replaced.
    """
    header = {
        "format": FORMAT,
        "setting": plain_values(model.setting),
        "seed": model.seed,
        "shape": model.shape,
        "classes": model.classes,
    }
    arrays = files.flatten_layers(parameters=model.parameters, state=model.state)
    arrays |= {} if model.offset is None else {"offset": model.offset}
    path = Path(expanduser(path))
    write_file(path, files.encode_npz(KIND, header, arrays))
    return path


def load_model(path: str | Path) -> Model:
    """The model that `save_model` wrote.

    Raises StoreError if the file cannot be read, is damaged, of another format, or has arrays that
    do not fit its setting; ConfigError if this bnexp does not know the setting.

    The loaded model predicts the same bits as the saved one on the same machine and software. A
    setting with a user's own class needs the module that registers it to be imported before.
    """
    path = Path(expanduser(path))
    content = read_file(path)
    if content is None:
        raise StoreError(f"{path}: no such file, expected one that save_model wrote")
    header, arrays = files.decode_npz(KIND, FORMAT, content, path)
    try:
        return _decode_model(header, arrays, path)
    except BnexpError:
        raise
    except Exception as error:  # a layer's init may raise of many kinds
        raise _damaged(path, f"expected what save_model wrote: {error}") from None


def _damaged(path: Path, text: str) -> StoreError:
    return StoreError(f"{path}: damaged, {text}; train and save the model again")


class _Header(Strict):
    """The header of a model's file."""

    format: int
    setting: dict[str, Any]
    seed: Seed
    shape: Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=3)]
    classes: Annotated[int, Field(ge=1, le=MAX_CLASSES)]


def _decode_model(header: Mapping[str, Any], arrays: dict[str, NDArray[Any]], path: Path) -> Model:
    """The model that the header describes, with the arrays of the file.

    Each layer's `init` with a blank initializer says which arrays it needs and of which shapes; the
    file must have exactly these. A network of more than MAX_WEIGHTS inputs to a layer is refused
    before its arrays are made.
    """
    try:
        facts = validate(_Header, header)
    except Misfit as misfit:
        raise _damaged(path, str(misfit)) from None
    try:
        setting = validate(Setting, facts.setting)
    except Misfit as misfit:
        hint = IF_OWN if misfit.kind in ("union_tag_invalid", "literal_error") else ""
        raise ConfigError(f"{path}: setting: {misfit}{hint}") from None
    if problems := setting_problems(setting, "independent"):
        first = problems[0]
        hint = IF_OWN if first.path == ("data", "name") else ""
        raise ConfigError(f"{path}: setting: {dotted(first.path)}: {first.text}{hint}")
    precision = np.dtype(setting.train.precision)
    unread = dict(arrays)

    def take(name: str, start: NDArray[Any]) -> NDArray[Any]:
        """The array of this name; StoreError unless it has the shape and the type of training."""
        array = unread.pop(name, None)
        if array is None:
            raise _damaged(path, f"{name}: missing, expected {(1, *start.shape)}, got nothing")
        dtype = precision if np.issubdtype(start.dtype, np.floating) else start.dtype
        shape = (1, *start.shape)
        if (array.shape, array.dtype) != (shape, dtype):
            got = f"got {array.shape} {array.dtype}"
            raise _damaged(path, f"{name}: does not fit, expected {shape} {dtype}, {got}")
        return array

    input_shape = (math.prod(facts.shape),) if isinstance(setting.model, Mlp) else facts.shape
    parameters: list[nn.Parameters] = []
    state: list[nn.State] = []
    shape, shortcuts = input_shape, nn.Shortcuts()
    for i, layer in enumerate(blank_architecture(setting, facts.classes).layers):
        if math.prod(shape) > MAX_WEIGHTS:
            raise ValueError("too large")
        outputs, *starts = layer.init(np.random.default_rng(0), shortcuts.join(layer, shape))
        shape = shortcuts.split(layer, outputs)
        for part, start, layers in zip(
            ("parameters", "state"), starts, (parameters, state), strict=True
        ):
            layers.append(
                {name: take(f"{part}/{i}/{name}", array) for name, array in start.items()}
            )
    offset = None
    if setting.data.pixels == "centred":
        offset = unread.pop("offset", None)
        if offset is None or (offset.shape, offset.dtype) != (input_shape, np.dtype(np.float64)):
            expected = f"expected {input_shape} float64"
            raise _damaged(path, f"offset: missing or of another shape, {expected}")
        if not np.isfinite(offset).all():
            raise _damaged(path, "offset: expected finite numbers, got others")
    if unread:
        raise _damaged(path, f"{min(unread)}: expected no array of this name, got one")
    return Model(
        setting, facts.seed, facts.shape, facts.classes, tuple(parameters), tuple(state), offset
    )
