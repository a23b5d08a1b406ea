"""One figure of a run directory in a file of its own: kind, options, title, style, size, format."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import bnexp
from bnexp.cli.main import cli
from bnexp.figures.style import STYLES


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("plot") / "run"
    overrides = {
        "data": {"name": "synthetic", "train": 100, "test": 50},
        "train.epochs": 2,
        "sweep.model.init.std": [1.0, 0.1, 0.01],
        "title": "Ten & <two>",
    }
    bnexp.run(bnexp.load_config("quickstart", overrides), out)
    return out


@pytest.fixture
def plot(directory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
        result = CliRunner().invoke(cli, ["plot", str(directory), *words])
        assert before == {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}
        return result

    return run


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.slow
def test_the_file_is_named_after_the_experiment_and_the_kind(plot, tmp_path):
    result = plot("--figure", "scale")
    assert (result.exit_code, result.output) == (0, "quickstart-scale.png\n")
    assert [path.name for path in tmp_path.iterdir()] == ["quickstart-scale.png"]


@pytest.mark.slow
def test_a_kind_of_the_experiment_looks_as_in_the_run_directory(plot, directory, tmp_path):
    plot("--figure", "scale", "--out", "scale.png")
    drawn = (tmp_path / "scale.png").read_bytes()
    assert drawn == (directory / "figures" / "scale.png").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_styles(plot, tmp_path, style):
    assert plot("--figure", "curves", "--style", style, "--dpi", "100").exit_code == 0
    picture = pixels(tmp_path / "quickstart-curves.png")
    assert picture.shape[1] == round(100 * STYLES[style].width)
    corner = picture[0, 0].mean()
    assert corner < 40 if STYLES[style].is_dark else corner == 255
    inks = {tuple(color) for color in picture.reshape(-1, 3)[::7].tolist()}
    for color in STYLES[style].colors[:2]:  # of the lines
        assert tuple(int(color[i : i + 2], 16) for i in (1, 3, 5)) in inks
    # What is written stands out from the paper.
    assert abs(np.quantile(picture[:40], 0.999 if corner < 128 else 0.001) - corner) > 150


def test_title_size_and_pixels(plot, tmp_path):
    assert plot("--figure", "heatmap", "--size", "5", "--dpi", "50").exit_code == 0
    assert pixels(tmp_path / "quickstart-heatmap.png").shape[1] == 250
    assert plot("--figure", "scale", "--title", "Mine <&>", "--out", "a.svg").exit_code == 0
    text = (tmp_path / "a.svg").read_text()
    assert "Mine &lt;&amp;&gt;</text>" in text
    assert "Ten" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89P")]
)
def test_formats(plot, tmp_path, name, start):
    first, second = (
        plot("--figure", "panels", *words) for words in (("--format", name), ("--out", f"b.{name}"))
    )
    assert first.exit_code == second.exit_code == 0, first.output
    contents = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(contents) == 2
    assert contents[0] == contents[1]  # no date, no random ids
    assert contents[0].startswith(start)
    if name == "svg":
        words = re.findall(r">([^<>]+)</text>", contents[0].decode())
        assert "W = 0.01" in words  # letters stay letters
    else:
        assert name != "png" or Image.open(BytesIO(contents[0])).size[0] > 1000


@pytest.mark.slow
def test_a_file_without_a_formats_ending_gets_it(plot, tmp_path):
    words = ("--figure", "scale", "--format", "svg", "--out", "section_6.3.2")
    result = plot(*words)
    assert result.output.splitlines()[-1] == "section_6.3.2.svg"
    assert [path.name for path in tmp_path.iterdir()] == ["section_6.3.2.svg"]
    assert plot("--figure", "scale", "--out", "plain").output.splitlines()[-1] == "plain.png"


def test_options_of_the_kind(plot, tmp_path):
    options = ("panel_axis=model.init.std", "metrics=[train_loss]", "log=true", "band=none")
    words = [word for option in options for word in ("--set", option)]
    where = ("--set", "where={model.init.std: [0.1, 0.01]}")
    assert plot("--figure", "curves", *words, *where, "--out", "c.svg").exit_code == 0
    text = (tmp_path / "c.svg").read_text()
    assert "W = 0.1</text>" in text
    assert "W = 1</text>" not in text
    assert ">loss</text>" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--figure", "curvse"), "did you mean 'curves'?"),
        (("--figure", "scale", "--set", "axis=model.norm"), "no numbers, expected a swept key"),
        (("--figure", "scale", "--set", "axs=model.norm"), "did you mean 'axis'?"),
        (("--figure", "scale", "--set", "axis"), "expected KEY=VALUE"),
        (("--figure", "scale", "--style", "drak"), "did you mean 'dark'?"),
        (("--figure", "scale", "--size", "1"), "expected 3 to 30 inches, got 1"),
        (("--figure", "scale", "--dpi", "nan"), "expected 10 to 2400 pixels"),
        (("--figure", "scale", "--size", "inf"), "expected 3 to 30 inches"),
        (("--figure", "scale", "--out", "x.jpg"), "no format, expected one of png, svg, pdf"),
        (("--figure", "depth", "--set", "quantity=rank"), "rank"),
        (
            ("--figure", "scale", "--out", "x.png", "--format", "svg"),
            "x.png: expected a file that ends with .svg, as format is svg, got .png; omit format",
        ),
        (("--style", "light"), "name its kind with --figure; this run has --figure panels"),
        (("--title", "x"), "name its kind with --figure"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(plot, tmp_path, words, message):
    result = plot(*words)
    assert result.exit_code in (2, 4)
    assert message in " ".join(result.output.split()), result.output
    assert not list(tmp_path.rglob("*.*"))


def test_figures_in_python_have_styles(directory):
    run = bnexp.run(bnexp.load_config(directory), directory)
    figure = run.figure("curves", style="dark", width=4)
    assert figure.get_size_inches()[0] == 4
    with pytest.raises(bnexp.ConfigError, match="style: not a style"):
        run.figure("curves", style="no")
