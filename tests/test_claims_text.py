"""Verdicts as lines for the terminal and as claims.json."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

import pytest
from claim_results import (
    METHODS,
    by_point,
    claim,
    sweep_points,
)
from figure_results import NORM, results

from bnexp.claims import by_kind, claims_text, judge_claims, verdict_lines


def test_the_text_of_claims_is_strict_json_and_always_the_same():
    def value(point, seed, epoch, metric):
        return inf if metric == "train_loss" else 0.5

    data = results((METHODS,), (0, 1), value=value)
    claims = (claim(measure="final_train_loss", at_least=1, source="a paper", expect="refuted"),)
    verdicts = judge_claims(claims, sweep_points(data), data)
    text = claims_text(verdicts)
    assert text == claims_text(judge_claims(claims, sweep_points(data), data))
    made = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert (made["bnexp_claims"], made["confidence"]) == (1, 0.95)
    (one,) = made["claims"]
    assert (one["verdict"], one["expected"], one["source"]) == ("supported", "refuted", "a paper")
    assert one["claim"] == {"measure": "final_train_loss", "at_least": 1.0}
    assert one["points"][0]["point"] == {NORM: "batch"}
    assert one["points"][0]["low"] == "inf"
    assert "not corrected" in made["about"]
    empty = judge_claims((claim(measure="final_gap", at_least=1),), sweep_points(data), data)
    assert json.loads(claims_text(empty))["claims"][0]["points"][0]["estimate"] is None


def test_the_table_fits_80_columns():
    data = by_point({("batch",): (0.9, 0.9), ("none",): (0.6, 0.6)})
    claims = (claim(says="word " * 40, at_least=0.5), claim(at_least=0.7), claim(at_most=0.7))
    lines = list(verdict_lines(judge_claims(claims, sweep_points(data), data)))
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "measured  1 supported, 2 do not hold in this setting, 0 undecided"
    assert lines[2] == "measured: the author's own observation"
    assert lines[4].startswith("  supported      word word")
    assert [line[2:15] for line in lines if line.startswith("  does")] == ["does not hold"] * 2
    assert sum("expected: supported" in line for line in lines) == 2


def test_claims_are_counted_by_kind():
    data = by_point({("batch",): (0.9, 0.9), ("none",): (0.6, 0.6)})
    claims = (
        claim(says="own", at_least=0.5),
        claim(says="as derived", kind="theory", within={"of": 0.7, "by": 0.1}),
        claim(says="a number", kind="published", at_least=0.7),
        claim(says="another", kind="published", at_least=0.5),
    )
    verdicts = judge_claims(claims, sweep_points(data), data)
    lines = list(verdict_lines(verdicts))
    assert lines[-3:] == [
        "published  1 supported, 1 does not hold in this setting, 0 undecided",
        "theory     0 supported, 1 does not hold in this setting, 0 undecided",
        "measured   1 supported, 0 do not hold, 0 undecided",
    ]
    heads = [i for i, line in enumerate(lines) if line.startswith(("publ", "theory:", "measured:"))]
    sentences = [next(i for i, line in enumerate(lines) if v.says in line) for v in verdicts]
    assert heads[0] < sentences[2] < sentences[3] < heads[1] < sentences[1]
    assert list(by_kind(verdicts)) == ["published", "theory", "measured"]
    kinds = [one.get("kind") for one in json.loads(claims_text(verdicts))["claims"]]
    assert kinds == [None, "theory", "published", "published"]


def test_design_seeds_are_told_from_those_that_are_judged():
    data = by_point({("batch",): (0.9, 0.8, 0.9), ("none",): (0.9, 0.8, 0.9)})
    sweep = replace(sweep_points(data), design_seeds=(7, 2, 1))
    (verdict,) = judge_claims((claim(at_least=0.5),), sweep, data)
    assert verdict.design_seeds == (1, 2)
    assert verdict.remarks == ("judged with design seeds 1 and 2, on which the claims were chosen",)
    assert any("judged with design seeds 1 and 2" in line for line in verdict_lines([verdict]))
    content = json.loads(claims_text([verdict], (0, 1, 2), (7, 2, 1)))
    assert content["seeds"] == {"judged": [0, 1, 2], "design": [7, 2, 1]}
    assert content["claims"][0]["design_seeds"] == [1, 2]
    others = replace(sweep, design_seeds=(7, 8))
    (verdict,) = judge_claims((claim(at_least=0.5),), others, data)
    assert (verdict.design_seeds, verdict.remarks) == ((), ())
    assert "seeds" not in json.loads(claims_text([verdict], (0, 1, 2)))
