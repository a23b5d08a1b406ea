"""Names of figures: of their files, of which one more changes no other."""

from __future__ import annotations

import pytest

import bnexp
from bnexp.errors import ConfigError

TINY = {
    "name": "tiny",
    "data": {"name": "synthetic", "train": 20, "test": 0},
    "model": {"hidden": [3]},
    "train": {"epochs": 2, "batch_size": 10},
}


def test_adding_a_figure_with_a_name_changes_no_other_file(tmp_path):
    def files(*figures):
        bnexp.run({**TINY, "figures": [*figures]}, tmp_path)
        return {path.name: path.read_bytes() for path in (tmp_path / "figures").glob("*.png")}

    losses = {"kind": "curves", "metrics": ["train_loss"]}
    before = files("curves", losses)
    after = files({**losses, "name": "for-slides"}, "curves", losses)
    assert before.keys() == {"curves.png", "curves2.png"}
    assert after == {**before, "for-slides.png": before["curves2.png"]}
    assert files("curves").keys() == {"curves.png", "for-slides.png"}  # nobody's but the author's


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["mine", "mine"], r"figures\[1\]\.name: a name twice, expected each once, got 'mine'"),
        (["panels2"], r"figures\[0\]\.name: the name of a kind's file, expected another one"),
        (["../x"], r"figures\[0\]\.name: not a valid value, expected small letters, digits, - "),
    ],
)
def test_names_that_are_none(names, expected):
    figures = [{"kind": "curves", "name": name} for name in names]
    with pytest.raises(ConfigError, match=expected):
        bnexp.load_config({**TINY, "figures": figures})
