"""The set-up scripts and the wheel, in fresh environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("bnexp", "configs", "scripts", "pyproject.toml", "README.md", "LICENSE")
REFERENCES = ("pyproject.toml", "README.md", "LICENSE", "references.py", "reference")
MAX_WHEEL = 2_000_000  # bytes

pytestmark = [pytest.mark.slow, pytest.mark.network]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what is needed, with neither environment nor results."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        source = ROOT / part
        skip = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=skip)
        else:
            shutil.copy(source, folder / part)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    """The wheel of bnexp."""
    return build_wheel(checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """The wheel of the shipped results, which are not in the archive of the sources."""
    if not (ROOT / "results" / "reference").is_dir():
        pytest.skip("needs the shipped results")
    folder = tmp_path_factory.mktemp("references")
    for name in REFERENCES:
        source = ROOT / "results" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return build_wheel(folder, tmp_path_factory.mktemp("wheel"))


def build_wheel(project, out):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(out), cwd=project)
    (wheel,) = out.glob("*.whl")
    return wheel


def run(*command, cwd):
    environment = {k: v for k, v in os.environ.items() if k not in ("BNEXP_DATA_DIR", "PYTHONPATH")}
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_demo_sets_up_trains_and_draws(checkout):
    output = run(sys.executable, "scripts/demo.py", cwd=checkout)
    assert "32 networks: 0 up to date, 32 to train" in output
    assert "diverged: the loss or a statistic is no longer finite" in output
    figures = checkout / "results" / "quickstart" / "figures"
    assert (figures / "panels.png").stat().st_size > 50_000
    again = run(sys.executable, "scripts/demo.py", cwd=checkout)
    assert "32 networks: 32 up to date" in again
    # What pip installed, not the checkout's: -I leaves the working directory out.
    program = checkout / ".venv" / "bin" / "bnexp"
    assert run(program, "report", "results/quickstart", cwd=checkout) == (
        "results/quickstart/report.html\n"
    )
    page = (checkout / "results" / "quickstart" / "report.html").read_text()
    assert page.count("<figure ") == 2
    assert 'id="slider"' in page
    code = "import bnexp; r = bnexp.run('quickstart', 'results/quickstart'); print(r._repr_html_())"
    shown = run(program.with_name("python"), "-I", "-c", code, cwd=checkout)
    assert shown.count("<tr>") == 17


def test_the_wheel_holds_the_experiments(wheel):
    assert wheel.stat().st_size < MAX_WHEEL
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"bnexp/configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")}
    assert shipped
    shipped |= {"bnexp/configs/bnexp.schema.json", "bnexp/config/new.yaml"}
    assert shipped <= names
    assert "bnexp/py.typed" in names
    pages = [*(ROOT / "bnexp" / "report" / "templates").iterdir()]
    pages += (ROOT / "bnexp" / "showing").glob("*.html")
    assert len(pages) >= 10
    assert {str(page.relative_to(ROOT)) for page in pages} <= names
    assert not any(name.startswith(("tests/", "scripts/", "results/")) for name in names)


def test_the_shipped_results_are_read_without_a_checkout(wheel, references, tmp_path):
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    run(sys.executable, "-m", "venv", str(environment), cwd=tmp_path)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    program = python.with_name("bnexp")
    run(python, "-m", "pip", "install", "--quiet", str(wheel), cwd=empty)
    words = [str(program), "report", "weight_scale"]
    failed = subprocess.run(words, cwd=empty, capture_output=True, text=True, timeout=120)
    assert failed.returncode == 2
    assert "they are the package bnexp-references" in failed.stderr
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", str(references), cwd=empty)
    assert run(*words, cwd=empty) == f"{Path('results/weight_scale-shipped/report.html')}\n"
    page = (empty / "results" / "weight_scale-shipped" / "report.html").read_text("utf-8")
    assert page.count("<figure ") == 2
    assert run(program, "compare", "weight_scale", "results/reference/weight_scale", cwd=empty)
    code = "import bnexp; print(sorted(bnexp.load_run('weight_scale').metrics)[0])"
    assert run(python, "-I", "-c", code, cwd=empty) == "cell\n"
    folders = {path.name for path in (ROOT / "results" / "reference").iterdir() if path.is_dir()}
    names = zipfile.ZipFile(references).namelist()
    assert {name.split("/")[1] for name in names if name.endswith("metrics.csv")} <= folders
    assert len({name.split("/")[1] for name in names if name.endswith("config.yaml")}) == len(
        folders
    )
