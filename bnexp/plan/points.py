"""One point of the sweep as plain values: the document's, with the axes' values put in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from bnexp.config.document import opened
from bnexp.config.loading import Config, problems_error, schema_problems
from bnexp.config.messages import Problem, dotted
from bnexp.config.schema import Setting
from bnexp.config.yaml_text import Path
from bnexp.plan.axes import Axis

Chosen = Iterable[tuple[Axis, int]]


def raw_setting(config: Config, chosen: Chosen) -> dict[str, Any]:
    """The setting before validation, with the chosen value of each axis."""
    document = config.document.value
    raw: Any = {k: document[k] for k in ("data", "model", "train", "probes") if k in document}
    for axis, i in chosen:
        raw = _put(raw, (), tuple(axis.key.split(".")), axis.values[i], axis, config)
    return dict(raw)


def _put(raw: Any, around: Path, keys: Path, value: Any, axis: Axis, config: Config) -> Any:
    """`raw` with one nested key set, everything around it copied."""
    if not keys:
        return value
    mapping = opened(around, raw)
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
