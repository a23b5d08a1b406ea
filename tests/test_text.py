"""Values as texts: different ones for different values, none that looks like another number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnexp.text import (
    choices,
    distinct,
    distinct_by_key,
    equations,
    exact,
    nearest_name,
    value_text,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ROUND = st.sampled_from([0.01, 0.1, 0.3, 1.0, 2.0, 100.0, 5e-5])
NEAR = st.builds(lambda number, power: number * (1 + 10.0**-power), ROUND, st.integers(1, 16))


@given(st.lists(NUMBERS | NEAR | st.integers(-999, 999), min_size=1, max_size=6))
def test_different_values_have_different_texts(values):
    texts = distinct(values)
    assert distinct([0.0, -0.0]) == ["0", "0"]
    assert len(set(texts)) == len(set(values))
    assert distinct(values) == [value_text(value, values) for value in values]


@given(NUMBERS | NEAR, st.integers(3, 6))
def test_a_text_is_the_number_to_its_digits(value, digits):
    (text,) = distinct([value], digits)
    assert math.isclose(float(text), value, rel_tol=0.5 * 10.0 ** (1 - digits) * (1 + 1e-9))
    shown = text.partition("e")[0].replace(".", "").strip("-0")
    if len(shown) == 1:  # a round number
        assert math.isclose(float(text), value, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.9999, 3, "0.9999"),
        (0.99996, 4, "0.99996"),
        (0.999999999, 4, "0.999999999"),
        (1.0001, 3, "1.0001"),
        (-0.9999, 3, "-0.9999"),
        (0.20003, 3, "0.20003"),
        (999.96, 3, "999.96"),
        (1e-3 + 1e-9, 3, "0.001000001"),
        (0.1 + 0.2, 3, "0.3"),
        (1 / 3, 3, "0.333"),
        (0.000630957, 4, "0.000631"),
        (0.5411695, 3, "0.541"),
        (60000.0, 3, "60000"),
        (1e-12, 3, "1e-12"),
        (True, 3, "True"),
        ("batch", 3, "batch"),
        (math.inf, 3, "inf"),
    ],
)
def test_numbers_do_not_look_rounder_than_they_are(value, digits, text):
    assert value_text(value, digits=digits) == text


def test_values_that_differ_in_the_last_bit():
    assert distinct([0.3, 0.1 + 0.2]) == ["0.3", "0.30000000000000004"]
    assert distinct([0.3, 0.3]) == ["0.3", "0.3"]


@given(NUMBERS)
def test_an_exact_number_is_read_back(number):
    assert float(exact(number)) == number


def test_equations_take_the_texts_that_they_are_given():
    texts = distinct_by_key({"train.l2": [0.012345, 0.012346], "model.norm": ["batch"]})
    point = {"train.l2": 0.012346, "model.norm": "batch", "train.batch_size": 5}
    assert (
        equations(point, texts) == "train.l2 = 0.012346, model.norm = batch, train.batch_size = 5"
    )
    assert equations({"train.l2": 0.9999}) == "train.l2 = 0.9999"


@given(st.lists(st.text("abAB_", min_size=1, max_size=4), min_size=1, max_size=6))
def test_no_name_is_suggested_in_place_of_itself(names):
    for name in names:
        assert nearest_name(name, names) != name
        assert "did you mean" not in choices(name, [name], [name])
        assert f"did you mean {name!r}" not in choices(name, names)
