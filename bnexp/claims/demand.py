"""What a claim wants of a number, and what an interval says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isnan, nan

from bnexp.config.claims import Claim, Word
from bnexp.tables.interval import Interval


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
