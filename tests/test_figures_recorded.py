"""What figures name is checked before training, with its place; what fails costs one figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import bnexp
from bnexp import running
from bnexp.cli.main import cli
from bnexp.errors import ConfigError
from bnexp.figures.kinds.depth import Depth
from bnexp.figures.kinds.heatmap import Heatmap
from bnexp.figures.recorded import planned_sweep, recorded_in
from bnexp.runs.data import read_finished_run

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
REFERENCES = sorted(path.parent.name for path in REFERENCE.glob("*/config.yaml"))
TEXT = """\
name: tiny
data: {name: synthetic, train: 40, test: 0}
model: {hidden: [6, 5, 4], activation: tanh, norm: batch, init: {kind: normal, std: 0.1}}
train: {epochs: 2, batch_size: 10}
probes:
  at: [0, 3, 8]
  read:
    - {kind: layers, quantities: [activation_std, gradient_norm, dead]}
    - {kind: histogram, bins: 3}
    - {kind: percentiles, layer: 2}
    - landscape
sweep: {model.norm: [batch, none], train.optimizer.lr: [0.1, 0.2]}
figures:
  - {%s}
"""
LAW = "kind: depth, quantity: gradient_norm, law: [%s{label: x, "


def experiment(config_file, options, *changes):
    """The experiment with this figure, whose mistake is marked by @, and with other changes."""
    text = TEXT % options.replace("@", "")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return bnexp.load_config(config_file(text))


def refusal(config_file, options, *changes):
    """What `prepare` says of the figure, which it says of the marked column: the key, the rest."""
    with pytest.raises(ConfigError) as error:
        running.prepare(experiment(config_file, options, *changes))
    pattern = r".*?\.yaml:14:(\d+): (\S+): (.*)"
    column, key, text = re.fullmatch(pattern, str(error.value)).groups()
    assert int(column) == (len("  - {") + 1 + options.index("@") if "@" in options else 5)
    return key, text


@pytest.mark.parametrize(
    ("options", "place", "text"),
    [
        (
            "kind: depth, quantity: dead, step: @7",
            "figures[0].step",
            "no such reading, expected one of 0, 3, 8, got 7; the nearest is 8",
        ),
        ("kind: histograms, step: @99", "figures[0].step", "no such reading, expected one of 0"),
        (
            "kind: depth, quantity: dead, layers: @[5, 1]",
            "figures[0].layers",
            "not in order, expected [first, last] layer, got [5, 1]",
        ),
        (
            "kind: depth, quantity: dead, layers: @[4, 9]",
            "figures[0].layers",
            "no such layer, expected one of 1, 2, 3, got [4, 9]",
        ),
        ("kind: histograms, layers: @[2, 1]", "figures[0].layers", "not in order, expected"),
        (
            "kind: curves, quantity: gradient_norm, layer: [4, @99]",
            "figures[0].layer[1]",
            "no such layer, expected one of 1, 2, 3, 4, got 99",
        ),
        ("kind: percentiles, layer: @99", "figures[0].layer", "no such layer, expected 2, got"),
        ("kind: percentiles, at: [15, @16]", "figures[0].at[1]", "no such place, expected one"),
        ("kind: landscape, layer: @1", "figures[0].layer", "no such layer, expected 0, got 1"),
        (
            "kind: curves, quantity: dead, at: @1",
            "figures[0].at",
            "no such place, expected no at, as dead is one number, got 1",
        ),
        (
            "kind: curves, quantity: activation_density, layer: 1, at: @1",
            "figures[0].at",
            "no such place, expected one of 0, 0.333, 0.667, got 1",
        ),
        (
            LAW % "" + "values: @[1, 2, 3]}]",
            "figures[0].law[0].values",
            "not one value for each layer that is drawn, expected 4 values, got 3",
        ),
        (
            LAW % "" + "values: @[1, 2]}], layers: [2, 4]",
            "figures[0].law[0].values",
            "not one value for each layer that is drawn, expected 3 values, got 2",
        ),
        (
            LAW % "@" + "rate: 1, values: [1]}]",
            "figures[0].law[0]",
            "no single law, expected either",
        ),
        (
            LAW % "" + "rate: 2, where: {model.norm: @layer}}]",
            "figures[0].law[0].where.model.norm",
            "no value of the axis, expected one of batch, none",
        ),
        (
            "kind: depth, quantity: @activation_density",
            "figures[0].quantity",
            "several numbers for each layer, expected one, got 3 places; draw kind: histograms",
        ),
        ("kind: histograms, quantity: @dead", "figures[0].quantity", "no bins, expected"),
        (
            "kind: depth, quantity: dead, limits: @[2, 3]",
            "figures[0].limits",
            "beyond those of dead, expected some within [0, 1], got [2, 3]",
        ),
        ("kind: heatmap, x: @model.init", "figures[0].x", "not a swept key, expected one of"),
        ("kind: heatmap, y: @model", "figures[0].y", "not a swept key, expected one of"),
        ("kind: scale, axis: @model.norm", "figures[0].axis", "no numbers, expected"),
        ("kind: panels, axis: @model", "figures[0].axis", "not a swept key, expected one of"),
        ("kind: panels, metric: @test_loss", "figures[0].metric", "no test images, expected"),
        ("kind: curves, metrics: [@gap]", "figures[0].metrics[0]", "no test images, expected"),
        ("kind: curves, best: @3", "figures[0].best", "without panel_axis, expected both or"),
        ("kind: curves, layer: @3", "figures[0].layer", "without quantity, expected both or"),
        (
            "kind: curves, quantity: dead, together: @true",
            "figures[0].together",
            "beside quantity, expected one of them, got both",
        ),
        (
            "kind: curves, log: true, limits: @[0, 1]",
            "figures[0].limits",
            "limits of a logarithmic axis start above 0, got 0",
        ),
        (
            "kind: curves, quantity: activation_density, panel_axis: train.optimizer.lr, layer: @9",
            "figures[0].layer",
            "no such layer, expected one of 1, 2, 3, got 9",
        ),
    ],
)
def test_an_option_is_refused_with_its_place_and_what_there_is(config_file, options, place, text):
    assert refusal(config_file, options)[0] == place
    assert refusal(config_file, options)[1].startswith(text)


def test_epochs_need_two_evaluations(config_file):
    options = "kind: curves, quantity: dead, against: @epoch"
    running.prepare(experiment(config_file, options))
    once = ("epochs: 2", "evaluate: [8], epochs: 2")
    place, text = refusal(config_file, options, once)
    assert place == "figures[0].against"
    assert text.startswith("epochs of unknown length, expected networks that are scored twice")


def test_what_is_read_is_that_of_the_networks_in_where(config_file):
    depths = ("train.optimizer.lr: [0.1, 0.2]", "model.hidden: [[3], [6, 5, 4]]")
    probe = ("    - {kind: percentiles, layer: 2}\n    - landscape\n", "    - landscape\n\n")
    options = "kind: curves, quantity: gradient_norm, layer: @4"
    running.prepare(experiment(config_file, options, depths, probe))
    options += ", where: {model.hidden: '[3]'}"
    place, text = refusal(config_file, options, depths, probe)
    assert place == "figures[0].layer"
    assert text == "no such layer, expected one of 1, 2, got 4"


def test_panels_lines_and_layers_are_counted_before_training(config_file):
    options = "kind: curves, quantity: activation_density, panel_axis: train.optimizer.lr"
    rates = ("[0.1, 0.2]", "{linspace: [0.1, 0.3, 13]}")
    place, text = refusal(config_file, options, rates)
    assert place == "figures[0]"
    assert text.startswith("too many panels, expected at most 36, got 117; ")

    percentiles = ("layer: 2}", "layer: 1, percentiles: [1, 2, 3, 4, 5, 6, 7, 8]}")
    place, text = refusal(config_file, "kind: percentiles", percentiles)
    assert place == "figures[0]"
    assert text.startswith("too many lines, expected at most 7 places, got 8")

    deep = ("[6, 5, 4]", str([3] * 13))
    place, text = refusal(config_file, "kind: histograms", deep)
    assert place == "figures[0].layers"
    assert text.startswith("too many layers, expected at most 12, got 13")


FIGURES = """\
kind: panels}
  - {kind: depth, quantity: dead}
  - {kind: heatmap"""


@pytest.fixture
def broken(monkeypatch):
    """A kind that fails in drawing, by our error and by a mistake of the program."""

    def refuse(self, data):
        raise self.error("no ink, expected some", "quantity")

    def divide(self, data):
        return 1 / 0

    monkeypatch.setattr(Depth, "draw", refuse)
    monkeypatch.setattr(Heatmap, "draw", divide)


NOT_DRAWN = (
    "not drawn: figure depth: quantity: no ink, expected some\n"
    "not drawn: figure heatmap: ZeroDivisionError: division by zero; BNEXP_DEBUG=1\n"
    "  shows where\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
@pytest.mark.usefixtures("broken")
def test_what_cannot_be_drawn_costs_only_its_figure(config_file, tmp_path, quiet):
    claim = "claims: [{says: it trains, measure: final_train_loss, at_most: 9}]\n"
    path, out = config_file(TEXT % FIGURES + claim), tmp_path / "out"
    done = CliRunner().invoke(cli, ["run", str(path), "--out", str(out), "-j", "1", *quiet])
    assert done.exit_code == 1
    assert done.stderr.endswith(NOT_DRAWN)
    files = ["cells", "claims.json", "config.yaml", "figures", "manifest.json", "metrics.csv"]
    files = [*files, "probes.csv", "summary.csv"]
    assert sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) == files
    assert sorted(p.name for p in (out / "figures").iterdir()) == ["panels.png", "panels.svg"]
    assert ("it trains" in done.stdout) == (not quiet)

    done = CliRunner().invoke(cli, ["plot", str(out)])
    assert (done.exit_code, done.stderr) == (1, NOT_DRAWN)
    assert done.stdout == f"{out}/figures/panels.png\n{out}/figures/panels.svg\n"

    done = CliRunner().invoke(cli, ["report", str(out)])
    assert done.exit_code == 0
    page = (out / "report.html").read_text()
    assert page.count("<figure ") == 1
    notes = re.findall("not drawn: (.*?)<", page)
    assert notes[0] == "figure depth: quantity: no ink, expected some"
    assert notes[1].startswith("figure heatmap: ZeroDivisionError: division by zero")
    assert page.index("<figure ") < page.index(notes[0]) < page.index(notes[1])
    done = CliRunner().invoke(cli, ["report", str(out), str(out)])
    assert (out / "report-out.html").read_text().count("not drawn: figure depth") == 2


@pytest.mark.usefixtures("broken")
def test_python_has_the_reasons_and_raises_for_one_figure(config_file, tmp_path):
    result = bnexp.run(bnexp.load_config(config_file(TEXT % FIGURES)), tmp_path / "out")
    assert len(result.undrawn) == 2
    assert result.undrawn[0] == "figure depth: quantity: no ink, expected some"
    with pytest.raises(ConfigError, match=r"^figure depth: quantity: no ink"):
        result.figure("depth", quantity="dead")
    assert len(result.figure("panels").axes) == 2


def layers_with_steps_and_places(recorded, names):
    """By quantity and layer, after which steps and at which places it is read."""
    grids = {}
    for name in names:
        for part in recorded.quantities[name]:
            for layer in part.layers:
                steps, places = grids.setdefault((name, layer), (set(), set()))
                steps.update(part.steps)
                places.update(map(str, map(float, part.places)))
    return grids


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_recorded_what_its_plan_says(name):
    run = read_finished_run(REFERENCE / name)
    schedules = running.schedules_without_data(run.config, run.plan)
    planned, recorded = planned_sweep(run.plan, schedules).recorded, recorded_in(run.tables)
    assert planned.quantities.keys() == recorded.quantities.keys()
    known = [  # of images, such as filters, a plan knows the steps alone
        name
        for name, parts in planned.quantities.items()
        if all(part.layers and part.places for part in parts)
    ]
    assert known or planned.quantities.keys() <= {"filter", "confusion", "mistake"}
    first, second = (layers_with_steps_and_places(r, known) for r in (planned, recorded))
    assert first == second
    assert planned.tested == recorded.tested
    assert planned.evaluations == recorded.evaluations
    assert planned.metrics == recorded.metrics
