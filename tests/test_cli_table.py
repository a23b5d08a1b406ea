"""`bnexp table`, and the table that `bnexp run` ends with."""

from __future__ import annotations

import csv
import re

import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli import output, terminal
from bnexp.cli.arguments import TABLE_FORMATS
from bnexp.cli.main import cli
from bnexp.summary import FORMATS, ORDERS, SPREADS


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    config = bnexp.load_config(folder / _written(folder), {"data.test": 50})
    return bnexp.run(config, folder / "out")


def _written(folder):
    (folder / "search.yaml").write_text("""\
name: search
title: A search
data: {name: synthetic, train: 60, test: 50}
model: {hidden: [6]}
train: {epochs: 2, batch_size: 20}
random: {seeds: [0, 1]}
sweep: {train.optimizer.lr: {loguniform: [0.001, 1, 5]}}
figures: [scale, curves]
""")
    return "search.yaml"


def call(*words):
    result = CliRunner().invoke(cli, [*map(str, words)])
    assert result.exit_code == 0, result.output
    return result


def test_the_words_of_the_options_are_those_of_the_library():
    options = {
        option.name: option.type.choices
        for option in cli.commands["table"].params
        if hasattr(option.type, "choices")
    }
    assert options == {"sort": ORDERS, "spread": (*SPREADS,), "table_format": (*FORMATS,)}
    assert (*FORMATS,) == TABLE_FORMATS


@pytest.mark.parametrize("to", FORMATS)
def test_a_run_directory_and_python_give_the_same_table(run, to):
    assert call("table", run.directory, "--to", to).stdout == run.table(to=to) + "\n"
    options = ["--metric", "train_loss", "--sort", "sweep", "--spread", "range", "--table", to]
    expected = run.table("train_loss", "sweep", "range", to)
    assert call("table", run.directory, *options).stdout == f"{expected}\n"


def test_a_random_search_has_its_best_first(run):
    def rows(*words):
        lines = call("table", run.directory, "--to", "csv", *words).stdout.splitlines()
        return [*csv.DictReader(lines)]

    accuracies = [float(row["final_test_accuracy"]) for row in rows()]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len({*accuracies}) > 1
    rates = [float(row["train.optimizer.lr"]) for row in rows("--sort", "sweep")]
    assert rates == [*run.results.axes[0].values]
    losses = [float(row["final_train_loss"]) for row in rows("--metric", "train_loss")]
    assert losses == sorted(losses)
    assert {row["n"] for row in rows()} == {"2"}


def test_run_prints_the_table_alone_if_it_has_a_format(run):
    path = run.directory / "config.yaml"
    result = call("run", path, "--out", run.directory, "--table", "latex", "-j", 1)
    assert result.stdout == run.table(to="latex") + "\n"
    assert "10 networks: 10 up to date" in result.stderr


def test_run_ends_with_the_table_and_its_files_in_a_line(run):
    words = ("--metric", "train_loss", "--spread", "none", "-j", 1)
    text = call("run", run.directory / "config.yaml", "--out", run.directory, *words).stdout
    assert "\nA search\nfinal training loss (nats), mean of 2 seeds\n" in text
    assert re.search(r"\ntable|\nfinal", text)
    files = " ".join(text.partition(f"{run.directory}:")[2].split("bnexp report")[0].split())
    assert files == (
        "2 figures (scale, curves), config.yaml, metrics.csv, summary.csv, manifest.json"
    )


def test_what_cannot_be_printed(run, tmp_path):
    for words, message in (
        (["--metric", "test_los"], "got 'test_los'; did you mean 'test_loss'?"),
        (["--sort", "lr"], "'lr' is not one of 'sweep', 'best'"),
        (["--to", "html"], "'html' is not one of 'text', 'markdown', 'latex', 'csv'"),
    ):
        result = CliRunner().invoke(cli, ["table", str(run.directory), *words])
        assert result.exit_code == 2
        assert message in result.stderr
    path = str(run.directory / "config.yaml")
    result = CliRunner().invoke(cli, ["run", path, "--out", str(tmp_path / "new"), "--metric", "x"])
    assert result.exit_code == 2
    assert "metric: expected one of train_loss" in result.stderr
    assert not (tmp_path / "new").exists()
    for options in ({"to": "html"}, {"spread": "sem"}, {"sort": "worst"}):
        with pytest.raises(bnexp.ConfigError, match=next(iter(options.values()))):
            run.table(**options)


def test_what_was_not_scored_after_an_update_has_no_table(small):
    config = bnexp.load_config(small, {"train.evaluate": [0], "figures": []})
    with pytest.raises(bnexp.BnexpError, match="no network was scored after an update"):
        bnexp.run(config).table()


@pytest.mark.parametrize(
    ("columns", "width"), [(None, 80), (60, 60), (80, 80), (100, 100), (500, 120), (10, 40)]
)
def test_lines_are_as_wide_as_the_terminal(monkeypatch, columns, width):
    monkeypatch.setattr(terminal.sys.stdout, "isatty", lambda: columns is not None, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns or 200))
    assert terminal.page_width() == width


def test_check_lists_the_figures_and_the_time(small, run):
    text = call("check", small).stdout
    assert "\n  figures: curves, scale\n" in text
    assert re.search(r"\nexpected: about \d+ s and \d+ MB of memory", text)
    two = call("check", small, "--set", "figures=[panels, {kind: curves}, {kind: curves}]").stdout
    assert "\n  figures: panels, 2 x curves\n" in two
    assert "\n  figures: none\n" in call("check", small, "--set", "figures=[]").stdout


def test_a_list_of_no_figures_has_no_names(run):
    files = output.files_lines(run.__class__(run.data, 0, {}, files=(run.directory / "a.csv",)))
    assert " ".join(files) == f"{run.directory}: a.csv"
