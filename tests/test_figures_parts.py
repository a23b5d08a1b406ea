"""The parts of figures that need no figure: t quantiles, bands, labels, defaults."""

import numpy as np
import pytest
from figure_results import NORM, NORMS, W, results
from hypothesis import given
from hypothesis import strategies as st

from bnexp.errors import ConfigError
from bnexp.figures import default_figures, draw
from bnexp.figures.labels import symbol, value_label, value_text
from bnexp.figures.panels import Panels
from bnexp.figures.quantities import Recorded
from bnexp.runs.stats import band, t_quantile
from bnexp.runs.tables import Axis

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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.025118864, "0.0251"), (1.0, "1"), (1e-4, "0.0001"), (1e-5, "1e-05"), (10000, "10000"),
        (60000.0, "60000"), (128, "128"), ("relu", "relu"), (True, "True"), (-0.5, "-0.5"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert value_text(value) == text


def test_values_that_agree_in_three_digits_get_more():
    axis = Axis("train.optimizer.lr", (0.10001, 0.10002))
    assert value_label(axis, 0.10002, [axis.key]) == "lr = 0.10002"


def test_the_symbol_of_a_key():
    keys = [W, "model.layer_init.output.std", "train.optimizer.kind", "model.activation.kind"]
    assert symbol(W, keys) == "W"
    assert symbol("train.optimizer.kind", keys) == "optimizer.kind"
    assert symbol("train.optimizer.kind", [W]) == "kind"
    assert symbol("kind", ["kind", "model.kind"]) == "kind"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("batch", "with batch norm"),
        ("none", "without normalization"),
        ("layer", "with layer norm"),
        ("group groups=2", "with group norm (groups=2)"),
        ("batch dialect=keras", "with batch norm (keras)"),
        ("l1_batch", "norm = l1_batch"),
    ],
)
def test_the_names_of_normalizations(value, text):
    assert value_label(Axis(NORM, ("batch", value)), value, [NORM]) == text


@pytest.mark.parametrize(
    ("values", "numeric"), [((1, 0.5), True), ((True, False), False), ((0.1, "he"), False)]
)
def test_which_axes_are_numbers(values, numeric):
    assert Axis("key", values).numeric is numeric


def test_the_panels_axis():
    scales = Axis(W, (1.0, 0.1))
    recorded = Recorded(tested=False, quantities=None)
    assert Panels().choose(results((NORMS, scales)), recorded).axis == scales
    assert Panels().choose(results((NORMS,)), recorded).axis == NORMS
    assert Panels().choose(results(()), recorded).axis is None
    with pytest.raises(ConfigError, match=r"Swept: none"):
        Panels(axis="model.norm").choose(results(()), recorded)


def kinds(data):
    return [(figure.kind, figure.axis) for figure in default_figures(data)]


def test_default_figures():
    assert kinds(results((Axis(W, (1.0, 0.1)), NORMS))) == [("panels", None), ("scale", None)]
    assert kinds(results((NORMS,))) == [("panels", None)]
    assert kinds(results(())) == [("panels", None)]


def test_default_figures_are_such_as_can_be_drawn():
    data = results((Axis(W, tuple(range(1, 41))), Axis("train.batch_size", (5, 50))))
    assert kinds(data) == [("scale", None)]
    data = results((Axis("train.batch_size", (5, 50)), Axis("seed.kind", tuple("abcdefghijklm"))))
    assert kinds(data) == [("panels", "seed.kind")]
    for options in default_figures(data):
        assert len(draw(options, data).axes) == 13
