"""Claims that state nothing: refused where an experiment is checked, read where it is stored."""

from __future__ import annotations

import pytest
from claim_results import claim

import bnexp
from bnexp.claims import claim_problems, statement_problems
from bnexp.claims.statements import _always_true
from bnexp.sweep import make_plan

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
SWEEP = {"sweep": {"model.norm": ["batch", "none"]}, "data": {"name": "synthetic"}}
PLAN = make_plan(bnexp.load_config("quickstart", {**SWEEP, "sweep.model.init.std": None}))


def problems(claims):
    return statement_problems(claims, PLAN)


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
        ({"non_decreasing": "model.norm", "tolerance": 1}, "tolerance"),
        ({"equals": [0.5, 0.2], "tolerance": 1}, "tolerance"),
        ({"measure": "final_train_loss", "at_least": 0}, "at_least"),
        ({"measure": "final_gap", "at_least": -1}, "at_least"),
        ({"measure": GROWTH, "at_least": 0}, "at_least"),
        ({"measure": {**GROWTH, "growth": None, "layer": 1}, "at_least": 0}, "at_least"),
        ({"measure": {"quantity": "dead", "layer": 1}, "at_most": 1}, "at_most"),
        ({"measure": {"quantity": "similarity", "layer": 1}, "at_least": -1}, "at_least"),
    ],
)
def test_what_holds_whatever_is_measured(relation, key):
    for absent in ("error", "undecided"):
        (problem,) = problems([claim(**relation, absent=absent)])
        assert problem.path == ("claims", 0, key)
        assert "holds whatever is measured" in problem.text


@pytest.mark.parametrize(
    "relation",
    [
        {"at_least": 0.001},
        {"at_most": 0.999},
        {"within": {"of": 0.5, "by": 0.49}},
        {"near": {**NONE, "by": 0.99}},
        {"near": {**NONE, "relative": 1}},
        {"above": {**NONE, "by": 0.9}},
        {"below": {**NONE, "times": 0.1}},
        {"non_decreasing": "model.norm", "tolerance": 0.9},
        {"equals": [0.5, 0.2], "tolerance": 0.7},
        {"measure": "final_train_loss", "at_most": 1},
        {"measure": "final_train_loss", "near": {**NONE, "by": 1}},
        {"measure": "final_gap", "at_least": 0},
        {"measure": {"quantity": "activation_mean", "layer": 1}, "at_least": 0},
        {"measure": {"quantity": "similarity", "layer": 1}, "at_least": -0.9},
        {"measure": {"quantity": "dead", "layer": 1, "since": "first"}, "at_most": 1},
        {"measure": {"quantity": "similarity", "layer": 1, "since": "first"}, "at_least": -1},
    ],
)
def test_what_can_fail(relation):
    assert [*_always_true(claim(**relation))] == []


@pytest.mark.parametrize(
    "times", [{"step": 3, "since": 3}, {"step": 3, "since": 9}, {"step": "first", "since": "first"},
              {"step": {"mean_from": 5}, "since": 5}, {"step": "first", "since": 3},
              {"step": 0, "since": "first"}],
)  # fmt: skip
def test_a_number_is_divided_by_one_that_was_read_before(times):
    read = {"quantity": "weight_norm", "layer": 1, **times}
    for measure, other, path in (
        (read, {}, ("measure", "since")),
        ({**read, "since": 1, "step": 9}, {"measure": read}, ("above", "measure", "since")),
    ):
        relation = {"above": {**NONE, **other}} if other else {"at_least": 0.5}
        (problem,) = problems([claim(measure=measure, where={"model.norm": "batch"}, **relation)])
        assert problem.path == ("claims", 0, *path)
        assert "no earlier step, expected one before step" in problem.text
    (problem,) = problems([claim(measure=read, where={"model.norm": "batch"}, above=NONE)])
    assert problem.path == ("claims", 0, "measure", "since")


@pytest.mark.parametrize("times", [{"since": 3}, {"step": 4, "since": 3}, {"since": "first"},
                                   {"step": "mean", "since": "first"}, {"step": 2}])  # fmt: skip
def test_earlier_steps_are_accepted(times):
    assert problems([claim(measure={"quantity": "rank", "layer": 1, **times}, at_least=0.5)]) == []


def test_a_claim_is_stated_once():
    first, other = claim(at_least=0.5), claim(at_least=0.6)
    again = claim(at_least=0.5, says="in other words", kind="direction", source="a book")
    (problem,) = problems([other, first, again])
    assert problem.path == ("claims", 2)
    assert "got claims[1] in other words" in problem.text


BATCH = {"where": {"model.norm": "batch"}}
FINAL = {"metric": "train_accuracy", "at": "final"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"at_least": 0.5}, {"measure": FINAL, "at_least": 0.5}),
        ({"at_least": 0.5}, {"at_least": 0.5, "in_at_least": 2}),
        ({"at_least": 0.5}, {"within": {"of": 0.75, "by": 0.25}}),
        ({"at_least": 0.5}, {"at_least": 0.5, "where": {"model.norm": ["none", "batch"]}}),
        ({**BATCH, "at_most": 0.5}, {"where": {"model.norm": ["batch"]}, "at_most": 0.5}),
        ({**BATCH, "above": NONE}, {**NONE, "below": BATCH}),
        ({**BATCH, "above": NONE}, {**BATCH, "above": {**NONE, "measure": FINAL}}),
        ({**BATCH, "near": {**NONE, "by": 0.1}}, {**NONE, "near": {**BATCH, "by": 0.1}}),
    ],
)
def test_a_fact_has_many_ways_to_be_written(one, other):
    (problem,) = problems([claim(**one), claim(**other)])
    assert problem.path == ("claims", 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"at_least": 0.5}, {"at_least": 0.5, "in_at_least": 1}),
        ({**BATCH, "at_least": 0.5}, {**NONE, "at_least": 0.5}),
        ({**BATCH, "above": NONE}, {**BATCH, "below": NONE}),
        ({**BATCH, "above": {**NONE, "times": 2}}, {**NONE, "below": {**BATCH, "times": 2}}),
        ({"measure": FINAL, "at_least": 0.5}, {"measure": "best_train_accuracy", "at_least": 0.5}),
        ({**BATCH, "near": {**NONE, "by": 0.1}}, {**BATCH, "near": {**NONE, "relative": 0.1}}),
    ],
)
def test_other_facts_are_not_taken_for_the_same(one, other):
    assert problems([claim(**one), claim(**other)]) == []


def test_a_number_is_not_compared_with_itself():
    for relation in ("above", "below"):
        itself = claim(**BATCH, **{relation: {"measure": FINAL, "times": 0.5}})
        (problem,) = claim_problems([itself], PLAN)
        assert "compared with itself" in problem.text


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
