"""Markdown: tables, and the parts of a page that stand between two marks of a name."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"


def rewritten(text: str, parts: Mapping[str, str]) -> str:
    """The page with its parts replaced; SystemExit where one has not its two marks."""
    for name, made in parts.items():
        begin, end = f"<!-- {name}: written by scripts/docs.py -->", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            sys.exit(f"{name}: expected one {begin} and one {end}")
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n\n{made.strip()}\n\n{end}{rest.partition(end)[2]}"
    return text


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns as wide as their widest cell, to be read as text too."""
    lines = [heads, *rows]
    networks = [[network.replace("|", "\\|") for network in line] for line in lines]
    widths = [max(3, *(len(line[i]) for line in networks)) for i in range(len(heads))]
    shown = [" | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in networks]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([f"| {shown[0]} |", f"|{rule}|", *(f"| {line} |" for line in shown[1:])])
