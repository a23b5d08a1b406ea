"""`bnexp list`: by source, and one experiment in words."""

from __future__ import annotations

import inspect
import re

import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.explore import WIDTH, cost, work_of
from bnexp.cli.main import cli
from bnexp.config import document
from bnexp.config.reference import all_topics, find_topics
from bnexp.nn import NORMALIZERS
from bnexp.sweep import make_plan


def listed(*arguments):
    result = CliRunner().invoke(cli, ["list", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_every_experiment_stands_under_its_source():
    text = listed()
    places = [
        re.search(rf"^  {name}( |$)", text, re.M).start() for name in document.experiment_names()
    ]
    assert len(set(places)) == len(places)
    assert text.index("Deep Learning from Scratch:") < text.index("  book_weight_scale ")
    assert "panels" in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.slow
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


def searched(query):
    result = CliRunner().invoke(cli, ["explain", query])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_explain_searches_its_texts_for_what_is_no_name():
    text = " ".join(searched("running average").split())
    assert text.startswith("running average: not the name of a key; found in ")
    for topic in ("model.norm=batch", "model.norm.evaluation", "train.optimizer.beta1"):
        assert f" {topic} " in text
    assert "train.optimizer.beta1 the fraction of the running average of gradients" in text
    experiments = text.partition("experiments with it in their title or description: ")[2]
    assert "early_statistics" in experiments.split()
    lines = searched("running average").splitlines()
    assert max(map(len, lines)) <= 79
    assert searched("Running  AVERAGE").splitlines()[2:] == lines[2:]


@pytest.mark.slow
def test_words_that_are_not_side_by_side_are_found_if_no_text_has_the_phrase():
    text = searched("average squares")
    assert "train.optimizer.beta2" in text
    assert "train.optimizer.beta1" not in text


@pytest.mark.slow
def test_where_a_list_of_keys_is_cut_the_page_says_where_all_of_it_stands():
    mappings = {topic.parent for topic in all_topics() if topic.parent and not topic.mapping}
    pages = {name: searched(name) for name in sorted(mappings) if len(find_topics(name)) == 1}
    cut = [name for name, text in pages.items() if re.search(r" \.\.\.(\n| \()", text)]
    assert "claims[]" in cut
    assert len(cut) < len(pages)
    for name, text in pages.items():
        hint = re.search(r"`bnexp explain (\S+)` says all about a key", text)
        assert bool(hint) == (name in cut), name
        if hint:
            assert not re.search(r"\w \.\.\.\n", searched(hint[1]).partition("\n\n")[0])


@pytest.mark.slow
def test_a_name_is_explained_and_a_misspelt_one_corrected():
    assert "train.optimizer.momentum" in searched("momentum")
    for query, hint in (
        ("momentun", "did you mean 'train.optimizer.momentum'?"),
        ("train.epoch", "did you mean 'epochs'?"),
        ("quickstart", "that is an experiment"),
        ("mnist", "that is a data set"),
        ("no such words", "`bnexp explain` lists them"),
    ):
        result = CliRunner().invoke(cli, ["explain", query])
        assert result.exit_code == 2
        assert hint in result.stderr


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Three experiments in the place of those that come with bnexp."""
    monkeypatch.setattr(document, "experiments_folder", lambda: tmp_path)
    for name, tags in (("one", "[cnn, slow]"), ("two", "[cnn, noise]"), ("three", "")):
        text = f"name: {name}\ndata: {{name: synthetic}}\nmodel: {{hidden: [4]}}\n"
        (tmp_path / f"{name}.yaml").write_text(text + f"tags: {tags}\n" * bool(tags))


@pytest.mark.usefixtures("shipped")
def test_experiments_by_their_tags():
    assert re.findall("^  (one|two|three)", listed(), re.M) == ["one", "three", "two"]
    assert "tags: cnn, slow" in listed()
    assert re.findall("^  (one|two|three)", listed("--tag", "cnn"), re.M) == ["one", "two"]
    both = listed("--tag", "cnn", "--tag", "noise")
    assert re.findall("^  (one|two|three)", both, re.M) == ["two"]
    assert "\ntags: cnn, noise\n" in listed("two")
    for tags, message in (
        (["cn"], "--tag: expected one of cnn, noise, slow, got 'cn'; did you mean 'cnn'?"),
        (["slow", "noise"], "--tag: no experiment has all of slow and noise"),
    ):
        words = [word for tag in tags for word in ("--tag", tag)]
        result = CliRunner().invoke(cli, ["list", *words])
        assert result.exit_code == 2
        assert message in result.stderr


def test_without_any_tag_it_is_said_how_to_write_one(shipped, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").unlink()
    result = CliRunner().invoke(cli, ["list", "--tag", "cnn"])
    assert "--tag cnn: no experiment has tags, expected `tags: [cnn]`" in result.stderr


def test_tags_are_small_words_and_change_no_network(small):
    small.write_text(small.read_text() + "tags: [batch-norm, cnn]\n")
    config = bnexp.load_config(small)
    assert config.experiment.tags == ("batch-norm", "cnn")
    without = bnexp.load_config(small, {"tags": None})
    ids = [[n.id for n in make_plan(c).networks] for c in (config, without)]
    assert ids[0] == ids[1]
    for wrong in (["Batch norm"], [], ["a"] * 21, "cnn", ["-a"]):
        with pytest.raises(bnexp.ConfigError, match="tags"):
            bnexp.load_config(small, {"tags": wrong})


@pytest.mark.parametrize("name", ["batch_renorm", "weight_standardization", "spectral"])
def test_formulas_keep_their_lines(name):
    paragraphs = inspect.getdoc(NORMALIZERS[name]).split("\n\n")
    formulas = {f"  {line}" for line in paragraphs[1].splitlines()}
    output = CliRunner().invoke(cli, ["explain", f"model.norm={name}"]).output.splitlines()
    assert formulas <= set(output)
    assert all(" = " in line and len(line) <= WIDTH for line in formulas)


def test_a_phrase_needs_no_quotes():
    quoted, plain = (
        CliRunner().invoke(cli, ["explain", *words])
        for words in (["running average"], ["running", "average"])
    )
    assert plain.output == quoted.output
    assert plain.output.startswith("running average: not the name of a key; found in ")
