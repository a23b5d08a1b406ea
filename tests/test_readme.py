"""What the README shows is run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from page_blocks import ROOT, blocks, bnexp_commands, commands, page, short_command

from bnexp.cli.main import cli

pytestmark = pytest.mark.slow

README = page("README.md")


def test_its_scripts_are_there_and_can_be_run():
    scripts = [words[1:] for words in commands(blocks_of_the_set_up()) if words[0] == "python3"]
    assert scripts == [["scripts/demo.py"], ["scripts/test.py"]]
    for (script,) in scripts:
        assert os.access(ROOT / script, os.X_OK)


def blocks_of_the_set_up():
    """The first block of commands, with its fences."""
    return f"```sh\n{blocks(README, 'sh')[0]}```"


def test_its_commands_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = bnexp_commands(README)
    assert [words[0] for words in shown] == ["list", "run", "plot", "site"]
    outputs = []
    for words in shown:
        result = CliRunner().invoke(cli, short_command(words))
        assert result.exit_code == 0, result.output
        outputs.append(result.stdout)
    assert r"\begin{table}" in outputs[1]
    assert (tmp_path / "slide.png").read_bytes().startswith(b"\x89PNG")
    pages = {path.name for path in (tmp_path / "class_page").glob("*.html")}
    assert pages == {"index.html", "quickstart.html", "weight_scale.html"}


def numbers_apart(text: str) -> tuple[list[str], list[float]]:
    """The words of a text with 0 in the place of each number, and these numbers."""
    pattern = r"\d+(?:\.\d+)?"
    return re.sub(pattern, "0", text).split(), [float(n) for n in re.findall(pattern, text)]


def test_its_python_prints_its_table_and_draws_its_figure(tmp_path):
    """Other processors may round differently, which moves an accuracy by an image or two."""
    (program,), (table,) = blocks(README, "python"), blocks(README, "text")
    script = tmp_path / "script.py"
    script.write_text(program)
    command = [sys.executable, script]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.stderr == ""
    words, numbers = numbers_apart(result.stdout)
    shown_words, shown_numbers = numbers_apart(table)
    assert words == shown_words
    assert numbers == pytest.approx(shown_numbers, abs=0.02)
    assert len([line for line in program.splitlines() if line]) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"script.py", "norms.png"}


def test_its_figure_is_there():
    (path,) = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", README)
    assert (ROOT / path).read_bytes().startswith(b"\x89PNG")


def test_it_is_short():
    assert len(README.splitlines()) < 100
