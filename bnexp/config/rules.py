"""What must hold between keys of one setting, beyond what each key allows."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.config.kinds import Options
from bnexp.config.messages import Problem, choice
from bnexp.config.schema import Setting
from bnexp.config.yaml_text import Path
from bnexp.data.catalog import DATASETS, is_folder

# The initialisers that are a number times randn, which is all that the book's stream can replay.
RANDN = ("normal", "xavier", "glorot", "he", "lecun")


def problems(setting: Setting, stream: str) -> list[Problem]:
    """Every rule that the setting breaks."""
    return [
        problem
        for rule in (_dataset, _length, _batch, _single_sample, _layer_init, _points)
        for problem in rule(setting)
    ] + list(_book_stream(setting, stream))


def training_images(setting: Setting) -> int | None:
    """How many images the networks are trained on; None where only the files can tell."""
    facts = DATASETS.get(setting.data.name)
    if isinstance(setting.data.train, int):
        return setting.data.train
    return facts.train if facts else None


def _dataset(setting: Setting) -> Iterator[Problem]:
    name, facts = setting.data.name, DATASETS.get(setting.data.name)
    if facts is None:
        if not is_folder(name):
            names = choice(name, list(DATASETS))
            yield Problem(("data", "name"), f"unknown data set, expected {names}; or a folder: ./x")
        return
    for part, size in (("train", facts.train), ("test", facts.test)):
        asked = getattr(setting.data, part)
        if isinstance(asked, int) and asked > size:
            yield Problem(
                ("data", part), f"more than there are, expected at most {size}, got {asked}"
            )


def _length(setting: Setting) -> Iterator[Problem]:
    train = setting.train
    if (train.epochs is None) == (train.steps is None):
        got = "neither" if train.epochs is None else "both"
        yield Problem(("train",), f"no single length, expected either epochs or steps, got {got}")


def _batch(setting: Setting) -> Iterator[Problem]:
    size, images = setting.train.batch_size, training_images(setting)
    if images is not None and size > images:
        yield Problem(
            ("train", "batch_size"),
            f"larger than the data, expected at most {images} (the training images), got {size}",
        )


def _single_sample(setting: Setting) -> Iterator[Problem]:
    if setting.model.norm is None or setting.model.norm.kind != "batch":
        return
    size, images = setting.train.batch_size, training_images(setting)
    reason = "batch norm of a single sample is beta, whatever the sample"
    if size == 1:
        yield Problem(("train", "batch_size"), f"too small, expected at least 2, got 1: {reason}")
    elif setting.train.sampling == "shuffle" and images is not None and images % size == 1:
        yield Problem(
            ("train", "batch_size"),
            f"leaves a last batch of one, expected {images} images not to leave 1, got "
            f"{size}: {reason}",
        )


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
