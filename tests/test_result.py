"""What an interpreter and a notebook show."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from comparison_cases import change
from report_cases import HOSTILE, LEAST, SHOWN, SMALL, Page, folder_of, made, made_with_failures

import bnexp
from bnexp import figures
from bnexp.result import Columns, Result
from bnexp.runs.data import read_run


@pytest.fixture(scope="module")
def result():
    """The small run, taken from its directory: nothing is trained."""
    return bnexp.run(str(made(SMALL) / "config.yaml"), made(SMALL))


def test_a_result_in_one_line(result):
    claims = "measured: 0 supported, 1 does not hold in this setting, 0 undecided"
    said = f"12 networks, 4 diverged; {claims}; {made(SMALL)}"
    assert repr(result) == f"Result(small: {said})"
    least = bnexp.run(str(folder_of(LEAST) / "experiment.yaml"))
    assert repr(least.config) == "Config(least)"
    assert repr(least) == "Result(least: 1 network)"


@pytest.mark.slow
def test_a_result_in_a_notebook(result):
    page = Page(result._repr_html_())
    assert page.text("p")[0].startswith(f"{' '.join(SHOWN.split())} small: 12 networks")
    assert page.all("script") == []
    ((picture, _),) = page.all("img")
    content = b64decode(picture["src"].removeprefix("data:image/png;base64,"))
    first = figures.requested_figures(None, result.results)[0]
    assert content == figures.draw(first, result.results)._repr_png_()
    head, *rows = page.table
    assert head == [
        "weight initialization scale (std)", "with batch norm", "without normalization",
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["1e+20", "0.293", "0.01"]
    means = result.summary["final_test_accuracy"].reshape(3, 2, 2).mean(axis=2)
    shown = [[float(field.split()[0]) for field in row[1:]] for row in rows]
    np.testing.assert_allclose(shown, means, atol=5e-4)
    stars = [["*" in field for field in row[1:]] for row in rows]
    assert stars == [[True, True], [False, False], [False, False]]
    assert page.text("caption") == [
        "final test accuracy, mean ± standard deviation of 2 seeds; * diverged"
    ]
    (claim,) = page.text("li")
    assert claim.startswith(f"does not hold (expected: supported): {' '.join(SHOWN.split())}")
    assert "n = 2, ahead in 0 of 2 at model.init.std = 0.2929" in claim
    assert str(made(SMALL)) in page.text("code")
    assert len(result._repr_html_()) - len(picture["src"]) < 4000
    colors = [a["style"] for _, a, _ in page.elements if "style" in a]
    assert not any("color" in style or "background" in style for style in colors)


def test_a_result_without_a_figure_shows_the_rest():
    page = Page(bnexp.run(f"{LEAST}figures: []\n")._repr_html_())
    assert page.text("p")[0].startswith("least")
    assert page.all("img") == []
    assert len(page.table) == 2


def test_a_config_in_a_notebook(result):
    page = Page(result.config._repr_html_())
    assert page.all("script") == page.all("img") == []
    head, *rows = page.table
    assert head == ["swept key", "values"]
    assert rows == [
        ["model.init.std", "1.0e+20, 0.29286445646252374, 0.01"],
        ["model.norm", "batch, none"],
        ["random.seeds", "0, 1"],
    ]
    assert page.text("p")[0].startswith(" ".join(SHOWN.split()))
    assert "1 claim" in page.text("p")
    (text,) = page.text("pre")
    assert text.startswith("name: small title: ")


def test_what_failed_is_said():
    data = replace(read_run(made_with_failures()), directory=None)
    lost = Result(data, 6, dict.fromkeys("abcdef", HOSTILE))
    page = Page(lost._repr_html_())
    assert page.text("p")[-1] == f"6 failed: {' '.join(SHOWN.split())}"
    assert page.all("script") == []
    assert repr(lost) == "Result(small: 12 networks, 2 diverged, 6 failed)"


def test_columns_show_their_first_rows(result):
    lines = repr(result.metrics).splitlines()
    assert lines[0] == "36 rows x 10 columns"
    assert lines[2] == "  seed            0, 0, 0, 1, 1, ..."
    assert lines[3] == "  model.init.std  1e+20, 1e+20, 1e+20, 1e+20, 1e+20, ..."
    assert len(lines) == 11
    page = Page(result.metrics._repr_html_())
    head, *rows = page.table
    assert head == list(result.metrics)
    assert [row[1] for row in rows] == ["0", "0", "0", "1", "1"]
    assert page.text("p") == ["36 rows x 10 columns"]
    two = Columns({HOSTILE: np.array([HOSTILE, "b"], object)})
    assert repr(two) == f"2 rows x 1 column\n  {SHOWN}  {SHOWN}, b"
    assert Page(two._repr_html_()).all("script") == []
    rates = Columns({"train": np.array([0.1234567, 0.1234568])}, swept=["train"])
    assert repr(rates) == "2 rows x 1 column\n  train  0.1234567, 0.1234568"
    assert repr(Columns()) == "0 rows x 0 columns"
    assert repr(result.probes).startswith("0 rows x 9 columns\n  cell ")


def test_comparisons_verifications_and_models_in_one_line(tmp_path):
    a, b = made(LEAST), shutil.copytree(made(LEAST), tmp_path / "b")
    found = bnexp.compare(a, b)
    assert repr(found) == f"Comparison({a} against {b}: 1 paired, all numbers identical)"
    change(b, 0, train_loss=lambda values: (values[0] * 1.5, *values[1:]))
    assert repr(bnexp.compare(a, b)).endswith("paired, beyond 0: train_loss)")
    assert repr(bnexp.compare(a, b, tolerance=1)).endswith("paired, within 1)")
    assert repr(bnexp.verify(b)) == f"Verification({b}: 1 different)"
    model = bnexp.fit(str(a / "config.yaml"))
    said = "images (28, 28, 1) to 10 classes, 6,370 parameters"
    assert repr(model) == f"Model(mlp, norm none, seed 0: {said})"


@pytest.mark.slow
def test_a_figure_is_returned_and_nothing_is_left_of_it(result):
    code = (
        "import sys, json, bnexp\n"
        "result = bnexp.run(sys.argv[1], sys.argv[2])\n"
        "figure = result.figure('scale')\n"
        "early = 'matplotlib.pyplot' in sys.modules\n"
        "import matplotlib, matplotlib.pyplot as plt\n"
        "print(json.dumps([early, plt.get_fignums(), len(figure.axes), "
        "isinstance(figure, matplotlib.figure.Figure), figure._repr_png_()[:4].hex(), "
        "matplotlib.rcParams['font.size'] == matplotlib.rcParamsDefault['font.size']]))\n"
    )
    words = [sys.executable, "-c", code, str(made(SMALL) / "config.yaml"), str(made(SMALL))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, [], 4, True, "89504e47", True]
    assert done.stderr == ""


def test_a_report_is_written_from_python(tmp_path):
    path = bnexp.write_report(str(made(LEAST)), str(tmp_path / "page.html"))
    assert path == tmp_path / "page.html"
    assert Page(path.read_text()).text("h1") == ["least"]


def test_ipython_shows_all_of_it(result):
    """By the very formatters that a notebook's kernel uses."""
    formatters = pytest.importorskip("IPython.core.formatters")
    shown, _ = formatters.DisplayFormatter().format(result)
    assert shown["text/html"] == result._repr_html_()
    assert shown["text/plain"] == repr(result)
    shown, _ = formatters.DisplayFormatter().format(result.summary)
    assert "<table>" in shown["text/html"]
    assert shown["text/plain"].startswith("12 rows")
    shown, _ = formatters.DisplayFormatter().format(result.figure("scale"))
    assert shown["text/plain"].startswith("<Figure size")
    assert shown["image/png"][:8] == b"\x89PNG\r\n\x1a\n"
