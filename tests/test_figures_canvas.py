"""Files of figures: the same bytes every time, and no matplotlib before it is needed."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from figure_results import EVERY, NORMS, W, everything, results

from bnexp.errors import StoreError
from bnexp.figures import draw, save
from bnexp.figures.kinds.panels import Panels
from bnexp.figures.kinds.scale import Scale
from bnexp.files import write_file
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


def demo(kind):
    data = results(
        (Axis(W, (1.0, 0.1, 0.01)), NORMS),
        seeds=(0, 1),
        value=value,
        diverged=lambda point, seed: 3 if point[0] == 1.0 else -1,
        read=everything(),
    )
    return draw(kind, data)


def digests():
    found = []
    for kind in {one.kind: one for one in EVERY}.values():
        save(demo(kind), Path(), "x", lambda path, content: found.append(content))
    return [hashlib.sha256(content).hexdigest() for content in found]


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_saves_of_one_figure_are_equal(tmp_path):
    figure = demo(Panels())
    first = [path.read_bytes() for path in save(figure, tmp_path / "a", "panels", write_file)]
    again = [path.read_bytes() for path in save(figure, tmp_path / "b", "panels", write_file)]
    assert first == again


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
        demo(Panels())
        assert matplotlib.rcParams["font.size"] == 22
        assert matplotlib.rcParams["text.parse_math"] is True


def test_files_have_their_names_and_no_date_or_version(tmp_path):
    paths = save(demo(Scale()), tmp_path / "figures", "scale", write_file)
    assert [path.name for path in paths] == ["scale.png", "scale.svg"]
    png, svg = (path.read_bytes() for path in paths)
    assert png.startswith(b"\x89PNG")
    assert b"Software" not in png
    assert b"<svg" in svg
    assert b"<dc:date>" not in svg
    assert b"Matplotlib v" not in svg
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "scale.png",
        "scale.svg",
    ]


def test_text_in_svg_is_drawn_as_paths(tmp_path):
    _, svg = save(demo(Scale()), tmp_path, "scale", write_file)
    assert b"<text" not in svg.read_bytes()


def test_write_gets_paths_and_bytes(tmp_path):
    written = {}
    paths = save(demo(Panels()), tmp_path, "p", written.__setitem__)
    assert list(written) == paths == [tmp_path / "p.png", tmp_path / "p.svg"]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("kept")
    with pytest.raises(StoreError, match=r"p\.png: cannot write"):
        save(demo(Panels()), blocked, "p", write_file)
    assert blocked.read_text() == "kept"


def test_an_old_file_is_replaced(tmp_path):
    (tmp_path / "p.png").write_text("old")
    png, _ = save(demo(Panels()), tmp_path, "p", write_file)
    assert png.read_bytes().startswith(b"\x89PNG")


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
        "8 False",
        "True False",
    ]


def test_many_seeds_do_not_need_scipy():
    data = results((), seeds=range(40), value=lambda p, seed, e, m: seed / 40)
    figure = draw(Panels(), data)
    assert figure.axes[0].lines[0].get_ydata()[0] == pytest.approx(np.mean(np.arange(40) / 40))
    assert "mean of 40 seeds" in figure.texts[1].get_text()
