"""Figures of some of the networks: the option `where`."""

import numpy as np
import pytest
from figure_results import NORM, NORMS, W, figure, legend, lines, notes, results

from bnexp.config.figures import figure_options
from bnexp.errors import ConfigError
from bnexp.figures import refusal
from bnexp.figures.recorded import PlannedSweep, Recorded
from bnexp.runs.tables import Axis
from bnexp.runs.where import WhereError, select_values

SCALES = Axis(W, tuple(np.logspace(0, -4, 16).tolist()))
RATES = Axis("train.optimizer.lr", (0.1, 0.01))


def own(point, seed, epoch, metric):
    return point[0] / 2


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (0.15848931924611134, 0.158, True), (0.15848931924611134, 0.15, False), (0, 0, True),
        (-0.1, -0.1, True), (100, 100.4, True), (100, 101, False), ("batch", "batch", True),
        ("true", True, True), ("false", True, False), ("none", 1, False), (1, "1", True),
    ],
)  # fmt: skip
def test_numbers_are_meant_to_half_a_percent(value, wanted, expected):
    try:
        selected = select_values({W: wanted}, [Axis(W, (value,))])
    except WhereError:
        selected = {W: ()}
    assert (selected[W] == (value,)) is expected


@pytest.mark.slow
def test_one_value_is_no_line_and_stands_in_the_notes():
    drawn = figure(results((SCALES, NORMS), value=own), "curves", where={W: 0.158})
    assert legend(drawn) == ["with batch norm", "without normalization"]
    assert notes(drawn) == ["training accuracy; 1 seed", "W = 0.158"]
    line = lines(drawn.axes[0])["with batch norm"]
    np.testing.assert_allclose(line.get_ydata(), 0.15848931924611134 / 2)


def test_several_values_are_lines_in_the_sweeps_order():
    drawn = figure(results((SCALES,), value=own), "curves", where={W: [0.0001, 1]})
    assert legend(drawn) == ["W = 1", "W = 0.0001"]
    assert notes(drawn)[-1] == "2 of 16 values of W"


def test_restricted_to_one_network():
    drawn = figure(results((SCALES, NORMS)), "curves", where={W: 1, NORM: "none"})
    assert not drawn.legends
    assert notes(drawn)[-1] == "W = 1; without normalization"


def test_axes_that_move_along_keep_the_values_that_occur():
    points = [(w, r) for w, r in zip((1.0, 0.1), (0.1, 0.01), strict=True)]
    data = results((Axis(W, (1.0, 0.1)), RATES), points=points)
    left = figure_options("curves", where={W: 1.0}).restrict(data)
    assert left.axes == ()
    assert len(left.summary["cell"]) == 1
    assert len(left.metrics["cell"]) == 3


def test_networks_of_other_values_are_neither_missing_nor_diverged():
    data = results(
        (Axis(W, (1.0, 0.1, 0.01)), NORMS),
        diverged=lambda point, seed: 3 if point[0] == 1 else -1,
        failed=lambda point, seed: point[0] == 0.01,
    )
    assert notes(figure(data, "curves"))[-1] == (
        "2 of 6 networks diverged (x): accuracies kept; 2 networks missing"
    )
    assert notes(figure(data, "curves", where={W: 0.1}))[-1] == "W = 0.1"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (
            {"model.init.sdt": 1},
            r"where\.model\.init\.sdt: not swept.*did you mean",
        ),
        ({NORM: "layer"}, r"where\.model\.norm: no value .* one of batch, none, got layer"),
        (
            {W: [1, 3]},
            r"where\.model\.init\.std\[1\]: no value .* one of 1, 0\.541",
        ),
    ],
)
def test_what_is_not_swept_is_refused(where, expected):
    with pytest.raises(ConfigError, match=f"figure curves: {expected}"):
        figure(results((SCALES, NORMS)), "curves", where=where)


def test_a_combination_that_does_not_occur_is_refused():
    points = [(1.0, "batch"), (0.1, "none")]
    data = results((Axis(W, (1.0, 0.1)), NORMS), points=points)
    with pytest.raises(ConfigError, match="where: no such points, expected a combination"):
        figure(data, "heatmap", where={W: 1, NORM: "none"})


def by_rank(point, seed, epoch, metric):
    """Training accuracy 0.1, 0.3, 0.2 for W = 1, 0.1, 0.01; test accuracy the other way round."""
    accuracy = {1.0: 0.1, 0.1: 0.3, 0.01: 0.2}[point[0]]
    return 1 - accuracy if metric.startswith("test") else accuracy


def titles(drawn):
    return [axes.get_title() for axes in drawn.axes]


@pytest.mark.parametrize(
    ("tested", "wanted"), [(False, ["W = 0.1", "W = 0.01"]), (True, ["W = 1", "W = 0.01"])]
)
def test_the_best_values_best_first(tested, wanted):
    data = results((Axis(W, (1.0, 0.1, 0.01)),), seeds=(0, 1), value=by_rank, tested=tested)
    drawn = figure(data, "curves", panel_axis=W, best=2, metrics=("train_accuracy",))
    assert titles(drawn) == wanted
    assert notes(drawn)[-1] == "2 of 3 values of W; the best first"
    line = max(drawn.axes[0].lines, key=lambda line: len(line.get_ydata()))
    np.testing.assert_allclose(line.get_ydata(), 0.1 if tested else 0.3)


def test_values_without_a_number_are_the_worst():
    data = results(
        (Axis(W, (1.0, 0.1, 0.01)),), value=by_rank, failed=lambda point, seed: point[0] == 0.1
    )
    assert titles(figure(data, "curves", panel_axis=W, best=2)) == ["W = 0.01", "W = 1"]


def test_best_needs_the_axis_that_it_is_of():
    with pytest.raises(ConfigError, match="best: without panel_axis, expected both or neither"):
        figure(results((SCALES,)), "curves", best=3)


def test_the_best_of_more_values_than_fit_on_a_page_can_be_planned():
    many = Axis(W, tuple(float(i) for i in range(1, 101)))
    recorded = np.full(100, Recorded(tested=False, quantities={}), object)
    swept = PlannedSweep((many,), {W: np.array(many.values, object), "recorded": recorded})
    assert refusal(figure_options("curves", panel_axis=W, best=20), swept) is None
    assert "at most 36" in str(refusal(figure_options("curves", panel_axis=W), swept))
