"""What the README shows is run as it stands there."""

from __future__ import annotations

import os
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
from bnexp.figures import FIGURES
from bnexp.nn import INITIALIZERS, NORMALIZERS, BatchNorm

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_its_scripts_are_there_and_can_be_run():
    scripts = [words[1:] for words in commands() if words[0] == "python3"]
    assert scripts == [["scripts/demo.py"], ["scripts/test.py"]]
    for (script,) in scripts:
        assert os.access(ROOT / script, os.X_OK)


def small(words: list[str]) -> list[str]:
    """The same command on images that need no download, and short."""
    if words[0] not in ("run", "check", "replicate"):
        return words
    short = ["data.name=synthetic", "data.test=100", "sweep.model.init.std=[0.1, 0.01]"]
    short = [word for assignment in short for word in ("--set", assignment)]
    epochs = [] if "train.epochs=5" in words else ["--set", "train.epochs=1"]
    return [*words, *short, *epochs, *(["-j", "1"] if words[0] != "check" else [])]


def test_its_commands_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = [words[1:] for words in commands() if words[0] == "bnexp"]
    assert {words[0] for words in shown} | {"new", "data"} == set(cli.commands)
    for words in shown:
        result = CliRunner().invoke(cli, small(words))
        assert result.exit_code == (words[0] == "compare"), result.output  # they differ
    for name in ("panels.png", "scale.png"):
        assert (tmp_path / "results" / "quickstart" / "figures" / name).stat().st_size > 10_000


def test_its_experiment_is_as_large_as_it_says(tmp_path):
    path = tmp_path / "my_scales.yaml"
    text, claims = blocks("yaml")
    path.write_text(text + claims)
    assert yaml.safe_load(text)["name"] == "my_scales"
    config = bnexp.load_config(path)
    assert len(bnexp.sweep.make_plan(config).networks) == 7 * 3 * 3
    assert [claim.in_at_least for claim in config.experiment.claims] == [6]


def test_its_message_is_what_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, _ = blocks("yaml")
    Path("my_scales.yaml").write_text(text.replace("{epochs:", "{epoch:"))
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.load_config("my_scales.yaml")
    message = blocks("text")[0]
    start, end = message.strip().split("..., got ")
    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith(end)


def test_its_python_runs(tmp_path):
    (text,) = blocks("python")
    short = '"train.epochs": 5, "data.name": "synthetic", "sweep.model.init.std": [0.0464]'
    script = tmp_path / "script.py"
    script.write_text(text.replace('"train.epochs": 5', short))
    command = [sys.executable, script]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.stderr == ""
    assert 0.1 < float(result.stdout) <= 1
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"], "nothing kept on disk"


def test_its_table_of_files_is_what_a_run_leaves(small, tmp_path):
    experiment = small.read_text() + (
        "probes: {read: [layers]}\n"
        "claims:\n  - {says: it learns, measure: final_train_accuracy, at_least: 0.001}\n"
    )
    small.write_text(experiment)
    bnexp.run(bnexp.load_config(small), tmp_path / "out")
    table = README.partition("| file | content |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `([\w.]+)/?` ", table, re.MULTILINE))
    assert {path.name for path in (tmp_path / "out").iterdir()} - {".lock"} == named


@pytest.mark.parametrize(
    ("key", "kinds"),
    [
        ("model.norm", NORMALIZERS.builtin),
        ("dialect", BatchNorm.DIALECTS),
        ("figures", FIGURES),
    ],
)
def test_its_table_of_choices_has_them_all(key, kinds):
    (row,) = re.findall(rf"^\| `{key}`[^|]*\| (.*) \|$", README, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(kinds)


def test_its_table_of_initial_weights_has_them_all():
    (row,) = re.findall(r"^\| `model.init` \| (.*) \|$", README, re.MULTILINE)
    kinds = {kind.removesuffix("_uniform") for kind in INITIALIZERS.builtin}
    assert set(re.findall(r"`(\w+)`", row)) == kinds


def test_its_figures_are_there():
    paths = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", README)
    assert len(paths) == 6
    for path in paths:
        assert (ROOT / path).read_bytes().startswith(b"\x89PNG")


@pytest.mark.browser
def test_its_picture_of_the_report_can_be_drawn_again(script, chromium, tmp_path):
    screenshot = script("screenshot")
    size = chromium.get_window_size()
    made = screenshot.picture(chromium, tmp_path)
    chromium.set_window_size(size["width"], size["height"])  # other tests use it too
    assert made.startswith(b"\x89PNG")
    assert abs(len(made) - len(screenshot.PICTURE.read_bytes())) < 20_000
    assert screenshot.PICTURE.stat().st_size < 150_000
