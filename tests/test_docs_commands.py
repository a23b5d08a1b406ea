"""The commands of docs/commands.md work, and they are all that there are."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from page_blocks import bnexp_commands, commands, page, short_command

from bnexp.cli.main import cli
from bnexp.errors import BnexpError

pytestmark = pytest.mark.slow

PAGE = page("docs/commands.md")


def test_its_commands_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = bnexp_commands(PAGE)
    assert {words[0] for words in shown} | {"new", "data"} == set(cli.commands)
    for words in shown:
        result = CliRunner().invoke(cli, short_command(words))
        assert result.exit_code == (words[0] == "compare"), result.output  # they differ
    for name in ("panels.png", "scale.png"):
        assert (tmp_path / "results" / "quickstart" / "figures" / name).stat().st_size > 10_000


def test_it_installs_what_the_scripts_install(script):
    installed = [words[2:] for words in commands(PAGE) if words[0] == "pip"]
    *options, requirement = script("set_up").SAMPLE
    assert installed == [["."], [*options, re.split("[<>=]", requirement)[0]]]


def test_its_exit_statuses_are_those_of_the_errors():
    statuses = {int(status) for status in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    raised, ahead = set(), [BnexpError]
    while ahead:
        error = ahead.pop()
        raised.add(error.exit_status)
        ahead += error.__subclasses__()
    assert statuses == raised | {0, 130, 141}  # an interruption, and a closed pipe


def test_a_folder_that_is_no_run_directory_is_a_mistake_and_a_damaged_one_is_not(small, tmp_path):
    def status(*words):
        return CliRunner().invoke(cli, [*map(str, words)]).exit_code

    assert "or a folder that is no run directory" in PAGE
    folder = tmp_path / "folder"
    folder.mkdir()
    for command in ("report", "table", "plot", "claims", "verify"):
        assert status(command, folder) == status(command, tmp_path / "missing") == 2
    assert status("run", small, "--out", tmp_path / "run", "--quiet") == 0
    (tmp_path / "run" / "manifest.json").write_text("{")
    assert status("report", tmp_path / "run") == status("table", tmp_path / "run") == 4
