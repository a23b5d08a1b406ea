"""Claims in words: the numbers on both sides, and at how many seeds the relation holds."""

from __future__ import annotations

import pytest
from figure_results import NORM, NORMS, W, results

from bnexp.claims import judge_claims
from bnexp.claims.select import SweepPoints
from bnexp.config.claims import Claim
from bnexp.report.sentences import measured_text
from bnexp.runs.tables import Axis

SCALES = Axis(W, (0.29286445646252374, 0.1))
SEEDS = (0, 1, 2, 3, 4)


def accuracy(point, seed, epoch, metric):
    """Batch norm ends at 0.6, more by 0.01 with each seed; the others at 0.9, but seed 4 at 0.1."""
    if point[1] == "batch":
        return 0.6 + 0.01 * seed
    return 0.1 if seed == 4 else 0.9


@pytest.fixture(scope="module")
def tables():
    return results((SCALES, NORMS), seeds=SEEDS, value=accuracy, read=readings)


def readings(point, seed):
    return [
        (10, 1, "activation_std", float("nan"), 2.0),
        (10, 2, "activation_std", float("nan"), 8.0),
    ]


def words(tables, **keys):
    claim = Claim.model_validate({"says": "It is so.", "measure": "final_train_accuracy", **keys})
    points = tuple({W: w, NORM: norm} for w in SCALES.values for norm in NORMS.values)
    sweep = SweepPoints(tables.axes, points, SEEDS)
    (verdict,) = judge_claims([claim], sweep, tables)
    return measured_text(claim, verdict, tables)


def test_a_comparison_has_both_numbers_and_the_seeds_at_which_it_holds(tables):
    text = words(tables, where={NORM: "none", W: 0.293}, above={"where": {NORM: "batch"}})
    assert text == (
        "final training accuracy at W = 0.293: 0.74 (without normalization) against 0.62 "
        "(with batch norm), 4 of 5 seeds"
    )
    text = words(tables, where={NORM: "none", W: 0.293}, below={"where": {NORM: "batch"}})
    assert text.endswith("1 of 5 seeds")


def test_a_margin_and_a_factor_count(tables):
    where = {NORM: "none", W: 0.293}
    text = words(tables, where=where, above={"where": {NORM: "batch"}, "by": 0.28})
    assert text.endswith("2 of 5 seeds")  # 0.9 - 0.6, 0.9 - 0.61
    text = words(tables, where=where, above={"where": {NORM: "batch"}, "times": 1.45})
    assert "against 1.45 times 0.62" in text
    assert text.endswith("3 of 5 seeds")  # 1.45 times 0.62 is 0.899


def test_a_threshold_counts_seeds_and_names_the_point(tables):
    text = words(tables, where={NORM: "batch", W: 0.1}, at_least=0.615)
    assert text == "final training accuracy at W = 0.1, with batch norm: 0.62, 3 of 5 seeds"
    assert words(tables, where={NORM: "batch", W: 0.1}, at_most=0.615).endswith("2 of 5 seeds")


def test_what_differs_stands_beside_its_number(tables):
    text = words(tables, where={NORM: "none", W: 0.293}, near={"where": {W: 0.1}, "by": 0.1})
    assert text == (
        "final training accuracy without normalization: 0.74 (W = 0.293) against 0.74 (W = 0.1), "
        "5 seeds"
    )


def test_quantities_are_named_with_their_layer(tables):
    where = {NORM: "batch", W: 0.1}
    measure = {"quantity": "activation_std", "layer": 2}
    text = words(tables, where=where, measure=measure, at_least=1)
    assert text == "final activations: std of layer 2 at W = 0.1, with batch norm: 8, 5 of 5 seeds"
    text = words(
        tables, where=where, measure={"quantity": "activation_std", "growth": [1, 2]}, at_least=1
    )
    assert text.startswith("growth of activations: std from layer 1 to 2 at W = 0.1")
    assert ": 4, 5 of 5 seeds" in text


def test_what_was_not_recorded_has_no_numbers(tables):
    measure = {"quantity": "dead", "layer": 1}
    assert words(tables, measure=measure, at_least=1, absent="undecided") == ""
