"""Every call that writes fails once, or the process dies at it: what is there is whole, and the
next run ends with the same tables."""

from __future__ import annotations

import csv
import errno
import os
from collections import Counter

import pytest

import bnexp
from bnexp import files
from bnexp.errors import StoreError
from bnexp.files import TEMPORARY, System
from bnexp.runs import manifest
from bnexp.sweep import make_plan

pytestmark = pytest.mark.slow

EXPERIMENT = """\
name: faults
data: {name: synthetic, train: 40}
model: {hidden: [4], init: {kind: normal, std: 0.1}}
train: {epochs: 1, batch_size: 20, optimizer: {kind: momentum, lr: 0.1}}
probes: {read: [layers], at: [1]}
random: {seeds: [0, 1]}
sweep: {model.norm: [batch, none]}
figures: []
claims:
  - says: something is learnt
    measure: final_train_accuracy
    at_least: 0.1
"""
NEVER, ALWAYS = 1e9, 1e-9  # seconds between checkpoints
ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS]
CALLS = [name for name in vars(System) if not name.startswith("_")]


class Quick(System):
    """Does not wait for the disk."""

    def sync(self, path):
        path.stat()

    def sync_folder(self, folder):
        folder.stat()


class Failing(Quick):
    """Counts the calls; number `at` is `fault`'s."""

    def __init__(self, at, fault):
        self.at, self.fault, self.calls = at, fault, []

    def __getattribute__(self, name):
        if name not in CALLS:
            return super().__getattribute__(name)

        def call(path, *rest):
            self.calls.append((name, path))
            made = getattr(Quick, name)
            if len(self.calls) - 1 == self.at:
                return self.fault(name, lambda *given: made(self, *given), path, *rest)
            return made(self, path, *rest)

        return call


def refused(number, half=False):
    """A fault: an error of the system, for a write perhaps after half of the content."""

    def fault(name, call, path, *rest):
        if half and name == "write":
            call(path, rest[0][: len(rest[0]) // 2])
        raise OSError(number, os.strerror(number))

    return fault


def death(half):
    """A fault: the process is gone, before the call or half-way through a write."""

    def fault(name, call, path, *rest):
        if half and name == "write":
            call(path, rest[0][: len(rest[0]) // 2])
        os._exit(7)

    return fault


@pytest.fixture(autouse=True, scope="module")
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "system", Quick())
        patch.setattr(manifest, "environment_facts", lambda device: {})
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "faults.yaml"
    path.write_text(EXPERIMENT)
    return bnexp.load_config(path)


@pytest.fixture(scope="module", params=[NEVER, ALWAYS], ids=["plain", "checkpoints"])
def whole(request, config, tmp_path_factory):
    """How often checkpoints are written, what an undisturbed run leaves, and its calls."""
    out = tmp_path_factory.mktemp("whole") / "out"
    counting = Failing(-1, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "system", counting)
        bnexp.run(config, out, checkpoint=request.param)
    return request.param, kept(out), counting.calls


def kept(out):
    """All files by name; what tells the time is left out."""
    contents = {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }
    for name in contents:
        if name.startswith(("cells", "manifest")):
            contents[name] = b""
    with (out / "summary.csv").open(newline="") as file:
        rows = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    return {**contents, "summary.csv": repr(rows).encode()}


def half_files(out):
    return list(out.rglob(f"{TEMPORARY}*"))


def whole_cells(out, config):
    """Whether every cell file that is there under its name is whole."""
    networks = make_plan(config).networks
    missing = bnexp.runs.RunDirectory(out).read_records(networks, None)[1]
    return set(missing.values()) <= {"not trained yet"}


def test_a_run_makes_all_kinds_of_calls(whole):
    seconds, _, calls = whole
    assert {name for name, _ in calls} == set(CALLS)
    number = Counter(name for name, _ in calls)
    files_written = 10 + (8 if seconds == ALWAYS else 0)
    assert number["move"] == files_written
    assert len(calls) == 1 + 5 * files_written + number["remove"]


def refusal(config, out, seconds, fresh=False):
    """The error that a run ends with."""
    with pytest.raises(StoreError) as raised:
        bnexp.run(config, out, checkpoint=seconds, fresh=fresh)
    return raised.value


def every_call(calls, half):
    """The numbers of the calls to disturb, each with its name."""
    return [(k, name) for k, (name, _) in enumerate(calls) if name == "write" or not half]


@pytest.mark.parametrize("half", [False, True], ids=["", "half"])
@pytest.mark.parametrize("first", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
def test_any_call_that_fails_is_one_message_and_costs_nothing(
    config, whole, tmp_path, monkeypatch, first, half
):
    """Together the three cases have every call fail with every error."""
    seconds, expected, calls = whole
    for k, _ in every_call(calls, half):
        number, out = ERRORS[(k + first) % len(ERRORS)], tmp_path / str(k)
        with monkeypatch.context() as patch:
            patch.setattr(files, "system", Failing(k, refused(number, half)))
            error = refusal(config, out, seconds)
        assert error.exit_status == 4
        assert str(out) in str(error)
        assert os.strerror(number) in str(error)
        assert not half_files(out)
        assert not out.exists() or whole_cells(out, config)
        bnexp.run(config, out, checkpoint=seconds)
        assert kept(out) == expected


@pytest.mark.parametrize(
    "whole",
    [NEVER, pytest.param(ALWAYS, marks=pytest.mark.slow)],
    ids=["plain", "checkpoints"],
    indirect=True,
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("half", [False, True], ids=["before", "half-way"])
def test_a_process_that_dies_at_any_call_leaves_what_the_next_run_finishes(
    config, whole, tmp_path, half
):
    seconds, expected, calls = whole
    for k, name in every_call(calls, half):
        out = tmp_path / str(k)
        assert child_status(lambda k=k, out=out: dying(k, half, config, out, seconds)) == 7
        assert len(half_files(out)) == (name in ("sync", "move") or half)
        assert not out.exists() or whole_cells(out, config)
        bnexp.run(config, out, checkpoint=seconds)
        assert kept(out) == expected


def dying(k, half, config, out, seconds):
    files.system = Failing(k, death(half))
    bnexp.run(config, out, checkpoint=seconds)


def child_status(work):
    """The exit status of a forked process that does this."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_finished_directory_stays_as_it_is(config, whole, tmp_path, monkeypatch):
    """It is run once more, and each call in turn fails."""
    seconds, expected, _ = whole
    bnexp.run(config, tmp_path, checkpoint=seconds)
    counting = Failing(-1, None)
    with monkeypatch.context() as patch:
        patch.setattr(files, "system", counting)
        bnexp.run(config, tmp_path, checkpoint=seconds)
    names = {name for name, _ in counting.calls}
    assert "make_folder" in names
    assert names.isdisjoint({"write", "move"})  # nothing has changed
    for k in range(len(counting.calls)):
        with monkeypatch.context() as patch:
            patch.setattr(files, "system", Failing(k, refused(errno.ENOSPC, half=True)))
            assert "No space left" in str(refusal(config, tmp_path, seconds))
        assert kept(tmp_path) == expected


def test_a_run_from_scratch_that_fails_at_any_call_is_finished_by_the_next(
    config, tmp_path, monkeypatch
):
    bnexp.run(config, tmp_path)
    expected, counting = kept(tmp_path), Failing(-1, None)
    with monkeypatch.context() as patch:
        patch.setattr(files, "system", counting)
        bnexp.run(config, tmp_path, fresh=True)
    assert [name for name, _ in counting.calls].count("remove") == 4 + 4 + 4
    for k in range(0, len(counting.calls), 2):
        with monkeypatch.context() as patch:
            patch.setattr(files, "system", Failing(k, refused(errno.EIO)))
            assert "Input/output error" in str(refusal(config, tmp_path, NEVER, fresh=True))
        bnexp.run(config, tmp_path)
        assert kept(tmp_path) == expected
