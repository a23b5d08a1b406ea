"""The panels figure: what lies on its axes."""

import numpy as np
import pytest
from figure_results import NORM, NORMS, W, crosses, curves, panels, results, words
from interval_cases import logit_ends

from bnexp.errors import ConfigError
from bnexp.runs.tables import Axis

SCALES = Axis(W, tuple(np.logspace(0, -4, 16).tolist()))
FEW = Axis(W, (1.0, 0.01))
RATES = Axis("train.optimizer.lr", (0.1, 0.01))


def band(axes):
    """(x, y) of the first band's vertices."""
    return axes.collections[0].get_paths()[0].vertices


def seeded(point, seed, epoch, metric):
    return 0.1 * seed + 0.1 * epoch


def test_the_books_figure_has_sixteen_panels_in_the_sweeps_order():
    figure = panels(results((SCALES, NORMS)))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:4] == ["W = 1", "W = 0.541", "W = 0.293", "W = 0.158"]
    assert titles[-1] == "W = 0.0001"
    assert len(titles) == 16
    places = [(a.get_position().x0, -a.get_position().y0) for a in figure.axes]
    assert len({x for x, _ in places}) == len({y for _, y in places}) == 4
    assert sorted(places, key=lambda place: place[::-1]) == places


def test_lines_hold_the_metric_against_the_epoch():
    def value(point, seed, epoch, metric):
        return 0.2 * epoch + 0.5 * (point[1] == "batch") if metric == "train_accuracy" else 9.0

    figure = panels(results((FEW, NORMS), value=value))
    lines = curves(figure.axes[1])
    np.testing.assert_array_equal(lines["with batch norm"].get_xdata(), [0, 1, 2])
    np.testing.assert_allclose(lines["with batch norm"].get_ydata(), [0.5, 0.7, 0.9])
    np.testing.assert_allclose(lines["without normalization"].get_ydata(), [0, 0.2, 0.4])


def test_batch_norm_is_solid_and_none_dashed_whatever_their_order():
    figure = panels(results((FEW, Axis(NORM, ("none", "batch")))))
    lines = curves(figure.axes[0])
    assert not lines["with batch norm"].is_dashed()
    assert lines["without normalization"].is_dashed()


def test_one_seed_has_no_band_and_says_so():
    figure = panels(results((FEW, NORMS)))
    assert words(figure)[:2] == ["Weight scale", "training accuracy; 1 seed"]
    assert not figure.axes[0].collections


def test_mean_and_interval_over_seeds():
    figure = panels(results((FEW,), seeds=range(5), value=seeded), band="interval")
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), [0.2, 0.3, 0.4])
    # s = 0.1 sqrt((4 + 1 + 0 + 1 + 4 + (4 + 4) / 2) / 5) and t(4) = 2.776445
    half = 2.7764451 * 0.1 * np.sqrt(2.8) / np.sqrt(5)
    x, y = band(figure.axes[0]).T
    assert y[x == 0].min() == pytest.approx(logit_ends(0.2, half)[0])
    assert y[x == 2].max() == pytest.approx(logit_ends(0.4, half)[1])
    note = "training accuracy; line: mean of 5 seeds, band: 95 % interval of the mean"
    assert note in words(figure)


def test_the_band_of_an_accuracy_stays_between_0_and_1():
    data = results((FEW,), seeds=(0, 1), value=lambda p, seed, e, m: float(seed))
    figure = panels(data, band="interval")
    y = band(figure.axes[0])[:, 1]
    assert 0 <= y.min() < 1e-8
    assert 1 - 1e-8 < y.max() <= 1


def test_axes_of_numbers_and_text():
    figure = panels(results((Axis(W, (1.0, "auto")),)))
    assert [axes.get_title() for axes in figure.axes] == ["W = 1", "W = auto"]
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]


def test_dialects_of_batch_norm():
    dialects = Axis(NORM, ("none", "batch dialect=book", "batch dialect=keras"))
    lines = curves(panels(results((FEW, dialects))).axes[0])
    names = ["without normalization", "with batch norm (the book's)", "with batch norm (Keras)"]
    assert list(lines) == names
    assert [line.is_dashed() for line in lines.values()] == [True, False, True]
    assert len({line.get_color() for line in lines.values()}) == 3


def test_axes_zipped_with_the_panels_stand_in_the_title():
    points = [(1.0, n, 0.1) for n in NORMS.values] + [(0.01, n, 0.01) for n in NORMS.values]
    figure = panels(results((FEW, NORMS, RATES), points=points))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["W = 1, learning rate 0.1", "W = 0.01, learning rate 0.01"]
    assert list(curves(figure.axes[0])) == ["with batch norm", "without normalization"]


def test_axes_zipped_with_each_other_make_one_line_a_pair():
    points = [(w, *pair) for w in FEW.values for pair in (("none", 0.1), ("batch", 0.01))]
    figure = panels(results((FEW, NORMS, RATES), points=points))
    assert list(curves(figure.axes[0])) == [
        "without normalization, learning rate 0.1",
        "with batch norm, learning rate 0.01",
    ]


def test_all_lines_of_a_product_look_different():
    figure = panels(results((FEW, NORMS, RATES)))
    lines = curves(figure.axes[0])
    looks = {(line.get_color(), line.is_dashed()) for line in lines.values()}
    assert len(lines) == len(looks) == 4
    assert [line.is_dashed() for line in lines.values()] == [False, False, True, True]


def test_no_axes_is_one_panel_without_legend():
    figure = panels(results(()))
    assert [axes.get_title() for axes in figure.axes] == [""]
    assert not figure.legends
    assert len(figure.axes[0].lines) == 1


def test_text_axes():
    figure = panels(results((Axis("model.activation", ("relu", "tanh")),)))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["relu", "tanh"]


def test_panels_over_the_normalization():
    figure = panels(results((FEW, NORMS)), axis=NORM)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["with batch norm", "without normalization"]
    assert list(curves(figure.axes[0])) == ["W = 1", "W = 0.01"]


def test_one_evaluation_is_a_point_with_a_bar():
    data = results((FEW, NORMS), seeds=range(3), value=seeded, times=[(2.0, 20)])
    figure = panels(data, band="interval")
    axes = figure.axes[0]
    line = curves(axes)["with batch norm"]
    assert (line.get_marker(), len(line.get_xdata())) == ("o", 1)
    low, high = logit_ends(0.3, 4.3026527 * 0.1 / np.sqrt(3))
    np.testing.assert_allclose(axes.collections[0].get_segments()[0], [[2, low], [2, high]])
    assert axes.get_xticks().tolist() == [2.0]


def test_evaluations_within_an_epoch_are_drawn_against_steps():
    figure = panels(results((), times=[(0, 1), (0, 5), (1, 11)], diverged=lambda *_: 3))
    axes = figure.axes[0]
    assert axes.get_xlabel() == "step"
    assert axes.lines[0].get_xdata().tolist() == [1, 5, 11]
    assert crosses(axes)[0].get_xdata().tolist() == [3]


def test_a_metric_without_test_images_is_refused():
    with pytest.raises(
        ConfigError,
        match=r"metric: no test images, .* test_loss, or train_loss",
    ):
        panels(results((FEW, NORMS)), metric="test_loss")
    drawn = panels(results((FEW, NORMS), tested=True), metric="test_loss")
    assert words(drawn)[1] == "test loss; 1 seed"


def test_an_unknown_axis_is_refused_with_a_suggestion():
    with pytest.raises(
        ConfigError,
        match=r"axis: not a swept key, .*; did you mean 'model\.init\.std",
    ):
        panels(results((FEW, NORMS)), axis="model.init.sdt")
