"""Verdicts on results made by hand."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan, log, nan, sqrt

import numpy as np
import pytest
from claim_results import (
    METHODS,
    SCALES,
    by_point,
    claim,
    judged,
    spread,
    sweep_points,
)
from figure_results import NORM, W, results
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_cases import logit_ends

from bnexp.claims import judge_claims
from bnexp.claims.judge import claim_p_value, overall_verdict
from bnexp.runs.tables import Axis

# 0.5, 0.6, 0.7: mean 0.6, s = 0.1, t = 4.302653 with 2 degrees of freedom (a table's value).
LOW, HIGH = logit_ends(0.6, 4.302653 * 0.1 / sqrt(3))
BELOW, ABOVE = 0.6 - LOW, HIGH - 0.6  # the lower arm is the longer one

E = 1e-6


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ({"at_least": LOW - E}, "supported"),
        ({"at_least": LOW + E}, "undecided"),
        ({"at_least": HIGH - E}, "undecided"),
        ({"at_least": HIGH + E}, "refuted"),
        ({"at_most": HIGH + E}, "supported"),
        ({"at_most": HIGH - E}, "undecided"),
        ({"at_most": LOW + E}, "undecided"),
        ({"at_most": LOW - E}, "refuted"),
        ({"within": {"of": 0.6, "by": BELOW + E}}, "supported"),
        ({"within": {"of": 0.6, "by": BELOW - E}}, "undecided"),
        ({"within": {"of": 1.0, "by": 1.0 - HIGH - E}}, "refuted"),
        ({"within": {"of": 0.1, "by": LOW - 0.1 - E}}, "refuted"),
        ({"within": {"of": 0.6, "relative": (BELOW + E) / 0.6}}, "supported"),
        ({"within": {"of": 0.6, "relative": (BELOW - E) / 0.6}}, "undecided"),
    ],
)
def test_an_interval_decides(relation, expected):
    verdict = judged(spread(0.5, 0.6, 0.7), **relation)
    assert verdict.verdict == expected
    (point,) = verdict.points
    assert (point.n, point.verdict) == (3, expected)
    np.testing.assert_allclose((point.estimate, point.low, point.high), (0.6, LOW, HIGH), rtol=1e-6)


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ({"at_least": 0.6}, "supported"),
        ({"at_most": 0.6}, "supported"),
        ({"at_least": 0.6 + E}, "refuted"),
        ({"at_most": 0.6 - E}, "refuted"),
        ({"within": {"of": 0.6, "by": 0}}, "supported"),
    ],
)
def test_seeds_that_agree_are_an_interval_of_one_point(relation, expected):
    verdict = judged(spread(0.6, 0.6, 0.6), **relation)
    assert verdict.verdict == expected
    assert (verdict.points[0].low, verdict.points[0].high) == (0.6, 0.6)


def test_one_seed_decides_nothing_but_equality():
    verdict = judged(spread(0.9), at_least=0.1)
    assert (verdict.verdict, verdict.points[0].reason) == ("undecided", "one seed")
    assert verdict.reason == "mean 0.9, n = 1; one seed"
    assert judged(spread(0.9), equals=[0.9]).verdict == "supported"
    assert judged(spread(0.9), equals=[0.901]).verdict == "refuted"
    assert judged(spread(0.9), equals=[0.901], tolerance=0.001).verdict == "supported"
    assert judged(spread(0.9), equals=[0.9011], tolerance=0.001).verdict == "refuted"


def test_equality_is_of_every_seed_and_point():
    data = by_point({("batch",): (0.5, 0.5), ("none",): (0.25, 0.375)})
    assert judged(data, equals=[0.5, 0.25]).verdict == "refuted"
    assert judged(data, equals=[0.5, 0.25], tolerance=0.125).verdict == "supported"
    assert judged(data, equals=[0.5], where={NORM: "batch"}).verdict == "supported"
    verdict = judged(data, equals=[0.5])
    assert verdict.verdict == "undecided"
    assert "not one for each point, expected 2 numbers, got 1" in verdict.reason


def test_comparisons_are_paired_by_seed():
    """Seeds differ by far more than the two methods do; the difference is 0.01 +- 0.001."""
    data = by_point({("batch",): (0.211, 0.510, 0.809), ("none",): (0.2, 0.5, 0.8)})
    above = {"where": {NORM: "none"}}
    verdict = judged(data, where={NORM: "batch"}, above=above)
    assert verdict.verdict == "supported"
    (point,) = verdict.points
    assert (point.point, point.than) == ({NORM: "batch"}, {NORM: "none"})
    ends = logit_ends(0.01, 4.302653 * 0.001 / sqrt(3), (-1, 1))
    np.testing.assert_allclose((point.low, point.high), ends, rtol=1e-5)
    assert judged(data, where={NORM: "none"}, below={"where": {NORM: "batch"}}).verdict == (
        "supported"
    )
    assert judged(data, where={NORM: "none"}, above={"where": {NORM: "batch"}}).verdict == "refuted"
    for by, expected in ((0.0075, "supported"), (0.01, "undecided"), (0.0125, "refuted")):
        assert judged(data, where={NORM: "batch"}, above={**above, "by": by}).verdict == expected


@pytest.mark.parametrize("side", ["batch", "none"])
@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [(0.0175, "supported"), (0.01, "undecided"), (0.0025, "refuted"), (0, "refuted")],
)
def test_near_is_both_sides_at_once(side, tolerance, expected):
    """The difference is 0.01 +- 0.0025, or its negative: within 0.0175, and not within 0.0025."""
    data = by_point({("batch",): (0.211, 0.51, 0.809), ("none",): (0.2, 0.5, 0.8)})
    other = "none" if side == "batch" else "batch"
    near = {"where": {NORM: other}, "by": tolerance}
    verdict = judged(data, where={NORM: side}, near=near)
    assert verdict.verdict == expected
    (point,) = verdict.points
    sign = 1 if side == "batch" else -1
    ends = logit_ends(sign * 0.01, 4.302653 * 0.001 / sqrt(3), (-1, 1))
    np.testing.assert_allclose((point.low, point.high), ends, rtol=1e-5)
    assert point.margin == pytest.approx(tolerance - max(map(abs, ends)), abs=1e-9)
    assert f"wanted 0 +- {tolerance:g}" in verdict.reason


def test_near_as_a_fraction_of_the_other_side():
    """The quotients of the differences and twice the other side are 0.1, 0.12 and 0.14."""
    data = by_point({("batch",): (0.22, 0.448, 0.684), ("none",): (0.1, 0.2, 0.3)})
    half = 4.302653 * 0.02 / sqrt(3)
    for relative, expected in (
        (0.12 + half + E, "supported"),
        (0.12 + half - E, "undecided"),
        (0.12 - half - E, "refuted"),
    ):
        near = {"where": {NORM: "none"}, "times": 2, "relative": relative}
        verdict = judged(data, where={NORM: "batch"}, near=near)
        assert verdict.verdict == expected
        (point,) = verdict.points
        np.testing.assert_allclose((point.estimate, point.low), (0.12, 0.12 - half), rtol=1e-5)
    assert verdict.reason.startswith("relative difference 0.12 [0.07032, 0.1697], n = 3 at")


@pytest.mark.parametrize(
    ("other", "expected"),
    [((0.0, 0.0), "refuted"), ((0.5, 0.5), "supported"), ((inf, inf), "refuted")],
)
def test_near_as_a_fraction_of_nothing_or_of_an_infinite_number(other, expected):
    data = results(
        (METHODS,),
        (0, 1),
        value=lambda p, seed, e, m: 0.5 if p == ("batch",) else other[seed],
    )
    near = {"where": {NORM: "none"}, "relative": 0.1}
    verdict = judged(data, measure="final_train_loss", where={NORM: "batch"}, near=near)
    assert verdict.verdict == expected
    same = by_point({("batch",): (0.0, 0.0), ("none",): (0.0, 0.0)})
    near = {"where": {NORM: "none"}, "relative": 0}
    assert judged(same, where={NORM: "batch"}, near=near).verdict == "supported"


@pytest.mark.parametrize(
    ("law", "verdict", "inside", "remark"),
    [
        ({"within": {"of": 0.6, "by": 1}}, "supported", True, "the law's 0.6 lies inside the"),
        ({"within": {"of": LOW + E, "by": 1}}, "supported", True, "lies inside the interval"),
        ({"within": {"of": LOW - E, "by": 1}}, "supported", False, "lies outside the interval"),
        ({"within": {"of": HIGH + E, "by": 0.1}}, "undecided", False, "lies outside the interv"),
        ({"within": {"of": 9, "by": 0.1}}, "refuted", False, "the law's 9 lies outside the inte"),
    ],
)
def test_whether_the_number_of_a_law_lies_in_the_interval(law, verdict, inside, remark):
    """A tolerance of 1 supports nearly all; whether the law itself fits is said beside it."""
    judgement = judged(spread(0.5, 0.6, 0.7), kind="theory", **law)
    assert judgement.verdict == verdict
    assert judgement.points[0].law_inside is inside
    assert judgement.remarks[0] == "the source states the law; within.by is the author's"
    assert remark in judgement.remarks[1]
    measured = judged(spread(0.5, 0.6, 0.7), **law)
    assert (measured.points[0].law_inside, measured.remarks) == (None, ())


def test_the_number_of_a_law_at_several_points_and_of_a_single_seed():
    data = by_point({("batch",): (0.5, 0.6, 0.7), ("none",): (0.5, 0.501, 0.502)})
    verdict = judged(data, kind="theory", within={"of": 0.6, "by": 0.4})
    assert [point.law_inside for point in verdict.points] == [True, False]
    assert verdict.remarks[1:] == ("the law's 0.6 lies outside the interval at 1 of 2 points",)
    near = {"where": {NORM: "none"}, "by": 1}
    verdict = judged(data, kind="theory", where={NORM: "batch"}, near=near)
    assert verdict.remarks[1:] == ("the law's difference of 0 lies inside the interval",)
    single = judged(spread(0.6), kind="theory", within={"of": 0.6, "by": 0.4})
    assert (single.points[0].law_inside, len(single.remarks)) == (None, 1)
    assert judged(data, kind="theory", at_least=0.1).remarks == (
        "the source states the law; at_least is the author's",
    )


@pytest.mark.parametrize(
    ("relation", "remark"),
    [
        ({}, None),
        ({"by": 0.1}, "the source states the direction; above.by is the author's"),
        ({"by": 0.1, "times": 2}, "above.by and above.times are the author's"),
    ],
)
def test_the_margin_of_a_direction_is_said_to_be_the_authors(relation, remark):
    data = by_point({("batch",): (0.9, 0.91), ("none",): (0.6, 0.6)})
    above = {"where": {NORM: "none"}, **relation}
    verdict = judged(data, kind="direction", where={NORM: "batch"}, above=above)
    assert verdict.kind == "direction"
    assert (remark in verdict.remarks[0]) if remark else verdict.remarks == ()
    assert judged(data, kind="published", where={NORM: "batch"}, above=above).remarks == ()


@pytest.mark.parametrize(
    ("relation", "remark"),
    [
        ({"at_least": 0.5}, None),
        ({"equals": [0.9]}, None),
        ({"equals": [0.9], "tolerance": 0.2}, "number; tolerance is the author's"),
        ({"within": {"of": 0.9, "relative": 0.2}}, "number; within.relative is the author's"),
    ],
)
def test_the_tolerance_of_a_published_number_is_said_to_be_the_authors(relation, remark):
    verdict = judged(spread(0.9, 0.91), kind="published", **relation)
    assert verdict.remarks == ((f"the source states the {remark}",) if remark else ())


def test_a_difference_below_zero_is_not_cut_off():
    data = by_point({("batch",): (0.2, 0.3, 0.4), ("none",): (0.5, 0.6, 0.7)})
    verdict = judged(data, where={NORM: "batch"}, above={"where": {NORM: "none"}})
    assert verdict.verdict == "refuted"
    assert verdict.points[0].high == pytest.approx(-0.3)


def test_above_is_strict():
    data = by_point({("batch",): (0.5, 0.5), ("none",): (0.5, 0.5)})
    for relation in ("above", "below"):
        made = judged(data, where={NORM: "batch"}, **{relation: {"where": {NORM: "none"}}})
        assert made.verdict != "supported"


@pytest.mark.parametrize("seeds", [2, 4, 10])
def test_differences_of_exactly_nothing_show_neither_above_nor_below(seeds):
    data = by_point({("batch",): (0.5,) * seeds, ("none",): (0.5,) * seeds})
    for relation in ("above", "below"):
        made = judged(data, where={NORM: "batch"}, **{relation: {"where": {NORM: "none"}}})
        assert (made.verdict, made.p, made.points[0].seeds_needed) == ("undecided", 1, None)
        assert made.points[0].reason == "all seeds are exactly at the limit"
    other = {"where": {NORM: "none"}, "by": 0.1}
    assert judged(data, where={NORM: "batch"}, above=other).verdict == "refuted"
    assert judged(data, non_increasing=NORM).verdict == "supported"


def test_seeds_that_agree_are_no_test():
    """Of the others, a share s with (1 - s)^n = 0.05 may differ."""
    for n, share in ((2, 78), (10, 26), (20, 14)):
        remark = f"all {n} seeds agree, so nothing is tested: up to {share} % of others may differ"
        assert judged(spread(*[0.6] * n), at_least=0.5).remarks == (remark,)
    assert judged(spread(0.6, 0.61), at_least=0.5).remarks == ()
    assert judged(spread(0.6, 0.6), equals=[0.6]).remarks == ()


@pytest.mark.parametrize(
    ("relation", "times", "expected"),
    [
        ("above", 1.9, "supported"),
        ("above", 2.0, "undecided"),
        ("above", 2.1, "refuted"),
        ("below", 2.1, "supported"),
        ("below", 2.0, "undecided"),
    ],
)
def test_times_is_a_factor_on_the_other_side(relation, times, expected):
    data = by_point({("batch",): (0.5, 0.5), ("none",): (0.25, 0.25)})
    other = {"where": {NORM: "none"}, "times": times}
    made = judged(data, where={NORM: "batch"}, **{relation: other})
    assert made.verdict == expected
    sign = 1 if relation == "above" else -1
    assert made.points[0].estimate == pytest.approx(sign * (0.5 - times * 0.25))


def test_the_other_side_may_be_another_measure():
    def value(point, seed, epoch, metric):
        return (0.9 if metric == "train_accuracy" else 0.7) + 0.01 * seed

    data = results(seeds=(0, 1, 2), value=value, tested=True)
    other = {"measure": "final_test_accuracy", "by": 0.19}
    verdict = judged(data, above=other)
    assert verdict.verdict == "supported"
    assert verdict.points[0].estimate == pytest.approx(0.2)
    assert judged(data, measure="final_gap", at_most=0.21).verdict == "supported"


# A loss of NaN is infinite where that is against the claim, and no number elsewhere.
@pytest.mark.parametrize(
    ("losses", "relation", "expected", "n"),
    [
        ((inf, inf), {"at_least": 2.0}, "supported", 2),
        ((inf, 2.3, 2.3), {"at_least": 2.0}, "supported", 3),
        ((inf, 2.3, 2.3), {"at_most": 3.0}, "undecided", 3),
        ((inf, 2.3, 2.3), {"at_most": 2.0}, "refuted", 3),
        ((inf, inf, 2.3), {"at_least": 2.0}, "undecided", 3),
        ((nan, nan), {"at_least": 2.0}, "undecided", 0),
        ((inf, nan), {"at_least": 2.0}, "undecided", 1),
        ((nan, nan), {"at_most": 2.0}, "refuted", 2),
        ((nan, nan), {"within": {"of": 2.0, "by": 1.0}}, "refuted", 2),
        ((nan, 2.3, 2.3), {"at_least": 2.0}, "undecided", 2),
        ((nan, 2.3, 2.3), {"at_least": 2.4}, "undecided", 2),  # it might have been any number
        ((nan, 2.3, 2.3), {"at_most": 3.0}, "undecided", 3),
        ((nan, 2.3, 2.3), {"at_most": 2.0}, "refuted", 3),
        ((nan, 2.3), {"equals": [2.3]}, "refuted", 2),
        ((nan,), {"at_least": 2.0}, "undecided", 0),
    ],
)
def test_losses_that_are_not_finite(losses, relation, expected, n):
    def value(point, seed, epoch, metric):
        return losses[seed] if metric == "train_loss" else 0.1

    seeds = tuple(range(len(losses)))
    lost = [not np.isfinite(loss) for loss in losses]
    data = results(seeds=seeds, value=value, diverged=lambda p, s: 3 if lost[s] else -1)
    verdict = judged(data, measure="final_train_loss", **relation)
    assert verdict.verdict == expected
    (point,) = verdict.points
    assert (point.diverged, point.n, point.n + point.left_out) == (sum(lost), n, len(losses))
    if point.left_out:
        assert f"{n} of {len(losses)} seed" in verdict.reason


@pytest.mark.parametrize("at", ["mean", "best", {"mean_of_last": 2}])
def test_a_mean_or_best_loss_over_evaluations_with_nan(at):
    def value(point, seed, epoch, metric):
        return nan if seed == 1 and metric == "train_loss" and epoch > 0 else 2.0

    data = results(seeds=(0, 1), value=value)
    measure = {"metric": "train_loss", "at": at}
    expected = ("supported", "supported") if at == "best" else ("undecided", "undecided")
    verdicts = [judged(data, measure=measure, **{r: 2.0}).verdict for r in ("at_least", "at_most")]
    assert tuple(verdicts) == expected


def test_losses_that_are_not_finite_in_pairs():
    def of(batch, none, relation="below"):
        def value(point, seed, epoch, metric):
            losses = batch if point == ("batch",) else none
            return losses[seed] if metric == "train_loss" else 0.1

        data = results((METHODS,), tuple(range(len(batch))), value=value)
        return judged(
            data,
            measure="final_train_loss",
            where={NORM: "batch"},
            **{relation: {"where": {NORM: "none"}}},
        )

    assert of((0.1, 0.1), (inf, inf)).verdict == "supported"
    assert of((0.1, 0.1), (nan, nan)).verdict == "undecided"
    assert of((nan, nan), (0.1, 0.1)).verdict == "refuted"
    assert of((nan, nan), (0.1, 0.1), "above").verdict == "undecided"
    assert of((0.1, 0.1), (nan, nan), "above").verdict == "refuted"
    tied = of((inf, inf), (inf, inf))
    assert (tied.verdict, tied.points[0].infinite, tied.points[0].n) == ("undecided", 2, 2)
    assert of((inf, nan), (nan, inf)).points[0].n == 0
    assert of((0.1, 0.1, inf), (0.5, 0.5, inf)).verdict == "undecided"
    one_sided = of((0.1, 0.1, 0.2), (0.5, 0.5, nan))
    assert (one_sided.verdict, one_sided.points[0].n) == ("undecided", 2)
    assert "2 of 3 seeds have a number (1 NaN)" in one_sided.reason


# Networks whose outputs are NaN classify 0.1 of the images as the book does, by the first class.
@pytest.mark.parametrize(
    ("relation", "lost", "expected", "n"),
    [
        ({"at_most": 0.5}, "batch", "supported", 2),
        ({"at_least": 0.05}, "batch", "undecided", 0),
        ({"at_least": 0.5}, "batch", "refuted", 2),
        ({"within": {"of": 0.1, "by": 0.05}}, "batch", "undecided", 0),
        ({"within": {"of": 0.5, "by": 0.05}}, "batch", "refuted", 2),
        ({"equals": [0.1]}, "batch", "supported", 2),
        ({"below": 0.0}, "batch", "supported", 2),
        ({"above": 0.0}, "batch", "refuted", 2),
        ({"above": "a tenth"}, "batch", "undecided", 0),
        ({"above": 0.0}, "none", "supported", 2),
        ({"below": 0.0}, "none", "refuted", 2),
        ({"below": "ten times"}, "none", "undecided", 0),
        ({"above": "a tenth"}, "batch none", "undecided", 0),
        ({"near": 0.1}, "batch none", "undecided", 0),
        ({"near": 0.1}, "none", "refuted", 2),
    ],
)
def test_the_accuracy_of_outputs_that_are_nan_counts_as_a_low_one_only(relation, lost, expected, n):
    lost = lost.split()

    def value(point, seed, epoch, metric):
        if metric == "train_loss":
            return nan if point[0] in lost else 0.2
        return (0.1 if point[0] in lost else 0.9) + (
            0.001 * seed if "equals" not in relation else 0
        )

    ((name, number),) = relation.items()
    if name in ("above", "below", "near"):
        factor = {"a tenth": 0.1, "ten times": 10.0}.get(number)
        margin = {"times": factor} if factor else {"by": number}
        number = {"where": {NORM: "none"}, **margin}
    data = results((METHODS,), (0, 1), value=value)
    verdict = judged(data, where={NORM: "batch"}, **{name: number})
    assert (verdict.verdict, verdict.points[0].n) == (expected, n)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("final_train_accuracy", "undecided"),
        ({"metric": "train_accuracy", "at": "mean"}, "undecided"),
        ("best_train_accuracy", "supported"),
        ({"metric": "train_accuracy", "at": "first"}, "supported"),
        ("final_test_accuracy", "supported"),
        ("final_gap", "undecided"),
    ],
)
def test_only_the_evaluations_and_images_of_a_measure_matter(measure, expected):
    """The training loss is NaN at the last evaluation."""

    def value(point, seed, epoch, metric):
        is_lost = metric.startswith("train") and epoch > 0
        return (nan if is_lost else 0.2) if metric.endswith("loss") else 0.5 if is_lost else 0.8

    data = results(seeds=(0, 1), value=value, tested=True)
    assert judged(data, measure=measure, at_least=-0.4).verdict == expected


def test_two_losses_of_nan_are_not_in_order():
    def value(point, seed, epoch, metric):
        return nan if metric == "train_loss" else 0.1

    data = results((SCALES,), (0, 1), value=value)
    for relation in ("non_decreasing", "non_increasing"):
        verdict = judged(data, measure="final_train_loss", **{relation: W})
        assert (verdict.verdict, verdict.points[0].n) == ("undecided", 0)
        assert "0 of 2 seeds have a number (2 NaN)" in verdict.reason


def test_a_network_that_failed_keeps_its_point_from_being_supported():
    failed = by_point(
        {("batch",): (0.9, 0.9), ("none",): (0.9, 0.9)},
        failed=lambda point, seed: point == ("none",) and seed == 1,
    )
    verdict = judged(failed, at_least=0.5)
    assert [point.verdict for point in verdict.points] == ["supported", "undecided"]
    assert (verdict.verdict, verdict.points[1].missing, verdict.points[1].failed) == (
        "undecided",
        1,
        1,
    )
    assert "1 of 2 seeds has a number (1 failed)" in verdict.reason
    assert judged(failed, at_least=0.5, in_at_least=1).verdict == "supported"
    above = {"where": {NORM: "none"}, "times": 0.1}
    assert judged(failed, where={NORM: "batch"}, above=above).verdict == "undecided"
    equal = judged(failed, equals=[0.9, 0.9])
    assert (equal.verdict, equal.points[1].reason) == (
        "refuted",
        "1 of 2 seeds has a number (1 failed)",
    )


VALUES = (0.91, 0.9, 0.92, 0.9, 0.93)  # of five seeds
RELATIONS = (
    {"at_least": 0.5},
    {"at_most": 0.99},
    {"within": {"of": 0.9, "by": 0.1}},
    {"above": {"where": {NORM: "none"}}},
    {"below": {"where": {NORM: "none"}, "times": 20.0}},
    {"above": {"measure": "final_test_accuracy", "times": 0.5}},
    {"non_decreasing": NORM, "tolerance": 1.0},
    {"equals": [0.9], "tolerance": 0.1},
    {"measure": "final_gap", "at_least": -1.0},
)


def lacking(lost, how, other_side):
    """Batch and none for five seeds, of which some are lost: to NaN, as failed, or untrained."""
    side = ("none",) if other_side else ("batch",)

    def value(point, seed, epoch, metric):
        if how == "NaN" and seed in lost and point == side:
            return nan
        return VALUES[seed] if point == ("batch",) else 0.1

    def failed(point, seed):
        return how == "failed" and seed in lost and point == side

    data = results((METHODS,), tuple(range(5)), value=value, failed=failed, tested=True)
    if how != "not trained":
        return data
    summary, metrics = (
        {
            name: column[~(np.isin(table["seed"], [*lost]) & (table[NORM] == side[0]))]
            for name, column in table.items()
        }
        for table in (data.summary, data.metrics)
    )
    return replace(data, summary=summary, metrics=metrics)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["NaN", "failed", "not trained"])
@pytest.mark.parametrize("relation", RELATIONS, ids=str)
@settings(max_examples=8, deadline=None)
@given(lost=st.sets(st.integers(0, 4), max_size=5), other_side=st.booleans())
def test_a_lost_number_never_makes_a_claim_easier(relation, how, lost, other_side):
    compares = "where" in str(relation) or "non_decreasing" in relation
    where = {} if "non_decreasing" in relation else {"where": {NORM: "batch"}}
    verdict = judged(lacking(lost, how, other_side), **{**where, **relation})
    if not lost or (other_side and not compares):
        assert verdict.verdict == "supported"
        return
    expected = "refuted" if "equals" in relation and how != "not trained" else "undecided"
    assert verdict.verdict == expected
    (point,) = verdict.points
    assert (point.n, point.left_out + point.missing) == (5 - len(lost), len(lost))
    assert point.failed == (len(lost) if how == "failed" else 0)
    verb = "has" if len(lost) == 4 else "have"
    assert f"{5 - len(lost)} of 5 seeds {verb} a number ({len(lost)} {how})" in verdict.reason
    assert f"n = {5 - len(lost)}, {len(lost)} without a number" in verdict.reason


@pytest.mark.parametrize("how", ["NaN", "failed"])
@pytest.mark.parametrize(("seeds", "expected"), [(5, "undecided"), (20, "refuted")])
def test_the_others_refute_only_if_the_lost_one_could_not_help(how, seeds, expected):
    """At best its accuracy would have been 0: with four of 0.9 that makes a mean of 0.72."""

    def value(point, seed, epoch, metric):
        return nan if how == "NaN" and seed == 2 else 0.9

    failed = {"failed": lambda point, seed: seed == 2} if how == "failed" else {}
    verdict = judged(results(seeds=tuple(range(seeds)), value=value, **failed), at_most=0.5)
    assert (verdict.verdict, verdict.points[0].n) == (expected, seeds - 1)
    assert f"{seeds - 1} of {seeds} seeds have a number" in verdict.reason
    assert (verdict.points[0].p_refuted < 0.025) == (expected == "refuted")


@pytest.mark.parametrize("how", ["NaN", "failed"])
def test_a_loss_that_is_lost_could_have_been_any(how):
    data = lacking({2}, how, False)
    for relation in ({"above": {"where": {NORM: "none"}}}, {"below": {"where": {NORM: "none"}}}):
        verdict = judged(data, where={NORM: "batch"}, measure="final_train_loss", **relation)
        assert verdict.verdict == "undecided"


def test_others_that_are_not_trained_decide_nothing():
    unfinished = judged(lacking({2}, "not trained", False), where={NORM: "batch"}, at_most=0.5)
    assert unfinished.verdict == "undecided"


@pytest.mark.slow
def test_one_of_many_points_is_no_proof():
    """By chance one of 16 points is beyond its limit at 5 % more often than not."""
    random = np.random.default_rng()
    scales = Axis(W, tuple(np.logspace(0, -4, 16).tolist()))
    supported = 0
    for _ in range(40):
        noise = random.normal(0.5, 0.05, (16, 10))
        numbers = dict(zip(scales.values, noise, strict=True))

        def value(point, seed, epoch, metric, numbers=numbers):
            return float(numbers[point[0]][seed])

        verdict = judged(
            results((scales,), tuple(range(10)), value=value), at_least=0.5, in_at_least=1
        )
        words = [point.verdict for point in verdict.points]
        supported += verdict.verdict == "supported"
        if verdict.verdict != overall_verdict(words, 1):
            assert verdict.p > 0.05
            assert "no proof, as chance has 16 points: p = " in verdict.reason
    assert supported <= 8  # of 40, of which 2.5 % are expected


@given(
    st.lists(st.sampled_from(["supported", "refuted", "undecided"]), min_size=1, max_size=9),
    st.data(),
)
def test_the_overall_verdict_counts(words, data):
    needed = data.draw(st.integers(1, len(words)))
    possible = words.count("supported") + words.count("undecided")
    expected = "undecided"
    if words.count("supported") >= needed:
        expected = "supported"
    elif possible < needed:
        expected = "refuted"
    assert overall_verdict(words, needed) == expected


def test_the_reason_is_of_the_point_that_decides():
    data = by_point({("batch",): (0.9, 0.9), ("none",): (0.6, 0.6)})
    assert judged(data, at_least=0.5).reason == (
        "mean 0.6 [0.6, 0.6], n = 2 at model.norm = none; holds at 2 of 2 points"
    )
    assert judged(data, at_least=0.5, in_at_least=1).reason == (
        "mean 0.9 [0.9, 0.9], n = 2 at model.norm = batch; holds at 2 of 2 points, 1 needed"
    )


def test_an_infinite_loss_is_the_farthest_from_failing_a_lower_limit():
    def value(point, seed, epoch, metric):
        return inf if metric == "train_loss" and point == ("batch",) else 2.0

    data = results((METHODS,), (0, 1), value=value)
    verdict = judged(data, measure="final_train_loss", at_least=1.5)
    assert [point.margin for point in verdict.points] == [inf, 0.5]
    assert "at model.norm = none" in verdict.reason


def test_the_source_is_the_experiments_unless_given():
    assert judged(spread(1.0), at_least=0).source == "a book"
    assert judged(spread(1.0), at_least=0, source="a paper").source == "a paper"


def test_an_undecided_claim_says_how_many_seeds_would_decide():
    """0.5, 0.6, 0.7 and 0.55: the distance is log(0.6 * 0.45 / (0.4 * 0.55)) * 0.6 * 0.4 / 0.1."""
    distance = log(0.6 * 0.45 / (0.4 * 0.55)) * 0.24 / 0.1
    assert distance * sqrt(18) < 2.109816  # t with 17 degrees of freedom
    assert distance * sqrt(19) > 2.100922  # and with 18
    verdict = judged(spread(0.5, 0.6, 0.7), at_least=0.55)
    assert (verdict.verdict, verdict.points[0].seeds_needed) == ("undecided", 19)
    assert verdict.reason == (
        f"mean 0.6 [{LOW:.4g}, {HIGH:.4g}], n = 3; the interval reaches over the limit; "
        "about 19 seeds would decide, if mean and spread stay"
    )
    near = judged(spread(0.5, 0.6, 0.7), at_least=0.599)
    assert near.points[0].seeds_needed == inf
    assert "more than 1,000 seeds would decide" in near.reason
    decided = judged(spread(0.5, 0.6, 0.7), at_least=0.3)
    assert decided.points[0].seeds_needed is None
    assert "would decide" not in decided.reason


def test_so_many_seeds_decide_a_claim_about_several_points():
    """One point needs 19 seeds to be supported, the other is far away, on either side."""
    data = by_point({("batch",): (0.5, 0.6, 0.7), ("none",): (0.9, 0.91, 0.92)})
    assert "about 19 seeds" in judged(data, at_least=0.55).reason
    assert "would decide" not in judged(data, at_least=0.55, in_at_least=1).reason
    low = by_point({("batch",): (0.5, 0.6, 0.7), ("none",): (0.1, 0.11, 0.12)})
    refuted = judged(low, at_least=0.55)
    assert (refuted.verdict, "would decide" in refuted.reason) == ("refuted", False)
    missing = by_point(
        {("batch",): (0.5, 0.6, 0.7), ("none",): (0.9, 0.91, 0.92)},
        failed=lambda point, seed: point == ("none",) and seed == 1,
    )
    assert "would decide" not in judged(missing, at_least=0.55).reason


@pytest.mark.parametrize(
    ("relation", "low", "high"),
    [
        ({"at_least": 0.3}, 0.3, None),
        ({"at_most": 0.9}, None, 0.9),
        ({"within": {"of": 0.6, "by": 0.3}}, 0.3, 0.9),
    ],
)
def test_the_p_value_of_one_point(relation, low, high):
    """Twice the one-sided p of T = (logit(0.6) - logit(bound)) * 0.6 * 0.4 / (s / sqrt 3)."""

    def p(bound, sign):
        t = sign * (log(0.6 / 0.4) - log(bound / (1 - bound))) * 0.24 / 0.1 * sqrt(3)
        root = sqrt(2 + t**2)
        return 2 / root / (root + t)

    expected = max(p(low, 1) if low else 0, p(high, -1) if high else 0)
    verdict = judged(spread(0.5, 0.6, 0.7), **relation)
    assert verdict.p == pytest.approx(expected)
    assert (verdict.verdict == "supported") == (expected <= 0.05)
    opposite = judged(spread(0.5, 0.6, 0.7), at_most=0.3)
    assert (opposite.verdict, opposite.p) == ("refuted", pytest.approx(p(0.3, 1)))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3), min_size=2, max_size=2),
    st.floats(0.05, 0.95),
    st.integers(1, 2),
)
def test_p_values_and_verdicts_agree(samples, bound, needed):
    """Of a claim about all points: p <= 0.05 if it is supported; else the points are counted."""
    if any(max(sample) - min(sample) < 1e-6 for sample in samples):
        return
    data = by_point({("batch",): samples[0], ("none",): samples[1]})
    verdict = judged(data, at_least=bound, in_at_least=needed)
    words = [point.verdict for point in verdict.points]
    for word, point in zip(words, verdict.points, strict=True):
        assert (word == "supported") == (point.p_supported <= 0.05)
        assert (word == "refuted") == (point.p_refuted <= 0.05)
    if needed == 2:
        p = max(point.p_supported for point in verdict.points)
        assert (verdict.verdict == "supported") == (p <= 0.05)
    else:
        p = max(point.p_refuted for point in verdict.points)
        assert (verdict.verdict == "refuted") == (p <= 0.05)
    if verdict.p <= 0.05:
        assert verdict.verdict != "undecided"


def points_with(supported, refuted):
    """Points with these p-values; all else is of no importance."""
    (point,) = judged(spread(0.5, 0.6, 0.7), at_least=0.3).points
    return [
        replace(point, p_supported=p, p_refuted=r) for p, r in zip(supported, refuted, strict=True)
    ]


def test_p_values_over_points_are_corrected_for_choosing_among_them():
    points = points_with((0.01, 0.02, 0.03, 0.9), (1.0, 1.0, 1.0, 0.004))
    assert claim_p_value(points, needed=3) == pytest.approx(0.03 * 2)
    assert claim_p_value(points, needed=4) == pytest.approx(0.004 * 4)  # one of four refutes it
    assert claim_p_value(points[:3], needed=3) == 0.03
    assert claim_p_value(points, needed=1) == pytest.approx(0.01 * 4)
    assert claim_p_value(points_with((0.9, 0.9), (0.9, 0.9)), needed=1) == 0.9
    assert isnan(claim_p_value([], needed=0))


def test_nothing_is_tested_by_equality_and_by_seeds_that_agree():
    assert isnan(judged(spread(0.5, 0.6), equals=[0.5]).p)
    assert isnan(judged(spread(0.6, 0.6), at_least=0.5).p)
    assert isnan(judged(spread(0.6, 0.6), at_least=0.7).q)


def test_missing_networks_make_no_p_value_smaller():
    complete = judged(lacking((), "NaN", False), where={NORM: "batch"}, at_least=0.5)
    assert complete.p < 0.001
    for how in ("NaN", "failed", "not trained"):
        lost = judged(lacking({2}, how, False), where={NORM: "batch"}, at_least=0.5)
        assert lost.p == 1
    assert judged(spread(0.6), at_least=0.5).p == 1


def test_q_values_are_over_the_claims_of_an_experiment():
    data = spread(0.5, 0.6, 0.7)
    parts = ({"at_least": 0.3}, {"at_least": 0.1}, {"equals": [0.5]}, {"at_least": 0.55})
    verdicts = judge_claims([claim(**part) for part in parts], sweep_points(data), data)
    p = [verdict.p for verdict in verdicts]
    assert [verdict.q for verdict in verdicts][:2] == [p[0] * 3 / 2, p[1] * 3]
    assert (isnan(verdicts[2].q), verdicts[3].q) == (True, p[3])


def test_comparisons_have_an_effect_size_and_a_superiority():
    """Differences 0.1, 0.2, 0.3 and 0: d = 0.15 / 0.1291, corrected by 1 - 3 / 11."""
    data = by_point({("batch",): (0.6, 0.7, 0.8, 0.5), ("none",): (0.5, 0.5, 0.5, 0.5)})
    verdict = judged(data, where={NORM: "batch"}, above={"where": {NORM: "none"}})
    (point,) = verdict.points
    assert point.superiority == 3.5 / 4
    assert point.effect_size == pytest.approx(0.15 / sqrt(0.05 / 3) * 8 / 11)
    assert "n = 4, ahead in 3.5 of 4" in verdict.reason
    below = judged(data, where={NORM: "none"}, below={"where": {NORM: "batch"}})
    assert (below.points[0].superiority, below.points[0].effect_size) == (
        point.superiority,
        pytest.approx(point.effect_size),
    )
    (alone,) = judged(data, where={NORM: "batch"}, at_least=0.1).points
    assert (alone.superiority, alone.effect_size) == (None, None)


def test_infinite_losses_count_for_superiority():
    def value(point, seed, epoch, metric):
        return inf if metric == "train_loss" and point == ("none",) and seed < 2 else 0.1

    data = results((METHODS,), (0, 1, 2, 3), value=value)
    below = {"where": {NORM: "none"}}
    (point,) = judged(data, measure="final_train_loss", where={NORM: "batch"}, below=below).points
    assert (point.superiority, isnan(point.effect_size)) == (3 / 4, True)
