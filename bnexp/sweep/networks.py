"""The networks of an experiment: one for each point of its sweep and each seed.

`make_plan` combines the axes' values into points, validates the setting at each point, and names
each network by an id that stands for everything its numbers depend on. Two networks of one id have
the same numbers, in whatever experiment they occur: a stored result is found again by its id.

The experiment without its sweep is valid already. At a point only the keys that are swept are
validated, as parts of the mapping around them: `_Settings` validates each combination of the values
of one part (data, model, train) once, however many points and seeds share it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from bnexp.config.document import mapping_at
from bnexp.config.experiment import Setting
from bnexp.config.load import Config, schema_problems
from bnexp.config.messages import NO_KIND, Problem, SettingError, dotted, problems_error
from bnexp.config.options import identity
from bnexp.config.rules import setting_problems
from bnexp.config.yaml import KeyPath, flow
from bnexp.errors import ConfigError
from bnexp.sweep.axes import MAX_NETWORKS, Label, SweepAxis, sweep_axes, sweep_error
from bnexp.sweep.stream import StreamPosition, drawn_values, stream_positions
from bnexp.text import exact

# Increment it if the same configuration gives other numbers after a change of the numerics.
NUMERICS = 3
WHOLE = 1e-9  # relative: how far from a whole number rounding may take a range's number
MAX_LISTED = 8  # how many numbers of a range a message lists


@dataclass(frozen=True)
class Network:
    """One network that an experiment trains.

    id: 20 hexadecimal digits that stand for everything the network's numbers depend on.
    setting: its data, model, training and probes.
    seed: its seed.
    point: the label of each swept key, as tables show it.
    place: its position in the book's stream; None if the experiment does not replay it.
    """

    id: str
    setting: Setting
    seed: int
    point: Mapping[str, Label]
    place: StreamPosition | None


@dataclass(frozen=True)
class Plan:
    """All networks of an experiment in the order of its sweep, with seeds as the innermost loop."""

    axes: tuple[SweepAxis, ...]
    networks: tuple[Network, ...]


@dataclass(frozen=True)
class _Point:
    """One combination of axis values.

    index: which value each group of axes has.
    chosen: each axis with the index of its value.
    """

    index: tuple[int, ...]
    chosen: tuple[tuple[SweepAxis, int], ...]


def make_plan(config: Config) -> Plan:
    """The networks of an experiment.

    ConfigError with everything that is wrong with the settings of the sweep, each problem at the
    swept value that causes it; also for too many networks, and for two that are the same.
    """
    axes = sweep_axes(config.experiment.sweep, config.document, drawn_values(config))
    groups = _whole_numbers(axes, config)
    seeds = config.experiment.random.seeds
    total = math.prod(len(group[0].values) for group in groups) * len(seeds)
    if total > MAX_NETWORKS:
        text = f"too many networks, expected at most {MAX_NETWORKS:,}, got {total:,}"
        raise sweep_error(("sweep",), text, config.document)
    points = list(_points(groups))
    settings = _Settings(config, points[0])
    stream = config.experiment.random.stream
    valid: list[Setting] = []
    problems: dict[Problem, None] = {}  # in order, each once
    for point in points:
        setting = settings.at(point)
        if isinstance(setting, Setting):
            valid.append(setting)
            setting = setting_problems(setting, stream)
        problems |= dict.fromkeys(_at_axis(problem, point) for problem in setting)
    if problems:
        raise problems_error(problems, config.document)
    places: list[StreamPosition | None] = [None] * len(points)
    if stream == "book":
        swept = [{axis.key: axis.values[i] for axis, i in point.chosen} for point in points]
        places = [*stream_positions(swept, valid, config)]
    networks: list[tuple[_Point, Network]] = []
    for point, valid_setting, place in zip(points, valid, places, strict=True):
        identity_text = settings.identity_text(valid_setting)
        labels = {axis.key: axis.labels[i] for axis, i in point.chosen}
        for seed in seeds:
            network_id = _network_id(identity_text, seed, place)
            networks.append((point, Network(network_id, valid_setting, seed, labels, place)))
    _refuse_duplicates(networks, config)
    return Plan(tuple(itertools.chain(*groups)), tuple(network for _, network in networks))


def _points(groups: Sequence[Sequence[SweepAxis]]) -> Iterator[_Point]:
    for index in itertools.product(*(range(len(group[0].values)) for group in groups)):
        chosen = [(axis, i) for group, i in zip(groups, index, strict=True) for axis in group]
        yield _Point(index, tuple(chosen))


class _Settings:
    """The settings at the points of a sweep; each distinct part of them is validated once."""

    def __init__(self, config: Config, point: _Point) -> None:
        """`point` is any point: it has the axes of all of them.

        ConfigError if an axis sets a key inside something that is no mapping.
        """
        self._config = config
        self._base = {name: getattr(config.experiment, name) for name in Setting.model_fields}
        self._setting = Setting.model_validate(self._base)
        self._raw = _raw_setting(point.chosen, config)
        # Which of a point's axes are in each part of the setting.
        parts = [axis.keys[0] for axis, _ in point.chosen]
        self._axes = {
            name: [i for i, part in enumerate(parts) if part == name]
            for name in Setting.model_fields
            if name in parts
        }
        self._parts: dict[tuple[Any, ...], Any] = {}
        self._identities: dict[int, str] = {}
        self._options: dict[Any, Any] = {}

    def at(self, point: _Point) -> Setting | list[Problem]:
        """The validated setting at a point, or what is wrong with its swept values."""
        parts: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, positions in self._axes.items():
            key = (name, *(point.chosen[i][1] for i in positions))
            if key not in self._parts:
                self._parts[key] = self._validate(name, [point.chosen[i] for i in positions])
            part = self._parts[key]
            if isinstance(part, list):
                problems += part
            else:
                parts[name] = part
        return problems or self._setting.model_copy(update=parts)

    def _validate(self, name: str, chosen: Sequence[tuple[SweepAxis, int]]) -> Any:
        """One part with the chosen values, or its problems; only swept keys are validated again."""
        raw = _raw_setting(chosen, self._config)
        part = raw[name]
        if all(len(axis.keys) > 1 for axis, _ in chosen):  # else the part is swept as one value
            swept = {axis.keys[1]: part[axis.keys[1]] for axis, _ in chosen}
            part = {**dict(self._base[name]), **swept}
        try:
            setting = Setting.model_validate({**self._base, name: part})
        except ValidationError as error:
            return schema_problems(error, raw)
        return getattr(setting, name)

    def identity_text(self, setting: Setting) -> str:
        """The identity of a setting as JSON with sorted keys, put together from those of its parts.

        Parts that settings share are looked at once: `_parts` keeps them, so that no two of them
        have the same `id`.
        """
        texts = []
        for name in sorted(Setting.model_fields):
            part = getattr(setting, name)
            if id(part) not in self._identities:
                self._identities[id(part)] = _json(part and identity(part, self._options))
            texts.append(f'"{name}":{self._identities[id(part)]}')
        return f"{{{','.join(texts)}}}"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _raw_setting(chosen: Iterable[tuple[SweepAxis, int]], config: Config) -> dict[str, Any]:
    """The setting as the experiment's text has it, with the chosen values put in."""
    document = config.document.value
    raw: Any = {name: document[name] for name in Setting.model_fields if name in document}
    for axis, i in chosen:
        raw = _put(raw, (), axis.keys, i, axis, config)
    return dict(raw)


def _put(raw: Any, outer: KeyPath, keys: KeyPath, i: int, axis: SweepAxis, config: Config) -> Any:
    """`raw`, which stands at the path `outer`, with value `i` of the axis at the path `keys` in it.

    Nothing is changed in place.
    """
    if not keys:
        return axis.values[i]
    mapping = mapping_at(outer, raw)
    if not isinstance(mapping, Mapping):
        text = f"not a key that can be swept, expected a mapping around {keys[0]!r}, got {raw!r}"
        raise sweep_error(axis.path, text, config.document, at_key=True)
    inner = _put(mapping.get(keys[0]), (*outer, keys[0]), keys[1:], i, axis, config)
    return {**mapping, keys[0]: inner}


def _whole_numbers(groups: list[list[SweepAxis]], config: Config) -> list[list[SweepAxis]]:
    """The axes; the numbers of a range as integers if their key accepts nothing else.

    Ranges yield floats. A key that refuses its range's first number, but not the integer above it,
    takes whole numbers only, such as a batch size or a width.
    """
    ranges = {a.key for group in groups for a in group if a.spaced and np.isfinite(a.values).all()}
    refused = ranges and ranges & _refused_keys(groups, config)
    if not refused:
        return groups

    def first_as_integer(axis: SweepAxis) -> SweepAxis:
        number = axis.values[0]
        return replace(axis, values=(_nearly_whole(number) or math.ceil(number),))

    first = [[first_as_integer(a) if a.key in refused else a for a in group] for group in groups]
    whole = refused - _refused_keys(first, config)
    return [[_as_integers(a, config) if a.key in whole else a for a in group] for group in groups]


def _nearly_whole(number: float) -> int | None:
    """The integer that a number is, up to rounding; None if it has a fraction.

    >>> _nearly_whole(7.999999999999999), _nearly_whole(7.99)
    (8, None)
    """
    return round(number) if math.isclose(number, round(number), rel_tol=WHOLE) else None


def _as_integers(axis: SweepAxis, config: Config) -> SweepAxis:
    """The axis with integers as values; ConfigError if its range has other numbers."""
    values = [_nearly_whole(number) for number in axis.values]
    integers = tuple(value for value in values if value is not None)
    if len(integers) == len(values):
        return replace(axis, values=integers, labels=integers)
    fractions = [exact(n) for n, value in zip(axis.values, values, strict=True) if value is None]
    got = ", ".join([*fractions[:MAX_LISTED], *["..."] * (len(fractions) > MAX_LISTED)])
    nearest = [*dict.fromkeys(max(round(number), 1) for number in axis.values)]
    remedy = "list the values"
    if len(nearest) <= MAX_LISTED:
        remedy += f", such as {flow(nearest)}"
    text = f"not whole numbers, expected a range of whole numbers as {axis.key} takes no other ones"
    raise sweep_error(axis.path, f"{text}, got {got}; {remedy}", config.document)


def _refused_keys(groups: list[list[SweepAxis]], config: Config) -> set[str]:
    """The dotted keys of what is not valid at the sweep's first point."""
    point = next(_points(groups))
    setting = _Settings(config, point).at(point)
    return {dotted(problem.path) for problem in setting} if isinstance(setting, list) else set()


def _at_axis(problem: Problem, point: _Point) -> Problem:
    """The problem with the place of the swept value that causes it; its own place if none does."""
    key = dotted(problem.path)
    for axis, i in reversed(point.chosen):
        if key == axis.key or key.startswith((f"{axis.key}.", f"{axis.key}[")):
            inner = problem.path[len(axis.keys) :]
            is_axis_unknown = problem.at_key and not inner
            path = axis.path if is_axis_unknown else (*axis.path, i, *inner)
            return Problem(path, problem.text, problem.at_key)
    for axis, i in reversed(point.chosen):  # the mapping around a swept key lacks something else
        outer, _, last = axis.key.rpartition(".")
        if outer == key and problem.text.startswith(NO_KIND):  # the mapping is the sweep's own
            text = f"{NO_KIND} that has {last}, expected {key}: {{kind: NAME, ...}} in the file"
            return Problem(axis.path, text, at_key=True)
        if outer == key:
            return Problem((*axis.path, i), problem.text)
    return problem


def setting_error(error: SettingError, network: Network, config: Config) -> ConfigError:
    """The error of one network's setting, with the place of its key in the experiment's text.

    If the key is swept, that is the place of the network's value.
    """
    axes = make_plan(config).axes
    chosen = tuple((axis, axis.labels.index(network.point[axis.key])) for axis in axes)
    problem = _at_axis(error.problem, _Point((), chosen))
    return problems_error([problem], config.document)


def _network_id(setting: str, seed: int, place: StreamPosition | None) -> str:
    """The id of a network: a hash of JSON with sorted keys, in which `setting` is JSON already."""
    book = _json(place.identity if place else None)
    text = f'{{"book":{book},"numerics":{NUMERICS},"seed":{seed},"setting":{setting}}}'
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _refuse_duplicates(networks: Iterable[tuple[_Point, Network]], config: Config) -> None:
    """ConfigError, at the value that changes nothing, if two networks are the same."""
    first_points: dict[str, _Point] = {}
    for point, network in networks:
        first = first_points.setdefault(network.id, point)
        if first is point:
            continue
        for (axis, i), (_, earlier) in zip(point.chosen, first.chosen, strict=True):
            if i != earlier:
                text = f"the same network as value {earlier} of it, expected another, got "
                raise sweep_error((*axis.path, i), f"{text}{axis.labels[i]!r}", config.document)
