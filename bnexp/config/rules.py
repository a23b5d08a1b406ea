"""What must hold between the keys of an experiment, beyond what the schema allows for each key.

A rule is a generator of the problems that it finds. The rules of a setting are checked again at
each point of a sweep; those of seeds and claims once.

To add a rule, write a generator that takes a `Setting` and yields a `Problem` with the path of the
key, and enter it in _SETTING_RULES. Rules run only on settings that the schema accepts, so they may
rely on types and bounds. They must not read data files: what only the data can tell, such as the
number of images in a folder, is checked when the data are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bnexp.config.architecture import Mlp, ResidualBlock
from bnexp.config.claims import (
    OF_A_SOURCE,
    RELATIONS,
    TOLERANT,
    Claim,
    Near,
    OfQuantity,
    Other,
    Range,
    range_problem,
)
from bnexp.config.experiment import MAX_STEPS, Experiment, Random, Setting
from bnexp.config.figures import FIGURES, has_ticks
from bnexp.config.messages import NOT_PORTABLE, Problem
from bnexp.config.options import Options, instantiate
from bnexp.config.yaml import KeyPath
from bnexp.data.datasets import DATASETS, is_arrays, is_path
from bnexp.files import is_portable
from bnexp.metrics import recorded_metrics
from bnexp.nn import ACTIVATIONS, OPTIMIZERS
from bnexp.nn.book import (
    BOOK_LAYERS,
    BOOK_RULES,
    is_book_initializer,
    is_book_layer,
    is_book_rule,
)
from bnexp.nn.initializers import Normal, Zeros
from bnexp.nn.normalizers import BATCH_NORMS
from bnexp.nn.weightnorm import WeightNorm
from bnexp.probes import PROBES
from bnexp.text import choices, exact

MAX_WEIGHTS = 20_000_000


def experiment_problems(experiment: Experiment) -> list[Problem]:
    """Everything that is wrong between the keys of an experiment, but for its sweep.

    Returns an empty list if nothing is wrong. Paths begin at the root of the experiment.
    """
    problems = setting_problems(experiment, experiment.random.stream)
    if not is_portable(experiment.name):
        problems.append(Problem(("name",), f"{NOT_PORTABLE}, got {experiment.name!r}"))
    for name in ("together", "restart") if experiment.random.stream != "book" else ():
        if getattr(experiment.random, name):
            text = "without effect, expected random.stream: book with it, got independent"
            problems.append(Problem(("random", name), text, at_key=True))
    problems += _seeds(experiment.random)
    for i, reference in enumerate(experiment.references or ()):
        if not (reference.doi or reference.arxiv or reference.isbn or reference.url):
            text = (
                "nowhere to be found, expected at least one of doi, arxiv, isbn and url, got none"
            )
            problems.append(Problem(("references", i), text))
    problems += _figure_names(experiment)
    for i, claim in enumerate(experiment.claims or ()):
        found = [*_claim(claim), *_kind(claim, claim.source or experiment.source)]
        problems += [Problem(("claims", i, *p.path), p.text) for p in found]
    return problems


def _figure_names(experiment: Experiment) -> Iterator[Problem]:
    """Names of figures that two of them have, or that files of figures without a name have."""
    names = [figure.name for figure in experiment.figures or ()]
    for i, name in enumerate(names):
        path: KeyPath = ("figures", i, "name")
        if re.fullmatch(rf"({'|'.join(FIGURES)})\d*", name, re.IGNORECASE):
            text = f"the name of a kind's file, expected another one, got {name!r}"
            yield Problem(path, text)
        elif name and name.casefold() in [other.casefold() for other in names[:i]]:
            yield Problem(path, f"a name twice, expected each once, got {name!r} again")


def _seeds(random: Random) -> Iterator[Problem]:
    """Seeds that are listed twice."""
    design = random.design_seeds or ()
    for name, seeds in (("seeds", random.seeds), ("design_seeds", design)):
        if repeated := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            again = f"got {', '.join(map(str, repeated[:5]))} again"
            yield Problem(("random", name), f"a seed twice, expected each once, {again}")


def setting_problems(setting: Setting, stream: str) -> list[Problem]:
    """The rules that a setting breaks; `stream` is the experiment's `random.stream`.

    stream: "independent" or "book". What the book's code does not have cannot replay its stream.
    """
    problems = [problem for rule in _SETTING_RULES for problem in rule(setting)]
    return [*problems, *_book_stream(setting)] if stream == "book" else problems


# Data and training


def _training_images(setting: Setting) -> int | None:
    """How many images the networks are trained on; None if only the files can tell."""
    if isinstance(setting.data.train, int):
        return setting.data.train
    facts = DATASETS.get(setting.data.name)
    images = facts.train - setting.data.validation if facts and facts.fixed else 0
    return images if images > 0 else None


def _dataset(setting: Setting) -> Iterator[Problem]:
    """A data set that does not exist, or more images than it has.

    How many images a folder has is not known here.
    """
    name, facts = setting.data.name, DATASETS.get(setting.data.name)
    if setting.data.validation and setting.data.test:
        text = "together with data.test, expected one of them, got both"
        yield Problem(("data", "validation"), text)
    if facts is None and not (is_path(name) or is_arrays(name)):
        names = choices(name, list(DATASETS))
        yield Problem(("data", "name"), f"unknown data set, expected {names}; or a folder: ./x")
    elif facts is not None and facts.fixed and setting.data.validation >= facts.train:
        text = f"no image is left to train on, expected less than {facts.train}"
        yield Problem(("data", "validation"), f"{text}, got {setting.data.validation}")
    elif facts is not None and facts.fixed:
        held_out = facts.train - setting.data.validation
        for part, size in (("train", held_out), ("test", facts.test)):
            number = getattr(setting.data, part)
            if isinstance(number, int) and number > size:
                text = f"more than there are, expected at most {size}, got {number}"
                yield Problem(("data", part), text)


def _length(setting: Setting) -> Iterator[Problem]:
    """Not exactly one of epochs and steps, or more steps than MAX_STEPS.

    The number of steps in an epoch is known only if the number of images is.
    """
    train = setting.train
    if (train.epochs is None) == (train.steps is None):
        got = "neither"
        if train.epochs is not None:
            got = "both; --set train.epochs=null or train.steps=null drops an inherited one"
        yield Problem(("train",), f"no single length, expected either epochs or steps, got {got}")
    images = _training_images(setting)
    if images is None or train.epochs is None:
        return
    has_smaller_batch = train.sampling == "shuffle" and images % train.batch_size > 0
    steps = train.epochs * max(images // train.batch_size + has_smaller_batch, 1)
    if steps > MAX_STEPS:
        text = f"too long, expected at most {MAX_STEPS:,} steps, got {steps:,}"
        yield Problem(("train", "epochs"), text)


def _batch_size(setting: Setting) -> Iterator[Problem]:
    """Batches that are larger than the data, or of one sample where batch norm needs more."""
    size, images = setting.train.batch_size, _training_images(setting)
    if images is not None and size > images:
        text = f"larger than the data, expected at most {images} (the training images), got {size}"
        yield Problem(("train", "batch_size"), text)
    if images is not None and setting.train.sampling == "all" and size != images:
        text = f"not all images, expected {images} with sampling: all, got {size}"
        yield Problem(("train", "batch_size"), text)
    if _normalizes_single_values(setting) and (single := single_sample(setting, images)):
        yield Problem(("train", "batch_size"), single)


def _normalizes_single_values(setting: Setting) -> bool:
    """Whether a batch norm sees a single value of each sample, whatever the images' size.

    It does behind dense layers, and of images if each activation has a statistic of its own. Behind
    convolutions it sees as many as there are pixels: `bnexp.execution.build.check_shapes` counts
    them when the images have been loaded.
    """
    model, (norm, _) = setting.model, _normalizer(setting)
    if not isinstance(norm, BATCH_NORMS):
        return False
    if getattr(norm, "spatial", "channel") == "activation":
        return bool(model.widths())
    return model.kind == "mlp" or any(block.kind == "dense" for block in model.blocks)


def single_sample(setting: Setting, images: int | None) -> str | None:
    """Why a batch has one sample only, and what batch norm makes of it; None if none has.

    images: the number of training images, None if it is not known yet.

    The text has the form of a problem's. It is asked here for data sets of known size, and again by
    `bnexp.execution.build.check_shapes` when the images have been counted.
    """
    size = setting.train.batch_size
    reason = "batch norm of a single sample is beta, whatever the sample"
    if size == 1:
        return f"too small, expected at least 2, got 1: {reason}"
    if setting.train.sampling == "shuffle" and images is not None and images % size == 1:
        expected = f"expected {images} images not to leave 1"
        return f"leaves a last batch of one, {expected}, got {size}: {reason}"
    return None


def _sampling(setting: Setting) -> Iterator[Problem]:
    """A number of classes without sampling: by_class or the other way round, or too large."""
    train, path = setting.train, ("train", "classes_per_batch")
    number, is_by_class = train.classes_per_batch, train.sampling == "by_class"
    if is_by_class and number is None:
        text = "by_class without classes_per_batch, expected both, also where a sweep varies them"
        yield Problem(("train", "sampling"), text)
    elif number is not None and not is_by_class:
        text = f"of no use, expected it beside sampling: by_class, got {train.sampling}"
        yield Problem(path, text)
    elif number is not None and number > train.batch_size:
        expected = f"expected at most batch_size, which is {train.batch_size}"
        yield Problem(path, f"more classes than images, {expected}, got {number}")


def _evaluations(setting: Setting) -> Iterator[Problem]:
    """Evaluations in no order, or after the end of the training."""
    steps, path = setting.train.evaluate, ("train", "evaluate")
    if not isinstance(steps, tuple):
        return
    if list(steps) != sorted(set(steps)):
        yield Problem(path, "not in order, expected ascending steps, each once")
    if steps[0] == 0 and setting.train.evaluate_train == "batch":
        yield Problem(path, "no batch yet, expected steps from 1 with evaluate_train: batch, got 0")
    if setting.train.steps is not None and steps[-1] > setting.train.steps:
        text = f"after the end, expected at most step {setting.train.steps}, got {steps[-1]}"
        yield Problem(path, text)


def _metrics(setting: Setting) -> Iterator[Problem]:
    """Metrics that would have one name in the tables."""
    names = [options.kind for options in setting.train.metrics or ()]
    for i, name in enumerate(names):
        if name in names[:i]:
            text = f"a metric twice, expected each once, got {name!r} again"
            yield Problem(("train", "metrics", i), text)


def _parameters(setting: Setting) -> Iterator[Problem]:
    """Kinds of parameters that are listed twice."""
    for key in ("decay_also", "only"):
        names = getattr(setting.train, key) or ()
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            text = f"a name twice, expected each once, got {', '.join(repeated)} again"
            yield Problem(("train", key), text)


def _early_stopping(setting: Setting) -> Iterator[Problem]:
    """Early stopping without validation images, or by a metric that is not recorded."""
    train, path = setting.train, ("train", "early_stopping")
    if train.early_stopping is None:
        return
    if not setting.data.validation:
        yield Problem(path, "no validation images, expected data.validation above 0, got 0")
    names = recorded_metrics({options.kind for options in train.metrics or ()})
    if train.early_stopping.metric not in names:
        metric = train.early_stopping.metric
        text = (
            f"not scored, expected {choices(metric, names, (), f'add {metric} to train.metrics')}"
        )
        yield Problem((*path, "metric"), text)


def _book_stream(setting: Setting) -> Iterator[Problem]:
    """What the book's code does not have, so that there is nothing to replay."""

    def problem(key: str, expected: str, got: object) -> Problem:
        text = f"not in the book's code, expected {expected} for random.stream: book, got {got}"
        return Problem(tuple(key.split(".")), text)

    data, model, train = setting.data, setting.model, setting.train
    if data.name == "gaussian" or data.draw == "seed":
        if data.train == "all":
            yield problem("data.train", "a number of images to draw", "all")
        if data.name == "gaussian" and (data.draw == "seed" or data.validation or data.test):
            yield problem("data", "gaussian without draw, validation and test", "one of them")
    if data.label_noise:
        yield problem("data.label_noise", "0", data.label_noise)
    if train.sampling not in ("with_replacement", "all"):
        yield problem("train.sampling", "with_replacement or all", train.sampling)
    if train.schedule.kind != "constant" or instantiate(train.schedule).warmup:
        yield problem("train.schedule", "constant", train.schedule.kind)
    for name in ("weight_decay", "clip_norm"):
        if value := getattr(train, name):
            yield problem(f"train.{name}", "none", value)
    if model.residual:
        yield problem("model.residual", "none", "one")
    if train.early_stopping:
        yield problem("train.early_stopping", "none", "one")
    for name in ("decay_also", "only"):
        if value := getattr(train, name):
            yield problem(f"train.{name}", "none", ", ".join(value))
    if not is_book_rule(instantiate(train.optimizer)):
        rules = ", ".join(name for name, cls in OPTIMIZERS.items() if cls in BOOK_RULES)
        expected = f"one of {rules}, with dialect book where there is one,"
        yield problem("train.optimizer", expected, repr(train.optimizer.kind))
    if model.kind == "cnn":
        kinds = [block.kind for block in model.blocks]
        if kinds[0] != "conv" or not set(kinds[1:]) <= {"max_pool", "dense"}:
            expected = "one conv, first, then max_pool and dense"
            yield problem("model.blocks", expected, ", ".join(kinds))
        for name in ("norm", "dropout"):
            if getattr(model, name) is not None:
                yield problem(f"model.{name}", "none in a cnn", name)
        if model.activation.kind != "relu":
            yield problem("model.activation", "relu in a cnn", repr(model.activation.kind))
        if any(getattr(block, "padding", 0) for block in model.blocks[1:]):
            yield problem("model.blocks", "pooling without padding", "padding")
        if train.l2:
            yield problem("train.l2", "0 in a cnn", train.l2)
        for key, number in (
            ("data.test", data.test),
            ("train.evaluate_train", train.evaluate_train),
        ):
            if isinstance(number, int) and number % 100:
                # Its accuracy drops what does not fill a hundred, and divides by all images.
                yield problem(key, "a multiple of 100, in which its cnn scores images", number)
    if model.activation.target not in BOOK_LAYERS:
        activations = [name for name, cls in ACTIVATIONS.items() if cls in BOOK_LAYERS]
        yield problem("model.activation", " or ".join(activations), repr(model.activation.kind))
    if model.norm is not None and not is_book_layer(instantiate(model.norm)):
        expected = "none, or batch with the options of dialect book (eps and stat_decay are free)"
        yield problem("model.norm", expected, repr(model.norm.kind))
    if model.norm is not None and model.norm_position != "before":
        yield problem("model.norm_position", "before", model.norm_position)
    if not model.bias:
        yield problem("model.bias", "true", "false")
    if model.dropout is not None and model.dropout.scale != "evaluation":
        yield problem("model.dropout.scale", "evaluation", model.dropout.scale)
    if model.dropout is not None and train.precision != "float64":
        yield problem("model.dropout", "train.precision: float64 with it", train.precision)
    names = "normal" if model.kind == "cnn" else "normal, xavier or he without options"
    initializer = instantiate(model.init)
    if not is_book_initializer(initializer) or (
        model.kind == "cnn" and not isinstance(initializer, Normal)
    ):
        yield problem("model.init", names, repr(model.init.kind))
    if model.layer_init:
        yield problem("model.layer_init", "one init for all layers", ", ".join(model.layer_init))
    if data.pixels != "grey":
        yield problem("data.pixels", "grey", data.pixels)
    if train.l2 and any(metric.kind == "book_loss" for metric in train.metrics or ()):
        text = "without the penalty that the book adds, expected train.l2: 0 with book_loss"
        yield Problem(("train", "metrics"), f"{text}, got {train.l2}")


# Model and probes


def _normalizer(setting: Setting) -> tuple[Any, str]:
    """The normalizer, None without one; or None and why its class refuses its options."""
    try:
        return instantiate(setting.model.norm) if setting.model.norm else None, ""
    except ValueError as error:
        return None, str(error)


def _norm_options(setting: Setting) -> Iterator[Problem]:
    """Options of a normalizer that do not go together."""
    _, refusal = _normalizer(setting)
    if refusal:
        yield Problem(("model", "norm"), refusal)


def _weights(setting: Setting) -> Iterator[Problem]:
    """More weights than MAX_WEIGHTS, or a layer that makes as many numbers of an image.

    How large the images of a folder are is not known here.
    """
    if facts := DATASETS.get(setting.data.name):
        yield from size_problems(setting, facts.image_shape, facts.classes)


def size_problems(setting: Setting, image_shape: Sequence[int], classes: int) -> Iterator[Problem]:
    """Why a network is too large for images of this shape: what `_weights` refuses.

    `bnexp.estimate` asks again for data sets that have been loaded. Nothing is allocated.
    """
    sizes = list(setting.model.layer_sizes(image_shape, classes))
    path = ("model", "hidden" if setting.model.kind == "mlp" else "blocks")
    images = f"for images of {' x '.join(map(str, image_shape[:2]))}"
    for what, number in (
        ("weights", sum(layer.weights for layer in sizes)),
        ("numbers of an image in one layer", max(layer.outputs for layer in sizes)),
    ):
        if number > MAX_WEIGHTS:
            text = f"too large, expected at most {MAX_WEIGHTS:,} {what}, got {number:,} {images}"
            yield Problem(path, text)


def _residual(setting: Setting) -> Iterator[Problem]:
    """Skip connections without a block to lead around, or of layers that are no whole blocks."""
    model = setting.model
    if (residual := model.residual) is None:
        return
    if isinstance(model, Mlp):
        size, number = model.block_layers, len(model.hidden)
        if number <= size or (number - 1) % size:
            expected = f"expected 1 hidden layer, then blocks of {size}, got {number}"
            yield Problem(("model", "residual"), f"no whole blocks, {expected}")
    elif not any(isinstance(block, ResidualBlock) for block in model.blocks):
        expected = "expected {kind: residual, blocks: [...]} among model.blocks"
        yield Problem(("model", "residual"), f"without effect, {expected}, got none")
    elif residual.layers is not None:
        text = "without effect in a cnn, expected blocks of kind residual instead, got"
        yield Problem(("model", "residual", "layers"), f"{text} {residual.layers}")
    if residual.init == "fixup" and residual.scale == 0:
        text = "keeps blocks at 0 for good, expected another scale with init: fixup, got 0"
        yield Problem(("model", "residual", "scale"), text)
    if residual.init == "fixup" and hasattr(instantiate(model.init), "fitted"):
        text = "fits weights to data, expected another one with residual.init: fixup, got"
        yield Problem(("model", "init"), f"{text} {model.init.kind}")


def _is_zero(options: Options) -> bool:
    """Whether an initializer makes all weights 0, by its kind or by an option."""
    initializer = instantiate(options)
    options_of_scale = [getattr(initializer, key, 1) for key in ("std", "limit", "value")]
    return isinstance(initializer, Zeros) or 0 in options_of_scale


def _weight_norm_of_zeros(setting: Setting) -> Iterator[Problem]:
    """Weights of 0 under weight norm, which divides them by their length.

    Only hidden layers have it. A key of `layer_init` overrides the others.
    """
    model = setting.model
    if model.norm is None or not isinstance(_normalizer(setting)[0], WeightNorm):
        return
    reason = "weight norm divides weights by their length, which is 0"
    layers = [str(i + 1) for i in range(len(model.widths()))]
    is_overridden = {*layers} <= {*model.layer_init}
    if model.residual and model.residual.init == "fixup" and not is_overridden:
        text = f"starts with weights of 0, expected plain with model.norm: {model.norm.kind}"
        yield Problem(("model", "residual", "init"), f"{text}, got fixup: {reason}")
    elif _is_zero(model.init) and not is_overridden:
        text = f"expected another one with model.norm: {model.norm.kind}, got {model.init.kind}"
        yield Problem(("model", "init"), f"weights of 0, {text}: {reason}")
    for name in layers:
        if name in model.layer_init and _is_zero(model.layer_init[name]):
            kind = model.layer_init[name].kind
            text = f"expected another one with model.norm: {model.norm.kind}, got {kind}"
            yield Problem(("model", "layer_init", name), f"weights of 0, {text}: {reason}")


def _layer_init(setting: Setting) -> Iterator[Problem]:
    """Initializers of layers that the network does not have."""
    layers = [*(str(i + 1) for i in range(len(setting.model.widths()))), "output"]
    for name in setting.model.layer_init:
        if name not in layers:
            text = f"no such layer, expected {choices(name, layers)}"
            yield Problem(("model", "layer_init", name), text, at_key=True)


def _probes(setting: Setting) -> Iterator[Problem]:
    """Probes of what does not exist, of one name, or at steps in no order."""
    if (probes := setting.probes) is None:
        return
    layers = len(setting.model.widths()) + 1
    options: tuple[Any, ...] = probes.read
    for i, probe in enumerate(options):
        layer = getattr(probe, "layer", 1)
        if layer > layers:
            text = f"no such layer, expected at most {layers}, the output layer, got {layer}"
            yield Problem(("probes", "read", i, "layer"), text)
        path: KeyPath = ("probes", "read", i)
        if getattr(PROBES[probe.kind], "needs_test", False) and not setting.data.scores_test:
            text = f"no test images, expected data.test above 0 for {probe.kind}, got none"
            yield Problem(path, text)
        if probe.kind == "histogram" and not probe.low < probe.high:
            text = f"not above low, expected a number > {exact(probe.low)}, got {exact(probe.high)}"
            yield Problem((*path, "high"), text)
        elif probe.kind == "histogram" and not has_ticks(probe.low, probe.high, probe.bins):
            text = "its bins cannot be told apart, expected low and high up to 1e100 and bins that "
            text += f"are wide enough, got {probe.bins} from {probe.low:g} to {probe.high:g}"
            yield Problem((*path, "high"), text)
        for j, strength in enumerate(getattr(probe, "strengths", ())):
            is_shift = getattr(probe, "to", None) == "shift"
            if strength < 0 or (is_shift and strength % 1):
                expected = "a whole number of pixels" if is_shift else "a number"
                text = f"not a strength, expected {expected} from 0, got {exact(strength)}"
                yield Problem((*path, "strengths", j), text)
        for key in ("quantities", "percentiles", "steps", "strengths"):
            values = getattr(probe, key, ())
            for j, value in enumerate(values if isinstance(values, tuple) else ()):
                if value in values[:j]:
                    shown = value if isinstance(value, str) else exact(value)
                    text = f"a value twice, expected each once, got {shown} again"
                    yield Problem((*path, key, j), text)
        if probe.kind != "percentiles":
            continue
        for j, value in enumerate(probe.percentiles):
            if not 0 <= value <= 100:
                text = f"not a percentile, expected a number from 0 to 100, got {exact(value)}"
                yield Problem((*path, "percentiles", j), text)
        width = dict(enumerate(setting.model.widths(), 1)).get(layer, probe.unit + 1)
        if probe.unit >= width:
            text = f"no such unit, expected at most {width - 1}, got {probe.unit}"
            yield Problem((*path, "unit"), text)
    names = [
        (p.kind, *(getattr(p, key, None) for key in ("of", "layer", "to"))) for p in probes.read
    ]
    for i, name in enumerate(names):
        if name in names[:i]:
            text = f"a probe twice, expected each once, got {name[0]!r} again"
            yield Problem(("probes", "read", i), f"{text}: its numbers would have one name")
    if isinstance(probes.at, tuple) and list(probes.at) != sorted(set(probes.at)):
        yield Problem(("probes", "at"), "not in order, expected ascending steps, each once")


_SETTING_RULES = (
    _dataset,
    _length,
    _weights,
    _batch_size,
    _sampling,
    _norm_options,
    _residual,
    _weight_norm_of_zeros,
    _layer_init,
    _evaluations,
    _metrics,
    _parameters,
    _early_stopping,
    _probes,
)


# Claims; paths are those within the claim


def _claim(claim: Claim) -> Iterator[Problem]:
    """Not exactly one relation, keys that do not go with it, and what cannot be measured."""
    relations = [name for name in RELATIONS if getattr(claim, name) is not None]
    if len(relations) != 1:
        got = " and ".join(relations) or "none"
        text = f"no single relation, expected exactly one of {', '.join(RELATIONS)}, got {got}"
        yield Problem((), text)
    is_tolerant = bool({*relations} & {*TOLERANT})
    if relations and claim.tolerance is not None and not is_tolerant:
        expected = f"expected it beside one of {', '.join(TOLERANT)}"
        yield Problem(("tolerance",), f"no use here, {expected}, got {relations[0]}")
    if relations and claim.in_at_least is not None and is_tolerant:
        expected = "expected a relation of single points"
        text = f"no use here, {expected}, got {relations[0]}, which is of all"
        yield Problem(("in_at_least",), text)
    for name in ("within", "near"):
        target = getattr(claim, name)
        if target and (target.by is None) == (target.relative is None):
            got = "neither" if target.by is None else "both"
            text = f"no single distance, expected either by or relative, got {got}"
            yield Problem((name,), text)
    yield from _side(claim, ())
    for name in ("above", "below", "near"):
        if other := getattr(claim, name):
            yield from _side(other, (name,))


def _kind(claim: Claim, source: str) -> Iterator[Problem]:
    """A kind that needs a source without one, and an expected refutation that is no finding.

    That a published claim or a law does not hold is worth reporting. That the author's own number
    does not, says only that the author has chosen it wrongly. Of what was measured, which is the
    default that older runs have, `bnexp.claims.statements` says the same when it is run.
    """
    if claim.kind in OF_A_SOURCE and not source:
        text = f"no source, expected one of the claim or of the experiment with {claim.kind}"
        yield Problem(("kind",), f"{text}, got none")
    if claim.expect == "refuted" and claim.kind == "direction" and claim.margins:
        text = "no refutation of the source, expected another verdict, or a direction without a "
        text += f"margin of the author's, got refuted with {' and '.join(claim.margins)}"
        yield Problem(("expect",), text)


def _side(side: Claim | Other | Near, path: KeyPath) -> Iterator[Problem]:
    """What is wrong with `where` and `measure` of a claim, or of what it is compared with."""
    for key, selector in side.where.items():
        items = enumerate(selector) if isinstance(selector, tuple) else ((None, selector),)
        for i, item in items:
            if isinstance(item, Range) and (text := range_problem(item)):
                yield Problem((*path, "where", key, *(() if i is None else (i,))), text)
    measure = side.measure
    if not isinstance(measure, OfQuantity) or measure.growth is None:
        return
    first, last = measure.growth
    if measure.layer is not None:
        text = "no single layer, expected either layer or growth, got both"
        yield Problem((*path, "measure"), text)
    if not 1 <= first < last:
        expected = "expected [first, last] with 1 <= first < last"
        text = f"no growth, {expected}, got [{first}, {last}]"
        yield Problem((*path, "measure", "growth"), text)
