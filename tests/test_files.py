"""Files and folders that are written whole or not at all, and what killed processes left."""

from __future__ import annotations

import errno
import io
import os
import threading
import time

import numpy as np
import pytest

from bnexp import files
from bnexp.errors import StoreError
from bnexp.files import (
    HOST,
    LISTED,
    TEMPORARY,
    System,
    decode_npz,
    encode_npz,
    read_file,
    sweep,
    write_export,
    write_file,
    write_folder,
)


def contents(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_file_is_whole_or_absent(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_file(path, b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"table\.csv: cannot write, No space left on device"):
        write_file(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_bytes() == b"old"


def test_two_threads_write_a_file_at_once(tmp_path):
    """Whoever is last wins; it is whole in any case."""
    contents = [bytes([i]) * 200_000 for i in range(8)]
    problems = []

    def write(content):
        try:
            write_file(tmp_path / "table.csv", content)
        except StoreError as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert (tmp_path / "table.csv").read_bytes() in contents


def test_a_missing_file_has_no_content_and_a_folder_cannot_be_read(tmp_path):
    assert read_file(tmp_path / "absent") is None
    with pytest.raises(StoreError, match="cannot read, Is a directory"):
        read_file(tmp_path)


def test_any_folder_can_be_replaced_by_one_that_is_not_an_export(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    write_folder(tmp_path / "out", [("new", b"new")])
    assert contents(tmp_path / "out") == {"new": b"new"}


def test_what_a_thread_of_this_process_writes_is_no_leftover(tmp_path):
    """An earlier process of the same number, as in a container, is older than this one."""
    ours, theirs = (tmp_path / f"{TEMPORARY}{HOST}-{os.getpid()}-{i}-out" for i in (1, 2))
    for folder in (ours, theirs):
        folder.mkdir()
    before = time.time() - 3600
    os.utime(theirs, (before, before))
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [ours]


def test_only_leftovers_of_one_name(tmp_path):
    one, other = (
        tmp_path / f"{TEMPORARY}{HOST}-4194305-1-{files.short_name(name)}"
        for name in ("one", "other")
    )
    for path in (one, other):
        path.write_bytes(b"half")
    sweep(tmp_path, "one")
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize("number", sorted(files.CANNOT_FLUSH))
def test_a_file_system_that_cannot_flush_is_written_all_the_same(tmp_path, monkeypatch, number):
    def refuse(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    write_file(tmp_path / "table.csv", b"new")
    write_export(str(tmp_path / "out"), [("a", b"1")])
    assert contents(tmp_path) == {"table.csv": b"new", "out/a": b"1", f"out/{LISTED}": b"a\n"}


def test_only_what_is_open_for_writing_is_flushed_as_on_windows(tmp_path, monkeypatch):
    fcntl, flush, number = pytest.importorskip("fcntl"), os.fsync, 0

    def flush_as_windows(handle):
        nonlocal number
        number += 1
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flush(handle)

    monkeypatch.setattr(os, "fsync", flush_as_windows)
    write_file(tmp_path / "table.csv", b"new")
    assert number
    assert contents(tmp_path) == {"table.csv": b"new"}


def test_windows_is_not_asked_by_a_signal_whether_a_writer_lives(tmp_path, monkeypatch):
    """There `os.kill(pid, 0)` sends Ctrl-C. What is old is removed all the same."""

    def kill(pid, number):
        raise AssertionError((pid, number))

    new, old = (tmp_path / f"{TEMPORARY}{HOST}-4194305-{i}-12345678" for i in (1, 2))
    for path in (new, old):
        path.write_bytes(b"half")
    before = time.time() - files.FORGOTTEN - 60
    os.utime(old, (before, before))
    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(files, "IS_WINDOWS", True)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [new]


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    name = "n" * 251 + ".csv"
    write_file(tmp_path / name, b"new")
    write_folder(tmp_path / ("d" * 255), [("a", b"1")])
    assert contents(tmp_path) == {name: b"new", f"{'d' * 255}/a": b"1"}


def test_header_and_arrays_come_back(tmp_path):
    arrays = {"a/0": np.arange(6.0).reshape(2, 3), "b": np.array(3)}
    content = encode_npz("bnexp_test", {"format": 2, "name": "x"}, arrays)
    header, decoded = decode_npz("bnexp_test", 2, content, tmp_path)
    assert header == {"format": 2, "name": "x"}
    assert decoded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(decoded[name], array)
    with pytest.raises(StoreError, match="of format 2, this bnexp reads 3"):
        decode_npz("bnexp_test", 3, content, tmp_path)
    with pytest.raises(StoreError, match="of another kind, expected a bnexp_other file"):
        decode_npz("bnexp_other", 2, content, tmp_path)


def test_the_content_is_what_numpy_itself_writes():
    arrays = {"a/0": np.asfortranarray(np.eye(2, 3)), "b": np.array(3), "c": np.zeros((0, 2), "f4")}
    expected = io.BytesIO()
    np.savez(expected, bnexp_test=np.array('{"name": "x"}'), **arrays)
    assert encode_npz("bnexp_test", {"name": "x"}, arrays) == expected.getvalue()
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        encode_npz("bnexp_test", {}, {"a": np.array([{}])})


def test_a_folder_is_replaced_whole(tmp_path):
    write_export(str(tmp_path / "out"), [("a", b"1"), ("in/b", b"2")])
    assert contents(tmp_path / "out") == {"a": b"1", "in/b": b"2", LISTED: b"a\nin/b\n"}
    write_export(str(tmp_path / "out"), [("in/c", b"3")])
    assert contents(tmp_path / "out") == {"in/c": b"3", LISTED: b"in/c\n"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_that_breaks_off_leaves_the_one_before(tmp_path):
    def breaks():
        yield "a", b"2"
        raise KeyboardInterrupt

    write_export(str(tmp_path / "out"), [("a", b"1")])
    with pytest.raises(KeyboardInterrupt):
        write_export(str(tmp_path / "out"), breaks())
    assert contents(tmp_path / "out") == {"a": b"1", LISTED: b"a\n"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class Failing(System):
    """The call of this number fails, counted from 0."""

    def __init__(self, number):
        self.left = number

    def __getattribute__(self, name):
        if name.startswith("_") or name == "left":
            return super().__getattribute__(name)
        self.left -= 1
        if self.left == -1:
            raise OSError(28, "No space left on device")
        return super().__getattribute__(name)


def test_whatever_fails_the_folder_is_the_old_or_the_new_one(tmp_path, monkeypatch):
    out, kept, said = tmp_path / "out", [], set()
    for number in range(20):
        write_export(str(out), [("a", b"1")])
        monkeypatch.setattr(files, "system", Failing(number))
        try:
            write_export(str(out), [("a", b"2"), ("b", b"2")])
        except StoreError as error:
            said.add(str(error))
        monkeypatch.undo()
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        kept.append((out / "a").read_bytes())
    # A folder around, three calls for each of three files, two moves; then it is there.
    assert kept == [b"1"] * 12 + [b"2"] * 8
    assert said == {
        f"{out}: cannot write, No space left on device; make room, or give another place"
    }


def test_what_killed_exports_left_is_removed(tmp_path):
    out = files.short_name("out")
    for name in (f"{HOST}-999999999-1-{out}", f"{HOST}-999999999-2-{out}", f"elsewhere-1-1-{out}"):
        (tmp_path / f"{TEMPORARY}{name}").mkdir()
    write_export(str(tmp_path / "out"), [])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out", f"{TEMPORARY}elsewhere-1-1-{out}"}


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    write_export(str(tmp_path / "out"), [("a", b"1")])
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["mine", "in/mine", "link"])
def test_what_no_export_wrote_is_not_removed(tmp_path, name):
    out = tmp_path / "out"
    write_export(str(out), [("a", b"1"), ("in/b", b"2")])
    (out / ".DS_Store").touch()
    write_export(str(out), [("a", b"1"), ("in/b", b"2")])
    if name == "link":
        (out / name).symlink_to(tmp_path)
    else:
        (out / name).write_text("mine")
    with pytest.raises(StoreError) as caught:
        write_export(str(out), [("a", b"2")])
    assert f"got one with '{name}', which no export wrote" in str(caught.value)
    assert (out / "a").read_bytes() == b"1"


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="a file, expected a folder to export to"):
        write_export(str(tmp_path / "file"), [])
    with pytest.raises(StoreError, match="cannot write"):
        write_export(str(tmp_path / "file" / "out"), [])
    with pytest.raises(StoreError, match="cannot write"):
        write_export("a\0b", [])
