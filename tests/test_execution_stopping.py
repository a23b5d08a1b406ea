"""Runs that are stopped in order, and go on with the same bits."""

from __future__ import annotations

import re
import signal
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bnexp
from bnexp.errors import Interrupted
from bnexp.execution import stopping
from bnexp.execution.processes import Local, ThisProcess, run_tasks
from bnexp.progress import Progress

# 4 networks in stacks of 2, as batch norm has layers that the others lack; 4 steps an epoch.
CHANGES = {
    "train.epochs": 6,
    "random.seeds": [0],
    "sweep.model.init.std": [10.0, 0.3],
    "train.optimizer": {"kind": "adam", "lr": 0.01},
    "train.schedule": {"kind": "cosine"},
}
STEPS = 24  # of each network
COLUMNS = ("step", "train_loss", "train_accuracy", "test_loss")


@pytest.fixture(autouse=True)
def _same_handler():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before
    assert not stopping.requested()


def stopped_after(config, out, total, ask=stopping.request, **arguments):
    """The text of a run that is asked to stop once its networks have made so many steps."""

    def watch(steps):
        if steps >= total:
            ask()

    with pytest.raises(KeyboardInterrupt) as caught:
        bnexp.run(config, out, progress=Progress(steps=watch), **arguments)
    return str(caught.value)


def resumed_lines(config, out, **arguments):
    lines = []
    result = bnexp.run(config, out, progress=Progress(resumed=lines.extend), **arguments)
    return result, lines


def assert_same(result, expected):
    for column in COLUMNS:
        np.testing.assert_array_equal(result.metrics[column], expected.metrics[column])
    assert result.summary["status"].tolist() == expected.summary["status"].tolist()


@pytest.mark.slow
def test_a_checkpoint_of_what_trains_is_written_and_said(small, tmp_path):
    config, out = bnexp.load_config(small, CHANGES), tmp_path / "out"
    expected = bnexp.run(config)
    assert expected.metrics["step"].max() == STEPS
    assert stopped_after(config, out, 2 * 7) == (
        "0 of 4 networks finished and kept\n"
        "2 networks with a checkpoint at step 7 of 24\n"
        "2 networks without a checkpoint: to begin at step 0"
    )
    # Networks that are behind are trained first.
    assert stopped_after(config, out, 2 * 5) == (
        "0 of 4 networks finished and kept\n"
        "2 networks with a checkpoint at step 5 of 24\n"
        "2 networks with a checkpoint at step 7 of 24"
    )
    assert stopped_after(config, out, 2 * (19 + 3)) == (
        "2 of 4 networks finished and kept\n2 networks with a checkpoint at step 10 of 24"
    )
    result, lines = resumed_lines(config, out)
    assert lines == ["2 networks with a checkpoint at step 10 of 24"]
    assert_same(result, expected)
    assert not list((out / "checkpoints").iterdir())
    assert resumed_lines(config, out)[1] == []


@pytest.mark.slow
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(points=st.lists(st.integers(1, 95), max_size=4))
def test_random_interruptions_change_no_bit(small, tmp_path_factory, points):
    config, out = bnexp.load_config(small, CHANGES), tmp_path_factory.mktemp("run") / "out"
    expected = bnexp.run(config)
    for point in points:
        try:
            text = stopped_after(config, out, point)
        except pytest.fail.Exception:  # fewer steps were left
            break
        assert re.match(r"\d of 4 networks finished and kept", text)
    assert_same(bnexp.run(config, out), expected)


@pytest.mark.slow
def test_the_last_step_leaves_a_checkpoint_too(small, tmp_path):
    config, out = bnexp.load_config(small, CHANGES), tmp_path / "out"
    text = stopped_after(config, out, 2 * STEPS)
    assert "2 networks with a checkpoint at step 24 of 24" in text
    assert_same(bnexp.run(config, out), bnexp.run(config))


@pytest.mark.slow
def test_a_signal_asks_and_a_second_one_stops_at_once(small, tmp_path):
    config, out = bnexp.load_config(small, CHANGES), tmp_path / "out"
    signals = []

    def once():
        if not signals:
            signals.append(signal.raise_signal(signal.SIGINT))

    assert "checkpoint at step 3 of 24" in stopped_after(config, out, 2 * 3, once)

    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    assert stopped_after(config, out, 2 * 4, twice) == ""  # no step later, and nothing was written
    lines = resumed_lines(config, out)[1]
    assert lines == ["2 networks with a checkpoint at step 3 of 24"]


def test_without_a_folder_nothing_is_kept(small):
    text = stopped_after(bnexp.load_config(small, CHANGES), None, 10)
    assert text == "0 of 4 networks finished; nothing is kept, as the run has no folder"


def test_another_handler_of_the_signal_stays_and_gets_interrupted(small, tmp_path):
    config, signals = bnexp.load_config(small, CHANGES), []

    def answer(number, frame):
        signals.append(stopping.request())

    before = signal.signal(signal.SIGINT, answer)
    try:
        progress = Progress(steps=lambda total: total == 12 and signal.raise_signal(signal.SIGINT))
        with pytest.raises(Interrupted, match="2 networks with a checkpoint at step 6 of 24"):
            bnexp.run(config, tmp_path / "out", progress=progress)
        assert signal.getsignal(signal.SIGINT) is answer
    finally:
        signal.signal(signal.SIGINT, before)
    assert signals == [True]


@pytest.mark.slow
def test_nobody_is_asked_where_nothing_trains(small, tmp_path):
    assert not stopping.request()

    def end_without_a_look():
        with stopping.gracefully():
            assert stopping.request()
            assert not stopping.request()
            assert stopping.requested()

    with pytest.raises(KeyboardInterrupt):
        end_without_a_look()
    assert not stopping.requested()
    result = []
    config = bnexp.load_config(small, CHANGES)
    thread = threading.Thread(target=lambda: result.append(bnexp.run(config, tmp_path / "out")))
    thread.start()  # a run in a thread leaves signals alone
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    thread.join()
    assert result[0].trained == 4


def test_a_pool_that_cannot_stop_is_left():
    class Pool(ThisProcess):
        def submit(self, fn, /, *args, **kwargs):
            raise AssertionError("no task is handed out any more")

    def run():
        with stopping.gracefully():
            assert stopping.request()
            list(run_tasks(Pool(), [object()], int))

    with pytest.raises(KeyboardInterrupt):
        run()


@pytest.mark.slow
def test_worker_processes_write_checkpoints(small, tmp_path):
    changes = {**CHANGES, "train.epochs": 300, "train.evaluate": {"every": 400}}
    config, out = bnexp.load_config(small, changes), tmp_path / "out"
    expected = bnexp.run(config)
    for _ in range(2):
        text = stopped_after(config, out, 60, executor=Local(2))
        assert re.search(r"networks? with a checkpoint at step [\d,]+ of 1,200", text)
    result, lines = resumed_lines(config, out)
    assert lines
    assert_same(result, expected)
