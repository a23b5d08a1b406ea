"""The text of a new experiment: one that explains its keys, or a copy of an existing one.

`bnexp new` writes it. The explanations come from the reference of keys, so that they are the same
as in `bnexp explain`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from bnexp.config import document
from bnexp.config.document import experiment_text, read_document, without_key
from bnexp.config.jsonschema import MODELINE
from bnexp.config.load import load_config
from bnexp.config.messages import NAME, NOT_PORTABLE
from bnexp.config.reference import all_topics, key_position
from bnexp.config.yaml import flow, parse
from bnexp.errors import ConfigError
from bnexp.files import is_portable

TEMPLATE = Path(__file__).with_name("new.yaml")
WIDTH = 84
EXPLANATION = "#: "  # followed by a key, it marks the place of the key's explanation


def experiment_path(name: str) -> Path:
    """The file of a new experiment: `my`, `my.yaml` and `dir/my` mean a .yaml file of that name.

    ConfigError if an experiment cannot have that name, or if it is a shipped experiment's.
    """
    name = os.path.expanduser(name)
    path = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", path.stem):
        raise ConfigError(f"{name}: not an experiment's name, expected {NAME}, got {path.stem!r}")
    if not is_portable(path.stem):
        raise ConfigError(f"{name}: {NOT_PORTABLE}, got {path.stem!r}")
    if path.stem in document.experiment_names():
        raise ConfigError(
            f"{name}: a shipped experiment's name, expected another: both would keep their "
            f"results in results/{path.stem}; for example my_{path.stem}"
        )
    return path


def explained_experiment(name: str) -> str:
    """A small experiment that runs in seconds, with the meaning of each key as a comment.

    name: of the experiment, without .yaml. The text is TEMPLATE, in which lines with EXPLANATION
    and the name of a key are replaced by that key's meaning, wrapped to WIDTH characters.
    """
    topics = {topic.spellings[0]: topic for topic in all_topics()}
    commands = {
        f"bnexp check {name}.yaml": "prints what would be trained",
        f"bnexp run {name}.yaml": "trains it, draws the figures, judges the claims",
        "bnexp explain KEY": "says more about a key than the comments here",
    }
    column = max(map(len, commands)) + 4
    lines = [f"# {command:<{column}}{text}" for command, text in commands.items()]
    lines.append("")
    for line in TEMPLATE.read_text(encoding="utf-8").replace("NAME", name, 1).splitlines():
        indent, mark, key = line.partition(EXPLANATION)
        if not mark:
            lines.append(line)
            continue
        topic, start = topics[key], f"{indent}# "
        kinds = ", ".join(topic.inner_kinds())
        text = topic.variants[0].key.meaning + (f": {kinds}" if kinds else "")
        lines += wrap(text, WIDTH, initial_indent=start, subsequent_indent=start)
    return MODELINE + "\n".join(lines) + "\n"


def copy_of_experiment(name: str, experiment: str) -> str:
    """A shipped experiment or a file under a new name, complete in one text.

    The text is kept as it stands, unless the experiment extends another; then it is written out.

    ConfigError if the experiment does not exist or is not valid.

    name: of the new experiment. experiment: a shipped name or a path. Comments are kept only if the
    text is; the text that is written out has none but its first line.
    """
    original = experiment_text(experiment)
    load_config(original)
    complete = read_document(original).value
    values = {"name": name, **without_key(complete, "name")}
    text = original.text.removeprefix("\ufeff").replace("\r\n", "\n").removeprefix(MODELINE)
    name_line = f"name: {flow(name)}"
    renamed = MODELINE + re.sub(r"^name:.*$", name_line, text, count=1, flags=re.MULTILINE)
    if (
        parse(original.text, original.source).value == complete
        and parse(renamed, name).value == values
    ):
        return renamed
    in_order = dict(sorted(values.items(), key=lambda item: key_position(item[0])))
    block: str = yaml.dump(
        in_order, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True,
        default_flow_style=None,
    )  # fmt: skip
    return f"{MODELINE}# {flow(experiment)}, with all that it extends, written out.\n{block}"


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and repeats equal values instead of referring to the first."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True
