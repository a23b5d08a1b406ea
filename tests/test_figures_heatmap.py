"""The heatmap figure: what lies on its axes."""

import numpy as np
import pytest
from figure_results import (
    NAN,
    NORM,
    NORMS,
    W,
    crosses,
    figure,
    legend,
    maps,
    notes,
    results,
    titles,
    without_rows,
    words,
)

from bnexp.errors import ConfigError
from bnexp.runs.tables import Axis

SCALES = Axis(W, (1.0, 0.1, 0.01))
RATES = Axis("train.optimizer.lr", (0.1, 0.5))


def value(point, seed, epoch, metric):
    norm = 0.2 if "batch" in point else 0.0
    return point[0] / 2 + point[1] / 5 + norm + 0.1 * seed


def cells(axes):
    """Rows from below, as the y axis counts."""
    return axes.collections[0].get_array()


def ticks(ruler):
    return [text.get_text() for text in ruler.get_ticklabels()]


def test_a_map_for_each_norm_and_their_difference():
    drawn = figure(results((SCALES, RATES, NORMS), value=value), "heatmap")
    assert titles(drawn) == [
        "with batch norm",
        "without normalization",
        "with batch norm minus without normalization",
    ]
    first, second, apart = maps(drawn)
    expected = np.add.outer([0.02, 0.1], [0.005, 0.05, 0.5])
    np.testing.assert_allclose(cells(second), expected)
    np.testing.assert_allclose(cells(first), expected + 0.2)
    np.testing.assert_allclose(cells(apart), 0.2)
    assert ticks(first.xaxis) == ["0.01", "0.1", "1"]
    assert ticks(first.yaxis) == ["0.1", "0.5"]
    assert notes(drawn) == ["final training accuracy; 1 seed"]


def test_batch_norm_comes_first_whatever_the_sweeps_order():
    swept = Axis(NORM, ("none", "batch"))
    drawn = figure(results((SCALES, RATES, swept), value=value), "heatmap")
    assert titles(drawn)[:2] == ["with batch norm", "without normalization"]
    np.testing.assert_allclose(cells(maps(drawn)[2]), 0.2)


def test_the_differences_colors_are_centred_at_0():
    drawn = figure(results((SCALES, RATES, NORMS), value=value), "heatmap")
    norm = maps(drawn)[2].collections[0].norm
    assert (norm.vmin, norm.vmax) == pytest.approx((-0.2, 0.2))
    assert maps(drawn)[0].collections[0].norm.vmax == 1
    labels = [axes.get_xlabel() for axes in drawn.axes if axes not in maps(drawn)]
    assert labels == ["final training accuracy", "difference"]


def test_a_difference_is_the_lighter_the_higher_it_is():
    """In gray print, too, a loss of accuracy does not look like a gain."""
    drawn = figure(results((SCALES, RATES, NORMS), value=value), "heatmap")
    colors = maps(drawn)[2].collections[0].cmap(np.linspace(0, 1, 21))[:, :3]
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance) > 0).all()
    assert luminance[0] < 0.04
    assert luminance[-1] > 0.85
    red, _, blue = (colors[[0, -1]] - colors[10]).T
    assert (red[0] > blue[0], blue[1] > red[1]) == (True, True)


def test_cells_hold_the_mean_over_seeds_as_text():
    drawn = figure(results((SCALES, RATES), seeds=(0, 1), value=value), "heatmap")
    (axes,) = maps(drawn)
    np.testing.assert_allclose(cells(axes)[0, 0], 0.075)
    assert words(axes)[1:3] == ["0.12", "0.57"]
    assert notes(drawn) == ["final training accuracy; mean of 2 seeds"]


def test_differences_have_signs():
    drawn = figure(results((SCALES, RATES, NORMS), value=value), "heatmap")
    assert words(maps(drawn)[2]) == ["+0.20"] * 6


def test_the_difference_is_taken_seed_by_seed():
    data = results((SCALES, RATES, NORMS), seeds=(0, 1), value=value)
    first = data.summary["cell"] == "c0000"  # batch norm, seed 0: the pair is left out
    data.summary["final_train_accuracy"][first] = NAN
    apart = maps(figure(data, "heatmap"))[2]
    np.testing.assert_allclose(cells(apart), 0.2)


@pytest.mark.slow
def test_named_axes_and_another_value():
    data = results((SCALES, RATES, NORMS), value=value, tested=True)
    drawn = figure(data, "heatmap", x=NORM, y=W, value="best_test_accuracy")
    assert titles(drawn)[:2] == ["learning rate 0.1", "learning rate 0.5"]
    assert ticks(maps(drawn)[0].xaxis) == ["batch norm", "none"]
    assert ticks(maps(drawn)[0].yaxis) == ["0.01", "0.1", "1"]
    assert notes(drawn) == ["best test accuracy; 1 seed"]


def test_a_sweep_of_one_key_and_the_norm():
    drawn = figure(results((NORMS, SCALES)), "heatmap")
    (axes,) = maps(drawn)
    assert axes.get_xlabel() == "weight initialization scale (std)"
    assert axes.get_ylabel() == "normalization"


def test_diverged_cells_are_crossed_and_empty_ones_hatched():
    def lost(point, seed, epoch, metric):
        return NAN if point[0] == 1.0 and metric.endswith("loss") else 0.5

    def diverged(point, seed):
        return 3 if point[0] == 1.0 else -1

    data = results((SCALES, RATES), value=lost, diverged=diverged)
    drawn = figure(data, "heatmap", value="final_train_loss")
    (axes,) = maps(drawn)
    assert len(crosses(axes)) == 2
    assert [round(float(mark.get_xdata()[0])) for mark in crosses(axes)] == [2, 2]
    assert np.ma.getmaskarray(cells(axes))[:, 2].all()
    assert axes.patch.get_hatch()
    assert len(words(axes)) == 4
    assert legend(drawn) == ["diverged"]
    assert notes(drawn)[1:] == [
        "2 of 6 networks diverged (x): non-finite losses left out",
        "hatched: no finite value",
    ]


def test_losses_far_apart_have_logarithmic_colors():
    def far(point, seed, epoch, metric):
        return point[0] ** 3

    drawn = figure(results((SCALES, RATES), value=far), "heatmap", value="final_train_loss")
    assert type(maps(drawn)[0].collections[0].norm).__name__ == "LogNorm"


@pytest.mark.slow
def test_many_cells_have_no_numbers_and_not_all_ticks():
    scales = Axis(W, tuple(np.logspace(0, -4, 16).tolist()))
    rates = Axis(RATES.key, tuple(np.logspace(0, -4, 16).tolist()))
    drawn = figure(results((scales, rates, NORMS)), "heatmap")
    axes = maps(drawn)[0]
    assert words(axes) == []
    assert len(ticks(axes.yaxis)) < 16
    assert cells(axes).shape == (16, 16)


def test_missing_networks_leave_their_cell_empty():
    data = results((SCALES, RATES), failed=lambda point, seed: point == (0.1, 0.5))
    drawn = figure(data, "heatmap")
    assert np.ma.getmaskarray(cells(maps(drawn)[0])).sum() == 1
    assert notes(drawn)[1:] == ["1 network missing", "hatched: no finite value"]


def test_no_network_at_all():
    drawn = figure(without_rows(results((SCALES, RATES))), "heatmap")
    (axes,) = maps(drawn)
    assert np.ma.getmaskarray(cells(axes)).all()


def test_axes_that_move_along_are_named():
    points = [(w, r, n) for w, r in zip(SCALES.values, (1, 2, 3), strict=True) for n in (5, 6)]
    sizes, widths = Axis("train.batch_size", (1, 2, 3)), Axis("train.epochs", (5, 6))
    data = results((SCALES, sizes, widths), points=points)
    drawn = figure(data, "heatmap", y="train.epochs")
    assert notes(drawn) == ["final training accuracy; 1 seed; train.batch_size moves along"]
    assert len(maps(drawn)) == 1


@pytest.mark.parametrize(
    ("axes", "options", "expected"),
    [
        ((SCALES,), {}, r"no two different keys for x and y, .* got model\.init\.std"),
        ((), {}, "no two different keys for x and y, .* got none"),
        ((SCALES, RATES), {"x": W, "y": W}, "y: no two different keys"),
        ((SCALES, RATES), {"x": "model.norn"}, "x: not a swept key, .* got 'model.norn'"),
        (
            (SCALES, RATES),
            {"value": "final_test_loss"},
            "value: .* or final_train_loss",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(axes, options, expected):
    with pytest.raises(ConfigError, match=f"figure heatmap: .*{expected}"):
        figure(results(axes), "heatmap", **options)
