"""The curves figure: what lies on its axes."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from figure_results import (
    NAN,
    NORM,
    NORMS,
    W,
    crosses,
    figure,
    legend,
    lines,
    notes,
    results,
    titles,
    without_rows,
    words,
)

from bnexp.errors import ConfigError
from bnexp.figures.series import smoothed
from bnexp.metrics import METRICS, Metric
from bnexp.runs.tables import Axis

FEW = Axis(W, (1.0, 0.01))
SEED_NOTE = "line: mean of 3 seeds, thin: each seed"


def value(point, seed, epoch, metric):
    base = {"train_accuracy": 0.8, "test_accuracy": 0.7, "train_loss": 1.0, "test_loss": 2.0}
    return base[metric] - 0.1 * seed


def read(point, seed):
    """Layers 1 and 2 at steps 1, 11 and 21."""
    return [
        (step, layer, "gradient_norm", NAN, 100.0**-layer * (1 + seed))
        for step in (1, 11, 21)
        for layer in (1, 2)
    ]


def y(axes, name):
    return lines(axes)[name].get_ydata().tolist()


def labels(drawn):
    return [axes.get_ylabel() for axes in drawn.axes]


def test_all_combinations_in_one_panel():
    drawn = figure(results((FEW, NORMS), value=value), "curves")
    (axes,) = drawn.axes
    assert legend(drawn) == list(lines(axes))
    assert list(lines(axes))[:2] == ["W = 1, with batch norm", "W = 1, without normalization"]
    assert y(axes, "W = 1, with batch norm") == [0.8, 0.8, 0.8]
    dashed = [line.is_dashed() for line in lines(axes).values()]
    assert dashed == [False, True, False, True]
    assert words(drawn)[-1] == "accuracy"
    assert notes(drawn) == ["training accuracy; 1 seed"]


def test_test_accuracy_is_drawn_beside_if_there_is_one():
    drawn = figure(results((NORMS,), value=value, tested=True, seeds=range(3)), "curves")
    assert titles(drawn) == ["training accuracy", "test accuracy"]
    assert y(drawn.axes[1], "with batch norm") == pytest.approx([0.6] * 3)
    assert notes(drawn) == [SEED_NOTE]
    assert drawn.axes[0].get_ylim() == drawn.axes[1].get_ylim() == (-0.04, 1.04)


def test_accuracy_and_loss_have_numbers_of_their_own():
    drawn = figure(
        results((NORMS,), value=value), "curves", metrics=["train_accuracy", "train_loss"]
    )
    assert labels(drawn) == ["accuracy", "loss"]
    assert titles(drawn) == ["training accuracy", "training loss"]
    assert drawn.axes[1].yaxis.get_tick_params()["labelleft"] is True


def test_the_gap_is_training_minus_test_accuracy():
    data = results((NORMS,), value=value, tested=True)
    drawn = figure(data, "curves", metrics=["gap"])
    assert y(drawn.axes[0], "with batch norm") == pytest.approx([0.1] * 3)
    assert notes(drawn) == ["training minus test accuracy; 1 seed"]


def test_training_and_test_images_together_are_told_by_their_markers():
    data = results((NORMS,), value=value, tested=True)
    drawn = figure(data, "curves", together=True)
    (axes,) = drawn.axes
    own = [line for line in axes.lines if line.get_label() == "with batch norm"]
    assert [line.get_ydata()[0] for line in own] == [0.8, 0.7]
    assert [line.get_marker() for line in own] == ["o", "o"]
    assert [line.get_markerfacecolor() == line.get_color() for line in own] == [True, False]
    assert [line.is_dashed() for line in own] == [False, False]
    assert legend(drawn)[-2:] == ["training images", "test images"]


def test_without_norms_test_images_are_dashed():
    drawn = figure(results((), value=value, tested=True), "curves", together=True)
    assert [line.is_dashed() for line in drawn.axes[0].lines] == [False, True]
    assert legend(drawn) == ["training images", "test images"]


def test_a_panel_for_each_value_and_a_row_for_each_pair_of_metrics():
    drawn = figure(
        results((FEW, NORMS), value=value, tested=True),
        "curves",
        panel_axis=W,
        together=True,
        metrics=["train_loss", "test_loss", "train_accuracy", "test_accuracy"],
    )
    assert titles(drawn) == ["W = 1", "W = 0.01"] * 2
    assert labels(drawn) == ["loss", "", "accuracy", ""]
    heights = [axes.get_position().y0 for axes in drawn.axes]
    assert heights[0] == heights[1] > heights[2] == heights[3]


@pytest.mark.slow
def test_a_quantity_has_a_panel_for_each_layer():
    drawn = figure(results((NORMS,), seeds=range(3), read=read), "curves", quantity="gradient_norm")
    assert titles(drawn) == ["layer 1", "layer 2"]
    assert words(drawn)[-1].replace("\n", " ") == "norm of the weights' gradient"
    assert [axes.get_yscale() for axes in drawn.axes] == ["log", "log"]
    np.testing.assert_allclose(y(drawn.axes[1], "with batch norm"), 2e-4)
    assert [axes.get_xlabel() for axes in drawn.axes] == ["step", "step"]


def test_one_layer_of_a_quantity_against_the_epoch():
    data = results((NORMS,), read=read)
    drawn = figure(data, "curves", quantity="gradient_norm", layer=2, against="epoch")
    (axes,) = drawn.axes
    assert lines(axes)["with batch norm"].get_xdata().tolist() == [0, 1, 2]
    assert notes(drawn) == ["norm of the weights' gradient, layer 2; 1 seed"]
    assert axes.get_xlabel() == "epochs"


def test_epochs_of_readings_between_and_after_evaluations():
    def early(point, seed):
        return [(step, 0, "smoothness", NAN, 1.0) for step in (0, 6, 31)]

    axes = figure(results((), read=early), "curves", quantity="smoothness", against="epoch").axes[0]
    assert axes.lines[0].get_xdata().tolist() == [0, 0.5, 3]


def test_metrics_against_steps():
    axes = figure(results((NORMS,)), "curves", against="step").axes[0]
    assert lines(axes)["with batch norm"].get_xdata().tolist() == [1, 11, 21]


def test_smoothing_is_the_books():
    """common/util.py of Deep Learning from Scratch, written out as it is there."""
    x = np.random.default_rng(0).normal(size=40)
    s = np.r_[x[10:0:-1], x, x[-1:-11:-1]]
    w = np.kaiser(11, 2)
    expected = np.convolve(w / w.sum(), s, mode="valid")[5:-5]
    np.testing.assert_allclose(smoothed(x), expected)
    assert smoothed(x[:10]).tolist() == x[:10].tolist()


def test_smoothing_leaves_out_what_is_not_finite():
    x = np.r_[np.linspace(1, 2, 20), np.nan, np.inf]
    made = smoothed(x)
    assert np.isfinite(made[:20]).all()
    assert np.isnan(made[20])
    assert made[21] == np.inf


def test_smooth_curves_and_their_note():
    times = [(float(n), 10 * n + 1) for n in range(30)]
    data = results((), value=lambda p, s, epoch, m: epoch % 2, times=times)
    drawn = figure(data, "curves", metrics=["train_loss"], smooth=True)
    assert np.ptp(drawn.axes[0].lines[0].get_ydata()[5:-5]) < 0.1
    assert notes(drawn) == ["training loss; 1 seed; smoothed over 11 points"]


def test_limits_and_scale_as_asked():
    data = results((NORMS,), value=value)
    axes = figure(data, "curves", metrics=["train_loss"], limits=[0.5, 4], log=True).axes[0]
    assert axes.get_ylim() == (0.5, 4)
    assert axes.get_yscale() == "log"
    axes = figure(data, "curves", limits=[0.5, 1]).axes[0]
    assert axes.get_ylim() == (0.5, 1)


def test_limits_from_0_are_of_a_linear_axis_however_far_the_losses_are_apart():
    far = results((NORMS,), value=lambda point, seed, epoch, metric: 1e-3 if epoch else 9.0)
    (free,) = figure(far, "curves", metrics=["train_loss"]).axes
    (given,) = figure(far, "curves", metrics=["train_loss"], limits=[0, 2.5]).axes
    assert (free.get_yscale(), given.get_yscale()) == ("log", "linear")
    assert given.get_ylim() == (0, 2.5)


def test_divergence_is_marked_and_counted():
    data = results((NORMS,), diverged=lambda point, seed: 6 if point == ("none",) else -1)
    drawn = figure(data, "curves")
    assert len(crosses(drawn.axes[0])) == 1
    assert words(drawn.axes[0]) == ["diverged at step 6"]
    assert notes(drawn)[-1] == "1 of 2 networks diverged (x): accuracies kept"


def test_zeros_have_no_place_on_a_logarithmic_axis():
    def zero(point, seed):
        return [(step, 1, "rank", NAN, float(step)) for step in (0, 1, 100)]

    drawn = figure(results((), read=zero), "curves", quantity="rank")
    assert drawn.axes[0].get_yscale() == "log"
    assert drawn.axes[0].get_ylim()[0] > 0.1
    assert notes(drawn)[-1] == "1 point at 0 or below not on the logarithmic axis"


def test_an_accuracy_that_a_probe_read_has_the_axis_of_accuracies():
    """From 0 to 1, although the numbers are of several orders of magnitude."""

    def attacked(point, seed):
        return [
            (step, 0, "accuracy_fgsm", eps, share)
            for eps in (0.1, 0.3)
            for step, share in ((1, 0.0), (2, 0.001), (100, 0.9))
        ]

    drawn = figure(results((), read=attacked), "curves", quantity="accuracy_fgsm")
    assert titles(drawn) == ["strength 0.1", "strength 0.3"]
    for axes in drawn.axes[:2]:
        assert axes.get_yscale() == "linear"
        low, high = axes.get_ylim()
        assert low <= 0 < 1 <= high < 1.1
    assert words(drawn)[-1].split() == ["accuracy", "under", "attack", "(FGSM)"]


@pytest.mark.slow
def test_numbers_below_zero_get_a_linear_axis():
    def below(point, seed):
        return [(step, 1, "own_number", NAN, -float(step)) for step in (1, 100, 1000)]

    drawn = figure(results((), read=below, seeds=(0, 1)), "curves", quantity="own_number")
    assert drawn.axes[0].get_yscale() == "linear"
    low, high = drawn.axes[0].get_ylim()
    assert low < -1000 < -1 < high
    assert words(drawn)[-1] == "own number"


def test_no_network_at_all():
    for options in ({}, {"quantity": "gradient_norm"}):
        drawn = figure(without_rows(results((NORMS,), read=read)), "curves", **options)
        assert words(drawn.axes[0]) == ["no data"]


def test_failed_networks_leave_no_reading():
    data = results((NORMS,), read=read, failed=lambda point, seed: point == ("none",))
    drawn = figure(data, "curves", quantity="gradient_norm", layer=1)
    assert list(lines(drawn.axes[0])) == ["with batch norm"]
    assert notes(drawn)[-1] == "1 network missing"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"metrics": ["gap"]},
            r"metrics\[0\]: no test images, expected data\.test above 0 for gap, or train_accuracy",
        ),
        ({"together": True}, r"metrics\[1\]: no test images, .* for test_accuracy"),
        ({"quantity": "gradient_nrom"}, "quantity: not recorded.*did you mean 'gradient_norm'"),
        (
            {"quantity": "gradient_norm", "layer": 3},
            "layer: no such layer, .*one of 1, 2, got 3",
        ),
        (
            {"quantity": "gradient_norm", "at": 3},
            "at: no such place, expected no at, as gradient",
        ),
        (
            {"quantity": "gradient_norm", "metrics": ["train_loss"]},
            "metrics: beside quantity",
        ),
        ({"layer": 1}, "layer: without quantity, expected both or neither"),
        ({"limits": [0, 1], "log": True}, "logarithmic axis start above 0, got 0"),
        ({"panel_axis": NORM + "s"}, "panel_axis: not a swept key.*did you mean 'model.norm'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, expected):
    with pytest.raises(ConfigError, match=f"figure curves: .*{expected}"):
        figure(results((FEW, NORMS), read=read), "curves", **options)


def test_too_many_lines_and_panels_are_refused():
    many = Axis("train.batch_size", tuple(range(1, 14)))
    with pytest.raises(ConfigError, match=r"got 13 .*panel_axis, or restrict the figure by where"):
        figure(results((many,)), "curves")
    data = results((many,), tested=True)
    options = {"panel_axis": many.key, "metrics": ["train_loss", "test_loss", "gap"]}
    with pytest.raises(ConfigError, match="too many panels, expected at most 36, got 39"):
        figure(data, "curves", **options)


def test_twelve_lines_all_look_different():
    rates = Axis("train.optimizer.lr", tuple(range(1, 7)))
    drawn = figure(results((rates, NORMS)), "curves")
    looks = {(line.get_color(), line.is_dashed()) for line in lines(drawn.axes[0]).values()}
    assert len(looks) == 12


def with_metrics(data, **columns):
    """The data with more columns of metrics, each of one value."""
    number = len(data.metrics["seed"])
    more = {name: np.full(number, value) for name, value in columns.items()}
    return replace(data, metrics={**data.metrics, **more})


TWO = {"train_top2_accuracy": 0.9, "test_confidence": 0.4}


@pytest.mark.parametrize("axis", [None, W])
def test_each_panel_says_which_metric_it_has(axis):
    data = with_metrics(results((FEW, NORMS), tested=True), **TWO)
    drawn = figure(data, "curves", metrics=list(TWO), panel_axis=axis)
    shown = dict(zip(titles(drawn), labels(drawn), strict=True))
    if axis is None:  # side by side
        assert shown == {
            "training top-2 accuracy": "top-2 accuracy",
            "test confidence": "confidence",
        }
        assert all(axes.yaxis.get_tick_params()["labelleft"] for axes in drawn.axes)
    else:  # a row for each metric: the label of the first in the row is that of all
        assert labels(drawn) == ["top-2 accuracy", "", "confidence", ""]


@pytest.mark.parametrize("metric", TWO)
def test_only_accuracies_are_said_to_be_kept(metric):
    diverged = results((NORMS,), diverged=lambda point, seed: 6, tested=True)
    data = with_metrics(diverged, **TWO)
    drawn = figure(data, "curves", metrics=[metric])
    assert notes(drawn)[-1] == "2 of 2 networks diverged (x)"
    assert drawn.axes[0].get_ylim() == (-0.04, 1.04)
    drawn = figure(data, "curves", metrics=[metric, "train_accuracy", "test_loss"])
    assert notes(drawn)[-1].endswith("(x): accuracies kept, non-finite losses left out")


def test_metrics_without_limits_have_limits_of_their_own(monkeypatch):
    class Perplexity(Metric):
        """exp of the loss."""

        label, better, limits = "perplexity", "lower", (0.0, math.inf)

        def values(self, logits, labels):
            return logits

    class Margin(Perplexity):
        label, limits = "margin", (-math.inf, math.inf)

    monkeypatch.setattr(METRICS, "_entries", dict(METRICS))
    METRICS.register("perplexity", dataclass(frozen=True)(Perplexity))
    METRICS.register("margin", dataclass(frozen=True)(Margin))
    columns = {"train_perplexity": 5000.0, "train_margin": -2.0}
    drawn = figure(with_metrics(results(()), **columns), "curves", metrics=list(columns))
    assert labels(drawn) == ["perplexity", "margin"]
    (low, high), (least, most) = (axes.get_ylim() for axes in drawn.axes)
    assert low < 5000 < high
    assert least < -2 < most < 1000
    assert "off the axis" not in " ".join(notes(drawn))


def test_a_logarithmic_axis_of_losses_that_are_all_lost():
    data = results((NORMS,), value=lambda point, seed, epoch, metric: np.nan)
    axes = figure(data, "curves", metrics=["train_loss"], log=True).axes[0]
    assert axes.get_yscale() == "log"
    assert 0 < axes.get_ylim()[0] < axes.get_ylim()[1] <= 2
