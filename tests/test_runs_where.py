"""`where`: which values of the axes, and which networks, a selector means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnexp
from bnexp.claims.select import Undecidable, pair_points, plan_points
from bnexp.config.claims import Claim, Range
from bnexp.config.figures import figure_options
from bnexp.config.messages import dotted
from bnexp.figures import FigureError
from bnexp.figures.recorded import PlannedSweep
from bnexp.model import select_single_network
from bnexp.runs.tables import Axis, plan_axes
from bnexp.runs.where import WhereError, select_points, select_values
from bnexp.sweep import make_plan

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
        (STD.key, [1, {"at_most": 0.0252}], [1.0, 0.025118864315095794, 0.01]),
        (STD.key, [Range(at_least=0.5), np.float32(0.158)], [1.0, 0.15848931924611134]),
        (STD.key, np.array([0.01, 1]), [1.0, 0.01]),
        (HIDDEN.key, [[5]], ["[5]"]),
        (NORM.key, [None, "layer"], ["layer", "none"]),
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


INVALID = [
    [], [[]], [[[5]]], {"eps": 0.1}, {"at_least": "0.05"}, {"at_lest": 1}, {"at_least": math.inf},
    [{"at_most": True}], math.nan, [math.inf], [{"eps": 0.1}],
]  # fmt: skip


@pytest.mark.parametrize("selector", INVALID, ids=repr)
def test_what_no_axis_can_have(selector):
    with pytest.raises(WhereError, match="not a valid value, expected a value, a list of values"):
        values(STD.key, selector)


@pytest.mark.parametrize("where", ["batch", [1], 3])
def test_a_where_is_a_mapping(where):
    with pytest.raises(WhereError, match="not a valid value, expected a mapping, got"):
        select_values(where, AXES)


def test_values_that_look_alike_are_told_apart():
    near = Axis("data.train", (0.01, 0.0100001, 0.5))
    with pytest.raises(WhereError, match=r"expected one of 0\.01, 0\.0100001, 0\.5, got 7"):
        select_values({near.key: 7}, [near])


def test_points_have_a_selected_value_of_each_key():
    points = [{STD.key: std, BIAS.key: bias} for std in STD.values for bias in BIAS.values]
    assert select_points({}, AXES, points) == tuple(points)
    assert select_points({STD.key: [1, 0.01], BIAS.key: True}, AXES, points) == (
        {STD.key: 1.0, BIAS.key: "true"},
        {STD.key: 0.01, BIAS.key: "true"},
    )
    with pytest.raises(WhereError, match="no such points, expected a combination"):
        select_points({BIAS.key: False}, AXES, points[:1])


SWEEP = """\
name: swept
data: {name: synthetic, train: 100}
model: {hidden: [8], init: {kind: normal, std: 0.1}}
train: {epochs: 1, batch_size: 50}
sweep:
  model.init.std: [1.0, 0.158, 0.15848931924611134, 0.01]
  model.norm: [{kind: batch, dialect: book}, {kind: batch, dialect: keras}, layer, none]
  model.bias: [true, false]
"""
SCALES = [1, 1.0, 0.158, 0.1585, 0.15848931924611134, 0.01, 0.0101, "0.01", 0.5, {"at_least": 0.1}]
NORMS = ["batch", "batch dialect=book", "layer", "LAYER", "none", "rms", None]
NORM_MAPPINGS = [
    {"kind": "batch"},
    {"kind": "batch", "dialect": "keras"},
    {"kind": "layer"},
    {"kind": "batch", "dialect": "torch"},
]
NUMBERS = st.sampled_from([value for value in SCALES if isinstance(value, float)])
RANGES = st.fixed_dictionaries({}, optional={"at_least": NUMBERS, "at_most": NUMBERS})


def selectors(*values):
    single = st.sampled_from(values)
    return single | st.lists(single, min_size=1, max_size=3)


WHERES = st.fixed_dictionaries(
    {},
    optional={
        "model.init.std": selectors(*SCALES) | RANGES,
        "model.norm": selectors(*NORMS, *NORM_MAPPINGS),
        "model.bias": selectors(True, False, "true", "yes"),
        "train.epochs": st.just(1),
    },
)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    path = tmp_path_factory.mktemp("swept") / "swept.yaml"
    path.write_text(SWEEP)
    config = bnexp.load_config(path)
    return config, make_plan(config)


def chosen_by_claim(config, plan, where):
    parts = {"says": "so", "measure": "final_train_accuracy", "at_least": 0.001, "where": where}
    try:
        pairs = pair_points(Claim.model_validate(parts), plan_points(plan))
    except Undecidable as error:
        return error.path[1:], error.text
    return [dict(pair.point) for pair in pairs]


def chosen_by_figure(config, plan, where):
    axes = plan_axes(plan)
    columns = {axis.key: [n.point[axis.key] for n in plan.networks] for axis in axes}
    summary = {key: np.array(column, object) for key, column in columns.items()}
    try:
        options = figure_options("curves", where=where)
        left = options.restrict(PlannedSweep(axes, summary)).summary
    except FigureError as error:
        return error.path[1:], error.text
    return [dict(zip(left, values, strict=True)) for values in zip(*left.values(), strict=True)]


def chosen_by_fit(config, where):
    try:
        return select_single_network(config, where, None).point
    except bnexp.ConfigError as error:
        return str(error)


@pytest.mark.slow
@given(where=WHERES)
@settings(max_examples=300, deadline=None)
def test_claims_figures_and_fit_choose_the_same_networks(swept, where):
    """Or refuse the `where` for the same reason."""
    claim, figure = chosen_by_claim(*swept, where), chosen_by_figure(*swept, where)
    assert claim == figure
    if isinstance(claim, tuple):
        path, text = claim
        assert chosen_by_fit(swept[0], where) == f"fit: {dotted(path)}: {text}"
    elif len(claim) > 1:
        assert f"name one network, got {len(claim)};" in chosen_by_fit(swept[0], where)
    else:
        assert chosen_by_fit(swept[0], where) == claim[0]
