"""Batch norm's statistics at evaluation: running, debiased, and those of the population."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import DIALECTS, NORMS, images, layer_start, small_mlp, stacked

from bnexp.nn import BatchNorm
from bnexp.training.evaluate import POPULATION_BATCHES, evaluation_state


def batches(number, k=2, n=6, features=3, seed=0):
    return 3 * np.random.default_rng(seed).standard_normal((number, k, n, features)) + 2


def running(norm, seen):
    """The state after training passes over `seen`."""
    parameters, state = layer_start(norm, seen.shape[1], seen.shape[3:])
    for x in seen:
        _, _, state = norm.forward(parameters, state, x, train=True)
    return parameters, state


@pytest.mark.parametrize("name", NORMS)
def test_running_statistics(name):
    """decay^t init + (1 - decay) sum_i decay^(t - 1 - i) value_i, after t = 7 batches."""
    norm, seen = NORMS[name], batches(7)
    _, state = running(norm, seen)
    keep, t = norm.stat_decay, len(seen)
    weights = (1 - keep) * keep ** np.arange(t - 1, -1, -1)
    means = seen.mean(axis=2, keepdims=True)
    variances = seen.var(axis=2, ddof=norm.running_ddof, keepdims=True)
    expected = keep**t * norm.running_var + np.tensordot(weights, variances, 1)
    mean, var = replace(norm, evaluation="running").statistics(state)
    np.testing.assert_allclose(mean, np.tensordot(weights, means, 1), rtol=1e-13)
    np.testing.assert_allclose(var, expected, rtol=1e-13)
    np.testing.assert_allclose(state["unseen"], keep**t, rtol=1e-14)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("start", [0.0, 1.0, 7.5])
@pytest.mark.parametrize("t", [1, 2, 9])
def test_debiased_statistics(keep, start, t):
    """The weighted mean of what was seen: weights decay^age, divided by 1 - decay^t."""
    norm = BatchNorm(stat_decay=keep, running_var=start, evaluation="debiased")
    seen = batches(t)
    parameters, state = running(norm, seen)
    weights = (1 - keep) * keep ** np.arange(t - 1, -1, -1.0) / (1 - keep**t)
    mean = np.tensordot(weights, seen.mean(axis=2, keepdims=True), 1)
    var = np.tensordot(weights, seen.var(axis=2, keepdims=True), 1)
    y, _, _ = norm.forward(parameters, state, seen[0], train=False)
    expected = (seen[0] - mean) / np.sqrt(var + norm.eps)
    expected = expected * parameters["gamma"] + parameters["beta"]
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["paper", "book"])
def test_population_statistics(name):
    """Algorithm 2, lines 10 and 11: E[mu] and m/(m-1) E[var] over batches of the fixed network."""
    network = small_mlp(replace(DIALECTS[name], evaluation="population"), "tanh")
    parameters, state = stacked(network, 2, (16,))
    images_ = images(n=45)  # the last, short batch of 5 is left out
    made = evaluation_state(network, parameters, state, images_, batch_size=10)
    x, _ = images_.batch(slice(40))
    x = np.stack([x.reshape(4, 10, 16)] * 2)  # (K, batch, m, pixels)
    for layer in (0, 3):  # a dense layer, and batch norm after it
        gamma, beta = (parameters[layer + 1][n][:, None] for n in ("gamma", "beta"))
        u = x @ parameters[layer]["W"][:, None] + parameters[layer]["b"][:, None]
        mu, var = u.mean(axis=2, keepdims=True), u.var(axis=2, keepdims=True)
        mean, variance = network.layers[1].statistics(made[layer + 1])
        np.testing.assert_allclose(mean, mu.mean(axis=1), rtol=1e-12)
        np.testing.assert_allclose(variance, 10 / 9 * var.mean(axis=1), rtol=1e-12)
        x = np.tanh(gamma * (u - mu) / np.sqrt(var + network.layers[1].eps) + beta)


def test_population_statistics_take_the_first_hundred_batches():
    network = small_mlp(DIALECTS["paper"], "tanh")
    parameters, state = stacked(network, 1, (16,))
    many = images(n=2 * POPULATION_BATCHES + 30)
    made = evaluation_state(network, parameters, state, many, batch_size=2)
    expected = evaluation_state(network, parameters, state, many.first(200), batch_size=2)
    np.testing.assert_array_equal(made[1]["var"], expected[1]["var"])
    assert POPULATION_BATCHES == 100


def test_other_statistics_are_left_as_they_are():
    network = small_mlp(DIALECTS["book"])
    parameters, state = stacked(network, 1, (16,))
    assert evaluation_state(network, parameters, state, images(), batch_size=10) is state


@pytest.mark.parametrize("start", [0.0, 1.0, 100.0])
def test_debiased_statistics_in_float32(start):
    """They do not depend on initial values, so these must not cost digits, either."""
    norm = BatchNorm(stat_decay=0.99, running_var=start, evaluation="debiased", eps=1e-5)
    parameters, state = layer_start(norm, 1, (3,), "float32")
    x = (0.01 * np.random.default_rng(0).standard_normal((1, 50, 3))).astype("float32")
    with np.errstate(invalid="ignore"):  # small float32 products may raise it without cause
        _, _, state = norm.forward(parameters, state, x, train=True)
    scale, _ = norm.evaluated(parameters, state)
    expected = parameters["gamma"] / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(scale, expected, rtol=1e-6)


def test_a_constant_feature_stays_finite_when_debiased():
    norm = BatchNorm(stat_decay=0.99, running_var=100.0, evaluation="debiased")
    parameters, state = layer_start(norm, 1, (3,), "float32")
    x = np.zeros((1, 50, 3), "float32")
    with np.errstate(all="ignore"):
        for _ in range(20):
            _, _, state = norm.forward(parameters, state, x, train=True)
            assert np.all(np.isfinite(norm.forward(parameters, state, x, train=False)[0]))


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_population_statistics_do_not_depend_on_running_ones(lost):
    network = small_mlp(DIALECTS["paper"])
    parameters, state = stacked(network, 2, (16,))
    expected = evaluation_state(network, parameters, state, images(), batch_size=10)
    spoilt = [{name: s * 0 + lost for name, s in layer.items()} for layer in state]
    with np.errstate(all="ignore"):
        made = evaluation_state(network, parameters, spoilt, images(), batch_size=10)
    np.testing.assert_array_equal(made[1]["var"], expected[1]["var"])


def test_population_statistics_of_less_than_a_batch():
    """`train` asks for batches of 100 unless it is told."""
    network = small_mlp(DIALECTS["paper"])
    parameters, state = stacked(network, 2, (16,))
    made = evaluation_state(network, parameters, state, images(n=40), batch_size=100)
    expected = evaluation_state(network, parameters, state, images(n=40), batch_size=40)
    np.testing.assert_array_equal(made[1]["var"], expected[1]["var"])
