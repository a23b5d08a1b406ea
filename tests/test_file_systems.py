"""File systems that cannot flush or lock, as network folders, and names as long as they allow."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from idx_folders import small_arrays, write_set

import bnexp
from bnexp.cli.main import cli
from bnexp.runs import RunDirectory

LONGEST = 255  # characters of a name on most file systems


@pytest.fixture
def refusing(monkeypatch):
    """The file system answers with this error to a flush of a folder, or of a file, or to a lock.

    Returns the calls that were refused.
    """
    fcntl = pytest.importorskip("fcntl")
    flush = os.fsync

    def arrange(number, *calls):
        refused = []

        def refuse(call):
            refused.append(call)
            raise OSError(number, os.strerror(number))

        def fsync(handle):
            call = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
            return refuse(call) if call in calls else flush(handle)

        monkeypatch.setattr(os, "fsync", fsync)
        if "lock" in calls:
            monkeypatch.setattr(fcntl, "flock", lambda handle, operation: refuse("lock"))
        return refused

    return arrange


def command(*words):
    done = CliRunner().invoke(cli, [*map(str, words)])
    assert (done.exit_code, done.stderr) == (0, ""), (words, done.output, done.exception)
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("EINVAL", ("folder",)),
        ("EOPNOTSUPP", ("folder",)),
        ("EBADF", ("folder",)),
        ("EINVAL", ("folder", "file", "lock")),
        ("EOPNOTSUPP", ("folder", "file", "lock")),
        ("ENOSYS", ("folder", "file", "lock")),
        ("ENOLCK", ("lock",)),
    ],
)
def test_everything_is_written_where_flushes_or_locks_are_refused(
    small, tmp_path, monkeypatch, refusing, name, calls
):
    digits = write_set(tmp_path / "digits", small_arrays(1))
    monkeypatch.setenv("BNEXP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    small.write_text(f"{small.read_text()}figures: [scale]\n".replace("synthetic", "./digits"))
    small.write_text(small.read_text().replace("train: 200", "train: 50"))
    refused = refusing(getattr(errno, name), *calls)
    command("run", small, "-j", "1", "--out", "out", "--checkpoint", "1e-9")
    expected = {"config.yaml", "manifest.json", "metrics.csv", "summary.csv"}
    assert expected < {path.name for path in Path("out").iterdir()}
    assert "12 networks: 12 up to date" in command("run", small, "-j", "1", "--out", "out")
    command("plot", "out")
    command("claims", "out")
    command("report", "out")
    command("new", "mine")
    one = {"sweep": {}, "random.seeds": [0], "figures": []}
    model = bnexp.fit(bnexp.load_config(small, one))
    bnexp.save_model(model, "model.npz")
    assert bnexp.load_model("model.npz").setting == model.setting
    assert bnexp.data.load(str(digits)).sha256
    assert list(Path("cache", "arrays").iterdir())
    pytest.importorskip("pyarrow")
    command("export", "out", "--to", "parquet")
    assert set(refused) == set(calls)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".bnexp-tmp")]


@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP", "EINVAL", "ENOSYS"])
def test_runs_go_on_side_by_side_without_locks(tmp_path, refusing, name):
    refusing(getattr(errno, name), "lock")
    waits = []
    first, second = RunDirectory(tmp_path / "out"), RunDirectory(tmp_path / "out")
    with first.writing(lambda: waits.append(1)), second.writing(lambda: waits.append(2)):
        second.write("file", "text")
    assert waits == []


def test_another_error_of_a_lock_is_none_of_the_file_systems_limits(tmp_path, refusing):
    refusing(errno.EIO, "lock")
    writing = RunDirectory(tmp_path / "out").writing()
    with pytest.raises(bnexp.StoreError, match="out: cannot write, Input/output error"), writing:
        pass


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["n", "\u4e00"])
def test_names_as_long_as_the_system_allows(small, tmp_path, monkeypatch, letter):
    monkeypatch.chdir(tmp_path)

    def longest(ending=""):
        room = LONGEST - len(ending)
        return letter * (room // len(letter.encode())) + ending

    text = small.read_text()
    Path(longest(".yaml")).write_text(f"{text}figures: []\n")
    command("run", longest(".yaml"), "-j", "1", "--out", longest())
    command("run", longest(".yaml"), "-j", "1", "--out", "out")
    command("claims", longest())
    command("report", longest(), "--out", longest(".html"))
    page = Path(command("report", "out", longest()).strip())
    assert page.parent == Path("out")
    assert page.exists()
    command("compare", "out", longest())
    pytest.importorskip("pyarrow")
    command("export", "out", "--to", "parquet", "--out", longest("-export"))
    one = {"sweep": {}, "random.seeds": [0]}
    model = bnexp.fit(bnexp.load_config(longest(".yaml"), one))
    assert bnexp.load_model(bnexp.save_model(model, longest(".npz"))).seed == 0


@pytest.mark.slow
def test_the_home_folder_in_python(small, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(tmp_path)
    small.rename(home / "small.yaml")
    config = bnexp.load_config("~/small.yaml", {"figures": []})
    assert bnexp.run(config, "~/out").directory == home / "out"
    assert bnexp.load_run("~/out").directory == home / "out"
    assert bnexp.write_report("~/out", "~/page.html") == home / "page.html"
    assert bnexp.compare("~/out", "~/out").exit_status == 0
    model = bnexp.fit(bnexp.load_config("~/small.yaml", {"sweep": {}, "random.seeds": [0]}))
    assert bnexp.save_model(model, "~/model.npz") == home / "model.npz"
    assert bnexp.load_model("~/model.npz").seed == 0
    command("new", "~/mine")
    assert (home / "mine.yaml").exists()
    assert not (tmp_path / "~").exists()
