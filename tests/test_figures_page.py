"""The panels figure's page: where things stand, limits, and how much fits."""

from itertools import combinations

import numpy as np
import pytest
from figure_results import NORMS, W, panels, results, words

from bnexp.config.figures import figure_options
from bnexp.errors import ConfigError
from bnexp.figures import draw
from bnexp.runs.tables import Axis

SCALES = Axis(W, tuple(np.logspace(0, -4, 16).tolist()))
FEW = Axis(W, (1.0, 0.01))
RATES = Axis("train.optimizer.lr", (0.1, 0.01))


@pytest.mark.slow
def test_the_legend_overlaps_no_panel_and_nothing_leaves_the_page():
    figure = panels(results((SCALES, NORMS, RATES), title="A long title " * 12))
    figure.canvas.draw()
    page, legend = figure.bbox, figure.legends[0].get_window_extent()
    below = min(axes.get_tightbbox().y0 for axes in figure.axes)
    above = max(axes.get_tightbbox().y1 for axes in figure.axes)
    assert page.y0 <= legend.y0 < legend.y1 < below
    assert page.x0 <= legend.x0 < legend.x1 <= page.x1
    header = [text.get_window_extent() for text in figure.texts]
    assert all(above < box.y0 and box.y1 <= page.y1 and box.width < page.width for box in header)


@pytest.mark.parametrize(("count", "lowest"), [(1, [0]), (3, [1, 2]), (16, [12, 13, 14, 15])])
def test_labels_stand_only_at_the_left_and_below(count, lowest):
    figure = panels(results((Axis(W, tuple(range(1, count + 1))), NORMS)))
    columns = {1: 1, 3: 2, 16: 4}[count]
    for number, axes in enumerate(figure.axes):
        at_left, at_bottom = number % columns == 0, number in lowest
        assert axes.get_ylabel() == ("accuracy" if at_left else "")
        assert axes.get_xlabel() == ("epochs" if at_bottom else "")
        assert axes.yaxis.get_major_ticks()[0].label1.get_visible() is at_left
        assert axes.xaxis.get_major_ticks()[0].label1.get_visible() is at_bottom


@pytest.mark.slow
def test_twenty_panels_stand_in_four_rows_of_five():
    figure = panels(results((Axis(W, tuple(range(1, 21))), NORMS)))
    assert len({axes.get_position().x0 for axes in figure.axes}) == 5
    assert len({axes.get_position().y0 for axes in figure.axes}) == 4


def test_too_many_panels_are_refused_by_name():
    many = Axis(W, tuple(range(1, 38)))
    with pytest.raises(
        ConfigError, match=r"at most 36, got 37 values of model\.init\.std.*model\.norm"
    ):
        panels(results((many, NORMS)))
    assert len(panels(results((Axis(W, tuple(range(1, 37))), NORMS))).axes) == 36


def test_too_many_lines_are_refused_by_name():
    many = Axis("train.batch_size", tuple(range(1, 14)))
    with pytest.raises(ConfigError, match=r"at most 12, got 13 by train\.batch_size"):
        panels(results((FEW, many)))


def test_accuracy_limits_leave_room_for_lines_at_0_and_1():
    axes = panels(results((FEW, NORMS))).axes[0]
    assert axes.get_ylim() == (-0.04, 1.04)


@pytest.mark.slow
def test_losses_far_apart_get_a_logarithmic_axis():
    def value(point, seed, epoch, metric):
        return 2.3 * 10.0 ** (-2 * epoch)

    axes = panels(results((), value=value), metric="train_loss").axes[0]
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] < 2.3e-4 < 2.3 < axes.get_ylim()[1]
    assert axes.get_ylabel() == "loss"
    near = panels(results((), value=lambda *_: 2.3), metric="train_loss").axes[0]
    assert near.get_yscale() == "linear"
    assert near.get_ylim()[0] == 0


def test_absurd_losses_do_not_stretch_the_axis():
    data = results((), value=lambda p, s, epoch, m: 10.0 ** (100 * epoch))
    figure = panels(data, metric="train_loss")
    assert figure.axes[0].get_ylim()[1] < 200
    assert words(figure)[-1] == "2 points above a loss of 100 off the axis"


def test_one_legend_for_the_figure():
    figure = panels(results((SCALES, NORMS)))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["with batch norm", "without normalization"]
    assert len(figure.legends) == 1
    assert all(axes.get_legend() is None for axes in figure.axes)


def test_a_title_is_text_not_mathematics():
    figure = panels(results((), title="costs $5_0 and $x$"))
    figure.canvas.draw()
    assert words(figure)[0] == "costs $5_0 and $x$"


@pytest.mark.slow
@pytest.mark.parametrize("width", [3.0, 4.0, 5.5])
def test_on_a_narrow_page_labels_overlap_nothing_and_the_legend_stays_on_it(width):
    norms = Axis("model.norm", ("batch", "batch dialect=keras evaluation=population eps=0.25"))
    data = results((norms, FEW, RATES), tested=True)
    metrics = ("train_loss", "gap", "test_loss", "test_accuracy")
    figure = draw(figure_options("curves", metrics=metrics), data, width=width)
    figure.canvas.draw()
    labels = [a.yaxis.label.get_window_extent() for a in figure.axes if a.get_ylabel()]
    assert len(labels) == 4
    for first, second in combinations(labels, 2):
        assert not first.overlaps(second)
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1
    assert legend.y1 < min(axes.get_tightbbox().y0 for axes in figure.axes)
