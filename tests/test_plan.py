"""From a sweep to cells and stacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bnexp
from bnexp.config import load_config, resolved
from bnexp.config.options import fingerprint
from bnexp.errors import ConfigError
from bnexp.sweep import make_plan, make_stacks
from bnexp.sweep.axes import value_labels
from bnexp.sweep.stacks import structure


def plan_of(path, *assignments):
    return make_plan(load_config(path, assignments=assignments))


def errors(path, *assignments):
    with pytest.raises(ConfigError) as caught:
        plan_of(path, *assignments)
    return str(caught.value)


def test_the_books_sweep_in_its_order():
    networks = make_plan(load_config("book_weight_scale")).networks
    assert len(networks) == 32
    assert [network.point["model.norm"] for network in networks] == ["batch", "none"] * 16
    scales = [network.setting.model.init.std for network in networks[::2]]
    assert scales == np.logspace(0, -4, 16).tolist()
    places = [(c.place.round, c.place.network, c.place.networks) for c in networks]
    assert places == [(i, j, 2) for i in range(16) for j in range(2)]


def test_a_grid_multiplies_and_seeds_come_last(small):
    networks = plan_of(small).networks
    assert len(networks) == 12
    assert [network.seed for network in networks] == [0, 1] * 6
    assert len({network.id for network in networks}) == 12


def test_zipped_axes_move_together(small):
    networks = plan_of(
        small,
        "sweep.model.norm=null",
        "sweep.model.init.std=null",
        "sweep.zip={train.batch_size: [10, 20], train.optimizer.lr: [0.1, 0.2]}",
    ).networks
    found = [(c.setting.train.batch_size, c.setting.train.optimizer.lr) for c in networks]
    assert found == [(10, 0.1), (10, 0.1), (20, 0.2), (20, 0.2)]


@pytest.mark.parametrize("space", ["linspace", "logspace", "geomspace"])
def test_ranges_are_numpys(small, space):
    networks = plan_of(small, f"sweep.model.init.std={{{space}: [1, 2, 5]}}").networks
    values = list(dict.fromkeys(network.point["model.init.std"] for network in networks))
    assert values == getattr(np, space)(1, 2, 5).tolist()


def drawn(path, space, key="model.init.std", *assignments):
    """The values of a random axis."""
    networks = plan_of(path, f"sweep.{key}={{{space}}}", *assignments).networks
    return list(dict.fromkeys(network.point[key] for network in networks))


@pytest.mark.slow
def test_random_values_are_spread_between_the_ends(small):
    values = np.array(drawn(small, "uniform: [0.2, 0.7, 400]"))
    assert len(values) == 400
    assert (values.min(), values.max()) == pytest.approx((0.2, 0.7), abs=0.01)
    assert values.mean() == pytest.approx(0.45, abs=4 * 0.5 / np.sqrt(12 * 400))
    powers = np.log10(drawn(small, "loguniform: [1.0e-8, 1.0e-4, 400]", "train.l2"))
    assert (powers.min(), powers.max()) == pytest.approx((-8, -4), abs=0.08)
    assert powers.mean() == pytest.approx(-6, abs=4 * 4 / np.sqrt(12 * 400))
    assert (np.diff(values) < 0).any()  # in no order
    assert np.histogram(powers, 4)[0].min() > 70


@pytest.mark.slow
def test_random_values_are_the_same_each_time_and_other_ones_for_each_key(small):
    std = drawn(small, "uniform: [0.1, 0.9, 3]")
    assert drawn(small, "uniform: [0.1, 0.9, 3]") == std
    assert drawn(small, "uniform: [0.1, 0.9, 5]")[:3] == std
    rates = drawn(small, "uniform: [0.1, 0.9, 3]", "train.optimizer.lr")
    assert not set(rates) & set(std)
    powers = drawn(small, f"loguniform: [{10**0.1}, {10**0.9}, 3]")
    np.testing.assert_allclose(np.log10(powers), std, rtol=1e-12)
    code = (
        "from bnexp.config import load_config; from bnexp.sweep import make_plan; import sys;"
        "config = load_config(sys.argv[1], assignments=sys.argv[2:]);"
        "print(*dict.fromkeys(c.point['model.init.std'] for c in make_plan(config).networks))"
    )
    command = [sys.executable, "-c", code, str(small)]
    command.append("sweep.model.init.std={uniform: [0.1, 0.9, 3]}")
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [float(value) for value in printed.split()] == std


def test_random_axes_move_together_under_zip(small):
    """Bergstra & Bengio's random search: each network its own value of every key."""
    zipped = (
        "sweep.zip={train.l2: {loguniform: [0.01, 1, 6]}, train.optimizer.lr: {uniform: [0, 1, 6]}}"
    )
    axes = ["sweep.model.norm=null", "sweep.model.init.std=null", "random.seeds=[0]"]
    networks = plan_of(small, *axes, zipped).networks
    found = [(c.setting.train.l2, c.setting.train.optimizer.lr) for c in networks]
    assert len(found) == 6
    rates = drawn(small, "uniform: [0, 1, 6]", "train.optimizer.lr")
    weights = drawn(small, "loguniform: [0.01, 1, 6]", "train.l2")
    assert found == list(zip(weights, rates, strict=True))
    uneven = zipped.replace("[0, 1, 6]", "[0, 1, 5]")
    assert "not of one length, expected as many values of each key" in errors(small, *axes, uneven)


RANDOM = "train.optimizer.lr: {loguniform: [0.01, 1, 5]}"
WITHOUT_SWEEP = ("sweep={}", "random.seeds=[0]")


def test_random_keys_are_drawn_together(small):
    """A random search: each point is a new draw of every key, crossed with what is no draw."""
    sweep = f"sweep={{{RANDOM}, model.norm: [batch, none], train.l2: {{uniform: [0, 1, 5]}}}}"
    plan = plan_of(small, *WITHOUT_SWEEP, sweep)
    rates = drawn(small, "loguniform: [0.01, 1, 5]", "train.optimizer.lr")
    weights = drawn(small, "uniform: [0, 1, 5]", "train.l2")
    found = [(n.point["train.optimizer.lr"], n.point["train.l2"]) for n in plan.networks]
    assert found[::2] == found[1::2] == list(zip(rates, weights, strict=True))
    assert len(plan.networks) == 10


def test_random_keys_are_crossed_if_one_says_so(small):
    sweep = f"sweep={{{RANDOM}, train.l2: {{uniform: [0, 1, 3], crossed: true}}}}"
    networks = plan_of(small, *WITHOUT_SWEEP, sweep).networks
    pairs = {(n.point["train.optimizer.lr"], n.point["train.l2"]) for n in networks}
    assert len(pairs) == len(networks) == 15
    third = sweep.replace("}}}", "}, train.clip_norm: {uniform: [1, 2, 5]}}")
    assert len(plan_of(small, *WITHOUT_SWEEP, third).networks) == 15


def test_random_keys_need_equally_many_draws(small):
    sweep = f"sweep={{{RANDOM}, train.l2: {{uniform: [0, 1, 3]}}}}"
    text = errors(small, *WITHOUT_SWEEP, sweep)
    assert "sweep.train.l2: random keys are drawn together, expected 5 as of train.opt" in text
    assert text.endswith("got 3; to combine each draw with each of the others, write crossed: true "
                         "beside uniform")  # fmt: skip
    zipped = f"sweep={{zip: {{{RANDOM}, train.l2: {{uniform: [0, 1, 5], crossed: true}}}}}}"
    assert "sweep.zip.train.l2.crossed: no use under zip" in errors(small, *WITHOUT_SWEEP, zipped)


def test_shipped_draws_stay_what_they_were():
    """As 10 to uniform powers, the form in which they were once written."""
    networks = make_plan(load_config("book_hyperparameters")).networks
    for key, powers in (("train.optimizer.lr", (-6, -1)), ("train.l2", (-8, -4))):
        expected = 10 ** np.random.default_rng([*key.encode()]).uniform(*powers, 30)
        assert list(dict.fromkeys(n.point[key] for n in networks)) == expected.tolist()


def test_the_written_out_experiment_draws_the_same_values(small, tmp_path):
    changes = {
        "sweep.model.init.std": {"loguniform": [0.01, 1, 4], "crossed": True},
        "sweep.zip": {"train.l2": {"uniform": [0, 1, 2]}, "data.train": [100, 200]},
    }
    config = load_config(small, changes)
    path = tmp_path / "config.yaml"
    path.write_text(resolved(config))
    assert "{loguniform: [0.01, 1.0, 4], crossed: true}" in path.read_text()
    ids = [network.id for network in make_plan(config).networks]
    assert [network.id for network in make_plan(load_config(path)).networks] == ids
    assert len(set(ids)) == len(ids) == 4 * 2 * 2 * 2


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("{uniform: [2, 1, 3]}", "std: no such range, expected "),
        ("{uniform: [2, 1, 3]}", "got ["),
        ("{uniform: [-1e308, 1e308, 3]}", "std: no such range, expected "),
        ("{loguniform: [1.0e-4, 1.0e-8, 3]}", "expected the smaller end first, got ["),
        ("{loguniform: [-4, -8, 3]}", "expected values above 0 as its ends, got [-4.0, -8.0, 3]; "),
        ("{loguniform: [-6, -2, 9]}", "from -6 to -2 write loguniform: [1.0e-06, 0.01, 9]"),
        ("{loguniform: [0, 1, 3]}", "from 0 to 1 write loguniform: [1.0, 10.0, 3]"),
        ("{loguniform: [-400, 1, 3]}", "above 0 as its ends, got [-400.0, 1.0, 3]"),
        ("{loguniform: [0.1, 1, 3], crosed: true}", "got {loguniform: [0.1, 1, 3], crosed: true}"),
        ("{geomspace: [0.1, 1, 3], crossed: true}", "expected a list of values, or linspace, logs"),
        ("{uniform: [0, 1]}", "expected a list of values, or linspace, logspace, geomspace, unif"),
        ("{uniform: [0, 1, 0]}", "expected a list of values, or linspace, logspace, geomspace"),
        ("{uniform: [0, .inf, 3]}", "expected a list of values, or linspace, logspace, geomspace"),
        ("{random: [0, 1, 3]}", "expected a list of values, or linspace, logspace, geomspace, un"),
        ("{uniform: [-2, -1, 3]}", "expected a number >= 0, got -1."),
        ("{uniform: [0, 1, 10000000]}", "too many values, expected at most 100000, got 10000000"),
    ],
)
def test_bad_random_ranges(small, space, expected):
    text = errors(small, f"sweep.model.init.std={space}")
    assert expected in text
    assert text.startswith("--set sweep.model.init.std:1:22: sweep.model.init.std")
    assert "on one side of 0" not in text


def test_random_values_of_a_key_that_wants_whole_numbers(small):
    text = errors(small, "sweep.train.batch_size={uniform: [10, 40, 3]}")
    assert "sweep.train.batch_size: not whole numbers, expected a range of whole numbers " in text
    assert text.count("\n") == 0


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("sweep.model.init.stdd=[1]", ": sweep.model.init.stdd: unknown key, expected one of kind"),
        ("sweep.model.foo=[1]", "sweep.model.foo: unknown key"),
        ("sweep.random.seeds=[1]", "not a key that can be swept, expected one under data, model"),
        ("sweep.model.init.std=[1, -1]", ":1:26: sweep.model.init.std[1]: not a valid value"),
        ("sweep.model.init.std=[1, x]", "sweep.model.init.std[1]: not a valid value"),
        ("sweep.model.init.std=[1, 1.0]", "a value twice"),
        ("sweep.model.init.std={linspace: [0, 1, 10000000]}", "too many values, expected at most"),
        ("sweep.model.init.std={linspace: [0, 1, 50000]}", "too many networks, expected at most"),
        ("sweep.model.init.std={geomspace: [0, 1, 5]}", "no such range, expected ends on one side"),
        ("sweep.train.batch_size=[50, 1]", "sweep.train.batch_size[1]: too small, expected at le"),
        ("sweep.train.batch_size.x=[1]", "expected a mapping around 'x'"),
        ("sweep.zip={model.bias: [1, 2], data.train: [1]}", "not of one length"),
        ("sweep.model.norm=[batch, {kind: batch}]", "a value twice"),
        (
            "sweep.model.norm.eps=[1.0]",
            "sweep.model.norm.eps: swept over twice, expected axes apart",
        ),
        (
            "sweep.model.init=[he]",
            "sweep.model.init.std: swept over twice, expected axes apart from",
        ),
        (
            "sweep.zip={model.norm: [layer]}",
            "sweep.zip.model.norm: swept over twice, expected axes",
        ),
        ("sweep.zip={model.init.std: [1.0]}", "got 'model.init.std' as an axis as well"),
        (
            "sweep.train.batch_size={linspace: [10, 15, 3]}",
            "got 12.5; list the values, such as [10, 12, 15]",
        ),
        (
            "sweep.model.norm=[batch, {kind: batch, dialect: book}]",
            "sweep.model.norm[1]: the same network as value 0 of it, expected another",
        ),
    ],
)
def test_bad_sweeps(small, assignment, expected):
    text = errors(small, assignment)
    assert expected in text
    assert text.startswith(("--set sweep.", str(small)))


@pytest.mark.parametrize(
    ("key", "space", "values"),
    [
        ("train.batch_size", "linspace: [10, 40, 4]", [10, 20, 30, 40]),
        ("train.batch_size", "geomspace: [3, 192, 4]", [3, 12, 48, 192]),  # 47.99999999999999
        ("train.batch_size", "geomspace: [5, 80, 3]", [5, 20, 80]),  # 20.000000000000004
        ("data.train", "geomspace: [50, 200, 3]", [50, 100, 200]),
        ("train.epochs", "logspace: [0, 2, 3]", [1, 10, 100]),
        ("train.l2", "linspace: [0, 2, 3]", [0.0, 1.0, 2.0]),
    ],
)
def test_ranges_of_whole_numbers_fit_keys_that_want_them(small, key, space, values):
    networks = plan_of(small, f"sweep.{key}={{{space}}}").networks
    found = list(dict.fromkeys(network.point[key] for network in networks))
    assert repr(found) == repr(values)


@pytest.mark.parametrize("optimizer", ["null", "sgd", "momentum"])
def test_options_of_a_bare_or_default_kind_are_swept(small, optimizer):
    given = [] if optimizer == "null" else [f"train.optimizer={optimizer}"]
    if optimizer == "null":
        small.write_text(small.read_text().replace(", optimizer: {kind: sgd, lr: 0.1}", ""))
    networks = plan_of(small, *given, "sweep.train.optimizer.lr=[0.5, 0.25]").networks
    optimizers = {(c.setting.train.optimizer.kind, c.setting.train.optimizer.lr) for c in networks}
    kind = "sgd" if optimizer == "null" else optimizer
    assert optimizers == {(kind, 0.5), (kind, 0.25)}


def test_options_without_a_kind_are_shown_at_their_axis(small):
    text = errors(small, "sweep.model.norm=null", "sweep.model.norm.eps=[1.0, 2.0]")
    assert text.startswith("--set sweep.model.norm.eps:1:1: sweep.model.norm.eps: no kind given")


def test_equal_numbers_have_equal_ids(small):
    drop = "sweep.model.norm=null"
    one, other = (
        [c.id for c in plan_of(small, drop, f"model.norm={norm}").networks]
        for norm in ("batch", "{kind: batch, ddof: 0}")
    )
    assert one == other


def test_the_books_stream_needs_networks_that_draw_alike():
    text = errors("book_weight_scale", "sweep.train.batch_size=[50, 100]")
    assert "use random.stream: independent" in text


def test_the_books_stream_lets_test_images_vary():
    assert len(plan_of("book_weight_scale", "sweep.data.test=[0, 100]").networks) == 64
    assert "sweeps what is drawn" in errors("book_weight_scale", "sweep.data.train=[500, 1000]")


def test_the_books_stream_needs_initializers_that_draw_like_randn():
    text = errors("book_weight_scale", "sweep.model.init.std=null", "model.init=orthogonal")
    assert "model.init: not in the book's code, expected normal, xavier or he" in text
    kinds = "sweep.model.init=[{kind: normal, std: 0.01}, xavier, he]"
    assert len(plan_of("book_weight_scale", "sweep.model.init.std=null", kinds).networks) == 6


def test_labels_are_short_and_tell_values_apart():
    assert value_labels([{"kind": "batch"}, "none"]) == ("batch", "none")
    assert value_labels([{"kind": "batch", "dialect": "book"}, {"kind": "batch", "eps": 1e-3}]) == (
        "batch dialect=book",
        "batch eps=0.001",
    )
    assert value_labels(["batch", {"kind": "batch", "dialect": "keras"}, "none"]) == (
        "batch",
        "batch dialect=keras",
        "none",
    )
    assert value_labels([[100], [50, 50]]) == ("[100]", "[50, 50]")
    assert value_labels([0.1, 1]) == (0.1, 1)
    small = value_labels([{"kind": "batch", "eps": 1e-5}, {"kind": "batch", "eps": 0}])
    assert small == ("batch eps=1e-05", "batch eps=0")


def test_ids_stand_for_what_numbers_depend_on_and_nothing_else(small):
    ids = [network.id for network in plan_of(small).networks]
    assert [c.id for c in plan_of(small, "title=other", "figures=[]").networks] == ids
    written_out = "sweep.model.norm=[{kind: batch, dialect: book, eps: 1e-6}, none]"
    assert [c.id for c in plan_of(small, written_out).networks] == ids
    for change in ("train.epochs=4", "data.test=10", "train.precision=float64"):
        assert not set(ids) & {c.id for c in plan_of(small, change).networks}
    more = {c.id for c in plan_of(small, "random.seeds=[1, 2]").networks}
    assert set(ids) & more == {c.id for c in plan_of(small).networks if c.seed == 1}


CONV = "kind: cnn, blocks: [{kind: conv, features: 4}]"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("hidden: [8], norm: batch", "cfed01ecdc375878d2c2"),
        ("hidden: [8], norm: {kind: batch, dialect: keras}", "4f25d466213a01d8abb7"),
        ("hidden: [8], norm: group", "75a46d2153d426c5ff64"),
        (f"{CONV}, norm: layer", "1b0c59999f3af460c8b4"),
        (f"{CONV}, norm: batch", "344365bb98b39652658f"),
        (f"{CONV}, norm: {{kind: batch, spatial: channel}}", "ea6881078e5eaad05cfb"),
        (f"{CONV}, norm: noisy_batch", "0988ba4ba876ba156c98"),
        (f"{CONV}, norm: centre", "a7815c1e55ad66d36bbf"),
    ],
)
def test_ids_stay_what_they_are(config_file, model, expected):
    """Stored results are found by them: a new option or key must not change those of networks that
    do not use it. All change with NUMERICS."""
    text = "name: pinned\ndata: {name: synthetic, train: 100, test: 0}\nmodel: {MODEL}\n"
    path = config_file(text.replace("MODEL", model) + "train: {epochs: 1, batch_size: 10}\n")
    (network,) = plan_of(path).networks
    assert network.id == expected


@pytest.mark.parametrize(
    ("default", "used"),
    [
        ("model.norm={kind: batch, average: exponential}", "model.norm.average=cumulative"),
        ("model.norm={kind: batch, freeze_after: null}", "model.norm.freeze_after=3"),
        ("model.norm={kind: batch, initial_gamma: 1.0}", "model.norm.initial_gamma=0.5"),
        ("model.norm={kind: batch, affine: true}", "model.norm.affine=scale"),
        ("train.decay_also=null", "train.decay_also=[gamma]"),
        ("train.decay_also=[]", "train.decay_also=[gamma, bias]"),
        ("train.only=null", "train.only=[gamma]"),
        ("data.label_noise=0", "data.label_noise=0.1"),
        ("train.early_stopping=null", "train.early_stopping={patience: 3}"),
    ],
)
def test_options_that_were_added_later_are_in_ids_where_they_are_used(config_file, default, used):
    path = config_file(
        "name: a\ndata: {name: synthetic, train: 100, validation: 9}\n"
        "model: {hidden: [8], norm: batch}\ntrain: {epochs: 1, batch_size: 10}\n"
    )
    plain, same, other = (plan_of(path, *sets).networks[0].id for sets in ((), (default,), (used,)))
    assert plain == same != other


def test_the_order_of_what_decays_makes_no_difference(small):
    ids = [
        {network.id for network in plan_of(small, f"train.decay_also={names}").networks}
        for names in ("[gamma, bias]", "[bias, gamma]")
    ]
    assert ids[0] == ids[1]


def test_stacks_hold_one_structure_and_every_cell_once(small):
    networks = plan_of(small, "sweep.train.optimizer.lr=[0.1, 0.2]").networks
    stacks = make_stacks(networks, workers=2)
    assert sorted(c.id for s in stacks for c in s.networks) == sorted(c.id for c in networks)
    for stack in stacks:
        assert len({structure(network.setting) for network in stack.networks}) == 1
    assert len(stacks) % 2 == 0
    rates = {network.setting.train.optimizer.lr for network in stacks[0].networks}
    assert rates == {0.1, 0.2}  # the learning rate is no structure


def test_stacks_of_a_given_size(small):
    stacks = make_stacks(plan_of(small).networks, size=4)
    assert [len(stack.networks) for stack in stacks] == [3, 3, 3, 3]
    assert stacks[0].networks[0].setting.model.norm is not None  # the costlier ones first


def test_points_after_the_end_are_refused(small):
    config = load_config(small, {"train.evaluate": [1, 13]})
    with pytest.raises(ConfigError, match="after the end, expected at most step 12, got 13"):
        bnexp.run(config)


def test_ten_thousand_cells_are_planned():
    plan = make_plan(load_config("weight_scale", {"random.seeds": list(range(312))}))
    assert len(plan.networks) == 9984
    assert sum(len(stack.networks) for stack in make_stacks(plan.networks, 2)) == 9984


TYPED = """
class Own:
    def draw(self, generator, shape):
        return [x for x in shape if x in {'a', 'b'}] + [%s]
"""


def typed(number, name="typed_at_a_prompt"):
    """A class whose text cannot be read again."""
    space = {"__name__": name}
    exec(TYPED % number, space)
    return space["Own"]


def test_a_class_without_readable_text_is_known_by_its_bytecode():
    one = fingerprint(typed(1))
    assert one == fingerprint(typed(1))
    assert one.startswith("typed_at_a_prompt.Own ")
    assert one != fingerprint(typed(2))


@pytest.mark.slow
def test_the_bytecode_of_a_class_is_the_same_in_every_process():
    code = "from tests.test_plan import typed, fingerprint; print(fingerprint(typed(1)))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert found == {fingerprint(typed(1))}


def test_all_wrong_values_of_a_sweep_are_named_at_once(config_file):
    path = config_file(
        "name: wrong\ndata: {name: synthetic}\nmodel: {hidden: [4]}\n"
        "train: {epochs: 1, batch_size: 8}\n"
        "sweep:\n"
        "  model.init: [he, {kind: normal, std: -1}]\n"
        "  model.norm: [{kind: batch, epss: 1}, none, {kind: batch, eps: x}]\n"
    )
    with pytest.raises(bnexp.ConfigError) as caught:
        make_plan(bnexp.load_config(path))
    assert [line.partition("yaml:")[2][:40] for line in str(caught.value).splitlines()] == [
        "6:40: sweep.model.init[1].std: not a valid"[:40],
        "7:30: sweep.model.norm[0].epss: unknown key"[:40],
        "7:65: sweep.model.norm[2].eps: not a valid"[:40],
    ]


@pytest.mark.parametrize(
    ("sweep", "end"),
    [
        ("{norm: [batch, none]}", "got 'norm'; did you mean 'model.norm'?"),
        ("{model.init.std: {geomspace: [0, 1, 4]}}", "one side of 0, got [0.0, 1.0, 4]"),
    ],
)
def test_beginners_sweeps_are_answered_with_what_to_write(small, sweep, end):
    with pytest.raises(bnexp.ConfigError) as caught:
        make_plan(bnexp.load_config(small, assignments=[f"sweep={sweep}"]))
    assert str(caught.value).endswith(end)


def test_an_option_is_swept_of_a_kind_that_the_file_names(config_file):
    path = config_file(
        "name: x\ndata: {name: synthetic}\nmodel: {hidden: [4]}\n"
        "train: {epochs: 1, batch_size: 8}\nsweep: {model.init.std: [0.1, 1]}\n"
    )
    with pytest.raises(bnexp.ConfigError) as caught:
        make_plan(bnexp.load_config(path))
    assert str(caught.value).endswith(
        "yaml:5:9: sweep.model.init.std: no kind given that has std, expected model.init: "
        "{kind: NAME, ...} in the file"
    )


def test_a_range_with_fractions_is_refused_only_for_keys_of_whole_numbers(small):
    axes = [
        "sweep.train.batch_size={geomspace: [2, 16, 4]}",
        "sweep.train.l2={linspace: [-1, 0, 2]}",
    ]
    text = errors(small, *axes)
    assert "sweep.train.l2[0]: not a valid value, expected a number >= 0" in text
    assert "batch_size" not in text
    text = errors(small, "sweep.zip={data.train: {linspace: [61.5, 70, 2]}, train.l2: [0, 1]}")
    assert "sweep.zip.data.train: not whole numbers" in text
    assert text.endswith("got 61.5; list the values, such as [62, 70]")
