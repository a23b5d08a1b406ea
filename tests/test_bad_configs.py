"""A corpus of mistakes: each is answered with its place and what was expected."""

from __future__ import annotations

import re

import pytest
from bad_configs import CASES, GOOD

import bnexp
from bnexp.running import prepare

# What only the layers themselves can tell has no place in the text.
NOWHERE = "model: layers do not fit"


def test_without_the_mistake_it_is_an_experiment(config_file):
    assert len(prepare(bnexp.load_config(config_file(GOOD))).plan.networks) == 1
    assert len(CASES) >= 60


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_mistake_is_answered_with_its_place(tmp_path, text, expected):
    path = tmp_path / "bad.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(bnexp.ConfigError) as caught:
        prepare(bnexp.load_config(path))
    said = str(caught.value)
    start = "" if expected.startswith(NOWHERE) else f"{path}:"
    parts = (re.escape(part) for part in f"{start}{expected}".split("..."))
    assert re.match(".*".join(parts), said)
    assert "\n" not in said
    assert len(said) < 1000


def test_a_missing_key_beside_one_that_is_named_like_its_kind(config_file):
    path = config_file(f"{GOOD}probes: {{read: [{{kind: percentiles, percentiles: [50]}}]}}\n")
    with pytest.raises(bnexp.ConfigError, match=r":5:17: probes\.read\[0\]\.layer: required key"):
        bnexp.load_config(path)
