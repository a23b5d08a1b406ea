"""Means over seeds: intervals and their limits, p-values, q-values, effect sizes."""

from __future__ import annotations

from math import atan, inf, isnan, nan, pi, sqrt

import numpy as np
import pytest
from claim_results import by_point, judged, spread
from figure_results import NORM
from hypothesis import example, given, settings
from hypothesis import strategies as st
from interval_cases import QUANTILES, log_ends, logit_ends, moments

from bnexp.claims.measure import measure_limits
from bnexp.config.claims import OfMetric, OfQuantity
from bnexp.runs.stats import (
    Interval,
    band,
    benjamini_hochberg,
    effect_size,
    interval,
    p_above,
    p_below,
    seeds_to_decide,
    standardized_distance,
    superiority,
    t_quantile,
    two_sided_p,
)

SHARE, POSITIVE, DIFFERENCE, FREE = (0.0, 1.0), (0.0, inf), (-1.0, 1.0), (-inf, inf)
LIMITS = (SHARE, POSITIVE, DIFFERENCE, (-inf, 2.0), FREE)

shares = st.floats(0.01, 0.99)
samples = st.lists(shares, min_size=2, max_size=9).filter(lambda v: max(v) - min(v) > 1e-3)


def test_the_smallest_and_the_largest_value_count_half_as_much_again():
    """1, 2, 6, 6, 10: m = (25 + 11 / 2) / 6, and squares of which the ends' count half again."""
    m = 30.5 / 6
    squares = 1.5 * (1 - m) ** 2 + (2 - m) ** 2 + 2 * (6 - m) ** 2 + 1.5 * (10 - m) ** 2
    half = QUANTILES[4] * sqrt(squares / 5) / sqrt(5)
    np.testing.assert_allclose(interval((6, 2, 10, 1, 6)), (5, m - half, m + half), rtol=1e-6)
    assert moments((6, 2, 10, 1, 6)) == pytest.approx((m, sqrt(squares / 5)))


def test_the_scale_of_the_limits():
    """0.7, 0.8, 0.9: mean 0.8, s = 0.1, t = 4.302653."""
    values, half = (0.7, 0.8, 0.9), QUANTILES[2] * 0.1 / sqrt(3)
    ends = {
        SHARE: logit_ends(0.8, half),
        DIFFERENCE: logit_ends(0.8, half, (-1, 1)),
        POSITIVE: log_ends(0.8, half),
        FREE: (0.8 - half, 0.8 + half),
    }
    for limits, (low, high) in ends.items():
        np.testing.assert_allclose(interval(values, limits), (0.8, low, high), rtol=1e-6)
    mean, low, high = interval([-v for v in values], (-inf, 0.0))
    np.testing.assert_allclose((-mean, -high, -low), interval(values, POSITIVE))


@given(samples, st.sampled_from(LIMITS))
def test_the_interval_is_that_of_the_figures(values, limits):
    drawn = band(np.array(values)[:, None], limits)
    np.testing.assert_allclose(  # NumPy may round a column in another way than a list
        *(interval(values, limits), (drawn.mean[0], drawn.low[0], drawn.high[0])),
        rtol=1e-12,
        atol=1e-13 * max(map(abs, values)),
    )


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("values", [[0.3], [0.1, 0.1, 0.1], [1.0, 1.0], [0.0, 0.0]])
def test_equal_values_are_an_interval_of_one_point(values, limits):
    assert interval(values, limits) == Interval(values[0], values[0], values[0])
    drawn = band(np.array([values] * 2).T, limits)
    if len(values) > 1:
        np.testing.assert_allclose((drawn.low, drawn.high), values[0], rtol=1e-14)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.sampled_from(LIMITS))
def test_an_interval_keeps_to_the_limits_and_holds_its_mean(values, limits):
    drawn = band(np.array([values] * 2).T, limits)
    if len(values) > 1:
        assert (limits[0] <= drawn.low).all()
        assert (drawn.low <= drawn.mean).all()  # exactly: matplotlib draws no negative bars
        assert (drawn.mean <= drawn.high).all()
        assert (drawn.high <= limits[1] + 1e-15).all()


@given(samples)
def test_the_share_of_errors_has_the_mirrored_interval(values):
    mean, low, high = interval(values, SHARE)
    errors = interval([1 - value for value in values], SHARE)
    np.testing.assert_allclose(errors, (1 - mean, 1 - high, 1 - low), rtol=1e-9, atol=1e-12)


def test_values_beyond_the_limits_have_an_interval_that_is_cut_off():
    mean, low, high = interval((-0.5, 0.0, 0.5), POSITIVE)
    assert (mean, low) == (0, 0)
    assert high == pytest.approx(QUANTILES[2] * 0.5 / sqrt(3), rel=1e-6)


def test_limits_of_measures():
    assert measure_limits("final_train_accuracy") == (0, 1)
    assert measure_limits(OfMetric(metric="test_loss")) == (0, np.inf)
    assert measure_limits("best_gap") == (-1, 1)
    assert measure_limits(OfQuantity(quantity="rank")) == (0, np.inf)
    assert measure_limits(OfQuantity(quantity="accuracy_blur")) == (0, 1)
    assert measure_limits(OfQuantity(quantity="signal_similarity")) == (-1, 1)
    for quantity, limits in (("dead", (0, np.inf)), ("similarity", (-np.inf, np.inf))):
        assert measure_limits(OfQuantity(quantity=quantity, since="first")) == limits
    for unlimited in ("activation_mean", "percentile", "a_users_own"):
        assert measure_limits(OfQuantity(quantity=unlimited)) == (-np.inf, np.inf)
    assert measure_limits(OfQuantity(quantity="a_users_own", growth=(1, 3))) == (0, np.inf)


def test_claims_judge_by_intervals_within_the_limits():
    (point,) = judged(spread(0.4, 1.0), at_most=1).points
    assert point.verdict == "supported"
    assert 0 < point.low < 1e-6
    assert 1 - 1e-6 < point.high < 1
    data = by_point({("batch",): (1.0, 1.0, 0.4), ("none",): (0.0, 0.05, 0.0)})
    claim = {"where": {NORM: "batch"}, "above": {"where": {NORM: "none"}, "times": 2.0}}
    (point,) = judged(data, **claim).points
    differences = (1.0, 0.9, 0.4)  # at least 0 - 2 * 1, at most 1 - 2 * 0
    center, deviation = moments(differences)
    ends = logit_ends(center, QUANTILES[2] * deviation / sqrt(3), (-2, 1))
    np.testing.assert_allclose((point.low, point.high), ends, rtol=1e-6)


@pytest.mark.parametrize(("freedom", "expected"), QUANTILES.items())
def test_t_quantiles(freedom, expected):
    assert t_quantile(freedom) == pytest.approx(expected, abs=6e-7)


def test_t_quantiles_in_closed_form():
    assert t_quantile(1) == pytest.approx(np.tan(np.pi * 0.475), rel=1e-12)
    assert t_quantile(2) == pytest.approx(0.95 * np.sqrt(2 / (1 - 0.9025)), rel=1e-12)


@given(st.floats(1e-6, 1e8))
def test_p_values_in_closed_form(t):
    """Of 1, 2 and 4 degrees of freedom, in forms that lose no digits for large t."""
    assert two_sided_p(t, 1) == pytest.approx(2 / pi * atan(1 / t), rel=1e-12)
    root = sqrt(2 + t**2)
    assert two_sided_p(t, 2) == pytest.approx(2 / root / (root + t), rel=1e-12)
    x = t / sqrt(4 + t**2)  # 1 - (3 x - x^3) / 2 = (1 - x)^2 (2 + x) / 2
    rest = 4 / (4 + t**2) / (1 + x)
    assert two_sided_p(t, 4) == pytest.approx(rest**2 * (2 + x) / 2, rel=1e-12)


def test_p_values_of_large_samples_are_those_of_the_normal_distribution():
    # P(|Z| >= 1), >= 2 and >= 3 of a table.
    for t, expected in ((1, 0.317311), (2, 0.0455003), (3, 0.0026998)):
        assert two_sided_p(t, 1_000_000) == pytest.approx(expected, rel=1e-4)
    assert (two_sided_p(0, 7), two_sided_p(inf, 7)) == (1, 0)


@given(samples, st.sampled_from(LIMITS))
def test_a_bound_at_the_end_of_the_interval_has_p_of_5_percent(values, limits):
    mean, low, high = interval(values, limits)
    p_low, p_high = p_above(values, limits, low), p_below(values, limits, high)
    if limits[0] < low:  # not cut off
        assert p_low == pytest.approx(0.05, rel=1e-4)
    if high < limits[1]:
        assert p_high == pytest.approx(0.05, rel=1e-4)
    assert p_below(values, limits, low) == p_above(values, limits, high) == 1
    assert 0.05 < p_above(values, limits, mean) <= 1


@given(samples, st.sampled_from(LIMITS), shares)
def test_p_is_at_most_5_percent_where_the_interval_ends_before_the_bound(values, limits, bound):
    _, low, high = interval(values, limits)
    if abs(low - bound) > 1e-9 and abs(high - bound) > 1e-9:
        assert (p_above(values, limits, bound) < 0.05) == (bound < low)
        assert (p_below(values, limits, bound) < 0.05) == (high < bound)


def test_p_values_by_hand():
    """1, 2, 3: T = (2 - bound) / (1 / sqrt(3)), with 2 degrees of freedom."""
    root = sqrt(2 + 3)
    assert p_above((1.0, 2.0, 3.0), FREE, 1.0) == pytest.approx(2 / root / (root + sqrt(3)))
    t = np.log(2 / 1.0) / (1 / 2) / 1 * sqrt(3)  # on the scale of the logarithm: s / mean = 1 / 2
    root = sqrt(2 + t**2)
    assert p_above((1.0, 2.0, 3.0), POSITIVE, 1.0) == pytest.approx(2 / root / (root + t))


numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@example([-8.98846567431158e307, -8.988465674311579e307], (-inf, 2.0), 0.0)
@example([0.0, 1.1125369292536007e-308], SHARE, 0.0)
@example([8.98846567431158e307, 8.988465674311579e307], POSITIVE, 0.0)
@given(st.lists(numbers, min_size=2, max_size=9), st.sampled_from(LIMITS), numbers)
def test_numbers_of_any_size_have_intervals_and_p_values(values, limits, bound):
    values = np.clip(values, *limits).tolist()
    _, low, high = interval(values, limits)
    assert limits[0] <= low <= high <= limits[1]
    p = p_above(values, limits, bound), p_below(values, limits, bound)
    assert all(0 <= value <= 1 for value in p)
    assert max(p) == 1
    assert seeds_to_decide(standardized_distance(values, limits, bound)) >= 2


def test_spread_that_is_lost_to_rounding():
    """Squares of 1e-200 are 0, those of 1e200 infinite."""
    assert p_above((1e-200, 2e-200), POSITIVE, 1e-300) == 0
    assert p_above((1e200, 2e200), POSITIVE, 1.0) == 1
    assert p_below((1e-320, 2e-320), POSITIVE, 1e300) == 0
    assert two_sided_p(1e-200, 3) == 1


def test_p_values_without_spread_and_beyond_the_limits():
    assert p_above((0.5, 0.5), SHARE, 0.4) == p_below((0.5, 0.5), SHARE, 0.6) == 0
    assert p_above((0.5, 0.5), SHARE, 0.5) == p_above((0.5, 0.5), SHARE, 0.6) == 1
    assert p_below((0.5, 0.6), SHARE, 1.0) == p_above((0.5, 0.6), SHARE, -1.0) == 0
    assert isnan(p_above((0.5,), SHARE, 0.4))


@given(samples, st.sampled_from(LIMITS), shares)
def test_so_many_seeds_decide(values, limits, bound):
    """The sample repeated, its spread corrected for the denominator, as often as is said."""
    d = standardized_distance(values, limits, bound)
    needed = seeds_to_decide(d)
    if needed == inf:
        assert abs(d) * sqrt(1000) < t_quantile(999)
        return
    assert abs(d) * sqrt(needed) >= t_quantile(needed - 1)
    assert needed == 2 or abs(d) * sqrt(needed - 1) < t_quantile(needed - 2)


def test_q_values_of_benjamini_and_hochberg():
    """The 15 p-values of their 1995 paper, section 3.2: four are rejected at 0.05."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    q = benjamini_hochberg(p)
    assert sum(value <= 0.05 for value in q) == 4
    np.testing.assert_allclose(q[:4], [0.0015, 0.003, 0.0095, 0.035625])
    assert q[4] == pytest.approx(15 / 5 * 0.0201)
    assert q[-1] == 1
    backwards = benjamini_hochberg(p[::-1])
    assert backwards[::-1] == q


@given(st.lists(st.floats(0, 1) | st.just(nan), max_size=9))
def test_q_values_by_definition(p):
    tested = [value for value in p if not isnan(value)]
    for value, q in zip(p, benjamini_hochberg(p), strict=True):
        if isnan(value):
            assert isnan(q)
            continue
        shares = [
            len(tested) * other / sum(v <= other for v in tested)
            for other in tested
            if other >= value
        ]
        assert q == pytest.approx(min(shares, default=1))


def test_effect_sizes_of_differences():
    """1, 2, 3: d = 2; with 2 degrees of freedom the correction is 1 - 3 / 7."""
    assert effect_size((1, 2, 3)) == pytest.approx(2 * 4 / 7)
    assert effect_size((-1, -2, -3)) == pytest.approx(-2 * 4 / 7)
    assert (effect_size((2, 2, 2)), effect_size((-2, -2, -2))) == (inf, -inf)
    assert effect_size((1e-200, 2e-200, 3e-200)) == inf  # its squares are 0
    for differences in ((0, 0, 0), (1, 2), (1, 2, inf)):
        assert isnan(effect_size(differences))


def test_superiority_counts_ties_half():
    assert superiority((1, 0, -1, inf)) == 2.5 / 4
    assert superiority((0.1, 0.2)) == 1
    assert isnan(superiority(()))


def test_the_band_leaves_out_what_is_not_finite():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.inf], [5.0, 4.0, np.nan]])
    found = band(values, POSITIVE)
    np.testing.assert_array_equal(found.mean, [3, 3, np.nan])
    ends = [
        log_ends(3, QUANTILES[2] * 2 / sqrt(3)),
        log_ends(3, QUANTILES[1] * sqrt(1.5) / sqrt(2)),
        (nan, nan),
    ]
    np.testing.assert_allclose(np.transpose([found.low, found.high]), ends, rtol=1e-6)


@pytest.mark.parametrize("limits", LIMITS)
def test_a_single_value_has_a_mean_and_no_band(limits):
    found = band(np.array([[0.5], [np.nan]]), limits)
    assert found.mean.tolist() == [0.5]
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()


def coverage(draws, mean, limits):
    """The share of samples, (S, samples), whose interval has the mean in it."""
    drawn = band(draws, limits)
    return float(np.mean((drawn.low <= mean) & (mean <= drawn.high)))


@pytest.mark.parametrize("n", [10, 20])
@pytest.mark.parametrize(
    ("draw", "mean", "limits"),
    [
        (lambda random, size: random.beta(20, 4, size), 20 / 24, SHARE),
        (lambda random, size: random.beta(40, 1, size), 40 / 41, SHARE),
        (lambda random, size: random.beta(1, 15, size), 1 / 16, SHARE),
        (lambda random, size: random.binomial(1000, 0.999, size) / 1000, 0.999, SHARE),
        (lambda random, size: random.lognormal(0, 0.5, size), np.exp(0.125), POSITIVE),
        (lambda random, size: random.normal(0, 1, size), 0, FREE),
        (
            lambda random, size: random.beta(40, 1, size) - random.beta(20, 4, size),
            40 / 41 - 20 / 24,
            DIFFERENCE,
        ),
    ],
)
def test_95_percent_of_intervals_cover_the_mean(draw, mean, limits, n):
    draws = draw(np.random.default_rng(n), (n, 20_000))
    assert 0.93 <= coverage(draws, mean, limits) <= 0.975


def test_skewed_shares_and_pairs_of_values_are_covered_better_than_by_the_t_interval():
    random = np.random.default_rng(1)
    shares = random.beta(40, 1, (10, 20_000)), 40 / 41
    pairs = np.where(random.random((10, 20_000)) < 1 / 3, 0.116, 0.117), 0.117 - 0.001 / 3
    for draws, mean in (shares, pairs):
        half = t_quantile(len(draws) - 1) * draws.std(axis=0, ddof=1) / sqrt(len(draws))
        t_interval = np.mean(abs(draws.mean(axis=0) - mean) <= half)
        assert t_interval < 0.925 < coverage(draws, mean, SHARE)


@pytest.mark.parametrize(("n", "expected"), [(3, 0.949), (5, 0.957), (10, 0.961), (20, 0.962)])
def test_coverage_of_normal_numbers_is_what_the_docs_say(n, expected):
    """40,000 samples: the standard error of the share is 0.001."""
    draws = np.random.default_rng(n).normal(size=(n, 40_000))
    assert coverage(draws, 0, FREE) == pytest.approx(expected, abs=0.004)
