"""What must hold between the keys of one claim, beyond what each key allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnexp.config.claims import RELATIONS, TOLERANT, Claim, Range, Where
from bnexp.config.measures import Measure, OfQuantity
from bnexp.config.messages import Problem
from bnexp.config.yaml_text import Path


def broken(claims: Sequence[Claim] | None) -> list[Problem]:
    """What must hold between the keys of one claim, and does not."""
    return [
        Problem(("claims", i, *problem.path), problem.text)
        for i, claim in enumerate(claims or ())
        for rule in (_one_relation, _options, _ranges, _distances, _layers)
        for problem in rule(claim)
    ]


def _one_relation(claim: Claim) -> Iterator[Problem]:
    given = [name for name in RELATIONS if getattr(claim, name) is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        text = f"no single relation, expected exactly one of {', '.join(RELATIONS)}, got {got}"
        yield Problem((), text)


def _options(claim: Claim) -> Iterator[Problem]:
    """Keys that go with some relations only."""
    given = [name for name in RELATIONS if getattr(claim, name) is not None]
    fits = bool({*given} & {*TOLERANT})
    if given and claim.tolerance is not None and not fits:
        text = f"no use here, expected it beside one of {', '.join(TOLERANT)}, got {given[0]}"
        yield Problem(("tolerance",), text)
    if given and claim.in_at_least is not None and fits:
        text = f"no use here, expected a relation of single points, got {given[0]}, which is of all"
        yield Problem(("in_at_least",), text)


def _ranges(claim: Claim) -> Iterator[Problem]:
    sides: dict[Path, Where] = {(): claim.where}
    sides |= {(name,): o.where for name in ("above", "below") if (o := getattr(claim, name))}
    for side, where in sides.items():
        for key, chosen in where.items():
            if isinstance(chosen, Range) and (text := _range(chosen)):
                yield Problem((*side, "where", key), text)


def _range(chosen: Range) -> str | None:
    low, high = chosen.at_least, chosen.at_most
    if low is None and high is None:
        return "no range, expected at_least, at_most or both, got neither"
    if low is not None and high is not None and low > high:
        return f"an empty range, expected at_least <= at_most, got {low:g} and {high:g}"
    return None


def _distances(claim: Claim) -> Iterator[Problem]:
    within = claim.within
    if within and (within.by is None) == (within.relative is None):
        got = "neither" if within.by is None else "both"
        yield Problem(("within",), f"no single distance, expected either by or relative, got {got}")


def _layers(claim: Claim) -> Iterator[Problem]:
    sides: dict[Path, Measure | None] = {("measure",): claim.measure}
    sides |= {
        (name, "measure"): o.measure for name in ("above", "below") if (o := getattr(claim, name))
    }
    for side, measure in sides.items():
        if not isinstance(measure, OfQuantity) or measure.growth is None:
            continue
        first, last = measure.growth
        if measure.layer is not None:
            yield Problem(side, "no single layer, expected either layer or growth, got both")
        if not 1 <= first < last:
            text = (
                f"no growth, expected [first, last] with 1 <= first < last, got [{first}, {last}]"
            )
            yield Problem((*side, "growth"), text)
