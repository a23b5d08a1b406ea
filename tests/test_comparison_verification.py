"""Verifying: a run's networks trained again, and what is said where a number is another."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from comparison_cases import agree, cells, change, contents, manifest, reference

import bnexp
from bnexp.cli.main import cli
from bnexp.comparison import verify_lines
from bnexp.comparison.verification import sample_networks
from bnexp.errors import ConfigError, DataError, StoreError
from bnexp.execution import task
from bnexp.sweep import make_plan

PROBES = {"probes": {"at": [0, 4], "read": [{"kind": "layers", "quantities": ["dead"]}]}}


@pytest.fixture
def run(small, tmp_path):
    """The small experiment's run directory, with changes."""

    def make(**changes):
        keys = {key.replace("__", "."): value for key, value in changes.items()}
        bnexp.run(bnexp.load_config(small, {"figures": [], **keys}), tmp_path / "out")
        return tmp_path / "out"

    return make


def call(*arguments):
    return CliRunner().invoke(cli, ["verify", *map(str, arguments)])


def said(found):
    return "\n".join(verify_lines(found))


def test_what_was_not_changed_is_identical_and_nothing_is_written(run):
    out = run(sweep__model__init__std=[1e20, 0.1], **PROBES)
    before = contents(out)
    found = bnexp.verify(out)
    assert contents(out) == before
    assert found.counts == {"identical": 8}
    assert (found.exit_status, found.causes, found.unread) == (0, (), ())
    assert said(found) == "8 networks: 8 identical"


@pytest.mark.slow
def test_the_numbers_do_not_depend_on_the_workers(run):
    result = call(run(), "-j", 2)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "12 networks to train again\n12 networks: 12 identical\n"


def test_a_changed_number_is_found_and_named(run):
    out = run()
    change(out, 7, train_loss=lambda v: (v[0], v[1] * (1 + 1e-3), v[2]))
    found = bnexp.verify(out)
    assert found.counts == {"identical": 11, "different": 1}
    (wrong,) = [one for one in found.networks if one.outcome == "different"]
    network = cells(out)[7]
    assert (wrong.cell, wrong.point, wrong.seed) == (network.id, network.point, network.seed)
    assert (wrong.worst.name, wrong.worst.step) == ("train_loss", 8)
    assert wrong.worst.first == pytest.approx(wrong.worst.second * 1.001, rel=1e-9)
    assert wrong.worst.size == pytest.approx(1e-3, rel=2e-3)
    result = call(out, "-j", 1)
    assert result.exit_code == 1
    row = next(line for line in result.stdout.splitlines() if line.startswith("different"))
    assert row.split()[2:5] == ["0.3,", "none,", "1"]
    assert "train_loss, step 8" in row
    assert "no difference of environment found" in result.stdout
    assert result.stdout.splitlines()[-1] == "12 networks: 11 identical, 1 different"
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


@pytest.mark.slow
def test_the_tolerance_is_relative_above_one_and_absolute_below(run):
    out = run()
    change(out, 7, train_loss=lambda v: (v[0] * (1 + 1e-8), *v[1:]))
    found = bnexp.verify(out)
    assert (found.counts, found.exit_status) == ({"identical": 11, "within tolerance": 1}, 0)
    assert "1 within tolerance (1e-06)" in said(found)
    assert bnexp.verify(out, tolerance=1e-10).exit_status == 1
    assert bnexp.verify(out, tolerance=0).counts["different"] == 1


@pytest.mark.slow
def test_one_image_more_is_beyond_the_tolerance(run):
    out = run()
    change(out, 0, train_accuracy=lambda v: (*v[:2], v[2] + 1 / 200))
    found = bnexp.verify(out)
    assert found.networks[0].outcome == "different"
    assert str(found.networks[0].worst) == "train_accuracy, step 12"
    assert bnexp.verify(out, tolerance=0.01).exit_status == 0


def test_a_number_where_there_was_none_is_a_difference(run):
    out = run(sweep__model__init__std=[1e20, 0.1])
    assert cells(out)[2].point == {"model.init.std": 1e20, "model.norm": "none"}
    change(out, 2, train_loss=lambda v: (*v[:2], 2.3))
    (worst,) = [one.worst for one in bnexp.verify(out, tolerance=1e9).networks if one.worst]
    assert (worst.first, worst.size) == (2.3, math.inf)
    assert math.isnan(worst.second)


def test_other_evaluation_steps_are_a_difference(run):
    out = run()
    path = out / "cells" / f"{cells(out)[3].id}.json"
    fields = _record(path)
    metrics = {name: values[:2] for name, values in fields["metrics"].items()}
    _write(path, task.Record(**{**fields, "steps": (4, 8), "epochs": (1, 2), "metrics": metrics}))
    (wrong,) = [one for one in bnexp.verify(out).networks if one.outcome == "different"]
    assert wrong.reason == "train_loss: at other places, 2 numbers stored, 3 now"


def _record(path):
    from bnexp.runs.directory import decode_cell

    return vars(decode_cell(path.read_bytes(), path.stem))


def _write(path, record):
    from bnexp.runs.directory import encode_cell

    path.write_bytes(encode_cell(record))


def test_a_damaged_cell_is_named_and_the_others_are_verified(run):
    out = run()
    paths = [out / "cells" / f"{cells(out)[i].id}.json" for i in (1, 4)]
    paths[0].write_bytes(paths[0].read_bytes()[:-9])
    paths[1].write_bytes((out / "cells" / f"{cells(out)[5].id}.json").read_bytes())
    result = call(out, "-j", 1)
    assert result.exit_code == StoreError.exit_status
    text = " ".join(result.stdout.split())
    assert f"cells/{paths[0].name}: damaged, not verified" in text
    assert f"cells/{paths[1].name}: another network's, not verified" in text
    assert result.stdout.splitlines()[-1] == "12 networks: 10 identical, 2 damaged"
    change(out, 7, train_loss=lambda v: (0.0, *v[1:]))
    assert bnexp.verify(out).exit_status == 1


def test_a_network_without_a_result_is_counted_only(run):
    out = run()
    for name in ("metrics.csv", "summary.csv", f"cells/{cells(out)[1].id}.json"):
        (out / name).unlink()
    found = bnexp.verify(out)
    assert (found.counts, found.exit_status) == ({"identical": 11, "not trained": 1}, 0)


@pytest.mark.slow
def test_rows_of_an_earlier_config_do_not_stand_for_missing_cells(run):
    out = run()
    text = (out / "config.yaml").read_text()
    bnexp.run(bnexp.load_config(out / "config.yaml", {"train.epochs": 2}), out)
    (out / "config.yaml").write_text(text)
    (out / "cells" / f"{cells(out)[1].id}.json").unlink()
    assert bnexp.verify(out).counts == {"identical": 11, "not trained": 1}


@pytest.mark.slow
def test_a_sample_is_the_same_each_time_and_spread_over_the_sweep(run):
    out = run(random__seeds=[0, 1, 2])
    found = bnexp.verify(out, sample=6)
    assert (found.counts, found.left_out) == ({"identical": 6}, 12)
    assert said(found) == "18 networks: 6 identical, 12 not in the sample"
    assert [one.cell for one in bnexp.verify(out, sample=6).networks] == [
        one.cell for one in found.networks
    ]
    for key, number in (("model.init.std", 3), ("model.norm", 2)):
        assert len({one.point[key] for one in found.networks}) == number
    assert {one.seed for one in found.networks} == {0, 1, 2}
    assert bnexp.verify(out, sample=99).left_out == 0


def test_samples_of_any_size_are_distinct_cells(small):
    plan = make_plan(bnexp.load_config(small))
    for number in range(1, 13):
        assert len({network.id for network in sample_networks(plan.networks, number)}) == number


def test_a_reference_without_cells_is_compared_by_its_tables(run, tmp_path):
    out = run(sweep__model__init__std=[1e20, 0.1], **PROBES)
    made = reference(out, tmp_path / "reference")
    before = contents(made)
    assert said(bnexp.verify(made)) == "8 networks: 8 identical"
    assert contents(made) == before
    for name, places in (("metrics.csv", "train_loss, step 4"), ("probes.csv", "dead of layer 1")):
        path = made / name
        lines = path.read_text().splitlines()
        fields = lines[1].split(",")
        fields[6 if name == "metrics.csv" else -1] = "0.77"
        path.write_text("\n".join([lines[0], ",".join(fields), *lines[2:]]) + "\n")
        agree(made)
        found = bnexp.verify(made)
        assert found.counts == {"identical": 7, "different": 1}
        assert str(found.networks[0].worst).startswith(places)
        path.write_bytes(before[name][0])


def test_tables_that_are_not_there_are_said_to_be_missing(run, tmp_path):
    made = reference(run(**PROBES), tmp_path / "reference")
    (made / "probes.csv").unlink()
    (made / "summary.csv").unlink()
    text = said(bnexp.verify(made))
    assert "no probes.csv: what only it has is not verified" in text
    assert text.splitlines()[-1] == "12 networks: 12 identical"


def test_a_damaged_table_is_refused(run, tmp_path):
    made = reference(run(), tmp_path / "reference")
    with (made / "metrics.csv").open("a") as file:
        file.write("x,y\n")
    result = call(made)
    assert result.exit_code == 4
    assert "metrics.csv:38: damaged, expected 10 fields, got 2" in result.stderr


def test_another_environment_is_guessed_to_be_the_cause(run, tmp_path):
    made = reference(run(), tmp_path / "reference")
    lines = (made / "metrics.csv").read_text().splitlines()
    fields = lines[5].split(",")
    lines[5] = ",".join([*fields[:6], "2.75", *fields[7:]])
    (made / "metrics.csv").write_text("\n".join(lines) + "\n")
    agree(made)
    blas = {"internal_api": "openblas", "version": "0.1", "architecture": "Zen"}
    manifest(made, numerics=-1, blas=[blas], python="3.11.0", cpu={"model": "abacus", "cores": 1})
    found = bnexp.verify(made)
    assert found.counts == {"identical": 11, "different": 1}
    assert [one.key for one in found.causes] == ["bnexp's numerics", "BLAS", "processor", "python"]
    assert found.causes[0].first == "-1"
    text = said(found)
    assert "what may explain it, the likeliest first (stored -> here):" in text
    assert "  BLAS              openblas 0.1 Zen -> " in text
    assert "no difference of environment" not in text
    (made / "manifest.json").unlink()
    assert "no manifest.json: nothing says" in said(bnexp.verify(made))


def test_cells_with_other_ids_are_found_by_their_values(run, tmp_path, monkeypatch):
    out = run()
    monkeypatch.setattr("bnexp.sweep.networks.NUMERICS", -1)
    monkeypatch.setattr("bnexp.runs.manifest.NUMERICS", -1)
    found = bnexp.verify(out)
    assert found.counts == {"identical": 12}
    assert (found.renamed, found.causes[0].key) == (True, "bnexp's numerics")


@pytest.fixture
def digits(tmp_path):
    def write(seed):
        random = np.random.default_rng(seed)
        folder = tmp_path / "digits"
        folder.mkdir(exist_ok=True)
        for role, number in (("train", 60), ("t10k", 20)):
            for what, array in (
                ("images", random.integers(0, 256, (number, 5, 4), dtype=np.uint8)),
                ("labels", (np.arange(number) % 10).astype(np.uint8)),
            ):
                header = bytes([0, 0, 8, array.ndim])
                header += b"".join(size.to_bytes(4, "big") for size in array.shape)
                name = f"{role}-{what}-idx{array.ndim}-ubyte"
                (folder / name).write_bytes(header + array.tobytes())
        return str(folder)

    return write


def test_other_data_are_guessed_to_be_the_cause(run, digits):
    out = run(data__name=digits(0), data__train="all", train__batch_size=20)
    assert bnexp.verify(out, sample=2).exit_status == 0
    folder = digits(1)
    task.dataset.cache_clear()
    found = bnexp.verify(out)
    assert found.counts["different"] >= 10
    assert "identical" not in found.counts
    assert [one.key for one in found.causes] == [f"data {folder}"]
    assert f"  data {folder}" in said(found)
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        (out.parent / "digits" / name).unlink()
    task.dataset.cache_clear()
    with pytest.raises(DataError, match="train-images"):
        bnexp.verify(out)


@pytest.mark.slow
def test_more_than_twenty_rows_are_counted(run):
    out = run(random__seeds=[0, 1, 2, 3])
    for number in range(24):
        change(out, number, train_loss=lambda v: (0.0, *v[1:]))
    lines = said(bnexp.verify(out)).splitlines()
    assert sum(line.startswith("different") for line in lines) == 20
    assert "... and 4 more networks" in lines


def test_a_network_that_fails_has_failed(run, monkeypatch):
    def broken(*arguments, **options):
        raise ZeroDivisionError("by nothing")

    out = run()
    monkeypatch.setattr("bnexp.execution.task.train_networks", broken)
    found = bnexp.verify(out, sample=1)
    assert (found.counts, found.exit_status) == ({"failed": 1}, 1)
    assert found.networks[0].reason.startswith(
        "ZeroDivisionError: by nothing (test_comparison_verification.py:"
    )
    assert "ZeroDivisionError: by nothing" in " ".join(said(found).split())


def test_what_could_not_be_drawn_or_judged_is_verified_all_the_same(run):
    out = run()
    text = (out / "config.yaml").read_text()
    assert "figures: []\n" in text
    undrawable = text.replace("figures: []", "figures: [{kind: panels, axis: model.bias}]")
    (out / "config.yaml").write_text(undrawable)
    assert bnexp.verify(out, sample=1).exit_status == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sample": 0}, "sample: expected a number of at least 1, got 0"),
        ({"jobs": 0}, "jobs: expected a number of at least 1, got 0"),
        ({"tolerance": -1.0}, "tolerance: expected a number of at least 0, got -1.0"),
        ({"tolerance": math.nan}, "tolerance: expected a number of at least 0, got nan"),
    ],
)
def test_wrong_arguments(tmp_path, options, expected):
    with pytest.raises(ConfigError, match=expected):
        bnexp.verify(tmp_path, **options)


def test_what_is_no_run_directory(run, tmp_path):
    result = call(tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "not a run directory, expected a config.yaml in it" in result.stderr
    assert call(tmp_path, "--sample", 0).exit_code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.yaml").write_bytes((run() / "config.yaml").read_bytes())
    result = call(empty)
    assert result.exit_code == 4
    assert "no finished network, expected cells or a metrics.csv" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '"x"', "\x00"])
def test_a_damaged_manifest(run, text):
    out = run()
    (out / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"manifest\.json: damaged, .*expected a ma"):
        bnexp.verify(out)


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"blas": {"a": [1]}, "numerics": [None]},
        {"packages": {"numpy": {"deep": {}}}},
        {"blas": [3, {"version": {}}], "cpu": "none", "python": ["3"]},
    ],
)
def test_a_strange_environment_is_no_mistake_of_the_program(run, strange):
    out = run()
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "environment": strange}))
    change(out, 0, train_loss=lambda v: (0.0, *v[1:]))
    found = bnexp.verify(out, sample=12)
    assert found.causes
    assert "what may explain it" in said(found)


def test_an_interrupted_verification_says_so(run, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    out = run()
    monkeypatch.setattr("bnexp.comparison.verify", interrupted)
    result = call(out)
    assert result.exit_code == 130
    assert "nothing was written" in result.stderr


def test_numbers_that_differ_late_are_written_out(run):
    out = run()
    change(out, 0, train_loss=lambda v: (v[0] * (1 + 1e-9), *v[1:]))
    found = bnexp.verify(out)
    worst = found.networks[0].worst
    assert f"{worst.first!r} -> {worst.second!r}" in " ".join(said(found).split())


def test_rows_of_another_config_are_guessed_to_be_the_cause(run, tmp_path):
    made = reference(run(), tmp_path / "reference")
    path = made / "config.yaml"
    path.write_text(path.read_text().replace("lr: 0.1", "lr: 0.2"))
    found = bnexp.verify(made)
    assert found.counts == {"different": 12}
    assert "metrics.csv is of other cells: made by another bnexp, or of another config" in said(
        found
    )
