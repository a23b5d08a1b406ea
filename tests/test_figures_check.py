"""Whether figures can be drawn, known before training; and the options of a figure."""

import subprocess
import sys

import pytest
from figure_results import NORM, W, results

from bnexp.config import load_config
from bnexp.config.figures import Panels, Scale, figure_options
from bnexp.errors import ConfigError
from bnexp.figures import check, draw
from bnexp.plan import make_plan
from bnexp.tables.results import Axis

HEAD = (
    "name: x",
    "data: {name: synthetic}",
    "model: {kind: mlp, hidden: [5], norm: batch, init: {kind: normal, std: 0.1}}",
    "train: {epochs: 1, batch_size: 10, optimizer: {kind: sgd, lr: 0.1}}",
    "sweep:",
)
SCALES = f"{W}: [1.0, 0.1]"
NORMS = f"{NORM}: [batch, none]"
SIZES = f"train.batch_size: {list(range(2, 15))}"


def plan(tmp_path, *sweep):
    path = tmp_path / "x.yaml"
    path.write_text("\n".join([*HEAD, *(f"  {line}" for line in sweep or ["zip: {}"])]))
    return make_plan(load_config(path))


def as_results(made):
    """Results of that plan, with made-up numbers."""
    axes = [Axis(axis.key, axis.labels) for axis in made.axes]
    points = [tuple(cell.point[axis.key] for axis in axes) for cell in made.cells]
    return results(axes, points=points)


REFUSED = [
    (Panels(kind="panels", axis="model.init.sdt"), [SCALES], "Did you mean model.init.std?"),
    (Scale(kind="scale", axis="model.norn"), [SCALES, NORMS], "Did you mean model.norm?"),
    (Scale(kind="scale", axis=NORM), [SCALES, NORMS], "the values of model.norm are not numbers"),
    (Scale(kind="scale"), [NORMS], "no swept key has only numbers"),
    (Scale(kind="scale"), [], "no swept key has only numbers"),
    (Panels(kind="panels", metric="test_loss"), [SCALES], "test_loss needs test images"),
    (Panels(kind="panels"), [f"{W}: {{linspace: [1, 2, 37]}}"], "has 37 values, and at most 36"),
    (Panels(kind="panels"), [SCALES, SIZES], "train.batch_size would make 13 lines"),
    (Scale(kind="scale"), [SCALES, SIZES], "train.batch_size would make 13 lines"),
]


@pytest.mark.parametrize(("options", "sweep", "expected"), REFUSED)
def test_check_refuses_what_draw_refuses_in_the_same_words(tmp_path, options, sweep, expected):
    made = plan(tmp_path, *sweep)
    refusal = check(options, made, has_test=False)
    assert expected in refusal
    with pytest.raises(ConfigError) as error:
        draw(options, as_results(made))
    assert str(error.value) == refusal


ZIPPED = ["zip:", f"  {SIZES}", f"  train.optimizer.lr: {[n / 100 for n in range(1, 14)]}"]


@pytest.mark.parametrize(
    ("options", "sweep"),
    [
        (Panels(kind="panels"), []),
        (Panels(kind="panels"), [SCALES, NORMS]),
        (Panels(kind="panels", axis=NORM), [SCALES, NORMS]),
        (Panels(kind="panels", axis="train.batch_size"), [SCALES, SIZES]),
        (Scale(kind="scale"), [NORMS, SCALES]),
        (Scale(kind="scale", axis="train.optimizer.lr"), [NORMS, *ZIPPED]),
    ],
)
def test_check_allows_what_draw_draws(tmp_path, options, sweep):
    made = plan(tmp_path, *sweep)
    assert check(options, made, has_test=False) is None
    assert draw(options, as_results(made)).axes


def test_a_test_metric_is_allowed_with_test_images(tmp_path):
    options = Panels(kind="panels", metric="test_accuracy")
    assert check(options, plan(tmp_path, SCALES), has_test=True) is None


def test_check_does_without_matplotlib():
    code = "import sys, bnexp.figures.checks; print('matplotlib' in sys.modules)"
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
        "figure.kind: unknown kind, expected one of panels, scale, curves, percentiles, "
        "histograms, heatmap, landscape, depth, got 'pannels'; "
        "did you mean 'panels'?"
    ]


def test_options_are_returned_as_their_kind():
    assert figure_options("scale", axis=W) == Scale(kind="scale", axis=W)
    assert figure_options("panels") == Panels(kind="panels")
