"""The panels figure: networks that diverged, failed or are missing."""

from dataclasses import replace

import numpy as np
import pytest
from figure_results import NORMS, W, crosses, curves, figure, panels, results, words

from bnexp.figures import draw
from bnexp.figures.kinds.panels import Panels
from bnexp.runs.origins import DataOrigin
from bnexp.runs.tables import Axis

FEW = Axis(W, (1.0, 0.01))


def diverging(point, seed):
    return 6 if point == (1.0, "none") and seed < 3 else -1


def lost(point, seed, epoch, metric):
    gone = diverging(point, seed) > 0 and epoch > 0 and metric == "train_loss"
    return np.nan if gone else 0.097


def test_a_cross_on_the_curve_where_a_network_diverged():
    figure = panels(results((FEW, NORMS), value=lost, diverged=diverging))
    (mark,) = crosses(figure.axes[0])
    assert (mark.get_marker(), mark.get_xdata(), mark.get_ydata()) == ("x", [0.5], [0.097])
    assert mark.get_color() == curves(figure.axes[0])["without normalization"].get_color()
    assert words(figure.axes[0]) == ["diverged at step 6"]
    assert words(figure.axes[1]) == crosses(figure.axes[1]) == []


def test_how_many_of_the_seeds_diverged_and_what_became_of_them():
    data = results((FEW, NORMS), seeds=range(5), value=lost, diverged=diverging)
    figure = panels(data)
    assert words(figure.axes[0]) == ["3 of 5 diverged"]
    assert words(figure)[-1] == "3 of 20 networks diverged (x): accuracies kept"
    loss = panels(data, metric="train_loss")
    assert words(loss)[-1] == "3 of 20 networks diverged (x): non-finite losses left out"
    np.testing.assert_allclose(curves(loss.axes[0])["without normalization"].get_ydata(), 0.097)


def test_a_network_without_a_finite_loss_is_marked_at_the_top():
    data = results((), value=lambda *_: np.nan, diverged=lambda *_: 1)
    axes = panels(data, metric="train_loss").axes[0]
    (mark,) = crosses(axes)
    assert mark.get_ydata() == [0.95]
    assert mark.get_transform() == axes.get_xaxis_transform()


def test_the_words_avoid_the_lines():
    figure = panels(results((FEW, NORMS), value=lost, diverged=diverging))
    axes = figure.axes[0]
    text = next(text for text in axes.texts)
    box = text.get_window_extent().transformed(axes.transData.inverted())
    assert box.y0 > 0.097


@pytest.mark.slow
@pytest.mark.parametrize("width", [None, 5.4, 4.2])
def test_the_words_stay_on_their_panel(width):
    scales = Axis(W, tuple(1 / n for n in range(1, 17)))
    data = results((scales, NORMS), seeds=range(25), diverged=lambda point, seed: 3)
    drawn = draw(Panels(), data, width=width)
    for axes in drawn.axes:
        (text,) = (text for text in axes.texts if "diverged" in text.get_text())
        assert text.get_text().replace("\n", " ") == "50 of 50 diverged"
        assert ("\n" in text.get_text()) == (width is not None)
        assert text.get_window_extent().width < axes.bbox.width


def test_the_name_of_chance_is_not_behind_markers():
    """All networks guess: markers lie on the line of chance all along the panel."""
    data = results((Axis(W, tuple(range(1, 17))),), value=lambda *_: 0.1)
    data = replace(data, data=(DataOrigin("mnist", "MNIST", "mnist", "", classes=10),))
    axes = figure(data, "scale").axes[0]
    (text,) = (text for text in axes.texts if text.get_text() == "chance")
    chance = axes.transData.transform((0, 0.1))[1]
    box = text.get_window_extent()
    (line,) = (line for line in axes.lines if line.get_marker() == "o")
    radius = line.get_markersize() / 2 / 72 * axes.figure.dpi
    assert min(abs(box.y0 - chance), abs(box.y1 - chance)) > 0.8 * radius


def test_several_lines_that_diverge_are_counted_together():
    axes = panels(results((FEW, NORMS), diverged=lambda *_: 2)).axes[0]
    assert words(axes) == ["2 of 2 diverged"]
    assert len(crosses(axes)) == 2


def test_failed_networks_are_missing_and_counted():
    data = results((FEW, NORMS), failed=lambda point, seed: point[0] == 0.01)
    figure = panels(data)
    assert words(figure)[-1] == "2 networks missing"
    assert words(figure.axes[1]) == ["no data"]
    assert not figure.axes[1].lines


def test_everything_failed():
    figure = panels(results((FEW, NORMS), failed=lambda *_: True))
    assert [words(axes) for axes in figure.axes] == [["no data"]] * 2


def test_no_network_at_all():
    data = results((FEW, NORMS))
    empty = {name: column[:0] for name, column in data.metrics.items()}
    nothing = {name: column[:0] for name, column in data.summary.items()}
    figure = panels(replace(data, metrics=empty, summary=nothing))
    assert [axes.get_title() for axes in figure.axes] == ["W = 1", "W = 0.01"]
    assert [words(axes) for axes in figure.axes] == [["no data"]] * 2


def test_networks_that_were_not_trained_are_counted():
    data = results((FEW, NORMS), seeds=(0, 1))
    less = {name: column[:-1] for name, column in data.summary.items()}
    assert words(panels(replace(data, summary=less)))[-1] == "1 network missing"
