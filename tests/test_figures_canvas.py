"""Files of figures: the same bytes every time, and no matplotlib before it is needed."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from figure_results import EVERY, NORMS, W, everything, results

from bnexp.errors import Interrupted
from bnexp.figures import DrawingFailed, draw, render_files
from bnexp.figures.kinds.panels import Panels
from bnexp.figures.kinds.scale import Scale
from bnexp.runs.tables import Axis

HERE = Path(__file__).parent

DIGESTS = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_figures_canvas import digests
print(*digests(), sep="\\n")
"""


def value(point, seed, epoch, metric):
    return 0.3 + 0.1 * seed + 0.1 * epoch


def demo_results():
    return results(
        (Axis(W, (1.0, 0.1, 0.01)), NORMS),
        seeds=(0, 1),
        value=value,
        diverged=lambda point, seed: 3 if point[0] == 1.0 else -1,
        read=everything(),
    )


def digests():
    data, options = demo_results(), {each.kind: each for each in EVERY}.values()
    contents = [content for each in options for content in render_files(each, data).values()]
    return [hashlib.sha256(content).hexdigest() for content in contents]


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_drawings_of_the_same_results_are_equal():
    assert render_files(Panels(), demo_results()) == render_files(Panels(), demo_results())


@pytest.mark.slow
def test_two_processes_write_the_same_bytes():
    assert run(DIGESTS, HERE).split() == digests()


@pytest.mark.slow
def test_the_users_matplotlibrc_changes_nothing(tmp_path, monkeypatch):
    expected = digests()
    rc = tmp_path / "matplotlibrc"
    rc.write_text("font.size: 22\naxes.grid: False\nsavefig.dpi: 50\nsvg.fonttype: none\n")
    monkeypatch.setenv("MATPLOTLIBRC", str(rc))
    assert run(DIGESTS, HERE).split() == expected


def test_drawing_leaves_the_users_parameters_alone():
    import matplotlib

    with matplotlib.rc_context({"font.size": 22, "text.parse_math": True}):
        draw(Panels(), demo_results())
        assert matplotlib.rcParams["font.size"] == 22
        assert matplotlib.rcParams["text.parse_math"] is True


def test_files_have_no_date_or_version():
    files = render_files(Scale(), demo_results())
    assert list(files) == ["png", "svg"]
    assert files["png"].startswith(b"\x89PNG")
    assert b"Software" not in files["png"]
    assert b"<svg" in files["svg"]
    assert b"<dc:date>" not in files["svg"]
    assert b"Matplotlib v" not in files["svg"]


def test_text_in_svg_is_drawn_as_paths():
    assert b"<text" not in render_files(Scale(), demo_results(), ["svg"])["svg"]


def test_whatever_goes_wrong_is_a_failure_of_its_figure(monkeypatch):
    with pytest.raises(DrawingFailed, match=r"^figure scale: axis: not a swept key"):
        render_files(Scale(axis="x"), demo_results())

    def draw_nothing(self, data):
        return 1 / 0

    monkeypatch.setattr(Panels, "draw", draw_nothing)
    with pytest.raises(DrawingFailed, match=r"^figure panels: ZeroDivisionError: division by zero"):
        render_files(Panels(), demo_results())
    monkeypatch.setattr(Panels, "draw", lambda self, data: sys.exit(3))
    with pytest.raises(DrawingFailed, match=r"^figure panels: SystemExit: 3"):
        render_files(Panels(), demo_results())
    monkeypatch.setattr("bnexp.execution.stopping._interrupted", True)
    with pytest.raises(Interrupted):  # of which a library may have made that error
        render_files(Panels(), demo_results())


@pytest.mark.slow
def test_matplotlib_is_imported_only_to_draw():
    code = """
import sys
from figure_results import panels, results
from bnexp.figures import FIGURES
print(len(dict(FIGURES)), "matplotlib" in sys.modules)
panels(results())
print("matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    assert run(f"import sys; sys.path.insert(0, {str(HERE)!r})\n{code}").split("\n")[:2] == [
        "11 False",
        "True False",
    ]


def test_many_seeds_do_not_need_scipy():
    data = results((), seeds=range(40), value=lambda p, seed, e, m: seed / 40)
    figure = draw(Panels(), data)
    assert figure.axes[0].lines[0].get_ydata()[0] == pytest.approx(np.mean(np.arange(40) / 40))
    assert "mean of 40 seeds" in figure.texts[1].get_text()
