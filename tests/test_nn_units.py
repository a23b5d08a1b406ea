"""Dense layers, activations and the loss against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numeric_cases import layer_start

from bnexp.nn import ACTIVATIONS, Dense, Normal, Relu, Sigmoid, SoftmaxCrossEntropy, Tanh
from bnexp.nn.activations import Elu, Gelu, Identity, LeakyRelu


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_dense_is_one_product_a_network():
    layer = Dense(4, Normal(1.0))
    parameters, state = layer_start(layer, 3, (5,))
    x, dy = drawn(3, 6, 5), drawn(3, 6, 4, seed=1)
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    dx, gradients = layer.backward(parameters, cache, dy)
    for k in range(3):
        w, b = parameters["W"][k], parameters["b"][k]
        np.testing.assert_allclose(y[k], [[sum(r * c) for c in w.T] for r in x[k]] + b, rtol=1e-12)
        np.testing.assert_allclose(dx[k], dy[k] @ w.T, rtol=1e-12)
        outer = sum(np.outer(a, b) for a, b in zip(x[k], dy[k], strict=True))
        np.testing.assert_allclose(gradients["W"][k], outer, rtol=1e-12)
        np.testing.assert_allclose(gradients["b"][k, 0], sum(dy[k]), rtol=1e-12)


def test_dense_shares_one_batch_between_networks():
    layer = Dense(4, Normal(1.0))
    parameters, state = layer_start(layer, 3, (5,))
    x, dy = drawn(1, 6, 5), drawn(3, 6, 4, seed=1)
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    repeated, full, _ = layer.forward(parameters, state, np.repeat(x, 3, axis=0), train=True)
    np.testing.assert_array_equal(y, repeated)
    shared, alone = (layer.backward(parameters, made, dy)[1] for made in (cache, full))
    np.testing.assert_array_equal(shared["W"], alone["W"])


def tanh(x):
    return (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1)


FORMULAS = {
    Sigmoid(): lambda x: 1 / (1 + math.exp(-x)),
    Tanh(): tanh,
    Relu(): lambda x: x if x > 0 else 0,
    LeakyRelu(): lambda x: x if x > 0 else 0.01 * x,
    LeakyRelu(0.3): lambda x: x if x > 0 else 0.3 * x,
    Elu(): lambda x: x if x > 0 else math.exp(x) - 1,
    Elu(2.5): lambda x: x if x > 0 else 2.5 * (math.exp(x) - 1),
    Gelu(): lambda x: x / 2 * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    Identity(): lambda x: x,
}


@pytest.mark.parametrize("layer", FORMULAS, ids=repr)
def test_activations(layer):
    x = 3 * drawn(2, 5, 4)
    y, _, _ = layer.forward({}, {}, x, train=True)
    expected = [[[FORMULAS[layer](v) for v in row] for row in rows] for rows in x]
    np.testing.assert_allclose(y, expected, rtol=1e-13, atol=1e-15)


def test_every_activation_of_the_package_is_tested():
    assert {ACTIVATIONS[name] for name in ACTIVATIONS.builtin} == {type(a) for a in FORMULAS}


def test_gelu_is_near_its_definition():
    """x P(Z < x); the tanh form is off by less than 0.0005."""
    x = np.linspace(-6, 6, 241).reshape(1, 1, -1)
    y, _, _ = Gelu().forward({}, {}, x, train=True)
    definition = [v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in x[0, 0]]
    assert 1e-4 < np.abs(y[0, 0] - definition).max() < 5e-4


LIMITS = {  # at -1e4, -750, 0, 750 and 1e4: the value, and the slope
    Sigmoid(): ([0, 0, 0.5, 1, 1], [0, 0, 0.25, 0, 0]),
    Tanh(): ([-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
    Relu(): ([0, 0, 0, 750, 1e4], [0, 0, 0, 1, 1]),
    LeakyRelu(0.5): ([-5e3, -375, 0, 750, 1e4], [0.5, 0.5, 0.5, 1, 1]),
    Elu(2.0): ([-2, -2, 0, 750, 1e4], [0, 0, 2, 1, 1]),
    Gelu(): ([0, 0, 0, 750, 1e4], [0, 0, 0.5, 1, 1]),
    Identity(): ([-1e4, -750, 0, 750, 1e4], [1, 1, 1, 1, 1]),
}


@pytest.mark.parametrize("layer", LIMITS, ids=repr)
def test_activations_at_their_limits(layer):
    x = np.array([[[-1e4, -750.0, 0.0, 750.0, 1e4]]])
    y, cache, _ = layer.forward({}, {}, x, train=True)
    dx, _ = layer.backward({}, cache, np.ones_like(x))
    np.testing.assert_array_equal(y[0, 0], LIMITS[layer][0])
    np.testing.assert_array_equal(dx[0, 0], LIMITS[layer][1])


def test_loss_is_the_naive_log_softmax():
    logits, labels = drawn(3, 6, 5), np.array([[0, 4, 2, 2, 1, 3]])
    losses, probabilities = SoftmaxCrossEntropy().per_sample(logits.copy(), labels)
    gradient = SoftmaxCrossEntropy().gradient(probabilities.copy(), labels)
    for k in range(3):
        for n, label in enumerate(labels[0]):
            p = np.exp(logits[k, n]) / sum(np.exp(logits[k, n]))
            np.testing.assert_allclose(probabilities[k, n], p, rtol=1e-13)
            np.testing.assert_allclose(losses[k, n], -np.log(p[label]), rtol=1e-12)
            np.testing.assert_allclose(gradient[k, n], (p - np.eye(5)[label]) / 6, atol=1e-15)


def test_loss_with_labels_of_each_network():
    logits, labels = drawn(3, 6, 5), np.random.default_rng(1).integers(0, 5, (3, 6))
    losses, probabilities = SoftmaxCrossEntropy().per_sample(logits, labels)
    for k in range(3):
        alone, p = SoftmaxCrossEntropy().per_sample(logits[k : k + 1], labels[k : k + 1])
        np.testing.assert_array_equal(losses[k], alone[0])
        gradient = SoftmaxCrossEntropy().gradient(probabilities.copy(), labels)
        own = SoftmaxCrossEntropy().gradient(p, labels[k : k + 1])
        np.testing.assert_array_equal(gradient[k], own[0])


def test_loss_of_large_logits_is_exact():
    """log(1 + exp(-1000)) = 0 and -log(exp(-1000)) = 1000, without overflow or log(0)."""
    logits = np.array([[[1000.0, 0.0], [1000.0, 0.0]]])
    losses, _ = SoftmaxCrossEntropy().per_sample(logits, np.array([[0, 1]]))
    np.testing.assert_array_equal(losses, [[0.0, 1000.0]])


def test_loss_leaves_the_logits():
    logits = drawn(1, 3, 4)
    before = logits.copy()
    SoftmaxCrossEntropy().per_sample(logits, np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(logits, before)
