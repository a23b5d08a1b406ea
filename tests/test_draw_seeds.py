"""Seeds that a script draws and writes into an experiment's file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from bnexp.replication import LARGEST_SEED, LOWEST_SEED

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import draw_seeds  # noqa: E402

HEADS = (
    "random: {seeds: [0, 1, 2]}",
    "random: {stream: independent, seeds: [0, 1, 2], restart: false}",
    "random:\n  stream: independent\n  seeds: [0, 1,\n    2]",
)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("number", [1, 10, 60])
def test_only_the_seeds_of_a_file_change(head, number):
    text = f"# An experiment.\nname: mine\n{head}\nclaims: [] # none\n"
    before, after = yaml.safe_load(text), draw_seeds.with_drawn_seeds(text, number)
    content = yaml.safe_load(after)
    drawn = content["random"].pop("seeds")
    assert content["random"].pop("design_seeds") == before["random"].pop("seeds") == [0, 1, 2]
    assert content == before
    assert len(set(drawn)) == number
    assert drawn == sorted(drawn)
    assert LOWEST_SEED <= drawn[0] <= drawn[-1] <= LARGEST_SEED
    assert max(map(len, after.splitlines())) <= draw_seeds.LINE
    assert draw_seeds.with_drawn_seeds(text, number) != after or number == 1
    with pytest.raises(SystemExit, match="design_seeds"):
        draw_seeds.with_drawn_seeds(after, number)


@pytest.mark.parametrize("head", HEADS)
def test_drawn_seeds_that_were_looked_at_become_design_seeds(head):
    text = f"name: mine\n{head}\nclaims: [] # none\n"
    once = draw_seeds.with_drawn_seeds(text, 40)
    twice = draw_seeds.with_drawn_seeds(once, 30, again=True)
    before, after = (yaml.safe_load(each) for each in (once, twice))
    first, second = before["random"].pop("seeds"), after["random"].pop("seeds")
    assert before["random"].pop("design_seeds") == [0, 1, 2]
    assert after["random"].pop("design_seeds") == [0, 1, 2, *first]
    assert (len({*second}), {*first} & {*second}) == (30, set())
    assert before == after
    assert max(map(len, twice.splitlines())) <= draw_seeds.LINE
    with pytest.raises(SystemExit, match="design_seeds behind them"):
        draw_seeds.with_drawn_seeds(text, 30, again=True)


def test_a_file_without_seeds_of_its_own_is_refused():
    with pytest.raises(SystemExit, match=r"expected random\.seeds of its own"):
        draw_seeds.with_drawn_seeds("extends: other.yaml\n", 3)
