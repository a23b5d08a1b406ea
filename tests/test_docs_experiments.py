"""docs/experiments.md: its experiment, its message, and what it says can be chosen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from page_blocks import blocks, page

import bnexp
from bnexp.figures import FIGURES
from bnexp.nn import INITIALIZERS, NORMALIZERS, BatchNorm

PAGE = page("docs/experiments.md")
EXPERIMENT, LEARNED, ATTACKED = blocks(PAGE, "yaml")


def test_its_experiment_is_as_large_as_it_says(config_file):
    config = bnexp.load_config(config_file(EXPERIMENT))
    assert yaml.safe_load(EXPERIMENT)["name"] == "my_scales"
    assert "`bnexp run my_scales.yaml` trains 7 x 3 x 3 networks" in PAGE
    assert len(bnexp.sweep.make_plan(config).networks) == 7 * 3 * 3


def test_its_message_is_what_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_scales.yaml").write_text(EXPERIMENT.replace("{epochs:", "{epoch:"))
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.load_config("my_scales.yaml")
    (message,) = blocks(PAGE, "text")
    start, end = message.strip().split("..., got ")
    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith(end)


@pytest.mark.parametrize(
    ("key", "kinds"),
    [
        ("model.norm", NORMALIZERS.builtin),
        ("dialect", BatchNorm.DIALECTS),
        ("figures", FIGURES),
    ],
)
def test_its_table_of_choices_has_them_all(key, kinds):
    (row,) = re.findall(rf"^\| `{key}`[^|]*\| (.*) \|$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(kinds)


@pytest.mark.slow
def test_its_second_experiment_draws_what_was_learned(config_file, tmp_path):
    result = bnexp.run(bnexp.load_config(config_file(LEARNED)), tmp_path / "out")
    assert {path.stem for path in result.files if path.suffix == ".png"} == {
        "filters",
        "confusion",
        "trajectory",
    }
    size = (tmp_path / "out" / "probes.csv").stat().st_size
    assert 1.2e6 < size / 2 < 1.8e6  # 1.5 MB a network


@pytest.mark.slow
def test_its_third_experiment_attacks_what_was_learned(config_file):
    result = bnexp.run(bnexp.load_config(config_file(ATTACKED)))
    assert set(result.probes["quantity"]) == {"accuracy_fgsm", "accuracy_blur"}
    assert [claim.verdict for claim in result.claims] == ["supported"]


def test_its_table_of_initial_weights_has_them_all():
    (row,) = re.findall(r"^\| `model.init` \| (.*) \|$", PAGE, re.MULTILINE)
    kinds = {kind.removesuffix("_uniform") for kind in INITIALIZERS.builtin}
    assert set(re.findall(r"`(\w+)`", row)) == kinds
