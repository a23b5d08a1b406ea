"""The histograms figure: what lies on its axes."""

import numpy as np
import pytest
from figure_results import NORMS, W, figure, notes, results, titles, without_rows, words
from interval_cases import logit_ends

from bnexp.errors import ConfigError
from bnexp.runs.tables import Axis

FEW = Axis(W, (1.0, 0.01))
LEFTS = (0.0, 0.25, 0.5, 0.75)


def read(point, seed):
    """Four bins of layers 1 to 3 at steps 0 and 10; the first has most."""
    return [
        (step, layer, "activation_density", at, share)
        for step in (0, 10)
        for layer in (1, 2, 3)
        for at, share in zip(LEFTS, (0.4 + 0.1 * seed, 0.2, 0.1 * layer, 0.01 * step), strict=True)
    ]


def bars(axes):
    """Heights and edges of the filled bars."""
    steps = axes.patches[0].get_data()
    return steps.values.tolist(), steps.edges.tolist()


def test_a_row_for_each_combination_and_a_column_for_each_layer():
    drawn = figure(results((FEW, NORMS), read=read), "histograms")
    assert titles(drawn)[:4] == ["1-layer", "2-layer", "3-layer", ""]
    assert len(drawn.axes) == 4 * 3
    heads = [text for text in words(drawn) if text.startswith("W = ")]
    assert heads[:2] == ["W = 1, with batch norm", "W = 1, without normalization"]
    assert "before the first step; 1 seed" in notes(drawn)


def test_bars_hold_the_shares_between_the_edges():
    drawn = figure(results((FEW,), read=read), "histograms")
    heights, edges = bars(drawn.axes[2])
    np.testing.assert_allclose(heights, [0.4, 0.2, 0.3, 0])
    assert edges == [0, 0.25, 0.5, 0.75, 1]
    assert drawn.axes[0].get_xlim() == (-0.02, 1.02)
    assert drawn.axes[3].get_xlabel() == "activation"


def test_mean_and_interval_over_seeds():
    drawn = figure(results((FEW,), seeds=(0, 1, 2), read=read), "histograms")
    assert bars(drawn.axes[0])[0][0] == pytest.approx(0.5)
    (lines,) = drawn.axes[0].collections
    low, high = logit_ends(0.5, 4.3026527 * 0.1 / np.sqrt(3))
    np.testing.assert_allclose(lines.get_segments()[0], [[0.125, low], [0.125, high]], rtol=1e-6)
    assert notes(drawn)[0] == (
        "before the first step; bars: mean of 3 seeds, lines: 95 % interval of the mean"
    )


def test_another_step_and_some_layers():
    data = results((FEW,), read=read)
    drawn = figure(data, "histograms", step=10, layers=[2, 9])
    assert titles(drawn)[:2] == ["2-layer", "3-layer"]
    assert bars(drawn.axes[0])[0][3] == pytest.approx(0.1)
    assert notes(drawn)[0] == "step 10; 1 seed"
    assert notes(figure(data, "histograms", step="last"))[0] == "step 10; 1 seed"


@pytest.mark.slow
def test_rows_have_limits_of_their_own_unless_given():
    def low(point, seed):
        return [(*start, value * point[0]) for *start, value in read(point, seed)]

    data = results((FEW,), read=low)
    drawn = figure(data, "histograms")
    assert drawn.axes[0].get_ylim() == drawn.axes[2].get_ylim()
    assert drawn.axes[0].get_ylim()[1] > 50 * drawn.axes[3].get_ylim()[1]
    cut = figure(data, "histograms", limits=[0, 0.35])
    assert cut.axes[0].get_ylim() == (0, 0.35)
    assert "3 bars higher than the axis" in notes(cut)[-1]


def test_numbers_outside_the_bins_are_told():
    drawn = figure(results((FEW,), read=read), "histograms")
    assert notes(drawn)[-1] == "up to 30 % of a layer's numbers outside the bins"


def test_logarithmic_shares():
    drawn = figure(results((FEW,), read=read), "histograms", log=True)
    assert drawn.axes[0].get_yscale() == "log"
    assert 0 < drawn.axes[0].get_ylim()[0] < 0.1


def test_no_network_at_all():
    drawn = figure(without_rows(results((FEW,), read=read)), "histograms")
    assert [words(axes) for axes in drawn.axes] == [["no data"]]


def test_a_single_bin_is_one_wide():
    def one(point, seed):
        return [(0, 1, "activation_density", 2.0, 1.0)]

    assert bars(figure(results((), read=one), "histograms").axes[0]) == ([1.0], [2, 3])


def test_too_many_rows_and_layers_are_refused():
    many = Axis("train.batch_size", tuple(range(1, 18)))
    with pytest.raises(ConfigError, match=r"at most 16, got 17.*restrict the figure by wh"):
        figure(results((many,), read=read), "histograms")

    def deep(point, seed):
        return [(0, layer, "activation_density", 0.0, 1.0) for layer in range(1, 14)]

    with pytest.raises(ConfigError, match="layers: too many layers, expected at most 12, got 13"):
        figure(results((), read=deep), "histograms")


def test_a_quantity_without_bins_is_refused():
    def norms(point, seed):
        return [(0, layer, "weight_norm", np.nan, 1.0) for layer in (1, 2)]

    with pytest.raises(ConfigError, match=r"quantity: no bins, expected .*, got weight_norm"):
        figure(results((FEW,), read=norms), "histograms", quantity="weight_norm")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"step": 5}, "step: no such reading, expected one of 0, 10, got 5; the nearest is 0"),
        ({"layers": [7, 9]}, r"layers: no such layer, expected one of 1, 2, 3, got \[7, 9\]"),
        ({"quantity": "preactivation_density"}, "did you mean 'activation_density'"),
    ],
)
def test_what_was_not_recorded_is_refused(options, expected):
    with pytest.raises(ConfigError, match=f"figure histograms: .*{expected}"):
        figure(results((FEW,), read=read), "histograms", **options)
