"""From claims and tables to verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bnexp.claims.pairing import pairs, shown
from bnexp.claims.points import point_verdict
from bnexp.claims.samples import samples
from bnexp.claims.sweep import Swept, Unfit, planned
from bnexp.claims.verdict import PointVerdict, Verdict, overall
from bnexp.config import Config
from bnexp.config.claims import Claim, Word
from bnexp.config.writing import plain
from bnexp.plan import Plan
from bnexp.tables.results import Results


def verdicts(config: Config, plan: Plan, tables: Results) -> tuple[Verdict, ...]:
    """The verdicts on an experiment's claims, from its plan and its tables."""
    return judge(config.experiment.claims, planned(plan), tables)


def judge(claims: Sequence[Claim] | None, swept: Swept, results: Results) -> tuple[Verdict, ...]:
    """A verdict for each claim; undecided, with the reason, where it does not fit the sweep."""
    with np.errstate(all="ignore"):  # infinite losses are numbers here
        return tuple(_verdict(claim, swept, results) for claim in claims or ())


def _verdict(claim: Claim, swept: Swept, results: Results) -> Verdict:
    try:
        found = samples(claim, pairs(claim, swept), swept, results)
    except Unfit as unfit:
        return _made(claim, results, "undecided", f"not in this experiment: {unfit.text}", 0, ())
    points = tuple(point_verdict(claim, i, sample) for i, sample in enumerate(found))
    needed = claim.in_at_least or len(points)
    made = _made(claim, results, overall(points, needed), "", needed, points)
    return replace(made, reason=_summary(claim, made))


def _made(
    claim: Claim,
    results: Results,
    verdict: Word,
    reason: str,
    needed: int,
    points: tuple[PointVerdict, ...],
) -> Verdict:
    text = plain(claim)
    about = {key: text[key] for key in text if key not in ("says", "source", "expect", "absent")}
    source = claim.source or results.source
    return Verdict(claim.says, source, verdict, claim.expect, reason, needed, points, about)


def _summary(claim: Claim, verdict: Verdict) -> str:
    """One sentence: how many points hold, and the numbers of the one that decides."""
    point = verdict.deciding
    if point is None:
        return ""
    what = "value" if claim.equals is not None else "difference" if point.than else "mean"
    parts = [f"{what} {numbers(point)}, n = {point.n}"]
    parts += [f"{point.diverged} diverged"] if point.diverged else []
    parts += [f"{point.infinite} infinite"] if 0 < point.infinite < point.n else []
    parts += [f"{point.left_out} without a number"] if point.left_out else []
    where = f" at {shown(point.point)}" if point.point else ""
    said = [", ".join(parts) + where + _wanted(claim), point.reason]
    said += [_held(verdict)] if len(verdict.points) > 1 else []
    return "; ".join(text for text in said if text)


def _wanted(claim: Claim) -> str:
    """What a law gives, and how near it is to be; the other relations are in the sentence."""
    if claim.within is None:
        return ""
    of, by, relative = claim.within.of, claim.within.by, claim.within.relative
    near = f"{by:g}" if relative is None else f"{100 * relative:g} %"
    return f", wanted {of:g} +- {near}"


def _held(verdict: Verdict) -> str:
    """At how many of the points it holds, and at how many it must where that is not all."""
    held = sum(point.verdict == "supported" for point in verdict.points)
    every = len(verdict.points)
    needed = f", {verdict.needed} needed" if verdict.needed < every else ""
    return f"holds at {held} of {every} points{needed}"


def numbers(point: PointVerdict) -> str:
    """0.955 [0.93, 0.98]"""
    if point.estimate != point.estimate:
        return "unknown"
    if point.n < 2:
        return f"{point.estimate:.4g}"
    return f"{point.estimate:.4g} [{point.low:.4g}, {point.high:.4g}]"
