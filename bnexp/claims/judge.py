"""From claims and tables to verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, isnan, nan
from typing import Any

import numpy as np

from bnexp.claims.measure import Sample, samples
from bnexp.claims.select import Point, Swept, Unfit, pairs, planned, shown
from bnexp.config.claims import Claim, Word
from bnexp.config.yaml import plain
from bnexp.runs.data import RunData
from bnexp.runs.stats import Interval, t_interval
from bnexp.runs.tables import Results


@dataclass(frozen=True)
class Demand:
    """From `low` to `high`, both included; `strict` leaves out `low`."""

    low: float = -inf
    high: float = inf
    strict: bool = False

    def word(self, interval: Interval) -> Word:
        """All of the interval inside: supported; none of it: refuted; else undecided."""
        above = interval.low > self.low if self.strict else interval.low >= self.low
        apart = interval.high <= self.low if self.strict else interval.high < self.low
        if apart or interval.low > self.high:
            return "refuted"
        return "supported" if above and interval.high <= self.high else "undecided"

    def margin(self, intervals: Iterable[Interval]) -> float:
        """How far the interval that is nearest to failing is inside; negative if it is not."""
        intervals = tuple(intervals)
        edges = [interval.low - self.low for interval in intervals if self.low > -inf]
        edges += [self.high - interval.high for interval in intervals if self.high < inf]
        return min((-inf if isnan(edge) else edge for edge in edges), default=nan)


def demand(claim: Claim) -> Demand:
    """What the claim wants at each of its points; of a comparison, of the difference."""
    if claim.at_least is not None:
        return Demand(low=claim.at_least)
    if claim.at_most is not None:
        return Demand(high=claim.at_most)
    if within := claim.within:
        by = abs(within.of) * (within.relative or 0.0) if within.by is None else within.by
        return Demand(within.of - by, within.of + by)
    if other := claim.above or claim.below:
        return Demand(low=other.by, strict=True)
    return Demand(low=-(claim.tolerance or 0.0))


@dataclass(frozen=True)
class PointVerdict:
    """One point of a claim.

    `estimate`, `low` and `high` are of the measure's mean over seeds, or of the paired difference
    where the claim compares the point with `than`; for `equals` the lowest and the highest number.

    n: seeds with a number. diverged: networks here that diverged. infinite: seeds whose number is
    not finite; the interval is of the others, if there are any. left_out: seeds without a number.
    missing: seeds whose network failed or is not trained. margin: how far the interval is on the
    claim's side. NaN where there is no number.
    """

    point: Point
    than: Point | None
    verdict: Word
    reason: str
    n: int
    estimate: float
    low: float
    high: float
    margin: float
    diverged: int
    infinite: int
    left_out: int
    missing: int


@dataclass(frozen=True)
class Verdict:
    """A claim's verdict over its points; `needed` of them must hold, `reason` is of the point that
    decides it, `claim` is its text as plain values."""

    says: str
    source: str
    verdict: Word
    expected: Word
    reason: str
    needed: int
    points: tuple[PointVerdict, ...]
    claim: Mapping[str, Any]

    @property
    def surprising(self) -> bool:
        """Whether the verdict is another one than the claim's author found."""
        return self.verdict != self.expected

    @property
    def deciding(self) -> PointVerdict | None:
        """The point on which the verdict hangs: of those needed the one nearest to failing."""
        return ranked(self.points)[self.needed - 1] if self.points else None


def overall(points: Sequence[PointVerdict], needed: int) -> Word:
    """Supported if enough points are; refuted if they cannot be any more; else undecided."""
    words = [point.verdict for point in points]
    if words.count("supported") >= needed:
        return "supported"
    return "undecided" if words.count("refuted") <= len(words) - needed else "refuted"


def ranked(points: Sequence[PointVerdict]) -> list[PointVerdict]:
    """The points from the best to the worst; in the sweep's order where they are alike."""
    order = ("supported", "undecided", "refuted")
    return sorted(
        points,
        key=lambda p: (order.index(p.verdict), inf if isnan(p.margin) else -p.margin),
    )


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


def verdicts(data: RunData) -> tuple[Verdict, ...]:
    """The verdicts on the claims of a run's experiment."""
    return judge(data.config.experiment.claims, planned(data.plan), data.tables)


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
