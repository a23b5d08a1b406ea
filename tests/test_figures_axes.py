"""Figures on axes of a caller's own, and pages of a given size."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from figure_results import EVERY, NORMS, W, everything, lines, results
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bnexp.config.figures import figure_options
from bnexp.errors import ConfigError
from bnexp.figures import draw
from bnexp.runs.tables import Axis

FEW = Axis(W, (1.0, 0.1))


def value(point, seed, epoch, metric):
    return 0.1 + 0.3 * epoch if "batch" in point else 0.1 + 0.02 * epoch


DATA = results((NORMS,), value=value, tested=True, read=everything())
BOTH = results((FEW, NORMS), tested=True, read=everything())


def test_a_single_panel_is_drawn_on_the_axes_as_on_a_page():
    own = Figure(figsize=(5, 3))
    left, right = own.subplots(1, 2)
    own.suptitle("mine")
    options = figure_options("curves", metrics=["test_accuracy"])
    assert draw(options, DATA, ax=right) is own
    (page,) = draw(options, DATA).axes
    assert own.axes == [left, right]
    for name, line in lines(page).items():
        np.testing.assert_array_equal(lines(right)[name].get_xydata(), line.get_xydata())
        assert lines(right)[name].get_color() == line.get_color()
    assert (right.get_xlim(), right.get_ylim()) == (page.get_xlim(), page.get_ylim())
    assert (right.get_xlabel(), right.get_ylabel()) == ("epochs", "accuracy")
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == ["with batch norm", "without normalization"]
    assert not left.lines
    assert [text.get_text() for text in own.texts] == ["mine"]
    assert own.get_size_inches().tolist() == [5, 3]
    own.savefig(BytesIO(), format="png")


def test_the_notes_stand_under_the_x_axis():
    own = Figure(figsize=(9, 4), layout="constrained")
    left, right = own.subplots(1, 2)
    options = figure_options("curves", metrics=["test_accuracy"])
    draw(options, DATA, ax=left)
    draw(options, DATA, ax=right)
    canvas = FigureCanvasAgg(own)
    canvas.draw()
    renderer = canvas.get_renderer()
    words = " ".join(text.get_text() for text in draw(options, DATA).texts)
    for axes in (left, right):
        notes = axes.texts[0]
        assert "1 seed" in notes.get_text()
        assert set(notes.get_text().split()) <= set(words.split())
        box = notes.get_window_extent(renderer)
        assert box.y1 <= axes.xaxis.label.get_window_extent(renderer).y0
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= own.bbox.x1
    one, two = (axes.texts[0].get_window_extent(renderer) for axes in (left, right))
    assert one.x1 < two.x0


@pytest.mark.parametrize("options", EVERY, ids=lambda options: options.kind)
def test_every_kind_is_drawn_on_one_panel_or_refused(options):
    axes = Figure().add_subplot()
    panels = draw(options, BOTH).axes
    if len(panels) == 1:
        draw(options, BOTH, ax=axes)
        assert len(axes.figure.axes) == 1
        assert len(axes.lines) + len(axes.patches) + len(axes.images) > 0
    else:
        with pytest.raises(ConfigError, match="ax: expected a figure with one panel, got"):
            draw(options, BOTH, ax=axes)


def test_a_heat_map_has_a_color_bar_and_needs_a_page():
    data = results((FEW, NORMS))
    with pytest.raises(ConfigError, match="got a map and its color bar"):
        draw(figure_options("heatmap"), data, ax=Figure().add_subplot())


@pytest.mark.slow
@pytest.mark.parametrize("options", EVERY, ids=lambda options: options.kind)
@pytest.mark.parametrize("height", [6.0, 9.0])
def test_a_page_of_a_given_size(options, height):
    usual, figure = draw(options, BOTH, width=8), draw(options, BOTH, figsize=(8, height))
    assert figure.get_size_inches().tolist() == pytest.approx([8, height])
    before = usual.get_size_inches()[1]
    (top, *_), (moved, *_) = usual.texts, figure.texts
    assert before * (1 - top.get_position()[1]) == pytest.approx(
        height * (1 - moved.get_position()[1])
    )
    boxes = [axes.get_position(original=True) for axes in figure.axes]
    for axes, box in zip(usual.axes, boxes, strict=True):
        own = axes.get_position(original=True)
        assert (own.x0, own.width) == pytest.approx((box.x0, box.width))
        assert 0 <= box.y0 < box.y1 <= 1
    heights = {round(height * box.height, 3) for box in boxes[:1]}
    grown = height * boxes[0].height - before * usual.axes[0].get_position(original=True).height
    assert np.sign(round(grown, 6)) == np.sign(round(height - before, 6))
    assert len(heights) == 1
    for i, one in enumerate(boxes):
        assert not any(one.shrunk(0.98, 0.98).overlaps(other) for other in boxes[:i])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"figsize": 5}, r"figsize: expected \(width, height\) in inches, got 5"),
        ({"figsize": (5, "a")}, "figsize: expected"),
        ({"figsize": (5, 0.1)}, "figsize: expected a height from 1.5 to 60 inches, got 0.1"),
        ({"figsize": (1, 5)}, "width: expected 3 to 30 inches"),
        ({"figsize": (7, 1.5)}, "figsize: too low, expected at least .* inches, got 1.5"),
        ({"figsize": (5, 4), "width": 5}, "expected one of width, figsize and ax, got width and"),
        ({"ax": 3}, "ax: expected matplotlib's Axes, got int"),
    ],
)
def test_sizes_and_axes_that_are_none(arguments, expected):
    with pytest.raises(ConfigError, match=expected):
        draw(figure_options("panels"), results((FEW, NORMS)), **arguments)
