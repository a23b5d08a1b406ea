"""The scale figure: what lies on its axes."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from figure_results import NORM, NORMS, W, results
from interval_cases import log_ends
from matplotlib.figure import Figure

from bnexp.errors import ConfigError
from bnexp.figures import draw, marks
from bnexp.figures.kinds.scale import Scale
from bnexp.runs.tables import Axis

SCALES = Axis(W, (1.0, 0.1, 0.01, 0.001))


def scale(data, **options):
    return draw(Scale(**options), data)


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def crosses(axes):
    return [line for line in axes.lines if line.get_label() == "_diverged"]


def value(point, seed, epoch, metric):
    """Accuracy falls after epoch 1; the loss is the scale plus the seed."""
    return 0.9 - 0.1 * abs(epoch - 1) if metric.endswith("accuracy") else point[0] + seed


def test_accuracy_above_and_loss_below_against_the_scale():
    figure = scale(results((SCALES, NORMS), value=value))
    accuracy, loss = figure.axes
    assert (accuracy.get_ylabel(), loss.get_ylabel()) == ("final accuracy", "final loss")
    assert (accuracy.get_xlabel(), loss.get_xlabel()) == ("", "weight initialization scale (std)")
    assert accuracy.get_position().y0 > loss.get_position().y1
    assert accuracy.get_xscale() == loss.get_xscale() == "log"
    line = lines(loss)["with batch norm"]
    np.testing.assert_array_equal(line.get_xdata(), [0.001, 0.01, 0.1, 1])
    np.testing.assert_array_equal(line.get_ydata(), [0.001, 0.01, 0.1, 1])
    np.testing.assert_allclose(lines(accuracy)["with batch norm"].get_ydata(), 0.8)
    assert line.get_marker() == "o"


def test_best_accuracy_and_still_the_final_loss():
    figure = scale(results((SCALES, NORMS), value=value), accuracy="best")
    assert [axes.get_ylabel() for axes in figure.axes] == ["best accuracy", "final loss"]
    np.testing.assert_allclose(lines(figure.axes[0])["with batch norm"].get_ydata(), 0.9)


def test_test_images_get_a_second_column():
    figure = scale(results((SCALES, NORMS), value=value, tested=True))
    assert [axes.get_title() for axes in figure.axes[:2]] == ["training images", "test images"]
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["final accuracy", "", "final loss", ""]
    assert figure.axes[2].get_ylim() == figure.axes[3].get_ylim()


@pytest.mark.slow
def test_bars_are_intervals():
    figure = scale(results((SCALES,), seeds=(0, 1, 2), value=value), band="interval")
    (bars,) = figure.axes[1].collections
    low, high = log_ends(2, 4.3026527 * 1 / np.sqrt(3))
    np.testing.assert_allclose(bars.get_segments()[3], [[1, low], [1, high]])
    notes = [text.get_text() for text in figure.texts]
    assert notes[1] == "points: mean of 3 seeds, bars: 95 % interval of the mean"


def test_one_seed_has_no_bars():
    figure = scale(results((SCALES, NORMS), value=value))
    assert figure.texts[1].get_text() == "1 seed"
    assert not figure.axes[0].collections


def lost(point, seed, epoch, metric):
    gone = diverged(point, seed) > 0 and metric.endswith("loss")
    return np.nan if gone else value(point, seed, epoch, metric)


def diverged(point, seed):
    return 4 if point[1] == "none" and point[0] > 0.05 + 0.5 * seed else -1


@pytest.mark.slow
def test_networks_without_a_finite_loss_are_crossed_at_the_top_edge():
    figure = scale(results((SCALES, NORMS), seeds=(0, 1), value=lost, diverged=diverged))
    accuracy, loss = figure.axes
    (mark,) = crosses(loss)
    np.testing.assert_array_equal(mark.get_xdata(), [0.1, 1])
    assert mark.get_transform() == loss.get_xaxis_transform()
    assert 0.9 < mark.get_ydata()[0] < 1
    assert mark.get_color() == lines(loss)["without normalization"].get_color()
    assert [text.get_text() for text in loss.texts] == ["1/2"]
    assert not crosses(accuracy)
    assert legend(figure)[-1] == "diverged (loss not finite)"


def test_counts_at_the_frame_stay_within_it():
    axes = Figure(figsize=(3, 2)).add_subplot()
    x = np.array([0.0, 0.5, 1.0])
    axes.set_xlim(-0.02, 1.02)
    marks.top_crosses(axes, x, np.full(3, 12_345), np.full(3, 99_999), "black", 0.9)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 3
    assert all(axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1 for box in boxes)


def test_the_note_says_what_became_of_diverged_networks():
    figure = scale(results((SCALES, NORMS), seeds=(0, 1), value=lost, diverged=diverged))
    note = "3 of 16 networks diverged (x): accuracies kept, non-finite losses left out"
    assert figure.texts[-1].get_text() == note


def test_without_divergence_the_legend_has_the_methods_only():
    figure = scale(results((SCALES, NORMS), value=value))
    assert legend(figure) == ["with batch norm", "without normalization"]


def test_crosses_lie_above_all_lines():
    axes = scale(results((SCALES, NORMS), value=lost, diverged=diverged)).axes[1]
    (mark,) = crosses(axes)
    top = max(np.nanmax(line.get_ydata()) for line in lines(axes).values())
    pixels = axes.transData.transform((1, top))[1]
    assert axes.transAxes.inverted().transform((0, pixels))[1] < mark.get_ydata()[0] - 0.1


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((1.0, 0.1, 0.01), "log"),
        ((0.1, 0.2, 0.3, 0.4), "linear"),
        ((0.0, 0.1, 1.0), "linear"),
        ((-1.0, 0.1, 1.0), "linear"),
        ((0.001, 1.0), "log"),
        ((1, 2), "linear"),
        ((5, 10, 50), "log"),
        ((3,), "linear"),
    ],
)
def test_the_x_axis_suits_the_values(values, kind):
    axes = scale(results((Axis("train.batch_size", values),))).axes[1]
    assert axes.get_xscale() == kind
    low, high = axes.get_xlim()
    assert low < min(values) <= max(values) < high
    assert axes.get_xlabel() == "batch size"


def test_few_values_are_their_own_ticks():
    axes = scale(results((Axis("train.batch_size", (50, 10, 5)),))).axes[1]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["50", "10", "5"]


def test_many_values_get_powers_of_ten_without_mathematics():
    many = Axis(W, tuple(np.logspace(0, -4, 16).tolist()))
    figure = scale(results((many,)))
    figure.canvas.draw()
    low, high = figure.axes[1].get_xlim()
    ticks = zip(figure.axes[1].get_xticks(), figure.axes[1].get_xticklabels(), strict=True)
    shown = [text.get_text() for at, text in ticks if low <= at <= high]
    assert shown == ["0.0001", "0.001", "0.01", "0.1", "1"]


def test_companions_are_named():
    rates = Axis("train.optimizer.lr", (0.1, 0.2, 0.3, 0.4))
    points = [
        (w, n, r) for w, r in zip(SCALES.values, rates.values, strict=True) for n in NORMS.values
    ]
    figure = scale(results((SCALES, NORMS, rates), points=points))
    assert figure.texts[1].get_text() == "1 seed; train.optimizer.lr moves along"
    assert legend(figure) == ["with batch norm", "without normalization"]


def test_failed_networks_are_not_called_diverged():
    figure = scale(results((SCALES, NORMS), failed=lambda point, seed: point == (1.0, "none")))
    assert legend(figure) == ["with batch norm", "without normalization"]
    assert lines(figure.axes[0])["without normalization"].get_xdata().tolist() == [0.001, 0.01, 0.1]


def test_no_network_at_all():
    data = results((SCALES, NORMS))
    nothing = {name: column[:0] for name, column in data.summary.items()}
    figure = scale(replace(data, summary=nothing))
    assert [lines(axes) for axes in figure.axes] == [{}, {}]


def test_text_axes_are_refused():
    with pytest.raises(ConfigError, match=r"that has only numbers, got model\.norm"):
        scale(results((NORMS,)))
    with pytest.raises(ConfigError, match=r"axis: no numbers, expected .*, got model\.norm"):
        scale(results((SCALES, NORMS)), axis=NORM)


def test_too_many_lines_are_refused():
    many = Axis("train.batch_size", tuple(range(13)))
    with pytest.raises(
        ConfigError,
        match=r"at most 12, got 13 by train\.batch_size",
    ):
        scale(results((SCALES, many)))


def test_on_a_narrow_page_the_name_of_the_axis_stands_once():
    data = results((Axis(W, (0.001, 0.01, 0.1)), NORMS), tested=True)
    name = "weight initialization scale (std)"
    wide, narrow = (draw(Scale(), data, width=width) for width in (None, 4.2))
    assert [axes.get_xlabel() for axes in wide.axes] == ["", "", name, name]
    assert {axes.get_xlabel() for axes in narrow.axes} == {""}
    (text,) = (text for text in narrow.texts if text.get_text() == name)
    extent = text.get_window_extent()
    lowest = min(axes.get_tightbbox().y0 for axes in narrow.axes)
    (legend,) = narrow.legends
    assert 0 < legend.get_window_extent().y1 <= extent.y0
    assert extent.y1 < lowest + 1
    assert (extent.x0 > 0, extent.x1 < narrow.bbox.width) == (True, True)


def test_numbers_at_ticks_do_not_touch_on_a_narrow_page():
    data = results((Axis(W, tuple(10.0**-n for n in range(12))),), tested=True)
    drawn = draw(Scale(), data, width=4.2)
    drawn.canvas.draw()
    axes = drawn.axes[2]
    boxes = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text()]
    shown = [box for box in boxes if axes.bbox.x0 <= (box.x0 + box.x1) / 2 <= axes.bbox.x1]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(shown))
    assert len(shown) >= 2
