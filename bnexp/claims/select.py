"""From `where` to the points of the sweep that it means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from bnexp.config.claims import MONOTONE, Claim, Other
from bnexp.config.yaml import KeyPath
from bnexp.runs.tables import Axis, Value, moves_along, plan_axes
from bnexp.runs.where import Point, WhereError, axis_named, select_points, select_values
from bnexp.sweep import Plan
from bnexp.text import equations

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


def planned(plan: Plan) -> Swept:
    """The axes and points of a plan, as tables will show them."""
    points = {point_key(network.point): network.point for network in plan.networks}
    seeds = tuple(dict.fromkeys(network.seed for network in plan.networks))
    return Swept(plan_axes(plan), tuple(points.values()), seeds)


def point_key(point: Point) -> PointKey:
    """A point as a key of dictionaries."""
    return tuple(point.items())


@contextmanager
def where_at(path: KeyPath) -> Iterator[None]:
    """What is wrong with the `where` at this path of a claim makes the claim unfit."""
    try:
        yield
    except WhereError as error:
        raise Unfit((*path, *error.path), error.text, error.at_key) from None


@dataclass(frozen=True)
class Pair:
    """A point, and the point that it is compared with where the relation compares."""

    point: Point
    than: Point | None = None


def pair_points(claim: Claim, swept: Swept) -> tuple[Pair, ...]:
    """The claim's points in the sweep's order. Raises Unfit where the sweep does not have them."""
    with where_at(("where",)):
        points = select_points(claim.where, swept.axes, swept.points)
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
        with where_at((relation,)):
            axis = axis_named(getattr(claim, relation), swept.axes, at_key=False)
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
    with where_at(path):
        wanted = _single(select_values(other.where, swept.axes), path)
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
