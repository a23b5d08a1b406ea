#!/usr/bin/env python3
"""Run the cells of docs/tutorial.ipynb one after another, without Jupyter.

    scripts/tutorial.py FOLDER        run them in FOLDER, print what each returns as JSON
    scripts/tutorial.py --pictures    draw the tutorial's pictures again; then run scripts/docs.py

Each cell that is code gives its text, and the pictures that Jupyter would show. Cells of other
kinds than `%%writefile NAME`, lines that begin with `!bnexp`, and Python are not understood.
"""

from __future__ import annotations

import ast
import io
import json
import os
import shlex
import subprocess
import sys
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import bnexp

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "tutorial.ipynb"


def run_cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Run the code cells in the current folder; of each its text, and its pictures in base64."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            if source.startswith("%%writefile "):
                line, _, content = source.partition("\n")
                Path(line.split()[1]).write_text(f"{content}\n", encoding="utf-8")
                yield {"text": "", "pictures": []}
            elif source.startswith("!"):
                yield {"text": "".join(map(_command, source.splitlines())), "pictures": []}
            else:
                yield _python(source, names)


def _command(line: str) -> str:
    """What a command prints; it has to end with status 0."""
    bang_bnexp, *words = shlex.split(line)
    assert bang_bnexp == "!bnexp", line
    # Not -m: that would look for bnexp in the current folder first.
    start = "import sys; sys.path.pop(0); from bnexp.__main__ import main; main()"
    path = str(Path(bnexp.__file__).parents[1])  # of this bnexp, whatever else is installed
    done = subprocess.run(
        [sys.executable, "-c", start, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _python(source: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run statements; if the last one is an expression its value is shown, as in Jupyter."""
    *statements, last = ast.parse(source).body
    printed, value = io.StringIO(), None
    with redirect_stdout(printed):
        exec(compile(ast.Module(statements, []), "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
        else:
            exec(compile(ast.Module([last], []), "<cell>", "exec"), names)
    if hasattr(value, "_repr_png_"):
        return {"text": printed.getvalue(), "pictures": [b64encode(value._repr_png_()).decode()]}
    text = "" if value is None else f"{value!r}\n"
    return {"text": printed.getvalue() + text, "pictures": []}


def run_in(folder: Path) -> list[dict[str, Any]]:
    """What the notebook's code cells return, run in this folder."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))  # as in Jupyter, which has the notebook's folder there
    return list(run_cells(json.loads(NOTEBOOK.read_text(encoding="utf-8"))))


def draw_pictures() -> None:
    """Write the files of the pictures that the page shows."""
    from pages.tutorial import PAGE, cells

    shown = [cell for cell in cells(PAGE.read_text(encoding="utf-8")) if cell.kind == "code"]
    with tempfile.TemporaryDirectory() as folder:
        results = run_in(Path(folder))
        os.chdir(PAGE.parent)
    for cell, result in zip(shown, results, strict=True):
        for path, picture in zip(cell.pictures, result["pictures"], strict=True):
            path.write_bytes(_smaller(b64decode(picture)))
            print(path.name)


def _smaller(picture: bytes) -> bytes:
    """The same PNG with 64 colors, a third of the size."""
    from PIL import Image

    smaller = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(64).save(smaller, "PNG", optimize=True)
    return smaller.getvalue()


if __name__ == "__main__":
    if sys.argv[1:] == ["--pictures"]:
        draw_pictures()
    elif len(sys.argv) == 2:
        print(json.dumps(run_in(Path(sys.argv[1]))))
    else:
        sys.exit(__doc__)
