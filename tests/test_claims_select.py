"""Which points a claim is about, and what they are compared with."""

from __future__ import annotations

from claim_results import (
    METHODS,
    SCALES,
    by_point,
    judged,
)
from figure_results import NORM, W

from bnexp.runs.tables import Axis


def test_other_axes_are_taken_from_the_point():
    table = {(w, n): (0.5, 0.5) for w in SCALES.values for n in METHODS.values}
    table[SCALES.values[1], "batch"] = (0.9, 0.9)
    data = by_point(table, (SCALES, METHODS))
    verdict = judged(data, where={NORM: "batch"}, above={"where": {NORM: "none"}})
    assert [point.verdict for point in verdict.points] == ["undecided", "supported"]
    assert verdict.verdict == "undecided"
    assert [point.than[W] for point in verdict.points] == list(SCALES.values)
    made = judged(data, where={NORM: "batch"}, above={"where": {NORM: "none"}}, in_at_least=1)
    assert made.verdict == "supported"
    assert "holds at 1 of 2 points, 1 needed" in made.reason


def test_a_point_is_not_compared_with_itself():
    data = by_point({("batch",): (0.9, 0.9), ("none",): (0.5, 0.5)})
    verdict = judged(data, above={"where": {NORM: "none"}})
    assert (verdict.verdict, len(verdict.points)) == ("supported", 1)
    verdict = judged(data, where={NORM: "none"}, above={"where": {NORM: "none"}})
    assert (verdict.verdict, len(verdict.points)) == ("undecided", 0)


def test_monotone_along_numbers_ascending():
    axis = Axis(W, (0.3, 0.1, 0.2))
    data = by_point({(0.3,): (0.9, 0.9), (0.1,): (0.5, 0.5), (0.2,): (0.7, 0.7)}, (axis,))
    verdict = judged(data, non_decreasing=W)
    assert verdict.verdict == "supported"
    assert [(p.than[W], p.point[W]) for p in verdict.points] == [(0.1, 0.2), (0.2, 0.3)]
    assert judged(data, non_increasing=W).verdict == "refuted"
    assert judged(data, non_increasing=W, tolerance=0.21).verdict == "supported"


def test_monotone_along_the_lists_order_line_by_line():
    table = {(0.1, "batch"): (1, 1), (0.1, "none"): (2, 2)}
    table |= {(SCALES.values[1], "batch"): (5, 5), (SCALES.values[1], "none"): (4, 4)}
    data = by_point(table, (SCALES, METHODS))
    verdict = judged(data, non_decreasing=NORM)
    assert [point.verdict for point in verdict.points] == ["supported", "refuted"]
    assert judged(data, non_decreasing=NORM, where={W: 0.1}).verdict == "supported"
