"""One trained network: train it, predict, score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bnexp import nn
from bnexp.asked import labels_of, pixels_of
from bnexp.config import Config, load_config
from bnexp.config.network import Mlp
from bnexp.config.schema import Setting
from bnexp.config.writing import flow
from bnexp.data.gaussian import normal_values
from bnexp.data.places import data_folder
from bnexp.errors import ConfigError
from bnexp.execution.building import blank, check_shapes
from bnexp.execution.task import dataset, train_cells
from bnexp.nn.loss import Labels
from bnexp.plan import Cell, make_plan
from bnexp.training import Images, evaluate, logits_of
from bnexp.training.evaluation import evaluation_state


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
    def network(self) -> nn.Network:
        return blank(self.setting, self.classes)

    def logits(self, images: Any) -> NDArray[np.floating]:
        """Logits (n, classes) of images (n, H, W), (n, H, W, C) or (n, H * W * C).

        Whole numbers are bytes from 0 to 255, other numbers pixels in [0, 1]. Raises ConfigError
        for images of another size.
        """
        given = pixels_of(images, self.shape, self.setting.data.name == "gaussian")
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

        Images as `logits` takes them, labels (n,) whole numbers below `classes`. Raises ConfigError
        for images of another size and for labels that do not belong to them.
        """
        pixels = pixels_of(images, self.shape, self.setting.data.name == "gaussian")
        made = self._images(pixels, labels_of(labels, len(pixels), self.classes))
        with _as_in_a_run():
            scores = evaluate(self.network, self.parameters, self.state, made)
        return {"loss": float(scores.loss[0]), "accuracy": float(scores.accuracy[0])}

    def _images(self, pixels: NDArray[Any], labels: Labels) -> Images:
        """As in training: binary, as rows, less the mean image."""
        if self.setting.data.pixels == "binary":
            black = 128 if pixels.dtype == np.uint8 else 128 / 255
            pixels = np.where(pixels >= black, np.uint8(255), np.uint8(0))
        elif self.setting.data.name == "gaussian" and pixels.dtype == np.uint8:
            pixels = normal_values()[pixels]
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

    `point` names the values of swept keys as tables show them, `seed` one of the seeds; both may be
    left out where there is only one. Raises ConfigError where they do not name one network, and
    DataError where the data set is missing or damaged.

    >>> from bnexp.data import load
    >>> few = {"data.name": "synthetic", "data.train": 200, "train.epochs": 2}
    >>> config = load_config("quickstart", {**few, "sweep.model.init.std": [0.1]})
    >>> model = fit(config, {"model.norm": "batch"})
    >>> images = load("synthetic").test_images[:3]
    >>> model.shape, model.logits(images).shape, model.predict(images).dtype.name
    ((28, 28, 1), (3, 10), 'int64')
    """
    config = load_config(config) if isinstance(config, str) else config
    cell = _chosen(config, point or {}, seed)
    setting = cell.setting
    loaded = dataset(setting.data.name, data_folder(Path(data_dir) if data_dir else None))
    check_shapes(setting, loaded)
    with _as_in_a_run():
        trained = train_cells((cell,), loaded)
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
        cell.seed,
        loaded.train_images.shape[1:],
        loaded.classes,
        tuple(trained.whole(history.parameters)),
        tuple(state),
        trained.offset,
    )


@contextmanager
def _as_in_a_run() -> Iterator[None]:
    """One BLAS thread, as a product's last bits depend on their number; diverging is a result."""
    with threadpool_limits(1, "blas"), np.errstate(all="ignore"):
        yield


def _chosen(config: Config, point: Mapping[str, Any], seed: int | None) -> Cell:
    plan = make_plan(config)
    keys = [axis.key for axis in plan.axes]
    unknown = [key for key in point if key not in keys]
    if unknown:
        raise ConfigError(
            f"fit: {unknown[0]} is not swept, expected one of {', '.join(keys) or 'no key'}"
        )
    found = [
        cell
        for cell in plan.cells
        if seed in (None, cell.seed)
        and all(_same(cell.point[key], value) for key, value in point.items())
    ]
    if len(found) == 1:
        return found[0]
    values = "; ".join(f"{axis.key}: {', '.join(map(str, axis.labels))}" for axis in plan.axes)
    seeds = ", ".join(map(str, config.experiment.random.seeds))
    raise ConfigError(
        f"fit: expected a point and a seed that name one network, got {len(found)}; "
        f"{values + '; ' if values else ''}seeds: {seeds}"
    )


def _same(label: Any, value: Any) -> bool:
    """Equal, a number also where only its first digits were written: within 0.5 %.

    What a table shows as text may be given as it stands in a file: a list, a truth value, none.
    """
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        value = "none" if value is None else flow(value)
    if isinstance(label, float) and isinstance(value, int | float):
        return bool(np.isclose(label, value, rtol=5e-3, atol=0))
    return bool(label == value)
