"""The axes of a sweep: each swept key with its values and the labels that tables show.

`sweep_axes` makes them from the validated `Sweep` of an experiment. An axis keeps its values as the
text has them: what a value means depends on the other keys of the mapping that it is put into, so
that it can only be validated as part of a network's setting (see bnexp.sweep.networks).

Axes are crossed: each value of one is combined with each value of the others. Those under `zip`
move together instead, and so do those of random values, as each point of a random search is a new
draw of every key; `crossed: true` crosses such a key with the others, too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnexp.config.experiment import (
    BookLoguniformValues,
    LoguniformValues,
    Sweep,
    UniformValues,
)
from bnexp.config.frameworks import name_hint
from bnexp.config.messages import Problem, problems_error
from bnexp.config.reference import SWEPT, keys_ending_in
from bnexp.config.yaml import Document, KeyPath, flow
from bnexp.errors import ConfigError
from bnexp.text import exact

MAX_NETWORKS = 100_000  # how many networks a sweep can have at most

Label = float | int | str


@dataclass(frozen=True)
class SweepAxis:
    """A swept key with its values.

    key: the dotted key, such as `model.init.std`.
    values: what the key is set to, as plain values that are not validated yet.
    labels: the values as tables and figures show them; mappings by their kind.
    path: where the axis stands in the experiment, for messages.
    space: the range that the values come from, such as "linspace"; empty if from a list.
    """

    key: str
    values: tuple[Any, ...]
    labels: tuple[Label, ...]
    path: KeyPath
    space: str = ""

    @property
    def spaced(self) -> bool:
        """Whether the values come from a range, not from a list."""
        return bool(self.space)

    @property
    def drawn(self) -> bool:
        """Whether the values are drawn at random, as in a random search."""
        return self.spaced and self.space not in _SPACES

    @property
    def keys(self) -> tuple[str, ...]:
        """The parts of the dotted key."""
        return tuple(self.key.split("."))


def sweep_axes(
    sweep: Sweep, document: Document, drawn: Mapping[str, tuple[float, ...]] | None = None
) -> list[list[SweepAxis]]:
    """The axes in groups: groups are crossed, the axes of one group move together.

    A group is what is under `zip`, the keys of random values that are not to be crossed, or one of
    the other axes.

    drawn: the values of the keys that draw from the book's stream.

    ConfigError, with its place in the document, for a key that cannot be swept or is swept twice,
    and for values that are repeated, are no range, or are not as many as those that move together.
    """
    drawn = drawn or {}
    groups: list[list[SweepAxis]] = []
    random: list[SweepAxis] = []
    for key, values in sweep.axes().items():
        axis = _axis(key, values, ("sweep", key), document, drawn=drawn.get(key))
        if not is_drawn_together(values):
            groups.append([axis])
            continue
        if not random:
            groups.append(random)
        random.append(axis)
        if len(axis.values) != len(random[0].values):
            first = f"{len(random[0].values)} as of {random[0].key}"
            text = f"random keys are drawn together, expected {first}, got {len(axis.values)}"
            text += "; to combine each draw with each of the others, write crossed: true beside "
            text += f"{axis.space}"
            raise sweep_error(axis.path, text, document)
    zipped = [
        _axis(key, values, ("sweep", "zip", key), document, zipped=True, drawn=drawn.get(key))
        for key, values in sweep.zip.items()
    ]
    _refuse_overlaps([*(axis for group in groups for axis in group), *zipped], document)
    if len({len(axis.values) for axis in zipped}) > 1:
        got = ", ".join(f"{len(axis.values)} of {axis.key}" for axis in zipped)
        text = f"not of one length, expected as many values of each key, got {got}"
        raise sweep_error(("sweep", "zip"), text, document)
    rows = Counter(zip(*(axis.labels for axis in zipped), strict=True))
    repeated = next((row for row, count in rows.items() if count > 1), None)
    if repeated is not None:
        text = "the same values twice, expected each combination once, "
        raise sweep_error(("sweep", "zip"), f"{text}got {flow(repeated)} again", document)
    return [*groups, zipped] if zipped else groups


def sweep_error(path: KeyPath, text: str, document: Document, at_key: bool = False) -> ConfigError:
    """The error of one problem, with its place in the document."""
    return problems_error([Problem(path, text, at_key)], document)


def _refuse_overlaps(axes: Sequence[SweepAxis], document: Document) -> None:
    """ConfigError if one axis sets what another one sets too: one of them would silently win."""
    counts = Counter(axis.key for axis in axes)
    for axis in reversed(axes):
        outer = [".".join(axis.keys[:i]) for i in range(1, len(axis.keys))]
        others = [key for key in outer if key in counts]
        others += [axis.key] if counts[axis.key] > 1 else []
        if others:
            text = "swept over twice, expected axes apart from each other, got "
            raise sweep_error(axis.path, f"{text}{others[0]!r} as an axis as well", document, True)


def is_drawn_together(values: Any) -> bool:
    """Whether an axis with these validated values is drawn together with other random ones."""
    if isinstance(values, UniformValues | LoguniformValues):
        return not values.crossed
    return isinstance(values, BookLoguniformValues)


_SPACES: dict[str, Callable[..., Any]] = {
    "linspace": np.linspace,
    "logspace": np.logspace,
    "geomspace": np.geomspace,
}


def _axis(
    key: str,
    values: Any,
    path: KeyPath,
    document: Document,
    zipped: bool = False,
    drawn: tuple[float, ...] | None = None,
) -> SweepAxis:
    """One axis from the validated values of its key: a tuple, or a range with its three numbers.

    drawn: the range's values, if the book's stream draws them.
    """
    if key.partition(".")[0] not in SWEPT:
        meant = [name for name in keys_ending_in(key) if name.partition(".")[0] in SWEPT]
        hint = f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""
        place, _, last = key.rpartition(".")
        if explained := name_hint(last, place):
            hint = f"; {explained}"
        text = "not a key that can be swept, expected one under data, model or train, got "
        raise sweep_error(path, f"{text}{key!r}{hint}", document, True)
    if isinstance(values, tuple):
        labels = value_labels(values)
        if len(set(labels)) < len(labels) and not zipped:
            text = f"a value twice, expected each once, got {flow(labels)}"
            raise sweep_error(path, text, document)
        return SweepAxis(key, values, labels, path)
    if zipped and getattr(values, "crossed", False):
        text = "no use under zip, where keys move together, expected crossed: false, got true"
        raise sweep_error((*path, "crossed"), text, document)
    space, ends = next((name, ends) for name, ends in values if name != "crossed")
    if drawn is None:
        drawn = _range_numbers(key, space, ends, path, document)
    return SweepAxis(key, drawn, drawn, path, space)


def _range_numbers(
    key: str, space: str, ends: tuple[float, float, int], path: KeyPath, document: Document
) -> tuple[float, ...]:
    """The numbers of a range [start, stop, number]; ConfigError if there are no such."""
    start, stop, number = ends
    if number > MAX_NETWORKS:
        text = f"too many values, expected at most {MAX_NETWORKS}, got {number}"
        raise sweep_error(path, text, document)
    if space == "loguniform" and min(start, stop) <= 0:
        text = "no such range, expected values above 0 as its ends, "
        text += f"got {flow([start, stop, number])}"
        if max(abs(start), abs(stop)) < 300:  # as powers of ten, which they once were
            values = flow([10.0**start, 10.0**stop, number])
            text += f"; for powers of ten from {exact(start)} to {exact(stop)} "
            text += f"write loguniform: {values}"
        raise sweep_error(path, text, document)
    try:
        with np.errstate(all="ignore"):
            if space in _SPACES:
                spaced = _SPACES[space](start, stop, number)
            else:  # random numbers, from a generator that the key alone seeds
                is_log = space == "loguniform"
                low, high = (math.log10(end) if is_log else end for end in (start, stop))
                spaced = np.random.default_rng([*key.encode()]).uniform(low, high, number)
                spaced = 10**spaced if is_log else spaced
        return tuple(float(value) for value in spaced)
    except (ValueError, OverflowError):
        order = "ends on one side of 0" if space in _SPACES else "the smaller end first"
        text = f"no such range, expected {order}, got {flow([start, stop, number])}"
        raise sweep_error(path, text, document) from None


def value_labels(values: Sequence[Any]) -> tuple[Label, ...]:
    """The values as tables show them: numbers and texts as they are, mappings by their kind.

    Where several mappings have one kind, the keys in which they differ are added.

    >>> value_labels([0.1, 1]), value_labels(["batch", {"kind": "batch", "eps": 0.001}, "none"])
    ((0.1, 1), ('batch', 'batch eps=0.001', 'none'))
    """
    if any(isinstance(value, Mapping) for value in values):  # there a bare name is a kind too
        values = [{"kind": value} if isinstance(value, str) else value for value in values]
    short = [_short_label(value) for value in values]
    counts = Counter(short)
    labels = []
    for value, label in zip(values, short, strict=True):
        if counts[label] > 1 and isinstance(value, Mapping):
            same = [other for other, name in zip(values, short, strict=True) if name == label]
            label = f"{label} {_differences(value, same)}".strip()
        labels.append(label)
    return tuple(labels)


def _short_label(value: Any) -> Label:
    if isinstance(value, Mapping):
        return str(value.get("kind", flow(value)))
    if value is None:
        return "none"
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    return flow(value)


def _differences(value: Mapping[str, Any], others: Sequence[Any]) -> str:
    """The keys of a mapping in which another one differs, with their values."""
    mappings = [other for other in others if isinstance(other, Mapping)]
    return " ".join(
        f"{key}={inner if isinstance(inner, float) else flow(inner)}"
        for key, inner in value.items()
        if any(key not in other or other[key] != inner for other in mappings)
    )
