"""docs/claims.md: its claim is one of the experiment on the page before it."""

from __future__ import annotations

import re
from typing import get_args

from page_blocks import blocks, page

import bnexp
from bnexp.config.claims import Kind

PAGE = page("docs/claims.md")


def test_its_claim_belongs_to_the_experiment(config_file):
    experiment, *_ = blocks(page("docs/experiments.md"), "yaml")
    (claims,) = blocks(PAGE, "yaml")
    config = bnexp.load_config(config_file(experiment + claims))
    assert [claim.in_at_least for claim in config.experiment.claims] == [6]


def test_its_kinds_are_all_that_there_are():
    assert re.findall(r"^\| `(\w+)` \| \w", PAGE, re.MULTILINE) == [*get_args(Kind)]
