"""The tables of the page: networks, claims, and two runs side by side."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from report_cases import (
    FASTER,
    LEAST,
    PLAIN,
    SHOWN,
    SMALL,
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
from bnexp.errors import BnexpWarning
from bnexp.report import sections
from bnexp.report.html import write_report
from bnexp.report.sections import compare_accuracies
from bnexp.runs.data import read_finished_run


@pytest.fixture(scope="module")
def page():
    return Page(whole())


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
    # Without batch norm the loss is NaN; with it the running variance is infinite, not the loss.
    assert lost.count("diverged") == 4
    losses = [row[names.index("final training loss")][0] for row in rows if row[4][0] == "diverged"]
    assert losses.count("nan") == 2
    diverged = "4 networks diverged: the loss or a statistic was no longer finite"
    assert diverged in page.text("summary")


def test_the_claims_have_verdict_numbers_and_points(page):
    (verdict,) = judge_run(run(SMALL))
    assert verdict.verdict == "refuted"
    assert page.text("span", **{"class": "verdict refuted measured"})[0] == "does not hold"
    assert page.text("p", **{"class": "counts"}) == [
        "0 supported, 1 does not hold in this setting, 0 undecided"
    ]
    assert "Measured: the author's own observation" in page.text("h3")
    shown = [a["title"] for a, _ in page.all("span") if "title" in a]
    for point in verdict.points:
        assert str(point.estimate) in shown
        assert f"{point.low} to {point.high}" in shown


def test_missing_networks_are_named_and_listed(tmp_path):
    shutil.copytree(made(PLAIN), tmp_path / "run")
    first, second, *_ = sorted((tmp_path / "run" / "cells").iterdir())
    first.unlink()
    second.write_bytes(b"nonsense")
    with pytest.warns(BnexpWarning, match=rf"1 damaged file in cells/ .*{second.stem}"):
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
    reason = f"failed: MemoryError: out of {SHOWN}"
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
    assert said.startswith(
        "the one point, seed 0: failed: OSError: no more files (test_report_sections.py:"
    )
    result = CliRunner().invoke(cli, ["plot", str(tmp_path / "run")])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'run'}: nothing to draw\n")


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


@pytest.mark.slow
def test_each_point_has_both_means_and_their_difference():
    pairs = {(p.point, p.images): p for p in compare_accuracies(run(SMALL), run(FASTER))}
    assert len(pairs) == 12
    pair = pairs["model.init.std = 0.2929, model.norm = batch", "training"]
    means = []
    for text in (SMALL, FASTER):
        summary = run(text).tables.summary
        here = (summary["model.norm"] == "batch") & (summary["model.init.std"] < 1)
        here &= summary["model.init.std"] > 0.1
        means.append(summary["final_train_accuracy"][here].mean())
    assert [pair.first.mean, pair.second.mean] == pytest.approx(means)
    assert (pair.first.n, pair.second.n) == (2, 3)
    assert pair.difference == pytest.approx(means[1] - means[0])


@pytest.mark.slow
def test_points_are_the_same_whatever_the_order_of_the_axes():
    scales, norms = SMALL.partition("sweep:\n")[2].splitlines(keepends=True)[:2]
    turned = compare_accuracies(run(SMALL), run(SMALL.replace(scales + norms, norms + scales)))
    assert len(turned) == 12
    assert all((p.first.n, p.second.n, p.difference) == (2, 2, 0) for p in turned)


@pytest.mark.slow
def test_runs_with_nothing_in_common_have_a_page():
    page = Page(report.pair_page(run(LEAST), run(SMALL)))
    pairs = compare_accuracies(run(LEAST), run(SMALL))
    assert [p.first.n for p in pairs] == [1] + [0] * 12
    assert pairs[0].point == "the one point"
    assert pairs[0].second.n == 0
    assert "not claimed" in page.text("span", **{"class": "quiet"})


@pytest.mark.slow
def test_a_long_table_of_networks_is_cut_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(sections, "MAX_ROWS", 5)
    page = Page(report.run_page(run(SMALL)))
    assert len(page.rows) == 1 + 5
    assert "The first 5 networks; summary.csv has 7 more." in page.text("p")
