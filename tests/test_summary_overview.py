"""The numbers of the summary table: which metric, which rows and columns, in which order."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from figure_results import results
from summary_cases import NORM, ROWS, STD, numbers, tables

import bnexp
from bnexp.errors import BnexpError, ConfigError
from bnexp.metrics import image_sets
from bnexp.runs.tables import Axis
from bnexp.summary import check_metric, describe_diverged, overview
from bnexp.summary.overview import Entry, columns_named
from bnexp.sweep import make_plan

NAN = float("nan")


def test_rows_columns_and_entries():
    table = overview(tables([STD, NORM], ROWS))
    assert (table.down, table.across) == ((STD,), (NORM,))
    assert (table.rows, table.columns) == (((1.0,), (0.01,)), (("batch",), ("none",)))
    assert table.row_texts == (("1",), ("0.01",))
    assert table.headings == ("with batch norm", "without normalization")
    assert table.down_names == ("weight initialization scale (std)",)
    assert table.entries[0] == (Entry((0.5, 0.7)), Entry((0.1, 0.1), 1))
    assert table.entries[1] == (Entry((1.0, 0.8)), Entry((0.125,)))
    assert (table.seeds, table.diverged) == ((1, 2), True)


def test_mean_and_standard_deviation():
    values = (0.5, 0.75, 0.125, 1.0)
    assert Entry(values).mean == pytest.approx(statistics.mean(values), rel=1e-15)
    assert Entry(values).std == pytest.approx(statistics.stdev(values), rel=1e-15)
    assert Entry((0.085,) * 20).std == 0  # exactly, though the sum is rounded
    assert np.isnan(Entry((0.5,)).std)
    assert np.isnan(Entry().mean)


def test_what_moves_along_with_the_rows_is_in_them():
    bias = Axis("model.bias", ("false", "true"))
    rows = [("batch", "false", 0, 0.9, "ok"), ("none", "true", 0, 0.5, "ok")]
    table = overview(tables([NORM, bias], rows))
    assert table.rows == (("batch", "false"), ("none", "true"))
    assert table.row_texts == (("batch norm", "false"), ("none", "true"))
    assert table.headings == ("training accuracy",)


RATE = Axis("train.optimizer.lr", tuple(float(i) for i in range(50)))
RATES = [(float(i), 0, (i * 7 % 50) / 50, "ok") for i in range(50)]


def test_of_many_rows_the_ten_best_are_shown_unless_all_are_asked_for():
    table = overview(tables([RATE], RATES))
    assert numbers(table) == [[i / 50] for i in range(49, 39, -1)]
    assert table.left_out == 40
    table = overview(tables([RATE], RATES), limit=None)
    assert numbers(table) == [[row[2]] for row in RATES]
    assert table.left_out == 0


def test_the_best_come_first():
    rows = [
        (1.0, "batch", 0, 0.85, "ok"), (1.0, "none", 0, 0.9, "ok"),
        (0.1, "batch", 0, 0.8, "ok"), (0.1, "none", 0, NAN, "failed"),
        (0.2, "batch", 0, NAN, "failed"), (0.2, "none", 0, NAN, "failed"),
        (0.3, "batch", 0, 0.95, "ok"), (0.3, "none", 0, 0.1, "ok"),
    ]  # fmt: skip
    axis = Axis("model.init.std", (1.0, 0.1, 0.2, 0.3))
    data = tables([axis, NORM], rows)
    assert [row for (row,) in overview(data).rows] == [1.0, 0.1, 0.2, 0.3]
    assert [row for (row,) in overview(data, order="best").rows] == [0.3, 1.0, 0.1, 0.2]
    data.summary["final_train_loss"] = data.summary["final_train_accuracy"]
    assert [row for (row,) in overview(data, "loss", "best").rows] == [0.3, 0.1, 1.0, 0.2]
    with pytest.raises(ConfigError, match="order of rows: expected one of sweep, best, got 'bset'"):
        overview(data, order="bset")


def test_the_accuracy_is_that_of_test_images_if_there_are_any():
    data = tables([NORM], [("batch", 0, 0.5, "ok"), ("none", 0, 0.25, "ok")])
    data.summary["final_test_accuracy"] = np.array([NAN, NAN])
    assert overview(data).column == "final_train_accuracy"
    data.summary["final_test_accuracy"] = np.array([0.125, NAN])
    table = overview(data)
    assert (table.column, table.label) == ("final_test_accuracy", "final test accuracy")
    assert numbers(table) == [[0.125], []]


def test_images_that_are_held_out_for_validation_are_called_so():
    data = tables([NORM], [("batch", 0, 0.5, "ok")], image_sets=image_sets(True))
    data.summary["final_test_loss"] = np.array([0.125])
    table = overview(data, "validation_loss")
    assert (table.column, table.label) == ("final_test_loss", "final validation loss (nats)")
    assert table.headings == ("validation loss (nats)",)


@pytest.mark.parametrize(
    ("metric", "column", "heading"),
    [
        ("train_loss", "final_train_loss", "training loss (nats)"),
        ("loss", "final_test_loss", "test loss (nats)"),
        ("best_test_loss", "best_test_loss", "best test loss (nats)"),
        ("seconds", "seconds", "training time (s)"),
    ],
)
def test_metrics_by_their_names(metric, column, heading):
    data = tables([NORM], [("batch", 0, 0.5, "ok")])
    names = ("final_train_loss", "final_test_loss", "best_test_loss", "seconds")
    data.summary.update({name: np.array([i / 4]) for i, name in enumerate(names)})
    table = overview(data, metric)
    assert (table.column, table.headings) == (column, (heading,))
    assert numbers(table) == [[names.index(column) / 4]]


def test_a_metric_that_is_not_there():
    data = tables([NORM], [("batch", 0, 0.5, "ok")])
    data.summary["final_test_loss"] = np.array([NAN])
    for name in ("test_loss", "accuracy_of_test", "status"):
        with pytest.raises(ConfigError, match=f"metric: expected train_accuracy, got '{name}'"):
            overview(data, name)
    data.summary["final_train_accuracy"] = np.array([NAN])
    with pytest.raises(BnexpError, match="no network has an accuracy"):
        overview(data)


def test_a_misspelt_metric_is_refused_before_training(small):
    plan = make_plan(bnexp.load_config(small))
    for name in ("loss", "test_loss", "best_train_accuracy", "seconds"):
        check_metric(name, plan, image_sets(False))
    with pytest.raises(ConfigError, match=r"got 'test_los'; did you mean 'test_loss'\?"):
        check_metric("test_los", plan, image_sets(False))
    with pytest.raises(ConfigError, match="expected one of train_loss"):
        check_metric("confidence", plan, image_sets(False))  # not recorded


def test_a_validation_column_is_the_test_column_only_where_it_is_called_so():
    assert columns_named("validation_loss", image_sets(True))[1] == "final_test_loss"
    assert columns_named("validation_loss", image_sets(False))[1] == "final_validation_loss"


def test_what_diverged_has_a_line_for_each_network_and_of_many_for_each_point():
    axis = Axis("model.init.std", (1.0, 10.0))

    def lines(seeds):
        data = results(
            (axis,), seeds=seeds, diverged=lambda p, s: s + 1 if p == (10.0,) or s == 4 else -1
        )
        return list(describe_diverged(data))

    assert lines(range(3)) == [f"model.init.std = 10, seed {s}: at step {s + 1}" for s in range(3)]
    assert lines(range(20)) == [
        "model.init.std = 1, seed 4: at step 5",
        "model.init.std = 10, 20 seeds: from step 1 to 20",
    ]
