"""Swept values are told apart, and none looks like another number, wherever they are shown."""

from __future__ import annotations

import html
import re
import shutil

import pytest
from click.testing import CliRunner
from figure_results import figure, legend, results, titles
from matplotlib.text import Text

import bnexp
from bnexp.cli.main import cli
from bnexp.comparison import compare
from bnexp.comparison.text import compare_lines, verify_lines
from bnexp.comparison.verification import Verification, Verified
from bnexp.execution.task import Record
from bnexp.figures.limits import tick_text
from bnexp.progress import RunStatus
from bnexp.report import write_report
from bnexp.runs.tables import Axis
from bnexp.runs.where import WhereError, select_values
from bnexp.summary import overview, overview_lines

DECAY, RATE = "model.norm.stat_decay", "train.optimizer.lr"
DECAYS = ("0.9", "0.99", "0.9999")  # the last is 1.000 to three digits
RATES = ("0.123451", "0.123452")  # equal to five
EXPERIMENT = f"""\
name: near
data: {{name: synthetic, train: 60}}
model: {{hidden: [6], norm: batch}}
train: {{epochs: 1, batch_size: 20}}
sweep:
  {DECAY}: [{", ".join(DECAYS)}]
  {RATE}: [{", ".join(RATES)}]
figures: [{{kind: panels, axis: {DECAY}}}, {{kind: heatmap}}, {{kind: scale, axis: {RATE}}}]
claims:
  - {{says: a, measure: final_train_accuracy, where: {{{DECAY}: 0.9999}}, at_least: 0.01}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("near")
    (folder / "near.yaml").write_text(EXPERIMENT)
    return bnexp.run(bnexp.load_config(folder / "near.yaml"), folder / "out")


def numbers_of(text, key):
    """The numbers that follow `key = `."""
    return set(re.findall(rf"{re.escape(key)} = ([0-9.e-]+[0-9])", text))


def test_the_terminal(run):
    path = str(run.directory / "config.yaml")
    check = CliRunner().invoke(cli, ["check", path]).output
    assert f"{DECAY}: 3 values: {', '.join(DECAYS)}\n" in check
    assert f"{RATE}: 2 values: {', '.join(RATES)}\n" in check
    shown = "\n".join(overview_lines(overview(run.results)))
    assert all(re.search(rf"(^|\s|,){re.escape(text)}(\s|,|$)", shown) for text in DECAYS + RATES)


def test_the_best_network_is_named(run):
    points = {"a": {RATE: 0.123451}, "b": {RATE: 0.123452}}
    status = RunStatus(points, 2)
    scores = {"train_accuracy": (0.5,)}
    status.add([Record("b", "", "ok", None, (1,), (1,), scores, 0.0)])
    assert status.results() == "best train 0.500 (0.123452)"


def test_a_notebook(run):
    listed = " ".join(repr(run.summary).split())
    assert f"{DECAY} 0.9, 0.9, 0.99, 0.99, 0.9999, ..." in listed
    assert f"{RATE} 0.123451, 0.123452" in listed
    page = run.summary._repr_html_()
    assert all(f">{text}</td>" in page for text in ("0.9999", "0.123452"))


@pytest.mark.slow
def test_claims_and_reports(run, tmp_path):
    (verdict,) = run.claims
    assert numbers_of(verdict.reason, DECAY) == {"0.9999"}
    assert numbers_of(verdict.reason, RATE) <= set(RATES)
    page = html.unescape(write_report(run.directory, out=tmp_path / "page.html").read_text())
    assert numbers_of(page, DECAY) == {"0.9999"}
    assert numbers_of(page, RATE) == set(RATES)
    assert {f">{text}</td>" in page for text in DECAYS + RATES} == {True}


def test_messages_about_where(run):
    for where, expected in (
        ({DECAY: 5}, "expected one of 0.9, 0.99, 0.9999, got 5"),
        ({RATE: 0.5}, "expected one of 0.123451, 0.123452, got 0.5"),
        ({DECAY: {"at_least": 1.99990001}}, "got at_least 1.99990001"),
        ({RATE: {"at_least": 0.20000002, "at_most": 0.20000001}}, "got 0.20000002 and 0.20000001"),
    ):
        with pytest.raises(WhereError, match=re.escape(expected)):
            select_values(where, run.results.axes)


@pytest.mark.slow
def test_comparison(run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run.directory, other)
    text = (other / "config.yaml").read_text().replace("0.123452", "0.123453")
    (other / "config.yaml").write_text(text)
    shutil.rmtree(other / "cells")
    bnexp.run(bnexp.load_config(other / "config.yaml"), other)
    shown = " ".join(" ".join(compare_lines(compare(run.directory, other))).split())
    assert numbers_of(shown, RATE) == {"0.123452", "0.123453"}
    assert numbers_of(shown, DECAY) == set(DECAYS)


def test_verification():
    networks = [Verified("a", {RATE: float(rate)}, 0, "different", None, "x") for rate in RATES]
    lines = verify_lines(Verification("d", 0.0, tuple(networks), 0, (), (), False))
    assert {rate for line in lines for rate in RATES if f" {rate}, 0 " in line} == set(RATES)


def test_figures():
    axes = Axis(DECAY, tuple(map(float, DECAYS))), Axis(RATE, tuple(map(float, RATES)))
    data = results(axes, value=lambda point, seed, epoch, metric: point[0])
    panels = figure(data, "panels", axis=DECAY)
    assert titles(panels) == [f"decay of running averages {text}" for text in DECAYS]
    assert legend(panels) == [f"learning rate {text}" for text in RATES]
    apart = results((Axis(DECAY, (0.9, 0.95, 0.9999)),), value=lambda *network: 0.5)
    ticks = figure(apart, "scale").axes[-1].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["0.9", "0.95", "0.9999"]
    map_ticks = {
        tick.get_text()
        for panel in figure(data, "heatmap").axes
        for tick in (*panel.get_xticklabels(), *panel.get_yticklabels())
    }
    assert {*DECAYS, *RATES} <= map_ticks


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0.1, 0.2, 0.1 + 0.2], ["0.1", "0.2", "0.3"]),
        ([0.99999995, 1.0, 1.00000005], ["0.99999995", "1", "1.00000005"]),
        ([-1e-14, 0.0, 1e-14, 2e-14], ["-1e-14", "0", "1e-14", "2e-14"]),
        ([-0.1, 1e-17, 0.1], ["-0.1", "0", "0.1"]),
        ([0.0, 500000.0, 1000000.0], ["0", "500000", "1e+06"]),
        ([float("nan")], ["nan"]),
    ],
)
def test_ticks(ticks, texts):
    assert [tick_text(tick, ticks) for tick in ticks] == texts


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "probes",
            "{read: [{kind: histogram, low: 0.9999999, high: 0.9999998}]}",
            "a number > 0.9999999, got 0.9999998",
        ),
        (
            "probes",
            "{read: [{kind: percentiles, layer: 1, percentiles: [100.0000001]}]}",
            "got 100.0000001",
        ),
        (
            "claims",
            "[{says: a, measure: final_gap, where: {x: {at_least: 0.1000001, at_most: 0.1}}, "
            "at_most: 1}]",
            "got 0.1000001 and 0.1",
        ),
        ("figures", "[{kind: curves, log: true, limits: [-1.0000001, 1]}]", "got -1.0000001. "),
    ],
)
def test_messages_say_which_number_they_got(run, key, value, expected):
    path = str(run.directory / "config.yaml")
    result = CliRunner().invoke(cli, ["check", path, "--set", f"{key}={value}"])
    assert result.exit_code == 2
    assert expected in result.stderr


@pytest.mark.slow
def test_images_held_out_for_validation_are_not_called_test_images(tmp_path):
    (tmp_path / "near.yaml").write_text(EXPERIMENT)
    overrides = {"data": {"validation": 20, "test": 0}, f"sweep.{DECAY}": [0.9, 0.99]}
    overrides |= {"figures": None, "claims": None}
    run = bnexp.run(bnexp.load_config(tmp_path / "near.yaml", overrides), tmp_path / "run")
    kinds = {
        "curves": {"metrics": ["train_accuracy", "test_accuracy", "gap"]},
        "panels": {"metric": "test_accuracy", "axis": DECAY},
        "scale": {"axis": DECAY},
        "heatmap": {"value": "final_test_accuracy"},
    }
    drawn = {kind: figure(run.results, kind, **options) for kind, options in kinds.items()}
    drawn["together"] = figure(run.results, "curves", together=True)
    for kind, page in drawn.items():
        texts = " ".join(text.get_text() for text in page.findobj(Text))
        assert "validation" in texts, kind
        assert not re.search(r"\btest\b", texts), kind
    for other in (None, run.directory):
        place = write_report(run.directory, tmp_path / "page.html", other)
        page = html.unescape(place.read_text())
        assert "validation" in page
        assert not re.search(r"\btest (accuracy|loss)\b|<td>test</td>", page)
