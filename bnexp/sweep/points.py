"""The sweep's axes: values, labels, and their combinations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from bnexp.config.document import mapping_at
from bnexp.config.experiment import Setting, Sweep
from bnexp.config.load import Config, problems_error, schema_problems
from bnexp.config.messages import Problem, dotted
from bnexp.config.reference import SWEPT, keys_ending_in
from bnexp.config.yaml import Document, KeyPath, flow

MAX_CELLS = 100_000
_SPACES: dict[str, Callable[..., Any]] = {
    "linspace": np.linspace,
    "logspace": np.logspace,
    "geomspace": np.geomspace,
}

_RANDOM = ("uniform", "loguniform")

Label = float | int | str


@dataclass(frozen=True)
class Axis:
    """A swept dotted key; `labels` are its values as tables show them, structures by name.

    `spaced` says that the values are a range's, not a list's.
    """

    key: str
    values: tuple[Any, ...]
    labels: tuple[Label, ...]
    path: KeyPath
    spaced: bool = False


def axes(sweep: Sweep, document: Document) -> list[list[Axis]]:
    """Groups of axes: the groups are multiplied, the axes within one group move together."""
    groups = [[_axis(key, v, ("sweep", key), document)] for key, v in sweep.axes().items()]
    zipped = [
        _axis(key, v, ("sweep", "zip", key), document, zipped=True) for key, v in sweep.zip.items()
    ]
    _refuse_overlaps([*(axis for group in groups for axis in group), *zipped], document)
    lengths = {len(axis.values) for axis in zipped}
    if len(lengths) > 1:
        got = ", ".join(f"{len(axis.values)} of {axis.key}" for axis in zipped)
        text = f"not of one length, expected as many values of each key, got {got}"
        raise problems_error([Problem(("sweep", "zip"), text)], document)
    _refuse_repeats(zipped, document)
    return [*groups, zipped] if zipped else groups


def _refuse_repeats(zipped: Sequence[Axis], document: Document) -> None:
    """Values may come again under `zip`, but not all of them together."""
    rows = list(zip(*(axis.labels for axis in zipped), strict=True))
    again = next((row for row, number in Counter(rows).items() if number > 1), None)
    if again is not None:
        text = f"the same values twice, expected each combination once, got {flow(again)} again"
        raise problems_error([Problem(("sweep", "zip"), text)], document)


def _refuse_overlaps(swept: Sequence[Axis], document: Document) -> None:
    """Two axes that set the same number: the one would silently win over the other."""
    given = Counter(axis.key for axis in swept)
    for axis in reversed(swept):
        others = [key for key in _around(axis.key) if key in given]
        others += [axis.key] if given[axis.key] > 1 else []
        if others:
            text = "swept over twice, expected axes apart from each other, got "
            text += f"{others[0]!r} as an axis as well"
            raise problems_error([Problem(axis.path, text, at_key=True)], document)


def _around(key: str) -> list[str]:
    """The dotted keys of the mappings around a key."""
    parts = key.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _axis(key: str, values: Any, path: KeyPath, document: Document, zipped: bool = False) -> Axis:
    if key.partition(".")[0] not in SWEPT:
        near = [name for name in keys_ending_in(key) if name.partition(".")[0] in SWEPT]
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        text = "not a key that can be swept, expected one under data, model or train, got "
        text += f"{key!r}{hint}"
        raise problems_error([Problem(path, text, at_key=True)], document)
    if isinstance(values, tuple):
        names = labels(values)
        if len(set(names)) < len(names) and not zipped:
            text = f"a value twice, expected each once, got {flow(names)}"
            raise problems_error([Problem(path, text)], document)
        return Axis(key, values, names, path)
    ((name, (start, stop, number)),) = values
    if number > MAX_CELLS:
        text = f"too many values, expected at most {MAX_CELLS}, got {number}"
        raise problems_error([Problem(path, text)], document)
    with np.errstate(all="ignore"):
        try:
            made = _made(name, (start, stop, number), key)
        except (ValueError, OverflowError):
            ends = "the smaller end first" if name in _RANDOM else "ends on one side of 0"
            text = f"no such range, expected {ends}, got {flow([start, stop, number])}"
            raise problems_error([Problem(path, text)], document) from None
    numbers = tuple(float(value) for value in made)
    return Axis(key, numbers, numbers, path, spaced=True)


def _made(name: str, ends: tuple[float, float, int], key: str) -> Any:
    if name not in _RANDOM:
        return _SPACES[name](*ends)
    drawn = np.random.default_rng([*key.encode()]).uniform(*ends)  # each key its own numbers
    return 10**drawn if name == "loguniform" else drawn


def labels(values: Sequence[Any]) -> tuple[Label, ...]:
    """Numbers and texts as they are; a mapping by its kind, and by what sets it apart."""
    if any(isinstance(value, Mapping) for value in values):  # there a bare name is a kind too
        values = [{"kind": value} if isinstance(value, str) else value for value in values]
    short = [_short(value) for value in values]
    shared = {label for label, number in Counter(short).items() if number > 1}
    return tuple(
        _long(value, [v for v, s in zip(values, short, strict=True) if s == label])
        if label in shared
        else label
        for value, label in zip(values, short, strict=True)
    )


def _short(value: Any) -> Label:
    if isinstance(value, Mapping):
        return str(value.get("kind", flow(value)))
    if isinstance(value, bool) or value is None:
        return "none" if value is None else flow(value)
    return value if isinstance(value, int | float | str) else flow(value)


def _long(value: Any, others: Sequence[Any]) -> Label:
    if not isinstance(value, Mapping):
        return _short(value)
    mappings = [other for other in others if isinstance(other, Mapping)]
    apart = {k: v for k, v in value.items() if any(k not in o or o[k] != v for o in mappings)}
    text = " ".join(f"{k}={v if isinstance(v, float) else flow(v)}" for k, v in apart.items())
    return f"{_short(value)} {text}".strip()


Chosen = Iterable[tuple[Axis, int]]


def raw_setting(config: Config, chosen: Chosen) -> dict[str, Any]:
    """The setting before validation, with the chosen value of each axis."""
    document = config.document.value
    raw: Any = {k: document[k] for k in ("data", "model", "train", "probes") if k in document}
    for axis, i in chosen:
        raw = _put(raw, (), tuple(axis.key.split(".")), axis.values[i], axis, config)
    return dict(raw)


def _put(raw: Any, around: KeyPath, keys: KeyPath, value: Any, axis: Axis, config: Config) -> Any:
    """`raw` with one nested key set, everything around it copied."""
    if not keys:
        return value
    mapping = mapping_at(around, raw)
    if not isinstance(mapping, Mapping):
        text = f"not a key that can be swept, expected a mapping around {keys[0]!r}, got {raw!r}"
        raise problems_error([Problem(axis.path, text, at_key=True)], config.document)
    here = (*around, keys[0])
    return {**mapping, keys[0]: _put(mapping.get(keys[0]), here, keys[1:], value, axis, config)}


def whole(groups: list[list[Axis]], config: Config) -> list[list[Axis]]:
    """The axes, ranges of whole numbers as such where the key wants them: batch sizes, widths."""
    ranges = {axis.key for group in groups for axis in group if axis.spaced}
    refused = ranges and ranges & _refused(groups, config)
    integers = [[_integers(axis) if axis.key in refused else axis for axis in g] for g in groups]
    return integers if refused and not refused & _refused(integers, config) else groups


def _integers(axis: Axis) -> Axis:
    values = tuple(int(value) if value.is_integer() else value for value in axis.values)
    return replace(axis, values=values, labels=values)


def _refused(groups: list[list[Axis]], config: Config) -> set[str]:
    """The keys whose values at the sweep's first point are not valid."""
    raw = raw_setting(config, [(axis, 0) for group in groups for axis in group])
    try:
        Setting.model_validate(raw)
    except ValidationError as error:
        return {dotted(problem.path) for problem in schema_problems(error, raw)}
    return set()
