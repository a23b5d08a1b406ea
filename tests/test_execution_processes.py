"""Workers: the same bits wherever and beside whatever a network is trained."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import bnexp
from bnexp.execution import EXECUTORS, processes
from bnexp.execution.processes import ThisProcess, run_tasks
from bnexp.execution.task import Task, train_task
from bnexp.execution.workers import WorkerProcesses
from bnexp.sweep import make_plan, make_stacks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workers():
    with WorkerProcesses(2) as made:
        yield made


def records(config, size, engine):
    tasks = [Task(stack.networks) for stack in make_stacks(make_plan(config).networks, size=size)]
    made = [record for batch in run_tasks(engine, tasks, lambda steps: None) for record in batch]
    return {record.cell: (repr(record.metrics), record.diverged_at_step) for record in made}


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_any_stack_size_and_any_worker_gives_the_same_bits(small, precision, workers):
    config = bnexp.load_config(small, {"train.precision": precision, "data.test": 100})
    alone = records(config, 1, ThisProcess())
    assert len(alone) == 12
    for size in (2, 3, 8):
        assert records(config, size, ThisProcess()) == alone
    assert records(config, 2, workers) == alone


def test_the_books_stream_gives_the_same_bits_in_any_stack(workers):
    changes = {"data.name": "synthetic", "train.epochs": 3}
    changes["sweep.model.init.std"] = [0.3, 0.03, 0.003]
    config = bnexp.load_config("book_weight_scale", changes)
    alone = records(config, 1, ThisProcess())
    assert len(alone) == 6
    for size in (2, 3):
        assert records(config, size, ThisProcess()) == alone
    assert records(config, 2, workers) == alone


def test_one_job_and_two_jobs_write_the_same_tables(small, tmp_path):
    config = bnexp.load_config(small)
    bnexp.run(config, tmp_path / "one", jobs=1)
    bnexp.run(config, tmp_path / "two", jobs=2)
    one, two = (tmp_path / name / "metrics.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    for name in ("curves.png", "curves.svg", "scale.svg"):
        one, two = (tmp_path / run / "figures" / name for run in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_networks_of_a_seed_start_alike_and_see_the_same_batches(small):
    config = bnexp.load_config(
        small,
        {"sweep.model.init.std": None, "sweep.model.norm": None, "sweep.train.epochs": [1, 2]},
    )
    metrics = bnexp.run(config).metrics
    first = metrics["epoch"] == 1
    for seed in (0, 1):
        losses = metrics["train_loss"][first & (metrics["seed"] == seed)]
        assert len(losses) == 2
        assert losses[0] == losses[1]
    assert len(set(metrics["train_loss"][first])) == 2


def test_a_stack_that_fails_does_not_take_the_others_with_it(small, tmp_path, monkeypatch):
    def fails(task, on_step):
        if task.networks[0].setting.model.norm is None:
            raise MemoryError("out of memory")
        return train_task(task, on_step)

    monkeypatch.setattr(processes, "train_task", fails)
    with pytest.raises(bnexp.NetworksFailed, match="6 networks failed, the others are kept") as e:
        bnexp.run(bnexp.load_config(small), tmp_path / "out")
    result = e.value.result
    assert len(result.failed) == 6
    (reason,) = set(result.failed.values())
    assert re.fullmatch(
        r"MemoryError: out of memory \(test_execution_processes.py:\d+, in fails\)", reason
    )
    status = result.summary["status"]
    assert (status == "failed").sum() == 6
    assert set(result.summary["model.norm"][status == "failed"]) == {"none"}
    monkeypatch.undo()
    assert bnexp.run(bnexp.load_config(small), tmp_path / "out").trained == 6


def test_steps_are_counted(small, workers):
    config = bnexp.load_config(small)
    before = workers.steps()
    records(config, 3, workers)
    assert workers.steps() - before == 12 * 12
    here = ThisProcess()
    records(config, 3, here)
    assert here.steps() == 12 * 12


EXECUTOR = """\
from dataclasses import dataclass

from bnexp.execution import EXECUTORS
from bnexp.execution.processes import ThisProcess, run_tasks


@EXECUTORS.register("patient")
@dataclass(frozen=True)
class Patient:
    workers: int = 3

    def records(self, tasks, on_steps):
        yield from run_tasks(ThisProcess(), tasks, on_steps)
"""


def test_a_users_executor_is_named_on_the_command_line(small, tmp_path):
    (tmp_path / "own_executor.py").write_text(EXECUTOR)
    words = [sys.executable, "-m", "bnexp", "--import", "own_executor", "run", small]
    options = ["--executor", "patient", "-j", "2", "--quiet", "--out", tmp_path / "own"]
    path = {**os.environ, "PYTHONPATH": str(Path(bnexp.__file__).parents[1])}
    done = subprocess.run(
        [*words, *options], cwd=tmp_path, env=path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((tmp_path / "own" / "manifest.json").read_text())["jobs"] == 2
    bnexp.run(bnexp.load_config(small), tmp_path / "here")
    own, here = ((tmp_path / name / "metrics.csv").read_bytes() for name in ("own", "here"))
    assert own == here
    refused = subprocess.run(
        [*words, *options, "--cell-timeout", "9"],
        cwd=tmp_path, env=path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "--cell-timeout: is for this machine, not for --executor patient" in refused.stderr


@dataclass(frozen=True)
class Yielding:
    """An executor that returns what it is made of."""

    records_made: object
    workers: int = 1

    def records(self, tasks, on_steps):
        return self.records_made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "expected a generator, got a NoneType"),
        ([[]], "expected a generator, got a list"),
        ((_ for _ in ()), "expected one for each network, got none for 12 of 12"),
        ((word for word in ["hello"]), "expected a list of the records of a stack, got 'hello'"),
        (
            ([word] for word in ["hello"]),
            r"expected a list of the records of a stack, got \['hello'",
        ),
    ],
)
def test_what_an_executor_must_return(small, made, message):
    with pytest.raises(bnexp.ConfigError, match=f"executor Yielding: records: {message}"):
        bnexp.run(bnexp.load_config(small), executor=Yielding(made))


def test_the_older_name_of_the_argument_still_works(small, tmp_path):
    config = bnexp.load_config(small)
    bnexp.run(config, tmp_path / "out")
    with pytest.raises(bnexp.ConfigError, match="place: the older name of executor"):
        bnexp.run(config, executor=Yielding(None), place=Yielding(None))
    for argument in ("executor", "place"):
        with pytest.raises(bnexp.ConfigError, match="executor Yielding: records: expected"):
            bnexp.run(config, **{argument: Yielding(None)})
        with pytest.raises(bnexp.ConfigError, match="executor Yielding: records: expected"):
            bnexp.verify(tmp_path / "out", **{argument: Yielding(None)})


def test_an_executor_has_workers():
    cls = dataclass(frozen=True)(type("Idle", (), {"records": lambda self, tasks, on_steps: None}))
    with pytest.raises(
        TypeError, match="executor 'idle': expected an option or a property workers"
    ):
        EXECUTORS.register("idle", cls)
