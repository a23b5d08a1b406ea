"""Which number of a network a claim is about: from evaluations and from probes."""

from __future__ import annotations

from math import exp, nan

import numpy as np
import pytest
from claim_results import (
    judged,
    spread,
    with_probes,
)
from figure_results import results


# Which evaluation: 0.1 at step 1 (epoch 0), 0.5 at step 11 (epoch 1), 0.3 at step 21 (epoch 2).
@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("final_train_accuracy", 0.3),
        ("best_train_accuracy", 0.5),
        ("best_train_loss", 0.1),
        ({"metric": "train_accuracy"}, 0.3),
        ({"metric": "train_accuracy", "at": "first"}, 0.1),
        ({"metric": "train_accuracy", "at": "mean"}, 0.3),
        ({"metric": "train_accuracy", "at": {"step": 11}}, 0.5),
        ({"metric": "train_accuracy", "at": {"epoch": 2}}, 0.3),
        ({"metric": "train_accuracy", "at": {"mean_of_last": 2}}, 0.4),
    ],
)
def test_which_evaluation_counts(measure, expected):
    course = {0.0: 0.1, 1.0: 0.5, 2.0: 0.3}
    data = results(value=lambda p, s, epoch, m: course[epoch])
    assert judged(data, measure=measure, at_least=0).points[0].estimate == pytest.approx(expected)


def test_an_evaluation_that_was_not_made_is_named_with_the_nearest():
    verdict = judged(spread(1.0), measure={"metric": "gap", "at": {"step": 9}}, at_least=0)
    assert verdict.verdict == "undecided"
    assert verdict.reason == (
        "not in this experiment: not a step that is scored, expected one of 1, 11, 21, got 9; "
        "the nearest is 11"
    )


def probed():
    rows = [
        (network, step, layer, "gradient_norm", nan, (network + 1) * (1 + step / 10) * 2.0**layer)
        for network in range(2)
        for step in (0, 10, 20)
        for layer in (1, 2, 3)
    ]
    rows += [
        (network, 0, 2, "percentile", at, at / 100) for network in range(2) for at in (15.0, 85.0)
    ]
    return with_probes(spread(1.0, 1.0), rows)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ({"quantity": "gradient_norm", "layer": 1, "step": 0}, 3.0),
        ({"quantity": "gradient_norm", "layer": 3}, 36.0),
        ({"quantity": "gradient_norm", "layer": 3, "step": "first"}, 12.0),
        ({"quantity": "gradient_norm", "layer": 3, "step": "mean"}, 24.0),
        ({"quantity": "gradient_norm", "layer": 3, "step": {"mean_from": 5}}, 30.0),
        ({"quantity": "gradient_norm", "growth": [1, 3]}, 2.0),
        ({"quantity": "gradient_norm", "layer": 3, "since": "first"}, 3.0),
        ({"quantity": "gradient_norm", "layer": 3, "step": 10, "since": 0}, 2.0),
        ({"quantity": "gradient_norm", "growth": [1, 3], "since": 0}, 1.0),
        ({"quantity": "percentile", "layer": 2, "at": 85, "since": "first"}, 1.0),
        ({"quantity": "percentile", "layer": 2, "at": 85}, 0.85),
        ({"quantity": "percentile", "layer": 2, "at": 15.0000001}, 0.15),
    ],
)
def test_what_probes_read(measure, expected):
    verdict = judged(probed(), measure=measure, at_least=0)
    assert verdict.points[0].estimate == pytest.approx(expected)
    assert verdict.points[0].n == 2


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        ({"quantity": "rank"}, "rank: not recorded"),
        ({"quantity": "gradient_norm"}, "layer 0: not recorded, expected one of 1, 2, 3"),
        ({"quantity": "gradient_norm", "growth": [2, 5]}, "layer 4: not recorded"),
        ({"quantity": "gradient_norm", "layer": 1, "step": 13}, "got 13; the nearest is 10"),
        ({"quantity": "gradient_norm", "layer": 1, "step": {"mean_from": 21}}, "at most step 20"),
        ({"quantity": "gradient_norm", "layer": 1, "since": 3}, "got 3; the nearest is 0"),
        ({"quantity": "gradient_norm", "layer": 1, "at": 3}, "expected no at, it is one number"),
        ({"quantity": "percentile", "layer": 2}, "expected at: one of 15, 85, got none"),
        ({"quantity": "percentile", "layer": 2, "at": 50}, "expected one of 15, 85, got 50"),
    ],
)
def test_what_was_not_read_is_undecided(measure, reason):
    verdict = judged(probed(), measure=measure, at_least=0)
    assert verdict.verdict == "undecided"
    assert reason in verdict.reason


def test_growth_is_the_slope_of_the_logarithm():
    """0.5, 1.5, 2.0: the textbook slope by numpy.polyfit."""
    rows = [(0, 0, layer, "q", nan, v) for layer, v in ((1, 0.5), (2, 1.5), (3, 2.0))]
    data = with_probes(spread(1.0), rows)
    verdict = judged(data, measure={"quantity": "q", "growth": [1, 3]}, at_least=0)
    slope = np.polyfit([1, 2, 3], np.log([0.5, 1.5, 2.0]), 1)[0]
    assert verdict.points[0].estimate == pytest.approx(exp(slope))


def test_a_probe_without_a_number_leaves_a_claim_undecided():
    rows = [(0, 0, 1, "q", nan, nan), (1, 0, 1, "q", nan, 2.0), (2, 0, 1, "q", nan, 2.0)]
    data = with_probes(spread(1.0, 1.0, 1.0), rows)
    verdict = judged(data, measure={"quantity": "q", "layer": 1}, at_least=1)
    assert verdict.verdict == "undecided"
    assert (verdict.points[0].n, verdict.points[0].left_out) == (2, 1)
    assert verdict.reason == (
        "mean 2 [2, 2], n = 2, 1 without a number; 2 of 3 seeds have a number (1 NaN)"
    )
    # The network of seed 2 has no row at all.
    fewer = with_probes(spread(1.0, 1.0, 1.0), rows[1:2])
    verdict = judged(fewer, measure={"quantity": "q", "layer": 1}, at_least=1)
    assert (verdict.points[0].n, verdict.points[0].left_out) == (1, 2)
    assert "1 of 3 seeds has a number (2 NaN)" in verdict.reason


@pytest.mark.parametrize("lost", [0.0, -1.0, nan, float("inf")])
def test_a_growth_that_a_seed_does_not_have_is_not_left_out(lost):
    """Three seeds grow by 2 from layer to layer; the fourth has a layer without a logarithm."""
    rows = [(seed, 0, layer, "q", nan, 2.0**layer) for seed in range(4) for layer in (1, 2, 3)]
    measure = {"quantity": "q", "growth": [1, 3]}
    whole = with_probes(spread(*[1.0] * 4), rows)
    assert judged(whole, measure=measure, within={"of": 2, "by": 0.1}).verdict == "supported"
    rows[4] = (1, 0, 2, "q", nan, lost)
    verdict = judged(
        with_probes(spread(*[1.0] * 4), rows), measure=measure, within={"of": 2, "by": 0.1}
    )
    assert (verdict.verdict, verdict.points[0].n) == ("undecided", 3)
    assert "3 of 4 seeds have a number (1 NaN)" in verdict.reason
