"""The percentiles figure: what lies on its axes."""

import numpy as np
import pytest
from figure_results import (
    NAN,
    NORMS,
    W,
    figure,
    legend,
    notes,
    results,
    titles,
    without_rows,
    words,
)

from bnexp.errors import ConfigError
from bnexp.runs.tables import Axis

PLACES = (15.0, 50.0, 85.0)


def read(point, seed):
    """Layers 1 and 3: percentiles spread with the step, the layer and the seed."""
    width = 1 if point[0] == "batch" else 2
    return [
        (step, layer, "percentile", at, (at - 50) / 35 * width * layer + seed)
        for step in (0, 10, 20)
        for layer in (1, 3)
        for at in PLACES
    ]


def thick(axes):
    return [line for line in axes.lines if line.get_linewidth() > 1]


def test_a_panel_for_each_line_and_a_line_for_each_percentile():
    drawn = figure(results((NORMS,), read=read), "percentiles")
    assert titles(drawn) == ["with batch norm", "without normalization"]
    assert legend(drawn) == ["15th percentile", "50th percentile", "85th percentile"]
    found = [line.get_ydata().tolist() for line in thick(drawn.axes[1])]
    np.testing.assert_allclose(found, [[-6] * 3, [0] * 3, [6] * 3])
    for axes in drawn.axes:
        assert [line.is_dashed() for line in thick(axes)] == [True, False, True]
        assert len({line.get_marker() for line in thick(axes)}) == 3
    assert len({line.get_color() for line in thick(drawn.axes[0])}) == 3
    assert notes(drawn) == ["layer 3; 1 seed"]
    assert words(drawn)[-1].replace("\n", " ") == "activation input of one unit"


def test_seeds_are_thin_lines_behind_their_mean():
    drawn = figure(results((NORMS,), seeds=range(3), read=read), "percentiles", layer=1)
    axes = drawn.axes[0]
    assert len(axes.lines) == 3 * (3 + 1)
    np.testing.assert_allclose([line.get_ydata()[0] for line in thick(axes)], [0, 1, 2])
    assert notes(drawn) == ["layer 1; thick: mean of 3 seeds, thin: each seed"]


def test_panels_share_their_limits():
    first, second = figure(results((NORMS,), read=read), "percentiles").axes
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[0] < -6
    low = figure(results((NORMS,), read=read), "percentiles", limits=[-2, 2]).axes[0]
    assert low.get_ylim() == (-2, 2)


def test_unless_one_would_be_a_flat_line_on_the_others_scale():
    def far(point, seed):
        factor = 1 if point[0] == "batch" else 1000
        return [(*start, value * factor) for *start, value in read(point, seed)]

    drawn = figure(results((NORMS,), read=far), "percentiles")
    assert drawn.axes[0].get_ylim()[1] < 5
    assert drawn.axes[1].get_ylim()[1] > 5000
    assert notes(drawn) == ["layer 3; 1 seed; each panel has its own scale"]


def test_norms_stand_side_by_side():
    drawn = figure(results((Axis(W, (1.0, 0.1, 0.01)), NORMS), read=read), "percentiles")
    lefts = [axes.get_position().x0 for axes in drawn.axes]
    assert len(set(lefts)) == 2
    assert titles(drawn)[:2] == ["W = 1, with batch norm", "W = 1, without normalization"]


def test_some_percentiles():
    drawn = figure(results((NORMS,), read=read), "percentiles", at=[50])
    assert legend(drawn) == ["50th percentile"]


def test_what_is_not_finite_is_left_out_and_counted():
    def lost(point, seed):
        return [(*start, NAN if start[0] else value) for *start, value in read(point, seed)]

    drawn = figure(results((NORMS,), read=lost), "percentiles")
    assert notes(drawn)[-1] == "24 numbers not finite left out"
    assert np.isfinite(drawn.axes[0].get_ylim()).all()


def test_no_network_at_all():
    drawn = figure(without_rows(results((NORMS,), read=read)), "percentiles")
    assert [words(axes) for axes in drawn.axes] == [["no data"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"at": [15, 40]}, r"at\[1\]: no such place, expected one of 15, 50, 85, got 40"),
        ({"layer": 2}, "layer: no such layer, expected one of 1, 3, got 2"),
        ({"quantity": "dead"}, "quantity: not recorded, expected percentile, got 'dead'"),
    ],
)
def test_what_was_not_recorded_is_refused(options, expected):
    with pytest.raises(ConfigError, match=f"figure percentiles: {expected}"):
        figure(results((NORMS,), read=read), "percentiles", **options)


def test_more_percentiles_than_colors_are_refused():
    def many(point, seed):
        return [(0, 1, "percentile", float(at), 0.0) for at in range(8)]

    with pytest.raises(ConfigError, match="too many lines, expected at most 7 places, got 8"):
        figure(results((NORMS,), read=many), "percentiles")
