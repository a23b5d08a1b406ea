"""Cells: one network each, with an id that stands for everything its numbers depend on."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bnexp.config.architecture import Cnn, Mlp
from bnexp.config.experiment import Setting
from bnexp.config.load import Config, problems_error, schema_problems
from bnexp.config.messages import NO_KIND, Problem, dotted
from bnexp.config.options import identity
from bnexp.config.rules import setting_problems as broken_rules
from bnexp.sweep.points import MAX_CELLS, Axis, Label, axes, raw_setting, whole

# Counts the changes of the numerics that give other numbers for the same configuration.
NUMERICS = 2


@dataclass(frozen=True)
class Place:
    """Where a cell draws in the book's stream: each round builds its networks, then trains them."""

    round: int
    network: int
    networks: int


@dataclass(frozen=True)
class Network:
    """One network: its setting, its seed, and its point of the sweep as tables show it."""

    id: str
    setting: Setting
    seed: int
    point: Mapping[str, Label]
    place: Place | None


@dataclass(frozen=True)
class Plan:
    """All cells of an experiment in the order of its sweep, seeds last."""

    axes: tuple[Axis, ...]
    networks: tuple[Network, ...]


@dataclass(frozen=True)
class _Point:
    """One combination of axis values; `index` is the position in each group of axes."""

    index: tuple[int, ...]
    chosen: tuple[tuple[Axis, int], ...]


def make_plan(config: Config) -> Plan:
    """Expand the sweep; ConfigError, at the axis's value, for a combination that is not valid."""
    groups = whole(axes(config.experiment.sweep, config.document), config)
    sizes = [len(group[0].values) for group in groups]
    seeds = config.experiment.random.seeds
    total = math.prod(sizes) * len(seeds)
    if total > MAX_CELLS:
        text = f"too many networks, expected at most {MAX_CELLS:,}, got {total:,}"
        raise problems_error([Problem(("sweep",), text)], config.document)
    settings = _settings(config, _points(groups))
    _check_book(config, settings)
    networks = [
        (point, _cell(config, point, setting, seed, sizes))
        for point, setting in settings
        for seed in seeds
    ]
    _refuse_twice(networks, config)
    return Plan(tuple(itertools.chain(*groups)), tuple(network for _, network in networks))


def _points(groups: Sequence[Sequence[Axis]]) -> Iterator[_Point]:
    for index in itertools.product(*(range(len(group[0].values)) for group in groups)):
        chosen = [(axis, i) for group, i in zip(groups, index, strict=True) for axis in group]
        yield _Point(index, tuple(chosen))


def _settings(config: Config, points: Iterable[_Point]) -> list[tuple[_Point, Setting]]:
    """The setting at each point, validated like a file's; all that is wrong is said at once."""
    made: list[tuple[_Point, Setting]] = []
    wrong: dict[Problem, None] = {}
    for point in points:
        setting, found = _setting(config, point)
        wrong |= dict.fromkeys(_at_axis(problem, point) for problem in found)
        if setting is not None:
            made.append((point, setting))
    if wrong:
        raise problems_error(wrong, config.document)
    return made


def _setting(config: Config, point: _Point) -> tuple[Setting | None, Iterable[Problem]]:
    raw = raw_setting(config, point.chosen)
    try:
        setting = Setting.model_validate(raw)
    except ValidationError as error:
        return None, schema_problems(error, raw)
    return setting, broken_rules(setting, config.experiment.random.stream)


def _at_axis(problem: Problem, point: _Point) -> Problem:
    """The problem at the swept value that it is about, or where it stands if none is."""
    name = dotted(problem.path)
    for axis, i in reversed(point.chosen):
        if name == axis.key or name.startswith((f"{axis.key}.", f"{axis.key}[")):
            within = problem.path[len(axis.key.split(".")) :]
            unknown = problem.at_key and not within  # the swept key itself
            at = axis.path if unknown else (*axis.path, i, *within)
            return Problem(at, problem.text, problem.at_key)
    for axis, i in reversed(point.chosen):  # what a swept key stands in can lack something else
        if axis.key.rpartition(".")[0] == name:
            if problem.text.startswith(NO_KIND):  # the mapping is the sweep's own
                last = axis.key.rpartition(".")[2]
                text = (
                    f"{NO_KIND} that has {last}, expected {name}: {{kind: NAME, ...}} in the file"
                )
                return Problem(axis.path, text, at_key=True)
            return Problem((*axis.path, i), problem.text)
    return problem


def _check_book(config: Config, settings: Sequence[tuple[_Point, Setting]]) -> None:
    """The book's stream goes on from network to network: all must draw alike."""
    if config.experiment.random.stream != "book":
        return
    shapes = {
        flow: setting
        for _, setting in settings
        for flow in [str((_images(setting), _shape(setting.model), _length(setting)))]
    }
    if len(shapes) > 1:
        text = "sweeps what is drawn, expected one data set, one shape and one length of training"
        text += " with random.stream: book, got several; use random.stream: independent"
        raise problems_error([Problem(("sweep",), text)], config.document)


def _images(setting: Setting) -> tuple[Any, ...]:
    """What batches are drawn from; test images are only scored."""
    return setting.data.name, setting.data.train


def _shape(model: Mlp | Cnn) -> tuple[Any, ...]:
    return model.hidden if isinstance(model, Mlp) else model.blocks


def _length(setting: Setting) -> tuple[Any, ...]:
    train = setting.train
    return train.epochs, train.steps, train.batch_size, train.evaluate


def _cell(
    config: Config, point: _Point, setting: Setting, seed: int, sizes: Sequence[int]
) -> Network:
    place = _place(point, sizes) if config.experiment.random.stream == "book" else None
    labels = {axis.key: axis.labels[i] for axis, i in point.chosen}
    return Network(_id(setting, seed, place), setting, seed, labels, place)


def _place(point: _Point, sizes: Sequence[int]) -> Place:
    """The first axis is the book's outer loop; the others are the networks of one round."""
    network = 0
    for i, size in zip(point.index[1:], sizes[1:], strict=True):
        network = network * size + i
    return Place(point.index[0] if point.index else 0, network, math.prod(sizes[1:]))


def _id(setting: Setting, seed: int, place: Place | None) -> str:
    what = {
        "numerics": NUMERICS,
        "setting": identity(setting),
        "seed": seed,
        "book": [place.round, place.network, place.networks] if place else None,
    }
    text = json.dumps(what, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _refuse_twice(networks: Iterable[tuple[_Point, Network]], config: Config) -> None:
    """ConfigError, at the value that gives nothing new, if two cells are the same network."""
    seen: dict[str, _Point] = {}
    for point, network in networks:
        first = seen.setdefault(network.id, point)
        for (axis, i), (_, before) in zip(point.chosen, first.chosen, strict=True):
            if i != before:
                text = f"the same network as value {before} of it, expected another, got "
                text += repr(axis.labels[i])
                raise problems_error([Problem((*axis.path, i), text)], config.document)
