"""Parquet exports, read back with pyarrow."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from report_cases import LEAST, PLAIN, STRUCTURES, made

import bnexp
from bnexp.cli.main import cli
from bnexp.runs.csv import csv_text
from bnexp.runs.data import read_finished_run
from bnexp.runs.tables import Tables

parquet = pytest.importorskip("pyarrow.parquet")

PROBED = LEAST.replace("name: least", "name: probed") + "probes: {read: [layers], at: [0, 2]}\n"
MIXED = LEAST + "sweep: {data.test: [50, all], train.batch_size: [25, 50]}\n"
TYPES = {"cell": "string", "seed": "int64", "step": "int64", "train_loss": "double"}


def tables(run: Tables):
    probes = {"probes": run.probes} if len(run.probes["quantity"]) else {}
    return {"metrics": run.metrics, "summary": run.summary, **probes}


@pytest.mark.slow
@pytest.mark.parametrize("text", [PLAIN, LEAST, STRUCTURES, PROBED, MIXED])
def test_every_number_is_that_of_the_run(text, tmp_path):
    assert bnexp.export(made(text), "parquet", f"{tmp_path}/out") == tmp_path / "out"
    run = read_finished_run(made(text)).tables
    files = {path.stem for path in (tmp_path / "out").glob("*.parquet")}
    assert files == set(tables(run))
    for name, table in tables(run).items():
        read = parquet.read_table(tmp_path / "out" / f"{name}.parquet")
        assert read.column_names == list(table)
        for column in table:
            values = read[column].to_pylist()
            expected = table[column].tolist()
            if isinstance(expected[0], float):
                numbers = [np.nan if value is None else value for value in values]
                assert np.array_equal(numbers, expected, equal_nan=True)
            elif column != "diverged_at_step":
                assert values == [str(v) if table[column].dtype == object else v for v in expected]
        rows = list(csv.DictReader(csv_text(table).splitlines()))
        empty = [[row[column] == "" for column in table] for row in rows]
        assert [[value is None for value in row.values()] for row in read.to_pylist()] == empty


def test_what_diverged_and_what_is_not_there(tmp_path):
    bnexp.export(made(PLAIN), "parquet", tmp_path / "out")
    summary = parquet.read_table(tmp_path / "out" / "summary.parquet").to_pylist()
    diverged = [row for row in summary if row["status"] == "diverged"]
    # Without batch norm the loss is NaN at once; with it the running variance is infinite.
    steps = {(row["model.norm"], row["diverged_at_step"]) for row in diverged}
    assert steps == {("none", 1), ("batch", 4)}
    for row in diverged:
        assert np.isnan(row["final_train_loss"]) == (row["model.norm"] == "none")
    assert {row["diverged_at_step"] for row in summary if row["status"] == "ok"} == {None}
    bnexp.export(made(LEAST), "parquet", tmp_path / "least")
    metrics = parquet.read_table(tmp_path / "least" / "metrics.parquet")
    assert set(metrics["test_loss"].to_pylist()) == {None}


def test_types_and_metadata(tmp_path):
    bnexp.export(made(MIXED), "parquet", tmp_path / "out")
    schema = parquet.read_schema(tmp_path / "out" / "metrics.parquet")
    assert {name: str(schema.field(name).type) for name in TYPES} == TYPES
    assert str(schema.field("train.batch_size").type) == "int64"
    assert str(schema.field("data.test").type) == "string"
    written = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert written["bnexp.name"] == "least"
    assert written["bnexp.config"] == (made(MIXED) / "config.yaml").read_text()
    manifest = json.loads((made(MIXED) / "manifest.json").read_text())
    assert json.loads(written["bnexp.manifest"]) == manifest


@pytest.mark.slow
def test_the_bytes_are_the_same_in_another_process(tmp_path):
    bnexp.export(made(PLAIN), "parquet", tmp_path / "one")
    code = "import sys, bnexp; bnexp.export(sys.argv[1], 'parquet', sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, made(PLAIN), tmp_path / "two"], check=True)
    for name in ("metrics.parquet", "summary.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_command_writes_into_the_run_directory(tmp_path):
    run = tmp_path / "my run"
    shutil.copytree(made(LEAST), run)
    before = {path for path in run.rglob("*") if path.name != ".lock"}
    result = CliRunner().invoke(cli, ["export", str(run), "--to", "parquet"])
    assert (result.exit_code, result.stderr) == (0, "")
    out = run / "export" / "parquet"
    assert result.stdout == (
        f"1 network in {out}\n  metrics.parquet: 1 row\n  summary.parquet: 1 row\n"
        f"look at it: pandas.read_parquet({str(out / 'metrics.parquet')!r})\n"
    )
    after = {path for path in run.rglob("*") if path.name != ".lock"}
    names = {path.relative_to(run).as_posix() for path in after - before}
    files = {"metrics.parquet", "summary.parquet", ".bnexp-export"}
    assert names == {"export", "export/parquet", *(f"export/parquet/{name}" for name in files)}
    (run / "manifest.json").unlink()
    again = bnexp.run(bnexp.load_config(run / "config.yaml"), run, fresh=True)
    assert again.trained == 1
    assert bnexp.export(run, "parquet") == out


def test_pandas_reads_it_as_the_result_has_it(tmp_path):
    pandas = pytest.importorskip("pandas")
    bnexp.export(made(STRUCTURES), "parquet", tmp_path / "out")
    read = pandas.read_parquet(tmp_path / "out" / "metrics.parquet")
    expected = pandas.DataFrame(dict(read_finished_run(made(STRUCTURES)).tables.metrics))
    pandas.testing.assert_frame_equal(read, expected, check_exact=True, check_dtype=False)
