"""Where lines have their names, and the line at chance level."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from figure_results import NORMS, W, crosses, figure, legend, results, titles

from bnexp.figures.page import DIGIT, Page, build
from bnexp.figures.style import chosen_style, house_style
from bnexp.runs.origins import DataOrigin
from bnexp.runs.tables import Axis

NAMES = ["with batch norm", "without normalization"]
FOUR = Axis("model.activation", ("relu", "tanh", "sigmoid", "elu"))
OF_TEN = DataOrigin("mnist", "MNIST", "mnist", "0" * 64, classes=10)
TIMES = tuple((float(epoch), 10 * epoch + 1) for epoch in range(12))


def drawn_lines(ends, kind="curves", axes=(NORMS,), data=(), tested=False, **options):
    """A figure of lines that rise from 0.1 to these ends, in the order of the sweep."""
    first = axes[-1].values

    def value(point, seed, epoch, metric):
        end = ends[first.index(point[-1])]
        return 0.1 + (end - 0.1) * min(1.0, epoch / 4)

    tables = results(axes, value=value, times=TIMES, tested=tested)
    return figure(replace(tables, data=data), kind, **options)


def names(axes):
    return {t.get_text(): t for t in axes.texts if t.get_text() not in ("", "chance")}


def box(axes, text):
    return text.get_window_extent().transformed(axes.transAxes.inverted())


def test_few_lines_that_lie_apart_have_their_names_beside_them():
    drawn = drawn_lines([0.95, 0.4])
    (axes,) = drawn.axes
    assert drawn.legends == []
    assert list(names(axes)) == NAMES
    lines = {line.get_label(): line for line in axes.lines}
    for name, text in names(axes).items():
        assert text.get_color() == lines[name].get_color()
        ends = {other: line.get_ydata()[-1] for other, line in lines.items()}
        middle = axes.transData.inverted().transform(text.get_window_extent().get_points())[:, 1]
        distances = {other: abs(end - middle.mean()) for other, end in ends.items()}
        assert min(distances, key=distances.get) == name
        for line in lines.values():
            points = axes.transLimits.transform(line.get_xydata())
            x = np.linspace(*points[[0, -1], 0], 500)
            y = np.interp(x, *points.T)
            place = box(axes, text)
            inside = (x > place.x0) & (x < place.x1) & (y > place.y0) & (y < place.y1)
            assert not inside.any()


@pytest.mark.parametrize("ends", [[0.9, 0.89], [0.9, 0.9]])
def test_lines_that_end_together_have_a_legend(ends):
    drawn = drawn_lines(ends)
    assert legend(drawn) == NAMES
    assert names(drawn.axes[0]) == {}


def test_names_stand_on_every_panel_or_on_none():
    two = Axis(W, (1.0, 0.1))
    drawn = drawn_lines([0.95, 0.4], axes=(two, NORMS), panel_axis=W)
    assert [list(names(axes)) for axes in drawn.axes] == [NAMES, NAMES]
    assert drawn.legends == []

    def value(point, seed, epoch, metric):
        return 0.5 if point[0] == 0.1 else 0.9 if point[1] == "batch" else 0.2

    drawn = figure(results((two, NORMS), value=value, times=TIMES), "curves", panel_axis=W)
    assert [names(axes) for axes in drawn.axes] == [{}, {}]
    assert legend(drawn) == NAMES


def test_many_lines_and_legends_with_other_entries_stay():
    five = Axis("model.activation", (*FOUR.values, "leaky"))
    drawn = drawn_lines([0.9, 0.7, 0.5, 0.3, 0.15], axes=(five,))
    assert len(legend(drawn)) == 5
    both = ["train_loss", "test_loss"]
    drawn = drawn_lines([0.95, 0.4], tested=True, metrics=both, together=True)
    assert len(legend(drawn)) == 4


def test_taking_the_legend_away_changes_no_panel():
    apart, close = drawn_lines([0.95, 0.4]), drawn_lines([0.9, 0.9])
    sizes = [
        np.round([(a.get_window_extent().width, a.get_window_extent().height)], 6)
        for a in (apart.axes[0], close.axes[0])
    ]
    np.testing.assert_array_equal(*sizes)
    assert apart.get_size_inches()[1] < close.get_size_inches()[1] - 0.15
    tops = [d.get_size_inches()[1] * (1 - d.texts[0].get_position()[1]) for d in (apart, close)]
    assert tops[0] == pytest.approx(tops[1])


def test_a_legend_goes_where_the_last_row_has_no_panel():
    three = Axis(W, (1.0, 0.1, 0.01))
    drawn = drawn_lines([0.9, 0.9], kind="panels", axes=(three, NORMS))
    place = drawn.legends[0].get_window_extent().transformed(drawn.transFigure.inverted())
    left, right = drawn.axes[2].get_position(), drawn.axes[1].get_position()
    assert left.x1 < place.x0 < place.x1 <= right.x1 + 0.01
    assert place.y1 < right.y0
    assert place.y0 > left.y0 - 0.01


def chance_lines(axes):
    return [line.get_ydata()[0] for line in axes.lines if line.get_label() == "_chance"]


def chance_words(drawn):
    return [t for axes in drawn.axes for t in axes.texts if t.get_text() == "chance"]


@pytest.mark.parametrize("kind", ["curves", "panels", "scale"])
def test_accuracies_have_a_line_at_chance_level_with_its_name(kind):
    swept = Axis(W, (1.0, 0.1))
    drawn = drawn_lines([0.95, 0.4], kind=kind, axes=(swept, NORMS), data=(OF_TEN,))
    of_accuracy = drawn.axes[:1] if kind == "scale" else drawn.axes
    assert all(chance_lines(axes) == [0.1] for axes in of_accuracy)
    assert all(chance_lines(axes) == [] for axes in drawn.axes[len(of_accuracy) :])
    assert len(chance_words(drawn)) == 1
    assert "chance" not in [text for each in drawn.legends for text in each.get_texts()]


def test_no_chance_line_where_it_is_not_known_or_not_one_number_or_out_of_sight():
    two = replace(OF_TEN, name="rings", recognized="rings", classes=2)
    for data in ((), (OF_TEN, two), (replace(OF_TEN, classes=0),)):
        assert chance_lines(drawn_lines([0.95, 0.4], data=data).axes[0]) == []
    drawn = drawn_lines([0.95, 0.4], data=(OF_TEN,), limits=[0.3, 1])
    assert chance_lines(drawn.axes[0]) == []
    drawn = drawn_lines([0.95, 0.4], data=(two,), kind="panels", axes=(NORMS,))
    assert chance_lines(drawn.axes[0]) == [0.5]
    drawn = drawn_lines([0.95, 0.4], data=(OF_TEN,), metrics=["train_loss"])
    assert chance_lines(drawn.axes[0]) == []


def test_the_name_of_chance_stands_where_it_covers_no_line():
    swept = Axis(W, (1.0, 0.1))

    def value(point, seed, epoch, metric):
        return 0.1 if point[0] == 1.0 else 0.8

    tables = replace(results((swept,), value=value, times=TIMES), data=(OF_TEN,))
    drawn = figure(tables, "panels")
    (word,) = chance_words(drawn)
    assert titles(drawn)[drawn.axes.index(word.axes)] == "W = 0.1"


def test_words_about_divergence_and_names_do_not_cover_each_other():
    drawn = figure(
        replace(
            results(
                (NORMS,),
                value=lambda point, seed, epoch, metric: 0.9 if point == ("batch",) else 0.1,
                diverged=lambda point, seed: 11 if point == ("none",) else -1,
                times=TIMES,
            ),
            data=(OF_TEN,),
        ),
        "curves",
    )
    (axes,) = drawn.axes
    assert len(crosses(axes)) == 1
    places = [box(axes, text) for text in axes.texts if text.get_text()]
    assert len(places) >= 2
    for i, one in enumerate(places):
        for other in places[:i]:
            assert not one.overlaps(other)


def test_words_are_never_broken_in_titles_of_panels():
    long = "without normalization"
    page = Page(title="x", notes=(), titles=(long,) * 4, columns=4, aspect=1.0)
    with house_style(style=chosen_style("light", 4.2)):
        figure, all_axes = build(page, [])
        assert len("normalization") * DIGIT > page.panel_width  # it does not fit
        for axes in all_axes:
            assert axes.get_title().split() == long.split()
        figure.draw_without_rendering()
        extents = [axes.title.get_window_extent() for axes in all_axes]
    assert not any(a.overlaps(b) for a, b in pairwise(extents))
