"""The library from a user's side: names, arguments that cannot be meant, runs on disk."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bnexp
from bnexp import nn
from bnexp.cli.main import cli
from bnexp.nn import INITIALIZERS, NORMALIZERS, option

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
NO_SCALE = {"sweep.model.init.std": None}


def test_every_public_name_is_offered_and_there():
    assert set(bnexp.__all__) < set(dir(bnexp))
    assert all(getattr(bnexp, name) is not None for name in bnexp.__all__)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": 3}, "experiment: expected a shipped name, a path, a mapping of its keys or "),
        ({"config": {}}, "model: required key is missing, expected a value, got nothing; add it"),
        ({"jobs": "2"}, "jobs: not a number of workers, expected at least 1, got '2'"),
        ({"jobs": 1.5}, "got 1.5"),
        ({"jobs": True}, "got True"),
        ({"checkpoint": 0}, "checkpoint: expected a number of seconds > 0, got 0"),
        ({"checkpoint": "a"}, "got 'a'"),
        ({"checkpoint": float("nan")}, "checkpoint: expected a number of seconds > 0, got nan"),
        ({"cell_timeout": float("inf")}, "cell_timeout: expected a number of seconds > 0, got inf"),
        ({"cell_timeout": True}, "cell_timeout: expected a number of seconds > 0, got True"),
        ({"out": ""}, "out: expected a folder, or None to keep nothing, got ''"),
        ({"out": {"train.epochs": 1}}, "got {'train.epochs': 1}"),
    ],
)
def test_arguments_that_cannot_be_meant(small, arguments, message):
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.run(**{"config": str(small), **arguments})
    assert message in str(caught.value)


def test_a_path_is_as_good_as_its_text(small):
    assert bnexp.run(small).trained == 12


def test_a_result_is_itself_and_no_other(small):
    result = bnexp.run(small)
    assert result == result
    assert result != bnexp.run(small)


@pytest.mark.slow
def test_a_run_on_disk_is_a_result_again(small, tmp_path):
    made = bnexp.run(small, tmp_path / "run")
    again = bnexp.load_run(tmp_path / "run")
    assert again.trained == 0
    assert again.directory == tmp_path / "run"
    for name, column in made.metrics.items():
        np.testing.assert_array_equal(again.metrics[name], column)
    assert len(again.figure("panels").axes) == 3


def test_a_reference_is_a_result_with_its_verdicts():
    result = bnexp.load_run(REFERENCE / "dialects")
    assert [claim.verdict for claim in result.claims] == ["supported"] * 4
    assert len(result.summary["cell"]) == 8 * 6 * len(result.config.experiment.random.seeds)
    with pytest.raises(bnexp.ConfigError, match="not a run directory"):
        bnexp.load_run(ROOT)


def test_a_run_directory_that_was_meant_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(REFERENCE / "dialects", tmp_path / "results" / "dialects")
    with pytest.raises(bnexp.ConfigError, match=r"did you mean results.dialects or "):
        bnexp.load_run("dialects")


@pytest.mark.slow
def test_a_page_of_two_runs_has_the_figures_of_both(small, tmp_path):
    for name in "ab":
        bnexp.run(small, tmp_path / name)
    text = bnexp.write_report(tmp_path / "a", tmp_path / "page.html", tmp_path / "b").read_text()
    assert text.count("<figure ") == 6  # two of each, and both on the same axes
    ids = [part.partition('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_pandas_has_no_value_where_the_csv_has_none(small):
    pytest.importorskip("pandas")
    column = bnexp.run(small).summary.to_pandas()["diverged_at_step"]
    assert column.isna().all()


def test_an_override_may_leave_a_figure_without_its_axis(small, tmp_path):
    both = {"figures": [{"kind": "panels"}, {"kind": "scale"}]}
    (tmp_path / "mine.yaml").write_text(f"extends: {small}\nfigures: [{{kind: scale}}]\n")
    result = bnexp.run(bnexp.load_config(tmp_path / "mine.yaml", NO_SCALE), tmp_path / "run")
    (said,) = result.left_out
    assert said.startswith("figure scale: no numbers, expected a swept key that has only numbers")
    drawn = sorted(path.name for path in (tmp_path / "run" / "figures").iterdir())
    assert drawn == ["curves.png", "curves.svg"]
    with pytest.raises(bnexp.ConfigError, match=r"figures\[1\]: no numbers"):
        bnexp.run(bnexp.load_config(small, {**NO_SCALE, **both}))


def test_a_figure_that_is_left_out_is_told(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(f"extends: {small}\nfigures: [{{kind: scale}}]\n")
    words = ["run", "mine.yaml", "-j", "1", "--set", "sweep.model.init.std=null"]
    output = CliRunner().invoke(cli, words).output
    assert "\nleft out: figure scale: no numbers, expected a swept key" in output


@pytest.mark.slow
def test_where_nothing_is_trained_there_is_no_table_of_accuracies(small, tmp_path):
    words = ["run", str(small), "-j", "1", "--out", str(tmp_path), "--set", "train.evaluate=[0]"]
    output = CliRunner().invoke(cli, words).output
    assert "no network was scored after an update" in output
    assert "final training accuracy" not in output
    assert "<table>" not in bnexp.load_run(tmp_path)._repr_html_()


def test_a_wrong_class_of_ones_own_is_refused_where_it_is_registered():
    with pytest.raises(TypeError, match=r"initializer 'mine': expected a dataclass, got Mine; put"):

        @INITIALIZERS.register("mine")
        class Mine:
            def draw(self, generator, shape, fan_in, fan_out):
                return generator.uniform(size=shape)

    with pytest.raises(TypeError, match="init, forward, backward, got Half without init, backward"):

        @NORMALIZERS.register("half")
        @dataclass(frozen=True)
        class Half:
            def forward(self, parameters, state, x, train):
                return x * 0.5, None, state

    assert "mine" not in INITIALIZERS
    assert "half" not in NORMALIZERS
    with pytest.raises(TypeError, match="expected bounds gt, ge, lt or le, got min"):
        option(0.1, doc="a width", min=0)


def test_a_mistake_in_a_class_of_ones_own_is_told_with_its_line(small, monkeypatch):
    monkeypatch.setattr(INITIALIZERS, "_entries", dict(INITIALIZERS))

    @INITIALIZERS.register("broken")
    @dataclass(frozen=True)
    class Broken:
        def draw(self, generator, shape, fan_in, fan_out):
            raise RuntimeError("my own trouble")

    config = bnexp.load_config(small, {**NO_SCALE, "model.init": "broken"})
    line = Broken.draw.__code__.co_firstlineno + 1
    with pytest.raises(bnexp.NetworksFailed) as caught:
        bnexp.run(config)
    place = f"initializer 'broken', test_api.py:{line}, in {Broken.draw.__qualname__}"
    assert f"RuntimeError: my own trouble ({place})" in str(caught.value)


def test_batch_norm_without_the_stack_axis_is_refused():
    layer = nn.BatchNorm()
    _, parameters, state = layer.init(np.random.default_rng(0), (3,))
    with pytest.raises(ValueError, match=r"expected x of \(K, N, H\) .* got \(8, 3\)"):
        layer.forward(parameters, state, np.ones((8, 3)), train=True)


@pytest.mark.parametrize("pixels", [254.5, -0.1, float("nan")])
def test_pixels_beyond_0_to_1_are_refused(small, pixels):
    model = bnexp.fit(str(small), {"model.init.std": 0.3, "model.norm": "batch"}, seed=0)
    with pytest.raises(bnexp.ConfigError, match=r"expected pixels in \[0, 1\], or whole numbers"):
        model.predict(np.full((1, 28, 28), pixels))


@pytest.mark.slow
def test_a_shorter_run_is_not_called_identical(small, tmp_path):
    for name, epochs in (("a", 1), ("b", 2)):
        bnexp.run(bnexp.load_config(small, {"train.epochs": epochs}), tmp_path / name)
    found = bnexp.compare(tmp_path / "a", tmp_path / "b")
    assert repr(found).endswith("12 paired, what both have is identical)")
    output = CliRunner().invoke(cli, ["compare", str(tmp_path / "a"), str(tmp_path / "b")]).output
    assert output.splitlines()[-1] == (
        "the numbers that both have are identical; one has more of them than the other"
    )


def test_fit_takes_values_as_a_file_has_them(small):
    sweep = {"sweep.model.init.std": None, "sweep.model.hidden": [[8], [4, 4]]}
    config = bnexp.load_config(small, sweep)
    model = bnexp.fit(config, {"model.hidden": [4, 4], "model.norm": None}, seed=0)
    assert model.setting.model.hidden == (4, 4)
    assert model.setting.model.norm is None


@pytest.mark.slow
def test_packages_that_the_pages_ask_help_for_are_there_after_one_import():
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    places = {match[1] for match in re.finditer(r"help\((bnexp\.[\w.]+)\)", pages)}
    places |= {match[1] for match in re.finditer(r"\| `(bnexp\.\w+)\.[A-Z]+` \|", pages)}
    assert {"bnexp.metrics.Metric", "bnexp.probes"} < places
    code = "import bnexp\n" + "".join(f"{place}\n" for place in sorted(places))
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert made.stderr == ""
