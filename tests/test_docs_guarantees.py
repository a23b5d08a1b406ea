"""docs/guarantees.md: its command for the book's script, its shipped scripts and its limits."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from page_blocks import page

from bnexp.config import document
from bnexp.config.rules import MAX_WEIGHTS
from bnexp.runs.csv import MAX_BYTES

PAGE = page("docs/guarantees.md")


def test_its_command_seeds_the_script_of_the_book(tmp_path):
    """Here a script that prints what it would draw, and how many threads it may use."""
    cd, command = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)[0].strip().splitlines()
    folder = tmp_path / cd.split()[1]
    folder.mkdir()
    text = "import os, numpy\nprint(os.environ['OPENBLAS_NUM_THREADS'], numpy.random.randn())"
    (folder / "batch_norm_test.py").write_text(text)
    _, *words = shlex.split(command)
    result = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=folder, check=True
    )
    assert result.stdout == f"1 {np.random.RandomState(0).randn()}\n"


@pytest.mark.slow
def test_the_book_has_as_many_other_scripts_as_it_says():
    """Each is shipped under the name of its file, which its title gives."""
    titles = {
        name: str(document.read_document(document.experiments_folder() / f"{name}.yaml").value)
        for name in document.experiment_names()
    }
    replays = [name for name, text in titles.items() if f"{name}.py" in text]
    assert len(replays) == 7
    assert "Seven other scripts of the book are shipped under their own names" in PAGE


def test_its_limits_are_those_of_the_code():
    assert f"at most {MAX_WEIGHTS:,} weights, a table of results {MAX_BYTES // 10**6} MB" in PAGE
