"""Lines that are thinned out: the same ends, few enough points, and a note that says so."""

import numpy as np
import pytest
from figure_results import NORMS, curves, figure, notes, results

from bnexp.figures import series
from bnexp.figures.series import most_points, thinned

TIMES = tuple((float(epoch), 10 * epoch) for epoch in range(1, 31))


@pytest.fixture
def few_points(monkeypatch):
    monkeypatch.setattr(series, "LINE_POINTS", 7)
    monkeypatch.setattr(series, "LEAST_POINTS", 2)


def rising(point, seed, epoch, metric):
    return epoch / 100 + seed / 10


def read(point, seed):
    steps = [step for _, step in TIMES]
    values = [("loss_along", 0.5), ("loss_along", 1.0), ("percentile", 15.0), ("percentile", 85.0)]
    return [
        (step, layer, quantity, at, step * at)
        for quantity, at in values
        for layer in [0 if quantity == "loss_along" else 1]
        for step in steps
    ]


@pytest.mark.parametrize(("number", "most"), [(1, 5), (5, 5), (6, 5), (100, 7), (1_000_000, 4000)])
def test_points_are_evenly_spread_between_the_ends(number, most):
    x = np.arange(number) * 2.0
    values = np.stack([x, -x])
    few, at_few = thinned(x, values, most)
    assert len(few) == min(number, most)
    assert (few[0], few[-1]) == (x[0], x[-1])
    assert np.array_equal(at_few, np.stack([few, -few]))
    distances = np.diff(few)
    assert number <= most or distances.max() - distances.min() <= 2


@pytest.mark.parametrize(("lines", "most"), [(0, 4000), (1, 4000), (200, 2000), (90_000, 100)])
def test_a_figure_of_many_lines_has_fewer_points_of_each(lines, most):
    assert most_points(lines) == most


@pytest.mark.parametrize("kind", ["panels", "curves"])
@pytest.mark.usefixtures("few_points")
def test_long_lines_are_thinned_out_and_the_figure_says_so(kind):
    data = results((NORMS,), value=rising, seeds=(0, 1, 2), times=TIMES)
    drawn = figure(data, kind)
    axes = drawn.axes[0]
    line = next(iter(curves(axes).values()))
    x = np.asarray(line.get_xdata())
    assert x.tolist() == [1, 6, 11, 15, 20, 25, 30]
    assert line.get_ydata() == pytest.approx(x / 100 + 0.1)
    assert {band.get_paths()[0].vertices[:, 0].max() for band in axes.collections} == {30}
    assert "7 of 30 points of a line drawn" in notes(drawn)[-1]


@pytest.mark.parametrize("kind", ["landscape", "percentiles"])
@pytest.mark.usefixtures("few_points")
def test_long_lines_of_readings_are_thinned_out(kind):
    drawn = figure(results((NORMS,), read=read, times=TIMES), kind)
    sizes = {len(line.get_xdata()) for axes in drawn.axes for line in axes.lines}
    assert sizes == {7}
    assert "7 of 30 points of a line drawn" in notes(drawn)[-1]


@pytest.mark.usefixtures("few_points")
def test_points_are_left_out_after_smoothing():
    """The mean of 11 points is that of neighboring evaluations."""
    data = results((), value=lambda point, seed, epoch, metric: epoch % 2, times=TIMES)
    drawn = figure(data, "curves", smooth=True)
    (line,) = drawn.axes[0].lines
    every = series.smoothed(np.array([epoch % 2 for epoch, _ in TIMES]))
    assert line.get_ydata() == pytest.approx(every[[0, 5, 10, 14, 19, 24, 29]])


def test_short_lines_are_drawn_whole():
    drawn = figure(results((NORMS,), value=rising, times=TIMES), "curves")
    assert {len(line.get_xdata()) for line in drawn.axes[0].lines} == {30}
    assert "points of a line drawn" not in "".join(notes(drawn))
