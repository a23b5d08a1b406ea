"""The depth figure: what lies on its axes."""

import numpy as np
import pytest
from figure_results import (
    NAN,
    NORM,
    NORMS,
    figure,
    legend,
    lines,
    notes,
    results,
    titles,
    without_rows,
    words,
)
from interval_cases import log_ends

from bnexp.errors import ConfigError
from bnexp.runs.tables import Axis

INITS = Axis("model.init", ("he", "xavier"))


def read(point, seed):
    """Halved in each layer without batch norm; at step 7 ten times as much."""
    rate = 1.0 if "batch" in point else 0.5
    return [
        (step, layer, "activation_square", NAN, factor * rate**layer * (1 + seed))
        for step, factor in ((0, 1.0), (7, 10.0))
        for layer in range(1, 9)
    ]


def y(axes, name):
    return lines(axes)[name].get_ydata().tolist()


def depth(data, **options):
    return figure(data, "depth", quantity="activation_square", **options)


def test_a_line_for_each_norm_against_the_layer():
    drawn = depth(results((NORMS,), read=read))
    (axes,) = drawn.axes
    assert lines(axes)["with batch norm"].get_xdata().tolist() == list(range(1, 9))
    np.testing.assert_allclose(y(axes, "without normalization"), 0.5 ** np.arange(1, 9))
    assert lines(axes)["without normalization"].is_dashed()
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "layer"
    assert notes(drawn) == ["before the first step; 1 seed"]
    assert words(drawn)[-1] == "activations: mean square"


def test_mean_and_interval_over_seeds():
    drawn = depth(results((NORMS,), seeds=(0, 1, 2), read=read), band="interval")
    np.testing.assert_allclose(y(drawn.axes[0], "with batch norm"), 2)
    high = drawn.axes[0].collections[0].get_paths()[0].vertices[:, 1].max()
    assert high == pytest.approx(log_ends(2, 4.3026527 / np.sqrt(3))[1])
    assert notes(drawn)[0].endswith("points: mean of 3 seeds, band: 95 % interval of the mean")


def test_another_step_and_some_layers():
    drawn = depth(results((NORMS,), read=read), step="last", layers=[2, 4])
    (axes,) = drawn.axes
    assert lines(axes)["with batch norm"].get_xdata().tolist() == [2, 3, 4]
    np.testing.assert_allclose(y(axes, "with batch norm"), 10)
    assert axes.get_yscale() == "linear"
    assert notes(drawn)[0] == "step 7; 1 seed"


def test_a_law_grows_from_the_first_drawn_layer_of_the_first_line():
    law = [{"label": "theory", "rate": 0.5}]
    drawn = depth(results((NORMS,), read=read), law=law, layers=[2, 5])
    line = lines(drawn.axes[0])["theory"]
    np.testing.assert_allclose(line.get_ydata(), [1, 0.5, 0.25, 0.125])
    assert (line.get_color(), line.is_dashed()) == ("0.00", True)
    assert legend(drawn)[-1] == "theory"


def test_a_law_can_start_from_another_line():
    law = [{"label": "theory", "rate": 0.5, "where": {NORM: "none"}}]
    drawn = depth(results((NORMS,), read=read), law=law)
    np.testing.assert_allclose(y(drawn.axes[0], "theory"), 0.5 ** np.arange(1, 9))


def test_a_law_that_goes_backwards_starts_at_the_last_layer():
    law = [{"label": "theory", "rate": 2.0}]
    drawn = depth(results((NORMS,), read=read), law=law, backwards=True, layers=[1, 3])
    np.testing.assert_allclose(y(drawn.axes[0], "theory"), [4, 2, 1])


def test_a_law_given_by_its_values():
    law = [{"label": "exact", "values": [3, 2, 1]}, {"label": "other", "rate": 1}]
    drawn = depth(results((NORMS,), read=read), law=law, layers=[1, 3])
    assert y(drawn.axes[0], "exact") == [3, 2, 1]
    dashes = {str(lines(drawn.axes[0])[name]._dash_pattern) for name in ("exact", "other")}
    assert len(dashes) == 2


def test_panels_of_an_axis():
    law = [{"label": "theory", "rate": 0.5, "where": {NORM: "none"}}]
    drawn = depth(results((INITS, NORMS), read=read), panel_axis=NORM, law=law)
    assert titles(drawn) == ["with batch norm", "without normalization"]
    assert legend(drawn) == ["He", "Xavier", "theory"]
    assert ["theory" in lines(axes) for axes in drawn.axes] == [False, True]


def test_a_line_without_a_finite_number_has_no_law():
    def lost(point, seed):
        return [(*start, NAN if point[0] == "batch" else v) for *start, v in read(point, seed)]

    drawn = depth(results((NORMS,), read=lost), law=[{"label": "theory", "rate": 0.5}])
    assert "theory" not in legend(drawn)
    assert notes(drawn)[-1] == "8 numbers not finite left out"


def test_zeros_are_told():
    def dead(point, seed):
        return [
            (0, layer, "activation_square", NAN, 100.0 * (3 - layer)) for layer in (1, 2, 3)
        ] + [(0, 4, "activation_square", NAN, 1.0)]

    drawn = depth(results((), read=dead))
    assert drawn.axes[0].get_yscale() == "log"
    assert notes(drawn)[-1] == "1 point at 0 or below not on the logarithmic axis"


def test_shares_stay_between_0_and_1():
    def dead(point, seed):
        return [(0, layer, "dead", NAN, float(seed)) for layer in (1, 2)]

    data = results((NORMS,), seeds=(0, 1), read=dead)
    drawn = figure(data, "depth", quantity="dead", band="interval")
    heights = drawn.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert 0 <= heights.min() < 1e-8
    assert 1 - 1e-8 < heights.max() <= 1


def test_no_network_at_all():
    law = [{"label": "theory", "rate": 0.5}]
    drawn = depth(without_rows(results((NORMS,), read=read)), law=law)
    assert words(drawn.axes[0]) == ["no data"]


def test_networks_of_other_depths_end_earlier():
    def shallow(point, seed):
        return [row for row in read(point, seed) if point[0] == "batch" or row[1] <= 3]

    axes = depth(results((NORMS,), read=shallow)).axes[0]
    assert [len(line.get_xdata()) for line in lines(axes).values()] == [8, 3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"law": [{"label": "a"}]},
            r"law\[0\]: no single law, .*, got neither",
        ),
        ({"law": [{"label": "a", "rate": 1, "values": [1]}]}, "either rate or values"),
        (
            {"law": [{"label": "a", "values": [1, 2]}]},
            r"law\[0\]\.values: .*8 values, got 2",
        ),
        (
            {"law": [{"label": "a", "rate": 1, "where": {NORM: "layer"}}]},
            r"law\[0\]\.where\.model\.norm: no value",
        ),
        ({"step": 3}, "step: no such reading, .* got 3; the nearest is 0"),
        (
            {"panel_axis": "model.init"},
            "panel_axis: not a swept key",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, expected):
    with pytest.raises(ConfigError, match=f"figure depth: .*{expected}"):
        depth(results((NORMS,), read=read), **options)
