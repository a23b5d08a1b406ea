"""The text of a new experiment: one that teaches the keys, or a copy of another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from textwrap import wrap
from typing import Any

import yaml

from bnexp.config import shipped
from bnexp.config.document import read_document, without_key
from bnexp.config.jsonschema import MODELINE
from bnexp.config.load import load_config
from bnexp.config.messages import NAME
from bnexp.config.reference import Topic, inner_kinds, place, topics
from bnexp.config.yaml import flow, parse, parse_file
from bnexp.errors import ConfigError

TEMPLATE = FilePath(__file__).with_name("new.yaml")
WIDTH = 84


def path_of(asked: str) -> FilePath:
    """Where the experiment goes: `my`, `my.yaml` and `dir/my` mean a .yaml file of that name.

    ConfigError where that is no name for an experiment, or that of a shipped one.
    """
    path = FilePath(asked if asked.endswith((".yaml", ".yml")) else f"{asked}.yaml")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", path.stem):
        raise ConfigError(f"{asked}: not an experiment's name, expected {NAME}, got {path.stem!r}")
    if path.stem in shipped.experiment_names():
        raise ConfigError(
            f"{asked}: a shipped experiment's name, expected another: both would keep their "
            f"results in results/{path.stem}; for example my_{path.stem}"
        )
    return path


def lesson(name: str) -> str:
    """A small experiment that runs in seconds, each key with its meaning from the catalogue."""
    by_name = {topic.called[0]: topic for topic in topics()}
    commands = {
        f"bnexp check {name}.yaml": "prints what would be trained",
        f"bnexp run {name}.yaml": "trains it, draws the figures, judges the claims",
        "bnexp explain KEY": "says more about a key than the comments here",
    }
    column = max(map(len, commands)) + 4
    head = [f"# {command:<{column}}{text}" for command, text in commands.items()]
    lines = TEMPLATE.read_text(encoding="utf-8").replace("NAME", name, 1).splitlines()
    commented = (made for line in lines for made in _commented(line, by_name))
    return MODELINE + "\n".join([*head, "", *commented]) + "\n"


def _commented(line: str, by_name: dict[str, Topic]) -> Iterator[str]:
    """The line; `#: KEY` as the meaning of that key."""
    indent, mark, key = line.partition("#: ")
    if not mark:
        yield line
        return
    topic, start = by_name[key], f"{indent}# "
    kinds = ", ".join(inner_kinds(topic))
    text = topic.variants[0].key.meaning + (f": {kinds}" if kinds else "")
    yield from wrap(text, WIDTH, initial_indent=start, subsequent_indent=start)


def copy(name: str, experiment: str) -> str:
    """Another experiment under a new name, its text as it stands where that is all of it."""
    load_config(experiment)
    path = shipped.find_experiment(experiment)
    values = {"name": name, **without_key(read_document(path).value, "name")}
    renamed = _renamed(path.read_text(encoding="utf-8-sig"), name)
    if parse_file(path).value == read_document(path).value and parse(renamed, name).value == values:
        return renamed
    return (
        f"{MODELINE}# {flow(experiment)}, with all that it extends, written out.\n{_block(values)}"
    )


def _renamed(text: str, name: str) -> str:
    text = text.removeprefix(MODELINE)
    return MODELINE + re.sub(r"^name:.*$", f"name: {flow(name)}", text, count=1, flags=re.MULTILINE)


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key, nothing said by reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _block(values: dict[str, Any]) -> str:
    """In the order of the catalogue; what holds nothing but single values in brackets."""
    values = dict(sorted(values.items(), key=lambda item: place(item[0])))
    text: str = yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True,
        default_flow_style=None,
    )  # fmt: skip
    return text
