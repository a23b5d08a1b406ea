"""Cells and checkpoints that were forged, or come from elsewhere, with a right checksum."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.execution.checkpoints import FORMAT as CHECKPOINT
from bnexp.execution.checkpoints import KIND
from bnexp.runs import RunDirectory
from bnexp.runs.directory import kind_of
from bnexp.sweep import make_plan

TINY = """\
name: tiny
data: {name: synthetic, train: 40}
model: {hidden: [3], norm: batch}
train: {steps: 6, batch_size: 20, evaluate: [2, 4, 6], optimizer: {kind: momentum, lr: 0.1}}
sweep: {model.init: [he, xavier]}
probes: {at: [0, 2, 5], read: [layers]}
figures: [panels]
"""
LONG = [*range(10)]


def forged(**changes):
    """A change of fields; a callable is given the field's old value."""

    def change(body):
        for name, value in changes.items():
            body[name] = value(body[name]) if callable(value) else value
        return body

    return change


def metric(name, values):
    return lambda body: {**body, "metrics": {**body["metrics"], name: values}}


def probe(**changes):
    return lambda body: {**body, "probes": [{**body["probes"][0], **changes}, *body["probes"][1:]]}


def without(name):
    return lambda body: {key: value for key, value in body.items() if key != name}


FORGERIES = {
    "no mapping": lambda body: [],
    "null": lambda body: None,
    "a number": lambda body: 1e308,
    **{f"without {name}": without(name) for name in (
        "cell", "data_sha256", "status", "diverged_at_step", "steps", "epochs", "metrics",
        "seconds",
    )},
    "another field": lambda body: {**body, "extra": 1},
    "a number as id": forged(cell=1),
    "no digest": forged(data_sha256="x" * 64),
    "a list as digest": forged(data_sha256=[]),
    "failed": forged(status="failed"),
    "an unknown status": forged(status="\x1b[31mok"),
    "an error": forged(error="\x1b]0;title\x07"),
    "ok but diverged": forged(diverged_at_step=3),
    "diverged at no step": forged(status="diverged"),
    "diverged before the start": forged(status="diverged", diverged_at_step=-1),
    "diverged at a text": forged(status="diverged", diverged_at_step="2"),
    "infinite seconds": forged(seconds=math.inf),
    "seconds that are NaN": forged(seconds=math.nan),
    "negative seconds": forged(seconds=-1.0),
    "seconds as a text": forged(seconds="1"),
    "seconds true": forged(seconds=True),
    "no steps": forged(steps=[], epochs=[]),
    "descending steps": forged(steps=[6, 4, 2]),
    "equal steps": forged(steps=[2, 2, 6]),
    "fractional steps": forged(steps=[2.0, 4.0, 6.5]),
    "steps true": forged(steps=[True, 4, 6]),
    "huge steps": forged(steps=[2, 4, 10**30]),
    "steps after the end": forged(steps=[2, 4, 7]),
    "steps as a text": forged(steps="246"),
    "steps as a mapping": forged(steps={"2": 1}),
    "too many steps": forged(steps=LONG, epochs=LONG),
    "nested steps": forged(steps=[[2], [4], [6]]),
    "epochs as texts": forged(epochs=["1", "2", "3"]),
    "descending epochs": forged(epochs=[3, 2, 1]),
    "negative epochs": forged(epochs=[-1, 2, 3]),
    "too few epochs": forged(epochs=[1]),
    "metrics as a list": forged(metrics=[]),
    "no metrics": forged(metrics={}),
    "a missing metric": forged(metrics=lambda m: {"train_loss": m["train_loss"]}),
    "a foreign metric": metric("test_beauty", [0.1, 0.2, 0.3]),
    "a metric with escapes": metric("\x1b[2J", [0.1, 0.2, 0.3]),
    "too short a metric": metric("train_loss", [0.1]),
    "too long a metric": metric("train_loss", [0.1] * 4),
    "an accuracy of texts": metric("train_accuracy", ["a", "b", "c"]),
    "an accuracy of nulls": metric("train_accuracy", [None] * 3),
    "an accuracy above 1": metric("test_accuracy", [0.1, 0.2, 1.5]),
    "an accuracy below 0": metric("train_accuracy", [-0.5, 0.2, 0.5]),
    "a negative loss": metric("train_loss", [-1.0, 0.2, 0.5]),
    "a whole number as loss": metric("train_loss", [10**400, 1, 2]),
    "nested losses": metric("train_loss", [[0.1], [0.2], [0.3]]),
    "probes as a mapping": forged(probes={}),
    "a probe as a list": forged(probes=[[]]),
    "a probe without values": forged(probes=[{"quantity": "dead"}]),
    "a quantity as a number": probe(quantity=3),
    "a quantity with a newline": probe(quantity="dead\nalive"),
    "half a surrogate": probe(quantity="\ud800"),
    "probed at a text": probe(steps=["0", "2", "5"]),
    "probed backwards": probe(steps=[5, 2, 0]),
    "a negative layer": probe(layers=[-1]),
    "too few values": probe(values=[0.0]),
    "values as texts": probe(values=["0"]),
    "places as nulls": probe(at=[None]),
    "the same quantity twice": forged(probes=lambda probes: [*probes, probes[0]]),
}  # fmt: skip


@pytest.fixture
def run(tmp_path, own_places):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    bnexp.run(path, tmp_path / "out")
    return path, tmp_path / "out"


def forge(path, change):
    """The cell file with a changed body, and the checksum that belongs to it."""
    body = json.dumps(change(json.loads(path.read_bytes().split(b"\n")[1]))).encode()
    head = json.dumps({"bnexp_cell": 3, "sha256": hashlib.sha256(body).hexdigest()}).encode()
    path.write_bytes(head + b"\n" + body + b"\n")


@pytest.mark.slow
def test_a_forged_cell_is_damaged_and_its_network_trained_again(run):
    """All that a config would not be allowed to say, a record is not either."""
    config, out = run
    networks = make_plan(bnexp.load_config(config)).networks
    path = out / "cells" / f"{networks[0].id}.json"
    whole = path.read_bytes()
    for name, change in FORGERIES.items():
        path.write_bytes(whole)
        forge(path, change)
        records, missing = RunDirectory(out).read_records(networks, None)
        assert list(missing) == [networks[0].id], name
        reason = missing[networks[0].id]
        assert kind_of(reason) in ("not a record", "another network's"), name
        assert "expected" in reason or reason == "another network's", name
        assert reason.isprintable(), name
        assert records.keys() == {networks[1].id}, name
    result = bnexp.run(config, out)
    assert result.trained == 1
    again, before = (json.loads(text.split(b"\n")[1]) for text in (path.read_bytes(), whole))
    assert {**again, "seconds": 0} == {**before, "seconds": 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORGERIES)
def test_every_command_goes_on_with_the_other_networks(name, run):
    config, out = run
    path = out / "cells" / f"{make_plan(bnexp.load_config(config)).networks[0].id}.json"
    forge(path, FORGERIES[name])
    commands = ("plot OUT", "report OUT", "claims OUT", "compare OUT OUT", f"check {config}")
    for command in commands:
        result = CliRunner().invoke(cli, command.replace("OUT", str(out)).split())
        assert "mistake of the program" not in result.output, (command, result.output)
        assert result.exit_code in (0, 1), (command, result.output)
    result = CliRunner().invoke(cli, ["verify", str(out), "-j", "1"])
    assert result.exit_code == 4
    assert path.stem in result.output


HEADS = [3.5, "3", None, [], {}, 10**400, math.nan, math.inf, "\x1b[31m"]


@pytest.mark.slow
@pytest.mark.parametrize("version", HEADS)
def test_a_forged_head(version, run):
    config, out = run
    network = make_plan(bnexp.load_config(config)).networks[0]
    path = out / "cells" / f"{network.id}.json"
    body = path.read_bytes().split(b"\n", 1)[1]
    head = json.dumps({"bnexp_cell": version, "sha256": "\x1b[31m"}).encode()
    path.write_bytes(head + b"\n" + body)
    reason = RunDirectory(out).read_records([network], None)[1][network.id]
    assert reason.isprintable()
    assert "damaged" in reason or "of format" in reason


def header(**changes):
    return lambda head, arrays: ({**head, **changes}, arrays)


def array(name, change):
    def forge_array(head, arrays):
        new = change(arrays.get(name, np.zeros((1, 2))))
        kept = {key: value for key, value in arrays.items() if key != name}
        return head, kept if new is None else {**kept, name: new}

    return forge_array


CHECKPOINTS = {
    "a step after the end": header(step=10**9),
    "one step after the end": header(step=7),
    "a negative step": header(step=-3),
    "a step as a text": header(step="3"),
    "another step": header(step=5),
    "another earlier step": header(step=1),
    "more layers": header(layers=9),
    "no layers": header(layers=0),
    "layers as a text": header(layers="3"),
    "no readings": header(readings=[], counts=[]),
    "readings twice": lambda head, arrays: (
        {**head, "readings": head["readings"] * 2, "counts": head["counts"] * 2}, arrays
    ),
    "counts that do not end": header(counts=[10**9]),
    "weights of another shape": array("parameters/0/W", lambda a: a[:, :, :1]),
    "weights with an axis more": array("parameters/0/W", lambda a: a[..., None]),
    "weights of another type": array("parameters/0/W", lambda a: a.astype(np.float64)),
    "whole numbers as weights": array("parameters/0/W", lambda a: a.astype(np.int64)),
    "complex weights": array("parameters/0/W", lambda a: a.astype(np.complex64)),
    "no weights": array("parameters/0/W", lambda a: None),
    "one number as weights": array("parameters/0/W", lambda a: np.float32(1)),
    "unknown weights": array("parameters/0/V", lambda a: a),
    "weights of no layer": array("parameters/77/W", lambda a: a),
    "a missing momentum": array("moments/0/W", lambda a: None),
    "a momentum of another shape": array("moments/0/v W", lambda a: a),
    "a running mean of another shape": array("state/1/running_mean", lambda a: a[:, :1]),
    "a running variance as a text": array("state/1/running_var", lambda a: a.astype("U8")),
    "no accuracies": array("metrics/train_accuracy", lambda a: None),
    "too many accuracies": array("metrics/train_accuracy", lambda a: np.ones((1, 99))),
    "accuracies of single precision": array("metrics/test_loss", lambda a: a.astype(np.float32)),
    "a foreign metric": array("metrics/train_beauty", lambda a: np.ones((1, 1))),
    "a foreign network's divergence": array("diverged_at", lambda a: np.array([-1, 3])),
    "divergence in the future": array("diverged_at", lambda a: np.array([10**6])),
    "divergence at a fraction": array("diverged_at", lambda a: np.array([0.5])),
    "no divergence": array("diverged_at", lambda a: None),
    "a reading of another shape": array("readings/0/0", lambda a: a[..., :0]),
    "a reading as a text": array("readings/0/0", lambda a: a.astype("U8")),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_forged_checkpoint_changes_no_number(name, tmp_path, own_places):
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY)
    expected = bnexp.run(config, tmp_path / "whole")
    network = make_plan(bnexp.load_config(config)).networks[0]
    path = tmp_path / "out" / "checkpoints" / f"{network.id}.npz"
    _stop_after(3, config, tmp_path / "out", path)
    head, arrays = files.decode_npz(KIND, CHECKPOINT, path.read_bytes(), path)
    assert head["step"] == 3
    head, arrays = CHECKPOINTS[name](head, arrays)
    path.write_bytes(files.encode_npz(KIND, head, arrays))
    again = bnexp.run(config, tmp_path / "out")
    assert (again.trained, again.failed) == (2, {})
    for column, values in expected.metrics.items():
        np.testing.assert_array_equal(again.metrics[column], values)


def _stop_after(step, config, out, path):
    """Leave a checkpoint of the first network at this step, as a run that was stopped does."""
    from bnexp.execution.checkpoints import Checkpoints
    from bnexp.execution.task import dataset, train_networks

    network = make_plan(bnexp.load_config(config)).networks[0]
    checkpoints = Checkpoints(path.parent, 0)
    made = 0

    def count(networks):
        nonlocal made
        made += 1
        if made > step:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_networks((network,), dataset("synthetic", None), count, checkpoints)
