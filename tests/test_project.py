"""The files about the project: metadata, policies, hooks, workflow, container, and the sdist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml

import bnexp

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
CHECKS = [["ruff", "check"], ["ruff", "format"], ["mypy"]]


def test_all_files_have_one_version_one_license_and_the_same_authors():
    results = tomllib.loads((ROOT / "results" / "pyproject.toml").read_text())["project"]
    versions = [PROJECT["version"], results["version"], CITATION["version"]]
    assert versions == [bnexp.__version__] * 3
    assert CITATION["date-released"] >= date(2026, 11, 27)
    assert PROJECT["license"] == results["license"] == CITATION["license"] == "MIT"
    assert PROJECT["authors"] == results["authors"] == CITATION["authors"]
    for project, folder in ((PROJECT, ROOT), (results, ROOT / "results")):
        assert project["readme"] == "README.md"
        assert (folder / "README.md").read_text().startswith(f"# {project['name']}\n")
        assert project["license-files"] == ["LICENSE"]
        assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert PROJECT["keywords"] == CITATION["keywords"]
    assert PROJECT["authors"][0]["name"] in (ROOT / "LICENSE").read_text()


def test_every_page_of_the_docs_is_in_their_list():
    listed = set(re.findall(r"^\| \[(\w+\.md)\]", (ROOT / "docs" / "README.md").read_text(), re.M))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


def test_the_workflow_runs_the_test_command_on_each_system_and_python():
    *uses, newest, lowest = WORKFLOW["jobs"]["test"]["steps"]
    assert newest == {"if": "matrix.packages == 'newest'", "run": "python scripts/test.py"}
    assert lowest == {"if": "matrix.packages == 'lowest'", "run": "python scripts/test.py --lowest"}
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]) for step in uses)
    classifiers = [text.rpartition(" ")[2] for text in PROJECT["classifiers"]]
    named = {version for version in classifiers if re.fullmatch(r"3\.\d+", version)}
    oldest = PROJECT["requires-python"].removeprefix(">=")
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    assert matrix.keys() == {"system", "python", "packages"}
    assert set(matrix["system"]) == {"ubuntu-latest", "macos-latest", "windows-latest"}
    assert set(matrix["python"]) >= named | {oldest}
    assert set(matrix["packages"]) == {"newest", "lowest"}


def test_the_workflow_builds_the_documentation_with_the_same_actions():
    test, docs = (WORKFLOW["jobs"][name]["steps"] for name in ("test", "docs"))
    *uses, build = docs
    assert build == {"run": "python scripts/docs_site.py"}
    assert [step["uses"] for step in uses] == [step["uses"] for step in test[:-2]]
    assert os.access(ROOT / "scripts" / "docs_site.py", os.X_OK)


def test_each_hook_before_a_commit_is_a_check_of_the_test_script():
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    hooks = [hook for repo in yaml.safe_load(text)["repos"] for hook in repo["hooks"]]
    commands = [hook["entry"].split() for hook in hooks]
    assert [command[:2] for command in commands] == [["python", "-m"]] * 3
    assert [c[2:][: len(check)] for c, check in zip(commands, CHECKS, strict=True)] == CHECKS
    script = (ROOT / "scripts" / "test.py").read_text()
    for check in CHECKS:
        words = ", ".join(f'"{word}"' for word in check)
        assert f'run(python, "-m", {words}' in script


def test_the_container_runs_the_demo_as_an_ordinary_user(script):
    text = (ROOT / "Dockerfile").read_text()
    (user,) = re.findall("^USER (.*)$", text, re.M)
    assert user != "0"
    assert f"useradd --create-home --uid {user} bnexp" in text
    demo = (ROOT / "scripts" / "demo.py").read_text()
    program = '"bnexp", "run", "quickstart"'
    assert text.endswith(f"CMD [{program}]\n")
    assert f'"-m", {program}' in demo
    flag, requirement = script("set_up").SAMPLE
    assert f'{flag} "{requirement}"' in text
    admitted = re.findall("^!(.*)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert set(admitted) == {"bnexp", "configs", "LICENSE", "README.md", "pyproject.toml"}


@pytest.mark.slow
@pytest.mark.network
def test_the_sdist_has_all_files_and_runs_its_own_tests(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*words, cwd):
        command = [sys.executable, "-m", *words]
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("build", "--sdist", "--outdir", str(tmp_path), cwd=ROOT)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    folder = tmp_path / archive.name.removesuffix(".tar.gz")
    if (ROOT / ".git").exists():
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        names = set(files.stdout.decode().strip("\0").split("\0"))
        assert {name for name in names if not (folder / name).exists()} == set()
    environment["PYTHONPATH"] = str(folder)  # before the installed one
    collected = run("pytest", "-q", "--collect-only", "-m", "slow or not slow", cwd=folder)
    assert int(re.findall(r"^(\d+) tests collected", collected, re.M)[0]) > 5000
    tests = ["tests/test_project.py", "tests/test_docs_contributing.py", "tests/test_text.py"]
    assert " passed" in run("pytest", "-q", *tests, cwd=folder)
