"""The landscape figure: what lies on its axes."""

import numpy as np
import pytest
from figure_results import (
    NAN,
    NORMS,
    W,
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

RATES = Axis("train.optimizer.lr", (0.1, 0.5))
STEPS = (0, 10, 20)


def read(point, seed):
    """The loss along the gradient spreads by the step's factor, without batch norm four times."""
    spread = 0.1 if "batch" in point else 0.4
    along = [(t, 0, "loss_along", at, 1 + spread * at + seed) for t in STEPS for at in (1.0, 4.0)]
    return along + [(t, 0, "smoothness", NAN, 2.0 + seed) for t in STEPS]


def band(axes, number=0):
    """Smallest and largest height of a filled band."""
    heights = axes.collections[number].get_paths()[0].vertices[:, 1]
    return heights.min(), heights.max()


def test_a_panel_for_each_rate_and_a_band_for_each_norm():
    drawn = figure(results((RATES, NORMS), read=read), "landscape")
    assert titles(drawn) == ["learning rate 0.1", "learning rate 0.5"]
    assert legend(drawn) == ["with batch norm", "without normalization"]
    np.testing.assert_allclose(band(drawn.axes[0], 0), (1.1, 1.4))
    np.testing.assert_allclose(band(drawn.axes[1], 1), (1.4, 2.6))
    assert words(drawn)[-1].replace("\n", " ") == "loss (nats) along the gradient"
    assert notes(drawn) == ["band: from the smallest to the largest of 2 step sizes; 1 seed"]
    assert drawn.axes[0].get_ylim() == drawn.axes[1].get_ylim()


def test_edges_are_dashed_without_norm():
    axes = figure(results((RATES, NORMS), read=read), "landscape").axes[0]
    ends = sorted((line.is_dashed(), line.get_ydata()[0]) for line in axes.lines)
    assert [is_dashed for is_dashed, _ in ends] == [False, False, True, True]
    np.testing.assert_allclose([end for _, end in ends], [1.1, 1.4, 1.4, 2.6])
    np.testing.assert_allclose(lines(axes)["without normalization"].get_ydata(), 2.6)


def test_over_seeds_the_ends_are_means():
    drawn = figure(results((NORMS,), seeds=(0, 1, 2), read=read), "landscape")
    np.testing.assert_allclose(band(drawn.axes[0]), (2.1, 2.4))
    assert notes(drawn)[0].endswith("2 step sizes; mean of each over 3 seeds")


def test_one_number_a_step_is_a_line_with_its_interval():
    data = results((NORMS,), seeds=(0, 1, 2), read=read)
    drawn = figure(data, "landscape", quantity="smoothness", band="interval")
    axes = drawn.axes[0]
    np.testing.assert_allclose(lines(axes)["with batch norm"].get_ydata(), 3)
    np.testing.assert_allclose(band(axes), log_ends(3, 4.3026527 / np.sqrt(3)), rtol=1e-6)
    assert notes(drawn) == ["line: mean of 3 seeds, band: 95 % interval of the mean"]


def test_the_panels_axis_can_be_named():
    data = results((RATES, Axis(W, (1.0, 0.1)), NORMS), read=read)
    drawn = figure(data, "landscape", panel_axis=W)
    assert titles(drawn) == ["W = 1", "W = 0.1"]
    assert len(legend(drawn)) == 4


def test_only_norms_share_one_panel():
    assert titles(figure(results((NORMS,), read=read), "landscape")) == [""]


def test_numbers_that_are_not_finite_are_left_out_and_counted():
    def exploding(point, seed):
        own = read(point, seed)
        return own + [(t, 0, "loss_along", 9.0, np.inf if t else 1e300) for t in STEPS]

    drawn = figure(results((NORMS,), read=exploding), "landscape")
    assert np.isfinite(drawn.axes[0].get_ylim()).all()
    assert notes(drawn)[-1] == "4 numbers not finite left out"
    np.testing.assert_allclose(lines(drawn.axes[0])["with batch norm"].get_ydata()[1:], 1.4)


def test_numbers_far_apart_get_a_logarithmic_axis():
    def far(point, seed):
        return [(t, 0, "loss_along", at, 10.0**-t) for t in (0, 1, 2) for at in (1.0, 2.0)]

    data = results((NORMS,), read=far)
    assert figure(data, "landscape").axes[0].get_yscale() == "log"
    assert figure(data, "landscape", log=False).axes[0].get_yscale() == "linear"
    limits = figure(data, "landscape", limits=[1e-3, 3]).axes[0].get_ylim()
    assert limits == (1e-3, 3)


def test_no_network_at_all():
    drawn = figure(without_rows(results((RATES, NORMS), read=read)), "landscape")
    assert [words(axes) for axes in drawn.axes] == [["no data"]] * 2


def test_one_step_is_a_bar():
    def once(point, seed):
        return [(5, 0, "loss_along", at, at) for at in (1.0, 2.0)]

    axes = figure(results((), read=once), "landscape").axes[0]
    assert axes.collections[0].get_segments()[0].tolist() == [[5, 1], [5, 2]]


def test_a_quantity_that_was_not_recorded_is_refused():
    with pytest.raises(
        ConfigError,
        match="expected one of loss_along, smoothness, got 'loss_range'",
    ):
        figure(results((NORMS,), read=read), "landscape", quantity="loss_range")
