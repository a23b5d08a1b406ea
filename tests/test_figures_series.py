"""Lines that are thinned out: the same ends, few enough points, and a note that says so."""

import numpy as np
import pytest
from figure_results import NORMS, curves, figure, notes, results

from bnexp.figures import series
from bnexp.figures.series import most_points, over_seeds, thinned
from bnexp.runs.stats import band
from bnexp.runs.tables import Axis

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
    drawn = figure(data, kind, band="interval")
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


@pytest.mark.parametrize("limits", [(0.0, 1.0), (-np.inf, np.inf)])
def test_what_shows_the_spread_over_seeds(limits):
    random = np.random.default_rng()
    values = random.random((6, 3))
    values[random.integers(6), 1] = np.nan
    values[1:, 2] = np.inf
    x = np.arange(3.0)
    lines = {
        spread: over_seeds(x, values, spread, limits)
        for spread in ("seeds", "interval", "range", "std", "none")
    }
    means = band(values, limits)
    for line in lines.values():
        np.testing.assert_array_equal(line.band.mean, means.mean)
    np.testing.assert_array_equal(lines["interval"].band.low, means.low)
    np.testing.assert_array_equal(lines["interval"].band.high, means.high)
    finite = [column[np.isfinite(column)] for column in values.T]
    for number, column in enumerate(finite[:2]):
        ends = lines["range"].band
        assert (ends.low[number], ends.high[number]) == (column.min(), column.max())
        ends, deviation = lines["std"].band, np.std(column, ddof=1)
        low, high = np.clip([column.mean() - deviation, column.mean() + deviation], *limits)
        assert (ends.low[number], ends.high[number]) == pytest.approx((low, high))
    for spread in ("range", "std", "seeds", "none"):  # one finite value has no spread
        assert np.isnan(lines[spread].band.low[2])
    np.testing.assert_array_equal(lines["seeds"].seeds, values)
    assert {line.seeds.size for name, line in lines.items() if name != "seeds"} == {0}
    reach = lines["seeds"].reach
    assert (reach.low[0], reach.high[0]) == (values[:, 0].min(), values[:, 0].max())


@pytest.mark.parametrize("spread", ["interval", "range", "std"])
def test_the_mean_is_between_the_ends_whatever_rounding_does(spread):
    """The mean of three times the same number may be another one, and single precision rounds."""
    values = np.repeat(np.random.default_rng().random((1, 200)) + 1e-9, 3, axis=0)
    assert (values.mean(axis=0) != values[0]).any()
    values[:, :20] = 1 + 1e-6 * np.random.default_rng().random((3, 20))  # beyond the limit
    drawn = over_seeds(np.arange(200.0), values, spread, (0.0, 1.0)).band
    assert (drawn.low <= drawn.mean).all()
    assert (drawn.mean <= drawn.high).all()


@pytest.mark.parametrize("kind", ["panels", "curves", "scale", "depth", "landscape"])
@pytest.mark.parametrize(
    ("number", "default"), [(1, "none"), (2, "seeds"), (5, "seeds"), (6, "interval")]
)
def test_few_seeds_are_drawn_one_by_one_and_more_as_an_interval(kind, number, default):
    quantity = {"depth": "gradient_norm", "landscape": "smoothness"}.get(kind)

    def read_one(point, seed):
        return [(step, layer, quantity, np.nan, 1.0 + seed) for step in (0, 5) for layer in (1, 2)]

    axis = Axis("train.optimizer.lr", (0.1, 0.2, 0.4))
    options = {"quantity": quantity} if quantity else {}
    data = results((axis,), value=rising, seeds=range(number), read=read_one if quantity else None)
    said = {"seeds": "each seed", "interval": "95 % interval of the mean", "range": "smallest"}
    for chosen, spread in ((None, default), ("range", "range" if number > 1 else "none")):
        drawn = figure(data, kind, band=chosen, **options)
        axes = drawn.axes[0]
        lines = len(curves(axes)) - sum(name.startswith("_seed") for name in curves(axes))
        seeds = [line for line in axes.lines if line.get_label().startswith("_seed")]
        assert len(seeds) == (number * lines if spread == "seeds" else 0)
        assert bool(axes.collections) == (spread in ("interval", "range"))
        for name, words in said.items():
            assert (words in " ".join(notes(drawn))) == (name == spread)
