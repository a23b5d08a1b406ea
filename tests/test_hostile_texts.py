"""Texts that would control a terminal, or make a figure or a page invalid, are made readable."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import xml.etree.ElementTree as ElementTree

import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli
from bnexp.errors import ConfigError
from bnexp.report.html import embed_json
from bnexp.text import printable, short

HOSTILE = {
    "red": "\x1b[31m", "title": "\x1b]0;x\x07", "back": "\x08\x08", "bell": "\x07", "return": "\r",
    "C1": "\x9b31m", "delete": "\x7f", "nothing": "\u0001", "bidi": "\u202e", "mark": "\ufeff",
    "last": "\U0010ffff", "private": "\ue000", "no character": "\uffff", "line": "\u2028",
}  # fmt: skip
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ufeff\uffff\U0010ffff\ue000]")


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_printed_can_be_read(name):
    text = f"a{HOSTILE[name]}b\nc"
    assert printable(text).isprintable()
    assert printable(text, lines=True).count("\n") == 1
    assert not CONTROL.search(printable(text, lines=True))
    assert printable(text).encode().decode("unicode_escape") == text
    assert not CONTROL.search(short(HOSTILE[name]))


def test_ordinary_texts_stay_as_they_are():
    for text in (
        "model.norm = batch",
        "naïve",
        "数字 の 図",
        "a\u00a0b",
        "👩\u200d🔬",
    ):
        assert printable(text) == text
    assert printable("\ud800") == "\\ud800"


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory):
    """A run whose title, claim and labels hold everything at once."""
    folder = tmp_path_factory.mktemp("run")
    everything = json.dumps("".join(HOSTILE.values()) + "\n</script><b>")
    everything = everything.replace("\\udbff\\udfff", "\\U0010ffff")  # YAML has no pairs
    (folder / "t.yaml").write_text(
        f"""name: t
title: {everything}
description: {everything}
data: {{name: synthetic, train: 40}}
model: {{hidden: [3]}}
train: {{steps: 4, batch_size: 20}}
sweep: {{model.norm: [batch, none]}}
figures: [curves]
claims:
  - {{says: {everything}, source: {everything}, measure: final_train_loss,
     where: {{model.norm: batch}}, below: {{where: {{model.norm: none}}}}}}
"""
    )
    bnexp.run(folder / "t.yaml", folder / "out")
    return folder


COMMANDS = (
    "check T", "claims OUT", "run T --out OUT -j 1", "plot OUT", "report OUT", "compare OUT OUT",
    "verify OUT -j 1",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_control_characters(command, hostile_run):
    out = str(hostile_run / "out")
    places = {"T": str(hostile_run / "t.yaml"), "OUT": out}
    words = [places.get(word, word) for word in command.split()]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code in (0, 1), result.output
    assert not CONTROL.search(result.output)


@pytest.mark.slow
def test_figures_are_valid_xml_and_pages_have_no_control_characters(hostile_run):
    out = hostile_run / "out"
    svg = (out / "figures" / "curves.svg").read_bytes()
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert not CONTROL.search(svg.decode())
    CliRunner().invoke(cli, ["report", str(out)])
    page = (out / "report.html").read_text()
    body = re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.DOTALL)
    assert not CONTROL.search(body)
    assert "</script><b>" not in body


def test_errors_name_keys_and_files_readably(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("\x1b[31mred.yaml", "two\nlines.yaml"):
        (tmp_path / name).write_text('"\\e[31mkey\\nline": 1\nname: x\n')
        result = CliRunner().invoke(cli, ["check", name])
        assert result.exit_code == 2
        assert not CONTROL.search(result.output)
        assert printable(name) in result.output
        assert "\\x1b[31mkey\\nline" in result.output


def test_data_on_a_page_are_ascii_where_they_cannot_be_read():
    assert json.loads(str(embed_json({"a": "\x9b\U0010ffffé"}))) == {"a": "\x9b\U0010ffffé"}
    assert str(embed_json({"a": "\x9b"})) == '{"a":"\\u009b"}'


VERDICT_COLOR = re.compile(r"\x1b\[\d*m(?!red)")  # our own, around verdicts
NAMES = {"red": "\x1b[31mred", "two lines": "two\nError: fake", "return": "a\rb"}
# BAD is a run directory, or the rest of a name; NONE BAD exists not, FILE BAD is a file.
QUOTING = (
    "BAD", "run BAD", "check t.yaml BAD", "run t.yaml --BAD", "run t.yaml -j BAD",
    "run t.yaml --checkpoint BAD", "run t.yaml --cell-timeout BAD", "--BAD", "data BAD",
    "data info BAD", "data info ./noneBAD", "data info ./BAD", "data verify --data-dir noneBAD",
    "data verify --data-dir BAD", "data info mnist --data-dir BAD", "explain BAD",
    "explain model.BAD", "new BAD", "new x --from BAD", "plot BAD", "plot noneBAD", "plot fileBAD",
    "claims BAD", "report BAD", "report BAD --out noneBAD.html", "report BAD --out fileBAD/x",
    "report BAD BAD", "compare BAD BAD", "compare BAD noneBAD", "verify BAD -j 1",
    "export BAD --to tensorboard", "export BAD --to tensorboard --out fileBAD",
    "export BAD --to BAD",
    "run BAD.yaml --out newBAD -j 1", "check BAD.yaml --out newBAD",
    "run BAD.yaml --out fileBAD -j 1", "run t.yaml --dry-run --out BAD",
    "run t.yaml --set data.name=./BAD", "run t.yaml --set BAD", "run t.yaml --set BAD=1",
    "run t.yaml --set title=BAD --dry-run", "run t.yaml --seeds BAD", "--import BAD list",
    "run t.yaml --executor BAD", "run t.yaml --executor dask --scheduler BAD",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_file_or_argument_reaches_the_terminal_raw(
    name, hostile_run, tmp_path, monkeypatch, own_places
):
    """Not in click's own errors either, and no line feed looks like a line of ours."""
    bad = NAMES[name]
    monkeypatch.chdir(tmp_path)
    for path in ("t.yaml", f"{bad}.yaml"):
        shutil.copy(hostile_run / "t.yaml", path)
    shutil.copytree(hostile_run / "out", bad)
    (tmp_path / f"file{bad}").touch()
    for command in QUOTING:
        words = [word.replace("BAD", bad) for word in command.split()]
        result = CliRunner().invoke(cli, words, color=True)
        assert result.exit_code in (0, 1, 2, 3, 4), command
        assert bad not in result.output, (command, result.output)
        plain = VERDICT_COLOR.sub("", result.output)
        assert not CONTROL.search(plain), (command, result.output)
        assert "mistake of the program" not in result.output, (command, result.output)


def test_an_error_has_the_lines_that_were_meant():
    error = ConfigError("two\nlines: \x1b[31m", "more,\nand\x07 more")
    assert str(error) == "two\\nlines: \\x1b[31m\nmore,\nand\\x07 more"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(ConfigError()) == ""


@pytest.mark.parametrize("words", [["--\x1b[31m"], ["check", "a", "two\nlines"], ["\x1b[31m"]])
def test_errors_of_click_quote_arguments_readably(words):
    result = CliRunner().invoke(cli, words, color=True)
    assert result.exit_code == 2
    assert printable(words[-1]) in result.output
    assert not CONTROL.search(result.output)
