"""docs/contributing.md: what it sends a newcomer to is there."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "contributing.md").read_text("utf-8")
ADDITIONS = re.findall(
    r"^\| (an? .+?|another .+?) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE
)


def test_every_module_says_what_it_is_for(script):
    """A sentence that is more than the module's name."""
    for path in (ROOT / "bnexp").rglob("*.py"):
        said = script("pages.contributing").says(path)
        assert path.name == "__main__.py" or len(said) > 20, path


@pytest.mark.parametrize(("what", "how", "where", "table"), ADDITIONS, ids=lambda text: text[:24])
def test_a_place_to_add_to_is_there(what, how, where, table):
    """Every path exists, and every name of a table is in the file that is named after it."""
    for path in re.findall(r"`((?:bnexp|configs)/[\w/.]*)`", f"{how} {where} {table}"):
        assert (ROOT / path).exists(), path
    for names, path in re.findall(r"(`.+?) (?:in|of),? `(bnexp/[\w/]+\.py)`", table):
        text = (ROOT / path).read_text()
        for name in re.findall(r"`([\w.]+)`", names):
            if "/" not in name and name != "cli.add_command":
                assert re.search(rf"\b{name}\b", text), (name, path)


def test_there_are_eighteen_kinds_of_addition():
    assert len(ADDITIONS) == 18


RECIPES = re.findall(r"^### (.+)\n\n((?:.|\n)+?)(?=^##)", PAGE, re.MULTILINE)


def test_there_are_five_recipes_of_one_file_of_code_and_one_of_tests():
    assert len(RECIPES) == 5
    for name, text in RECIPES:
        steps = re.findall(r"^\d\. (?:`(\w+)/|Try it)", text, re.MULTILINE)
        assert steps == ["bnexp", "tests", ""], name


@pytest.mark.parametrize(("name", "text"), RECIPES, ids=[name for name, _ in RECIPES])
def test_a_recipe_names_files_and_tables_that_are_there(name, text):
    paths = re.findall(r"`((?:bnexp|tests)/[\w/]+\.py)`", text)
    sources = [ROOT / path for path in paths if "NAME" not in path]
    assert all(path.is_file() for path in sources)
    assert all((ROOT / path).parent.is_dir() for path in paths)
    code = "".join(path.read_text() for path in sources)
    for table in set(re.findall(r"`(_?[A-Z]{4,}\w*)`", text)):
        assert re.search(rf"^ *{table}\b.* = ", code, re.MULTILINE), table


def test_its_markers_are_pytests():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    rows = re.findall(r"^\| `(\w+)` \| .+? \| (.+?) \|", PAGE, re.MULTILINE)
    assert [marker for marker, _ in rows] == [text.split(":")[0] for text in settings["markers"]]
    left_out = re.findall(r"not (\w+)", settings["addopts"])
    assert [marker for marker, bare in rows if bare == "left out"] == left_out


def test_its_scripts_are_there_and_can_be_run():
    named = set(re.findall(r"scripts/(\w+\.py)", PAGE))
    assert {"test.py", "reproduce_all.py", "docs.py"} <= named
    for name in named:
        assert os.access(ROOT / "scripts" / name, os.X_OK), name
