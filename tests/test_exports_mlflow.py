"""MLflow exports, read back with MLflow's client."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from report_cases import LEAST, PLAIN, STRUCTURES, made

import bnexp
from bnexp.cli.main import cli
from bnexp.errors import StoreError
from bnexp.exports import mlflow as mlflow_export
from bnexp.exports.common import (
    ExportedNetwork,
    default_environment,
    exported_networks,
    require_libraries,
    silence_libraries,
)
from bnexp.exports.mlflow import MAX_NAME, MAX_PARAM, open_store, run_content
from bnexp.runs.data import read_finished_run
from bnexp.text import printable

pytestmark = pytest.mark.slow

for library in ("mlflow", "sqlalchemy", "alembic"):
    with default_environment(mlflow_export.ENVIRONMENT), silence_libraries():
        pytest.importorskip(library)


def client(folder):
    from mlflow import MlflowClient

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return MlflowClient(uri, registry_uri=uri)


def runs(folder, name="small"):
    reader = client(folder)
    experiment = reader.get_experiment_by_name(name)
    return {
        run.data.tags["bnexp.cell"]: run for run in reader.search_runs([experiment.experiment_id])
    }


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Two experiments in one store."""
    folder = tmp_path_factory.mktemp("mlflow") / "out"
    for text in (PLAIN, STRUCTURES):
        assert bnexp.export(made(text), "mlflow", folder) == folder
    return folder


@pytest.fixture
def copied(out, tmp_path):
    """The store, to be written to."""
    return shutil.copytree(out, tmp_path / "copied")


def call(text, out):
    arguments = ["export", str(made(text)), "--to", "mlflow", "--out", str(out)]
    return CliRunner().invoke(cli, arguments)


@pytest.mark.parametrize(("text", "name"), [(PLAIN, "small"), (STRUCTURES, "structures")])
def test_every_evaluation_is_a_metric_of_its_step(out, text, name):
    opened, found, reader = read_finished_run(made(text)), runs(out, name), client(out)
    assert set(found) == set(opened.records)
    for network, record in opened.records.items():
        assert set(found[network].data.metrics) == set(record.metrics)
        for name, values in record.metrics.items():
            history = reader.get_metric_history(found[network].info.run_id, name)
            history.sort(key=lambda metric: metric.step)
            assert [metric.step for metric in history] == list(record.steps)
            assert np.array_equal([metric.value for metric in history], values, equal_nan=True)


def test_parameters_tags_and_times(out):
    opened, found = read_finished_run(made(PLAIN)), runs(out)
    for network in opened.plan.networks:
        run, record = found[network.id], opened.records[network.id]
        params = run.data.params
        point = {**network.point, "seed": network.seed}
        assert {key: params[key] for key in point} == {k: str(v) for k, v in point.items()}
        assert params["train.optimizer.lr"] == "0.1"
        assert params["model.hidden"] == "[12, 12]"
        assert params["data.name"] == "synthetic"
        tags = run.data.tags
        assert tags["bnexp.status"] == record.status
        expected = str(record.diverged_at_step) if record.status == "diverged" else None
        assert tags.get("bnexp.diverged_at_step") == expected
        assert run.info.run_name == ", ".join(f"{key}={value}" for key, value in point.items())
        assert (run.info.status, run.info.lifecycle_stage) == ("FINISHED", "active")
        duration = run.info.end_time - run.info.start_time
        assert duration == round(1000 * record.seconds)


def test_the_config_is_an_artifact_of_each_run_beside_the_database(out):
    for run in runs(out).values():
        path = out / "artifacts" / run.info.run_id / "artifacts" / "config.yaml"
        assert path.read_text() == (made(PLAIN) / "config.yaml").read_text()
    assert {path.name for path in out.iterdir()} == {"mlflow.db", "artifacts"}


def test_exporting_again_writes_what_is_not_there(copied):
    out = copied
    before = {network: run.info.run_id for network, run in runs(out).items()}
    reader = client(out)
    one, other, *_ = before.values()
    reader.set_tag(one, "bnexp.sha256", "of other numbers")
    reader.update_run(other, "RUNNING")  # as if interrupted
    result = call(PLAIN, out)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"12 networks in {out}, experiment small\n  10 of them were there\n"
        f"look at it: mlflow ui --backend-store-uri sqlite:///{out}/mlflow.db\n"
    )
    after = {network: run.info.run_id for network, run in runs(out).items()}
    assert set(after) == set(before)
    assert {network for network in after if after[network] != before[network]} == {
        network for network, run in before.items() if run in (one, other)
    }


def test_runs_of_others_stay(copied):
    """The same experiment, another sweep: nothing of the first is lost, and the second says so."""
    out, text = copied, LEAST.replace("name: least", "name: structures")
    result = call(text, out)
    assert result.stdout.startswith(
        f"1 network in {out}, experiment structures\n  besides 6 networks of other settings\n"
    )
    assert len(runs(out, "structures")) == 7


def test_long_histories_and_infinities(tmp_path, monkeypatch):
    """MLflow's databases hold the largest float in place of an infinity: a tag says so."""
    monkeypatch.setattr(mlflow_export, "MAX_METRICS", 7)
    monkeypatch.setattr(mlflow_export, "MAX_PARAMS", 3)
    monkeypatch.setattr(mlflow_export, "MAX_RUNS", 2)
    data = replace(read_finished_run(made(PLAIN)), directory=None)
    first, *others = exported_networks(data)
    steps = tuple(range(10))
    losses = (math.inf, -math.inf, math.nan, *(0.1 * i for i in range(7)))
    record = replace(first.record, steps=steps, epochs=steps, metrics={"train_loss": losses})
    records = {first.network.id: record, **{n.network.id: n.record for n in others[:4]}}
    data = replace(data, records=records)
    made_here = mlflow_export.write_mlflow(data, str(tmp_path), iter)
    assert made_here.lines == (f"5 networks in {tmp_path}, experiment small",)
    assert "  5 of them were there" in mlflow_export.write_mlflow(data, str(tmp_path), iter).lines
    found = runs(tmp_path)[first.network.id]
    assert found.data.tags["bnexp.infinite"] == "train_loss"
    history = client(tmp_path).get_metric_history(found.info.run_id, "train_loss")
    values = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
    largest = sys.float_info.max
    assert values[:2] == [largest, -largest]
    assert math.isnan(values[2])
    assert values[3:] == list(losses[3:])


def test_texts_are_as_long_as_mlflow_takes_them():
    opened = read_finished_run(made(PLAIN))
    network = opened.plan.networks[0]
    network = replace(network, point={"data.name": "x" * 10_000})
    made_here = run_content(ExportedNetwork(network, opened.records[network.id]))
    assert len(made_here.name) == MAX_NAME
    assert len(made_here.params["data.name"]) == MAX_PARAM
    assert made_here.params["data.name"].endswith("x...")


def test_nothing_is_sent_or_said(tmp_path):
    """Without the variable, MLflow makes a file in the home folder and asks for an address."""
    code = (
        "import socket, sys\n"
        "def refuse(*given, **options): raise SystemExit('asked for an address')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
        "import bnexp\n"
        "print(bnexp.export(sys.argv[1], 'mlflow', sys.argv[2]))\n"
        "import os; print([name for name in os.environ if name.startswith('MLFLOW')])\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, made(LEAST), tmp_path / "out"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'out'}\n[]\n"
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("file", "a file, expected a folder, or a tracking URI such as sqlite:///mlflow.db"),
        ("50% done", "expected a folder without ?, # and %"),
        ("why?", "expected a folder without ?, # and %"),
        ("file/below", "cannot write"),
        ("a\0b", "cannot write"),
        ("damaged", "MLflow could not write, (sqlite3.DatabaseError) file is not a database"),
        ("nonsense:place", "MLflow could not write"),
    ],
)
def test_a_place_that_cannot_be_written(tmp_path, monkeypatch, place, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "mlflow.db").write_text("mine")
    with pytest.raises(StoreError) as caught:
        bnexp.export(made(LEAST), "mlflow", place)
    assert str(caught.value).startswith(printable(place))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "damaged"}


def test_a_tracking_uri_is_used_as_it_is(tmp_path):
    uri = f"sqlite:///{tmp_path}/theirs.db"
    assert (open_store(uri).place, open_store(f"{tmp_path}").place) == (uri, tmp_path)
    assert open_store(uri).uri == uri
    assert open_store(uri).artifacts is None
    assert open_store(uri).view == f"mlflow ui --backend-store-uri {uri}"
    assert open_store("http://localhost:5000").view == "http://localhost:5000"
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_database_that_could_not_be_made_leaves_nothing(tmp_path, monkeypatch):
    def breaks(*given, **options):
        raise KeyboardInterrupt

    require_libraries("mlflow", "mlflow")
    with silence_libraries():
        monkeypatch.setattr("mlflow.MlflowClient", breaks)
    with pytest.raises(KeyboardInterrupt):
        open_store(str(tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []
