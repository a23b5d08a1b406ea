"""Metrics: each against an oracle of its own, and from its row into every table and page."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import isnan, log, nan

import numpy as np
import pytest
from conftest import SMALL
from numeric_cases import images, small_mlp, stacked

import bnexp
from bnexp.comparison.verification import verify
from bnexp.config import resolved
from bnexp.config.jsonschema import json_schema
from bnexp.errors import ConfigError
from bnexp.metrics import (
    DEFAULT_METRICS,
    METRICS,
    Metric,
    evaluation_columns,
    image_sets,
    metric_column,
    metric_of,
    recorded_metrics,
    summary_columns,
)
from bnexp.report.html import write_report
from bnexp.sweep import make_plan
from bnexp.training import evaluate

ALL = {name: METRICS[name]() for name in METRICS}
ADDITIONAL = [name for name in METRICS if name not in DEFAULT_METRICS]
CLAIM = {"says": "it is sure", "measure": "final_test_confidence", "at_least": 0.1}
FIGURE = {"kind": "curves", "metrics": ["test_top2_accuracy", "train_confidence"]}
ON = {
    "train.metrics": ADDITIONAL,
    "data.test": 100,
    "sweep.model.init.std": [0.3],
    "claims": [CLAIM],
    "figures": [FIGURE],
}


# The oracles: one image at a time, in Python's own numbers.


def softmax(logits):
    largest = max(logits)
    exponentials = [np.exp(z - largest) for z in logits]
    return [e / sum(exponentials) for e in exponentials]


def ranked(logits):
    """Classes from the largest logit to the smallest, those of equal logits in their order."""
    return sorted(range(len(logits)), key=lambda c: (-logits[c], c))


ORACLES = {
    "loss": lambda logits, label: -log(softmax(logits)[label]),
    "accuracy": lambda logits, label: float(ranked(logits)[0] == label),
    "top2_accuracy": lambda logits, label: float(label in ranked(logits)[:2]),
    "confidence": lambda logits, label: max(softmax(logits)),
    "book_loss": lambda logits, label: -log(softmax(logits)[label] + 1e-7),
}


def oracle(name, logits, labels):
    rows = [zip(stack.tolist(), labels.tolist(), strict=True) for stack in logits]
    return [[ORACLES[name](*pair) for pair in row] for row in rows]


def random_logits(classes=10, dtype=np.float64):
    random = np.random.default_rng(classes)
    labels = random.integers(0, classes, 40)
    return random.normal(size=(3, 40, classes)).astype(dtype), labels


def test_every_metric_of_the_package_has_an_oracle():
    assert set(ORACLES) == METRICS.builtin


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("name", ORACLES)
def test_values_are_the_oracles(name, classes):
    logits, labels = random_logits(classes)
    before = logits.copy()
    values = ALL[name].values(logits, labels)
    np.testing.assert_allclose(values, oracle(name, logits, labels), rtol=1e-12)
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("name", ORACLES)
def test_ties_count_by_the_order_of_classes(name):
    logits = np.array([[[1.0, 3, 3, 3], [2, 2, 2, 2], [0, 5, 0, 5], [5, 0, 0, 0]]])
    for label in range(4):
        labels = np.full(4, label)
        expected = oracle(name, logits, labels)
        np.testing.assert_allclose(ALL[name].values(logits, labels), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ORACLES)
def test_one_image_leaves_its_logits_as_they_are(name):
    logits, labels = random_logits()
    first = logits[:, :1].copy()
    values = ALL[name].values(first, labels[:1])
    np.testing.assert_allclose(values, oracle(name, logits[:, :1], labels[:1]), rtol=1e-12)
    np.testing.assert_array_equal(first, logits[:, :1])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("bad", [nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_a_result(name, bad):
    logits, labels = random_logits()
    logits[1, 5, labels[5]] = bad
    values = ALL[name].values(logits, labels)
    assert values.shape == (3, 40)
    np.testing.assert_array_equal(values[[0, 2]], ALL[name].values(logits[[0, 2]], labels))
    if isnan(bad) and name != "accuracy":
        assert isnan(values[1, 5])
    if name == "accuracy":
        assert values[1, 5] == (bad != -np.inf)


@pytest.mark.parametrize("name", ORACLES)
def test_values_lie_within_the_limits(name):
    low, high = METRICS[name].limits
    for scale in (0, 1e-3, 1, 1e3):
        logits, labels = random_logits(dtype=np.float32)
        values = ALL[name].values(scale * logits, labels)
        assert (values >= low - 1e-6).all()
        assert (values <= high + 1e-6).all()


@pytest.mark.parametrize("n", [1, 249, 251, 501])
def test_stacked_networks_score_as_alone_to_the_last_bit(n, one_blas_thread):
    network, set_ = small_mlp(None), images(n=n)
    parameters, state = stacked(network, 3, (16,))
    together = evaluate(network, parameters, state, set_, ALL)
    for k in range(3):
        own = [{name: array[k : k + 1] for name, array in layer.items()} for layer in parameters]
        states = [{name: array[k : k + 1] for name, array in layer.items()} for layer in state]
        alone = evaluate(network, own, states, set_, ALL)
        assert {name: values[0] for name, values in alone.items()} == {
            name: values[k] for name, values in together.items()
        }


def test_other_metrics_change_no_number_of_the_default_ones():
    network, set_ = small_mlp(None), images(n=300)
    parameters, state = stacked(network, 3, (16,))
    few, many = (evaluate(network, parameters, state, set_, m) for m in (DEFAULT_METRICS, ALL))
    for name, values in few.items():
        np.testing.assert_array_equal(values, many[name])


def test_columns_are_named_and_parsed_alike():
    names = recorded_metrics(ADDITIONAL)
    assert names == (*DEFAULT_METRICS, *ADDITIONAL)
    assert names[:4] == ("loss", "accuracy", "top2_accuracy", "confidence")
    for column in (*evaluation_columns(names), *summary_columns(names)):
        parsed = metric_column(column)
        assert parsed.sibling(parsed.name) == column
    column = metric_column("final_test_top2_accuracy")
    assert column.label() == "final test top-2 accuracy"
    assert column.label(image_sets(True)) == "final validation top-2 accuracy"
    assert all(metric_column(name) is None for name in ("seed", "train", "train_x", "best_loss"))
    with pytest.raises(KeyError):
        metric_of("seconds")


# From the table to everything else.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with additional metrics, some of whose networks diverge."""
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "small.yaml").write_text(SMALL)
    given = {**ON, "sweep.model.init.std": [0.3, 1e20]}
    return bnexp.run(bnexp.load_config(folder / "small.yaml", given), folder / "run")


@pytest.mark.slow
def test_tables_have_a_column_for_each_metric(made):
    lines = (made.directory / "metrics.csv").read_text().splitlines()
    assert lines[0].endswith(",".join(("epoch", "step", *evaluation_columns(METRICS))))
    summary = (made.directory / "summary.csv").read_text().splitlines()[0]
    assert summary.endswith(",".join((*summary_columns(METRICS), "seconds")))
    values = made.metrics["test_top2_accuracy"]
    diverged = np.isnan(made.metrics["test_loss"])
    assert diverged.any()
    assert not diverged.all()
    np.testing.assert_array_equal(np.isnan(values), diverged)
    assert any(line.endswith("nan") for line in lines)
    assert (values[~diverged] >= made.metrics["test_accuracy"][~diverged]).all()


def test_the_best_is_the_highest(made):
    cell = made.summary["cell"][0]
    values = made.metrics["train_confidence"][made.metrics["cell"] == cell]
    assert made.summary["best_train_confidence"][0] == values.max()
    assert made.summary["final_train_confidence"][0] == values[-1]


def test_tables_read_back_from_their_files_alone(made, tmp_path):
    for name in ("config.yaml", "metrics.csv", "summary.csv"):
        (tmp_path / name).write_bytes((made.directory / name).read_bytes())
    again = bnexp.load_run(tmp_path)
    for name, column in made.metrics.items():
        np.testing.assert_array_equal(column, again.metrics[name])


@pytest.mark.slow
def test_claims_figures_report_and_exports_take_it_up(made, tmp_path):
    assert made.claims[0].claim["measure"] == "final_test_confidence"
    assert made.claims[0].points[0].estimate == pytest.approx(
        made.summary["final_test_confidence"][:2].mean()
    )
    axes = made.figure("curves", metrics=FIGURE["metrics"]).axes
    assert [one.get_title() for one in axes] == ["test top-2 accuracy", "training confidence"]
    assert made.figure("heatmap", value="best_train_confidence", y="model.norm").axes
    page = write_report(made.directory).read_text()
    assert "final test top-2 accuracy" in page
    assert "train_confidence" in made._repr_html_() + made.metrics._repr_html_()
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(
        bnexp.export(made.directory, "parquet", tmp_path) / "metrics.parquet"
    )
    assert table["train_confidence"].to_pylist()[0] == made.metrics["train_confidence"][0]


def test_a_run_repeats_with_its_metrics(made):
    assert verify(made.directory).exit_status == 0


def test_a_model_is_scored_with_them(small):
    config = bnexp.load_config(small, {**ON, "random.seeds": [0]})
    result, model = bnexp.run(config), bnexp.fit(config, {"model.norm": "batch"})
    data = bnexp.data.load("synthetic")
    scores = model.score(data.test_images[:100], data.test_labels[:100])
    expected = {name: result.summary[f"final_test_{name}"][0] for name in METRICS}
    assert scores == pytest.approx(expected, rel=1e-6)


def test_ids_do_not_depend_on_a_key_that_is_empty(small):
    plain, empty, on = (
        [network.id for network in make_plan(bnexp.load_config(small, given)).networks]
        for given in ({}, {"train.metrics": []}, {"train.metrics": ADDITIONAL})
    )
    assert plain == empty
    assert set(plain).isdisjoint(on)


def test_an_older_table_reads_as_nan_where_a_metric_was_not_recorded(small, tmp_path):
    few = {"sweep.model.init.std": [0.3], "data.test": 100}
    old = bnexp.run(bnexp.load_config(small, few), tmp_path / "old")
    config = tmp_path / "old" / "config.yaml"
    newer = bnexp.load_config(config, {**ON, "claims": [CLAIM], "figures": None})
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "config.yaml").write_text(resolved(newer))
    for name in ("metrics.csv", "summary.csv"):
        content = (tmp_path / "old" / name).read_bytes()
        (tmp_path / "reference" / name).write_bytes(content)
    data = bnexp.runs.data.read_run(tmp_path / "reference")
    np.testing.assert_array_equal(data.tables.metrics["train_loss"], old.metrics["train_loss"])
    assert np.isnan(data.tables.metrics["train_confidence"]).all()
    assert np.isnan(data.tables.summary["best_test_top2_accuracy"]).all()


def test_a_record_without_a_metric_reads_as_nan(made):
    data = bnexp.runs.data.read_run(made.directory)
    older = {
        id_: replace(record, metrics={k: v for k, v in record.metrics.items() if "conf" not in k})
        for id_, record in data.records.items()
    }
    tables = bnexp.runs.tables.make_tables(data.config.experiment, data.plan, older)
    assert np.isnan(tables.summary["final_train_confidence"]).all()
    fields = bnexp.runs.csv.csv_text(tables.metrics).splitlines()[1].split(",")
    assert fields[list(tables.metrics).index("train_confidence")] == ""


# A user's own metric.


@dataclass(frozen=True)
class Margin(Metric):
    """The label's logit minus the largest of the others."""

    label = "margin"

    def values(self, logits, labels):
        rows = np.arange(len(labels))
        own = logits[:, rows, labels]
        others = logits.copy()
        others[:, rows, labels] = -np.inf
        return own - others.max(axis=-1)


@pytest.fixture
def my_margin(monkeypatch):
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS))
    METRICS.register("my_margin")(Margin)


@pytest.mark.usefixtures("my_margin")
@pytest.mark.slow
def test_a_users_metric_goes_all_the_way(small, tmp_path):
    claim = {"says": "x", "measure": {"metric": "train_my_margin", "at": "best"}, "at_least": -50}
    given = {
        "train.metrics": ["my_margin"],
        "sweep.model.init.std": [0.3],
        "claims": [claim],
        "figures": [
            {"kind": "curves", "metrics": ["train_my_margin"]},
            {"kind": "panels", "metric": "train_my_margin"},
        ],
    }
    config = bnexp.load_config(small, given)
    result = bnexp.run(config, tmp_path / "out", jobs=2)
    alone = bnexp.run(config)
    np.testing.assert_array_equal(
        result.metrics["train_my_margin"], alone.metrics["train_my_margin"]
    )
    assert (result.metrics["train_my_margin"] < 0).any()
    assert result.claims[0].verdict == "supported"
    assert {path.name for path in result.files} >= {"curves.png", "panels.png"}
    heatmap = result.figure("heatmap", value="final_train_my_margin", x="model.norm", y=None)
    assert heatmap is not None


@pytest.mark.usefixtures("my_margin")
def test_schema_and_messages_know_a_users_metric(small):
    schema = json.dumps(json_schema())
    assert "final_test_my_margin" in schema
    with pytest.raises(ConfigError, match=f"expected one of {', '.join(ADDITIONAL)}, my_margin"):
        bnexp.load_config(small, {"train.metrics": ["my_margins"]})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "expected a label"),
        ({"label": 3}, "expected a label"),
        ({"label": "x", "default": True}, "train.metrics switches on"),
        ({"label": "x", "better": "bigger"}, "one of higher, lower, got 'bigger'"),
        ({"label": "x", "limits": (1, 0)}, r"limits with the lower one first, got \(1, 0\)"),
        ({"label": "x", "values": Metric.values}, "a method values, got Own without"),
    ],
)
def test_a_class_that_is_no_metric_is_refused(attributes, message):
    members = {"values": lambda self, logits, labels: logits[..., 0], **attributes}
    cls = dataclass(frozen=True)(type("Own", (Metric,), members))
    with pytest.raises(TypeError, match=message):
        METRICS.register("own", cls)
    assert "own" not in METRICS


@pytest.mark.parametrize("name", ["own.metric", "own metric", "2nd", "a,b"])
def test_a_name_that_is_no_name_of_a_column_is_refused(name):
    with pytest.raises(TypeError, match="expected letters, digits and _"):
        METRICS.register(name, Margin)


@pytest.mark.parametrize("name", ["gap", "test_loss", "train_", "final_x", "best_test_accuracy"])
def test_a_name_that_reads_as_a_column_is_refused(name):
    with pytest.raises(TypeError, match="other than gap whose first word is none of train, test"):
        METRICS.register(name, Margin)


def test_a_metric_cannot_change_what_others_are_given():
    class Zero(Metric):
        def values(self, logits, labels):
            logits *= 0
            return logits[..., 0]

    network = small_mlp(None)
    with pytest.raises(ValueError, match="read-only"):
        evaluate(network, *stacked(network, 2, (16,)), images(n=9), {"zero": Zero()})


def test_values_that_are_no_array_are_refused():
    class One(Metric):
        def values(self, logits, labels):
            return 1.0

    network = small_mlp(None)
    with pytest.raises(
        ValueError, match=r"metric one: expected values of shape \(2, 9\).* got \(\)"
    ):
        evaluate(network, *stacked(network, 2, (16,)), images(n=9), {"one": One()})


def test_values_of_another_shape_are_refused():
    class Wrong(Metric):
        def values(self, logits, labels):
            return logits.mean(axis=(0, 1))

    network = small_mlp(None)
    with pytest.raises(ValueError, match=r"metric wrong: expected values of shape \(2, 9\)"):
        evaluate(network, *stacked(network, 2, (16,)), images(n=9), {"wrong": Wrong()})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"train.metrics": ["loss"]}, f"unknown kind, expected one of {', '.join(ADDITIONAL)}"),
        ({"train.metrics": ["confidence", "confidence"]}, "a metric twice"),
        ({"train.metrics": ["accuracy"]}, "got 'accuracy'.*; it is always recorded"),
    ],
)
def test_metrics_that_are_not_recorded_are_refused(small, given, message):
    with pytest.raises(ConfigError, match=message):
        make_plan(bnexp.load_config(small, given))


def test_a_claim_about_a_metric_that_is_not_recorded_is_refused(small):
    text = SMALL.replace("test: 0", "test: 9")
    small.write_text(f"{text}claims: [{json.dumps(CLAIM)}]\n")
    message = r"claims\[0\]\.measure: test_confidence: not recorded, expected confidence in"
    with pytest.raises(ConfigError, match=message):
        bnexp.run(bnexp.load_config(small))


def test_a_figure_of_a_metric_that_is_not_recorded_is_refused(small):
    result = bnexp.run(bnexp.load_config(small, {"sweep.model.init.std": [0.3]}))
    with pytest.raises(ConfigError, match=r"not recorded, expected confidence in train\.metrics"):
        result.figure("panels", metric="train_confidence")


def test_the_order_of_metrics_is_no_part_of_ids(small):
    plans = [
        make_plan(bnexp.load_config(small, {"train.metrics": metrics}))
        for metrics in (ADDITIONAL, ADDITIONAL[::-1], ADDITIONAL[:1], None)
    ]
    ids = [[network.id for network in plan.networks] for plan in plans]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2]) & set(ids[3])
    assert ids[2] != ids[3]
