"""From a setting to what is trained: layers, images, and what a stack of networks starts from.

`build_architecture` makes the layers that a configuration describes, `make_image_sets` the images,
and `draw_start` the initial parameters and the batches of a stack, from each network's own random
numbers or from the book's stream. Test images keep all their pixels; training may leave out those
that are blank in all training images, and `Start.full_parameters` puts their weights back.

The order in which `bnexp.execution.task` uses this module, once for each stack:

    make_image_sets      bytes of the data set -> `ImageSets`, which all networks of the stack share
    build_architecture   setting -> `nn.Sequential`, one for each network; layers hold no arrays
    draw_start           seeds -> `Start`: parameters and state (K, ...), and the stream of batches
    make_metrics         setting -> what networks are scored with

The networks of a stack share data, structure and batch size. They may differ in seed, initial
values and learning rate. What is drawn for a network depends on its own seed and setting only, so a
network starts from the same bits whatever else is in its stack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from bnexp import nn
from bnexp.config.architecture import (
    CLASSES,
    Cnn,
    ConvBlock,
    DenseBlock,
    GlobalPoolBlock,
    Initializer,
    Mlp,
    PoolBlock,
    Residual,
    ResidualBlock,
)
from bnexp.config.experiment import Data, Setting
from bnexp.config.messages import SettingError
from bnexp.config.options import Options, instantiate
from bnexp.config.rules import single_sample
from bnexp.config.yaml import KeyPath
from bnexp.data import DATASETS, Dataset
from bnexp.data.datasets import ImageCounts
from bnexp.errors import ConfigError
from bnexp.metrics import DEFAULT_METRICS, Metric
from bnexp.nn.book import dropout_widths
from bnexp.nn.dropout import Dropout
from bnexp.nn.initializers import Scaled
from bnexp.nn.normalizers import BATCH_NORMS
from bnexp.nn.pooling import POOLS
from bnexp.probes import Grid, Probe, sites
from bnexp.sweep import Network
from bnexp.text import cut, printable
from bnexp.training import Images, random
from bnexp.training.evaluation import is_small
from bnexp.training.schedule import TrainingSchedule
from bnexp.training.update import Adjustments

# The number of training images that data-dependent initializers are given.
CALIBRATION = 250
ZEROS: Options = TypeAdapter(Initializer).validate_python("zeros")


@dataclass(frozen=True)
class ImageSets:
    """The images that networks are trained on, scored on and tested on; an MLP's as rows.

    `shape` is one image's shape as weights are drawn for it. `used` are the pixels that are not
    blank in all training images: a blank one adds nothing to any product, and its weights' gradient
    is 0, so it is left out of training (of the book's 1,000 images 609 of 784 pixels are used).
    None: all are, as where its weights change or count all the same, by decay or in a length. Test
    images keep every pixel. `offset` is what is subtracted from an image, if anything.

    Fields:
        train: N training images, (N, D) for an MLP and (N, H, W, C) for a CNN; D is the number of
            used pixels.
        scored: the training images that are scored, the first ones of `train`; `train` itself if
            `train.evaluate_train` is no number.
        test: the test images; None if `data.test` is 0 or the data set has none.
        shape: (H * W * C,) for an MLP, (H, W, C) for a CNN; never reduced to the used pixels.
        used: indices of pixels, ascending.
        offset: the mean training image, of the shape `shape`; None unless pixels are centred.
    """

    train: Images
    scored: Images
    test: Images | None
    shape: tuple[int, ...]
    used: NDArray[np.intp] | None
    offset: NDArray[np.float64] | None = None

    def moved(self, like: Any) -> ImageSets:
        """The same images on the device of the array `like`; of `scored` no second copy."""
        train = self.train.moved(like)
        scored = train if self.scored is self.train else train.first(len(self.scored))
        test = self.test.moved(like) if self.test else None
        return replace(self, train=train, scored=scored, test=test)

    def calibration(self) -> NDArray[np.floating]:
        """The first training images, every pixel, (1, n, ...) in float64.

        There are at most CALIBRATION (250) of them. Pixels that training leaves out are 0.
        Initializers that look at data get these images, with the same weights as in training.
        """
        x = self.train.batch(slice(CALIBRATION))[0].astype(np.float64)
        if self.used is None:
            return x[None]
        images = np.zeros((1, len(x), *self.shape))
        images[..., self.used] = x
        return images


def check_counts(setting: Setting, counts: ImageCounts) -> None:
    """SettingError where the data set has too few images for the setting, or not all as a batch.

    `bnexp.running.prepare` calls it before anything is trained, `train_networks` once more.
    """
    data, size = setting.data, setting.train.batch_size
    _check_held_out(data, counts.train)
    _check_test_images(data, counts.test)
    images = counts.train - data.validation
    needed = max(images if data.train == "all" else data.train, size)
    if needed > images:
        held_out = f" behind {data.validation} held out" if data.validation else ""
        is_batch = size == needed
        raise SettingError(
            ("train", "batch_size") if is_batch else ("data", "train"),
            f"too few training images, expected at least {needed} in {printable(data.name)}, "
            f"got {images}{held_out}",
        )
    if setting.train.sampling == "all" and size != needed:
        text = f"not all images, expected {needed} with sampling: all, got {size}"
        raise SettingError(("train", "batch_size"), text)
    if (classes := setting.train.classes_per_batch or 0) > counts.classes:
        raise _too_many_classes(f"{counts.classes} in {printable(data.name)}", classes)


def check_classes(network: Network, loaded: Dataset) -> None:
    """SettingError if the network's training images are of fewer classes than a batch is to have.

    The data set may have more, of which few images have none. Labels count as they are trained on,
    after `data.label_noise`.
    """
    setting = network.setting
    if (classes := setting.train.classes_per_batch) is None:
        return
    no_pixels = replace(
        loaded, train_images=loaded.train_images[:, :0], test_images=loaded.test_images[:, :0]
    )
    size = setting.data.train
    labels = choose_images(network, no_pixels).train_labels[: None if size == "all" else size]
    if classes > (number := len(np.unique(labels))):
        seed = f" of seed {network.seed}" if setting.data.draw == "seed" else ""
        most = f"{number}, those of the {len(labels)} training images{seed}"
        raise _too_many_classes(most, classes)


def _too_many_classes(most: str, classes: int) -> SettingError:
    text = f"more classes than there are, expected at most {most}, got {classes}"
    return SettingError(("train", "classes_per_batch"), text)


def _check_held_out(data: Data, available: int) -> None:
    """SettingError if no training image is left when some are held out."""
    if data.validation >= available:
        text = f"no image is left to train on, expected less than {available}"
        raise SettingError(("data", "validation"), f"{text}, got {data.validation}")


def _check_test_images(data: Data, available: int) -> None:
    """SettingError if there are fewer test images than are to be scored."""
    if isinstance(data.test, int) and data.test > available:
        text = f"too few test images, expected at least {data.test} in {printable(data.name)}"
        raise SettingError(("data", "test"), f"{text}, got {available}")


def check_arithmetic(network: Network, device: str) -> None:
    """SettingError for a replay of the book's arithmetic on another device than the CPU.

    Its bits are those of the book's code, which runs on a CPU.
    """
    if device != "cpu" and network.place and network.setting.train.precision == "float64":
        text = (
            "replays the book's arithmetic to its last bit, which only a CPU can, expected "
            f"float32 with device {device}, got float64"
        )
        raise SettingError(("train", "precision"), text)


def choose_images(network: Network, loaded: Dataset) -> Dataset:
    """The data set as one network is given it.

    `data.draw: seed` puts its images into a random order. Then the first `data.validation` training
    images take the place of the test images, and `data.label_noise` replaces labels of the others:
    those of all networks alike where these have the same images. With the book's stream the order
    is a permutation of the images that are used, and the numbers of `gaussian` are drawn anew: both
    come from the stream, before all else.
    """
    data, x, labels = network.setting.data, loaded.train_images, loaded.train_labels
    if network.place:
        first = draw_of_script(network)
        drawn = random.draw_first(np.random.RandomState(network.seed), first)
        if first and first[0] == "inputs":
            inputs = drawn.reshape(len(drawn), *x.shape[1:])
            return replace(loaded, train_images=inputs, train_labels=labels[: len(x)], values=None)
        if first:
            x, labels = x[drawn], labels[drawn]
    elif data.draw == "seed":
        generator = random.generator(network.seed, "images")
        order, test_order = (generator.permutation(len(a)) for a in (x, loaded.test_images))
        x, labels = x[order], labels[order]
        loaded = replace(
            loaded,
            test_images=loaded.test_images[test_order],
            test_labels=loaded.test_labels[test_order],
        )
    _check_held_out(data, len(x))
    if held_out := data.validation:
        loaded = replace(loaded, test_images=x[:held_out], test_labels=labels[:held_out])
    if data.label_noise:
        noise = random.generator(network.seed if data.draw == "seed" else 0, "labels")
        labels = random.noisy_labels(noise, labels, data.label_noise)
    return replace(loaded, train_images=x[held_out:], train_labels=labels[held_out:])


def draw_of_script(network: Network) -> tuple[Any, ...]:
    """What a script of the book draws before its first round, as `BookRound.first` says it."""
    data = network.setting.data
    if isinstance(data.train, str):
        return ()
    if data.name == "gaussian":
        return ("inputs", data.train, math.prod(DATASETS["gaussian"].image_shape))
    return ("order", data.validation + data.train) if data.draw == "seed" else ()


def make_image_sets(
    setting: Setting, loaded: Dataset, dtype: np.dtype[np.floating], every_pixel: bool = False
) -> ImageSets:
    """The setting's images; SettingError where there are too few test images.

    Arguments:
        setting: `data` says how many images to use and how to read pixels: binary pixels are 0 or 1
            (a byte from 128 on is 1), centred pixels have the mean training image subtracted.
        loaded: the images as `choose_images` returns them; `data.train` and `data.test` take the
            first ones.
        dtype: float32 or float64, the type in which the networks are trained.
        every_pixel: whether blank pixels stay, as in the book's arithmetic.

    Else blank pixels are left out for an MLP without weight decay, L2 penalty or weight norm, if
    the training images are small enough to be converted at once (`is_small`).
    """
    _check_test_images(setting.data, len(loaded.test_labels))
    size: int | str = "all" if setting.data.validation else setting.data.test
    ends = [number if isinstance(number, int) else None for number in (setting.data.train, size)]
    train: NDArray[Any] = loaded.train_images[: ends[0]]
    test: NDArray[Any] = loaded.test_images[: ends[1]]
    train_labels, test_labels = loaded.train_labels[: ends[0]], loaded.test_labels[: ends[1]]
    rows = isinstance(setting.model, Mlp)
    if rows:
        train, test = (pixels.reshape(len(pixels), train[0].size) for pixels in (train, test))
    if setting.data.pixels == "binary":
        black, white = np.uint8(0), np.uint8(255)
        train, test = (np.where(pixels >= 128, white, black) for pixels in (train, test))
    elif loaded.values is not None:  # else a batch is made of byte / 255
        train, test = loaded.values[train], loaded.values[test]
    shape, used, offset = train.shape[1:], None, None
    if setting.data.pixels == "centred":
        mean = train.mean(axis=0, dtype=np.float64)
        offset = mean / 255 if train.dtype == np.uint8 else mean
    norm = setting.model.norm
    weights_count = setting.train.l2 or setting.train.weight_decay
    weights_count = weights_count or (norm is not None and hasattr(instantiate(norm), "around"))
    if rows and is_small(train, dtype) and not (weights_count or every_pixel):
        used = np.flatnonzero(train.any(axis=0))
        train = train[:, used]
    train_offset = offset if offset is None or used is None else offset[used]
    train_set = Images(train, train_labels, dtype, train_offset)
    scored = setting.train.evaluate_train
    return ImageSets(
        train_set,
        train_set.first(scored) if isinstance(scored, int) else train_set,
        Images(test, test_labels, dtype, offset) if len(test) else None,
        shape,
        used,
        offset,
    )


@dataclass(frozen=True)
class FullParameters:
    """Computes, from trained parameters, those for images with all pixels.

    weights: the initial ones of the first layer, (K, D, H). used: the pixels that are trained on;
    None if these are all. The weights of the others are as they were.
    """

    weights: nn.Array | None = None
    used: NDArray[np.intp] | None = None

    def __call__(self, trained: Sequence[nn.Parameters]) -> Sequence[nn.Parameters]:
        """The parameters with the weights of all pixels; they may be on a device, if these are."""
        if self.weights is None:
            return trained
        full = self.weights.copy()
        full[:, self.used] = trained[0]["W"]
        return {**trained[0], "W": full}, *trained[1:]

    def moved(self, like: Any) -> FullParameters:
        """The same for parameters on the device of the array `like`."""
        if self.weights is None:
            return self
        return FullParameters(*(np.asarray(a, like=like) for a in (self.weights, self.used)))


@dataclass(frozen=True)
class Start:
    """A stack's initial parameters and state, and its batches, drawn on the CPU.

    `full_parameters` computes, from trained parameters, those for images with all pixels, where
    blank ones were left out.

    Fields:
        parameters: for each layer its arrays by name, (K, ...), in the precision of training.
        state: for each layer the arrays that training updates without gradients, such as running
            statistics, (K, ...), and the random keys of dropout.
        batches: index arrays into the training images, (K, N) or, if all networks see the same
            batches, (1, N); N is the batch size.
    """

    parameters: tuple[nn.Parameters, ...]
    state: tuple[nn.State, ...]
    batches: Iterator[random.Indices]
    full_parameters: FullParameters


def draw_start(
    networks: Sequence[Network],
    architectures: Sequence[nn.Sequential],
    schedule: TrainingSchedule,
    images: ImageSets,
    dtype: np.dtype[np.floating],
) -> Start:
    """What the networks of a stack start from, K side by side in `dtype`.

    Arguments:
        networks: the K networks of the stack. All or none of them have a place in the book's
            stream.
        architectures: the layers of each network, in the same order.
        schedule: the number of training images, and the steps to evaluate after.
        images: the shape for which weights are drawn, the pixels in use and the images to calibrate
            with.
        dtype: float32 or float64. Weights are drawn in float64 and converted at the end.

    A network's seed gives separate generators for weights, batches and dropout; an experiment that
    replays the book's stream takes weights and batches from that.
    """
    draw = _draw_from_book if networks[0].place else _draw_independently
    starts, batches = draw(networks, architectures, schedule, images)
    stacked: list[dict[str, nn.Array]] = []
    states = []
    pairs = zip(networks, architectures, starts, strict=True)
    for k, (network, architecture, (parameters, state)) in enumerate(pairs):
        # A key for each layer that draws while it trains, from the network's seed.
        generator = random.generator(network.seed, "dropout")
        keys = generator.integers(2**63, size=len(state), dtype=np.uint64)
        states.append(
            tuple(
                {**layer, "key": keys[i : i + 1]} if "key" in layer else layer
                for i, layer in enumerate(state)
            )
        )
        if architecture.calibrates:  # to the first training images
            calibrated = architecture.calibrated(
                nn.stack([parameters], np.float64),
                nn.stack([state], np.float64),
                images.calibration(),
            )
            parameters = tuple({n: array[0] for n, array in layer.items()} for layer in calibrated)
        if not stacked:
            stacked = [
                {name: np.empty((len(networks), *a.shape), dtype) for name, a in layer.items()}
                for layer in parameters
            ]
        with np.errstate(over="ignore"):
            for row, layer in zip(stacked, parameters, strict=True):
                for name, array in layer.items():
                    row[name][k] = array
    state = nn.stack(states, dtype)
    if images.used is None:
        return Start(tuple(stacked), state, batches, FullParameters())
    first, *others = stacked
    full = FullParameters(first["W"], images.used)
    return Start(({**first, "W": first["W"][:, images.used]}, *others), state, batches, full)


def _draw_independently(
    networks: Sequence[Network],
    architectures: Sequence[nn.Sequential],
    schedule: TrainingSchedule,
    images: ImageSets,
) -> tuple[Iterable[random.Start], Iterator[random.Indices]]:
    """Initial weights of each network, and the batches; what seeds share is drawn once."""
    training, shape = networks[0].setting.train, images.shape
    seeds = [network.seed for network in networks]
    distinct = list(dict.fromkeys(seeds))
    draws = {s: random.first_draw(random.generator(s, "weights")) for s in distinct}
    starts = (  # one at a time: of a large stack they take twice the memory of its parameters
        architecture.init(random.SharedGenerator(draws[seed]), shape)
        for seed, architecture in zip(seeds, architectures, strict=True)
    )
    size, classes = training.batch_size, training.classes_per_batch
    streams = [
        random.by_class(generator, images.train.labels, size, classes)
        if classes
        else random.SAMPLING[training.sampling](generator, schedule.images, size)
        for generator in (random.generator(seed, "batches") for seed in distinct)
    ]
    rows = [distinct.index(seed) for seed in seeds] if len(distinct) > 1 else None
    return starts, random.stack_batches(streams, rows)


def _draw_from_book(
    networks: Sequence[Network],
    architectures: Sequence[nn.Sequential],
    schedule: TrainingSchedule,
    images: ImageSets,
) -> tuple[Iterable[random.Start], Iterator[random.Indices]]:
    """The same from the book's stream of each seed.

    Each network has a place: the round (a weight scale in the book's script) and the position
    within it. Draws of networks that are not in this stack are made and dropped, see
    `random.replay_book`.
    """
    drawn: dict[str, tuple[random.Start, Iterator[random.Indices]]] = {}
    train, place = networks[0].setting.train, networks[0].place
    plan = random.BookRound(
        networks=place.networks if place else 1,
        steps=schedule.evaluations[-1],
        images=schedule.images,
        batch_size=train.batch_size,
        sampling=train.sampling,
        masks=dropout_widths(architectures[0]),
        uniforms=place.uniforms if place else 0,
        first=draw_of_script(networks[0]),
    )
    for seed in {network.seed for network in networks}:
        members = [
            (network, (network.place.round, network.place.network, architecture))
            for network, architecture in zip(networks, architectures, strict=True)
            if network.seed == seed and network.place
        ]
        replayed = random.replay_book(seed, plan, [place for _, place in members], images.shape)
        drawn |= {network.id: start for (network, _), start in zip(members, replayed, strict=True)}
    pairs = [drawn[network.id] for network in networks]
    return [start for start, _ in pairs], random.stack_batches([batches for _, batches in pairs])


def build_architecture(setting: Setting, classes: int) -> nn.Sequential:
    """The layers that a setting describes, for images of so many classes.

    Arguments:
        setting: `model` gives the blocks, the normalizer and its position, the activation, dropout
            and initializers; `layer_init` overrides the initializer of single layers, by "1", "2",
            ... or "output".
        classes: the width of the output layer, which is always dense and has no normalizer.

    After each hidden layer with weights come its normalizer, activation and dropout, in the order
    of `nn.block`. A normalizer of the weights (one with a method `around`) wraps the layer instead.
    In a CNN a `Flatten` layer stands before each dense layer. A residual block stands between a
    `Fork` and an `Add`; its last activation waits until after the addition, or, with order: pre,
    the norm and activation of every layer wait until the next layer comes.
    """
    return nn.Sequential(tuple(layer for layer, _ in _layers_with_keys(setting, classes)))


def _layers_with_keys(setting: Setting, classes: int) -> list[tuple[nn.Layer, KeyPath]]:
    """The layers of `build_architecture`, each with the key of the setting that describes it."""
    model, norm = setting.model, instantiate(setting.model.norm) if setting.model.norm else None
    around = _around(norm)  # of a norm of the weights, not of activations
    initializers = iter(_initializers(model))
    activation = instantiate(model.activation)
    dropout = Dropout(model.dropout.ratio, model.dropout.scale) if model.dropout else None
    keys = {id(norm): "norm", id(activation): "activation", id(dropout): "dropout"}
    is_after = model.norm_position == "after"
    following = nn.block(activation, None if around else norm, is_after, dropout)
    after: list[tuple[nn.Layer, KeyPath]] = [
        (each, ("model", keys[id(each)])) for each in following
    ]
    list_key = "blocks" if isinstance(model, Cnn) else "hidden"
    flatten: list[tuple[nn.Layer, KeyPath]] = []
    if isinstance(model, Cnn):
        flatten = [(nn.Flatten(), ("model", "blocks"))]
    residual = model.residual or Residual()
    # What an addition comes before, of that which follows a layer: all of it, or the activation.
    split = 0 if residual.order == "pre" else following.index(activation)
    layers: list[tuple[nn.Layer, KeyPath]] = []
    waiting: list[tuple[nn.Layer, KeyPath]] = []
    moved = 1  # by how much the convolutions of the block move on in all
    for key, block, begins, ends in _blocks(model):
        fork: list[tuple[nn.Layer, KeyPath]] = []
        if begins:
            fork, moved = [(nn.Fork(), ("model", "residual"))], 1
        layers += [*fork, *waiting] if residual.order == "pre" else [*waiting, *fork]
        waiting = []
        weighted: nn.Layer
        if isinstance(block, ConvBlock):
            window = block.size, next(initializers), block.stride, block.padding
            moved *= block.stride
            weighted = nn.Conv(block.features, *window, model.bias)
            layers += [(around(weighted) if around else weighted, key), *after[:split]]
            waiting = after[split:]
        elif isinstance(block, DenseBlock):
            weighted = nn.Dense(block.features, next(initializers), model.bias)
            layers += [*flatten, (around(weighted) if around else weighted, key), *after[:split]]
            waiting = after[split:]
        elif isinstance(block, GlobalPoolBlock):
            layers.append((nn.GlobalAveragePool(), key))
        elif isinstance(block, PoolBlock):
            stride = block.stride or block.size
            layers.append((POOLS[block.kind](block.size, stride, block.padding), key))
        else:  # a pooling that a user registered
            layers.append((instantiate(block), key))
        if ends:
            layers.append((nn.Add(instantiate(model.init), moved, residual.scale), key))
    output = nn.Dense(classes, next(initializers)), ("model", list_key)
    return [*layers, *waiting, *flatten, output]


def _blocks(model: Mlp | Cnn) -> Iterator[tuple[KeyPath, Any, bool, bool]]:
    """Each block with its key, and whether a residual block begins before or ends after it.

    A hidden layer of an mlp is a dense block.
    """
    if isinstance(model, Mlp):
        for i, width in enumerate(model.hidden):
            block = DenseBlock(kind="dense", features=width)
            yield ("model", "hidden", i), block, model.begins_block(i), model.ends_block(i)
        return
    for i, block in enumerate(model.blocks):
        if not isinstance(block, ResidualBlock):
            yield ("model", "blocks", i), block, False, False
            continue
        for j, inner in enumerate(block.blocks):
            begins, ends = j == 0, j == len(block.blocks) - 1
            is_around = model.residual is not None
            key: KeyPath = ("model", "blocks", i, "blocks", j)
            yield key, inner, begins and is_around, ends and is_around


def _initializers(model: Mlp | Cnn) -> list[nn.Initializer]:
    """The initializer of each layer with weights, first to last, the output layer's behind them.

    `layer_init` overrides that of single layers, by "1", "2", ... or "output", also Fixup's.
    """
    initializers = [instantiate(model.init)] * (model.weighted() + 1)
    if model.residual and model.residual.init == "fixup":
        initializers = _fixup(model, initializers)
    names = [*(str(i + 1) for i in range(model.weighted())), "output"]
    return [
        instantiate(model.layer_init[name]) if name in model.layer_init else initializer
        for name, initializer in zip(names, initializers, strict=True)
    ]


def _fixup(model: Mlp | Cnn, plain: Sequence[nn.Initializer]) -> list[nn.Initializer]:
    """Zhang et al. 2019: layers of a block are scaled by L^(-1 / (2m - 2)), the last one is 0.

    L is the number of residual blocks, m that of a block's layers. The output layer is 0, too.
    """
    zeros = instantiate(ZEROS)
    initializers: list[nn.Initializer] = [*plain[:-1], zeros]
    weighted = [part for part in _blocks(model) if isinstance(part[1], ConvBlock | DenseBlock)]
    firsts = [i for i, (_, _, begins, _) in enumerate(weighted) if begins]
    lasts = [i for i, (_, _, _, ends) in enumerate(weighted) if ends]
    for first, last in zip(firsts, lasts, strict=True):
        for i in range(first, last):
            factor = len(firsts) ** (-1 / (2 * (last - first)))
            initializers[i] = Scaled(plain[i], factor)
        initializers[last] = zeros
    return initializers


def _around(norm: Any) -> Callable[[nn.Layer], nn.Layer] | None:
    """The method `around` of a normalizer, if it has one; ConfigError if it returns no layer."""
    around: Any = getattr(norm, "around", None)

    def wrap(layer: nn.Layer) -> nn.Layer:
        wrapped = around(layer)
        missing = [m for m in ("init", "forward", "backward") if not hasattr(wrapped, m)]
        if missing:
            raise ConfigError(
                f"model.norm: {type(norm).__name__}.around: expected a layer, got "
                f"{type(wrapped).__name__} without {', '.join(missing)}"
            )
        return wrapped  # type: ignore[no-any-return]

    return wrap if around else None


def probe_grids(setting: Setting) -> list[tuple[Probe, list[Grid] | None]]:
    """The probes of a setting, and where each of them reads; None for one that does not say."""
    if setting.probes is None:
        return []
    network = sites(build_architecture(setting, CLASSES))
    probes = [instantiate(options) for options in setting.probes.read]
    return [(p, list(p.grids(network)) if hasattr(p, "grids") else None) for p in probes]


def blank_architecture(setting: Setting, classes: int) -> nn.Sequential:
    """The layers with weights that start at 0: quick to make where only shapes matter.

    Initializers that look at data are replaced, too. `Model` uses these layers to evaluate stored
    parameters, `check_shapes` to test whether layers fit.
    """
    return build_architecture(_blank_setting(setting), classes)


def _blank_setting(setting: Setting) -> Setting:
    """The setting with weights that start at 0."""
    model = setting.model.model_copy(update={"init": ZEROS, "layer_init": {}})
    return setting.model_copy(update={"model": model})


def check_shapes(setting: Setting, counts: ImageCounts) -> None:
    """SettingError where a layer does not fit what comes before it, or its `init` is wrong.

    `bnexp.running.prepare` calls it for one network of each structure, before anything is trained.
    An example is a pooling window that is larger than the image that reaches it. Of a batch of one
    image, batch norm needs several pixels: how many reach it, only the images' size can tell.
    """
    layers = _layers_with_keys(_blank_setting(setting), counts.classes)
    shape = counts.image_shape
    if isinstance(setting.model, Mlp):
        shape = (math.prod(shape),)
    values, shortcuts = [], nn.Shortcuts()  # values: of one sample, for each batch norm
    only = Adjustments(only=setting.train.only or ())
    trained: set[str] = set()
    for layer, key in layers:
        if isinstance(layer, BATCH_NORMS):
            values.append(layer.values(shape))
        try:
            inputs = shortcuts.join(layer, shape)
            initial: Any = layer.init(np.random.default_rng(0), inputs)
        except ValueError as error:
            raise SettingError(key, f"layers do not fit together, {error}") from None
        if not isinstance(initial, tuple) or len(initial) != 3:
            got = cut(repr(initial), 60)
            expected = "expected the shape of an output, the parameters and the state"
            raise SettingError(key, f"{type(layer).__name__}.init: {expected}, got {got}")
        shape = shortcuts.split(layer, initial[0])
        trained |= {*only.trained(initial[1])}
    if not trained:
        names = ", ".join(setting.train.only or ())
        expected = "expected parameters that the layers have"
        raise SettingError(("train", "only"), f"nothing to train, {expected}, got {names}")
    images = setting.data.train
    if images == "all":
        images = counts.train - setting.data.validation
    if 1 in values and (text := single_sample(setting, images)):
        raise SettingError(("train", "batch_size"), text)
    _check_output_units(setting, counts.classes)


def _check_output_units(setting: Setting, classes: int) -> None:
    """SettingError for a probe of a unit that the output layer does not have."""
    output = setting.model.weighted() + 1
    options: tuple[Any, ...] = setting.probes.read if setting.probes else ()
    for i, probe in enumerate(options):
        if probe.kind == "percentiles" and probe.layer == output and probe.unit >= classes:
            text = f"no such unit, expected at most {classes - 1}, got {probe.unit}"
            raise SettingError(("probes", "read", i, "unit"), text)


def make_metrics(setting: Setting) -> dict[str, Metric]:
    """What the setting's networks are scored with, by name: the default metrics, then the others.

    A worker process is sent the classes of a user's metrics, which need not be registered in it.

    The default metrics are those of every run: loss and accuracy. The keys of the result, behind
    train_ or test_, are the columns of metrics.csv.
    """
    additional = {options.kind: instantiate(options) for options in setting.train.metrics or ()}
    return {**DEFAULT_METRICS, **additional}
