"""On a dask cluster: the same bits as on this machine, whatever becomes of the workers."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import processes
import pytest
from click.testing import CliRunner

import bnexp
from bnexp import Cluster
from bnexp.cli.main import cli
from bnexp.errors import ConfigError
from bnexp.execution import dask
from bnexp.execution.dask import ClusterLost
from bnexp.nn import INITIALIZERS
from bnexp.progress import Progress

distributed = pytest.importorskip("distributed")
until = partial(processes.until, seconds=90)
pytestmark = pytest.mark.cluster

# Some seconds of training: time enough to lose a worker in the middle of it.
PLAIN = {"figures": []}
LONG = {**PLAIN, "train.epochs": 200, "train.evaluate": {"every": 200}}
PROBED = {**PLAIN, "probes": {"read": ["layers"]}}

QUIET = ("--quiet", "--set", "figures=[]")

OWN = """\
from dataclasses import dataclass

from bnexp.nn import INITIALIZERS, option


@INITIALIZERS.register("uneven")
@dataclass(frozen=True)
class Uneven:
    width: float = option(0.1, doc="the largest weight", gt=0)

    def draw(self, generator, shape, fan_in, fan_out):
        if self.width > 1:
            raise ValueError("too wide")
        return self.width * generator.uniform(size=shape)
"""


class Loopback:
    """A scheduler and workers, each a process of this machine; workers import from `modules`."""

    def __init__(self, folder):
        self.file, self.modules = folder / "scheduler.json", folder / "modules"
        self.modules.mkdir()
        self._log = (folder / "log").open("w")
        self._workers = []
        self._scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file
        )
        assert until(self.file.exists)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.kill(len(self._workers))
        self.end()
        self._log.close()

    def end(self):
        self._scheduler.kill()
        self._scheduler.wait()

    def with_workers(self, number, threads=1):
        """The scheduler's file, once there are just so many workers."""
        self._workers = [process for process in self._workers if process.poll() is None]
        self.kill(len(self._workers) - number)
        while len(self._workers) < number:
            self._workers.append(
                self._start(
                    "dask_worker", "--scheduler-file", self.file, "--no-nanny",
                    "--nthreads", threads, "--local-directory", self.file.parent,
                )
            )  # fmt: skip
        assert until(lambda: len(self.asked(lambda client: client.nthreads())) == number)
        return self.file

    def kill(self, number):
        for _ in range(number):
            process = self._workers.pop()
            process.kill()
            process.wait()

    def asked(self, question):
        with distributed.Client(scheduler_file=self.file, set_as_default=False) as client:
            return question(client)

    def idle(self):
        """Whether the scheduler has no task and no worker is at one."""

        def question(client):
            known = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
            busy = client.run(lambda dask_worker: dask_worker.state.executing_count)
            return known + sum(busy.values()) == 0

        return self.asked(question)

    def _start(self, program, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.{program}", *map(str, arguments)]
        path = os.pathsep.join([str(self.modules), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [*command, "--no-dashboard"],
            env={**os.environ, "PYTHONPATH": path},
            stdout=self._log,
            stderr=self._log,
        )


@pytest.fixture(scope="module")
def loopback(tmp_path_factory):
    with Loopback(tmp_path_factory.mktemp("cluster")) as made:
        yield made


def tables(out, *names):
    return {name: (out / name).read_bytes() for name in ("metrics.csv", *names)}


def after(steps, action):
    """Progress that takes an action, once, when so many steps have been made."""
    left = [action]

    def watch(total):
        if total >= steps and left:
            left.pop()()

    return Progress(steps=watch)


def test_two_workers_write_the_same_tables_as_this_machine(loopback, small, tmp_path, capfd):
    config = bnexp.load_config(small, PROBED)
    steps = []
    place = Cluster(loopback.with_workers(2))
    assert place.workers == 2
    capfd.readouterr()
    bnexp.run(config, tmp_path / "there", executor=place, progress=Progress(steps=steps.append))
    assert capfd.readouterr() == ("", "")
    bnexp.run(config, tmp_path / "here")
    assert tables(tmp_path / "there", "probes.csv") == tables(tmp_path / "here", "probes.csv")
    assert steps == sorted(steps)


def test_a_lost_worker_costs_time_only(loopback, small, tmp_path, capfd):
    config = bnexp.load_config(small, LONG)
    place = Cluster(loopback.with_workers(2))
    capfd.readouterr()
    progress = after(500, lambda: loopback.kill(1))
    assert bnexp.run(config, tmp_path / "there", executor=place, progress=progress).trained == 12
    assert capfd.readouterr() == ("", "")
    bnexp.run(config, tmp_path / "here", jobs=2)
    assert tables(tmp_path / "there") == tables(tmp_path / "here")


def test_a_frozen_worker_is_given_up_and_its_stack_trained_elsewhere(
    loopback, small, tmp_path, monkeypatch
):
    config = bnexp.load_config(small, LONG)
    place = Cluster(loopback.with_workers(2))
    assert place.workers == 2  # they have imported bnexp, which takes seconds without a report
    monkeypatch.setattr(dask, "SILENT_SECONDS", 8.0)
    frozen = loopback._workers[-1]
    progress = after(500, lambda: frozen.send_signal(signal.SIGSTOP))
    assert bnexp.run(config, tmp_path / "there", executor=place, progress=progress).trained == 12
    loopback.kill(1)
    bnexp.run(config, tmp_path / "here")
    assert tables(tmp_path / "there") == tables(tmp_path / "here")


def test_a_stack_that_takes_too_long_fails_alone(loopback, small, capfd):
    changes = {**PLAIN, "random.seeds": [0], "sweep.model.init.std": None, "sweep.model.norm": None}
    changes["sweep.train.epochs"] = [1, 10**5]
    place = Cluster(loopback.with_workers(2), cell_timeout=3.0)
    with pytest.raises(
        bnexp.NetworksFailed, match="no result after 3 seconds, which is --cell"
    ) as e:
        bnexp.run(bnexp.load_config(small, changes), executor=place)
    assert (e.value.result.summary["status"] == "failed").tolist() == [False, True]
    loopback.kill(2)


def test_without_workers_the_run_ends_and_goes_on_later(loopback, small, tmp_path, capfd):
    config = bnexp.load_config(small, LONG)
    file = loopback.with_workers(1)
    capfd.readouterr()
    kept = []
    progress = Progress(done=lambda r: kept.append(len(r)) or (len(kept) == 1 and loopback.kill(1)))
    with pytest.raises(ClusterLost, match=r"no worker for 2 seconds; what is finished is kept"):
        bnexp.run(config, tmp_path / "there", executor=Cluster(file, patience=2), progress=progress)
    assert capfd.readouterr() == ("", "")
    assert 0 < sum(kept) < 12
    # A worker with two threads is one worker: its stacks would share BLAS and streams.
    file = loopback.with_workers(1, threads=2)
    result = bnexp.run(config, tmp_path / "there", executor=Cluster(file))
    assert result.trained == 12 - sum(kept)
    loopback.kill(1)
    bnexp.run(config, tmp_path / "here", jobs=2)
    assert tables(tmp_path / "there") == tables(tmp_path / "here")


def test_data_travel_once_to_each_worker(loopback, small, tmp_path, monkeypatch):
    config = bnexp.load_config(small, {**PLAIN, "data.name": "gaussian"})
    file = loopback.with_workers(2)
    sent = []
    run = distributed.Client.run

    def counted(client, function, *args, **options):
        if function is dask.keep_data:
            sent.extend(options["workers"])
        return run(client, function, *args, **options)

    monkeypatch.setattr(distributed.Client, "run", counted)
    first = bnexp.run(config, tmp_path / "first", executor=Cluster(file))
    assert len(set(sent)) == len(sent) == 2
    assert bnexp.run(config, tmp_path / "again", executor=Cluster(file)).trained == first.trained
    assert len(sent) == 2
    assert bnexp.run(config).metrics["train_loss"].tolist() == first.metrics["train_loss"].tolist()


@pytest.fixture
def own(loopback, monkeypatch):
    """A module with an initializer, here and on the cluster."""
    name = f"own_{time.monotonic_ns()}"
    path = loopback.modules / f"{name}.py"
    path.write_text(OWN)
    monkeypatch.syspath_prepend(str(loopback.modules))
    monkeypatch.setattr(INITIALIZERS, "_entries", dict(INITIALIZERS))
    importlib.import_module(name)
    yield path
    sys.modules.pop(name)


def own_config(small, **changes):
    init = {"sweep.model.init.std": None, "model.init": {"kind": "uneven"}}
    return bnexp.load_config(small, {**init, "random.seeds": [0], **changes})


def test_a_class_of_ones_own_is_used_there(loopback, own, small):
    config = own_config(small)
    there = bnexp.run(config, executor=Cluster(loopback.with_workers(2)))
    assert there.metrics["train_loss"].tolist() == bnexp.run(config).metrics["train_loss"].tolist()


def test_a_stack_that_fails_there_leaves_the_others(loopback, own, small, capfd):
    config = own_config(small, **{"sweep.model.init.width": [0.1, 2.0]})
    file = loopback.with_workers(2)
    capfd.readouterr()
    with pytest.raises(bnexp.NetworksFailed, match="ValueError: too wide") as caught:
        bnexp.run(config, executor=Cluster(file))
    assert capfd.readouterr() == ("", "")
    assert 0 < len(caught.value.result.failed) <= 4


def test_a_class_that_is_another_one_there_is_refused(loopback, own, small, monkeypatch):
    file = loopback.with_workers(1)
    monkeypatch.setattr(dask, "fingerprint", lambda cls: "mine")
    with pytest.raises(ConfigError, match=r"another class own_\w+\.Uneven than here, expected mi"):
        bnexp.run(own_config(small), executor=Cluster(file))


def test_a_class_that_no_module_has_is_refused(loopback, own, small, monkeypatch):
    monkeypatch.setattr(INITIALIZERS["uneven"], "__module__", "__main__")
    with pytest.raises(ConfigError, match="uneven: defined in a script, in a notebook or at a pro"):
        bnexp.run(own_config(small), executor=Cluster(loopback.with_workers(1)))


def test_other_numerics_there_are_refused(loopback, small, monkeypatch):
    file = loopback.with_workers(1)
    monkeypatch.setattr(dask, "NUMERICS", 99)
    text = r"the scheduler: another numerics than here, expected 99, got \d+; install the same"
    with pytest.raises(ConfigError, match=text):
        bnexp.run(bnexp.load_config(small), executor=Cluster(file))


def command(experiment, scheduler, out, *more):
    words = [sys.executable, "-m", "bnexp", "run", experiment, "--out", out, *more]
    return [*map(str, words), "--executor", "dask", "--scheduler", str(scheduler)]


def test_the_command_trains_there_and_says_nothing_else(loopback, small, tmp_path):
    words = command(small, loopback.with_workers(2), tmp_path / "there", *QUIET)
    result = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    bnexp.run(bnexp.load_config(small, PLAIN), tmp_path / "here")
    assert tables(tmp_path / "there") == tables(tmp_path / "here")


def test_the_documented_loopback_cluster_works(small, tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "clusters.md").read_text()
    lines = re.search(r"```text\n(dask scheduler .*\n.*\n.*\n)```", text)[1].splitlines()
    scheduler, worker, run = (line.removesuffix(" &").split() for line in lines)
    run[2] = str(small)
    free = [("--port", "0", "--no-dashboard"), ("--no-dashboard",)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    started = [
        subprocess.Popen([sys.executable, "-m", *words, *more], **quiet)
        for words, more in zip((scheduler, worker), free, strict=True)
        if words is scheduler or until((tmp_path / "cluster.json").exists)
    ]
    try:
        words = [sys.executable, "-m", *run, *QUIET]
        result = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=120)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert (tmp_path / "results" / "small" / "metrics.csv").exists()
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_task(loopback, small, tmp_path, number):
    file = loopback.with_workers(2)
    long = ("--set", "train.epochs=20000", "--set", "train.evaluate={every: 10000}")
    words = command(small, file, tmp_path / "out", *long)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert until(lambda: not loopback.idle())
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert message.splitlines()[-1] == "interrupted; the same command goes on from here"
        assert "12 networks without a checkpoint: to begin at step 0" in message.splitlines()
    assert until(loopback.idle)


def test_a_scheduler_that_is_not_there_is_named(small, monkeypatch, capfd):
    monkeypatch.setattr("bnexp.execution.scheduler.CONNECT", 1.0)
    started = time.monotonic()
    with pytest.raises(
        ConfigError, match=r"^127\.0\.0\.1:9: no dask scheduler answered within 1 sec"
    ):
        bnexp.run(bnexp.load_config(small), executor=Cluster("127.0.0.1:9"))
    assert time.monotonic() - started < 10
    assert capfd.readouterr() == ("", "")


def test_a_scheduler_that_is_lost_ends_the_run(small, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("bnexp.execution.scheduler.CONNECT", 1.0)
    config = bnexp.load_config(small, {**LONG, "train.epochs": 2000})
    (tmp_path / "cluster").mkdir()
    with Loopback(tmp_path / "cluster") as made:
        place = Cluster(made.with_workers(1))
        capfd.readouterr()
        progress = after(100, made.end)
        with pytest.raises(ClusterLost, match=r"^lost the connection to the scheduler; what is"):
            bnexp.run(config, tmp_path / "out", executor=place, progress=progress)
        assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("nowhere", "nowhere: expected HOST:PORT or a scheduler's file"),
        ("file", "file: not what"),
    ],
)
def test_what_is_no_scheduler_is_refused(small, tmp_path, monkeypatch, scheduler, message):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("[]")
    with pytest.raises(ConfigError, match=message):
        bnexp.run(bnexp.load_config(small), executor=Cluster(scheduler))


def test_without_the_extra_it_is_named(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"needs distributed; pip install 'bnexp\[cluster\]'"):
        bnexp.run(bnexp.load_config(small), executor=Cluster("127.0.0.1:9"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--executor", "dask"], "expected both or neither"),
        (["--scheduler", "a:1"], "expected both or neither"),
        (["--executor", "dask", "--scheduler", "a:1", "-j", "2"], "--jobs: is for this machine"),
    ],
)
def test_options_that_do_not_go_together_are_refused(small, options, message):
    result = CliRunner().invoke(cli, ["run", str(small), *options])
    assert result.exit_code == 2
    assert message in result.output
