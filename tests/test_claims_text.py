"""Verdicts as lines for the terminal and as claims.json."""

from __future__ import annotations

import json
from math import inf

import pytest
from claim_results import (
    METHODS,
    by_point,
    claim,
    sweep_points,
)
from figure_results import NORM, results

from bnexp.claims import claims_text, judge_claims, verdict_lines


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
    assert lines[-1] == "1 supported, 2 refuted, 0 undecided"
    assert lines[2].startswith("  supported  word word")
    assert [line.split()[0] for line in lines if line[2:3].strip()][1:3] == ["supported", "refuted"]
    assert sum("expected: supported" in line for line in lines) == 2
