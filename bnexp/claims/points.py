"""One point of a claim: from its numbers to its verdict."""

from __future__ import annotations

from math import inf, isfinite, nan

import numpy as np

from bnexp.claims.demand import Demand, demand
from bnexp.claims.samples import Sample
from bnexp.claims.verdict import PointVerdict
from bnexp.config.claims import Claim, Word
from bnexp.tables.interval import Interval, t_interval

NO_INTERVAL = Interval(nan, nan, nan)


def point_verdict(claim: Claim, i: int, sample: Sample) -> PointVerdict:
    """What claim's point number `i` shows."""
    if claim.equals is None:
        return _by_interval(sample, demand(claim))
    return _exactly(sample, claim.equals[i], claim.tolerance or 0.0)


def _by_interval(sample: Sample, wanted: Demand) -> PointVerdict:
    """By the interval of what is finite, and by what is infinite or tied: they must agree."""
    finite = [value for value in sample.values if isfinite(value)]
    special = [Interval(v, v, v) for v in sorted(set(sample.values) - set(finite))]
    special += [Interval(0.0, 0.0, 0.0)] if sample.ties else []
    interval = t_interval(finite) if finite else special[0] if special else NO_INTERVAL
    parts = [*([interval] if finite else []), *special]
    word, reason = _decided(sample, {wanted.word(part) for part in parts}, len(finite))
    return _with_numbers(sample, word, reason, interval, wanted.margin(parts))


def _decided(sample: Sample, words: set[Word], finite: int) -> tuple[Word, str]:
    """The verdict and why it is undecided, from what the parts of the sample say."""
    n = len(sample.values) + sample.ties
    if sample.missing:
        planned = n + sample.left_out + sample.missing
        return "undecided", f"{sample.missing} of {planned} networks missing"
    if n < 2:
        return "undecided", "one seed" if n else "no number"
    if finite == 1:
        return "undecided", "one finite number"
    if len(words) > 1:
        return "undecided", "some are infinite, some are not"
    (word,) = words
    return word, "the interval reaches over the limit" if word == "undecided" else ""


def _exactly(sample: Sample, wanted: float, tolerance: float) -> PointVerdict:
    """Every seed's number is the wanted one; no interval, one seed is enough."""
    away = max((abs(value - wanted) for value in sample.values), default=nan)
    held = away <= tolerance * (1 + 1e-9)  # 0.972 - 0.971 is a little more than 0.001
    word: Word = "supported" if held else "refuted"
    reason = "" if held else f"expected {wanted:.6g}"
    if sample.missing or sample.left_out or not sample.values:
        word, reason = "undecided", "a network missing" if sample.missing else "no number"
    interval = NO_INTERVAL
    if sample.values:
        interval = Interval(float(np.mean(sample.values)), min(sample.values), max(sample.values))
    return _with_numbers(sample, word, reason, interval, tolerance - away)


def _with_numbers(
    sample: Sample, word: Word, reason: str, interval: Interval, margin: float
) -> PointVerdict:
    return PointVerdict(
        point=sample.pair.point,
        than=sample.pair.than,
        verdict=word,
        reason=reason,
        n=len(sample.values) + sample.ties,
        estimate=interval.mean,
        low=interval.low,
        high=interval.high,
        margin=margin,
        diverged=sample.diverged,
        infinite=sum(abs(value) == inf for value in sample.values) + sample.ties,
        left_out=sample.left_out,
        missing=sample.missing,
    )
