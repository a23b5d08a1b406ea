"""What is found about a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import Any

from bnexp.claims.sweep import Point
from bnexp.config.claims import Word


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
