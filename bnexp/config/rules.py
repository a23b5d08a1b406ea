"""What must hold between keys of one setting, beyond what each key allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bnexp.config.architecture import SIDE, ConvBlock, DenseBlock, Mlp, weights
from bnexp.config.claims import RELATIONS, TOLERANT, Claim, Measure, OfQuantity
from bnexp.config.experiment import MAX_STEPS, Setting
from bnexp.config.messages import Problem
from bnexp.config.options import Options
from bnexp.config.where import Range, Where, range_problem
from bnexp.config.yaml import KeyPath
from bnexp.data.datasets import DATASETS, is_folder
from bnexp.text import choices


def metric_problems(setting: Setting) -> Iterator[Problem]:
    """Metrics that would have one name in the tables."""
    names = [options.kind for options in setting.train.metrics or ()]
    for i, name in enumerate(names):
        if name in names[:i]:
            text = f"a metric twice, expected each once, got {name!r} again"
            yield Problem(("train", "metrics", i), text)


def probe_problems(setting: Setting) -> Iterator[Problem]:
    """Probes of a layer that is not there, or at steps that are not reached."""
    probes, layers = setting.probes, setting.model.weighted() + 1
    if probes is None:
        return
    for i, probe in enumerate(probes.read):
        layer = getattr(probe, "layer", 1)
        if layer > layers:
            text = f"no such layer, expected at most {layers}, the output layer, got {layer}"
            yield Problem(("probes", "read", i, "layer"), text)
        yield from _probe_options(i, probe, setting)
    names = [(p.kind, getattr(p, "of", None), getattr(p, "layer", None)) for p in probes.read]
    for i, name in enumerate(names):
        if name in names[:i]:
            text = f"a probe twice, expected each once, got {name[0]!r} again"
            yield Problem(("probes", "read", i), f"{text}: its numbers would have one name")
    if isinstance(probes.at, tuple) and list(probes.at) != sorted(set(probes.at)):
        yield Problem(("probes", "at"), "not in order, expected ascending steps, each once")


def _probe_options(i: int, probe: Any, setting: Setting) -> Iterator[Problem]:
    """Bins, percentiles and units that there are."""
    path: KeyPath = ("probes", "read", i)
    if probe.kind == "histogram" and not probe.low < probe.high:
        text = f"not above low, expected a number > {probe.low:g}, got {probe.high:g}"
        yield Problem((*path, "high"), text)
    if probe.kind == "percentiles":
        for j, value in enumerate(probe.percentiles):
            if not 0 <= value <= 100:
                text = f"not a percentile, expected a number from 0 to 100, got {value:g}"
                yield Problem((*path, "percentiles", j), text)
        width = dict(enumerate(_widths(setting), 1)).get(probe.layer, probe.unit + 1)
        if probe.unit >= width:
            text = f"no such unit, expected at most {width - 1}, got {probe.unit}"
            yield Problem((*path, "unit"), text)


def _widths(setting: Setting) -> Sequence[int]:
    """How many units each layer with weights has, the output layer apart."""
    model = setting.model
    if isinstance(model, Mlp):
        return model.hidden
    blocks = model.blocks
    return [block.features for block in blocks if isinstance(block, ConvBlock | DenseBlock)]


def claim_contradictions(claims: Sequence[Claim] | None) -> list[Problem]:
    """What must hold between the keys of one claim, and does not."""
    return [
        Problem(("claims", i, *problem.path), problem.text)
        for i, claim in enumerate(claims or ())
        for rule in (_one_relation, _options, _ranges, _distances, _layers)
        for problem in rule(claim)
    ]


def _one_relation(claim: Claim) -> Iterator[Problem]:
    given = [name for name in RELATIONS if getattr(claim, name) is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        text = f"no single relation, expected exactly one of {', '.join(RELATIONS)}, got {got}"
        yield Problem((), text)


def _options(claim: Claim) -> Iterator[Problem]:
    """Keys that go with some relations only."""
    given = [name for name in RELATIONS if getattr(claim, name) is not None]
    fits = bool({*given} & {*TOLERANT})
    if given and claim.tolerance is not None and not fits:
        text = f"no use here, expected it beside one of {', '.join(TOLERANT)}, got {given[0]}"
        yield Problem(("tolerance",), text)
    if given and claim.in_at_least is not None and fits:
        text = f"no use here, expected a relation of single points, got {given[0]}, which is of all"
        yield Problem(("in_at_least",), text)


def _ranges(claim: Claim) -> Iterator[Problem]:
    sides: dict[KeyPath, Where] = {(): claim.where}
    sides |= {(name,): o.where for name in ("above", "below") if (o := getattr(claim, name))}
    for side, where in sides.items():
        for key, chosen in where.items():
            if isinstance(chosen, Range) and (text := range_problem(chosen)):
                yield Problem((*side, "where", key), text)


def _distances(claim: Claim) -> Iterator[Problem]:
    within = claim.within
    if within and (within.by is None) == (within.relative is None):
        got = "neither" if within.by is None else "both"
        yield Problem(("within",), f"no single distance, expected either by or relative, got {got}")


def _layers(claim: Claim) -> Iterator[Problem]:
    sides: dict[KeyPath, Measure | None] = {("measure",): claim.measure}
    sides |= {
        (name, "measure"): o.measure for name in ("above", "below") if (o := getattr(claim, name))
    }
    for side, measure in sides.items():
        if not isinstance(measure, OfQuantity) or measure.growth is None:
            continue
        first, last = measure.growth
        if measure.layer is not None:
            yield Problem(side, "no single layer, expected either layer or growth, got both")
        if not 1 <= first < last:
            text = (
                f"no growth, expected [first, last] with 1 <= first < last, got [{first}, {last}]"
            )
            yield Problem((*side, "growth"), text)


# The initializers that are a number times randn, which is all that the book's stream can replay.
RANDN = ("normal", "xavier", "glorot", "he", "lecun")

MAX_WEIGHTS = 20_000_000


def setting_problems(setting: Setting, stream: str) -> list[Problem]:
    """Every rule that the setting breaks."""
    rules = (
        _dataset,
        _length,
        _steps,
        _weights,
        _batch,
        _single_sample,
        _layer_init,
        _points,
        metric_problems,
        probe_problems,
    )
    found = [problem for rule in rules for problem in rule(setting)]
    return [*found, *_book_stream(setting, stream)]


def training_images(setting: Setting) -> int | None:
    """How many images the networks are trained on; None where only the files can tell."""
    if isinstance(setting.data.train, int):
        return setting.data.train
    facts = DATASETS.get(setting.data.name)
    return facts.train if facts and facts.fixed else None


def _dataset(setting: Setting) -> Iterator[Problem]:
    name, facts = setting.data.name, DATASETS.get(setting.data.name)
    if facts is None:
        if not is_folder(name):
            names = choices(name, list(DATASETS))
            yield Problem(("data", "name"), f"unknown data set, expected {names}; or a folder: ./x")
        return
    sizes = (("train", facts.train), ("test", facts.test)) if facts.fixed else ()
    for part, size in sizes:
        asked = getattr(setting.data, part)
        if isinstance(asked, int) and asked > size:
            yield Problem(
                ("data", part), f"more than there are, expected at most {size}, got {asked}"
            )


def _length(setting: Setting) -> Iterator[Problem]:
    train = setting.train
    if (train.epochs is None) == (train.steps is None):
        both = "both; --set train.epochs=null or train.steps=null drops an inherited one"
        got = "neither" if train.epochs is None else both
        yield Problem(("train",), f"no single length, expected either epochs or steps, got {got}")


def _steps(setting: Setting) -> Iterator[Problem]:
    train, images = setting.train, training_images(setting)
    if images is None or train.epochs is None:
        return
    last = train.sampling == "shuffle" and images % train.batch_size > 0
    steps = train.epochs * max(images // train.batch_size + last, 1)
    if steps > MAX_STEPS:
        text = f"too long, expected at most {MAX_STEPS:,} steps, got {steps:,}"
        yield Problem(("train", "epochs"), text)


def _weights(setting: Setting) -> Iterator[Problem]:
    number, key = weights(setting.model), "hidden" if setting.model.kind == "mlp" else "blocks"
    if number > MAX_WEIGHTS:
        text = f"too large, expected at most {MAX_WEIGHTS:,} weights, got {number:,}"
        yield Problem(("model", key), f"{text} for images of {SIDE} x {SIDE}")


def repeated_seeds(seeds: Sequence[int]) -> list[Problem]:
    """The problem that a seed is given twice: its networks would be the same."""
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    text = f"a seed twice, expected each once, got {', '.join(map(str, twice[:5]))} again"
    return [Problem(("random", "seeds"), text)] if twice else []


def _batch(setting: Setting) -> Iterator[Problem]:
    size, images = setting.train.batch_size, training_images(setting)
    if images is not None and size > images:
        yield Problem(
            ("train", "batch_size"),
            f"larger than the data, expected at most {images} (the training images), got {size}",
        )


def _single_sample(setting: Setting) -> Iterator[Problem]:
    if text := single_sample(setting, training_images(setting)):
        yield Problem(("train", "batch_size"), text)


def single_sample(setting: Setting, images: int | None) -> str | None:
    """What is wrong with the batch size where batch norm would see a batch of one."""
    size, norm = setting.train.batch_size, setting.model.norm
    reason = "batch norm of a single sample is beta, whatever the sample"
    if norm is None or norm.kind not in ("batch", "noisy_batch"):
        return None
    if size == 1:
        return f"too small, expected at least 2, got 1: {reason}"
    if setting.train.sampling == "shuffle" and images is not None and images % size == 1:
        expected = f"expected {images} images not to leave 1"
        return f"leaves a last batch of one, {expected}, got {size}: {reason}"
    return None


def _layer_init(setting: Setting) -> Iterator[Problem]:
    layers = [*(str(i + 1) for i in range(setting.model.weighted())), "output"]
    for name in setting.model.layer_init:
        if name not in layers:
            yield Problem(
                ("model", "layer_init", name),
                f"no such layer, expected {choices(name, layers)}",
                at_key=True,
            )


def _points(setting: Setting) -> Iterator[Problem]:
    points = setting.train.evaluate
    if not isinstance(points, tuple):
        return
    if list(points) != sorted(set(points)):
        yield Problem(("train", "evaluate"), "not in order, expected ascending steps, each once")
    if setting.train.steps is not None and points[-1] > setting.train.steps:
        yield Problem(
            ("train", "evaluate"),
            f"after the end, expected at most step {setting.train.steps}, got {points[-1]}",
        )


def _book_stream(setting: Setting, stream: str) -> Iterator[Problem]:
    if stream == "book" and setting.train.sampling != "with_replacement":
        yield Problem(
            ("train", "sampling"),
            "not the book's, expected with_replacement for random.stream: book, got shuffle",
        )
    own = setting.model.layer_init
    places: dict[KeyPath, Options] = {("model", "init"): setting.model.init}
    places |= {("model", "layer_init", name): init for name, init in own.items()}
    for path, init in places.items():
        if stream == "book" and init.kind not in RANDN:
            names = ", ".join(RANDN)
            yield Problem(
                path,
                f"not drawn as the book draws, expected one of {names} for random.stream: book, "
                f"got {init.kind!r}",
            )
