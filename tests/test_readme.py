"""What the README shows is run as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli
from bnexp.nn import INITIALISERS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_its_scripts_are_there_and_can_be_run():
    scripts = [words[0] for words in commands() if words[0].startswith("scripts/")]
    assert scripts == ["scripts/demo.sh", "scripts/test.sh"]
    for script in scripts:
        assert (ROOT / script).stat().st_mode & 0o100


def small(words: list[str]) -> list[str]:
    """The same command on images that need no download, and short."""
    if words[0] not in ("run", "check"):
        return words
    short = ["data.name=synthetic", "data.test=100", "sweep.model.init.std=[0.1, 0.01]"]
    short = [word for assignment in short for word in ("--set", assignment)]
    epochs = [] if "train.epochs=5" in words else ["--set", "train.epochs=1"]
    return [*words, *short, *epochs, *(["-j", "1"] if words[0] == "run" else [])]


def test_its_commands_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = [words[1:] for words in commands() if words[0] == "bnexp"]
    assert len(shown) == 14
    for words in shown:
        result = CliRunner().invoke(cli, small(words))
        assert result.exit_code == (words[0] == "compare"), result.output  # they differ
    for name in ("panels.png", "scale.png"):
        assert (tmp_path / "results" / "quickstart" / "figures" / name).stat().st_size > 10_000


def test_its_experiment_is_as_large_as_it_says(tmp_path):
    path = tmp_path / "my_scales.yaml"
    (text,) = blocks("yaml")
    path.write_text(text)
    assert yaml.safe_load(text)["name"] == "my_scales"
    cells = bnexp.plan.make_plan(bnexp.load_config(path)).cells
    assert len(cells) == 7 * 3 * 3


def test_its_message_is_what_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("yaml")
    Path("my_scales.yaml").write_text(text.replace("{epochs:", "{epoch:"))
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.load_config("my_scales.yaml")
    message = blocks("text")[0]
    start, end = message.strip().split("..., got ")
    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith(end)


def test_its_python_runs(tmp_path, monkeypatch):
    first, model, second, third = blocks("python")
    short = '"train.epochs": 5, "data.name": "synthetic", "sweep.model.init.std": [0.0464]'
    script = tmp_path / "script.py"
    model = model.replace('"mnist-5k"', '"synthetic"')
    script.write_text(first.replace('"train.epochs": 5', short) + model + second)
    command = [sys.executable, script]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.stderr == ""
    accuracy, asked, is_small = result.stdout.splitlines()
    assert asked.endswith("(3, 10)")
    assert (tmp_path / "digits.npz").stat().st_size > 300_000
    assert 0.1 < float(accuracy) <= 1
    assert is_small == "True"
    monkeypatch.setattr(INITIALISERS, "_classes", dict(INITIALISERS))
    names = {"bnexp": bnexp}
    exec(third, names)
    assert names["config"].experiment.model.init.width == 0.1


def test_its_figures_are_there():
    paths = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", README)
    assert len(paths) == 5
    for path in paths:
        assert (ROOT / path).read_bytes().startswith(b"\x89PNG")
