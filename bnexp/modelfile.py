"""A trained network as one npz file, without pickles: the arrays, and its setting as JSON text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from bnexp import npz
from bnexp.config.kinds import Strict
from bnexp.config.messages import dotted
from bnexp.config.network import Mlp
from bnexp.config.rules import MAX_WEIGHTS, problems
from bnexp.config.schema import Count, Seed, Setting, refresh
from bnexp.config.writing import plain
from bnexp.errors import BnexpError, ConfigError, StoreError
from bnexp.execution.building import blank
from bnexp.files import read, write_whole
from bnexp.model import Model

FORMAT = 1
KIND = "bnexp_network"
MOST_CLASSES = 256  # labels are bytes

T = TypeVar("T", bound=BaseModel)


def save_model(model: Model, path: str | Path) -> Path:
    """Write the network to `path`, whole or not at all; StoreError where that fails."""
    about = {
        "format": FORMAT,
        "setting": plain(model.setting),
        "seed": model.seed,
        "shape": model.shape,
        "classes": model.classes,
    }
    arrays = npz.named(parameters=model.parameters, state=model.state)
    arrays |= {} if model.offset is None else {"offset": model.offset}
    write_whole(Path(path), npz.encode(KIND, about, arrays))
    return Path(path)


def load_model(path: str | Path) -> Model:
    """The network that `save_model` wrote.

    Raises StoreError where the file cannot be read, is damaged, of another format, or where its
    arrays do not fit its setting; ConfigError where the setting is none that this bnexp knows.
    """
    path = Path(path)
    content = read(path)
    if content is None:
        raise StoreError(f"{path}: no such file, expected one that save_model wrote")
    header, arrays = npz.decode(KIND, FORMAT, content, path)
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
    if broken := problems(setting, "independent"):
        raise ConfigError(f"{path}: setting: {dotted(broken[0].path)}: {broken[0].text}")
    given = dict(arrays)
    rows = (math.prod(facts.shape),) if isinstance(setting.model, Mlp) else facts.shape
    precision, made = np.dtype(setting.train.precision), []
    shape = rows
    for i, layer in enumerate(blank(setting, facts.classes).layers):
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
