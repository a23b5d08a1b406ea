"""The bar of a run in a notebook: what it shows there, and that there is none elsewhere."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import bnexp
from bnexp import progress
from bnexp.progress import Progress, RunBar, RunStatus, import_tqdm

ROOT = Path(bnexp.__file__).parents[1]
FEW = {"data.name": "synthetic", "data.train": 200, "train.epochs": 1}
POINTS = {"sweep.model.init.std": [0.1]}


@pytest.fixture
def notebook(monkeypatch):
    """This process looks like a kernel, as IPython's shell says it."""
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(progress, "NOTEBOOK_DELAY", 0.0)
    monkeypatch.setattr(progress, "find_spec", lambda name: None)


@pytest.fixture
def config():
    return bnexp.load_config("quickstart", {**FEW, **POINTS})


def test_in_a_notebook_a_run_shows_a_bar(notebook, config, capsys):
    bnexp.run(config)
    shown = capsys.readouterr().err
    assert "0/2 networks   0% |" in shown
    assert "2/2 networks 100% |" in shown


def test_a_verification_shows_one_too(notebook, config, tmp_path, capsys):
    bnexp.run(config, out=tmp_path, progress=Progress())
    assert capsys.readouterr().err == ""
    bnexp.verify(tmp_path)
    assert "2/2 networks 100% |" in capsys.readouterr().err


def test_a_short_run_shows_none(notebook, config, monkeypatch, capsys):
    monkeypatch.setattr(progress, "NOTEBOOK_DELAY", 3600.0)
    bnexp.run(config)
    assert "networks" not in capsys.readouterr().err


@pytest.mark.parametrize("shell", [None, SimpleNamespace(config={"TerminalIPythonApp": {}})])
def test_elsewhere_a_run_shows_nothing(config, monkeypatch, capsys, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    bnexp.run(config)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_the_bar_is_a_widget_where_there_are_some(notebook, monkeypatch):
    monkeypatch.setattr(progress, "find_spec", lambda name: name == "ipywidgets")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tqdm's, if the widgets are not installed here
        widget = importlib.import_module("tqdm.notebook").tqdm
    assert progress._bar_class() is widget


def test_the_last_text_of_a_bar_that_appears_late_is_that_of_the_end(notebook, monkeypatch, capsys):
    class Widget(import_tqdm()):
        displayed = False

    status = RunStatus({"a": {}, "b": {}}, 2)
    for displayed in (False, True):
        monkeypatch.setattr(Widget, "displayed", displayed)
        monkeypatch.setattr(progress, "_bar_class", lambda: partial(Widget, mininterval=3600))
        bar = RunBar(status, 10, 1e-9)
        status.done = 2
        bar.show_steps(10)
        bar.close()
        texts = re.findall(r"\d/2 networks +\d+%", capsys.readouterr().err)
        assert texts[-1:] == ["2/2 networks 100%"] * displayed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import bnexp.__main__ as m; m.main()", "TQDM_MININTERVAL: not used, expected values"),
        (
            "from bnexp.data.datasets import import_pooch; import_pooch()",
            "bnexp.errors.DataError: a variable TQDM_... of the environment is not as tqdm expects",
        ),
    ],
)
def test_a_variable_that_tqdm_cannot_read_is_one_message(small, tmp_path, program, message):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.stderr.isatty = lambda: True; {program}",
         "run", small, "-j", "1", "--out", tmp_path / "out"],
        env={**os.environ, "TQDM_MININTERVAL": "soon", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert [line.startswith(message) for line in done.stderr.splitlines()].count(True) == 1
    assert (
        (done.returncode == 0) == (tmp_path / "out" / "summary.csv").exists() == ("main" in program)
    )


def test_without_widgets_it_is_text_and_nothing_warns(notebook, capsys):
    bar = RunBar(RunStatus(), 10)
    bar.show_steps(10)
    bar.close()
    assert type(bar._bar).__module__ == "tqdm.std"
    assert "IProgress" not in capsys.readouterr().err


@pytest.mark.slow
def test_no_library_of_bars_is_imported_for_a_run():
    code = (
        "import sys, bnexp\n"
        "bnexp.run\n"
        "print({'tqdm', 'ipywidgets', 'IPython', 'matplotlib'} & {*sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
