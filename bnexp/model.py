"""One trained network: train it, predict, score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from threadpoolctl import threadpool_limits

from bnexp import files, nn
from bnexp.config import Config, load_config
from bnexp.config.architecture import Mlp
from bnexp.config.experiment import Count, Seed, Setting, plain_values, refresh
from bnexp.config.messages import dotted
from bnexp.config.options import Strict
from bnexp.config.rules import MAX_WEIGHTS, setting_problems
from bnexp.data.datasets import DATASETS, data_folder
from bnexp.errors import BnexpError, ConfigError, StoreError
from bnexp.execution.build import blank_architecture, check_shapes, make_metrics
from bnexp.execution.task import dataset, train_networks
from bnexp.files import read_file, write_file
from bnexp.nn.loss import Labels
from bnexp.runs.tables import plan_axes
from bnexp.runs.where import WhereError, select_values
from bnexp.sweep import Network, make_plan
from bnexp.training import Images, evaluate, logits_of
from bnexp.training.evaluate import evaluation_state


def pixels_of(images: Any, shape: tuple[int, ...], any_number: bool = False) -> NDArray[Any]:
    """Images as (n, *shape), bytes or pixels in [0, 1]; ConfigError for anything else.

    With `any_number` pixels are any real numbers.
    """
    pixels, size = _array("images", images), math.prod(shape)
    if pixels.ndim < 2 or math.prod(pixels.shape[1:]) != size:
        raise ConfigError(
            f"images: expected {size} pixels each, (n, {', '.join(map(str, shape))}), "
            f"got {pixels.shape}"
        )
    pixels = pixels.reshape(len(pixels), *shape)
    if not np.issubdtype(pixels.dtype, np.integer):
        if pixels.size and not any_number and not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ConfigError(
                "images: expected pixels in [0, 1], or whole numbers from 0 to 255, got "
                f"{pixels.min():g} to {pixels.max():g}; divide bytes by 255"
            )
        return pixels
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):
        raise ConfigError(
            f"images: expected whole numbers from 0 to 255, got {pixels.min()} to {pixels.max()}"
        )
    return pixels.astype(np.uint8)


def labels_of(labels: Any, number: int, classes: int) -> Labels:
    """Labels of `number` images; ConfigError where they are not whole numbers below `classes`."""
    made = _array("labels", labels)
    if made.shape != (number,) or not number:
        raise ConfigError(
            f"labels: expected one for each of {number} images, and at least one image, "
            f"got {made.shape}"
        )
    whole = np.issubdtype(made.dtype, np.integer)
    if not whole or made.min() < 0 or made.max() >= classes:
        got = f"{made.min()} to {made.max()}" if whole else made.dtype
        raise ConfigError(f"labels: expected whole numbers from 0 to {classes - 1}, got {got}")
    return made.astype(np.int64)


def _array(name: str, given: Any) -> NDArray[Any]:
    """As an array; ConfigError where it is none of real numbers."""
    try:
        made = np.asarray(given)
    except ValueError as error:
        raise ConfigError(f"{name}: expected an array, {error}") from None
    if made.dtype.kind not in "biuf":
        raise ConfigError(f"{name}: expected real numbers, got {made.dtype}")
    return made


@dataclass(frozen=True)
class Model:
    """A trained network. `shape` is one image's, `setting` what it was made from.

    `offset` is what is subtracted from an image, where the training images were centred.
    """

    setting: Setting
    seed: int
    shape: tuple[int, ...]
    classes: int
    parameters: tuple[nn.Parameters, ...]
    state: tuple[nn.State, ...]
    offset: NDArray[np.float64] | None = None

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
        return blank_architecture(self.setting, self.classes)

    def logits(self, images: Any) -> NDArray[np.floating]:
        """Logits (n, classes) of images (n, H, W), (n, H, W, C) or (n, H * W * C).

        Whole numbers are bytes from 0 to 255, other numbers pixels in [0, 1]. Raises ConfigError
        for images of another size.
        """
        given = pixels_of(images, self.shape, self._byte_values is not None)
        if not len(given):
            return np.zeros((0, self.classes), self.setting.train.precision)
        pixels = self._images(given, np.zeros(len(given), np.int64))
        with _as_in_a_run():
            made: NDArray[np.floating] = logits_of(
                self.network, self.parameters, self.state, pixels
            )[0]
        return made

    def probabilities(self, images: Any) -> NDArray[np.floating]:
        """The softmax of the logits, (n, classes); takes what `logits` takes."""
        logits = self.logits(images)
        with np.errstate(all="ignore"):
            shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
            made: NDArray[np.floating] = shares / shares.sum(axis=-1, keepdims=True)
        return made

    def predict(self, images: Any) -> NDArray[np.int64]:
        """The likeliest class of each image, (n,); takes what `logits` takes."""
        classes: NDArray[np.int64] = self.logits(images).argmax(axis=-1)
        return classes

    def score(self, images: Any, labels: Any) -> dict[str, float]:
        """Mean cross-entropy in nats and accuracy in [0, 1], as {"loss": ..., "accuracy": ...}.

        The metrics of `train.metrics` are in it too.
        Images as `logits` takes them, labels (n,) whole numbers below `classes`. Raises ConfigError
        for images of another size and for labels that do not belong to them.
        """
        pixels = pixels_of(images, self.shape, self._byte_values is not None)
        made = self._images(pixels, labels_of(labels, len(pixels), self.classes))
        with _as_in_a_run():
            metrics = make_metrics(self.setting)
            scores = evaluate(self.network, self.parameters, self.state, made, metrics)
        return {name: float(values[0]) for name, values in scores.items()}

    @property
    def _byte_values(self) -> Callable[[], NDArray[np.float32]] | None:
        """The numbers that bytes stand for in the data set; None for byte / 255."""
        facts = DATASETS.get(self.setting.data.name)
        return facts.values if facts else None

    def _images(self, pixels: NDArray[Any], labels: Labels) -> Images:
        """As in training: binary, as rows, less the mean image."""
        if self.setting.data.pixels == "binary":
            black = 128 if pixels.dtype == np.uint8 else 128 / 255
            pixels = np.where(pixels >= black, np.uint8(255), np.uint8(0))
        elif self._byte_values is not None and pixels.dtype == np.uint8:
            pixels = self._byte_values()[pixels]
        if isinstance(self.setting.model, Mlp):
            pixels = pixels.reshape(len(pixels), -1) if len(pixels) else pixels
        with np.errstate(over="ignore"):
            return Images(pixels, labels, self.setting.train.precision, self.offset)


def fit(
    config: Config | str,
    point: Mapping[str, Any] | None = None,
    seed: int | None = None,
    data_dir: str | Path | None = None,
) -> Model:
    """Train one network of an experiment and return it, its numbers those of `bnexp.run`.

    `point` selects values of swept keys as the `where` of a claim or a figure does (see
    `bnexp.runs.where`), `seed` one of the seeds; both may be left out where there is only one.
    Raises ConfigError where they do not name one network, and DataError where the data set is
    missing or damaged.

    >>> from bnexp.data import load
    >>> few = {"data.name": "synthetic", "data.train": 200, "train.epochs": 2}
    >>> config = load_config("quickstart", {**few, "sweep.model.init.std": [0.1]})
    >>> model = fit(config, {"model.norm": "batch"})
    >>> images = load("synthetic").test_images[:3]
    >>> model.shape, model.logits(images).shape, model.predict(images).dtype.name
    ((28, 28, 1), (3, 10), 'int64')
    """
    config = load_config(config) if isinstance(config, str) else config
    network = select_single_network(config, point or {}, seed)
    setting = network.setting
    loaded = dataset(setting.data.name, data_folder(Path(data_dir) if data_dir else None))
    check_shapes(setting, loaded)
    with _as_in_a_run():
        trained = train_networks((network,), loaded)
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
    )


@contextmanager
def _as_in_a_run() -> Iterator[None]:
    """One BLAS thread, as a product's last bits depend on their number; diverging is a result."""
    with threadpool_limits(1, "blas"), np.errstate(all="ignore"):
        yield


def select_single_network(config: Config, point: Mapping[str, Any], seed: int | None) -> Network:
    """The one network that `point` and `seed` select; ConfigError if there is none or several."""
    plan = make_plan(config)
    try:
        values = select_values(point, plan_axes(plan))
    except WhereError as error:
        raise ConfigError(f"fit: {dotted(error.path)}: {error.text}") from None
    networks = [
        network
        for network in plan.networks
        if seed in (None, network.seed)
        and all(network.point[key] in selected for key, selected in values.items())
    ]
    if len(networks) == 1:
        return networks[0]
    swept = "; ".join(f"{axis.key}: {', '.join(map(str, axis.labels))}" for axis in plan.axes)
    seeds = ", ".join(map(str, config.experiment.random.seeds))
    raise ConfigError(
        f"fit: expected a point and a seed that name one network, got {len(networks)}; "
        f"{swept + '; ' if swept else ''}seeds: {seeds}"
    )


FORMAT = 1
KIND = "bnexp_network"
MOST_CLASSES = 256  # labels are bytes

T = TypeVar("T", bound=BaseModel)


def save_model(model: Model, path: str | Path) -> Path:
    """Write the network to `path`, whole or not at all; StoreError where that fails."""
    about = {
        "format": FORMAT,
        "setting": plain_values(model.setting),
        "seed": model.seed,
        "shape": model.shape,
        "classes": model.classes,
    }
    arrays = files.flatten_layers(parameters=model.parameters, state=model.state)
    arrays |= {} if model.offset is None else {"offset": model.offset}
    write_file(Path(path), files.encode_npz(KIND, about, arrays))
    return Path(path)


def load_model(path: str | Path) -> Model:
    """The network that `save_model` wrote.

    Raises StoreError where the file cannot be read, is damaged, of another format, or where its
    arrays do not fit its setting; ConfigError where the setting is none that this bnexp knows.
    """
    path = Path(path)
    content = read_file(path)
    if content is None:
        raise StoreError(f"{path}: no such file, expected one that save_model wrote")
    header, arrays = files.decode_npz(KIND, FORMAT, content, path)
    try:
        return _filled(header, arrays, path)
    except BnexpError:
        raise
    except Exception as error:  # a layer's init may raise of many kinds
        raise StoreError(f"{path}: damaged, expected what save_model wrote: {error}") from None


class About(Strict):
    """What the header says but for the setting."""

    seed: Seed
    shape: Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=3)]
    classes: Annotated[int, Field(ge=1, le=MOST_CLASSES)]


def _filled(header: Mapping[str, Any], arrays: dict[str, NDArray[Any]], path: Path) -> Model:
    """The network that the header describes, its numbers those of the file."""
    refresh()
    about = dict(header)
    del about["format"]
    setting = _valid(Setting, about.pop("setting"), f"{path}: setting")
    facts = _valid(About, about, str(path))
    if broken := setting_problems(setting, "independent"):
        raise ConfigError(f"{path}: setting: {dotted(broken[0].path)}: {broken[0].text}")
    given = dict(arrays)
    rows = (math.prod(facts.shape),) if isinstance(setting.model, Mlp) else facts.shape
    precision, made = np.dtype(setting.train.precision), []
    shape = rows
    for i, layer in enumerate(blank_architecture(setting, facts.classes).layers):
        if math.prod(shape) > MAX_WEIGHTS:
            raise ValueError("too large")
        shape, *parts = layer.init(np.random.default_rng(0), shape)
        made.append(
            tuple(
                {
                    name: _taken(given, f"{part}/{i}/{name}", array, precision, path)
                    for name, array in own.items()
                }
                for part, own in zip(("parameters", "state"), parts, strict=True)
            )
        )
    offset = _offset(setting, given, rows, path)
    if given:
        raise StoreError(f"{path}: {min(given)}: not expected")
    parameters, state = (tuple(part) for part in zip(*made, strict=True))
    return Model(setting, facts.seed, facts.shape, facts.classes, parameters, state, offset)


def _offset(
    setting: Setting, given: dict[str, NDArray[Any]], shape: tuple[int, ...], path: Path
) -> NDArray[np.float64] | None:
    if setting.data.pixels != "centred":
        return None
    array = given.pop("offset", None)
    if array is None or (array.shape, array.dtype) != (shape, np.dtype(np.float64)):
        raise StoreError(f"{path}: offset: missing or of another shape, expected {shape} float64")
    return array


def _valid(schema: type[T], values: Any, place: str) -> T:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        key = ".".join(map(str, wrong["loc"]))
        raise ConfigError(f"{place}: {key}: {wrong['msg']}") from None


def _taken(
    given: dict[str, NDArray[Any]],
    name: str,
    start: NDArray[Any],
    precision: np.dtype[Any],
    path: Path,
) -> NDArray[Any]:
    """The file's array of that name, of the shape and the type that training gives it."""
    array = given.pop(name, None)
    if array is None:
        raise StoreError(f"{path}: {name}: missing")
    dtype = precision if np.issubdtype(start.dtype, np.floating) else start.dtype
    shape = (1, *start.shape)
    if (array.shape, array.dtype) != (shape, dtype):
        raise StoreError(
            f"{path}: {name}: does not fit, expected {shape} {dtype}, "
            f"got {array.shape} {array.dtype}"
        )
    return array
