"""Claims that state nothing: what always holds, what was stated before, and what nobody stated.

`statement_problems` finds them in an experiment that is checked or run. Runs that are stored are
read without it, so that those of earlier versions, which took such claims, can still be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import Any

from bnexp.claims.judge import required_bounds
from bnexp.claims.measure import sample_limits
from bnexp.config.claims import OF_A_SOURCE, Claim
from bnexp.config.experiment import plain_values
from bnexp.config.messages import Problem
from bnexp.runs.stats import Interval
from bnexp.text import exact

_SAID_OF_IT = ("says", "kind", "source", "expect", "absent")  # the other keys are what is judged


def statement_problems(claims: Sequence[Claim] | None) -> list[Problem]:
    """Why claims state nothing, each with the place of the key that is to blame.

    Claims with `absent: undecided` are not checked, as in `bnexp.claims.judge.claim_problems`.
    """
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for index, claim in enumerate(claims or ()):
        if claim.absent == "undecided":
            continue
        found = [*_always_true(claim), *_refuted_by_its_author(claim)]
        problems += [Problem(("claims", index, *p.path), p.text) for p in found]
        earlier = first.setdefault(repr(_judged(claim)), index)
        if earlier != index:
            text = f"a claim twice, expected each once, got claims[{earlier}] in other words"
            problems.append(Problem(("claims", index), text))
    return problems


def _judged(claim: Claim) -> dict[str, Any]:
    """The keys that are judged, with their values."""
    return {key: value for key, value in plain_values(claim).items() if key not in _SAID_OF_IT}


def _always_true(claim: Claim) -> Iterator[Problem]:
    """A relation that holds whatever is measured, because of the limits of the measure."""
    low, high = sample_limits(claim)
    if claim.equals is not None:
        tolerance = claim.tolerance or 0.0
        if all(max(number - low, high - number) <= tolerance for number in claim.equals):
            yield Problem(("tolerance",), _text(low, high))
    elif required_bounds(claim).judge(Interval(nan, low, high)) == "supported":
        key = "tolerance" if claim.tolerance else claim.relation
        yield Problem((key,), _text(low, high))


def _text(low: float, high: float) -> str:
    return (
        f"holds whatever is measured, expected what can fail of numbers from {exact(low)} to "
        f"{exact(high)}, got a relation that none of them can fail"
    )


def _refuted_by_its_author(claim: Claim) -> Iterator[Problem]:
    """An author's own observation that is expected not to hold: it was chosen wrongly."""
    if claim.kind == "measured" and claim.expect == "refuted":
        text = "no refutation of a source, expected another verdict of what was measured, or "
        yield Problem(("expect",), f"{text}{', '.join(OF_A_SOURCE)} as its kind, got refuted")
