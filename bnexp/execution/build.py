"""From a setting to its network: the layers that the configuration describes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from bnexp import nn
from bnexp.config.architecture import (
    Block,
    Cnn,
    ConvBlock,
    DenseBlock,
    GlobalPoolBlock,
    Initializer,
    Mlp,
    PoolBlock,
)
from bnexp.config.experiment import Setting
from bnexp.config.options import Options, instantiate
from bnexp.data import Dataset
from bnexp.errors import ConfigError
from bnexp.metrics import DEFAULT_METRICS, Metric, recorded_metrics
from bnexp.nn.dropout import Dropout
from bnexp.nn.loss import Labels
from bnexp.nn.pooling import POOLS
from bnexp.sweep import Network
from bnexp.training import Images
from bnexp.training.images import is_small
from bnexp.training.random import SAMPLING, BookRound, Indices, Start, book, generator, together
from bnexp.training.schedule import Schedule
from bnexp.training.update import Adjustments

# On so many of the first training images initializers that look at data do so.
CALIBRATION = 250


@dataclass(frozen=True)
class Inputs:
    """The images that networks are trained on, scored on and tested on; an MLP's as rows.

    `shape` is one image's shape as weights are drawn for it. `used` are the pixels that are not
    blank in all training images: a blank one adds nothing to any product, and its weights' gradient
    is 0, so it is left out of training (of the book's 1,000 images 609 of 784 pixels are used).
    None: all are, as where its weights change or count all the same, by decay or in a length. Test
    images keep every pixel. `offset` is what is subtracted from an image, if anything.
    """

    train: Images
    scored: Images
    test: Images | None
    shape: tuple[int, ...]
    used: NDArray[np.intp] | None
    offset: NDArray[np.float64] | None = None

    def calibration(self) -> NDArray[np.floating]:
        """The first training images, every pixel, (1, n, ...) in float64."""
        x = self.train.batch(slice(CALIBRATION))[0].astype(np.float64)
        if self.used is None:
            return x[None]
        whole = np.zeros((1, len(x), *self.shape))
        whole[..., self.used] = x
        return whole


def inputs(setting: Setting, loaded: Dataset, dtype: np.dtype[np.floating]) -> Inputs:
    """The setting's images; ConfigError where there are too few test images."""
    train, train_labels = _first(loaded.train_images, loaded.train_labels, setting.data.train)
    test, test_labels = _first(loaded.test_images, loaded.test_labels, _test_size(setting, loaded))
    rows = isinstance(setting.model, Mlp)
    decay = setting.train.l2 or setting.train.weight_decay
    if rows:
        train, test = (pixels.reshape(len(pixels), train[0].size) for pixels in (train, test))
    train, test = (_numbers(setting, loaded, pixels) for pixels in (train, test))
    shape, used = train.shape[1:], None
    offset = _mean(train) if setting.data.pixels == "centred" else None
    if rows and is_small(train, dtype) and not (decay or _norms_weights(setting)):
        used = np.flatnonzero(train.any(axis=0))
        train = train[:, used]
    seen = offset if offset is None or used is None else offset[used]
    train_set, scored = Images(train, train_labels, dtype, seen), setting.train.evaluate_train
    return Inputs(
        train_set,
        train_set if scored == "all" else train_set.first(scored),
        Images(test, test_labels, dtype, offset) if len(test) else None,
        shape,
        used,
        offset,
    )


def _numbers(setting: Setting, loaded: Dataset, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Pixels as the setting wants them: still bytes, unless the data set's stand for numbers."""
    if setting.data.pixels == "binary":
        return np.where(pixels >= 128, np.uint8(255), np.uint8(0))
    return pixels if loaded.values is None else loaded.values[pixels]


def _mean(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """The mean image, as numbers."""
    mean: NDArray[np.float64] = pixels.mean(axis=0, dtype=np.float64)
    return mean / 255 if pixels.dtype == np.uint8 else mean


def _norms_weights(setting: Setting) -> bool:
    return setting.model.norm is not None and hasattr(instantiate(setting.model.norm), "around")


def _first(
    pixels: NDArray[np.uint8], labels: Labels, size: int | Literal["all"]
) -> tuple[NDArray[np.uint8], Labels]:
    end = len(labels) if size == "all" else size
    return pixels[:end], labels[:end]


def _test_size(setting: Setting, loaded: Dataset) -> int | Literal["all"]:
    size, available = setting.data.test, len(loaded.test_labels)
    if size != "all" and size > available:
        raise ConfigError(
            f"data.name {setting.data.name}: too few test images, expected at least {size} for "
            f"data.test, got {available}"
        )
    return size


@dataclass(frozen=True)
class Drawn:
    """A stack's initial parameters and state, its batches, and how trained parameters are made
    whole again where blank pixels were left out."""

    parameters: tuple[nn.Parameters, ...]
    state: tuple[nn.State, ...]
    batches: Iterator[Indices]
    whole: Callable[[Sequence[nn.Parameters]], Sequence[nn.Parameters]]


def draw(
    cells: Sequence[Network],
    networks: Sequence[nn.Sequential],
    plan: Schedule,
    data: Inputs,
    dtype: np.dtype[np.floating],
) -> Drawn:
    """What the networks of a stack start from, K side by side in `dtype`."""
    replay = _book if cells[0].place else _independent
    starts, streams = replay(cells, networks, plan, data.shape)
    keyed = [_keyed(network, state) for network, (_, state) in zip(cells, starts, strict=True)]
    drawn = [_calibrated(*pair, data) for pair in zip(networks, starts, strict=True)]
    parameters = nn.stack(drawn, dtype)
    state, batches = nn.stack(keyed, dtype), together(streams)
    used = data.used
    if used is None:
        return Drawn(parameters, state, batches, lambda trained: trained)
    first, *others = parameters
    weights = first["W"]

    def whole(trained: Sequence[nn.Parameters]) -> Sequence[nn.Parameters]:
        full = weights.copy()
        full[:, used] = trained[0]["W"]
        return {**trained[0], "W": full}, *trained[1:]

    return Drawn(({**first, "W": weights[:, used]}, *others), state, batches, whole)


def _calibrated(
    net: nn.Sequential, start: Start, data: Inputs
) -> tuple[Mapping[str, nn.Array], ...]:
    """One network's parameters, fitted to the first training images where something asks."""
    if not net.calibrates:
        return start[0]
    parameters, state = (nn.stack([part], np.float64) for part in start)
    made = net.calibrated(parameters, state, data.calibration())
    return tuple({name: array[0] for name, array in layer.items()} for layer in made)


def _keyed(network: Network, state: tuple[nn.State, ...]) -> tuple[nn.State, ...]:
    """The state with a key for each layer that draws while it trains, from the cell's seed."""
    keys = generator(network.seed, "dropout").integers(2**63, size=len(state), dtype=np.uint64)
    return tuple(
        {**own, "key": keys[i : i + 1]} if "key" in own else own for i, own in enumerate(state)
    )


def _independent(
    cells: Sequence[Network],
    networks: Sequence[nn.Sequential],
    plan: Schedule,
    shape: tuple[int, ...],
) -> tuple[list[Start], list[Iterator[Indices]]]:
    training = cells[0].setting.train
    starts = [
        net.init(generator(network.seed, "weights"), shape)
        for network, net in zip(cells, networks, strict=True)
    ]
    seeds = [network.seed for network in cells]
    streams = [
        SAMPLING[training.sampling](generator(seed, "batches"), plan.images, training.batch_size)
        for seed in (seeds[:1] if len(set(seeds)) == 1 else seeds)
    ]
    return starts, streams


def _book(
    cells: Sequence[Network],
    networks: Sequence[nn.Sequential],
    plan: Schedule,
    shape: tuple[int, ...],
) -> tuple[list[Start], list[Iterator[Indices]]]:
    drawn: dict[str, tuple[Start, Iterator[Indices]]] = {}
    for seed in {network.seed for network in cells}:
        own = [(c, net) for c, net in zip(cells, networks, strict=True) if c.seed == seed]
        wanted = [(c.place.round, c.place.network, net) for c, net in own if c.place]
        size = cells[0].place.networks if cells[0].place else 1
        batch_size = cells[0].setting.train.batch_size
        whole = BookRound(size, plan.points[-1], plan.images, batch_size)
        made = book(seed, whole, wanted, shape)
        drawn.update({c.id: start for (c, _), start in zip(own, made, strict=True)})
    pairs = [drawn[network.id] for network in cells]
    return [start for start, _ in pairs], [batches for _, batches in pairs]


ZEROS: Options = TypeAdapter(Initializer).validate_python("zeros")


def network(setting: Setting, classes: int) -> nn.Sequential:
    """The network that a setting describes."""
    model, norm = setting.model, instantiate(setting.model.norm) if setting.model.norm else None
    around = getattr(norm, "around", None)  # a norm of the weights, not of activations
    names = [*(str(i + 1) for i in range(model.weighted())), "output"]
    initializers = iter([instantiate(model.layer_init.get(name, model.init)) for name in names])
    after = nn.block(
        instantiate(model.activation),
        None if around else norm,
        model.norm_position == "after",
        Dropout(model.dropout.ratio, model.dropout.scale) if model.dropout else None,
    )
    layers: list[nn.Layer] = []
    for spec in _blocks(model):
        if isinstance(spec, PoolBlock | GlobalPoolBlock):
            layers.append(_pool(spec))
        else:
            *before, weighted = _weighted(spec, next(initializers), model)
            layers += [*before, around(weighted) if around else weighted, *after]
    output = nn.Dense(classes, next(initializers))
    return nn.Sequential((*layers, *([nn.Flatten()] if isinstance(model, Cnn) else []), output))


def blank(setting: Setting, classes: int) -> nn.Sequential:
    """The network whose weights start at 0: quickly made where only its shapes matter."""
    model = setting.model.model_copy(update={"init": ZEROS, "layer_init": {}})
    return network(setting.model_copy(update={"model": model}), classes)


def check_shapes(setting: Setting, loaded: Dataset) -> None:
    """ConfigError where a layer does not fit what comes before it."""
    made = blank(setting, loaded.classes)
    shape = loaded.train_images.shape[1:]
    if isinstance(setting.model, Mlp):
        shape = (math.prod(shape),)
    try:
        made.init(np.random.default_rng(0), shape)
    except ValueError as error:
        raise ConfigError(f"model: layers do not fit together, {error}") from None


def _blocks(model: Mlp | Cnn) -> Sequence[Block]:
    if isinstance(model, Cnn):
        return model.blocks
    return [DenseBlock(kind="dense", features=width) for width in model.hidden]


def _weighted(
    spec: ConvBlock | DenseBlock, initializer: nn.Initializer, model: Mlp | Cnn
) -> list[nn.Layer]:
    if isinstance(spec, ConvBlock):
        window = spec.stride, spec.padding
        return [nn.Conv(spec.features, spec.size, initializer, *window, model.bias)]
    dense = nn.Dense(spec.features, initializer, model.bias)
    return [nn.Flatten(), dense] if isinstance(model, Cnn) else [dense]


def _pool(spec: PoolBlock | GlobalPoolBlock) -> nn.Layer:
    if isinstance(spec, GlobalPoolBlock):
        return nn.GlobalAveragePool()
    pool: nn.Layer = POOLS[spec.kind](spec.size, spec.stride or spec.size, spec.padding)
    return pool


def metrics_of(setting: Setting) -> dict[str, Metric]:
    """What the setting's networks are scored with, by name, in the order of the table."""
    additional = {options.kind: instantiate(options) for options in setting.train.metrics or ()}
    metrics = {**DEFAULT_METRICS, **additional}
    return {name: metrics[name] for name in recorded_metrics(metrics)}


def adjustments(setting: Setting) -> Adjustments:
    """What the setting puts between a gradient and its step."""
    train = setting.train
    return Adjustments(train.l2, train.weight_decay, train.clip_norm, instantiate(train.schedule))
