"""From `where` to the points of the sweep that it means."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from bnexp.config.claims import MONOTONE, Chosen, Claim, Other, Range, Scalar
from bnexp.config.yaml import KeyPath, flow, unquoted
from bnexp.runs.tables import Axis, Value, moves_along
from bnexp.sweep import Plan
from bnexp.text import choices, equations, short

Point: TypeAlias = Mapping[str, Value]
PointKey: TypeAlias = tuple[tuple[str, Value], ...]


class Unfit(Exception):
    """A claim cannot be judged in this sweep; `path` is the key of the claim that it is about."""

    def __init__(self, path: KeyPath, text: str, at_key: bool = False) -> None:
        super().__init__(text)
        self.path, self.text, self.at_key = path, text, at_key


@dataclass(frozen=True)
class Swept:
    """Axes and points in the sweep's order, and the seeds that each point should have."""

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    seeds: tuple[int, ...]

    def axis(self, key: str) -> Axis | None:
        return next((axis for axis in self.axes if axis.key == key), None)


def planned(plan: Plan) -> Swept:
    """The axes and points of a plan, as tables will show them."""
    axes = tuple(Axis(axis.key, axis.labels) for axis in plan.axes)
    points = {point_key(network.point): network.point for network in plan.networks}
    seeds = tuple(dict.fromkeys(network.seed for network in plan.networks))
    return Swept(axes, tuple(points.values()), seeds)


def point_key(point: Point) -> PointKey:
    """A point as a key of dictionaries."""
    return tuple(point.items())


# How exactly a number must be typed to mean an axis's value: 0.0251 is 0.025118864315095794.
TYPED = 0.005
MAX_SHOWN = 20


def select(where: Mapping[str, Chosen], swept: Swept, path: KeyPath) -> tuple[Point, ...]:
    """The points that have one of the chosen values on each axis, in the sweep's order."""
    wanted = values(where, swept, path)
    points = tuple(p for p in swept.points if all(p[key] in v for key, v in wanted.items()))
    if not points:
        text = "no such points, expected a combination that the sweep has, got none of its"
        raise Unfit(path, f"{text} {len(swept.points)} points")
    return points


def values(
    where: Mapping[str, Chosen], swept: Swept, path: KeyPath
) -> dict[str, tuple[Value, ...]]:
    """The axes' values that `where` means, by key. Raises Unfit for what is not swept."""
    return {
        key: _of_axis(chosen, axis_of(key, swept, (*path, key)), (*path, key))
        for key, chosen in where.items()
    }


def axis_of(key: str, swept: Swept, path: KeyPath, at_key: bool = True) -> Axis:
    """The axis of a dotted key. Raises Unfit if it is not swept."""
    axis = swept.axis(key)
    if axis is None:
        keys = [axis.key for axis in swept.axes]
        text = choices(key, keys) if keys else f"a sweep, got {key!r} and nothing is swept"
        raise Unfit(path, f"not swept, expected {text}", at_key)
    return axis


def _of_axis(chosen: Chosen, axis: Axis, path: KeyPath) -> tuple[Value, ...]:
    if isinstance(chosen, Range):
        return _in_range(chosen, axis, path)
    if not isinstance(chosen, tuple):
        return (_meant(chosen, axis, path),)
    if (whole := flow(list(chosen))) in axis.values:  # of an axis whose values are lists
        return (whole,)
    return tuple(_meant(one, axis, (*path, i)) for i, one in enumerate(chosen))


def _in_range(chosen: Range, axis: Axis, path: KeyPath) -> tuple[Value, ...]:
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


def _meant(one: Scalar, axis: Axis, path: KeyPath) -> Value:
    number = isinstance(one, int | float) and not isinstance(one, bool)
    near = _typed(float(one), axis) if number else _named(unquoted(one), axis)
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


@dataclass(frozen=True)
class Pair:
    """A point, and the point that it is compared with where the relation compares."""

    point: Point
    than: Point | None = None


def pair_points(claim: Claim, swept: Swept) -> tuple[Pair, ...]:
    """The claim's points in the sweep's order. Raises Unfit where the sweep does not have them."""
    points = select(claim.where, swept, ("where",))
    found = tuple(_pairs(claim, points, swept))
    if claim.equals is not None and len(claim.equals) != len(found):
        text = f"not one for each point, expected {len(found)} numbers, got {len(claim.equals)}"
        raise Unfit(("equals",), text)
    if claim.in_at_least is not None and claim.in_at_least > len(found):
        text = f"more than there are, expected at most {len(found)} points, got {claim.in_at_least}"
        raise Unfit(("in_at_least",), text)
    return found


def _pairs(claim: Claim, points: tuple[Point, ...], swept: Swept) -> Iterator[Pair]:
    relation = claim.relation
    if relation in MONOTONE:
        axis = axis_of(getattr(claim, relation), swept, (relation,), at_key=False)
        yield from _neighbors(axis, points, swept, relation)
    elif other := claim.above or claim.below:
        yield from _compared(claim, other, points, swept)
    else:
        yield from map(Pair, points)


def _compared(
    claim: Claim, other: Other, points: tuple[Point, ...], swept: Swept
) -> Iterator[Pair]:
    """Each point with the one that has the other side's values, and else its own.

    Points that would be compared with themselves are left out, but not all of them can be.
    """
    path = (claim.relation, "where")
    wanted = _single(values(other.where, swept, path), path)
    known = {point_key(point): point for point in swept.points}
    same = other.measure in (None, claim.measure)
    both = [(point, {**point, **wanted}) for point in points]
    for point, than in both:
        if point_key(than) not in known:
            text = "no such point, expected a combination that the sweep has, got"
            raise Unfit(path, f"{text} {describe_point(than)}; give every key that moves along")
        if not (same and point == than):
            yield Pair(point, known[point_key(than)])
    if same and all(point == than for point, than in both):
        text = "compared with itself, expected other points, got"
        raise Unfit((claim.relation,), f"{text} {describe_point(points[0])} on both sides")


def _single(wanted: dict[str, tuple[Value, ...]], path: KeyPath) -> dict[str, Value]:
    """One value of each key to compare with."""
    for key, several in wanted.items():
        if len(several) != 1:
            text = f"several values, expected one to compare with, got {len(several)}"
            raise Unfit((*path, key), text)
    return {key: one for key, (one,) in wanted.items()}


def _neighbors(
    axis: Axis, points: tuple[Point, ...], swept: Swept, relation: str
) -> Iterator[Pair]:
    """Each point with the one before it: numbers ascending, else in the list's order."""
    order = sorted(axis.values) if axis.numeric else list(axis.values)
    others = [other.key for other in swept.axes if other != axis and not _along(other, axis, swept)]
    lines: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        lines.setdefault(tuple(point[key] for key in others), []).append(point)
    if all(len(line) < 2 for line in lines.values()):
        text = f"nothing to compare, expected at least 2 values of {axis.key} among the points"
        raise Unfit((relation,), f"{text}, got 1")
    for line in lines.values():
        line.sort(key=lambda point: order.index(point[axis.key]))
        yield from (Pair(after, before) for before, after in pairwise(line))


def _along(other: Axis, axis: Axis, swept: Swept) -> bool:
    """Whether `other` moves with `axis`."""
    return moves_along((point[axis.key], point[other.key]) for point in swept.points)


def describe_point(point: Point) -> str:
    """A point for messages: model.norm = batch, model.init.std = 0.01."""
    return equations(point) or "the whole experiment"
