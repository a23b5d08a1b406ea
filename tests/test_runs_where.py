"""`where`: which values of the axes, and which networks, a selector means."""

from __future__ import annotations

import numpy as np
import pytest

from bnexp.config.where import Range
from bnexp.runs.tables import Axis
from bnexp.runs.where import WhereError, select_points, select_values

STD = Axis("model.init.std", (1.0, 0.15848931924611134, 0.025118864315095794, 0.01))
BATCH = {"kind": "batch", "dialect": "book", "eps": 1e-3}
NORM = Axis(
    "model.norm",
    ("batch dialect=book", "batch dialect=keras", "layer", "none"),
    {
        "batch dialect=book": BATCH,
        "batch dialect=keras": {"kind": "batch", "dialect": "keras", "eps": 1e-3},
        "layer": "layer",
        "none": "none",
    },
)
BIAS = Axis("model.bias", ("true", "false"))
SIZES = Axis("train.batch_size", (100, 101, 5))
HIDDEN = Axis("model.hidden", ("[10, 10]", "[5]"))
MIXED = Axis("data.test", (50, "all"))
AXES = (STD, NORM, BIAS, SIZES, HIDDEN, MIXED)


def values(key, selector):
    return select_values({key: selector}, AXES)[key]


@pytest.mark.parametrize(
    ("key", "selector", "expected"),
    [
        (STD.key, 1, [1.0]),
        (STD.key, 0.158, [0.15848931924611134]),
        (STD.key, "1.0", [1.0]),
        (STD.key, np.float64(0.0251), [0.025118864315095794]),
        (STD.key, [0.01, 1], [1.0, 0.01]),
        (STD.key, (0.01, 0.01), [0.01]),
        (STD.key, {"at_least": 0.0251}, [1.0, 0.15848931924611134, 0.025118864315095794]),
        (STD.key, {"at_most": 0.0251, "at_least": 0.02}, [0.025118864315095794]),
        (STD.key, Range(at_most=0.0251), [0.025118864315095794, 0.01]),
        (NORM.key, "layer", ["layer"]),
        (NORM.key, "Layer", ["layer"]),
        (NORM.key, None, ["none"]),
        (NORM.key, "batch dialect=book", ["batch dialect=book"]),
        (NORM.key, BATCH, ["batch dialect=book"]),
        (NORM.key, {"kind": "batch", "dialect": "keras"}, ["batch dialect=keras"]),
        (NORM.key, {"kind": "layer"}, ["layer"]),
        (NORM.key, [{"kind": "none"}, BATCH], ["batch dialect=book", "none"]),
        (BIAS.key, True, ["true"]),
        (BIAS.key, "FALSE", ["false"]),
        (SIZES.key, 100, [100]),  # though 101 is within 1 %
        (SIZES.key, 5.01, [5]),
        (SIZES.key, np.int64(101), [101]),
        (HIDDEN.key, [10, 10], ["[10, 10]"]),
        (HIDDEN.key, [[5], "[10, 10]"], ["[10, 10]", "[5]"]),
        (MIXED.key, "all", ["all"]),
        (MIXED.key, 50, [50]),
        (MIXED.key, "50", [50]),
    ],
)  # fmt: skip
def test_selected_values(key, selector, expected):
    assert values(key, selector) == tuple(expected)


@pytest.mark.parametrize(
    ("key", "selector", "path", "text"),
    [
        ("model.nrm", "none", (), "not swept, expected one of .*; did you mean 'model.norm'"),
        (STD.key, 0.15, (), "no value of the axis, expected one of 1, 0.1585, .*, got 0.15$"),
        (STD.key, True, (), "no value of the axis, .* got true"),
        (STD.key, [1, 3], (1,), "no value of the axis, .* got 3"),
        (STD.key, {"at_least": 2}, (), "no value of the axis, expected some of .* got at_least 2"),
        (STD.key, {}, (), "no range, expected at_least, at_most or both"),
        (STD.key, {"at_least": 2, "at_most": 1}, (), "an empty range"),
        (NORM.key, {"at_least": 2}, (), "no range of it, .* got a range"),
        (NORM.key, "batch", (), "several values of the axis, expected one of batch dialect=book, "),
        (NORM.key, {"kind": "batch", "eps": 0.001}, (), "several values of the axis"),
        (NORM.key, {"kind": "layer", "eps": 1}, (), "no value of the axis, .*got {kind: layer, "),
        (SIZES.key, 100.5, (), "several values of the axis, expected one of 100, 101, got 100.5"),
    ],
)
def test_what_the_axis_does_not_have(key, selector, path, text):
    with pytest.raises(WhereError, match=text) as caught:
        values(key, selector)
    assert caught.value.path == (key, *path)


def test_points_have_a_selected_value_of_each_key():
    points = [{STD.key: std, BIAS.key: bias} for std in STD.values for bias in BIAS.values]
    assert select_points({}, AXES, points) == tuple(points)
    assert select_points({STD.key: [1, 0.01], BIAS.key: True}, AXES, points) == (
        {STD.key: 1.0, BIAS.key: "true"},
        {STD.key: 0.01, BIAS.key: "true"},
    )
    with pytest.raises(WhereError, match="no such points, expected a combination"):
        select_points({BIAS.key: False}, AXES, points[:1])
