"""Mean subtraction alone, and what follows where its gradient ignores the mean."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import layer_errors
from numeric_cases import Case, bits, float_types, layer_start

import bnexp
from bnexp.nn import NORMALIZERS, SGD, Dense, Normal, Relu, Sequential, SoftmaxCrossEntropy
from bnexp.nn.normalizers import Centre

ROWS, IMAGES = (5,), (3, 4, 5)
SHAPES = pytest.mark.parametrize("shape", [ROWS, IMAGES], ids=["rows", "images"])


def batch(k, shape, n=8, seed=3):
    return 2 * np.random.default_rng(seed).standard_normal((k, n, *shape)) + 7


@SHAPES
@pytest.mark.parametrize("gradient", ["exact", "ignored"])
def test_each_unit_or_channel_has_mean_0(shape, gradient):
    layer, x = Centre(gradient), batch(2, shape)
    _, state = layer_start(layer, 2, shape)
    y, _, after = layer.forward({}, state, x, train=True)
    axes = tuple(range(1, x.ndim - 1))
    mean = x.mean(axis=axes, keepdims=True)
    np.testing.assert_allclose(y, x - mean, atol=1e-13)
    np.testing.assert_allclose(after["mean"], 0.1 * mean.reshape(2, 1, 5), rtol=1e-12)
    assert state["mean"].tolist() == np.zeros((2, 1, 5)).tolist()


@SHAPES
def test_evaluation_takes_the_running_mean(shape):
    layer = Centre(stat_decay=0.75)
    _, state = layer_start(layer, 2, shape)
    running = np.zeros((2, 5))
    for seed in range(4):
        x = batch(2, shape, seed=seed)
        _, _, state = layer.forward({}, state, x, train=True)
        running = 0.75 * running + 0.25 * x.reshape(2, -1, 5).mean(axis=1)
    np.testing.assert_allclose(state["mean"][:, 0], running, rtol=1e-12)
    x = batch(2, shape, n=1)
    y, cache, after = layer.forward({}, state, x, train=False)
    np.testing.assert_allclose(y, x - running.reshape(2, *[1] * len(shape), 5), rtol=1e-12)
    assert after is state
    dy = batch(2, shape, n=1, seed=9)
    np.testing.assert_array_equal(layer.backward({}, cache, dy)[0], dy)


@SHAPES
@pytest.mark.parametrize("k", [1, 3])
def test_the_exact_gradient(shape, k):
    _, state = layer_start(Centre(), k, shape)
    errors = layer_errors(Centre(), {}, state, batch(k, shape), np.random.default_rng(1))
    assert set(errors) == {"x"}
    assert errors["x"] < 1e-8


@SHAPES
def test_the_other_gradient_is_dy_as_it_came(shape):
    layer, x, dy = Centre("ignored"), batch(2, shape), batch(2, shape, seed=4)
    _, state = layer_start(layer, 2, shape)
    _, cache, _ = layer.forward({}, state, x, train=True)
    dx, gradients = layer.backward({}, cache, dy)
    np.testing.assert_array_equal(dx, dy)
    assert gradients == {}
    assert layer_errors(layer, {}, state, x, np.random.default_rng(1))["x"] > 0.01


@SHAPES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gradient", ["exact", "ignored"])
def test_stacked_is_alone(shape, dtype, gradient):
    case = Case(Centre(gradient), 3, 7, shape, dtype)
    together = case.step()
    assert float_types(together) == {np.dtype(dtype)}
    for k in range(3):
        single = case.step(k)
        for name in ("y", "dx", "eval"):
            assert bits(together[name][k]) == bits(single[name][0])
        assert bits(together["state"]["mean"][k]) == bits(single["state"]["mean"][0])


class Whitened:
    """u + b, centred, then a ReLU and the classes: the argument of Ioffe & Szegedy, section 2."""

    def __init__(self, gradient):
        layers = (Dense(6, Normal(0.5)), Centre(gradient), Relu(), Dense(3, Normal(0.5)))
        self.network = Sequential(layers)
        parameters, state = self.network.init(np.random.default_rng(0), (4,))
        self.parameters = [{n: a[None].copy() for n, a in p.items()} for p in parameters]
        self.state = [{n: a[None] for n, a in s.items()} for s in state]
        random = np.random.default_rng(1)
        self.x, self.labels = random.standard_normal((1, 20, 4)), random.integers(0, 3, (1, 20))

    def __call__(self):
        """Loss, logits and the bias's gradient."""
        loss = SoftmaxCrossEntropy()
        logits, caches, _ = self.network.forward(self.parameters, self.state, self.x, train=True)
        losses, probabilities = loss.per_sample(logits, self.labels)
        dy = loss.gradient(probabilities, self.labels)
        gradients = self.network.backward(self.parameters, caches, dy)
        return losses.mean(), logits, gradients[0]["b"]


def test_the_bias_gets_the_same_step_whatever_it_is_and_the_loss_stays():
    net = Whitened("ignored")
    loss, logits, db = net()
    assert np.linalg.norm(db) > 0.01
    for bias in (0.3, -40.0, 1e3):
        net.parameters[0]["b"] = np.full((1, 1, 6), bias)
        other, moved, same = net()
        np.testing.assert_allclose(moved, logits, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(same, db, rtol=1e-8)
        assert other == pytest.approx(loss, rel=1e-10)


def test_the_bias_grows_in_proportion_to_the_steps():
    net = Whitened("ignored")
    loss, _, db = net()
    sizes = []
    for step in range(1, 1001):
        current, _, gradient = net()
        b = {"b": net.parameters[0]["b"]}
        SGD().update(b, {"b": gradient}, {}, np.full((1, 1, 1), 10.0))
        assert current == pytest.approx(loss, rel=1e-9)
        if step in (10, 100, 1000):
            sizes.append(np.linalg.norm(b["b"]))
    want = 10 * np.linalg.norm(db) * np.array([10, 100, 1000])
    np.testing.assert_allclose(sizes, want, rtol=1e-6)


def test_the_exact_gradient_leaves_the_bias_alone():
    _, _, db = Whitened("exact")()
    assert np.abs(db).max() < 1e-16


def test_it_folds_into_the_layer_before_it():
    network = Sequential((Dense(6, Normal(0.5)), Centre(), Relu(), Dense(3, Normal(0.5))))
    parameters, state = network.init(np.random.default_rng(0), (4,))
    parameters = [{n: a[None] for n, a in p.items()} for p in parameters]
    state = [{n: a[None] for n, a in s.items()} for s in state]
    state[1] = {"mean": np.random.default_rng(2).standard_normal((1, 1, 6))}
    x = np.random.default_rng(1).standard_normal((1, 20, 4))
    merged, p, s = network.folded(parameters, state)
    assert len(merged.layers) == 3
    want = network.evaluated(parameters, state, x)
    np.testing.assert_allclose(merged.evaluated(p, s, x), want, rtol=1e-12, atol=1e-14)


def test_it_is_trained_from_yaml_and_only_ignoring_moves_the_biases(small):
    assert NORMALIZERS["centre"] is Centre
    config = bnexp.load_config(
        small,
        {
            "sweep.model.init.std": None,
            "sweep.model.norm": [{"kind": "centre", "gradient": g} for g in ("exact", "ignored")],
            "train.precision": "float64",
            "probes": {"read": [{"kind": "layers", "quantities": ["bias_norm"]}]},
        },
    )
    probes = bnexp.run(config).probes
    hidden = probes["layer"] < 3
    still = np.char.find(probes["model.norm"].astype(str), "exact") >= 0
    assert probes["value"][hidden & still].max() < 1e-12
    assert probes["value"][hidden & ~still].min() > 1e-3
