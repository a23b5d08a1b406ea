"""Tables read back: the same columns bit for bit, or an error that names file and line."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnexp
from bnexp.errors import StoreError
from bnexp.metrics import evaluation_columns, recorded_metrics
from bnexp.runs import csv
from bnexp.runs.csv import csv_text, parse_label, read_table
from bnexp.runs.data import read_finished_run

METRICS = evaluation_columns(recorded_metrics())
HEAD = "cell,seed,model.norm,epoch,step,train_loss,train_accuracy,test_loss,test_accuracy\n"
ROW = "c0ffee,0,none,0,1,2.5,0.125,,\n"
FLOATS = st.floats(width=64)
IDS = st.text("0123456789abcdef", min_size=1, max_size=20)
# Labels that stand for a number read as that number, and are no labels of structures.
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r") | st.sampled_from(',"\n '), max_size=20
).filter(lambda text: isinstance(parse_label(text), str))
NUMBERS = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)


def same(table, again):
    assert list(table) == list(again)
    for name, column in table.items():
        assert column.dtype == again[name].dtype, name
        if column.dtype.kind == "f":
            nan = np.isnan(column)
            np.testing.assert_array_equal(nan, np.isnan(again[name]))
            np.testing.assert_array_equal(
                column[~nan].view(np.int64), again[name][~nan].view(np.int64)
            )
        else:
            assert column.tolist() == again[name].tolist()


def column(values):
    numbers = values and all(isinstance(value, int | float) for value in values)
    return np.array(values, None if numbers else object)


@st.composite
def metric_tables(draw):
    n = draw(st.integers(0, 5))

    def listed(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    swept = draw(st.sampled_from([TEXTS, NUMBERS, TEXTS | NUMBERS]))
    table = {
        "cell": np.array(listed(IDS), object),
        "seed": np.array(listed(st.integers(0, 2**32 - 1)), np.int64),
        "model.norm": column(listed(swept)),
        "epoch": np.array(listed(st.integers(0, 10**6)), np.int64),
        "step": np.array(listed(st.integers(0, 10**6)), np.int64),
    }
    for name in METRICS:
        limited = st.floats(0, 1 if name.endswith("accuracy") else None) | st.just(np.nan)
        table[name] = np.array(listed(limited), np.float64)
    for part in ("train", "test"):  # without an accuracy there is no loss
        table[f"{part}_loss"][np.isnan(table[f"{part}_accuracy"])] = np.nan
    return table


@given(metric_tables())
@settings(max_examples=60, deadline=None)
def test_what_is_written_reads_back_to_the_bit(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("table") / "metrics.csv"
    path.write_bytes(csv_text(table).encode())
    same(table, read_table(path))


@given(st.lists(st.tuples(FLOATS, FLOATS), max_size=5))
@settings(max_examples=30, deadline=None)
def test_probe_readings_read_back_to_the_bit(tmp_path_factory, numbers):
    n = len(numbers)
    table = {
        "cell": np.array(["c0ffee"] * n, object),
        "seed": np.zeros(n, np.int64),
        "step": np.arange(n),
        "layer": np.ones(n, np.int64),
        "quantity": np.array(["dead"] * n, object),
        "at": np.array([at for at, _ in numbers], np.float64),
        "value": np.array([value for _, value in numbers], np.float64),
    }
    path = tmp_path_factory.mktemp("table") / "probes.csv"
    path.write_bytes(csv_text(table).encode())
    same(table, read_table(path))


@pytest.mark.slow
def test_a_runs_tables_read_back_exactly(small, tmp_path):
    given = {"probes": {"read": ["covariate_shift"]}, "sweep.model.init.std": [1e20, 0.1]}
    made = bnexp.run(bnexp.load_config(small, given), tmp_path / "out").results
    same(made.metrics, read_table(tmp_path / "out" / "metrics.csv"))
    same(made.summary, read_table(tmp_path / "out" / "summary.csv"))
    same(made.probes, read_table(tmp_path / "out" / "probes.csv"))
    assert -1 in made.summary["diverged_at_step"]
    assert np.isnan(made.metrics["train_loss"]).any()


PARTS_SWEPT_AS_ONE_VALUE = {
    "model": {"sweep.model": [{"hidden": [3]}, {"hidden": [3, 4], "norm": "layer"}]},
    "data": {"sweep.data": [{"name": "synthetic", "train": n} for n in (60, 70)]},
    "train": {"sweep.train": [{"steps": 2, "batch_size": n} for n in (20, 10)]},
    "zip": {
        "sweep.zip.train": [{"steps": 2, "batch_size": 20}, {"epochs": 1, "batch_size": 25}],
        "sweep.zip.model": [{"hidden": [3]}, {"hidden": [5]}],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS_SWEPT_AS_ONE_VALUE)
def test_a_part_of_the_setting_that_is_swept_as_one_value_reads_back_exactly(tmp_path, part):
    experiment = tmp_path / "parts.yaml"
    experiment.write_text(
        "name: parts\ndata: {name: synthetic, train: 50}\nmodel: {hidden: [3]}\n"
        "train: {steps: 2, batch_size: 20}\nprobes: {read: [covariate_shift]}\n"
    )
    swept = PARTS_SWEPT_AS_ONE_VALUE[part]
    made = bnexp.run(bnexp.load_config(experiment, swept), tmp_path / "out").results
    assert [axis.key for axis in made.axes] == [key.rpartition(".")[2] for key in swept]
    for name in ("metrics", "summary", "probes"):
        same(getattr(made, name), read_table(tmp_path / "out" / f"{name}.csv"))
    shutil.rmtree(tmp_path / "out" / "cells")
    without_cells = read_finished_run(tmp_path / "out")
    for name in ("metrics", "summary", "probes"):
        same(getattr(made, name), getattr(without_cells, name))


@pytest.mark.parametrize("key", ["train", "model.init.std", "quantity", "value"])
def test_a_column_is_a_swept_key_by_its_place_not_by_its_name(tmp_path, key):
    path = tmp_path / "metrics.csv"
    for fields in (["0.5", "3", "batch"], ["0.5", "3.5", "1e-07"]):
        rows = [ROW.replace(",none,", f",{field},") for field in fields]
        path.write_text(HEAD.replace("model.norm", key) + "".join(rows))
        labels = [parse_label(field) for field in fields]
        assert read_table(path)[key].tolist() == labels


def test_where_there_is_no_table_there_is_none(tmp_path):
    assert read_table(tmp_path / "metrics.csv") is None


def test_a_field_of_a_label_is_a_number_only_if_it_is_written_as_one():
    written = [
        "0.1",
        "1",
        "-3",
        "1e-05",
        "1.0",
        "01",
        "1e5",
        "nan",
        "inf",
        "1_0",
        " 1",
        "٣",
        "9" * 5000,
    ]
    read = [0.1, 1, -3, 1e-05, 1.0, "01", "1e5", "nan", "inf", "1_0", " 1", "٣", "9" * 5000]
    assert [parse_label(text) for text in written] == read
    assert [type(parse_label(text)) for text in written] == [type(value) for value in read]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("", 1, "expected the columns cell, seed, epoch, step"),
        ("cell,seed\n", 1, "expected the columns"),
        ("\ufeff" + HEAD, 1, "expected the columns"),
        (HEAD.replace("step,", ""), 1, "expected the columns"),
        (HEAD.replace("epoch,step", "step,epoch"), 1, "expected the columns"),
        (HEAD.replace("model.norm", "model.norm,model.norm"), 1, "'model.norm' twice"),
        (HEAD.replace("model.norm", "step"), 1, "'step' twice"),
        (HEAD.replace("model.norm", ",".join(map(str, range(1000)))), 1, "at most 1000 columns"),
        (HEAD + ROW + "c0ffee,0,none\n", 3, "expected 9 fields, got 3"),
        (HEAD + "\n" + ROW, 2, "expected 9 fields, got 0"),
        (HEAD + ROW.replace("none,0,1", "none,0,x"), 2, "step: expected a whole number, got 'x'"),
        (HEAD + ROW.replace("none,0,1", "none,0,"), 2, "step: expected a whole number, got ''"),
        (HEAD + ROW.replace("none,0,1", "none,0," + "9" * 19), 2, "step: expected a whole number"),
        (HEAD + ROW.replace("2.5", "1e999"), 2, "train_loss: expected a number as bnexp writes it"),
        (HEAD + ROW.replace("2.5", "2.50"), 2, "got '2.50'"),
        (HEAD + ROW.replace("2.5", "NaN"), 2, "got 'NaN'"),
        (HEAD + ROW.replace("2.5", "=1+1"), 2, "got '=1+1'"),
        (HEAD + ROW + ROW.replace("none", '"none'), 3, "unexpected end of data"),
        (HEAD + ROW.replace("none", '"no"ne'), 2, "expected after"),
        (HEAD + ROW.replace("none", "x" * 200_000), 2, "field larger than field limit"),
        (HEAD + "," * 1_000_001, 2, "expected lines of at most 1,000,000 bytes"),
        (HEAD + ROW.replace("c0ffee,0", "c0ffee,\x00"), 2, "seed: expected a whole number"),
    ],
)
def test_a_damaged_table_is_refused_with_file_and_line(tmp_path, text, line, expected):
    path = tmp_path / "metrics.csv"
    path.write_bytes(text.encode())
    with pytest.raises(StoreError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}:{line}: damaged, ")
    assert expected in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_bytes((HEAD + ROW).encode() + b"\xff\xfe" + ROW.encode())
    with pytest.raises(StoreError, match=r"metrics\.csv:3: damaged, 'utf-8' codec can't decode"):
        read_table(path)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_table_or_a_store_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("table") / "metrics.csv"
    for start in (b"", HEAD.encode(), (HEAD + ROW).encode()):
        path.write_bytes(start + content)
        try:
            table = read_table(path)
        except StoreError:
            continue
        assert list(table) == HEAD.strip().split(",")


@pytest.mark.slow
def test_a_status_and_a_probes_value_are_checked(small, tmp_path):
    given = {"probes": {"read": ["covariate_shift"]}}
    bnexp.run(bnexp.load_config(small, given), tmp_path / "out")
    summary, probes = tmp_path / "out" / "summary.csv", tmp_path / "out" / "probes.csv"
    summary.write_text(summary.read_text().replace(",ok,", ",good,"))
    with pytest.raises(StoreError, match="status: expected ok, diverged or failed, got 'good'"):
        read_table(summary)
    lines = probes.read_text().splitlines()
    probes.write_text("\n".join([lines[0], lines[1].rpartition(",")[0] + ",", *lines[2:]]) + "\n")
    with pytest.raises(StoreError, match=r"probes\.csv:2: damaged, value: expected a number"):
        read_table(probes)


def test_a_table_that_is_too_large_and_what_is_no_file_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    path.write_text(HEAD + ROW)
    monkeypatch.setattr(csv, "MAX_BYTES", 50)
    with pytest.raises(StoreError, match="too large to read, expected at most 0 MB"):
        read_table(path)
    with pytest.raises(StoreError, match="cannot read, Is a directory"):
        read_table(tmp_path)
