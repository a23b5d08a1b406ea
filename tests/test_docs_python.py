"""docs/python.md is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
# Images that need no download, and fewer networks.
SHORT = '"train.epochs": 5, "data.name": "synthetic", "sweep.model.init.std": [0.0464, 0.01]'


HISTORY = "[ 1 11] ['train_loss', 'train_accuracy']"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder in which all blocks ran, one after another, and what they printed."""
    folder = tmp_path_factory.mktemp("python")
    text = "".join(BLOCKS).replace('"train.epochs": 5', SHORT).replace('"mnist-5k"', '"synthetic"')
    script = folder / "script.py"
    script.write_text(text)
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    return folder, result.stdout.splitlines()


def test_its_blocks_print_what_they_say(made):
    accuracy, networks, learned, same, history, asked, scores, *layers = made[1]
    assert (networks, same, history) == ("9 networks", "False", HISTORY)
    assert 0.3 < float(learned) <= 1
    ones, gradients, functional = layers
    assert 0.1 < float(accuracy) <= 1
    assert asked.endswith("(3, 10)")
    assert re.fullmatch(r"\{'loss': [\d.]+, 'accuracy': [\d.]+\}", scores)
    assert (ones, gradients, functional) == ("True", "True", "True")


def test_its_files_are_written(made):
    folder = made[0]
    assert (folder / "digits.npz").stat().st_size > 300_000
    assert (folder / "results" / "short" / "report.html").stat().st_size > 100_000
