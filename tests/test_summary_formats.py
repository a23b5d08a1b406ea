"""The summary table as text: it fits a terminal, and what is pasted says the same elsewhere."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from summary_cases import NORM, ROWS, STD, tables

from bnexp.runs.stats import interval
from bnexp.runs.tables import Axis
from bnexp.summary import FORMATS, SPREADS, overview, overview_lines
from bnexp.summary.formats import entry_text
from bnexp.summary.overview import Entry


def lines(data, width=80, spread="std"):
    return list(overview_lines(overview(data), spread, width))


def test_means_spreads_and_marks():
    assert lines(tables([STD, NORM], ROWS)) == [
        "final training accuracy, mean ± standard deviation of 1 to 2 seeds",
        "* diverged: the loss or a statistic is no longer finite",
        "",
        "        weight",
        "initialization     with batch        without",
        "   scale (std)           norm  normalization",
        "             1  0.600 ± 0.141  0.100 ± 0.000*",
        "          0.01  0.900 ± 0.141          0.125",
    ]


@pytest.mark.parametrize(
    ("spread", "words", "text"),
    [
        ("std", "mean ± standard deviation", "0.600 ± 0.141"),
        ("range", "mean (lowest-highest)", "0.600 (0.500-0.700)"),
        ("interval", "mean [95 % interval]", "0.600 [{:.3f}, {:.3f}]"),
        ("none", "mean", "0.600"),
    ],
)
def test_spreads(spread, words, text):
    shown = lines(tables([STD, NORM], ROWS), 120, spread)
    _, low, high = interval([0.5, 0.7], (0, 1))
    assert shown[0] == f"final training accuracy, {words} of 1 to 2 seeds"
    assert f"  {text.format(low, high)}  " in shown[-2]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_without_room_for_spreads_the_means_alone_and_then_columns_below(width):
    shown = lines(tables([STD, NORM], ROWS), width)
    assert max(map(len, shown)) <= width
    assert ("±" in shown[0]) == (width >= 60)
    assert sum(line.split()[0] == "0.01" for line in shown if line) == (2 if width < 40 else 1)


@pytest.mark.parametrize("spread", ["interval", "range"])
def test_a_spread_that_was_asked_for_is_shown_where_a_column_fits(spread):
    for width in (30, 42, 60, 80, 120):
        shown = lines(tables([STD, NORM], ROWS), width, spread)
        assert max(map(len, shown)) <= width
        text = "\n".join(shown)
        assert text.count("[0." if spread == "interval" else "(0.") == (3 if width > 30 else 0)


def test_long_heads_are_broken_and_nothing_is_wider_than_the_terminal():
    labels = tuple(f"batch dialect=book eps=1e-0{i} stat_decay=0.9" for i in range(7))
    rows = [(std, label, 0, 0.5, "ok") for std in STD.values for label in labels]
    text = lines(tables([STD, Axis("model.norm", labels)], rows))
    assert max(map(len, text)) <= 80
    assert sum(line.count("stat_decay") for line in text) == 7
    assert sum(line.count("0.500") for line in text) == 14


def test_of_many_rows_it_is_said_how_many_are_left_out():
    rate = Axis("train.optimizer.lr", tuple(float(i) for i in range(50)))
    rows = [(float(i), 0, i / 50, "ok") for i in range(50)]
    assert lines(tables([rate], rows))[-1] == "the 10 best; 40 more in summary.csv"


def test_a_single_network():
    assert lines(tables([], [(0, 0.25, "ok")])) == [
        "final training accuracy", "", "training", "accuracy", "   0.250",
    ]  # fmt: skip


def test_a_network_without_a_number():
    rows = [("batch", 0, 0.5, "ok"), ("none", 0, float("nan"), "failed")]
    assert lines(tables([NORM], rows))[-1].split() == ["none", "-"]


@pytest.mark.parametrize(
    ("values", "limits", "text"),
    [
        ((0.5, 0.75), (0.0, 1.0), "0.625 ± 0.177"),
        ((0.0125, 0.0135), (0.0, np.inf), "0.0130 ± 0.0007"),
        ((2.5, 3.5), (0.0, np.inf), "3.00 ± 0.71"),
        ((120.0, 140.0), (-np.inf, np.inf), "130 ± 14"),
        ((1e-9, 3e-9), (0.0, np.inf), "2e-09 ± 1.41e-09"),
        ((1e20,), (0.0, np.inf), "1e+20"),
        ((0.0, 0.0), (0.0, np.inf), "0 ± 0"),
        ((), (0.0, 1.0), "-"),
    ],
)
def test_numbers_have_the_digits_of_their_mean(values, limits, text):
    assert entry_text(Entry(values), limits) == text


# Names with all that Markdown, LaTeX or CSV would interpret.
TITLE = '50 % of $x_1$ & {a|b} #1 ^ ~ \\ <b> *c* [d] `e` "f"'
NASTY = Axis("model.init", ("[1, 2]", "*", 'he, "x" | y_z & 5 %'))
NASTY_ROWS = [
    (value, seed, 0.25 * (seed + 1), "diverged" if value == "*" else "ok")
    for value in NASTY.values
    for seed in (0, 1)
]


def markdown_cells(line):
    """The cells of a row as GitHub reads them: a pipe behind a backslash is part of a cell."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    return [re.sub(r"\\([^a-z0-9\s])", r"\1", cell.strip()) for cell in cells]


def test_markdown():
    said, _, head, rule, *rows, _, mark = FORMATS["markdown"](
        overview(tables([NASTY], NASTY_ROWS, TITLE)), "std"
    )
    assert not re.search(r"(?<!\\)[`*_\[\]<>|$#&]", said)
    assert re.sub(r"\\([^a-z0-9\s])", r"\1", said) == (
        f"{TITLE}: final training accuracy, mean ± standard deviation of 2 seeds."
    )
    assert markdown_cells(head) == ["initialization", "training accuracy"]
    assert rule == "| :--- | ---: |"
    assert [markdown_cells(row) for row in rows] == [
        ["[1, 2]", "0.375 ± 0.177"],
        ["*", "0.375 ± 0.177*"],
        ['he, "x" | y_z & 5 %', "0.375 ± 0.177"],
    ]
    assert mark == r"\* diverged: the loss or a statistic is no longer finite"


WRITTEN_OUT = {
    r"\textbackslash{}": "\\", r"\textasciicircum{}": "^", r"\textasciitilde{}": "~",
    r"\textless{}": "<", r"\textgreater{}": ">", r"\textbar{}": "|", "''": '"', r"$\pm$": "±",
    "{[}": "[", "{]}": "]", "{*}": "*", r"\textsuperscript{*}": "*", r"\pm": "±",
    **{f"\\{letter}": letter for letter in "{}$&#%_"},
}  # fmt: skip
COMMAND = re.compile("|".join(map(re.escape, sorted(WRITTEN_OUT, key=len, reverse=True))))


def typeset(text):
    """The text as LaTeX sets it; nothing that it interprets may be left."""
    assert not re.search(r"[\\{}&#%_^~|<>\"\[\]]", COMMAND.sub("", text)), text
    return re.sub(r"\$(?!x_1|\s&)", "", COMMAND.sub(lambda match: WRITTEN_OUT[match[0]], text))


def test_latex():
    text = list(FORMATS["latex"](overview(tables([NASTY], NASTY_ROWS, TITLE)), "std"))
    assert text[:3] == [r"% needs \usepackage{booktabs}", r"\begin{table}", r"  \centering"]
    said = re.fullmatch(r"  \\caption\{(.*)\}", text[3])[1]
    said = COMMAND.sub(lambda match: WRITTEN_OUT[match[0]], said)
    assert said == (
        f"{TITLE}: final training accuracy, mean ± standard deviation of 2 seeds. "
        "*diverged: the loss or a statistic is no longer finite."
    )
    assert text[4:8] == [
        r"  \begin{tabular}{lr}", r"    \toprule", r"    initialization & training accuracy \\",
        r"    \midrule",
    ]  # fmt: skip
    rows = [re.fullmatch(r" {4}(.*) \\\\", line)[1] for line in text[8:11]]
    cells = [[typeset(cell) for cell in re.split(r"(?<!\\) & ", row)] for row in rows]
    assert [cell for cell, _ in cells] == [*NASTY.values]
    assert [cell for _, cell in cells] == ["0.375 ± 0.177", "0.375 ± 0.177*", "0.375 ± 0.177"]
    assert text[11:] == [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    assert not any(re.match(r"\s*[\[*]", line) for line in text)  # an argument of \\


def test_latex_sets_numbers_as_mathematics():
    rate = Axis("train.optimizer.lr", (1e-7, -0.5))
    rows = [(1e-7, 0, 0.5, "ok"), (1e-7, 1, 0.5, "ok"), (-0.5, 0, float("nan"), "failed")]
    table = overview(tables([rate], rows))
    shown = {spread: [*FORMATS["latex"](table, spread)][8:10] for spread in SPREADS}
    assert shown["std"] == [
        r"    $1 \times 10^{-7}$ & $0.500 \pm 0.000$ \\", r"    $-0.5$ & -- \\",
    ]  # fmt: skip
    assert shown["range"][0].endswith(r"& $0.500$ ($0.500$--$0.500$) \\")
    assert shown["interval"][0].endswith(r"& $0.500$ $[0.500, 0.500]$ \\")
    assert shown["none"][0].endswith(r"& $0.500$ \\")


@pytest.mark.parametrize(
    ("spread", "names", "expected"),
    [
        ("std", ["_std"], [np.std([0.5, 0.7], ddof=1)]),
        ("range", ["_lowest", "_highest"], [0.5, 0.7]),
        ("interval", ["_low", "_high"], [*interval([0.5, 0.7], (0, 1))[1:]]),
        ("none", [], []),
    ],
)
def test_csv_has_a_row_for_each_point_and_all_digits(spread, names, expected):
    head, *rows = csv.reader(FORMATS["csv"](overview(tables([STD, NORM], ROWS)), spread))
    column = "final_train_accuracy"
    spreads = [f"{column}{name}" for name in names]
    assert head == ["model.init.std", "model.norm", "n", "diverged", column, *spreads]
    assert [row[:4] for row in rows] == [
        ["1.0", "batch", "2", "0"], ["1.0", "none", "2", "1"],
        ["0.01", "batch", "2", "0"], ["0.01", "none", "1", "0"],
    ]  # fmt: skip
    assert float(rows[0][4]) == (0.5 + 0.7) / 2
    assert [float(field) for field in rows[0][5:]] == pytest.approx(expected, rel=1e-12)
    assert rows[3][4:] == ["0.125", *[""] * len(names)]


def test_csv_quotes_what_needs_it():
    rows = [*csv.reader(FORMATS["csv"](overview(tables([NASTY], NASTY_ROWS)), "std"))]
    assert [row[0] for row in rows[1:]] == [*NASTY.values]
