"""scripts/coverage.py: how often intervals cover the mean of a population."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def coverage(script):
    return script("coverage")


def test_a_population_of_one_number_is_always_covered(coverage):
    population = np.full(9, 0.117)
    assert coverage.coverage(population, 3, coverage.of_bnexp((0.0, 1.0))) == 1
    assert coverage.coverage(population, 3, coverage.of_student) == 1


def test_two_seeds_that_agree_miss_the_mean_of_two_numbers(coverage):
    """Half of the pairs agree; the others' interval is long enough."""
    share = coverage.coverage(np.array([0.25, 0.75]), 2, coverage.of_bnexp((0.0, 1.0)))
    assert share == pytest.approx(0.5, abs=0.02)


def test_panels_with_the_same_numbers_are_one_row(coverage):
    random = np.random.default_rng(0)
    values = random.uniform(0.2, 0.4, 20)
    train = {
        (0.1, "none"): np.full(20, 0.117),
        (1.0, "none"): np.full(20, 0.117),
        (0.1, "batch"): values,
    }
    rows = coverage.accuracy_table(train, train).splitlines()[2:]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert [row[:4] for row in cells] == [
        ["no", "0.1 to 1", "0.1170", "0.0000"],
        ["yes", "0.1", f"{values.mean():.4f}", f"{values.std():.4f}"],
    ]
    assert set(cells[0][5:]) == {"100.0"}
    assert all(80 < float(share) < 100 for share in cells[1][5:])
    assert coverage.differences({**train, (1.0, "batch"): values})[0.1, "difference"] == (
        pytest.approx(values - 0.117)
    )


def test_what_is_not_covered_is_above_or_below(coverage):
    for population, limits in coverage.skewed_populations().values():
        ends = coverage.of_bnexp(limits)
        above, below = coverage.false_verdicts(population, 5, ends)
        assert above + below + coverage.coverage(population, 5, ends) == pytest.approx(1, abs=1e-9)


def test_a_rare_bad_seed_makes_means_look_too_high(coverage):
    """Samples without it are above the mean: 0.95^5 of them all agree, but for a little noise."""
    population, limits = coverage.skewed_populations()["1 seed in 20 has 0.6, others 0.95"]
    above, below = coverage.false_verdicts(population, 5, coverage.of_bnexp(limits))
    assert above == pytest.approx(0.95**5, abs=0.02)
    assert below < 0.01
