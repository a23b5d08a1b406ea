"""A trained network as one npz file, without pickles: the arrays, and its setting as JSON text."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from bnexp import nn
from bnexp.config.schema import Mlp, Setting, refresh
from bnexp.config.writing import plain
from bnexp.errors import ConfigError, StoreError
from bnexp.execution.building import blank
from bnexp.model import Model
from bnexp.store.files import read, write_whole

FORMAT = 1
HEADER = "bnexp_network"


def save_model(model: Model, path: str | Path) -> Path:
    """Write the network to `path`, whole or not at all; StoreError where that fails."""
    about = {
        "format": FORMAT,
        "setting": plain(model.setting),
        "seed": model.seed,
        "shape": model.shape,
        "classes": model.classes,
    }
    content = io.BytesIO()
    arrays = _arrays(model)
    np.savez(content, allow_pickle=False, **{HEADER: np.array(json.dumps(about))}, **arrays)
    write_whole(Path(path), content.getvalue())
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
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            about = _header(file, path)
            model = _empty(about, path)
            return _filled(model, file, path)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path}: damaged, expected what save_model wrote: {error}") from None


def _header(file: Any, path: Path) -> Mapping[str, Any]:
    if HEADER not in getattr(file, "files", ()):
        raise StoreError(f"{path}: not a network, expected an npz file that save_model wrote")
    about = json.loads(str(file[HEADER]))
    if about["format"] != FORMAT:
        raise StoreError(
            f"{path}: of format {about['format']}, this bnexp reads {FORMAT}; train it again, or "
            "use the bnexp that wrote it"
        )
    return dict(about)


def _empty(about: Mapping[str, Any], path: Path) -> Model:
    """The network that the header describes, all its numbers 0."""
    refresh()
    try:
        setting = Setting.model_validate(about["setting"])
    except ValidationError as error:
        wrong = error.errors()[0]
        key = ".".join(map(str, wrong["loc"]))
        raise ConfigError(f"{path}: setting: {key}: {wrong['msg']}") from None
    shape = tuple(int(side) for side in about["shape"])
    rows = (int(np.prod(shape)),) if isinstance(setting.model, Mlp) else shape
    classes = int(about["classes"])
    start = blank(setting, classes).init(np.random.default_rng(0), rows)
    parameters, state = (nn.stack([part], setting.train.precision) for part in start)
    offset = np.zeros(rows) if setting.data.pixels == "centred" else None
    return Model(setting, int(about["seed"]), shape, classes, parameters, state, offset)


def _filled(model: Model, file: Any, path: Path) -> Model:
    wanted = _arrays(model)
    given = set(file.files) - {HEADER}
    if given != set(wanted):
        odd = sorted(given ^ set(wanted))[0]
        raise StoreError(f"{path}: {odd}: {'not expected' if odd in given else 'missing'}")
    arrays = {name: file[name] for name in wanted}
    for name, array in arrays.items():
        expected = wanted[name]
        if (array.shape, array.dtype) != (expected.shape, expected.dtype):
            raise StoreError(
                f"{path}: {name}: does not fit, expected {expected.shape} {expected.dtype}, "
                f"got {array.shape} {array.dtype}"
            )
    return replace(
        model,
        parameters=_unnamed("parameters", model.parameters, arrays),
        state=_unnamed("state", model.state, arrays),
        offset=arrays.get("offset"),
    )


def _arrays(model: Model) -> dict[str, NDArray[Any]]:
    offset = {} if model.offset is None else {"offset": model.offset}
    layers = {**_named("parameters", model.parameters), **_named("state", model.state)}
    return {**layers, **offset}


def _named(part: str, layers: tuple[Mapping[str, Any], ...]) -> dict[str, NDArray[Any]]:
    """`parameters/3/gamma`: the arrays of each layer under one flat name."""
    return {f"{part}/{i}/{name}": a for i, own in enumerate(layers) for name, a in own.items()}


def _unnamed(
    part: str, layers: tuple[Mapping[str, Any], ...], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[Any]], ...]:
    return tuple(
        {name: arrays[f"{part}/{i}/{name}"] for name in own} for i, own in enumerate(layers)
    )
