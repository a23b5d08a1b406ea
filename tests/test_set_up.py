"""scripts/set_up.py, demo.py and test.py: a virtual environment of the checkout, on any system."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def set_up(script, tmp_path, monkeypatch):
    """The module, for a checkout without an environment and a system without other Pythons."""
    module = script("set_up")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "NAMES", [])
    monkeypatch.delenv("PYTHON", raising=False)
    return module


@pytest.fixture
def commands(monkeypatch):
    """The modules that the scripts run, with their arguments; none of them is run."""
    commands = []

    def record(command, **options):
        words = [str(word) for word in command]
        if words[1] == "-m":
            commands.append(words)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", record)
    return commands


def test_the_python_of_an_environment_is_where_each_system_has_it(set_up):
    assert set_up.python_of(Path(".venv"), "posix") == Path(".venv/bin/python")
    assert set_up.python_of(Path(".venv"), "nt") == Path(".venv/Scripts/python.exe")


@pytest.mark.slow
def test_an_environment_is_made_once_and_again_if_it_has_no_pip(set_up, tmp_path, monkeypatch):
    """As Debian leaves one without the package python3-venv."""
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    python = set_up.environment()
    assert python == set_up.python_of(tmp_path / ".venv")
    assert set_up.succeeds(python, "-m", "pip", "--version")
    (tmp_path / ".venv" / "mark").touch()
    assert set_up.environment() == python
    assert (tmp_path / ".venv" / "mark").exists()


def test_an_older_python_looks_for_a_newer_one(set_up, tmp_path, monkeypatch):
    old, new = tmp_path / "python3", tmp_path / "python3.12"
    for path, status in ((old, 1), (new, 0)):
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(old))
    monkeypatch.setattr(set_up, "NAMES", ["python3", "python3.12"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert set_up.suitable_python() == str(new)
    monkeypatch.setattr(set_up, "NAMES", ["python3", "python3.9"])
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or later, and none was found"):
        set_up.suitable_python()
    monkeypatch.setenv("PYTHON", str(new))
    assert set_up.suitable_python() == str(new)


def test_a_command_that_fails_ends_the_script_with_its_status(set_up):
    with pytest.raises(SystemExit) as ended:
        set_up.run(sys.executable, "-c", "raise SystemExit(7)")
    assert ended.value.code == 7


def test_the_tests_run_after_lint_and_types_or_with_the_arguments(set_up, script, commands):
    script("test").main([])
    modules = [words[2] for words in commands]
    assert modules == ["venv", "pip", "pip", "ruff", "ruff", "mypy", "pytest"]
    assert commands[-1][3:] == ["-m", "slow or not slow", "-n", "2"]
    script("test").main(["-k", "gradient"])
    assert commands[-1][3:] == ["-k", "gradient"]


def test_the_lowest_versions_have_an_environment_of_their_own(set_up, script, commands, tmp_path):
    script("test").main(["--lowest"])
    assert [words[2] for words in commands] == ["venv", "pip", "uv", "uv", "pytest"]
    python = str(set_up.python_of(tmp_path / ".venv-lowest"))
    assert {words[0] for words in commands[1:]} == {python}
    for words in commands[2:4]:
        assert {"lowest-direct", "--no-build"} <= set(words)
    assert commands[-1][3:] == ["-n", "2"], "bare pytest: the fast tests"


def test_the_sample_has_the_same_bound_as_its_extra(set_up):
    assert set_up.SAMPLE[-1:] == PROJECT["optional-dependencies"]["sample"]
