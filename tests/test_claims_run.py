"""Claims of experiments that are really run: files, tables and exit statuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli

CLAIMS = """\
claims:
  - says: batch norm learns at a scale of 0.3
    measure: final_train_accuracy
    where: {model.norm: batch, model.init.std: 0.3}
    at_least: 0.05
  - says: nothing has a loss below 0.001
    kind: published
    source: a book
    measure: best_train_loss
    at_most: 0.001
    expect: refuted
  - says: gradients shrink from layer to layer
    measure: {quantity: gradient_norm, growth: [1, 2], step: 0}
    where: {model.init.std: 0.01, model.norm: none}
    at_most: 1.0e+6
probes: {at: [0], read: [{kind: layers, quantities: [gradient_norm]}]}
"""


def with_claims(path, claims):
    text = path.read_text().replace("seeds: [0, 1]", "seeds: [0, 1, 2, 3]")
    path.write_text(text + claims)
    return path


@pytest.fixture
def claimed(small):
    return with_claims(small, CLAIMS)


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def claims_of(directory):
    return json.loads((directory / "claims.json").read_text())["claims"]


@pytest.mark.slow
def test_a_run_ends_with_verdicts(claimed, tmp_path):
    out = tmp_path / "out"
    made = call("run", claimed, "--out", out, "-j", 1)
    assert made.exit_code == 0
    assert "published  0 supported, 1 does not hold in this setting, 0 undecided" in made.output
    assert "expected:" not in made.output
    assert "claims.json" in made.output.partition(f"{out}:")[2]
    text = (out / "claims.json").read_bytes()
    assert [claim["verdict"] for claim in claims_of(out)] == ["supported", "refuted", "supported"]
    assert [len(claim["points"]) for claim in claims_of(out)] == [1, 6, 1]

    (out / "claims.json").unlink()  # nothing is trained, and it is written all the same
    assert call("run", claimed, "--out", out, "-j", 1).exit_code == 0
    assert (out / "claims.json").read_bytes() == text

    (out / "claims.json").unlink()
    again = call("claims", out)
    assert again.exit_code == 1  # an expected refutation is one
    assert "published  0 supported, 1 does not hold in this setting, 0 undecided" in again.output
    assert (out / "claims.json").read_bytes() == text


@pytest.mark.slow
def test_nothing_is_left_where_nothing_is_claimed(claimed, tmp_path):
    out = tmp_path / "out"
    call("run", claimed, "--out", out, "-j", 1)
    made = call("run", claimed, "--out", out, "-j", 1, "--set", "claims=null")
    assert made.exit_code == 0
    assert "claims" not in made.output
    assert not (out / "claims.json").exists()
    nothing = call("claims", out)
    assert (nothing.exit_code, "nothing is claimed" in nothing.output) == (0, True)


@pytest.mark.slow
def test_narrowed_sweeps_are_run_and_their_claims_undecided(claimed, tmp_path):
    out = tmp_path / "out"
    options = ("--set", "sweep.model.init.std=[0.3]", "--seeds", "3", "--out", out, "-j", 1)
    made = call("run", claimed, *options)
    assert made.exit_code == 0
    verdicts = claims_of(out)
    assert [claim["verdict"] for claim in verdicts] == ["supported", "refuted", "undecided"]
    assert "not in this experiment: no value of the axis" in verdicts[2]["reason"]
    assert verdicts[0]["points"][0]["n"] == 3
    text = (out / "claims.json").read_bytes()
    assert call("run", out / "config.yaml", "--out", out, "-j", 1).exit_code == 0
    assert (out / "claims.json").read_bytes() == text
    assert "claims[2].where" in call("check", wrong(claimed)).output


def wrong(path):
    return path.write_text(path.read_text().replace("model.init.std: 0.01", "W: 1")) and path


def test_claims_of_nothing_are_refused(tmp_path):
    made = call("claims", tmp_path)
    assert made.exit_code == 2
    assert "not a run directory" in made.output


@pytest.mark.slow
def test_all_supported_is_status_0_and_a_missing_network_undecided(small, tmp_path):
    with_claims(small, CLAIMS.split("  - says: nothing")[0])
    out = tmp_path / "out"
    call("run", small, "--out", out, "-j", 1)
    assert call("claims", out).exit_code == 0
    (claim,) = claims_of(out)
    assert claim["points"][0]["n"] == 4
    config = bnexp.load_config(out)
    result = bnexp.run(config, out)
    where = (result.summary["model.norm"] == "batch") & (result.summary["model.init.std"] == 0.3)
    (out / "cells" / f"{result.summary['cell'][where][0]}.json").unlink()
    made = call("claims", out)
    assert (
        made.exit_code,
        "3 of 4 seeds have a number (1 not trained)" in " ".join(made.output.split()),
    ) == (0, True)


@pytest.mark.slow
def test_seeds_on_which_claims_were_chosen_are_named_in_all_that_is_written(claimed, tmp_path):
    text = claimed.read_text().replace("seeds: [0, 1,", "design_seeds: [8, 9], seeds: [0, 1,")
    claimed.write_text(text)
    out = tmp_path / "out"
    assert call("run", claimed, "--out", out, "-j", 1).exit_code == 0
    purposes = {"judged": [0, 1, 2, 3], "design": [8, 9]}
    assert json.loads((out / "claims.json").read_text())["seeds"] == purposes
    assert json.loads((out / "manifest.json").read_text())["seeds"] == purposes
    call("report", out)
    page = " ".join((out / "report.html").read_text().split())
    assert "judged on the seeds 0, 1, 2, 3; they were chosen on the design seeds 8, 9." in page
    design = tmp_path / "design"
    made = call("run", claimed, "--out", design, "-j", 1, "--seeds", "design")
    assert "judged with design seeds 8 and 9, on which" in " ".join(made.output.split())
    assert [claim["design_seeds"] for claim in claims_of(design)] == [[8, 9]] * 3
    again = (design / "claims.json").read_bytes()
    assert call("run", design / "config.yaml", "--out", design, "-j", 1).exit_code == 0
    assert (design / "claims.json").read_bytes() == again


def test_claims_in_python(claimed):
    result = bnexp.run(bnexp.load_config(claimed))
    assert [verdict.verdict for verdict in result.claims] == ["supported", "refuted", "supported"]
    assert result.claims[1].expected == "refuted"
    assert result.claims[0].points[0].point == {"model.init.std": 0.3, "model.norm": "batch"}


@pytest.mark.slow
def test_an_accuracy_that_a_probe_reads_has_the_interval_of_an_accuracy(small):
    """At strength 0 it is the final test accuracy; so in figures: claims share their limits."""
    changes = {
        **{"random.seeds": [3, 1, 4, 15, 9], "data.test": 40},
        "probes": {"at": "ends", "read": [{"kind": "robustness", "to": "noise", "strengths": [0]}]},
        "claims": [
            {"says": f"it is at least 0.2 {number}", "measure": measure, "at_least": 0.2}
            for number, measure in enumerate(
                ["final_test_accuracy", {"quantity": "accuracy_noise", "at": 0, "step": "final"}]
            )
        ],
    }
    result = bnexp.run(bnexp.load_config(small, changes))
    (first, other) = result.claims
    assert len(first.points) == len(other.points) > 1
    for metric, probed in zip(first.points, other.points, strict=True):
        assert 0 < metric.low <= metric.estimate <= metric.high < 1
        numbers = [(p.estimate, p.low, p.high, p.p_supported) for p in (metric, probed)]
        assert numbers[0] == numbers[1]
