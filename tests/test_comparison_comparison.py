"""Comparing two runs: how they were made, which networks are the same, and how far apart."""

from __future__ import annotations

import math
import shutil

import pytest
from click.testing import CliRunner
from comparison_cases import cells, change, contents, manifest, reference

import bnexp
from bnexp.cli.main import cli
from bnexp.comparison import compare_lines
from bnexp.comparison.comparison import config_differences
from bnexp.errors import ConfigError, StoreError

PROBES = {"read": [{"kind": "layers", "quantities": ["dead"]}]}


@pytest.fixture
def run(small, tmp_path):
    """Run directories of the small experiment, with changes."""

    def make(name, **changes):
        keys = {key.replace("__", "."): value for key, value in changes.items()}
        bnexp.run(bnexp.load_config(small, {"figures": [], **keys}), tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def two(run, tmp_path):
    """A run and its copy."""

    def make(**changes):
        a = run("a", **changes)
        shutil.copytree(a, tmp_path / "b")
        return a, tmp_path / "b"

    return make


def call(*arguments):
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


def said(found):
    return "\n".join(compare_lines(found))


def measured(found, name):
    return next(metric for metric in found.metrics if metric.name == name)


def test_the_same_run_twice_is_identical_and_nothing_is_written(two):
    a, b = two(sweep__model__init__std=[1e20, 0.1], probes=PROBES, data__test=50)
    before = contents(a), contents(b)
    found = bnexp.compare(a, b)
    assert (contents(a), contents(b)) == before
    assert (found.exit_status, found.paired) == (0, 8)
    assert (found.config, found.environment, found.finals) == ((), (), ())
    assert [metric.name for metric in found.metrics] == [
        "train_loss", "train_accuracy", "test_loss", "test_accuracy", "dead", "diverged_at_step",
    ]  # fmt: skip
    assert measured(found, "train_loss").paired == 8 * 3
    assert all(m.largest is None and m.final == 0 for m in found.metrics)
    lines = said(found).splitlines()
    assert lines[-1] == "all numbers are identical"
    assert "config: the same" in lines
    assert "environment and data: the same" in lines


def test_a_reference_without_cells_is_the_same_as_its_run(run, tmp_path):
    a = run("a", sweep__model__init__std=[1e20, 0.1], probes=PROBES)
    b = reference(a, tmp_path / "b")
    for found in (bnexp.compare(a, b), bnexp.compare(b, a), bnexp.compare(b, b)):
        assert (found.exit_status, found.paired) == (0, 8)
        assert "dead" in [metric.name for metric in found.metrics]
        assert said(found).splitlines()[-1] == "all numbers are identical"


def test_one_number_beyond_the_tolerance(two):
    a, b = two()
    change(b, 7, train_loss=lambda v: (v[0], v[1] + 0.25, v[2]))
    found = bnexp.compare(a, b)
    worst = measured(found, "train_loss")
    assert found.beyond == ("train_loss",)
    assert (worst.network, worst.largest.step) == ((0.3, "none", 1), 8)
    assert worst.largest.second == worst.largest.first + 0.25
    assert worst.largest.size == pytest.approx(0.25 / max(1, worst.largest.second))
    assert worst.final == 0
    result = call(a, b)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "beyond the tolerance of 0: train_loss"
    assert "model.init.std = 0.3, model.norm = none, seed 1" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    within = call(a, b, "--tolerance", 0.25)
    assert within.exit_code == 0
    assert within.stdout.splitlines()[-1] == "within the tolerance of 0.25"


def test_final_accuracies_side_by_side_where_they_differ(two):
    a, b = two()
    before = bnexp.run(bnexp.load_config(a / "config.yaml"), a).summary["final_train_accuracy"]
    change(b, 4, train_accuracy=lambda v: (*v[:2], v[2] + 0.125))
    found = bnexp.compare(a, b)
    (row,) = found.finals
    assert row.point == (0.3, "batch")
    mean = before[4:6].mean()
    assert row.accuracies["train_accuracy"] == pytest.approx((mean, mean + 0.125 / 2))
    assert all(map(math.isnan, row.accuracies["test_accuracy"]))
    assert measured(found, "train_accuracy").final == pytest.approx(0.125 / 12)
    lines = said(found).splitlines()
    head = lines.index("model.init.std, model.norm  train A  train B")
    assert lines[head + 1].split() == ["0.3,", "batch", f"{mean:.4f}", f"{mean + 0.125 / 2:.4f}"]


def test_nan_is_nan_and_a_number_is_not(two):
    a, b = two(sweep__model__init__std=[1e20, 0.1])
    assert bnexp.compare(a, b, tolerance=0).exit_status == 0
    change(b, 2, train_loss=lambda v: (*v[:2], 2.3))
    worst = measured(bnexp.compare(a, b), "train_loss")
    assert math.isnan(worst.largest.first)
    assert (worst.largest.second, worst.largest.size, worst.final) == (2.3, math.inf, math.inf)
    assert call(a, b, "--tolerance", 1e9).exit_code == 1


def test_another_config_is_shown_and_is_no_difference_of_numbers(run):
    axis = {"sweep__model__norm": None}
    a = run("a", **axis)
    b = run("b", **axis, train__epochs=2, title="another title", model__norm="layer")
    found = bnexp.compare(a, b)
    assert {one.key: (one.first, one.second) for one in found.config} == {
        "title": ("(not set)", "another title"),
        "model.norm": ("none", "(not set)"),
        "model.norm.kind": ("(not set)", "layer"),
        "model.norm.eps": ("(not set)", "1.0e-05"),
        "model.norm.affine": ("(not set)", "true"),
        "model.norm.initial_gamma": ("(not set)", "1.0"),
        "train.epochs": ("3", "2"),
    }
    shorter = bnexp.compare(a, run("c", **axis, train__epochs=2))
    assert [one.key for one in shorter.config] == ["train.epochs"]
    assert (shorter.exit_status, shorter.paired) == (0, 6)
    assert measured(shorter, "train_loss").only_first == 6
    assert said(shorter).splitlines()[-1].startswith("the numbers that both have are identical")


def test_another_setting_gives_other_ids_and_the_same_places(run):
    a, b = run("a"), run("b", train__optimizer__lr=0.11)
    found = bnexp.compare(a, b)
    assert not {network.id for network in cells(a)} & {network.id for network in cells(b)}
    assert (found.paired, found.exit_status) == (12, 1)
    assert [one.key for one in found.config] == ["train.optimizer.lr"]


def test_another_environment_and_other_data_are_shown(two):
    a, b = two()
    manifest(b, python="3.0.1", packages={"numpy": "0.9"})
    found = bnexp.compare(a, b)
    shown = {one.key: one.second for one in found.environment}
    assert (shown["python"], shown["packages.numpy"]) == ("3.0.1", "0.9")
    assert shown["packages.pydantic"] == "(not set)"
    assert found.exit_status == 0
    assert "    B: 3.0.1" in said(found).splitlines()
    (b / "manifest.json").unlink()
    shutil.rmtree(b / "cells")
    assert bnexp.compare(a, b).environment is None
    assert "a manifest.json is missing, not compared" in said(bnexp.compare(a, b))


def test_an_axis_of_the_sweep_is_one_difference():
    sides = [
        bnexp.load_config("quickstart", {"sweep.model.init.std": {"logspace": [0, low, 4]}})
        for low in (-2, -3)
    ]
    (found,) = config_differences(*sides)
    assert found.key == "sweep.model.init.std"
    assert (found.first, found.second) == (
        "{logspace: [0.0, -2.0, 4]}",
        "{logspace: [0.0, -3.0, 4]}",
    )


def test_libraries_in_another_order_are_the_same(two):
    a, b = two()
    libraries = [{"internal_api": "openblas", "version": v} for v in ("0.3.1", "0.3.2")]
    manifest(a, blas=libraries)
    manifest(b, blas=libraries[::-1])
    assert bnexp.compare(a, b).environment == ()


def test_a_manifest_that_is_too_large_is_not_read(two, monkeypatch):
    a, b = two()
    monkeypatch.setattr("bnexp.runs.manifest.MAX_BYTES", 100)
    with pytest.raises(StoreError, match=r"manifest\.json: too large to read"):
        bnexp.compare(a, b)


def test_networks_that_only_one_has(run):
    a, b = run("a"), run("b", random__seeds=[1, 2], sweep__model__init__std=[0.3, 0.01, 0.5])
    (b / "cells" / f"{cells(b)[0].id}.json").unlink()
    (b / "metrics.csv").unlink()
    path = b / "cells" / f"{cells(b)[2].id}.json"
    path.write_bytes(b"")
    found = bnexp.compare(a, b)
    assert found.paired == 2
    assert len(found.only_first) == 10
    assert found.only_second[0] == (0.3, "batch", 2)
    text = said(found)
    assert "  2 paired, 10 only in A, 8 only in B" in text
    assert "  only in A: model.init.std = 10, model.norm = batch, seed 0" in text
    assert "... and 5 more only in A" in text
    assert f"  B: cells/{path.name}: damaged, left out" in text
    assert found.exit_status == 0


def test_two_runs_without_a_common_network(run):
    a, b = run("a", random__seeds=[0]), run("b", random__seeds=[1])
    result = call(a, b)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "no network is in both: nothing to compare"


def test_an_axis_that_only_one_sweeps(run):
    a = run("a")
    b = run("b", sweep__model__norm=None, model__norm="batch")
    one = run("one", sweep__model__norm=["batch"])
    found = bnexp.compare(one, b)
    assert (found.keys, found.paired, found.exit_status) == (("model.init.std",), 6, 0)
    for first, second in ((a, b), (b, a)):
        with pytest.raises(ConfigError) as caught:
            bnexp.compare(first, second)
        assert str(caught.value) == (
            f"model.norm: swept in {a} only, expected one network of it for each network of {b}, "
            "got several with model.init.std = 10, seed 0; give the other experiment that axis "
            "too, of one value if need be"
        )
    assert call(a, b).exit_code == 2


def test_axes_in_another_order_are_the_same_networks(run):
    a = run("a")
    sweep = {"sweep__model__norm": None, "sweep__model__init__std": None}
    b = run("b", **sweep, sweep={"model.norm": ["batch", "none"], "model.init.std": [10.0, 0.3]})
    found = bnexp.compare(a, b)
    assert (found.paired, len(found.only_first), found.exit_status) == (8, 4, 0)


def test_an_experiment_without_a_sweep(run):
    sweep = {"sweep__model__norm": None, "sweep__model__init__std": None}
    a, b = run("a", **sweep), run("b", **sweep, train__optimizer__lr=0.2)
    found = bnexp.compare(a, b)
    assert (found.keys, found.paired) == ((), 2)
    assert [row.point for row in found.finals] == [()]
    assert "networks paired by seed:" in said(found)


def test_long_values_are_shown_from_where_they_differ(two):
    a, b = two()
    for path, end in ((a, "this"), (b, "that")):
        text = (path / "config.yaml").read_text()
        (path / "config.yaml").write_text(text + f"description: {'x' * 200} {end}\n")
    lines = said(bnexp.compare(a, b)).splitlines()
    assert "    A: ...xxxxxxxxx this" in lines
    assert "    B: ...xxxxxxxxx that" in lines


def test_wrong_arguments(run, tmp_path):
    a = run("a")
    for tolerance in (-1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="tolerance: expected a number of at least 0"):
            bnexp.compare(a, a, tolerance=tolerance)
    result = call(a, tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "nowhere: not a run directory" in result.stderr
    made = reference(a, tmp_path / "b")
    (made / "metrics.csv").write_text("cell,seed\n")
    result = call(a, made)
    assert result.exit_code == 4
    assert "metrics.csv:1: damaged, expected the columns" in result.stderr


def test_the_same_setting_is_paired_whatever_it_is_called(run):
    a = run("a", sweep__model__norm=["batch", "none"])
    other = ["none", {"kind": "batch", "dialect": "keras"}, {"kind": "batch", "dialect": "book"}]
    found = bnexp.compare(a, run("b", sweep__model__norm=other))
    assert (found.paired, found.beyond) == (12, ())
    assert found.only_first == ()
    assert {key[1] for key in found.only_second} == {"batch dialect=keras"}


def test_values_of_one_name_are_paired_whatever_they_mean(run):
    a = run("a", sweep__model__norm=["layer", "none"])
    b = run("b", sweep__model__norm=[{"kind": "layer", "eps": 0.1}, "none"])
    found = bnexp.compare(a, b)
    assert found.paired == 12
    assert "train_loss" in found.beyond


def test_two_networks_that_could_be_the_same_one_are_both_kept(run):
    kinds = [{"kind": "batch", "dialect": name} for name in ("book", "keras")]
    a = run("a", sweep__model__norm=kinds)
    zipped = {
        "model.norm": ["batch", {"kind": "batch", "affine": True}],
        "model.activation": ["relu", "tanh"],
    }
    found = bnexp.compare(a, run("b", sweep__model__norm=None, sweep__zip=zipped))
    assert (found.paired, len(found.only_first), len(found.only_second)) == (6, 6, 6)
