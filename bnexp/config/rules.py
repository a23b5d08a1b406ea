"""What must hold between keys of one setting, beyond what each key allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnexp.config.kinds import Options
from bnexp.config.messages import Problem, choice
from bnexp.config.proberules import probe_problems
from bnexp.config.schema import MAX_STEPS, Setting
from bnexp.config.sizes import SIDE, weights
from bnexp.config.yaml_text import Path
from bnexp.data.catalog import DATASETS, is_folder

# The initialisers that are a number times randn, which is all that the book's stream can replay.
RANDN = ("normal", "xavier", "glorot", "he", "lecun")

# The sets whose sizes are known before they are read: --data-dir can put others in mnist's place.
FIXED = ("mnist-5k", "synthetic")
MAX_WEIGHTS = 20_000_000


def problems(setting: Setting, stream: str) -> list[Problem]:
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
        probe_problems,
    )
    found = [problem for rule in rules for problem in rule(setting)]
    return [*found, *_book_stream(setting, stream)]


def training_images(setting: Setting) -> int | None:
    """How many images the networks are trained on; None where only the files can tell."""
    name = setting.data.name
    if isinstance(setting.data.train, int):
        return setting.data.train
    return DATASETS[name].train if name in FIXED else None


def _dataset(setting: Setting) -> Iterator[Problem]:
    name, facts = setting.data.name, DATASETS.get(setting.data.name)
    if facts is None:
        if not is_folder(name):
            names = choice(name, list(DATASETS))
            yield Problem(("data", "name"), f"unknown data set, expected {names}; or a folder: ./x")
        return
    sizes = (("train", facts.train), ("test", facts.test)) if name in FIXED else ()
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
                f"no such layer, expected {choice(name, layers)}",
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
    places: dict[Path, Options] = {("model", "init"): setting.model.init}
    places |= {("model", "layer_init", name): init for name, init in own.items()}
    for path, init in places.items():
        if stream == "book" and init.kind not in RANDN:
            names = ", ".join(RANDN)
            yield Problem(
                path,
                f"not drawn as the book draws, expected one of {names} for random.stream: book, "
                f"got {init.kind!r}",
            )
