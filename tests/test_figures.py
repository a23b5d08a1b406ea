"""Whether figures can be drawn, known before training; their options; those by default."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from figure_results import NORM, W, legend, results, titles
from figure_results import NORMS as NORM_AXIS

from bnexp import run
from bnexp.config import load_config
from bnexp.config.figures import FIGURES, figure_options
from bnexp.errors import ConfigError
from bnexp.figures import default_figures, draw, drawable, planned_sweep, refusal
from bnexp.figures.kinds.panels import Panels
from bnexp.figures.kinds.scale import Scale
from bnexp.figures.recorded import Recorded, recorded_in
from bnexp.probes import Landscape
from bnexp.running import prepare, schedules_without_data
from bnexp.runs.tables import Axis
from bnexp.sweep import make_plan

HEAD = (
    "name: x",
    "data: {name: synthetic, test: 0}",
    "model: {kind: mlp, hidden: [5], norm: batch, init: {kind: normal, std: 0.1}}",
    "train: {epochs: 1, batch_size: 10, optimizer: {kind: sgd, lr: 0.1}}",
    "sweep:",
)
PROBES = """probes:
  read:
    - {kind: layers, quantities: [dead]}
    - {kind: histogram, of: preactivation}
    - {kind: percentiles, layer: 1}
    - landscape
    - covariate_shift
"""
SCALES = f"{W}: [1.0, 0.1]"
RATES = "train.optimizer.lr: [0.1, 0.2]"
NORMS = f"{NORM}: [batch, none]"
SIZES = f"train.batch_size: {list(range(2, 15))}"


def plan(tmp_path, *sweep, probes="", head=HEAD):
    path = tmp_path / "x.yaml"
    lines = [*head, *(f"  {line}" for line in sweep or ["zip: {}"])]
    path.write_text("\n".join([*lines, probes]))
    return make_plan(load_config(path))


def as_results(made, read=None):
    """Results of that plan, with made-up numbers."""
    axes = [Axis(axis.key, axis.labels) for axis in made.axes]
    points = [tuple(network.point[axis.key] for axis in axes) for network in made.networks]
    return results(axes, points=points, read=read)


of = figure_options

REFUSED = [
    (Panels(axis="model.init.sdt"), [SCALES], "did you mean 'model.init.std'?"),
    (Scale(axis="model.norn"), [SCALES, NORMS], "did you mean 'model.norm'?"),
    (
        Scale(axis=NORM),
        [SCALES, NORMS],
        "axis: no numbers, expected a swept key",
    ),
    (Scale(), [NORMS], "that has only numbers, got model.norm"),
    (Scale(), [], "that has only numbers, got none"),
    (
        Panels(metric="test_loss"),
        [SCALES],
        "metric: no test images, expected data.test",
    ),
    (
        Panels(),
        [f"{W}: {{linspace: [1, 2, 37]}}"],
        "at most 36, got 37 values of model",
    ),
    (Panels(), [SCALES, SIZES], "too many lines, expected at most 12, got 13 by train.batch_size"),
    (Scale(), [SCALES, SIZES], "too many lines, expected at most 12, got 13 by train.batch_size"),
    (
        of("curves"),
        [SCALES, SIZES],
        "at most 12, got 26 by model.init.std and train.b",
    ),
    (
        of("curves", metrics=["gap"]),
        [SCALES],
        "metrics[0]: no test images, expected",
    ),
    (
        of("curves", quantity="dead"),
        [SCALES],
        "quantity: not recorded, expected a probe",
    ),
    (
        of("curves", where={W: 0.3}),
        [SCALES],
        "where.model.init.std: no value of the axis, expected one of 1, 0.1, got 0.3",
    ),
    (of("curves", limits=[0, 1], log=True), [SCALES], "start above 0, got 0"),
    (of("percentiles"), [SCALES], "that reads percentile, got none"),
    (of("histograms"), [SCALES, SIZES], "too many rows, expected at most 16, got 26"),
    (of("heatmap"), [SCALES], "no two different keys for x and y, expected two that are swept"),
    (
        of("heatmap", value="best_test_loss"),
        [SCALES, NORMS],
        "value: no test images",
    ),
    (of("landscape", panel_axis="model.nrom"), [NORMS], "did you mean 'model.norm'?"),
    (
        of("depth", quantity="rank"),
        [SCALES],
        "that reads rank, got none",
    ),
    (
        of("depth", quantity="rank", law=[{"label": "x"}]),
        [],
        "that reads rank, got none",
    ),
]


@pytest.mark.parametrize(("options", "sweep", "expected"), REFUSED)
def test_check_refuses_what_draw_refuses_in_the_same_words(tmp_path, options, sweep, expected):
    made = plan(tmp_path, *sweep)
    refused = str(refusal(options, planned_sweep(made)))
    assert expected in refused
    with pytest.raises(ConfigError) as error:
        draw(options, as_results(made))
    assert str(error.value) == refused


ZIPPED = ["zip:", f"  {SIZES}", f"  train.optimizer.lr: {[n / 100 for n in range(1, 14)]}"]


@pytest.mark.parametrize(
    ("options", "sweep"),
    [
        (Panels(), []),
        (Panels(), [SCALES, NORMS]),
        (Panels(axis=NORM), [SCALES, NORMS]),
        (Panels(axis="train.batch_size"), [SCALES, SIZES]),
        (Scale(), [NORMS, SCALES]),
        (Scale(axis="train.optimizer.lr"), [NORMS, *ZIPPED]),
        (of("curves"), [SCALES, NORMS]),
        (of("curves", where={W: 1}), [SCALES, SIZES.replace("13, 14", "13")]),
        (of("curves", panel_axis="train.batch_size"), [SCALES, SIZES]),
        (of("heatmap"), [SCALES, NORMS]),
    ],
)
def test_check_allows_what_draw_draws(tmp_path, options, sweep):
    made = plan(tmp_path, *sweep)
    assert refusal(options, planned_sweep(made)) is None
    assert draw(options, as_results(made)).axes


PROBING = [
    (of("curves", quantity="shift_cosine"), None),
    (of("curves", quantity="dead", where={NORM: "none"}), None),
    (
        of("curves", quantity="daed"),
        "quantity: not recorded, expected one of dead, preactivation_d",
    ),
    (of("percentiles"), None),
    (
        of("histograms"),
        "did you mean 'preactivation_density'?; or add a probe",
    ),
    (of("histograms", quantity="preactivation_density"), None),
    (of("landscape"), None),
    (of("landscape", quantity="smoothness"), None),
    (of("depth", quantity="shift"), None),
    (
        of("depth", quantity="dead", law=[{"label": "x"}]),
        "law[0]: no single law, expected either",
    ),
]


@pytest.mark.parametrize(("options", "expected"), PROBING)
def test_quantities_are_known_before_training(tmp_path, options, expected):
    made = plan(tmp_path, SCALES, NORMS, probes=PROBES)
    refused = refusal(options, planned_sweep(made))
    assert refused is None if expected is None else expected in str(refused)


def test_what_probes_are_said_to_record_is_what_they_record(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("\n".join([*HEAD[:-1], PROBES]))
    shorter = {"data.train": 100, "train.epochs": 3, "model.hidden": [5, 4, 3]}
    config = load_config(path, shorter)
    prepared = prepare(config)
    planned = planned_sweep(prepared.plan, schedules_without_data(config, prepared.plan)).recorded
    recorded = recorded_in(run(config, out=None).results)
    assert recorded.quantities.keys() == planned.quantities.keys()
    for name, readings in recorded.quantities.items():
        (grid,) = planned.quantities[name]
        assert {part.steps for part in readings} == {tuple(grid.steps)} == {(10, 20, 30)}
        assert tuple(layer for part in readings for layer in part.layers) == grid.layers
        for part in readings:
            np.testing.assert_equal(part.places, grid.places)
    assert recorded.evaluations == planned.evaluations == 3


def test_probes_of_other_packages_are_not_refused(tmp_path, monkeypatch):
    """What they record is not known before they have done it, but for what they say."""
    monkeypatch.delattr(Landscape, "grids")
    made = planned_sweep(plan(tmp_path, SCALES, probes=PROBES))
    assert refusal(of("curves", quantity="smoothness", layer=99), made) is None
    assert "not recorded" in str(refusal(of("curves", quantity="anything"), made))
    monkeypatch.delattr(Landscape, "quantity_names")
    made = planned_sweep(plan(tmp_path, SCALES, probes=PROBES))
    assert refusal(of("curves", quantity="anything"), made) is None


def test_a_test_metric_is_allowed_with_test_images(tmp_path):
    options = Panels(metric="test_accuracy")
    made = plan(tmp_path, SCALES, head=(*HEAD[:1], "data: {name: synthetic, test: 5}", *HEAD[2:]))
    assert refusal(options, planned_sweep(made)) is None


@pytest.mark.slow
def test_check_does_without_matplotlib():
    code = "import sys, bnexp; bnexp.load_config('quickstart'); print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def message(kind, **options):
    with pytest.raises(ConfigError) as error:
        figure_options(kind, **options)
    return str(error.value).split("\n")


def test_all_wrong_options_of_a_figure_are_named():
    assert message("panels", axis=3, foo=1) == [
        "figure.axis: not a valid value, expected a text, got 3",
        "figure.foo: unknown key, expected one of kind, name, caption, band, axis, metric, "
        "got 'foo'",
    ]


def test_near_misses_are_suggested():
    (unknown,) = message("scale", accuraci="best")
    assert unknown.startswith(
        "figure.accuraci: unknown key, expected one of kind, name, caption, band, axis, accuracy"
    )
    assert unknown.endswith("did you mean 'accuracy'?")
    assert message("pannels") == [
        f"figure.kind: unknown kind, expected one of {', '.join(FIGURES)}, got 'pannels'; "
        "did you mean 'panels'?"
    ]


def test_options_are_returned_as_their_kind():
    assert figure_options("scale", axis=W) == Scale(axis=W)
    assert figure_options("panels") == Panels()


def test_the_panels_axis():
    scales = Axis(W, (1.0, 0.1))
    recorded = Recorded(tested=False, quantities=None)
    assert Panels().choose(results((NORM_AXIS, scales)), recorded).axis == scales
    assert Panels().choose(results((NORM_AXIS,)), recorded).axis == NORM_AXIS
    assert Panels().choose(results(()), recorded).axis is None
    with pytest.raises(ConfigError, match="a swept key, and none is swept"):
        Panels(axis="model.norm").choose(results(()), recorded)


def kinds(data):
    key = {"panels": "axis", "scale": "axis", "curves": "panel_axis"}
    figures = default_figures(data)
    return [(figure.kind, getattr(figure, key[figure.kind])) for figure in figures]


def test_default_figures():
    many = Axis(W, (1.0, 0.1, 0.01, 0.001, 0.0001))
    assert kinds(results((many, NORM_AXIS))) == [("panels", None), ("scale", None)]
    assert kinds(results((Axis(W, (1.0, 0.1)), NORM_AXIS))) == [("curves", None), ("scale", None)]
    assert kinds(results((NORM_AXIS,))) == [("curves", None)]
    assert kinds(results(())) == [("curves", None)]


def test_three_norms_are_three_lines_on_training_and_test_images():
    data = results((Axis(NORM, ("batch", "layer", "none")),), tested=True)
    (drawn,) = (draw(options, data) for options in default_figures(data))
    assert titles(drawn) == ["training accuracy", "test accuracy"]
    assert legend(drawn) == ["with batch norm", "with layer norm", "without normalization"]


def test_default_figures_are_such_as_can_be_drawn():
    data = results((Axis(W, tuple(range(1, 41))), Axis("train.batch_size", (5, 50))))
    assert kinds(data) == [("scale", None)]
    data = results((Axis("train.batch_size", (5, 50)), Axis("seed.kind", tuple("abcdefghijklm"))))
    assert kinds(data) == [("curves", "seed.kind")]
    for options in default_figures(data):
        assert len(draw(options, data).axes) == 13


def test_curves_without_an_axis_have_the_panels_that_a_run_chooses():
    data = results((Axis("train.batch_size", (5, 50)), Axis("seed.kind", tuple("abcdefghijklm"))))
    curves = figure_options("curves", metrics=["train_loss"])
    assert drawable(curves, data) == replace(curves, panel_axis="seed.kind")
    other = replace(curves, panel_axis="train.batch_size")  # named, so that it stays
    assert drawable(other, data) is other
    few = results((NORM_AXIS,))
    assert drawable(curves, few) is curves
