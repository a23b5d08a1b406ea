"""Probes change no number of the training, and read the same wherever a network is trained."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import bnexp
from bnexp.data import load
from bnexp.execution.task import Task, train_networks, train_task
from bnexp.probes import QUANTITY_LIMITS
from bnexp.probes.layers import OF_ACTIVATIONS, OF_WEIGHTS
from bnexp.sweep import make_plan, make_stacks

pytestmark = pytest.mark.usefixtures("one_blas_thread")

ALL = [
    {
        "kind": "layers",
        "quantities": ["dead", "rank", "similarity", "mean_ratio", "signal_square", "update_ratio"],
    },
    {"kind": "histogram", "bins": 5},
    {"kind": "percentiles", "layer": 2},
    {"kind": "landscape", "steps": [0.5, 2]},
    "covariate_shift",
]
EVERY = [
    *ALL,
    "filters",
    "confusion",
    *({"kind": "robustness", "to": to, "strengths": [0.1, 2.0]} for to in ("blur", "fgsm")),
]
STEPS = [0, 1, 2, 3, 4]
COMMON = {
    "sweep.model.init.std": [10.0, 0.3],
    "sweep.model.norm": ["batch", "noisy_batch", "weight", "none"],
    "data.test": 30,
    "train.epochs": None,
    "train.steps": 4,
    "train.evaluate": [0, 2, 4],
}
FEWER = {**COMMON, "sweep.model.norm": ["batch", "none"]}
CASES = {
    "dropout, adam": {
        "model.dropout": {"ratio": 0.3},
        "train.optimizer": "adam",
        "train.schedule": "cosine",
        "train.l2": 0.001,
    },
    "short batches": {"train.batch_size": 60, "data.train": 130, "train.precision": "float64"},
    "one epoch": {"train.evaluate": [4], "train.clip_norm": 0.5},
    "no step": {"train.evaluate": [0]},
    "divergence": {"train.optimizer.lr": 1e30},
}
BOOK = {
    "data": {"name": "synthetic", "train": 200, "test": 30},
    "train.epochs": None,
    "train.steps": 4,
    "train.evaluate": [0, 2, 4],
    "sweep.model.init.std": [0.3, 0.03],
    "model.hidden": [12, 12],
    "train.batch_size": 50,
}


def everything(config):
    """The bits of each stack's metrics, parameters and states, and how much was read."""
    networks, made, read = make_plan(config).networks, [], 0
    for stack in make_stacks(networks):
        history = train_networks(stack.networks, load("synthetic")).history
        layers = (*history.parameters, *history.state, history.metrics)
        made += [a.tobytes() for layer in layers for a in layer.values()]
        made.append(history.diverged_at.tobytes())
        read += len(history.readings)
    return made, read


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, "book", "book, no step"])
def test_with_and_without_probes_the_same_bits(small, case):
    path, changes = "book_weight_scale", BOOK
    if case in CASES:
        path, changes = small, {**COMMON, **CASES[case], "random.seeds": [0]}
    last = 0 if "no step" in case else 4
    changes = {**changes, "train.evaluate": [0]} if last == 0 else changes
    probes = {"probes.read": EVERY, "probes.at": STEPS[: last + 1]}
    configs = [bnexp.load_config(path, {**changes, **more}) for more in ({}, probes)]
    (plain, nothing), (probed, read) = (everything(config) for config in configs)
    assert plain == probed
    stacks = make_stacks(make_plan(configs[0]).networks)
    assert (nothing, read) == (0, len(stacks) * (last + 1))


def rows_of(folder):
    with (folder / "probes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_one_worker_or_two_write_the_same_bytes(small, tmp_path):
    config = bnexp.load_config(small, {**FEWER, "probes.read": ALL, "figures": []})
    for jobs in (1, 2):
        bnexp.run(config, tmp_path / str(jobs), jobs=jobs)
    one, two = (tmp_path / str(jobs) / "probes.csv" for jobs in (1, 2))
    assert one.read_bytes() == two.read_bytes()
    assert len(one.read_bytes()) > 50_000


@pytest.mark.slow
@pytest.mark.parametrize("book", [False, True], ids=["independent", "book"])
def test_stacked_or_alone_the_same_readings(small, book):
    changes = {**(BOOK if book else COMMON), "probes.read": EVERY, "train.precision": "float32"}
    config = bnexp.load_config("book_weight_scale" if book else small, changes)
    made = [
        {
            record.cell: repr(record.probes)
            for stack in make_stacks(make_plan(config).networks, size=size)
            for record in train_task(Task(stack.networks))
        }
        for size in (1, 3, 8)
    ]
    assert made[0] == made[1] == made[2]
    assert len(set(made[0].values())) == len(made[0])


def test_the_table_has_a_row_a_number_and_reads_back_exactly(small, tmp_path):
    config = bnexp.load_config(small, {**FEWER, "probes.read": ALL, "figures": []})
    result = bnexp.run(config, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    columns = ["cell", "seed", "model.init.std", "model.norm"]
    columns += ["step", "layer", "quantity", "at", "value"]
    assert list(rows[0]) == list(result.probes) == columns
    hidden, weighted = 2, 3
    a_step = 5 * hidden + weighted + 5 * hidden + 3 + (3 * 2 + 3) + 3 * (weighted - 1)
    assert len(rows) == 8 * 3 * a_step
    for name in ("value", "at"):
        written = np.array([float(row[name] or "nan") for row in rows])
        np.testing.assert_array_equal(written, result.probes[name])
    places = {row["at"] for row in rows if row["quantity"] == "percentile"}
    assert places == {"15.0", "50.0", "85.0"}
    assert {row["at"] for row in rows if row["quantity"] == "dead"} == {""}
    assert {row["layer"] for row in rows if row["quantity"] == "shift"} == {"2", "3"}
    assert {row["layer"] for row in rows if row["quantity"] == "smoothness"} == {"0"}
    assert {row["step"] for row in rows} == {"0", "2", "4"}
    first = rows[: 3 * 2 : 2]  # steps, then layers, then places
    assert [(row["step"], row["layer"]) for row in first] == [("0", "1"), ("2", "1"), ("4", "1")]
    assert result.probes.to_pandas().shape == (len(rows), 9)


def test_a_second_run_reads_its_probes_from_the_files(small, tmp_path):
    config = bnexp.load_config(small, {**FEWER, "probes.read": ALL, "figures": []})
    bnexp.run(config, tmp_path / "out")
    before = (tmp_path / "out" / "probes.csv").read_bytes()
    (tmp_path / "out" / "probes.csv").unlink()
    again = bnexp.run(config, tmp_path / "out")
    assert again.trained == 0
    assert (tmp_path / "out" / "probes.csv").read_bytes() == before


def test_what_diverged_is_written_as_nan(small, tmp_path):
    changes = {**FEWER, **CASES["divergence"], "probes.read": ALL, "figures": []}
    result = bnexp.run(bnexp.load_config(small, changes), tmp_path / "out")
    gone = {
        (row["quantity"], row["value"])
        for row in rows_of(tmp_path / "out")
        if row["model.norm"] == "none" and row["step"] == "4"
    }
    assert ("loss_range", "nan") in gone
    assert ("update_ratio", "nan") in gone
    assert ("activation_density", "0.0") in gone
    assert np.isnan(result.probes["value"]).any()


def test_without_probes_there_is_no_table(small, tmp_path):
    changes = {**FEWER, "figures": []}
    config = bnexp.load_config(small, changes)
    result = bnexp.run(config, tmp_path / "out")
    assert not (tmp_path / "out" / "probes.csv").exists()
    assert {len(column) for column in result.probes.values()} == {0}
    probed = bnexp.load_config(small, {**changes, "probes.read": ["covariate_shift"]})
    assert bnexp.run(probed, tmp_path / "out").trained == 8
    assert len(rows_of(tmp_path / "out")) == 8 * 3 * 3 * 2


@pytest.mark.parametrize("hidden", [[], [6]])
def test_networks_without_hidden_layers_and_batches_of_one(small, hidden):
    changes = {
        **FEWER,
        "sweep.model.norm": ["none"],
        "model.hidden": hidden,
        "data.train": 101,
        "probes.read": [{**own, "layer": 1} if "layer" in own else own for own in ALL],
    }
    read = bnexp.run(bnexp.load_config(small, changes)).probes  # after step 2 a batch of one
    single = read["step"] == 2
    with_layers = {"dead", "similarity", "mean_ratio", "shift", "activation_density"}
    assert (with_layers <= set(read["quantity"])) == bool(hidden)
    assert {"percentile", "smoothness", "update_ratio"} <= set(read["quantity"])
    for name in ("similarity", "mean_ratio"):
        assert np.isnan(read["value"][single & (read["quantity"] == name)]).all()
    assert set(read["value"][single & (read["quantity"] == "dead")]) == ({1.0} if hidden else set())


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_what_is_read_is_within_the_limits_of_its_quantity(small, norm):
    """And quantities without limits are those that may be negative, or are no numbers of a unit."""
    rng = np.random.default_rng()
    changes = ("inversion", "blur", "noise", "shift", "fgsm")
    probes = [
        {"kind": "layers", "quantities": [*OF_ACTIVATIONS, *OF_WEIGHTS]},
        *({"kind": "histogram", "of": of} for of in ("activation", "preactivation")),
        {"kind": "landscape", "steps": [0.5, 2.0]}, "covariate_shift", "filters", "confusion",
        *({"kind": "robustness", "to": to, "strengths": [2]} for to in changes),
    ]  # fmt: skip
    settings = {
        **{"model.norm": norm, "sweep.model.norm": None, "data.test": 30},
        "model.activation": str(rng.choice(["relu", "tanh", "leaky_relu"])),
        "train.optimizer.lr": float(10 ** rng.uniform(-3, 1)),
        "random.seeds": [int(rng.integers(1000))],
        "probes": {"at": [0, 3], "read": probes},
    }
    table = bnexp.run(bnexp.load_config(small, settings)).probes
    assert {*table["quantity"]} - {*QUANTITY_LIMITS} == {
        *("preactivation_mean", "activation_mean", "filter", "mistake")
    }
    for quantity, (low, high) in QUANTITY_LIMITS.items():
        values = table["value"][table["quantity"] == quantity]
        values = values[np.isfinite(values)]
        assert len(values) or norm == "none"
        assert ((low - 1e-6 <= values) & (values <= high + 1e-6)).all(), (quantity, settings)
