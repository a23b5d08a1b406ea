"""The table that a run ends with: what is in it, and that it fits a terminal."""

from __future__ import annotations

import numpy as np
import pytest

from bnexp.runs.summary import Entry, overview, overview_lines
from bnexp.runs.tables import Axis, Tables


def found(axes, rows):
    """Tables of rows (value of each axis, seed, accuracy, status)."""
    keys = [axis.key for axis in axes]
    columns = list(zip(*rows, strict=True))
    values = dict(zip(keys, columns[: len(keys)], strict=True))
    summary = {
        **{key: np.array(column, object) for key, column in values.items()},
        "seed": np.array(columns[-3]),
        "final_train_accuracy": np.array(columns[-2], float),
        "status": np.array(columns[-1], object),
    }
    seeds = tuple(dict.fromkeys(columns[-3]))
    return Tables("name", "title", "", tuple(axes), seeds, {}, summary)


def lines(results, width=80):
    return list(overview_lines(overview(results), width))


STD = Axis("model.init.std", (1.0, 0.01))
NORM = Axis("model.norm", ("batch", "none"))
ROWS = [
    (1.0, "batch", 0, 0.5, "ok"), (1.0, "batch", 1, 0.7, "ok"),
    (1.0, "none", 0, 0.1, "diverged"), (1.0, "none", 1, 0.1, "ok"),
    (0.01, "batch", 0, 1.0, "ok"), (0.01, "batch", 1, 0.8, "ok"),
    (0.01, "none", 0, float("nan"), "failed"), (0.01, "none", 1, 0.125, "ok"),
]  # fmt: skip


def test_rows_columns_means_and_marks():
    table = overview(found([STD, NORM], ROWS))
    assert (table.down, table.across) == (("model.init.std",), ("model.norm",))
    assert (table.rows, table.columns) == (("1", "0.01"), ("batch", "none"))
    assert table.entries[0] == (Entry((0.5, 0.7)), Entry((0.1, 0.1), 1))
    assert table.entries[1] == (Entry((1.0, 0.8)), Entry((0.125,)))
    assert table.entries[1][0].mean == pytest.approx(0.9)
    assert lines(found([STD, NORM], ROWS)) == [
        "final training accuracy, mean (lowest-highest) of 2 seeds",
        "* diverged: the loss or a statistic is no longer finite",
        "columns: model.norm",
        "",
        "model.init.std                batch                 none",
        "             1  0.600 (0.500-0.700)  0.100 (0.100-0.100)*",
        "          0.01  0.900 (0.800-1.000)                0.125",
    ]


def test_without_room_for_ranges_the_means_alone_and_then_columns_below():
    assert lines(found([STD, NORM], ROWS), width=40)[4:] == [
        "model.init.std  batch   none",
        "             1  0.600  0.100*",
        "          0.01  0.900  0.125",
    ]
    narrow = lines(found([STD, NORM], ROWS), width=25)
    assert [line.split() for line in narrow if line.startswith("model")] == [
        ["model.init.std", "batch"],
        ["model.init.std", "none"],
    ]


def test_long_heads_are_broken_and_nothing_is_wider_than_the_terminal():
    labels = tuple(f"batch dialect=book eps=1e-0{i} stat_decay=0.9" for i in range(7))
    rows = [(std, label, 0, 0.5, "ok") for std in STD.values for label in labels]
    text = lines(found([STD, Axis("model.norm", labels)], rows))
    assert max(map(len, text)) <= 80
    assert sum(line.count("dialect=book") for line in text) == 7
    assert sum(line.count("0.500") for line in text) == 14


def test_what_moves_along_with_the_rows_stands_beside_them():
    bias = Axis("model.bias", ("false", "true"))
    rows = [("batch", "false", 0, 0.9, "ok"), ("none", "true", 0, 0.5, "ok")]
    assert lines(found([NORM, bias], rows))[2:] == [
        " model.norm,",
        "  model.bias  accuracy",
        "batch, false     0.900",
        "  none, true     0.500",
    ]


def test_of_many_rows_the_ten_best_are_shown():
    rate = Axis("train.optimizer.lr", tuple(float(i) for i in range(50)))
    rows = [(float(i), 0, (i * 7 % 50) / 50, "ok") for i in range(50)]
    table = overview(found([rate], rows))
    assert [row[0].mean for row in table.entries] == [i / 50 for i in range(49, 39, -1)]
    assert lines(found([rate], rows))[-1] == "the 10 best; 40 more in summary.csv"


def test_a_single_network():
    assert lines(found([], [(0, 0.25, "ok")])) == [
        "final training accuracy", "", "  accuracy", "     0.250",
    ]  # fmt: skip


def test_a_network_without_a_number():
    assert lines(found([NORM], [("none", 0, float("nan"), "failed")]))[-1] == "      none         -"
