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


def run(*command, cwd):
    environment = {k: v for k, v in os.environ.items() if k not in ("BNEXP_DATA_DIR", "PYTHONPATH")}
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_demo_sets_up_trains_and_draws(checkout):
    output = run("scripts/demo.sh", cwd=checkout)
    assert "32 networks: 0 up to date, 32 to train" in output
    assert "diverged: the loss or a statistic is no longer finite" in output
    figures = checkout / "results" / "quickstart" / "figures"
    assert (figures / "panels.png").stat().st_size > 50_000
    again = run("scripts/demo.sh", cwd=checkout)
    assert "32 networks: 32 up to date" in again
    # What pip installed, not the checkout's: -I leaves the working directory out.
    program = checkout / ".venv" / "bin" / "bnexp"
    assert run(program, "report", "results/quickstart", cwd=checkout) == (
        "results/quickstart/report.html\n"
    )
    page = (checkout / "results" / "quickstart" / "report.html").read_text()
    assert page.count("<svg") == 2
    assert 'id="slider"' in page
    code = "import bnexp; r = bnexp.run('quickstart', 'results/quickstart'); print(r._repr_html_())"
    shown = run(program.with_name("python"), "-I", "-c", code, cwd=checkout)
    assert shown.count("<tr>") == 17


def test_the_wheel_holds_the_experiments(checkout, tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), cwd=checkout)
    (wheel,) = tmp_path.glob("*.whl")
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
