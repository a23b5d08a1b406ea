"""What is generated from the code is what the code says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from bnexp.cli.main import cli
from bnexp.config import document, reference
from bnexp.config.reference import LAYER

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "configs" / "bnexp.schema.json"


@pytest.fixture
def docs(script):
    return script("docs")


@pytest.mark.slow
def test_the_generated_files_are_current(docs):
    for path, text in docs.written().items():
        assert path.read_text("utf-8") == text, f"{path.name}: run scripts/docs.py"


def test_a_file_that_is_not_current_is_named_and_rewritten(docs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "b.md"
    page.write_text("<!-- list: written by scripts/docs.py -->\nold\n<!-- end of list -->\n")
    monkeypatch.setattr(docs, "WHOLE", {tmp_path / "docs" / "a.md": lambda: "new\n"})
    monkeypatch.setattr(docs, "PARTS", {page: lambda: {"list": "a\nb"}})
    with pytest.raises(SystemExit) as ended:
        docs.main(["--check"])
    assert str(ended.value) == "not as the code says: docs/a.md, docs/b.md; run scripts/docs.py"
    docs.main([])
    assert (tmp_path / "docs" / "a.md").read_text() == "new\n"
    assert page.read_text().splitlines()[1:-1] == ["", "a", "b", ""]
    assert capsys.readouterr().out == "docs/a.md\ndocs/b.md\n"
    with pytest.raises(SystemExit) as ended:
        docs.main(["--check"])
    assert ended.value.code == 0


def test_translations_are_up_to_date_only_in_languages_that_are_named(docs, monkeypatch):
    monkeypatch.setattr(docs, "WHOLE", {})
    monkeypatch.setattr(docs, "PARTS", {})
    with pytest.raises(SystemExit, match="expected languages: ko, ja, zh; got: none"):
        docs.main(["--translated"])


def test_a_page_without_its_marks_is_refused(docs):
    with pytest.raises(SystemExit, match="list: expected one <!-- list: written by"):
        docs.rewritten("no marks", {"list": "a"})


def test_the_schema_is_what_the_command_prints():
    assert CliRunner().invoke(cli, ["schema"]).output == SCHEMA.read_text()


def test_every_shipped_experiment_names_the_schema_beside_it():
    for name in document.experiment_names():
        text = (document.experiments_folder() / f"{name}.yaml").read_text()
        assert text.startswith(f"# yaml-language-server: $schema={SCHEMA.name}\n"), name


def test_the_page_has_every_key_and_kind():
    page = (ROOT / "docs" / "config.md").read_text()
    for topic in reference.all_topics():
        last = topic.spellings[0].rpartition(".")[2]
        said = (f"`{last}`", f"{{{last}: ")  # in a row of its own, or in the type of its mapping
        assert last == LAYER or any(text in page for text in said), topic.name


def test_the_tables_of_the_page_are_whole():
    page = (ROOT / "docs" / "config.md").read_text()
    tables = re.findall(r"(?:^\|.*\n)+", page, re.M)
    assert len(tables) > 40
    for table in tables:
        networks = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(networks) == 1, table


def test_the_schema_says_something_of_all_that_an_editor_points_at():
    schema = json.loads(SCHEMA.read_text())
    described, silent = 0, []

    def walk(node, path):
        if isinstance(node, dict):
            for name, inner in node.get("properties", {}).items():
                described_here = bool(inner.get("description"))
                silent.extend([] if described_here else [f"{path}/{name}"])
                nonlocal described
                described += described_here
            for key, inner in node.items():
                walk(inner, f"{path}/{key}")
        elif isinstance(node, list):
            for inner in node:
                walk(inner, path)

    walk(schema, "")
    assert silent == []
    assert described > 400


# The test that runs the commands and programs of a page; what is fenced as text is run by none.
RUN_BY = {
    "README.md": "test_readme",
    "docs/claims.md": "test_docs_claims",
    "docs/commands.md": "test_docs_commands",
    "docs/config.md": "test_docs",
    "docs/contributing.md": "test_docs_contributing",
    "docs/experiments.md": "test_docs_experiments",
    "docs/extending.md": "test_docs_extending",
    "docs/gpu.md": "test_running_device",
    "docs/guarantees.md": "test_docs_guarantees",
    "docs/numerics.md": "test_docs_numerics",
    "docs/python.md": "test_docs_python",
    "docs/tutorial.md": "test_docs_tutorial",
}


def test_every_block_of_a_page_is_run_by_a_test():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    fenced = {
        path: set(re.findall(r"^ *```(\w*)\n", path.read_text("utf-8"), re.M)) for path in pages
    }
    run = {str(p.relative_to(ROOT)) for p, languages in fenced.items() if languages - {"text", ""}}
    assert run == set(RUN_BY)
    for page, test in RUN_BY.items():
        assert Path(page).name in (ROOT / "tests" / f"{test}.py").read_text()


def test_the_commands_of_the_page_are_accepted():
    page = (ROOT / "docs" / "config.md").read_text()
    (text,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    counts = []
    for line in text.splitlines():
        name, _, *words = shlex.split(line)
        assert name == "bnexp"
        result = CliRunner().invoke(cli, ["check", *words, "--set", "data.name=synthetic"])
        assert result.exit_code == 0, result.output
        counts += re.findall(r"(\d+) networks", result.output)[:1]
    assert counts == ["32", "32", "96", "4", "16"]


# What a POSIX shell and PowerShell understand differently: a variable before a command, a line that
# goes on, a quote in quotes, && (Windows PowerShell), and what is substituted or redirected.
POSIX_ONLY = r"""^\w+=|\\$|\\"|&&|\$|`|<|'[^']*"[^']*'"""


def test_commands_can_be_pasted_into_powershell_too():
    commands = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(
            r"^ *```(?:sh|shell)\n(.*?)^ *```$", path.read_text("utf-8"), re.M | re.S
        )
        commands += [line.strip() for block in blocks for line in block.splitlines()]
    assert len(commands) > 45
    assert [command for command in commands if re.search(POSIX_ONLY, command)] == []
    for command in (
        "A=1 python",
        "bnexp run \\",
        "cd a && b",
        "cat <(a)",
        "echo $A",
        """a '{"b"}'""",
    ):
        assert re.search(POSIX_ONLY, command), command
