"""`where`: which networks of a sweep are meant, in claims, figures and `bnexp.fit` alike.

A `where` maps swept keys to selectors, and chooses the networks that have one of the selected
values for each key. A selector is one of:

    a number            the equal value of the axis or, if there is none, the only one within 0.5 %:
                        0.0251 is enough for 0.025118864315095794
    a text              the label of a value as tables show it, or its beginning, if it is the
                        beginning of one label only: a kind without its options
    true, false, null   the labels true, false and none
    {kind: ..., ...}    a swept mapping, or those of its options that set it apart
    {at_least: ..., at_most: ...}   a range of numbers, both ends included
    [...]               any of these; or a swept value that is itself a list

All are validated by `Where` of bnexp.config.claims. What is not in the sweep, or could be several
of its values, is a `WhereError`. It holds the path of the key within the `where`, so that messages
can name the line of the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bnexp.config.claims import Range, Where, range_problem
from bnexp.config.messages import real_path, schema_problem
from bnexp.config.yaml import KeyPath, flow, unquoted
from bnexp.runs.tables import Axis, Value
from bnexp.text import choices, counted, distinct, exact

Point: TypeAlias = Mapping[str, Value]

TOLERANCE = 0.005  # relative; how near a number must be to a value of the axis to mean it
MAX_SHOWN = 20
_SCHEMA = TypeAdapter(Where, config=ConfigDict(strict=True, allow_inf_nan=False))


class WhereError(Exception):
    """The sweep does not have what a `where` selects.

    path: the key within the `where`, and the place in its list; () if no key is to blame.
    text: what is wrong. at_key: whether the key itself is wrong, and not its value.

    It is not a ConfigError: whoever reads the `where` adds the claim's or figure's place and raises
    an error of its own.
    """

    def __init__(self, path: KeyPath, text: str, at_key: bool = False) -> None:
        super().__init__(text)
        self.path, self.text, self.at_key = path, text, at_key


class SeveralValues(WhereError):
    """A selector for a single value could mean several values of its axis."""


def select_points(
    where: Mapping[str, Any], axes: Sequence[Axis], points: Iterable[Point]
) -> tuple[Point, ...]:
    """The points that have a selected value for each key, in their order. Raises WhereError.

    Arguments:
        where: swept key -> selector; an empty one selects all points.
        axes: the axes of the sweep, with all their values.
        points: swept key -> value of each combination that the sweep has.
    """
    points = tuple(points)
    values = select_values(where, axes)
    selected = tuple(p for p in points if all(p[key] in v for key, v in values.items()))
    if not selected:
        raise no_such_points(len(points))
    return selected


def no_such_points(number: int) -> WhereError:
    """The error of a `where` whose values do not occur together at any of `number` points."""
    text = "no such points, expected a combination that the sweep has, got none of its"
    return WhereError((), f"{text} {counted(number, 'point')}")


def select_values(where: Mapping[str, Any], axes: Sequence[Axis]) -> dict[str, tuple[Value, ...]]:
    """The selected values of each key, in the axis's order. Raises WhereError.

    where: plain values, or what the schema made of them.
    """
    plain = (
        {str(key): selector for key, selector in where.items()}
        if isinstance(where, Mapping)
        else where
    )
    try:
        where = _SCHEMA.validate_python(plain)
    except ValidationError as error:
        entry = error.errors()[0]
        problem = schema_problem(entry, real_path(entry["loc"], plain, entry["type"]))
        raise WhereError(problem.path, problem.text) from None
    return {
        key: _axis_values(selector, axis_named(key, axes, (key,)), (key,))
        for key, selector in where.items()
    }


def axis_named(key: str, axes: Sequence[Axis], path: KeyPath = (), at_key: bool = True) -> Axis:
    """The axis of a swept key. Raises WhereError if it is not swept.

    path: the place that the error names; at_key: whether the error is about the key at that place.
    """
    for axis in axes:
        if axis.key == key:
            return axis
    keys = [axis.key for axis in axes]
    expected = choices(key, keys) if keys else f"a sweep, got {key!r} and nothing is swept"
    raise WhereError(path, f"not swept, expected {expected}", at_key)


def _axis_values(selector: Any, axis: Axis, path: KeyPath) -> tuple[Value, ...]:
    """The values of one axis that a selector means, each once, in the axis's order."""
    if isinstance(selector, Range):
        return _values_in_range(selector, axis, path)
    if not isinstance(selector, tuple):
        return (_single_value(selector, axis, path),)
    has_range = any(isinstance(item, Range) for item in selector)
    if not has_range and (label := flow(selector)) in axis.values:
        return (label,)
    selected = set[Value]()
    for i, item in enumerate(selector):
        selected.update(_axis_values(item, axis, (*path, i)))
    return tuple(value for value in dict.fromkeys(axis.values) if value in selected)


def _values_in_range(selector: Range, axis: Axis, path: KeyPath) -> tuple[Value, ...]:
    """Both ends are included. An end that means one of the values is that value."""
    if problem := range_problem(selector):
        raise WhereError(path, problem)
    if not axis.numeric:
        text = "no range of it, expected values of an axis that is no number: "
        raise WhereError(path, f"{text}{_shown_values(axis)}, got a range")

    def limit(end: float | None, default: float) -> float:
        if end is None:
            return default
        values = _equal_or_near(end, axis)
        return float(values[0]) if len(values) == 1 else end

    low, high = limit(selector.at_least, -math.inf), limit(selector.at_most, math.inf)
    values = tuple(value for value in dict.fromkeys(axis.values) if low <= float(value) <= high)
    if not values:
        got = " and ".join(f"{name} {exact(end)}" for name, end in selector if end is not None)
        expected = f"expected some of {_shown_values(axis)}"
        raise WhereError(path, f"no value of the axis, {expected}, got {got}")
    return values


def _single_value(selector: Any, axis: Axis, path: KeyPath) -> Value:
    """The one value that a selector means which is neither a list nor a range."""
    if isinstance(selector, Mapping):
        candidates = _swept_mappings(selector, axis)
    elif _is_number(selector):
        candidates = _equal_or_near(selector, axis) or _labels(unquoted(selector), axis)
    else:
        candidates = _labels("none" if selector is None else unquoted(selector), axis)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        few = ", ".join(map(str, candidates[:9]))
        text = f"several values of the axis, expected one of {few}"
        raise SeveralValues(path, f"{text}, got {flow(selector)}")
    text = f"no value of the axis, expected one of {_shown_values(axis)}"
    raise WhereError(path, f"{text}, got {flow(selector)}")


def _equal_or_near(number: float, axis: Axis) -> list[Value]:
    """The values that equal the number, or else those that it can be short for."""
    return _first_matches(
        [value for value in axis.values if _is_number(value)],
        lambda value: value == number,
        lambda value: math.isclose(float(value), number, rel_tol=1e-9),
        lambda value: abs(float(value) - number) <= TOLERANCE * abs(number),
    )


def _labels(text: str, axis: Axis) -> list[Value]:
    """The values whose label is the text, or else those whose label begins with it."""
    return _first_matches(
        axis.values,
        lambda value: str(value) == text,
        lambda value: str(value).lower() == text.lower(),
        lambda value: str(value).startswith(f"{text} "),
    )


def _swept_mappings(selector: Mapping[str, Any], axis: Axis) -> list[Value]:
    """The values that were swept as this mapping, or else those that have all its options."""

    def options(value: Any) -> dict[str, Any]:
        mapping = value if isinstance(value, Mapping) else {"kind": value}
        return {k: float(v) if _is_number(v) else flow(v) for k, v in mapping.items()}

    selected = options(selector)
    swept = {
        label: options(axis.config_values[label])
        for label in axis.values
        if label in axis.config_values
    }
    equal = [label for label, value in swept.items() if value == selected]
    return equal or [label for label, value in swept.items() if selected.items() <= value.items()]


def _first_matches(values: Iterable[Value], *conditions: Callable[[Value], bool]) -> list[Value]:
    """The values that meet the first condition that any of them meets, each once."""
    values = list(dict.fromkeys(values))
    matches = ([value for value in values if condition(value)] for condition in conditions)
    return next((some for some in matches if some), [])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown_values(axis: Axis) -> str:
    """The values of an axis as a message lists them, at most MAX_SHOWN of them."""
    labels = distinct(axis.values)
    more = len(labels) - MAX_SHOWN
    return ", ".join(labels[:MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")
