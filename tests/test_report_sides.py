"""Two runs side by side."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner
from report_cases import HOSTILE, LEAST, SMALL, Page, made, run

from bnexp import report
from bnexp.claims import judge_run
from bnexp.cli.main import cli
from bnexp.report.sections import compare_accuracies

FASTER = SMALL.replace("lr: 0.1", "lr: 0.2").replace("seeds: [0, 1]", "seeds: [0, 1, 2]")


@pytest.fixture(scope="module")
def page():
    return Page(report.pair_page(run(SMALL), run(FASTER)))


def test_titles_settings_and_claims_of_both(page):
    assert [text for _, text in page.all("h2")][:2] == [f"A: {HOSTILE}", f"B: {HOSTILE}"]
    assert ["train.optimizer.lr", "0.1", "0.2"] in page.cells("setting")
    assert page.text("th", scope="row")[-1] == " ".join(HOSTILE.split())
    words = [v.verdict for one in (SMALL, FASTER) for v in judge_run(run(one))]
    shown = [text for a, text in page.all("span") if (a.get("class") or "").startswith("verdict")]
    assert shown == words
    assert len(page.all("script")) == 1


def test_each_point_has_both_means_and_their_difference():
    pairs = {(p.point, p.images): p for p in compare_accuracies(run(SMALL), run(FASTER))}
    assert len(pairs) == 12
    pair = pairs["model.init.std = 0.2929, model.norm = batch", "train"]
    means = []
    for text in (SMALL, FASTER):
        summary = run(text).tables.summary
        here = (summary["model.norm"] == "batch") & (summary["model.init.std"] < 1)
        here &= summary["model.init.std"] > 0.1
        means.append(summary["final_train_accuracy"][here].mean())
    assert [pair.first.mean, pair.second.mean] == pytest.approx(means)
    assert (pair.first.n, pair.second.n) == (2, 3)
    assert pair.difference == pytest.approx(means[1] - means[0])


def test_points_are_the_same_whatever_the_order_of_the_axes():
    scales, norms = SMALL.partition("sweep:\n")[2].splitlines(keepends=True)[:2]
    turned = compare_accuracies(run(SMALL), run(SMALL.replace(scales + norms, norms + scales)))
    assert len(turned) == 12
    assert all((p.first.n, p.second.n, p.difference) == (2, 2, 0) for p in turned)


def test_runs_with_nothing_in_common_have_a_page():
    page = Page(report.pair_page(run(LEAST), run(SMALL)))
    pairs = compare_accuracies(run(LEAST), run(SMALL))
    assert [p.first.n for p in pairs] == [1] + [0] * 12
    assert pairs[0].point == "the one point"
    assert pairs[0].second.n == 0
    assert "not claimed" in page.text("span", **{"class": "quiet"})


def test_the_command_with_two_directories(tmp_path):
    for text, name in ((LEAST, "a"), (SMALL, "b")):
        shutil.copytree(made(text), tmp_path / name)
    result = CliRunner().invoke(cli, ["report", str(tmp_path / "a"), str(tmp_path / "b")])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'a' / 'report-b.html'}\n")
