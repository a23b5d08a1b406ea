"""What must hold exactly in theory: scale invariance, idle biases, folding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import ACTIVATIONS, DIALECTS, NORMS, one, small_mlp, stacked

from bnexp.nn import BatchNorm, Dense, Normal, Relu, Sequential, SoftmaxCrossEntropy

INVARIANT = BatchNorm(eps=0.0)
LABELS = np.random.default_rng(8).integers(0, 4, (2, 20))
X = np.random.default_rng(9).standard_normal((2, 20, 6))


def gradients(network, parameters, state):
    """Loss by network, (K,), and the gradients of every layer."""
    loss = SoftmaxCrossEntropy()
    logits, caches, _ = network.forward(parameters, state, X, train=True)
    losses, probabilities = loss.per_sample(logits, LABELS)
    made = network.backward(parameters, caches, loss.gradient(probabilities, LABELS))
    return losses.mean(axis=-1), made


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scale", [1e-3, 0.5, 1e4])
def test_batch_norm_undoes_the_scale_of_the_weights(activation, scale):
    """Section 3.3: BN(aWu) = BN(Wu), and the gradient with respect to aW is 1/a times."""
    network = small_mlp(INVARIANT, activation, bias=False)
    parameters, state = stacked(network, 2, (6,))
    scaled = [{n: w * scale if n == "W" else w for n, w in p.items()} for p in parameters[:-1]]
    loss, before = gradients(network, parameters, state)
    after_loss, after = gradients(network, [*scaled, parameters[-1]], state)
    np.testing.assert_allclose(after_loss, loss, rtol=1e-13)
    for g, h in zip(before[:-1], after[:-1], strict=True):
        for name in g:
            factor = scale if name == "W" else 1
            np.testing.assert_allclose(factor * h[name], g[name], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_weights_before_batch_norm_are_orthogonal_to_their_gradients(activation):
    """So gradient flow cannot shorten them: <W, dL/dW> = 0 for each unit."""
    network = small_mlp(INVARIANT, activation)
    parameters, state = stacked(network, 2, (6,))
    _, made = gradients(network, parameters, state)
    for i in (0, 3):
        w, g = parameters[i]["W"], made[i]["W"]
        inner = (w * g).sum(axis=1)
        assert np.linalg.norm(g, axis=1).min() > 1e-6
        assert np.abs(inner).max() < 1e-13
    output = (parameters[-1]["W"] * made[-1]["W"]).sum(axis=1)
    assert np.abs(output).max() > 1e-3  # no normalizer, no such law


@pytest.mark.parametrize("name", NORMS)
def test_a_bias_before_batch_norm_has_no_gradient(name):
    """Section 3.2: its effect is cancelled by the mean's subtraction."""
    network = small_mlp(NORMS[name])
    parameters, state = stacked(network, 2, (6,))
    _, made = gradients(network, parameters, state)
    for i in (0, 3):
        assert np.abs(made[i]["b"]).max() < 1e-14
        assert np.abs(made[i]["W"]).max() > 1e-3
    assert np.abs(made[-1]["b"]).max() > 1e-3


def test_a_bias_before_batch_norm_changes_nothing():
    network = small_mlp(BatchNorm())
    parameters, state = stacked(network, 2, (6,))
    shifted = [{n: w + 3.0 if n == "b" else w for n, w in p.items()} for p in parameters[:-1]]
    loss, _ = gradients(network, parameters, state)
    moved, _ = gradients(network, [*shifted, parameters[-1]], state)
    np.testing.assert_allclose(moved, loss, rtol=1e-12)


def test_the_gradient_norm_theorem_of_santurkar():
    """Theorem 4.1, an equality for one layer: with g = dL/dy for y = BN(x) and xhat,

    |dL/dx|^2 = gamma^2 / sigma^2 (|g|^2 - <1, g>^2 / m - <g, xhat>^2 / m).
    """
    x, g = np.random.default_rng(1).standard_normal((2, 1, 50, 4))
    parameters = {"gamma": np.full((1, 1, 4), 1.7), "beta": np.zeros((1, 1, 4))}
    y, cache, _ = INVARIANT.forward(parameters, INVARIANT.init(None, (4,))[2], x, train=True)
    dx, _ = INVARIANT.backward(parameters, cache, g)
    xhat = y / 1.7
    inner = (g**2).sum(1) - g.sum(1) ** 2 / 50 - (g * xhat).sum(1) ** 2 / 50
    np.testing.assert_allclose((dx**2).sum(1), 1.7**2 / x.var(1) * inner, rtol=1e-12)


def trained_state(network, k):
    """Parameters that are no longer 1 and 0, and the state after some batches."""
    parameters, state = stacked(network, k, (6,))
    random = np.random.default_rng(4)
    parameters = [{n: w + random.normal(0, 0.3, w.shape) for n, w in p.items()} for p in parameters]
    for x in random.standard_normal((4, k, 20, 6)):
        _, _, state = network.forward(parameters, state, x, train=True)
    return parameters, state


@pytest.mark.parametrize("evaluation", ["running", "debiased", "population", "batch"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", NORMS)
def test_folding_gives_the_evaluated_network(name, bias, evaluation):
    network = small_mlp(replace(NORMS[name], evaluation=evaluation), bias=bias)
    parameters, state = trained_state(network, 2)
    expected, _, _ = network.forward(parameters, state, X, train=False)
    folded, merged, states = network.folded(parameters, state)
    made, _, _ = folded.forward(merged, states, X, train=False)
    np.testing.assert_allclose(made, expected, rtol=1e-12, atol=1e-12)
    merges = evaluation != "batch"
    assert len(folded.layers) == (5 if merges else 7)
    kept = any(isinstance(layer, BatchNorm) for layer in folded.layers)
    assert kept != merges


def test_folding_leaves_what_does_not_follow_a_dense_layer():
    network = Sequential((BatchNorm(), Relu(), Dense(3, Normal(1.0)), Relu(), BatchNorm()))
    parameters, state = trained_state(network, 2)
    folded, merged, states = network.folded(parameters, state)
    assert [type(layer) for layer in folded.layers] == [type(layer) for layer in network.layers]
    expected, _, _ = network.forward(parameters, state, X, train=False)
    made, _, _ = folded.forward(merged, states, X, train=False)
    np.testing.assert_array_equal(made, expected)


def test_folding_leaves_its_arguments():
    network = small_mlp(DIALECTS["book"])
    parameters, state = trained_state(network, 2)
    before = [one(tuple(parameters), k) for k in range(2)]
    network.folded(parameters, state)
    after = [one(tuple(parameters), k) for k in range(2)]
    np.testing.assert_equal(after, before)


@pytest.mark.parametrize("first", ["dense", "norm", "activation"])
def test_backward_skips_nothing_but_the_networks_input(first):
    """The first layer's parameters get their gradients, whatever layer it is."""
    dense = (Dense(6, Normal(1.0)),)
    layers = {"dense": (), "norm": (BatchNorm(),), "activation": (Relu(),)}[first]
    network = Sequential((*layers, *dense, Relu(), Dense(4, Normal(1.0))))
    parameters, state = stacked(network, 2, (6,))
    _, made = gradients(network, parameters, state)
    assert [sorted(g) for g in made] == [sorted(p) for p in parameters]
    assert all(np.abs(g).max() > 0 for layer in made for g in layer.values())
