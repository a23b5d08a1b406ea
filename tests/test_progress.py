"""The bar of a run in a notebook: what it shows there, and that there is none elsewhere."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

import bnexp
from bnexp import progress
from bnexp.progress import Progress, RunBar, RunStatus

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


def test_without_widgets_it_is_text_and_nothing_warns(notebook, capsys):
    bar = RunBar(RunStatus(), 10)
    bar.show_steps(10)
    bar.close()
    assert type(bar._bar).__module__ == "tqdm.std"
    assert "IProgress" not in capsys.readouterr().err


def test_no_library_of_bars_is_imported_for_a_run():
    code = (
        "import sys, bnexp\n"
        "bnexp.run\n"
        "print({'tqdm', 'ipywidgets', 'IPython', 'matplotlib'} & {*sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
