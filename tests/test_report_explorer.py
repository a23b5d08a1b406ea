"""The data behind the explorer: the very numbers of the tables, and a view for each axis."""

from __future__ import annotations

import math

import numpy as np
import pytest
from figure_results import NORMS, results
from interval_cases import logit_ends
from report_cases import (
    LEAST,
    SMALL,
    STRUCTURES,
    Page,
    run,
    whole,
)

import bnexp
from bnexp import report
from bnexp.metrics import evaluation_columns, recorded_metrics
from bnexp.report import explorer
from bnexp.runs.data import RunData
from bnexp.runs.tables import Axis
from bnexp.sweep import make_plan


@pytest.fixture(scope="module")
def page():
    return Page(whole())


METRICS = evaluation_columns(recorded_metrics())


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_page_of_32_networks_is_small():
    scales = Axis("model.init.std", tuple(np.logspace(0, -4, 16).tolist()))
    times = tuple((float(i), 10 * i + 1) for i in range(20))
    value = np.random.default_rng(0).random((20,)).tolist()
    tables = results((scales, NORMS), times=times, value=lambda p, s, epoch, m: value[int(epoch)])
    config = bnexp.load_config("book_weight_scale")
    text = report.run_page(RunData(config, make_plan(config), tables))
    assert len(Page(text).data["points"]) == 32
    assert len(text.encode()) < 500_000


@pytest.mark.slow
def test_bands_are_those_of_the_figures(page):
    point = page.data["points"][2]["values"]["train_accuracy"]
    first, second = point["seeds"]
    means = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    assert point["mean"] == pytest.approx(means)
    deviation = np.sqrt(1.5) * abs(first[-1] - second[-1]) / 2  # squares, and half of them again
    half = 12.706204736 * deviation / np.sqrt(2)  # t of 1 degree of freedom
    ends = point["low"][-1], point["high"][-1]
    assert ends == pytest.approx(logit_ends(means[-1], half))


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


@pytest.mark.slow
def test_curves_of_many_evaluations_are_thinned_out_and_the_page_says_so(monkeypatch):
    times = tuple((float(epoch), 10 * epoch) for epoch in range(1, 31))
    tables = results((NORMS,), value=lambda p, seed, epoch, m: epoch / 100, times=times)
    monkeypatch.setattr(explorer, "PAGE_NUMBERS", 2 * 2 * 7)  # 2 networks, loss and accuracy
    data = explorer.explorer_data(tables)
    assert data["thinned"] == (7, 30)
    for point in data["points"]:
        assert point["x"].tolist() == [1, 6, 11, 15, 20, 25, 30]
        for values in point["values"].values():
            assert values["seeds"][0] == pytest.approx(point["x"] / 100)
    monkeypatch.setattr(explorer, "PAGE_NUMBERS", 2 * 2 * 30)
    assert explorer.explorer_data(tables)["thinned"] is None
    monkeypatch.setattr(explorer, "PAGE_NUMBERS", 1)
    page = report.run_page(run(SMALL))
    assert "The curves show 2 of 3 evaluations of each network" in page
    assert {len(point["x"]) for point in Page(page).data["points"]} == {2}


def test_of_many_seeds_the_first_have_curves_and_means_are_of_all(monkeypatch):
    def value(point, seed, epoch, metric):
        return math.nan if seed == 3 and epoch == 2 else (seed + epoch) / 20

    def read(point, seed):
        return [(step, 1, "activation_std", math.nan, float(seed)) for step in (0, 10)]

    tables = results((NORMS,), seeds=range(7), value=value, read=read)
    monkeypatch.setattr(explorer, "MAX_SEEDS", 5)
    data = explorer.explorer_data(tables)
    assert data["seeds"] == (5, 7)
    for point in data["points"]:
        assert point["seeds"].tolist() == [0, 1, 2, 3, 4]
        accuracy, probed = point["values"]["train_accuracy"], point["probes"]
        assert accuracy["seeds"].shape == (5, len(point["x"]))
        missing = (point["x"] == 2).astype(int)
        assert accuracy["n"].tolist() == (7 - missing).tolist()
        sums = 21 - 3 * missing + point["x"] * (7 - missing)
        assert accuracy["mean"] == pytest.approx(sums / (7 - missing) / 20)
        (numbers,) = probed.values()
        assert (len(numbers["seeds"]), numbers["n"].tolist(), numbers["mean"].tolist()) == (
            5,
            [7, 7],
            [3, 3],
        )
    monkeypatch.setattr(explorer, "MAX_SEEDS", 7)
    data = explorer.explorer_data(tables)
    assert data["seeds"] is None
    assert "n" not in data["points"][0]["values"]["train_accuracy"]


def test_numbers_of_probes_can_be_chosen_and_distributions_cannot():
    def read(point, seed):
        numbers = [
            (step, layer, "activation_std", math.nan, 10.0 * layer + step + seed)
            for step in (0, 10)
            for layer in (1, 2)
        ]
        bins = [(s, 1, "activation_density", b / 10, 0.1) for s in (0, 10) for b in range(10)]
        return numbers + bins

    tables = results((NORMS,), seeds=(0, 1), read=read)
    data = explorer.explorer_data(tables)
    probed = [metric for metric in data["metrics"] if metric["time"] == "step"]
    assert [metric["label"] for metric in probed] == [
        "activations: std, layer 1",
        "activations: std, layer 2",
    ]
    numbers = data["points"][0]["probes"][probed[1]["key"]]
    assert numbers["x"].tolist() == [0, 10]
    assert numbers["seeds"].tolist() == [[20, 30], [21, 31]]
    assert numbers["mean"].tolist() == [20.5, 30.5]
    assert (probed[1]["low"] <= 20, probed[1]["high"] >= 31) == (True, True)
