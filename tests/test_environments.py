"""bnexp in the environments that people have: settings, folders and shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bnexp

pytestmark = pytest.mark.slow
ROOT = Path(bnexp.__file__).parents[1]


def command(*words, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "bnexp", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "none"])
def test_no_setting_of_matplotlibs_backend_matters(small, tmp_path, backend):
    """A notebook's shell passes its own on, which another Python may not have."""
    done = command("run", small, "-j", "1", "--out", "out", cwd=tmp_path, MPLBACKEND=backend)
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "out" / "figures").glob("*.png"))


def test_every_path_may_begin_with_the_home_folder(small, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    done = command("run", small, "--out=~/out", "--data-dir=~", cwd=tmp_path, HOME=str(home))
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        ("plot", "~/out"),
        ("claims", "~/out"),
        ("report", "~/out", "--out=~/page.html"),
        ("compare", "~/out", "~/out"),
        ("export", "~/out", "--to", "parquet", "--out=~/tables"),
    ):
        done = command(*words, cwd=tmp_path, HOME=str(home))
        assert (done.returncode, done.stderr) == (0, ""), words
    assert {"out", "page.html", "tables"} <= {path.name for path in home.iterdir()}
    assert [path.name for path in tmp_path.iterdir() if path != home] == [small.name]


@pytest.mark.parametrize("encoding", ["cp1252", "cp949", "ascii"])
def test_every_encoding_can_print_any_title(small, tmp_path, encoding):
    """What it lacks is shown as a code; nothing ends with an error."""
    small.write_text(f"title: バッチ正規化 배치 정규화 é\n{small.read_text()}", encoding="utf-8")
    for words in (("check", small), ("run", small, "-j", "1", "--out", "out"), ("report", "out")):
        done = subprocess.run(
            [sys.executable, "-m", "bnexp", *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
            capture_output=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, b""), words
        done.stdout.decode("utf-8" if encoding == "ascii" else encoding)
    assert "バッチ正規化" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_an_experiment_from_a_pipeline_and_from_a_process_substitution(small, tmp_path):
    def shell(script):
        return subprocess.run(
            ["bash", "-c", script, "bash", sys.executable, "-m", "bnexp"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    done = shell('cat small.yaml | "$@" run - -j 2')
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "results" / "small" / "metrics.csv").exists()
    done = shell('"$@" check <(cat small.yaml)')
    assert (done.returncode, done.stderr) == (0, "")
    assert "12 up to date, 0 to train" in done.stdout
    done = shell('sed s/epochs:.3/epochs:0/ small.yaml | "$@" check -')
    assert done.returncode == 2
    assert done.stderr.startswith("<stdin>:6:9: ")


def test_python_without_docstrings(small, tmp_path):
    for words in (("schema",), ("explain", "figures"), ("run", small, "-j", "2", "--out", "out")):
        done = command(*words, cwd=tmp_path, PYTHONOPTIMIZE="2")
        assert (done.returncode, done.stderr) == (0, ""), words


def test_a_damaged_cell_that_is_left_out_is_named(small, tmp_path):
    assert command("run", small, "-j", "1", "--out", "out", cwd=tmp_path).returncode == 0
    cell = next((tmp_path / "out" / "cells").iterdir())
    cell.write_bytes(b"nonsense")
    expected = (
        f"out: 1 damaged file in cells/ left out ({cell.name}: damaged); `bnexp run "
        "out/config.yaml` trains their networks again\n"
    )
    export = ("export", "out", "--to", "parquet", "--out", "tables")
    for words in (("plot", "out"), ("claims", "out"), ("report", "out"), export):
        done = command(*words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, expected), words


def test_no_home(small, tmp_path):
    done = command("run", small, "-j", "1", "--out", "out", cwd=tmp_path, HOME="/nonexistent")
    assert done.returncode == 0, done.stderr
