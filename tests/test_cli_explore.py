"""`bnexp list`: by source, and one experiment in words."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from bnexp.cli.explore import cost, work_of
from bnexp.cli.main import cli
from bnexp.config import document


def listed(*arguments):
    result = CliRunner().invoke(cli, ["list", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_experiment_stands_under_its_source():
    text = listed()
    places = [
        re.search(rf"^  {name}( |$)", text, re.M).start() for name in document.experiment_names()
    ]
    assert len(set(places)) == len(places)
    assert text.index("Deep Learning from Scratch:") < text.index("  book_weight_scale ")
    assert "panels" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_one_experiment_in_words():
    text = listed("--verbose", "book_weight_scale")
    assert text.startswith("book_weight_scale: ")
    for part in ("source: Deep Learning from Scratch", "insensitive", "logspace: [0, -4, 16]"):
        assert part in text
    assert re.search(r"^claim 1, (published|direction|theory|measured): ", text, re.MULTILINE)
    assert listed("book_weight_scale") == text
    assert text in listed("--verbose") or text.strip() in listed("--verbose")


def test_an_unknown_name_is_answered_with_the_nearest():
    result = CliRunner().invoke(cli, ["list", "book_weight_scael"])
    assert result.exit_code == 2
    assert "did you mean 'book_weight_scale'?" in result.output


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Deep Learning from Scratch (O'Reilly Japan 2016), section 6.3.2", "Deep Learning from S"),
        ("after Deep Learning from Scratch, section 6", "Deep Learning from Scratch"),
        ("CS231n: assignment 2", "CS231n"),
        ("", "bnexp"),
    ],
)
def test_origins(source, expected):
    assert work_of(source).startswith(expected)


def test_costs():
    assert cost({"seconds": 12.4}) == "about 12 s"
    assert cost({"seconds": 240}) == "about 4 min"
    assert cost({}) == ""
