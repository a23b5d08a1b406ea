"""The page of a run: everything in it, with the very numbers of the tables."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from figure_results import NORMS, results
from report_cases import (
    HOSTILE,
    LEAST,
    PLAIN,
    SMALL,
    STRUCTURES,
    Page,
    made,
    made_with_failures,
    run,
    whole,
)

import bnexp
from bnexp import report
from bnexp.claims import judge_run
from bnexp.cli.main import cli
from bnexp.metrics import evaluation_columns, recorded_metrics
from bnexp.report.html import parent_experiment, write_report
from bnexp.runs.data import RunData, read_finished_run
from bnexp.runs.tables import Axis
from bnexp.sweep import make_plan

METRICS = evaluation_columns(recorded_metrics())


@pytest.fixture(scope="module")
def page():
    return Page(whole())


def test_the_same_run_gives_the_same_bytes_wherever_it_is(tmp_path):
    shutil.copytree(made(SMALL), tmp_path / "moved")
    assert write_report(tmp_path / "moved").read_bytes() == whole().encode()
    assert len(whole().encode()) < 1_000_000


@pytest.mark.parametrize("text", [SMALL, LEAST, STRUCTURES])
def test_the_embedded_numbers_are_the_tables_exactly(text):
    data, tables = Page(report.run_page(run(text))).data, run(text).tables
    rows = {}
    for view in data["views"]:
        for line in view["lines"]:
            for value, point in zip(view["values"], line["points"], strict=True):
                rows.setdefault(point, []).append((value["exact"], line["label"]))
    assert sorted(rows) == list(range(len(data["points"])))
    read = []
    for point in data["points"]:
        for s, seed in enumerate(point["seeds"]):
            for i, x in enumerate(point["x"]):
                values = {k: v["seeds"][s][i] for k, v in point["values"].items()}
                read.append((seed, x, *(values.get(name) for name in METRICS)))
    columns = [tables.metrics[name].tolist() for name in ("seed", data["time"], *METRICS)]
    stored = [
        tuple(None if isinstance(v, float) and not math.isfinite(v) else v for v in row)
        for row in zip(*columns, strict=True)
    ]
    infinite = [tuple(None if isinstance(v, str) else v for v in row) for row in read]
    assert infinite == stored


def test_a_page_of_32_networks_is_small():
    scales = Axis("model.init.std", tuple(np.logspace(0, -4, 16).tolist()))
    times = tuple((float(i), 10 * i + 1) for i in range(20))
    value = np.random.default_rng(0).random((20,)).tolist()
    tables = results((scales, NORMS), times=times, value=lambda p, s, epoch, m: value[int(epoch)])
    config = bnexp.load_config("book_weight_scale")
    text = report.run_page(RunData(config, make_plan(config), tables))
    assert len(Page(text).data["points"]) == 32
    assert len(text.encode()) < 500_000


def test_bands_are_those_of_the_figures(page):
    point = page.data["points"][2]["values"]["train_accuracy"]
    first, second = point["seeds"]
    means = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    assert point["mean"] == pytest.approx(means)
    half = 12.706204736 * abs(first[-1] - second[-1]) / 2  # t of 1 degree of freedom
    assert point["low"][-1] == pytest.approx(max(0, means[-1] - half))
    assert point["high"][-1] == pytest.approx(min(1, means[-1] + half))


def test_the_table_has_every_network_with_its_exact_numbers(page):
    head, *rows = page.rows
    names = [text for text, _ in head]
    summary = run(SMALL).tables.summary
    assert len(rows) == len(summary["cell"]) == 12
    at = names.index("final training accuracy")
    assert [float(row[at][1]["data-value"]) for row in rows] == summary[
        "final_train_accuracy"
    ].tolist()
    lost = [row[names.index("status")][0] for row in rows]
    assert lost == summary["status"].tolist()
    assert lost.count("diverged") == 2
    assert {
        row[names.index("final training loss")][0] for row in rows if row[4][0] == "diverged"
    } == {"nan"}
    assert "2 networks diverged: the loss was no longer finite" in page.text("summary")


def test_the_claims_have_verdict_numbers_and_points(page):
    (verdict,) = judge_run(run(SMALL))
    assert page.text("span", **{"class": f"verdict {verdict.verdict}"})[0] == verdict.verdict
    shown = [a["title"] for a, _ in page.all("span") if "title" in a]
    for point in verdict.points:
        assert str(point.estimate) in shown
        assert f"{point.low} to {point.high}" in shown


def test_missing_networks_are_named_and_listed(tmp_path):
    shutil.copytree(made(PLAIN), tmp_path / "run")
    first, second, *_ = sorted((tmp_path / "run" / "cells").iterdir())
    first.unlink()
    second.write_bytes(b"nonsense")
    page = Page(report.run_page(read_finished_run(tmp_path / "run")))
    assert "2 networks missing" in page.text("summary")
    lines = page.text("li")
    assert sum(line.endswith(": not trained yet") for line in lines) == 1
    assert sum(line.endswith(": damaged") for line in lines) == 1
    assert len(page.all("tr", **{"data-status": "missing"})) == 2
    assert len(page.rows) == 13


def test_failed_networks_are_named_with_the_reason(tmp_path):
    shutil.copytree(made_with_failures(), tmp_path / "run")
    page = Page(write_report(tmp_path / "run").read_text())
    assert "6 networks failed: no result" in page.text("summary")
    reason = f"failed: MemoryError: out of {HOSTILE}"
    lines = [text for _, text in page.all("li")]
    said = f"model.init.std = 0.2929, model.norm = none, seed 1: {reason} (report_cases.py:"
    assert sum(line.startswith(said) for line in lines) == 1
    head, *rows = page.rows
    at = [name for name, _ in head].index("status")
    assert sum(row[at][0].startswith(reason) for row in rows) == 6
    assert len(page.all("tr", **{"data-status": "failed"})) == 6
    for line in page.data["views"][0]["lines"]:
        seeds = [page.data["points"][point]["seeds"] for point in line["points"]]
        assert seeds == [[] if "without" in line["label"] else [0, 1]] * 3
    (verdict,) = judge_run(read_finished_run(tmp_path / "run"))
    assert {point.missing for point in verdict.points} == {2}
    assert page.text("span", **{"class": "numbers"}) == ["n = 0, 3 points"]
    bnexp.run(str(made_with_failures().parent / "experiment.yaml"), tmp_path / "run")
    page = Page(write_report(tmp_path / "run").read_text())
    assert not any("failed" in text for text in page.text("summary"))


def test_a_run_of_which_all_failed_has_a_page(tmp_path, monkeypatch):
    def fails(task, on_step):
        raise OSError("no more files")

    (tmp_path / "experiment.yaml").write_text(LEAST)
    monkeypatch.setattr("bnexp.execution.processes.train_task", fails)
    with pytest.raises(bnexp.NetworksFailed):
        bnexp.run(str(tmp_path / "experiment.yaml"), tmp_path / "run")
    page = Page(write_report(tmp_path / "run").read_text())
    (said,) = page.text("li")
    assert said.startswith("the one point, seed 0: failed: OSError: no more files (test_report.py:")
    result = CliRunner().invoke(cli, ["plot", str(tmp_path / "run")])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'run'}: nothing to draw\n")


def test_one_network_without_sweep_claims_and_test_images():
    page = Page(report.run_page(run(LEAST)))
    ((view),) = page.data["views"]
    assert (view["axis"], len(view["values"]), view["lines"][0]["points"]) == ("", 1, [0])
    assert [metric["key"] for metric in page.data["metrics"]] == ["train_loss", "train_accuracy"]
    assert page.text("h2") == ["Figures", "Explore", "Networks", "Setting", "Repeat it"]
    assert not any("test" in text for text, _ in page.rows[0])


def test_two_structural_axes_are_two_choices():
    views = Page(report.run_page(run(STRUCTURES))).data["views"]
    assert [view["axis"] for view in views] == ["model.norm", "train.optimizer"]
    assert [len(view["values"]) for view in views] == [3, 2]
    assert [len(view["lines"]) for view in views] == [2, 3]
    assert views[0]["lines"][1]["points"] == [1, 3, 5]


def test_a_run_that_was_never_scored_has_a_page():
    tables = run(PLAIN).tables
    failed = {
        **{name: column[:2] for name, column in tables.summary.items()},
        "status": np.array(["failed", "failed"], object),
        **{n: np.full(2, np.nan) for n in tables.summary if n.startswith(("final", "best"))},
    }
    empty = {name: column[:0] for name, column in tables.metrics.items()}
    page = Page(
        report.run_page(replace(run(PLAIN), tables=replace(tables, metrics=empty, summary=failed)))
    )
    assert "2 networks failed: no result" in page.text("summary")
    assert "Explore" not in page.text("h2")
    assert len(page.rows) == 3


def test_the_setting_says_what_differs_from_the_parent():
    changed = bnexp.load_config("weight_scale", {"train.epochs": 7})
    page = Page(report.run_page(replace(run(PLAIN), config=changed)))
    rows = page.cells("setting")
    assert rows[:2] == [["key", "as shipped", "here"], ["train.epochs", "20", "7"]]
    assert rows[2] == ["key", "book_weight_scale", "weight_scale"]
    assert ["train.epochs", "20", "7"] in rows[3:]
    assert ["random.seeds", "[0]", "[0, 1, 2, 3, 4]"] in rows
    assert not any(row[0].startswith(("claims", "title")) for row in rows)


def test_a_users_experiment_is_compared_with_the_shipped_one_that_it_extends(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "name: own\nextends: quickstart\ndata: {name: synthetic, train: 100, test: 0}\n"
        "model: {hidden: [5]}\nsweep: {model.init.std: [0.1]}\n"
    )
    (tmp_path / "further.yaml").write_text("name: further\nextends: own.yaml\nfigures: []\n")
    config = bnexp.load_config(tmp_path / "further.yaml", {"train.epochs": 2})
    bnexp.run(config, tmp_path / "run")
    assert parent_experiment(read_finished_run(tmp_path / "run")) == bnexp.load_config("quickstart")
    page = Page(report.run_page(read_finished_run(tmp_path / "run")))
    assert "Differences from quickstart, which it extends" in page.text("h3")
    rows = page.cells("setting")
    assert rows[0] == ["key", "quickstart", "further"]
    assert ["train.epochs", "20", "2"] in rows
    assert ["model.hidden", "[100, 100, 100, 100, 100]", "[5]"] in rows
    for strange in (3, ["quickstart"], "../quickstart", None):
        change_manifest(tmp_path / "run", extends=strange)
        assert parent_experiment(read_finished_run(tmp_path / "run")) is None


def change_manifest(directory, **entries):
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize("strange", [3, ["a"], {"a": [1]}, "none"])
def test_a_strange_manifest_is_no_mistake_of_the_page(strange, tmp_path):
    shutil.copytree(made(LEAST), tmp_path / "run")
    change_manifest(tmp_path / "run", failed=strange, command=strange, environment=strange)
    page = Page(report.run_page(read_finished_run(tmp_path / "run")))
    assert not any("failed" in text for text in page.text("summary"))


def test_the_command_writes_the_page_and_says_where(tmp_path):
    shutil.copytree(made(LEAST), tmp_path / "run")
    result = CliRunner().invoke(cli, ["report", str(tmp_path / "run")])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'run' / 'report.html'}\n")
    out = tmp_path / "page.html"
    assert (
        CliRunner().invoke(cli, ["report", str(tmp_path / "run"), "--out", str(out)]).exit_code == 0
    )
    assert out.read_bytes() == (tmp_path / "run" / "report.html").read_bytes()
    result = CliRunner().invoke(cli, ["report", str(tmp_path)])
    assert result.exit_code == 2
    assert "not a run directory" in result.stderr
