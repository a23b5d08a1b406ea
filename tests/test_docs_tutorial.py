"""docs/tutorial.md and docs/tutorial.ipynb: their cells print what they show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import dropwhile
from pathlib import Path

import pytest
from page_blocks import ROOT, blocks, page

PAGE = page("docs/tutorial.md")
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
CODE = [
    cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"
]
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TOLERANCE = 0.05  # for another processor: rounding moves an accuracy by some images


def shown(cell, kind):
    return [output for output in cell["outputs"] if output["output_type"] == kind]


def same(line: str, other: str) -> bool:
    """Whether two lines have the same words, and numbers that are nearly the same."""
    if NUMBER.sub("0", line).split() != NUMBER.sub("0", other).split():
        return False
    pairs = zip(NUMBER.findall(line), NUMBER.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= TOLERANCE for a, b in pairs)


def missing(lines: list[str], printed: list[str]) -> str | None:
    """The first of the lines that was not printed in its place; ... stands for any lines."""
    left, anywhere = iter(printed), False
    for line in lines:
        if line == "...":
            anywhere = True
            continue
        if anywhere:
            left = dropwhile(lambda other, line=line: not same(line, other), left)
        if not same(line, next(left, "the end")):
            return line
        anywhere = False
    return None if anywhere else next(left, None)


def test_the_comparison_of_outputs_sees_what_differs():
    printed = ["a 0.50", "", "b 1.00", "c"]
    assert missing(["a 0.51", "...", "b 0.99", "c"], printed) is None
    assert missing(["...", "b 1.00", "..."], printed) is None
    assert missing(["a 0.60", "..."], printed) == "a 0.60"
    assert missing(["...", "b 1.00"], printed) == "c"
    assert missing(["...", "c", "b 1.00"], printed) == "b 1.00"
    assert missing(["b 1.00", "c"], printed) == "b 1.00"


@pytest.mark.slow
def test_the_notebook_prints_what_it_shows(tmp_path):
    """Its cells, run one after another in a process of their own."""
    command = [sys.executable, ROOT / "scripts" / "tutorial.py", tmp_path]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout)
    assert len(results) == len(CODE) > 15
    for cell, result in zip(CODE, results, strict=True):
        for output in shown(cell, "stream"):
            lines = [line.rstrip("\n") for line in output["text"]]
            assert missing(lines, result["text"].splitlines()) is None, result["text"]
        assert len(result["pictures"]) == len(shown(cell, "display_data"))
    page_of_a_run = (tmp_path / "class_page" / "halves.html").read_text(encoding="utf-8")
    assert "Which half of batch norm does the work?" in page_of_a_run
    assert (tmp_path / "slide.png").stat().st_size > 10_000


@pytest.mark.slow
def test_jupyter_runs_the_notebook(tmp_path, monkeypatch):
    """With Jupyter's own kernel, where nbclient and ipykernel are installed."""
    nbformat, nbclient = map(pytest.importorskip, ("nbformat", "nbclient"))
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type in ("display_data", "execute_result") and "image/png" in output.data
    ]
    assert len(pictures) == 3
    assert (tmp_path / "class_page" / "index.html").is_file()


def test_every_block_and_picture_of_the_page_is_in_the_notebook():
    """Each block is a cell or an output, and every code block is followed by what it shows."""
    fenced = re.findall(r"^```(\w+)\n", PAGE, re.MULTILINE)
    assert set(fenced) == {"sh", "python", "text", "yaml"}
    assert len(CODE) == len(fenced) - fenced.count("text")
    assert sum(len(shown(cell, "stream")) for cell in CODE) == fenced.count("text")
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", PAGE)
    assert sum(len(shown(cell, "display_data")) for cell in CODE) == len(pictures) == 3
    text = "".join("".join(cell["source"]) for cell in CODE)
    for block in (*blocks(PAGE, "python"), *blocks(PAGE, "yaml")):
        assert block.rstrip("\n") in text
    for block in blocks(PAGE, "sh"):
        assert all(f"!{line}" in text for line in block.splitlines())


def test_every_file_that_is_saved_is_written_by_its_cell():
    named = re.findall(r"Save this as `([\w.]+)`:", PAGE)
    written = [
        line.split()[1]
        for line in (cell["source"][0] for cell in CODE)
        if line.startswith("%%writefile")
    ]
    assert (
        written == named == ["first.yaml", "seeds.yaml", "claims.yaml", "my_norm.py", "halves.yaml"]
    )
