"""Where the folder that Python puts first in `sys.path` goes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import bnexp
from bnexp.searchpath import STANDARD, demoted, drop_implied_folder, implied_folder

HOME = str(Path(bnexp.__file__).parents[1])


@pytest.fixture(params=["", "current"])
def path(request, tmp_path, monkeypatch):
    """A path that begins with the current folder, in both ways in which Python writes it."""
    monkeypatch.chdir(tmp_path)
    first = request.param and str(tmp_path)
    entries = [first, "/from/PYTHONPATH", STANDARD, f"{STANDARD}/lib-dynload", "/site-packages"]
    monkeypatch.setattr(sys, "path", entries)
    return entries


def test_the_current_folder_comes_behind_the_standard_library(path, tmp_path):
    assert implied_folder() == path[0]
    assert demoted() == [*path[1:4], str(tmp_path), "/site-packages"]


def test_a_folder_that_was_asked_for_stays_where_it_is(path, monkeypatch):
    monkeypatch.setattr(sys, "path", path[1:])
    assert implied_folder() is None
    assert demoted() == path[1:]


def test_the_current_folder_is_dropped_unless_bnexp_is_in_it(path, monkeypatch):
    others = path[1:]
    drop_implied_folder()
    assert sys.path == others
    monkeypatch.chdir(HOME)
    monkeypatch.setattr(sys, "path", [HOME, *others])
    drop_implied_folder()
    assert sys.path == [*others[:3], HOME, "/site-packages"]
