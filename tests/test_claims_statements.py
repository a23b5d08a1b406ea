"""Claims that state nothing: refused where an experiment is checked, read where it is stored."""

from __future__ import annotations

import pytest
from claim_results import claim

import bnexp
from bnexp.claims import statement_problems
from bnexp.claims.statements import _always_true

NONE = {"where": {"model.norm": "none"}}
GROWTH = {"quantity": "signal_square", "growth": [1, 5]}
MINIMAL = """\
name: small
data: {name: synthetic, train: 100}
model: {hidden: [8]}
train: {epochs: 1, batch_size: 50}
random: {seeds: [0, 1]}
figures: []
claims:
"""


@pytest.mark.parametrize(
    ("relation", "key"),
    [
        ({"at_least": 0}, "at_least"),
        ({"at_least": -1}, "at_least"),
        ({"at_most": 1}, "at_most"),
        ({"within": {"of": 0.5, "by": 0.5}}, "within"),
        ({"within": {"of": 0.5, "relative": 1}}, "within"),
        ({"near": {**NONE, "by": 1}}, "near"),
        ({"near": {**NONE, "times": 2, "by": 2}}, "near"),
        ({"above": {**NONE, "by": -1.1}}, "above"),
        ({"below": {**NONE, "times": 0.1, "by": -1.1}}, "below"),
        ({"non_decreasing": "model.norm", "tolerance": 1}, "tolerance"),
        ({"equals": [0.5, 0.2], "tolerance": 1}, "tolerance"),
        ({"measure": "final_train_loss", "at_least": 0}, "at_least"),
        ({"measure": "final_gap", "at_least": -1}, "at_least"),
        ({"measure": GROWTH, "at_least": 0}, "at_least"),
    ],
)
def test_what_holds_whatever_is_measured(relation, key):
    (problem,) = statement_problems([claim(**relation)])
    assert problem.path == ("claims", 0, key)
    assert "holds whatever is measured" in problem.text
    assert statement_problems([claim(**relation, absent="undecided")]) == []


@pytest.mark.parametrize(
    "relation",
    [
        {"at_least": 0.001},
        {"at_most": 0.999},
        {"within": {"of": 0.5, "by": 0.49}},
        {"near": {**NONE, "by": 0.99}},
        {"near": {**NONE, "relative": 1}},
        {"above": {**NONE, "by": -1}},
        {"below": {**NONE, "times": 0.1, "by": -0.9}},
        {"non_decreasing": "model.norm", "tolerance": 0.9},
        {"equals": [0.5, 0.2], "tolerance": 0.7},
        {"measure": "final_train_loss", "at_most": 1},
        {"measure": "final_train_loss", "near": {**NONE, "by": 1}},
        {"measure": "final_gap", "at_least": 0},
        {"measure": {**GROWTH, "growth": None, "layer": 1}, "at_least": 0},
    ],
)
def test_what_can_fail(relation):
    assert [*_always_true(claim(**relation))] == []


def test_a_claim_is_stated_once():
    first, other = claim(at_least=0.5), claim(at_least=0.6)
    again = claim(at_least=0.5, says="in other words", kind="direction", source="a book")
    (problem,) = statement_problems([other, first, again])
    assert problem.path == ("claims", 2)
    assert "got claims[1] in other words" in problem.text


def test_a_stored_run_with_such_claims_is_read(config_file, tmp_path):
    """Earlier versions took them, and had no kind."""
    claims = "  - {says: a, measure: final_train_accuracy, at_least: 0.1}\n"
    path = config_file(MINIMAL + claims, "small.yaml")
    run = bnexp.run(path, tmp_path / "run").directory
    text = (run / "config.yaml").read_text()
    old = text.replace("at_least: 0.1", "at_least: 0.0").replace("supported", "refuted")
    assert old != text
    (run / "config.yaml").write_text(old)
    (verdict,) = bnexp.load_run(run).claims
    assert (verdict.verdict, verdict.expected) == ("supported", "refuted")
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.run(run / "config.yaml", tmp_path / "again")
    assert "claims[0].at_least: holds whatever is measured" in str(caught.value)
    assert "claims[0].expect: no refutation of a source" in str(caught.value)
