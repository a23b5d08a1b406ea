"""The results that come with bnexp, by the names of their experiments."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli
from bnexp.config.document import experiment_names
from bnexp.errors import ConfigError
from bnexp.runs import references
from bnexp.runs.references import RunPlace, find_run

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
NAME = "quickstart"
TOLD = f"{NAME}: the result shipped with bnexp, {REFERENCE / NAME}\n"
OUTPUT = Path("results", f"{NAME}-shipped")

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="needs the shipped results")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty current folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """bnexp is installed, and no checkout: returns how to install the shipped results as well."""
    package = tmp_path / "site" / "bnexp"
    (package / "configs").mkdir(parents=True)
    monkeypatch.setattr(references, "PACKAGE", package)

    def install():
        folder = package.parent / "bnexp_references"
        folder.mkdir()
        (folder / "__init__.py").write_text("raise AssertionError('imported')")
        shutil.copytree(REFERENCE / NAME, folder / NAME)
        monkeypatch.setattr(sys, "path", [*sys.path, str(package.parent)])
        return folder / NAME

    return install


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def command(*words):
    return CliRunner().invoke(cli, [*map(str, words)])


def test_every_experiment_has_a_shipped_result(empty):
    for name in experiment_names():
        assert find_run(name) == RunPlace(REFERENCE / name, Path("results", f"{name}-shipped"))


@pytest.mark.slow
def test_a_page_of_a_shipped_result(empty):
    before = files(REFERENCE / NAME)
    done = command("report", NAME)
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{OUTPUT}/report.html\n", TOLD)
    assert files(empty) == [f"{OUTPUT}/.lock", f"{OUTPUT}/report.html"]
    done = command("report", NAME, "--out", "page.html")
    assert (done.exit_code, done.stdout) == (0, "page.html\n")
    assert files(REFERENCE / NAME) == before


@pytest.mark.slow
def test_what_is_drawn_and_exported_goes_to_the_current_folder(empty):
    before = files(REFERENCE / NAME)
    done = command("plot", NAME)
    assert (done.exit_code, done.stderr) == (0, TOLD)
    assert f"{OUTPUT}/figures/panels.png" in files(empty)
    pytest.importorskip("pyarrow")
    done = command("export", NAME, "--to", "parquet")
    assert (done.exit_code, done.stderr) == (0, TOLD)
    assert done.stdout.startswith(f"32 networks in {OUTPUT}/export/parquet\n")
    assert files(REFERENCE / NAME) == before


def test_claims_and_numbers_of_shipped_results_leave_nothing(empty):
    done = command("claims", "rank")
    assert (done.exit_code, done.stderr) == (0, TOLD.replace(NAME, "rank"))
    assert done.stdout.count("supported") > 2
    done = command("compare", NAME, f"results/reference/{NAME}")
    assert done.exit_code == 0
    assert done.stderr == TOLD + TOLD.replace(NAME, f"results/reference/{NAME}", 1)
    assert bnexp.load_run(NAME).directory == REFERENCE / NAME
    assert files(empty) == []


def test_formats_that_need_the_cells_of_networks_say_so(empty):
    pytest.importorskip("tensorboard")
    done = command("export", NAME, "--to", "tensorboard")
    assert done.exit_code == 1
    assert done.stderr.endswith(
        f"{REFERENCE / NAME}: has tables only, expected the cells of networks; export it to "
        f"parquet, or train it: bnexp run {NAME}\n"
    )
    assert files(empty) == [f"{OUTPUT}/.lock"]


def test_a_folder_of_that_name_comes_first(empty):
    shutil.copytree(REFERENCE / "rank", NAME)
    assert find_run(NAME) == RunPlace(Path(NAME), Path(NAME))
    assert bnexp.load_run(NAME).config.name == "rank"


@pytest.mark.slow
def test_a_run_in_results_is_not_passed_over(empty):
    """It may be the one that is meant; the other has a name of its own."""
    shutil.copytree(REFERENCE / NAME, Path("results", NAME))
    done = command("report", NAME)
    assert done.exit_code == 2
    assert done.stderr == (
        f"{NAME}: not a run directory, expected a config.yaml in it; did you mean results/{NAME} "
        f"or results/reference/{NAME}, which is shipped with bnexp?\n"
    )
    done = command("compare", f"results/{NAME}", f"results/reference/{NAME}")
    assert done.exit_code == 0
    done = command("report", f"results/{NAME}", "rank")
    assert done.stdout == f"results/{NAME}/report-rank.html\n"


@pytest.mark.slow
def test_an_installed_package_reads_them_without_an_import(empty, installed):
    folder = installed()
    assert find_run(NAME) == RunPlace(folder, OUTPUT)
    done = command("report", NAME)
    assert (done.exit_code, done.stdout) == (0, f"{OUTPUT}/report.html\n")
    assert files(folder) == files(REFERENCE / NAME)


def test_without_them_it_is_said_how_to_get_them(empty, installed):
    expected = (
        f"{NAME}: not a run directory, and the shipped results are not installed; they are the "
        "package bnexp-references, which `pip install ./results` installs in a checkout of bnexp, "
        "and `pip install bnexp_references-VERSION-py3-none-any.whl` elsewhere; "
        f"`bnexp run {NAME}` trains the experiment here\n"
    )
    for words in (
        ("report", NAME),
        ("plot", NAME),
        ("claims", NAME),
        ("compare", NAME, "rank"),
        ("verify", NAME),
        ("export", NAME, "--to", "parquet"),
    ):
        done = command(*words)
        assert (done.exit_code, done.stdout, done.stderr) == (2, "", expected), words
    with pytest.raises(ConfigError, match="no_such: not a run directory"):
        bnexp.load_run("no_such")


def test_results_that_are_not_on_the_machine_are_not_suggested(empty, installed):
    shutil.copytree(REFERENCE / NAME, Path("results", NAME))
    message = f"{NAME}: not a run directory, expected a config.yaml in it; did you mean results/"
    assert command("report", NAME).stderr == f"{message}{NAME}?\n"
    assert command("report", f"runs/{NAME}").stderr == f"runs/{message}{NAME}?\n"
    assert command("report", "runs/rank").stderr == (
        "runs/rank: not a run directory, expected a config.yaml in it; `bnexp run` makes one\n"
    )
    installed()
    suggested = f"{NAME} or results/reference/{NAME}, which is shipped with bnexp?\n"
    assert command("report", NAME).stderr == message + suggested
    assert command("table", f"results/reference/{NAME}").exit_code == 0


def test_an_installed_package_in_a_checkout(empty, installed):
    shutil.copytree(REFERENCE / NAME, Path("results", "reference", NAME))
    assert find_run(NAME) == RunPlace(Path("results", "reference", NAME), OUTPUT)
