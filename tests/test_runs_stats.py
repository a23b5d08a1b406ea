"""Intervals of means over seeds: the formula, and the limits of what is measured."""

from __future__ import annotations

import numpy as np
import pytest
from claim_results import by_point, judged, spread
from figure_results import NORM
from hypothesis import given
from hypothesis import strategies as st

from bnexp.claims.measure import measure_limits
from bnexp.config.claims import OfMetric, OfQuantity
from bnexp.runs.stats import Interval, band, t_interval, t_quantile


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=9).filter(lambda v: len(set(v)) > 1))
def test_the_interval_is_that_of_the_figures(values):
    interval, drawn = t_interval(values), band(np.array(values)[:, None])
    assert interval.mean == pytest.approx(drawn.mean[0])
    assert max(interval.low, 0) == pytest.approx(drawn.low[0], abs=1e-9)
    assert interval.high == pytest.approx(drawn.high[0])


@pytest.mark.parametrize("values", [[0.3], [0.1, 0.1, 0.1]])
def test_equal_values_are_an_interval_of_one_point(values):
    assert t_interval(values) == Interval(values[0], values[0], values[0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_an_interval_keeps_to_the_limits_and_holds_its_mean(values):
    mean, low, high = t_interval(values, (0.0, 1.0))
    assert 0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1


def test_limits_of_measures():
    assert measure_limits("final_train_accuracy") == (0, 1)
    assert measure_limits(OfMetric(metric="test_loss")) == (0, np.inf)
    assert measure_limits("best_gap") == (-1, 1)
    assert measure_limits(OfQuantity(quantity="rank")) == (-np.inf, np.inf)


def test_claims_judge_by_intervals_within_the_limits():
    (point,) = judged(spread(0.4, 1.0), at_most=1).points
    assert (point.verdict, point.high, point.low) == ("supported", 1, 0)
    data = by_point({("batch",): (1.0, 1.0, 0.4), ("none",): (0.0, 0.05, 0.0)})
    claim = {"where": {NORM: "batch"}, "above": {"where": {NORM: "none"}, "times": 2.0}}
    (point,) = judged(data, **claim).points
    assert point.estimate == pytest.approx((1.0 + 0.9 + 0.4) / 3)
    assert point.high == 1  # 1 - 2 * 0


# Two-sided 95 %, as printed in tables of Student's t distribution.
QUANTILES = {
    1: 12.706205, 2: 4.302653, 3: 3.182446, 4: 2.776445, 5: 2.570582, 9: 2.262157, 10: 2.228139,
    29: 2.045230, 30: 2.042272, 100: 1.983972, 999: 1.962341,
}  # fmt: skip


@pytest.mark.parametrize(("freedom", "expected"), QUANTILES.items())
def test_t_quantiles(freedom, expected):
    assert t_quantile(freedom) == pytest.approx(expected, abs=6e-7)


def test_t_quantiles_in_closed_form():
    assert t_quantile(1) == pytest.approx(np.tan(np.pi * 0.475), rel=1e-12)
    assert t_quantile(2) == pytest.approx(0.95 * np.sqrt(2 / (1 - 0.9025)), rel=1e-12)


def test_the_band_leaves_out_what_is_not_finite():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.inf], [5.0, 4.0, np.nan]])
    found = band(values)
    np.testing.assert_array_equal(found.mean, [3, 3, np.nan])
    half = [4.3026527 * 2 / np.sqrt(3), 12.706205 * np.sqrt(2) / np.sqrt(2)]
    np.testing.assert_allclose(found.high[:2], 3 + np.array(half), rtol=1e-6)
    np.testing.assert_array_equal(found.low, [0, 0, np.nan])


def test_a_single_value_has_a_mean_and_no_band():
    found = band(np.array([[0.5], [np.nan]]))
    assert found.mean.tolist() == [0.5]
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_a_band_holds_its_mean_and_keeps_to_the_range(values):
    found = band(np.array(values)[:, None], 1.0)
    slack = 1e-12
    assert 0 <= found.low[0] <= found.mean[0] + slack
    assert found.mean[0] - slack <= found.high[0] <= 1
