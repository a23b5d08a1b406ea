"""What stands between a gradient and its step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import bnexp
from bnexp import nn
from bnexp.execution.task import Task, dataset, train_networks, train_task
from bnexp.nn.optimizers import SCHEDULES, Constant, Cosine, StepDecay
from bnexp.training.update import Adjustments, clip, update

K = 3
LR = np.array([0.1, 0.2, 0.4])[:, None, None]


@pytest.fixture
def layers():
    """Parameters and gradients of two layers of K networks."""
    random = np.random.default_rng(0)
    shapes = ({"W": (K, 4, 5), "b": (K, 1, 5)}, {"gamma": (K, 1, 5), "beta": (K, 1, 5)})
    return tuple(
        [{name: random.standard_normal(shape) for name, shape in layer.items()} for layer in shapes]
        for _ in range(2)
    )


def updated(layers, adjustments, at=(1, 10)):
    parameters, gradients = ([{n: a.copy() for n, a in p.items()} for p in part] for part in layers)
    moments = [nn.SGD().init(p) for p in parameters]
    update(adjustments, nn.SGD(), LR, parameters, gradients, moments, at)
    return parameters


def test_without_adjustments_it_is_the_optimizers_step(layers):
    made = updated(layers, Adjustments())
    for p, g, new in zip(*layers, made, strict=True):
        for name in p:
            np.testing.assert_array_equal(new[name], p[name] - g[name] * LR)


def test_an_optimizer_that_returns_no_state_is_named(layers):
    class Forgetful:
        def update(self, parameters, gradients, state, lr):
            for name, gradient in gradients.items():
                parameters[name] = parameters[name] - lr * gradient

    parameters, gradients = ([{**layer} for layer in part] for part in layers)
    states = [{}] * len(parameters)
    with pytest.raises(TypeError, match=r"^optimizer Forgetful: update: expected the new state"):
        update(Adjustments(), Forgetful(), LR, parameters, gradients, states, (1, 10))


def test_l2_is_the_gradient_of_the_books_penalty_on_weights_only(layers):
    made = updated(layers, Adjustments(l2=0.3))
    (dense, norm), (dense_gradient, norm_gradient) = layers
    expected = dense["W"] - LR * (dense_gradient["W"] + 0.3 * dense["W"])
    np.testing.assert_allclose(made[0]["W"], expected, rtol=1e-13)
    for name in ("gamma", "beta"):
        np.testing.assert_array_equal(made[1][name], norm[name] - norm_gradient[name] * LR)
    np.testing.assert_array_equal(made[0]["b"], dense["b"] - dense_gradient["b"] * LR)


def test_weight_decay_stands_apart_from_the_gradient(layers):
    made = updated(layers, Adjustments(weight_decay=0.3, clip_norm=1e-9))
    dense = layers[0][0]
    np.testing.assert_allclose(made[0]["W"], dense["W"] * (1 - LR * 0.3), rtol=1e-8)
    np.testing.assert_allclose(made[0]["b"], dense["b"], rtol=1e-8)


def norms(gradients):
    arrays = [
        np.concatenate([g[k].ravel() for p in gradients for g in p.values()]) for k in range(K)
    ]
    return np.array([np.linalg.norm(array) for array in arrays])


def test_a_long_gradient_is_clipped_for_each_network_alone(layers):
    gradients = [{n: g.copy() for n, g in p.items()} for p in layers[1]]
    for layer in gradients:
        for g in layer.values():
            g[1] *= 1e-3
    before = norms(gradients)
    kept = gradients[0]["W"][1].copy()
    clip(gradients, 0.5)
    assert before[1] < 0.5 < min(before[0], before[2])
    np.testing.assert_allclose(norms(gradients), np.minimum(before, 0.5), rtol=1e-12)
    np.testing.assert_array_equal(gradients[0]["W"][1], kept)


def test_a_gradient_of_zero_stays_zero():
    gradients = [{"W": np.zeros((1, 2, 2), np.float32)}]
    clip(gradients, 1.0)
    assert gradients[0]["W"].dtype == np.float32
    np.testing.assert_array_equal(gradients[0]["W"], 0)


def test_schedules():
    assert [Constant().factor(t, 10) for t in (1, 5, 10)] == [1, 1, 1]
    assert [Constant(warmup=3).factor(t, 10) for t in (1, 2, 3, 4, 5)] == [0.25, 0.5, 0.75, 1, 1]
    steps = StepDecay(every=2, gamma=0.1)
    np.testing.assert_allclose(
        [steps.factor(t, 9) for t in (1, 2, 3, 4, 5)], [1, 1, 0.1, 0.1, 0.01]
    )
    cosine = Cosine(end=0.2)
    assert cosine.factor(1, 100) == 1
    assert math.isclose(cosine.factor(51, 100), 0.6)
    assert cosine.factor(100, 100) == pytest.approx(0.2, abs=1e-3)


def test_every_schedule_of_the_package_is_tested():
    tested = {Constant, StepDecay, Cosine}
    assert {SCHEDULES[name] for name in SCHEDULES.builtin} == tested


def test_the_schedule_is_a_factor_on_the_learning_rate(layers):
    made = updated(layers, Adjustments(schedule=StepDecay(every=1, gamma=0.5)), at=(3, 10))
    dense, gradient = layers[0][0], layers[1][0]
    np.testing.assert_allclose(made[0]["W"], dense["W"] - LR * 0.25 * gradient["W"], rtol=1e-13)


ALL = {
    "train.l2": 1e-3,
    "train.weight_decay": 1e-2,
    "train.clip_norm": 0.5,
    "train.schedule": {"kind": "cosine", "warmup": 2},
    "model.dropout": {"ratio": 0.2},
}


def test_what_decays_besides_weights_is_in_the_configuration(small):
    """Batch norm's gamma shrinks only if it is named."""

    def gamma(**changes):
        changes = {"train.weight_decay": 5.0, "sweep.model.norm": ["batch"], **changes}
        (stack,) = bnexp.sweep.make_stacks(
            bnexp.sweep.make_plan(bnexp.load_config(small, changes)).networks[:1]
        )
        trained = train_networks(stack.networks, dataset("synthetic", None))
        return np.abs(trained.history.parameters[1]["gamma"]).mean()

    assert gamma(**{"train.decay_also": ["gamma"]}) < 0.5 < gamma()
    assert gamma(**{"train.decay_also": ["bias", "beta"]}) > 0.5


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"])
def test_stacked_is_alone_with_every_adjustment_and_optimizer(small, optimizer):
    changes = {**ALL, "train.optimizer": optimizer, "sweep.model.init.std": [0.3, 0.01]}
    config = bnexp.load_config(small, changes)
    tasks = [
        bnexp.sweep.make_stacks(bnexp.sweep.make_plan(config).networks, size=s) for s in (1, 4)
    ]
    made = []
    for stacks in tasks:
        records = [r for s in stacks for r in train_task(Task(s.networks))]
        made.append({r.cell: repr(r.metrics) for r in records})
    assert made[0] == made[1]
    assert len(made[0]) == 8
    assert "nan" not in str(made)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.l2", -1, "a number >= 0, got -1"),
        ("train.clip_norm", 0, "a number > 0, got 0"),
        ("train.schedule", "linear", f"one of {', '.join(SCHEDULES)}, got 'linear'"),
        ("train.schedule", {"kind": "step", "every": 0}, "a number >= 1, got 0"),
        ("model.dropout", {"ratio": 1}, "a number < 1, got 1"),
        (
            "model.dropout",
            {"ratio": 0.1, "scale": "book"},
            "'inverted' or 'evaluation', got 'book'",
        ),
    ],
)
def test_bad_values(small, key, value, expected):
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.load_config(small, {key: value})
    assert expected in str(caught.value)


@pytest.mark.parametrize("only", [("weights",), ("bias",), ("bias", "weights")])
def test_only_what_is_named_is_trained_decayed_and_clipped(layers, only):
    names = {"weights": "W", "bias": "b"}
    trained = {names[name] for name in only}
    adjustments = Adjustments(l2=0.1, weight_decay=0.2, clip_norm=0.5, decay_also=("bias",))
    made = updated(layers, replace(adjustments, only=only))
    # The same parameters without the others: all that is computed is of those that are trained.
    parts = [[{n: a for n, a in p.items() if n in trained} for p in part] for part in layers[:2]]
    alone = updated((*parts, *layers[2:]), adjustments)
    for before, after, part in zip(layers[0], made, alone, strict=True):
        for name, array in after.items():
            np.testing.assert_array_equal(array, part.get(name, before[name]))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_parameters_that_are_not_trained_stay_as_they_were_drawn(small, optimizer, tmp_path):
    """Frankle et al. 2021: gamma and beta alone."""
    changes = {
        "train.only": ["gamma", "beta"],
        "train.optimizer": {"kind": optimizer, "lr": 0.01},
        "sweep.model.init.std": None,
        "sweep.model.norm": None,
        "model.norm": "batch",
    }
    model = bnexp.fit(bnexp.load_config(small, changes), seed=0)
    start = bnexp.fit(bnexp.load_config(small, {**changes, "train.epochs": 1}), seed=0)
    for after, before in zip(model.parameters, start.parameters, strict=True):
        for name, array in after.items():
            same = np.array_equal(array, before[name])
            assert same == (name in ("W", "b")), name


def test_nothing_to_train_is_refused(small):
    config = bnexp.load_config(small, {"train.only": ["gamma"], "sweep.model.norm": ["none"]})
    with pytest.raises(bnexp.ConfigError, match=r"train\.only: nothing to train, .*got gamma"):
        bnexp.run(config)
