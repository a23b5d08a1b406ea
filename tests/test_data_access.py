"""Folders and files that may not be read: DataError names the path and the cause."""

import errno
import os
from pathlib import Path

import pytest
from test_data_idx import NAMES, complaint, write_folder

from bnexp.data import load, verify
from bnexp.errors import DataError

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.fixture
def folder(tmp_path):
    """A sound folder of four unpacked files."""
    return write_folder(tmp_path / "digits")


@pytest.fixture
def close(monkeypatch):
    """close(method, place) denies that method of Path to `place` and all that lies in it.

    Tests may run as root, to whom no folder is closed.
    """

    def deny(method, place):
        allowed = getattr(Path, method)

        def guarded(self, *args, **kwargs):
            if self == place or place in self.parents:
                raise PermissionError(errno.EACCES, "Permission denied", str(self))
            return allowed(self, *args, **kwargs)

        monkeypatch.setattr(Path, method, guarded)

    return deny


def assert_closed(call, path):
    with pytest.raises(DataError) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be looked up (Permission denied). Check the path")
    assert caught.value.exit_status == 3


def test_a_closed_folder_is_named_with_the_cause(folder, close):
    close("stat", folder)
    first = folder / f"{NAMES['train_images']}.gz"
    assert_closed(lambda: load(str(folder)), first)
    assert_closed(lambda: load("mnist", data_dir=folder), first)
    assert_closed(lambda: load("mnist-5k", data_dir=folder), folder / "mnist_5k.csv.gz")
    assert_closed(lambda: verify(folder), first)


def test_a_folder_that_cannot_be_listed(folder, close):
    (folder / NAMES["test_labels"]).unlink()
    close("iterdir", folder)
    assert "the folder cannot be read (Permission denied)" in complaint(folder)


def test_a_closed_file_is_named_with_the_cause(folder, close):
    path = folder / NAMES["test_labels"]
    close("read_bytes", path)
    assert complaint(folder) == f"{path}: cannot be read (Permission denied)."


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permissions(folder):
    folder.chmod(0)
    try:
        assert "cannot be looked up (Permission denied)" in complaint(folder)
    finally:
        folder.chmod(0o700)
