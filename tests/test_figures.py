"""Whether figures can be drawn, known before training; their options; those by default."""

import subprocess
import sys

import pytest
from figure_results import NORM, W, results
from figure_results import NORMS as NORM_AXIS

from bnexp import run
from bnexp.config import load_config
from bnexp.config.figures import FIGURES, figure_options
from bnexp.errors import ConfigError
from bnexp.figures import default_figures, draw, planned_refusal
from bnexp.figures.kinds.panels import Panels
from bnexp.figures.kinds.scale import Scale
from bnexp.figures.series import Recorded, planned_records
from bnexp.probes import Landscape
from bnexp.runs.tables import Axis
from bnexp.sweep import make_plan

HEAD = (
    "name: x",
    "data: {name: synthetic}",
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


def plan(tmp_path, *sweep, probes=""):
    path = tmp_path / "x.yaml"
    lines = [*HEAD, *(f"  {line}" for line in sweep or ["zip: {}"])]
    path.write_text("\n".join([*lines, probes]))
    return make_plan(load_config(path))


def as_results(made, read=None):
    """Results of that plan, with made-up numbers."""
    axes = [Axis(axis.key, axis.labels) for axis in made.axes]
    points = [tuple(network.point[axis.key] for axis in axes) for network in made.networks]
    return results(axes, points=points, read=read)


of = figure_options

REFUSED = [
    (Panels(axis="model.init.sdt"), [SCALES], "Did you mean model.init.std?"),
    (Scale(axis="model.norn"), [SCALES, NORMS], "Did you mean model.norm?"),
    (Scale(axis=NORM), [SCALES, NORMS], "the values of model.norm are not numbers"),
    (Scale(), [NORMS], "no swept key has only numbers"),
    (Scale(), [], "no swept key has only numbers"),
    (Panels(metric="test_loss"), [SCALES], "test_loss needs test images"),
    (Panels(), [f"{W}: {{linspace: [1, 2, 37]}}"], "has 37 values, and at most 36"),
    (Panels(), [SCALES, SIZES], "train.batch_size would make 13 lines"),
    (Scale(), [SCALES, SIZES], "train.batch_size would make 13 lines"),
    (of("curves"), [SCALES, SIZES], "would make 26 lines, and at most 12"),
    (of("curves", metrics=["gap"]), [SCALES], "metrics gap needs test images"),
    (of("curves", quantity="dead"), [SCALES], "dead is not recorded. Recorded: none. Add a probe"),
    (
        of("curves", where={W: 0.3}),
        [SCALES],
        "where.model.init.std: no value of the axis, expected one of 1, 0.1, got 0.3",
    ),
    (of("curves", limits=[0, 1], log=True), [SCALES], "start above 0, got 0"),
    (of("percentiles"), [SCALES], "quantity percentile is not recorded"),
    (of("histograms"), [SCALES, SIZES], "would make 26 rows, and at most 16"),
    (of("heatmap"), [SCALES], "two different swept keys are needed"),
    (of("heatmap", value="best_test_loss"), [SCALES, NORMS], "best_test_loss needs test images"),
    (of("landscape", panel_axis="model.nrom"), [NORMS], "Did you mean model.norm?"),
    (of("depth", quantity="rank"), [SCALES], "quantity rank is not recorded"),
    (of("depth", quantity="rank", law=[{"label": "x"}]), [], "quantity rank is not recorded"),
]


@pytest.mark.parametrize(("options", "sweep", "expected"), REFUSED)
def test_check_refuses_what_draw_refuses_in_the_same_words(tmp_path, options, sweep, expected):
    made = plan(tmp_path, *sweep)
    refusal = str(planned_refusal(options, made, has_test=False))
    assert expected in refusal
    with pytest.raises(ConfigError) as error:
        draw(options, as_results(made))
    assert str(error.value) == refusal


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
    assert planned_refusal(options, made, has_test=False) is None
    assert draw(options, as_results(made)).axes


PROBING = [
    (of("curves", quantity="shift_cosine"), None),
    (of("curves", quantity="dead", where={NORM: "none"}), None),
    (of("curves", quantity="daed"), "Did you mean dead?"),
    (of("percentiles"), None),
    (of("histograms"), "Recorded: dead, preactivation_density, percentile, loss_along, relative"),
    (of("histograms", quantity="preactivation_density"), None),
    (of("landscape"), None),
    (of("landscape", quantity="smoothness"), None),
    (of("depth", quantity="shift"), None),
    (of("depth", quantity="dead", law=[{"label": "x"}]), "either rate or values is needed"),
]


@pytest.mark.parametrize(("options", "expected"), PROBING)
def test_quantities_are_known_before_training(tmp_path, options, expected):
    made = plan(tmp_path, SCALES, NORMS, probes=PROBES)
    refusal = planned_refusal(options, made, has_test=False)
    assert refusal is None if expected is None else expected in str(refusal)


def test_what_probes_are_said_to_record_is_what_they_record(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("\n".join([*HEAD[:-1], PROBES]))
    config = load_config(path)
    read = run(config, out=None).results.probes["quantity"]
    assert planned_records(make_plan(config), False).quantities == tuple(dict.fromkeys(read))


def test_probes_of_other_packages_are_not_refused(tmp_path, monkeypatch):
    monkeypatch.delattr(Landscape, "quantity_names")
    made = plan(tmp_path, SCALES, probes=PROBES)
    assert planned_refusal(of("curves", quantity="anything"), made, has_test=False) is None


def test_a_test_metric_is_allowed_with_test_images(tmp_path):
    options = Panels(metric="test_accuracy")
    assert planned_refusal(options, plan(tmp_path, SCALES), has_test=True) is None


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
        "figure.foo: unknown key, expected one of kind, axis, metric, got 'foo'",
    ]


def test_near_misses_are_suggested():
    (unknown,) = message("scale", accuraci="best")
    assert unknown.startswith("figure.accuraci: unknown key, expected one of kind, axis, accuracy")
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
    with pytest.raises(ConfigError, match=r"Swept: none"):
        Panels(axis="model.norm").choose(results(()), recorded)


def kinds(data):
    return [(figure.kind, figure.axis) for figure in default_figures(data)]


def test_default_figures():
    assert kinds(results((Axis(W, (1.0, 0.1)), NORM_AXIS))) == [("panels", None), ("scale", None)]
    assert kinds(results((NORM_AXIS,))) == [("panels", None)]
    assert kinds(results(())) == [("panels", None)]


def test_default_figures_are_such_as_can_be_drawn():
    data = results((Axis(W, tuple(range(1, 41))), Axis("train.batch_size", (5, 50))))
    assert kinds(data) == [("scale", None)]
    data = results((Axis("train.batch_size", (5, 50)), Axis("seed.kind", tuple("abcdefghijklm"))))
    assert kinds(data) == [("panels", "seed.kind")]
    for options in default_figures(data):
        assert len(draw(options, data).axes) == 13
