"""From `where` to the points of the sweep that it means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from bnexp.claims.sweep import Point, Swept, Unfit
from bnexp.config.claims import Chosen, Range, Scalar
from bnexp.config.messages import choice
from bnexp.config.writing import bare, flow
from bnexp.config.yaml_text import Path
from bnexp.tables.results import Axis, Value
from bnexp.wording import short

# How exactly a number must be typed to mean an axis's value: 0.0251 is 0.025118864315095794.
TYPED = 0.005
MAX_SHOWN = 20


def select(where: Mapping[str, Chosen], swept: Swept, path: Path) -> tuple[Point, ...]:
    """The points that have one of the chosen values on each axis, in the sweep's order."""
    wanted = values(where, swept, path)
    points = tuple(p for p in swept.points if all(p[key] in v for key, v in wanted.items()))
    if not points:
        text = "no such points, expected a combination that the sweep has, got none of its"
        raise Unfit(path, f"{text} {len(swept.points)} points")
    return points


def values(where: Mapping[str, Chosen], swept: Swept, path: Path) -> dict[str, tuple[Value, ...]]:
    """The axes' values that `where` means, by key. Raises Unfit for what is not swept."""
    return {
        key: _of_axis(chosen, axis_of(key, swept, (*path, key)), (*path, key))
        for key, chosen in where.items()
    }


def axis_of(key: str, swept: Swept, path: Path, at_key: bool = True) -> Axis:
    """The axis of a dotted key. Raises Unfit if it is not swept."""
    axis = swept.axis(key)
    if axis is None:
        keys = [axis.key for axis in swept.axes]
        text = choice(key, keys) if keys else f"a sweep, got {key!r} and nothing is swept"
        raise Unfit(path, f"not swept, expected {text}", at_key)
    return axis


def _of_axis(chosen: Chosen, axis: Axis, path: Path) -> tuple[Value, ...]:
    if isinstance(chosen, Range):
        return _in_range(chosen, axis, path)
    if not isinstance(chosen, tuple):
        return (_meant(chosen, axis, path),)
    if (whole := flow(list(chosen))) in axis.values:  # of an axis whose values are lists
        return (whole,)
    return tuple(_meant(one, axis, (*path, i)) for i, one in enumerate(chosen))


def _in_range(chosen: Range, axis: Axis, path: Path) -> tuple[Value, ...]:
    """Both ends included; an end that is typed like one of the values is that value."""
    if not axis.numeric:
        text = "no range of it, expected values of an axis that is no number: "
        raise Unfit(path, f"{text}{_shown(axis)}, got a range")
    low = -math.inf if chosen.at_least is None else _end(chosen.at_least, axis)
    high = math.inf if chosen.at_most is None else _end(chosen.at_most, axis)
    found = tuple(value for value in axis.values if low <= float(value) <= high)
    if not found:
        got = " and ".join(f"{name} {end:g}" for name, end in chosen if end is not None)
        raise Unfit(path, f"no value of the axis, expected some of {_shown(axis)}, got {got}")
    return found


def _end(number: float, axis: Axis) -> float:
    near = _typed(number, axis)
    return float(near[0]) if len(near) == 1 else number


def _meant(one: Scalar, axis: Axis, path: Path) -> Value:
    number = isinstance(one, int | float) and not isinstance(one, bool)
    near = _typed(float(one), axis) if number else _named(bare(one), axis)
    if len(near) == 1:
        return near[0]
    if near:
        text = f"several values of the axis, expected one of {', '.join(map(str, near[:9]))}"
    else:
        text = f"no value of the axis, expected one of {_shown(axis)}"
    raise Unfit(path, f"{text}, got {flow(one)}")


def _typed(number: float, axis: Axis) -> list[Value]:
    """The values that are the number, else those that it can be short for."""
    numbers = [v for v in axis.values if isinstance(v, int | float) and not isinstance(v, bool)]
    return _first_found(
        numbers,
        lambda v: v == number,
        lambda v: math.isclose(float(v), number, rel_tol=1e-9),
        lambda v: abs(float(v) - number) <= TYPED * abs(number),
    )


def _named(text: str, axis: Axis) -> list[Value]:
    """The label that is the text, else those that begin with it: a kind before its options."""
    labels = [value for value in axis.values if isinstance(value, str)]
    return _first_found(
        labels, lambda label: label == text, lambda label: str(label).startswith(f"{text} ")
    )


def _first_found(candidates: Sequence[Value], *tests: Callable[[Value], bool]) -> list[Value]:
    found = ([value for value in candidates if test(value)] for test in tests)
    return next((some for some in found if some), [])


def _shown(axis: Axis) -> str:
    labels = [short(value) for value in axis.values]
    more = len(labels) - MAX_SHOWN
    return ", ".join(labels[:MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")
