"""Dense layers, activations, the loss, initialisers and optimisers against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numeric_cases import layer_start

from bnexp.nn import (
    INITIALISERS,
    OPTIMISERS,
    SGD,
    Dense,
    Glorot,
    He,
    Momentum,
    Normal,
    Relu,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    Xavier,
    mlp,
)


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
    shared, alone = layer.gradients(cache, dy), layer.gradients(full, dy)
    np.testing.assert_array_equal(shared["W"], alone["W"])


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (Tanh(), lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
        (Relu(), lambda x: np.where(x > 0, x, 0)),
    ],
)
def test_activations(layer, formula):
    x = 3 * drawn(2, 5, 4)
    y, _, _ = layer.forward({}, {}, x, train=True)
    np.testing.assert_allclose(y, formula(x), rtol=1e-13, atol=1e-15)


def test_activations_at_their_limits():
    x = np.array([[[-1e4, -750.0, 0.0, 750.0, 1e4]]])
    made = {layer: layer.forward({}, {}, x, train=True) for layer in (Sigmoid(), Tanh(), Relu())}
    ends = {Sigmoid(): [0, 0, 0.5, 1, 1], Tanh(): [-1, -1, 0, 1, 1], Relu(): [0, 0, 0, 750, 1e4]}
    slopes = {Sigmoid(): [0, 0, 0.25, 0, 0], Tanh(): [0, 0, 1, 0, 0], Relu(): [0, 0, 0, 1, 1]}
    for layer, (y, cache, _) in made.items():
        np.testing.assert_array_equal(y[0, 0], ends[layer])
        np.testing.assert_array_equal(
            layer.backward({}, cache, np.ones_like(x))[0][0, 0], slopes[layer]
        )


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


VARIANCES = {
    Normal(0.03): lambda fan_in, fan_out: 0.03**2,
    Xavier(): lambda fan_in, fan_out: 1 / fan_in,
    Glorot(): lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    He(): lambda fan_in, fan_out: 2 / fan_in,
}


@pytest.mark.parametrize("initialiser", VARIANCES, ids=repr)
@pytest.mark.parametrize("fans", [(600, 200), (200, 600)])
def test_initialisers(initialiser, fans):
    """Mean and variance within 4.5 standard errors: 2 % of the variance, the fans differ by 3."""
    layer = Dense(fans[1], initialiser)
    shape, parameters, _ = layer.init(np.random.default_rng(0), fans[:1])
    w = parameters["W"]
    assert shape == fans[1:]
    assert w.shape == fans
    variance = VARIANCES[initialiser](*fans)
    assert abs(w.mean()) < 4.5 * np.sqrt(variance / w.size)
    assert w.var() == pytest.approx(variance, rel=4.5 * np.sqrt(2 / w.size))
    assert (w**4).mean() / w.var() ** 2 == pytest.approx(3, rel=0.05)  # Gaussian, not uniform
    np.testing.assert_array_equal(parameters["b"], np.zeros((1, fans[1])))


def test_every_initialiser_and_optimiser_of_the_package_is_tested():
    assert INITIALISERS.builtin == {"normal", "xavier", "glorot", "he"}
    assert OPTIMISERS.builtin == {"sgd", "momentum"}


def test_networks_of_one_generator_differ_by_their_scale_alone():
    """Sweeping the weight scale is paired: the same draws, multiplied."""
    small, large = (
        mlp((5, 3), Relu(), None, [Normal(std)] * 2).init(np.random.default_rng(3), (4,))[0]
        for std in (0.01, 0.25)
    )
    np.testing.assert_allclose(25 * small[0]["W"], large[0]["W"], rtol=1e-15)
    np.testing.assert_allclose(25 * small[2]["W"], large[2]["W"], rtol=1e-15)


def test_a_weight_scale_for_each_layer():
    network = mlp((300, 200, 10), Relu(), None, [Normal(0.5), Normal(0.02), Normal(3.0)])
    parameters, _ = network.init(np.random.default_rng(0), (400,))
    stds = [p["W"].std() for p in parameters if p]
    np.testing.assert_allclose(stds, [0.5, 0.02, 3.0], rtol=0.05)


RATES = np.array([0.1, 0.5, 2.0])[:, None, None]


def updates(optimiser, start, gradients):
    """Parameters after each of the gradients in turn; networks have learning rates of their own."""
    parameters = {"w": start.copy()}
    state = optimiser.init(parameters)
    for g in gradients:
        state = optimiser.update(parameters, {"w": g.copy()}, state, RATES)
        yield parameters["w"].copy()


def test_sgd():
    w, gradients = drawn(3, 2, 4), drawn(5, 3, 2, 4, seed=1)
    for g, made in zip(gradients, updates(SGD(), w, gradients), strict=True):
        w = w - np.array([0.1 * g[0], 0.5 * g[1], 2.0 * g[2]])
        np.testing.assert_allclose(made, w, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("keep", [0.0, 0.9])
def test_momentum(keep):
    """The book's form, unrolled: w_t = w_0 - lr sum_i g_i (1 + m + ... + m^(t - i))."""
    start, gradients = drawn(3, 2, 4), drawn(5, 3, 2, 4, seed=1)
    for t, made in enumerate(updates(Momentum(momentum=keep), start, gradients)):
        weights = [sum(keep**j for j in range(t - i + 1)) for i in range(t + 1)]
        moved = np.tensordot(weights, gradients[: t + 1], 1) * RATES
        np.testing.assert_allclose(made, start - moved, rtol=1e-13, atol=1e-13)
