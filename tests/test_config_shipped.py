"""The experiments that come with bnexp, and finding one by name or path."""

from __future__ import annotations

import pytest
from config_cases import SMALLEST, errors

from bnexp.config import document, load_config


@pytest.mark.parametrize("name", document.experiment_names())
def test_shipped_experiments_are_valid_and_named_like_their_file(name):
    assert load_config(name).name == name


def test_a_missing_file_and_a_misspelt_name():
    assert "no such file" in errors("nowhere/to/be.yaml")
    assert "did you mean 'quickstart'?" in errors("quikstart")


def test_a_run_directory_is_its_experiment(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(SMALLEST)
    assert load_config(tmp_path / "run").name == "good"
    monkeypatch.chdir(tmp_path)
    assert load_config("run").name == "good"


@pytest.mark.parametrize(
    ("given", "meant"), [("s", "s.yaml"), ("./s", "s.yaml"), ("quickstart.yaml", "quickstart")]
)
def test_the_obvious_file_is_hinted_at(tmp_path, monkeypatch, given, meant):
    (tmp_path / "s.yaml").write_text(SMALLEST)
    monkeypatch.chdir(tmp_path)
    assert f"did you mean {meant!r}?" in errors(given)
