"""The run directory: complete or absent, self-verifying, and only what is missing is trained."""

from __future__ import annotations

import csv
import json
import math
import os
import threading

import numpy as np
import pytest

import bnexp
from bnexp.errors import ConfigError, StoreError
from bnexp.execution.task import Record
from bnexp.files import HOST
from bnexp.progress import Progress
from bnexp.runs import RunDirectory
from bnexp.runs.directory import FORMAT, NoRecord, decode_cell, encode_cell

RECORD = Record(
    cell="c0ffee",
    data_sha256="d" * 64,
    status="diverged",
    diverged_at_step=3,
    steps=(1, 11),
    epochs=(0, 1),
    metrics={"train_loss": (0.1, math.nan), "train_accuracy": (1 / 3, 0.097)},
    seconds=0.25,
)


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_record_reads_back_exactly():
    again = decode_cell(encode_cell(RECORD), "c0ffee")
    assert repr(again) == repr(RECORD)


@pytest.mark.parametrize("position", range(0, len(encode_cell(RECORD)), 7))
def test_a_flipped_bit_is_noticed(position):
    content = bytearray(encode_cell(RECORD))
    content[position] ^= 4
    with pytest.raises(NoRecord):
        decode_cell(bytes(content), "c0ffee")


@pytest.mark.parametrize("length", range(0, len(encode_cell(RECORD)), 7))
def test_a_truncated_file_is_noticed(length):
    with pytest.raises(NoRecord):
        decode_cell(encode_cell(RECORD)[:length], "c0ffee")


def test_anothers_file_and_another_format_are_noticed():
    with pytest.raises(NoRecord, match="another network's"):
        decode_cell(encode_cell(RECORD), "decaf")
    head, later = (f'"bnexp_cell": {number}'.encode() for number in (FORMAT, FORMAT + 1))
    with pytest.raises(NoRecord, match=f"of format {FORMAT + 1}, this bnexp writes {FORMAT}"):
        decode_cell(encode_cell(RECORD).replace(head, later), "c0ffee")


@pytest.mark.slow
def test_a_second_run_trains_nothing_and_changes_no_table(small, tmp_path):
    config, out = bnexp.load_config(small), tmp_path / "out"
    first = bnexp.run(config, out)
    assert first.trained == 12
    before = contents(out)
    second = bnexp.run(config, out)
    assert second.trained == 0
    after = contents(out)
    changed = {str(path) for path in before if before[path] != after[path]}
    assert changed <= {"manifest.json"}
    assert set(before) == set(after)


@pytest.mark.slow
def test_only_what_is_missing_or_changed_is_trained(small, tmp_path):
    out = tmp_path / "out"
    bnexp.run(bnexp.load_config(small), out)
    reference = contents(out)
    more = bnexp.load_config(small, {"random.seeds": [0, 1, 2]})
    assert bnexp.run(more, out).trained == 6
    networks = sorted((out / "cells").glob("*.json"))
    networks[0].unlink()
    networks[1].write_bytes(networks[1].read_bytes()[:-20])
    networks[2].write_bytes(b"")
    networks[3].write_bytes(networks[4].read_bytes())
    assert bnexp.run(more, out).trained == 4
    bnexp.run(bnexp.load_config(small), out)
    metrics = os.path.join("metrics.csv")
    assert (out / metrics).read_bytes() == next(
        content for path, content in reference.items() if str(path) == metrics
    )


@pytest.mark.slow
def test_fresh_trains_everything_again(small, tmp_path):
    config = bnexp.load_config(small)
    bnexp.run(config, tmp_path / "out")
    assert bnexp.run(config, tmp_path / "out", fresh=True).trained == 12


@pytest.mark.slow
def test_other_data_are_not_up_to_date(small, tmp_path):
    config, out = bnexp.load_config(small), tmp_path / "out"
    bnexp.run(config, out)
    networks = bnexp.sweep.make_plan(config).networks
    records, missing = RunDirectory(out).read_records(networks, "0" * 64)
    assert not records
    assert set(missing.values()) == {"trained on other data"}


@pytest.mark.slow
def test_the_resolved_config_repeats_the_run(small, tmp_path):
    out = tmp_path / "out"
    bnexp.run(bnexp.load_config(small, {"train.epochs": 2}), out)
    before = (out / "metrics.csv").read_bytes()
    again = bnexp.run(bnexp.load_config(out / "config.yaml"), out)
    assert again.trained == 0
    assert (out / "metrics.csv").read_bytes() == before


@pytest.mark.slow
def test_tables_are_tidy_and_read_back_exactly(small, tmp_path):
    out = tmp_path / "out"
    result = bnexp.run(bnexp.load_config(small, {"data.test": 100}), out)
    with (out / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "cell", "seed", "model.init.std", "model.norm", "epoch", "step",
        "train_loss", "train_accuracy", "test_loss", "test_accuracy",
    ]  # fmt: skip
    assert len(rows) == 12 * 3
    assert {row["model.norm"] for row in rows} == {"batch", "none"}
    assert [int(row["step"]) for row in rows[:3]] == [4, 8, 12]
    for name in ("train_loss", "test_loss", "test_accuracy"):
        written = np.array([float(row[name]) for row in rows])
        np.testing.assert_array_equal(written, result.metrics[name])
    with (out / "summary.csv").open(newline="") as file:
        summary = list(csv.DictReader(file))
    assert len(summary) == 12
    for row, accuracy in zip(summary, result.metrics["train_accuracy"][2::3], strict=True):
        assert float(row["final_train_accuracy"]) == accuracy
        assert float(row["best_train_accuracy"]) >= accuracy
    assert result.summary.to_pandas().shape == (12, len(summary[0]))


def test_without_test_images_the_columns_are_empty(small, tmp_path):
    bnexp.run(bnexp.load_config(small), tmp_path / "out")
    with (tmp_path / "out" / "metrics.csv").open(newline="") as file:
        assert {row["test_loss"] + row["test_accuracy"] for row in csv.DictReader(file)} == {""}


@pytest.mark.slow
def test_divergence_is_a_result(small, tmp_path):
    config = bnexp.load_config(
        small, {"sweep.model.init.std": [1e20, 0.1], "train.optimizer.lr": 1.0}
    )
    summary = bnexp.run(config, tmp_path / "out").summary
    gone = (summary["model.init.std"] == 1e20) & (summary["model.norm"] == "none")
    assert set(summary["status"][gone]) == {"diverged"}
    assert set(summary["diverged_at_step"][gone]) == {1}
    assert np.isnan(summary["final_train_loss"][gone]).all()
    assert np.isfinite(summary["final_train_accuracy"]).all()
    assert set(summary["status"][summary["model.init.std"] == 0.1]) == {"ok"}


def test_nothing_is_kept_without_out(small, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    result = bnexp.run(bnexp.load_config(small))
    assert result.directory is None
    assert list((tmp_path / "empty").iterdir()) == []


def test_manifest_says_what_it_was_made_with(small, tmp_path):
    bnexp.run(bnexp.load_config(small), tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["data"]["synthetic"]["sha256"] == bnexp.data.DATASETS["synthetic"].sha256
    assert manifest["environment"]["packages"]["numpy"] == np.__version__
    assert manifest["environment"]["blas"]
    assert manifest["trained"] == 12


@pytest.mark.slow
def test_leftovers_of_a_killed_run_are_swept(small, tmp_path):
    out = tmp_path / "out"
    (out / "cells").mkdir(parents=True)
    (out / "cells" / f".bnexp-tmp-{HOST}-4194305-half.json").write_bytes(b"{")
    half = f".bnexp-tmp-{HOST}-4194305-"
    others = [out / ".tmp-mine", out / ".bnexp-tmp-mine", out / "deep" / f"{half}mine"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    bnexp.run(bnexp.load_config(small), out)
    assert not list((out / "cells").glob(".bnexp-tmp-*"))
    assert all(path.read_text() == "mine" for path in others)


def test_an_output_path_that_is_a_file(small, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StoreError, match="cannot write"):
        bnexp.run(bnexp.load_config(small), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_a_second_run_waits_for_the_first_and_takes_its_results(small, tmp_path):
    config, out, waited = bnexp.load_config(small), tmp_path / "out", threading.Event()
    with RunDirectory(out).writing():
        second: list[bnexp.Result] = []
        progress = Progress(waiting=waited.set)
        thread = threading.Thread(
            target=lambda: second.append(bnexp.run(config, out, progress=progress))
        )
        thread.start()
        assert waited.wait(30)
        assert not (out / "config.yaml").exists()
    thread.join(60)
    assert second[0].trained == 12
    assert bnexp.run(config, out).trained == 0


def test_plotting_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ConfigError, match="not a run directory"):
        bnexp.plots.replot(tmp_path)


@pytest.mark.slow
def test_networks_of_other_settings_are_kept_and_counted(small, tmp_path):
    told = []
    progress = Progress(planned=lambda networks, known, steps, others: told.append(others))
    for epochs in (1, 2, 1):
        config = bnexp.load_config(small, {"train.epochs": epochs})
        bnexp.run(config, tmp_path / "out", progress=progress)
    assert told == [0, 12, 12]
    assert len(list((tmp_path / "out" / "cells").glob("*.json"))) == 24
