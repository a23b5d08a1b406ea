"""Fenced blocks of a page, the commands in them, and these commands in a short form for tests."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What replaces data and sweep of an experiment: images that need no download, few networks.
SHORT = ("data.name=synthetic", "data.test=100", "sweep.model.init.std=[0.1, 0.01]")


def page(name: str) -> str:
    """The text of a page, by its path in the repository."""
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The words of each command in the blocks of the language sh."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def bnexp_commands(text: str) -> list[list[str]]:
    """The arguments of each `bnexp` among the commands."""
    return [words[1:] for words in commands(text) if words[0] == "bnexp"]


def short_command(words: list[str]) -> list[str]:
    """The same command with images that need no download, and with little to train."""
    if words[0] not in ("run", "check", "replicate"):
        return words
    epochs = [] if "train.epochs=5" in words else ["train.epochs=1"]
    changes = [word for change in (*SHORT, *epochs) for word in ("--set", change)]
    return [*words, *changes, *(["-j", "1"] if words[0] != "check" else [])]
