"""Which points a claim is about, and what each of them is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from bnexp.claims.selecting import axis_of, select, values
from bnexp.claims.sweep import Point, Swept, Unfit, place
from bnexp.config.claims import MONOTONE, Claim, Other
from bnexp.config.yaml_text import Path
from bnexp.tables.results import Axis, Value, moves_along
from bnexp.wording import equations


@dataclass(frozen=True)
class Pair:
    """A point, and the point that it is compared with where the relation compares."""

    point: Point
    than: Point | None = None


def pairs(claim: Claim, swept: Swept) -> tuple[Pair, ...]:
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
        yield from _neighbours(axis, points, swept, relation)
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
    known = {place(point): point for point in swept.points}
    same = other.measure in (None, claim.measure)
    both = [(point, {**point, **wanted}) for point in points]
    for point, than in both:
        if place(than) not in known:
            text = "no such point, expected a combination that the sweep has, got"
            raise Unfit(path, f"{text} {shown(than)}; give every key that moves along")
        if not (same and point == than):
            yield Pair(point, known[place(than)])
    if same and all(point == than for point, than in both):
        text = f"compared with itself, expected other points, got {shown(points[0])} on both sides"
        raise Unfit((claim.relation,), text)


def _single(wanted: dict[str, tuple[Value, ...]], path: Path) -> dict[str, Value]:
    """One value of each key to compare with."""
    for key, several in wanted.items():
        if len(several) != 1:
            text = f"several values, expected one to compare with, got {len(several)}"
            raise Unfit((*path, key), text)
    return {key: one for key, (one,) in wanted.items()}


def _neighbours(
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


def shown(point: Point) -> str:
    """A point for messages: model.norm = batch, model.init.std = 0.01."""
    return equations(point) or "the whole experiment"
