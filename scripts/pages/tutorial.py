"""docs/tutorial.ipynb from docs/tutorial.md: the blocks of the page are the cells of the notebook.

```yaml or ```python after "Save this as `NAME`:"    a cell that writes this file
```sh                                                a cell of commands
```python                                            a cell
```text after one of these                           its output
![...](picture.png) after one of these               its picture
all else                                             text
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pages.markdown import ROOT

PAGE = ROOT / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n|^!\[([^\]]*)\]\(([^)]*)\)\n", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"as `([\w.]+)`:\s*\Z")


@dataclass
class Cell:
    """A cell of the notebook: Markdown, or code with what the page shows below it."""

    kind: str
    source: str
    output: str = ""
    pictures: list[Path] = field(default_factory=list)


def cells(text: str) -> list[Cell]:
    """The cells of a page, in order."""
    result: list[Cell] = []
    end = 0
    for block in _BLOCK.finditer(text):
        between, end = text[end : block.start()].strip(), block.end()
        if between:
            result.append(Cell("markdown", between))
        language, content, _, picture = block.groups()
        if picture:
            result[-1].pictures.append(PAGE.parent / picture)
        elif language == "text":
            result[-1].output = content
        else:
            result.append(Cell("code", _code(language, content, between)))
    if rest := text[end:].strip():
        result.append(Cell("markdown", rest))
    return result


def _code(language: str, content: str, before: str) -> str:
    """A block as the source of a cell; `before`: the text before it."""
    content = content.rstrip("\n")
    if name := _FILE.search(before):
        return f"%%writefile {name[1]}\n{content}"
    if language == "sh":
        return "\n".join(f"!{line}" for line in content.splitlines())
    return content


def notebook() -> str:
    """The tutorial as a notebook, with the outputs that the page shows."""
    shown = cells(PAGE.read_text(encoding="utf-8"))
    document = {
        "cells": [_as_json(cell, number) for number, cell in enumerate(shown, start=1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _as_json(cell: Cell, number: int) -> dict[str, Any]:
    start = {
        "cell_type": cell.kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.kind == "markdown":
        return start
    outputs: list[dict[str, Any]] = []
    if cell.output:
        lines = cell.output.splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": lines})
    for picture in cell.pictures:
        content = b64encode(picture.read_bytes()).decode()
        data = {"image/png": content}
        outputs.append({"data": data, "metadata": {}, "output_type": "display_data"})
    return {**start, "execution_count": None, "outputs": outputs}
