"""Probes in an experiment's text: what may be asked for, when, and what is kept of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

import bnexp
from bnexp.config import load_config, resolved
from bnexp.errors import ConfigError
from bnexp.execution.task import Probed, Record
from bnexp.nn import option
from bnexp.probes import PROBES, Reading
from bnexp.runs.directory import NoRecord, decode_cell, encode_cell
from bnexp.sweep import make_plan

TEXT = """\
name: probed
data: {name: synthetic, train: 200}
model: {hidden: [7, 6]}
train: {steps: 6, batch_size: 50, evaluate: [2, 4]}
probes:
  at: [0, 3]
  read: [covariate_shift, {kind: percentiles, layer: 2}]
"""
READ = TEXT.splitlines()[-1]


@pytest.fixture
def probed(config_file):
    """The text above, with another last line or other values."""

    def make(read=READ, at="  at: [0, 3]\n", **changes):
        text = TEXT.replace(READ, read).replace("  at: [0, 3]\n", at)
        keys = {key.replace("__", "."): value for key, value in changes.items()}
        return load_config(config_file(text), keys)

    return make


def steps(config):
    return sorted(set(bnexp.run(config).probes["step"].tolist()))


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (
            "  read: [layer]",
            f":7:10: probes.read[0]: unknown kind, expected one of {', '.join(PROBES)}, "
            "got 'layer'; did you mean 'layers'?",
        ),
        ("  read: [{kind: shift}]", ":7:17: probes.read[0].kind: unknown kind, expected one of"),
        ("  read: [{of: activation}]", "7:10: probes.read[0]: no kind given, expected a name or"),
        ("  read: [{kind: layers, quantities: [dead, rang]}]", "7:44: probes.read[0].quantities["),
        (
            "  read: [{kind: layers, quantity: dead}]",
            ":7:25: probes.read[0].quantity: unknown key, expected one of kind, quantities, got",
        ),
        ("  read: [{kind: layers, quantities: []}]", "expected a list of at least 1, got a list"),
        ("  read: []", ":7:9: probes.read: not a valid value, expected a list of at least 1"),
        ("  read: layers", ":7:9: probes.read: not a valid value, expected a list, got 'layers'"),
        ("  read: [percentiles]", ":7:10: probes.read[0].layer: required key is missing"),
        ("  read: [{kind: percentiles, layer: 0}]", ":7:37: probes.read[0].layer: not a valid"),
        (
            "  read: [layers, {kind: percentiles, layer: 4}]",
            ":7:45: probes.read[1].layer: no such layer, expected at most 3, the output layer, got",
        ),
        ("  reed: [layers]", ":7:3: probes.reed: unknown key, expected one of at, read, got"),
        ("  read: [{kind: histogram, bins: 0}]", ".bins: not a valid value, expected a number >="),
    ],
)
def test_what_cannot_be_read(probed, read, expected):
    with pytest.raises(ConfigError) as caught:
        probed(read)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("{kind: histogram, low: 1, high: 0}", ":7:42: probes.read[0].high: not above low"),
        ("{kind: percentiles, layer: 2, unit: 6}", ":7:46: probes.read[0].unit: no such unit"),
        ("{kind: percentiles, layer: 1, percentiles: [50, 101]}", "].percentiles[1]: not a percen"),
        ("layers, {kind: layers, quantities: [dead]}", ":7:18: probes.read[1]: a probe twice"),
    ],
)
def test_options_that_could_never_be_read(probed, options, expected):
    with pytest.raises(ConfigError) as caught:
        probed(f"  read: [{options}]")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("[3, 0]", ":6:7: probes.at: not in order, expected ascending steps, each once"),
        ("[1, 1]", ":6:7: probes.at: not in order, expected ascending steps, each once"),
        (
            "[-1]",
            ":6:7: probes.at: not a valid value, expected ends, book, epoch, cs231n, {every: n",
        ),
        (
            "often",
            ":6:7: probes.at: not a valid value, expected ends, book, epoch, cs231n, {every: n",
        ),
    ],
)
def test_steps_that_are_none(probed, at, expected):
    with pytest.raises(ConfigError) as caught:
        probed(at=f"  at: {at}\n")
    assert expected in str(caught.value)


def test_steps_after_the_last_score_are_refused_before_training(probed):
    text = "probes.at: after the end, expected at most step 4, where the networks are scored last"
    with pytest.raises(ConfigError, match=f"{text}, got 5"):
        bnexp.run(probed(at="  at: [5]\n"))


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("", [2, 4]),
        ("  at: [0, 1, 4]\n", [0, 1, 4]),
        ("  at: {every: 3}\n", [3]),
        ("  at: {every: 2}\n", [2, 4]),
        ("  at: epoch\n", [4]),
        ("  at: cs231n\n", [1, 4]),
        ("  at: book\n", [1]),
    ],
)
def test_when_they_are_read(probed, at, found):
    assert steps(probed(at=at)) == found


@pytest.mark.parametrize(
    "at", ["", "  at: [0]\n", "  at: epoch\n", "  at: book\n", "  at: cs231n\n"]
)
def test_networks_that_are_not_trained_can_be_read(probed, at):
    assert steps(probed(at=at, train__evaluate=[0])) == [0]


@pytest.mark.parametrize("name", ["layers", "histogram", "landscape", "covariate_shift"])
def test_a_bare_name_has_the_default_options(probed, name):
    one, other = (
        load_config(probed_config, {"probes.read": read}).experiment.probes.read
        for probed_config, read in [
            (probed().document.values[()].source, [name]),
            (probed().document.values[()].source, [{"kind": name}]),
        ]
    )
    assert one == other
    assert one[0].kind == name


def test_a_layer_that_only_some_networks_have_is_placed_at_the_sweep(probed):
    config = probed(**{"sweep.model.hidden": [[7, 6], []]})
    with pytest.raises(ConfigError, match="no such layer, expected at most 1, the output layer"):
        make_plan(config)


@pytest.mark.slow
def test_the_written_out_experiment_repeats_the_run(probed, tmp_path):
    read = "  read: [{kind: landscape, steps: [0.1, 3], unit: one}, histogram, layers]"
    first = bnexp.run(probed(read), tmp_path / "out")
    config = load_config(tmp_path / "out" / "config.yaml")
    assert config.experiment.probes == first.config.experiment.probes
    assert resolved(config) == resolved(first.config)
    again = bnexp.run(config, tmp_path / "out")
    assert again.trained == 0
    np.testing.assert_array_equal(again.probes["value"], first.probes["value"])
    other = bnexp.run(config, tmp_path / "other")
    np.testing.assert_array_equal(other.probes["value"], first.probes["value"])


def test_another_probe_is_another_network(probed):
    def ids(config):
        return {network.id for network in make_plan(config).networks}

    base = ids(probed())
    assert ids(probed()) == base
    written_out = "  read: [covariate_shift, {kind: percentiles, layer: 2, unit: 0}]"
    assert ids(probed(written_out)) == base
    assert ids(probed(written_out.replace("unit: 0", "unit: 1"))) != base
    assert ids(probed(at="  at: [0]\n")) != base
    assert ids(probed("  read: [covariate_shift]")) != base


RECORD = Record(
    cell="c0ffee",
    data_sha256="d" * 64,
    status="ok",
    diverged_at_step=None,
    steps=(4,),
    epochs=(1,),
    metrics={"train_loss": (0.5,)},
    seconds=0.1,
    probes=(
        Probed("rank", (0, 4), (1, 2), (math.nan,), (1 / 3, math.nan, math.inf, -math.inf)),
        Probed("percentile", (4,), (2,), (15.0, 50.0), (-0.0, 1e-310)),
    ),
)


def test_a_record_with_readings_comes_back_exactly():
    assert repr(decode_cell(encode_cell(RECORD), "c0ffee")) == repr(RECORD)
    empty = replace(RECORD, probes=())
    assert decode_cell(encode_cell(empty), "c0ffee") == empty
    content = bytearray(encode_cell(RECORD))
    content[content.index(b"percentile")] ^= 1
    with pytest.raises(NoRecord):
        decode_cell(bytes(content), "c0ffee")


@dataclass(frozen=True)
class Largest:
    """The largest weight of each layer, times a factor."""

    factor: float = option(1.0, doc="what it is multiplied by", gt=0)

    def read(self, step):
        found = [np.abs(step.parameters[s.weights]["W"]).max((1, 2)) for s in step.sites]
        values = self.factor * np.stack(found, axis=1)[..., None].astype(float)
        return [Reading("largest", values, tuple(s.number for s in step.sites))]


@pytest.fixture
def largest(monkeypatch):
    monkeypatch.setattr(PROBES, "_entries", dict(PROBES))
    PROBES.register("largest")(Largest)


@pytest.mark.slow
@pytest.mark.usefixtures("largest")
def test_ones_own_probe_is_read_here_and_in_workers(probed):
    config = probed("  read: [{kind: largest, factor: 2.0}]", random__seeds=[0, 1])
    here, workers = bnexp.run(config, jobs=1).probes, bnexp.run(config, jobs=2).probes
    assert len(here["value"]) == 2 * 2 * 3
    assert here["layer"].tolist() == [1, 2, 3] * 4
    for name in here:
        np.testing.assert_array_equal(here[name], workers[name])
    single = bnexp.run(probed("  read: [largest]", random__seeds=[0, 1])).probes
    np.testing.assert_array_equal(here["value"], 2 * single["value"])


@pytest.mark.usefixtures("largest")
def test_ones_own_probes_options_are_checked(probed):
    with pytest.raises(ConfigError, match=r"read\[0\]\.factor: .* a number > 0, got -1"):
        probed("  read: [{kind: largest, factor: -1}]")
    with pytest.raises(ValueError, match="probe 'layers' is built in; choose another name"):
        PROBES.register("layers")
