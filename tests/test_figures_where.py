"""Figures of some of the networks: the option `where`."""

import numpy as np
import pytest
from figure_results import NORM, NORMS, W, figure, legend, lines, notes, results

from bnexp.config.figures import figure_options
from bnexp.errors import ConfigError
from bnexp.figures.restriction import matches, restricted
from bnexp.tables.results import Axis

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
    assert matches(value, wanted) is expected


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
    left = restricted(figure_options("curves", where={W: 1.0}), data)
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
        ({"model.init.sdt": 1}, "axis model.init.sdt is not swept.*Did you mean model.init.std"),
        ({NORM: "layer"}, r"where model\.norm: layer is not among its values\. Swept: batch, none"),
        ({W: [1, 3]}, r"where model\.init\.std: 3 is not among its values\. Swept: 1, 0\.541"),
    ],
)
def test_what_is_not_swept_is_refused(where, expected):
    with pytest.raises(ConfigError, match=f"figure curves: {expected}"):
        figure(results((SCALES, NORMS)), "curves", where=where)


def test_a_combination_that_does_not_occur_is_refused():
    points = [(1.0, "batch"), (0.1, "none")]
    data = results((Axis(W, (1.0, 0.1)), NORMS), points=points)
    with pytest.raises(ConfigError, match="where leaves no network"):
        figure(data, "heatmap", where={W: 1, NORM: "none"})
