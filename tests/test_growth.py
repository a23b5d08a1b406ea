"""What a run does grows with its networks and no faster: calls are counted, not seconds."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace

import pytest

import bnexp
from bnexp import files
from bnexp.claims import judge_claims, plan_points
from bnexp.config.experiment import Setting
from bnexp.execution.task import Record
from bnexp.files import System
from bnexp.running import prepare, read_records
from bnexp.runs import RunDirectory
from bnexp.runs.csv import csv_text
from bnexp.runs.directory import encode_cell
from bnexp.runs.tables import make_tables
from bnexp.summary import overview, overview_lines
from bnexp.sweep import make_plan, stacks_by_step

METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
CLAIM = {
    "says": "batch norm is better",
    "measure": "final_train_accuracy",
    "where": {"model.norm": "batch"},
    "above": {"where": {"model.norm": "none"}},
}
FEW, MANY = 60, 240


@pytest.fixture
def sized(small):
    """An experiment of so many networks: half as many scales, with and without batch norm."""

    def make(number, **more):
        scales = {"geomspace": [0.001, 1, number // 2]}
        changes = {"random.seeds": [0], "sweep.model.init.std": scales, "figures": []}
        return bnexp.load_config(small, {**changes, **more})

    return make


def record(network, sha256):
    """A record as training would leave it."""
    values = {name: (0.5, 0.25, 1 / 3) for name in METRICS if name.startswith("train")}
    return Record(network.id, sha256, "ok", None, (4, 8, 12), (1, 2, 3), values, 0.1)


def fill(out, prepared):
    """The cell files of a finished run."""
    (sha256,) = {images.sha256 for images in prepared.data.values()}
    (out / "cells").mkdir(parents=True)
    for network in prepared.plan.networks:
        (out / "cells" / f"{network.id}.json").write_bytes(encode_cell(record(network, sha256)))


def calls(work):
    """How many Python functions are called."""
    number = 0

    def count(frame, event, argument):
        nonlocal number
        number += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return number


def work_of(part, config, out):
    """One part of a run of a finished directory, as a function."""
    prepared = prepare(config)
    fill(out, prepared)
    plan, directory = prepared.plan, RunDirectory(out)
    records = read_records(prepared, directory)[0]
    tables = make_tables(config.experiment, plan, records)
    made = dict.fromkeys(records, 0)
    parts = {
        "planning": lambda: make_plan(config),
        "preparing": lambda: prepare(config),
        "stacking": lambda: stacks_by_step(plan.networks, made, 2),
        "looking": lambda: read_records(prepared, directory),
        "tabling": lambda: make_tables(config.experiment, plan, records),
        "writing tables": lambda: csv_text(tables.metrics) + csv_text(tables.summary),
        "judging": lambda: judge_claims(config.experiment.claims, plan_points(plan), tables),
        "summing up": lambda: list(overview_lines(overview(tables))),
        "the whole": lambda: bnexp.run(config, out),
    }
    assert len(records) == len(plan.networks)
    return parts[part]


PARTS = (
    "planning", "preparing", "stacking", "looking", "tabling", "writing tables", "judging",
    "summing up", "the whole",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_four_times_the_networks_are_four_times_the_calls(sized, tmp_path, part):
    few = work_of(part, sized(FEW, claims=[CLAIM]), tmp_path / "few")
    many = work_of(part, sized(MANY, claims=[CLAIM]), tmp_path / "many")
    few()  # what is imported or kept is so from now on
    assert calls(many) < 1.1 * MANY / FEW * calls(few)


class Counting(System):
    """Notes the system's calls by name."""

    def __init__(self):
        self.calls = Counter()

    def __getattribute__(self, name):
        if not name.startswith("_") and name != "calls":
            self.calls[name] += 1
        return super().__getattribute__(name)


def test_a_finished_run_writes_no_cell_file(sized, tmp_path, monkeypatch):
    written = []
    for number in (FEW, MANY):
        config, out = sized(number), tmp_path / str(number)
        fill(out, prepare(config))
        counting = Counting()
        monkeypatch.setattr(files, "system", counting)
        assert bnexp.run(config, out).trained == 0
        written.append(counting.calls["write"])
    assert written == [4, 4]  # config, two tables, manifest


def test_a_network_is_one_file_whatever_happened(sized, tmp_path, monkeypatch):
    config, counting = sized(8), Counting()
    monkeypatch.setattr(files, "system", counting)
    bnexp.run(config, tmp_path / "out", checkpoint=1e9)
    assert counting.calls["write"] == counting.calls["move"] == 8 + 4
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 8
    names = {".lock", "cells", "config.yaml", "manifest.json", "metrics.csv", "summary.csv"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names


def plan_and_validations(config):
    """The plan, and what was validated as a setting to make it, one entry for each validation."""
    inputs = []
    validate = Setting.model_validate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Setting, "model_validate", lambda raw: (inputs.append(raw), validate(raw))[1])
        return make_plan(config), inputs


def test_seeds_are_no_reason_to_validate_a_setting_again(sized):
    plan, inputs = plan_and_validations(sized(FEW, **{"random.seeds": list(range(10))}))
    assert len(plan.networks) == 10 * FEW
    assert len(inputs) <= FEW + 4


def test_each_distinct_part_of_a_setting_is_validated_once(sized):
    """Twenty models and thirty trainings are fifty validations, not six hundred."""
    rates = {"linspace": [0.1, 1, 30]}
    plan, inputs = plan_and_validations(
        sized(20, **{"sweep.train.optimizer.lr": rates, "random.seeds": [3]})
    )
    assert len(plan.networks) == 600
    assert len({network.id for network in plan.networks}) == 600
    assert len(inputs) <= 20 + 30 + 4


def test_what_is_not_swept_is_not_validated_again(sized):
    """The other keys are objects that the schema has accepted; all networks share them."""
    config = sized(20)
    plan, inputs = plan_and_validations(config)
    for raw in inputs:
        assert raw["train"] is config.experiment.train
        if isinstance(raw["model"], dict):
            accepted = dict(config.experiment.model)
            changed = {key for key, value in raw["model"].items() if value is not accepted[key]}
            assert changed <= {"norm", "init"}
    for network in plan.networks:
        assert network.setting.train is config.experiment.train
        assert network.setting.model.activation is config.experiment.model.activation


def test_a_cell_file_grows_with_its_evaluations_alone(sized):
    prepared = prepare(sized(8))
    short = record(prepared.plan.networks[0], "d" * 64)
    metrics = {name: values * 100 for name, values in short.metrics.items()}
    long = replace(short, steps=short.steps * 100, epochs=short.epochs * 100, metrics=metrics)
    assert len(encode_cell(short)) < 700
    assert len(encode_cell(long)) < 100 * len(encode_cell(short))
