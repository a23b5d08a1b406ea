"""Figures of numbers that no axis can show."""

from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from figure_results import EVERY, NORMS, W, crosses, everything, panels, results, without_rows

import bnexp
from bnexp.config.figures import figure_options
from bnexp.errors import ConfigError
from bnexp.figures import draw
from bnexp.figures.canvas import new_figure
from bnexp.figures.kinds.scale import Scale
from bnexp.figures.limits import accuracy_axis, free_limits, number_axis, whole_number_axis
from bnexp.figures.marks import CROSS_HEIGHT
from bnexp.running import prepare
from bnexp.runs.data import read_run
from bnexp.runs.stats import Band, band
from bnexp.runs.tables import Axis

FEW = Axis(W, (1.0, 0.01))
OF_LOSSES = [kind for kind in EVERY if "loss" in repr(kind) or kind.kind == "scale"]


def scale_limits(values):
    axes = draw(Scale(), results((Axis(W, values),))).axes[1]
    return axes.get_xscale(), *axes.get_xlim()


def exploding(to):
    return lambda point, seed, epoch, metric: to if point[0] == 1.0 and epoch else 2.3


@pytest.mark.parametrize("to", [1e5, 1e300, np.finfo(float).max])
def test_a_cross_above_the_axis_stands_at_its_top_edge(to):
    data = results((FEW, NORMS), value=exploding(to), diverged=lambda *_: 6)
    figure = panels(data, metric="train_loss")
    lost, kept = figure.axes
    for mark in crosses(lost):
        place = lost.transData.transform((mark.get_xdata()[0], mark.get_ydata()[0]))
        assert lost.transAxes.inverted().transform(place)[1] == pytest.approx(CROSS_HEIGHT)
    assert [mark.get_ydata() for mark in crosses(kept)] == [pytest.approx([2.3])] * 2


def test_a_cross_below_a_logarithmic_axis_stands_at_its_bottom_edge():
    def value(point, seed, epoch, metric):
        return 0.0 if point[0] == 1.0 else 10.0**-epoch

    data = results((FEW,), value=value, diverged=lambda point, seed: 6 if point[0] == 1.0 else -1)
    data.metrics["train_loss"][-1] = 1e-4
    axes = panels(data, metric="train_loss").axes[0]
    assert axes.get_yscale() == "log"
    assert crosses(axes)[0].get_ydata().tolist() == [axes.get_ylim()[0]]


def test_limits_leave_out_values_that_cannot_be_shown():
    assert scale_limits((1e308, 1e-320, 1.0, 0.1, 0.001)) == scale_limits((1.0, 0.1, 0.001))
    assert scale_limits((1e308, 3)) == scale_limits((3,)) == ("linear", 2.5, 3.5)
    assert scale_limits((1e308, -1e308)) == ("linear", -0.5, 0.5)


def test_limits_of_many_decades():
    kind, low, high = scale_limits((1e-200, 1.0, 1e200))
    assert (kind, np.log10(low), np.log10(high)) == ("log", pytest.approx(-216), pytest.approx(216))


def test_small_powers_of_ten_are_written_out():
    many = Axis(W, tuple(np.logspace(-30, -14, 17).tolist()))
    axes = draw(Scale(), results((many,))).axes[1]
    assert axes.xaxis.get_major_formatter()(1e-20) == "1e-20"


def test_the_mean_of_the_largest_numbers_is_finite():
    assert band(np.full((3, 1), 1e308)).mean == pytest.approx([6e307], rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_LOSSES, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("loss", [1e-320, 1e300, 1.7e308, np.inf])
@pytest.mark.parametrize(
    "scales", [(1e308, 1e-320), (1e250, 2.0, 1e-250), (-1e308, 1e308), (1e20, 1e249)]
)
def test_extreme_numbers_are_drawn_without_a_warning(kind, loss, scales):
    def value(point, seed, epoch, metric):
        return 0.5 if metric.endswith("accuracy") else loss if epoch > 1 else 2.3

    data = results(
        (Axis(W, scales), NORMS),
        (0, 1),
        value=value,
        diverged=lambda point, seed: 3 if seed else 7,
        read=everything(lambda step, layer: loss if step else -0.3 * layer),
    )
    figure = draw(kind, data)
    figure.savefig(BytesIO(), format="png", dpi=30)
    assert np.isfinite([(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes]).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("number", [0.0, np.nan, -np.inf, -1.7e308, 5e-324])
def test_readings_that_no_axis_shows(kind, number):
    data = results((FEW, NORMS), (0, 1), read=everything(lambda step, layer: number))
    figure = draw(kind, data)
    with np.errstate(invalid="ignore", over="ignore"):  # of matplotlib, with numbers of 1e308
        figure.savefig(BytesIO(), format="png", dpi=30)
    assert np.isfinite([(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes]).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.kind)
@pytest.mark.parametrize(
    "data",
    [
        results((FEW, NORMS), read=everything(), times=[(0.0, 1)]),
        results((FEW, NORMS), (0, 1), read=everything(), failed=lambda *_: True),
        results((FEW, NORMS), (0, 1, 2), read=everything(), failed=lambda point, seed: seed > 0),
        without_rows(results((FEW, NORMS), read=everything())),
    ],
    ids=["one time", "all failed", "some failed", "no network"],
)
def test_little_or_nothing_to_draw(kind, data):
    figure = draw(kind, data)
    figure.savefig(BytesIO(), format="png", dpi=30)
    assert np.isfinite([(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes]).all()


KINDS = (
    {"kind": "curves", "quantity": "weight_norm"},
    {"kind": "curves", "metrics": ["train_loss"]},
    {"kind": "depth", "quantity": "weight_norm"},
    {"kind": "histograms"},
    {"kind": "percentiles"},
    {"kind": "landscape", "quantity": "loss_along"},
    {"kind": "heatmap", "value": "final_train_loss"},
)
PROBED = """\
name: probed
data: {name: synthetic, train: 40}
model: {hidden: [3], init: {kind: normal, std: 0.1}}
train: {steps: 4, batch_size: 20, evaluate: [2, 4]}
sweep: {model.norm: [batch, none], model.init.std: [0.1, 0.2]}
probes:
  at: [0, 2]
  read: [layers, {kind: histogram}, {kind: percentiles, layer: 1}, landscape]
figures: []
"""


@pytest.fixture(scope="module")
def probed(run_of):
    return read_run(run_of(PROBED, "probed.yaml")[1])


@pytest.mark.slow
@pytest.mark.parametrize("ends", [(0, 1e12), (-1e100, 1e100), (0, 1e-90), (1, 1.000001)])
@pytest.mark.parametrize("options", KINDS, ids=lambda options: options["kind"])
def test_any_limits_that_are_accepted_have_few_ticks(options, ends, probed):
    chosen = figure_options(**options, limits=list(ends))
    if options["kind"] == "histograms" and ends[1] > 1.1:  # of shares
        with pytest.raises(ConfigError, match="beyond those of activation_density"):
            draw(chosen, probed.tables)
        return
    figure = draw(chosen, probed.tables)
    figure.canvas.draw()
    for axes in figure.axes:
        assert len(axes.get_yticks()) < 40


@pytest.mark.parametrize("ends", ["[0, 10000]", "[0, 1e12]", "[-1, 1]", "[2, 3]", "[-0.2, 1]"])
@pytest.mark.parametrize("figure", ["kind: curves", "kind: heatmap"])
def test_limits_beyond_an_accuracy_are_refused_with_their_place(figure, ends, tmp_path):
    path = tmp_path / "probed.yaml"
    path.write_text(PROBED.replace("figures: []", f"figures: [{{{figure}, limits: {ends}}}]"))
    with pytest.raises(ConfigError, match=r"probed\.yaml:9:\d+: figures\[0\]\.limits: beyond tho"):
        prepare(bnexp.load_config(path))


@pytest.mark.parametrize("ends", ["[-1e308, 1e308]", "[0, 1e101]", "[1, 1.0000000000000002]",
                                  "[0, 1e-320]", "[3, 2]", "[.inf, 3]"])  # fmt: skip
@pytest.mark.parametrize("figure", ["kind: curves", "kind: curves, quantity: weight_norm"])
def test_limits_that_cannot_be_drawn_are_refused(figure, ends, tmp_path):
    path = tmp_path / "probed.yaml"
    path.write_text(PROBED.replace("figures: []", f"figures: [{{{figure}, limits: {ends}}}]"))
    with pytest.raises(ConfigError, match=r"probed\.yaml:9:\d+: figures\[0\]\.limits"):
        bnexp.load_config(path)


@pytest.mark.parametrize(
    "bins",
    [
        "low: -1e308, high: 1e308",
        "high: 1e200",
        "low: 1, high: 1.00000001",
    ],
)
def test_bins_that_cannot_be_told_apart_are_refused(bins, tmp_path):
    path = tmp_path / "probed.yaml"
    path.write_text(PROBED.replace("{kind: histogram}", f"{{kind: histogram, {bins}}}"))
    with pytest.raises(ConfigError, match=r"probed\.yaml:8:\d+: .*bins cannot be told apart"):
        bnexp.load_config(path)


def test_an_accuracy_axis_has_a_bounded_number_of_ticks():
    axes = new_figure(4).add_subplot()
    accuracy_axis(axes, 0.2, (0, 10_000))
    assert len(axes.get_yticks()) < 12


@pytest.mark.parametrize(("lowest", "below"), [(0.0, True), (0.001, True), (0.05, False)])
def test_a_line_at_0_is_not_hidden_by_the_edge_of_its_panel(lowest, below):
    numbers = np.array([lowest, 0.5, 1.0])
    low, high = free_limits(Band(numbers, numbers, numbers), log=False)
    assert (low < -0.02) == below
    assert (low == 0) != below
    assert high > 1


@pytest.mark.parametrize("width", [3.0, 4.2, 6.3, 7.2])
@pytest.mark.parametrize("last", [40, 1000, 50_000])
def test_whole_numbers_at_ticks_do_not_touch(width, last):
    axes = new_figure(width).add_axes((0.3, 0.2, 0.3, 0.6))
    whole_number_axis(axes, np.array([0.0, last]), 10)
    assert_apart(axes)


@pytest.mark.parametrize("width", [3.0, 4.2, 6.3, 7.2])
@pytest.mark.parametrize(
    "values", [(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0), (1e-4, 1.0), (7,)]
)
def test_values_at_ticks_do_not_touch(width, values):
    axes = new_figure(width).add_axes((0.3, 0.2, 0.3, 0.6))
    number_axis(axes, values)
    assert_apart(axes)


def assert_apart(axes):
    axes.figure.canvas.draw()
    boxes = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text()]
    boxes = [box for box in boxes if axes.bbox.x0 <= (box.x0 + box.x1) / 2 <= axes.bbox.x1]
    assert boxes
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
