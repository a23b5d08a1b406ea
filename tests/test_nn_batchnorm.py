"""Batch norm: the book's and the paper's formulas, statistics at evaluation, and darknet's code."""

from __future__ import annotations

import re
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from numeric_cases import AFFINE, DIALECTS, EXACT, NORMS, images, layer_start, small_mlp, stacked

from bnexp.nn import BatchNorm, Sequential
from bnexp.nn.batchnorm import pixel_sums
from bnexp.training.evaluation import POPULATION_BATCHES, evaluation_state

# Batch normalization against its textbook: forward, chain rule, and its limits.


def batches(number, k=2, n=6, features=3, seed=0):
    return 3 * np.random.default_rng(seed).standard_normal((number, k, n, features)) + 2


def textbook_forward(norm, x, gamma, beta):
    """Algorithm 1, network by network and feature by feature."""
    y = np.empty_like(x)
    k, n, features = x.shape
    for i in range(k):
        for j in range(features):
            values = x[i, :, j]
            mu = sum(values) / n
            var = sum((v - mu) ** 2 for v in values) / (n - norm.ddof)
            inside = norm.eps_placement == "inside"
            root = np.sqrt(var + norm.eps) if inside else np.sqrt(var) + norm.eps
            y[i, :, j] = gamma[i, 0, j] * (values - mu) / root + beta[i, 0, j]
    return y


def textbook_backward(norm, x, gamma, dy):
    """The chain rule of section 3 of the paper, step by step; of one network, (N, H)."""
    n = len(x)
    mu = x.mean(axis=0)
    var = ((x - mu) ** 2).sum(axis=0) / (n - norm.ddof)
    if norm.eps_placement == "inside":
        root = np.sqrt(var + norm.eps)
        droot_dvar = 0.5 / np.sqrt(var + norm.eps)
    else:
        root = np.sqrt(var) + norm.eps
        droot_dvar = 0.5 / np.sqrt(var)
    xhat = (x - mu) / root
    dxhat = dy * gamma
    dvar = (dxhat * (x - mu) * -1 / root**2).sum(axis=0) * droot_dvar
    dmu = (dxhat * -1 / root).sum(axis=0) + dvar * (-2 * (x - mu)).sum(axis=0) / (n - norm.ddof)
    dx = dxhat / root + dvar * 2 * (x - mu) / (n - norm.ddof) + dmu / n
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


def affine(norm, parameters, k, features):
    ones = np.ones((k, 1, features))
    return parameters.get("gamma", ones), parameters.get("beta", 0 * ones)


@pytest.mark.parametrize("name", NORMS)
def test_forward(name):
    norm = NORMS[name]
    parameters, state = layer_start(norm, 2, (3,))
    (x,) = batches(1)
    y, _, _ = norm.forward(parameters, state, x, train=True)
    expected = textbook_forward(norm, x, *affine(norm, parameters, 2, 3))
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", EXACT)
def test_backward(name):
    norm = EXACT[name]
    parameters, state = layer_start(norm, 2, (3,))
    x, dy = batches(2)
    gamma, _ = affine(norm, parameters, 2, 3)
    _, cache, _ = norm.forward(parameters, state, x, train=True)
    dx, gradients = norm.backward(parameters, cache, dy)
    assert sorted(gradients) == AFFINE[norm.affine]
    for k in range(2):
        expected = textbook_backward(norm, x[k], gamma[k], dy[k])
        np.testing.assert_allclose(dx[k], expected[0], rtol=0, atol=1e-13)
        for name, value in zip(("gamma", "beta"), expected[1:], strict=True):
            if name in gradients:
                np.testing.assert_allclose(gradients[name][k, 0], value, rtol=1e-12, atol=1e-13)


def test_the_forward_check_of_cs231n():
    """Assignment 2, BatchNormalization.ipynb: means and deviations as the notebook prints them."""
    random = np.random.RandomState(231)
    x, w1, w2 = (random.randn(*shape) for shape in ((200, 50), (50, 60), (60, 3)))
    a = (np.maximum(0, x @ w1) @ w2)[None]
    assert [f"{v:.3f}" for v in a[0].mean(axis=0)] == ["-2.381", "-13.180", "1.918"]
    assert [f"{v:.3f}" for v in a[0].std(axis=0)] == ["27.185", "34.215", "37.686"]
    norm = DIALECTS["cs231n"]
    _, parameters, state = norm.init(random, (3,))
    y, _, _ = norm.forward(parameters, state, a, train=True)
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-14)
    np.testing.assert_allclose(y.std(axis=1), 1, atol=1e-7)
    parameters = {"gamma": np.array([[[1.0, 2.0, 3.0]]]), "beta": np.array([[[11.0, 12.0, 13.0]]])}
    y, _, _ = norm.forward(parameters, state, a, train=True)
    np.testing.assert_allclose(y[0].mean(axis=0), [11, 12, 13], rtol=1e-14)
    np.testing.assert_allclose(y[0].std(axis=0), [1, 2, 3], rtol=1e-7)


@pytest.mark.parametrize("evaluation", ["running", "debiased", "population"])
@pytest.mark.parametrize("name", NORMS)
def test_evaluation_before_any_update_uses_the_initial_values(name, evaluation):
    norm = replace(NORMS[name], evaluation=evaluation, eps=NORMS[name].eps or 1e-5)
    parameters, state = layer_start(norm, 2, (3,))
    (x,) = batches(1)
    gamma, beta = affine(norm, parameters, 2, 3)
    inside = norm.eps_placement == "inside"
    root = np.sqrt(norm.running_var + norm.eps * inside) + norm.eps * (not inside)
    y, _, _ = norm.forward(parameters, state, x, train=False)
    np.testing.assert_allclose(y, gamma * x / root + beta, rtol=1e-13)


@pytest.mark.parametrize("name", NORMS)
def test_batch_evaluation_is_the_training_forward(name):
    norm = replace(NORMS[name], evaluation="batch")
    parameters, state = layer_start(norm, 2, (3,))
    (x,) = batches(1)
    trained, _, _ = norm.forward(parameters, state, x, train=True)
    evaluated, _, after = norm.forward(parameters, state, x, train=False)
    np.testing.assert_array_equal(evaluated, trained)
    assert after is state


@pytest.mark.parametrize("name", NORMS)
def test_a_batch_of_one_gives_beta(name):
    """And leaves statistics that can be used."""
    norm = replace(NORMS[name], eps=NORMS[name].eps or 1e-6)
    parameters, state = layer_start(norm, 2, (3,))
    (x,) = batches(1, n=1)
    y, cache, after = norm.forward(parameters, state, x, train=True)
    dx, _ = norm.backward(parameters, cache, x)
    _, beta = affine(norm, parameters, 2, 3)
    np.testing.assert_array_equal(y, beta)
    if norm.gradient == "darknet_alexeyab":  # 1 / (0 + 1e-5) of dy less 1 / sqrt(0 + 1e-5) of it
        np.testing.assert_allclose(dx, parameters["gamma"] * x * (1e5 - 1e5**0.5), rtol=1e-12)
    else:
        np.testing.assert_allclose(dx, 0, atol=1e-9)
    np.testing.assert_array_equal(after["var"], state["var"] * norm.stat_decay)


# The dialects in numbers, as each program computes them.

SQUARES = 14  # the sum of squares of (1, 2, 3, 6) - 3
FIRST_STEP = {  # the last output, and the running mean and variance, after one step on (1, 2, 3, 6)
    "book": (3 / sqrt(SQUARES / 4 + 1e-6), 0.1 * 3, 0.1 * SQUARES / 4),
    "cs231n": (3 / sqrt(SQUARES / 4 + 1e-5), 0.1 * 3, 0.1 * SQUARES / 4),
    "paper": (3 / sqrt(SQUARES / 4 + 1e-5), 3, SQUARES / 3),  # the population's: that batch alone
    "pytorch": (3 / sqrt(SQUARES / 4 + 1e-5), 0.1 * 3, 0.9 + 0.1 * SQUARES / 3),
    "keras": (3 / sqrt(SQUARES / 4 + 1e-3), 0.01 * 3, 0.99 + 0.01 * SQUARES / 4),
    "tensorflow": (3 / sqrt(SQUARES / 4 + 1e-3), 0.01 * 3, 0.99 + 0.01 * SQUARES / 3),
    "flax": (3 / sqrt(SQUARES / 4 + 1e-5), 0.01 * 3, 0.99 + 0.01 * SQUARES / 4),
    "darknet": (3 / (sqrt(SQUARES / 3) + 1e-6), 0.01 * 3, 0.01 * SQUARES / 3),
    "darknet_alexeyab": (3 / sqrt(SQUARES / 3 + 1e-5), 0.1 * 3, 0.1 * SQUARES / 3),
    "darknet_fixed": (3 / (sqrt(SQUARES / 3) + 1e-6), 0.01 * 3, 0.01 * SQUARES / 3),
}


def test_every_dialect_of_the_package_is_tested():
    assert set(FIRST_STEP) == BatchNorm.DIALECTS.builtin


def test_the_help_says_whose_every_dialect_is():
    (text,) = re.findall(r"Whose the dialects are: (.*?)\.\n\n", BatchNorm.__doc__, re.DOTALL)
    assert [part.split(",")[0].strip() for part in text.split(";")] == list(FIRST_STEP)


@pytest.mark.parametrize("name", FIRST_STEP)
def test_first_step_of_a_dialect(name):
    norm, x = DIALECTS[name], np.array([1.0, 2, 3, 6]).reshape(1, 4, 1)
    parameters, state = stacked(Sequential((norm,)), 1, (1,))
    y, _, state = norm.forward(parameters[0], state[0], x, train=True)
    if norm.evaluation == "population":
        (state,) = Sequential((norm,)).population_state(parameters, (state,), [x])
    statistics = [array.item() for array in norm.statistics(state)]
    assert (y[0, -1, 0], *statistics) == pytest.approx(FIRST_STEP[name], rel=1e-13)


@pytest.mark.parametrize(("name", "adjust"), [("keras", 1), ("tensorflow", 60 / 59)])
def test_the_running_variance_of_images_in_keras_and_in_the_fused_kernel(name, adjust):
    """Keras 3 averages what `moments` returns, over N * H * W; TensorFlow's fused kernel multiplies
    it by rest_size / (rest_size - 1). Both normalize with the former."""
    norm, x = DIALECTS[name], 2 * np.random.default_rng(0).standard_normal((1, 3, 4, 5, 2)) + 1
    parameters, state = layer_start(norm, 1, (4, 5, 2))
    y, _, state = norm.forward(parameters, state, x, train=True)
    batch_mean, batch_var = x.mean(axis=(1, 2, 3)), x.var(axis=(1, 2, 3))
    mean, var = norm.statistics(state)
    np.testing.assert_allclose(mean[:, 0], 0.01 * batch_mean, rtol=1e-12)
    np.testing.assert_allclose(var[:, 0], 0.99 + 0.01 * adjust * batch_var, rtol=1e-12)
    expected = (x - batch_mean) / np.sqrt(batch_var + 1e-3)
    gamma, beta = (parameters[name].reshape(1, 1, 1, 1, 2) for name in ("gamma", "beta"))
    np.testing.assert_allclose(y, gamma * expected + beta, rtol=1e-12)


# Flax's fast variance, E[x^2] - E[x]^2.


def test_the_fast_variance_in_float32_is_the_difference_of_two_means():
    """At mean 100 and deviation 0.01 float32 has no digit of it left; centered it has all."""
    x = (100 + 0.01 * np.random.default_rng(0).standard_normal((1, 64, 5))).astype("float32")
    true = x.astype(np.float64).var(axis=1, keepdims=True)
    off = {}
    for variance in ("centered", "fast"):
        norm = BatchNorm(eps=1e-5, stat_decay=0.0, variance=variance)
        _, _, state = norm.forward(*layer_start(norm, 1, (5,), "float32"), x, train=True)
        off[variance] = np.abs(state["var"] / true - 1).max()
        assert state["var"].min() >= 0
    assert off["centered"] < 1e-4
    assert off["fast"] > 1


def test_where_the_fast_variance_is_negative_it_is_the_constant_0():
    """So that y = gamma (x - mu) / sqrt(eps) + beta, a linear map of x, which is differentiated."""
    norm = DIALECTS["flax"]
    x = (1e4 + 1e-3 * np.random.default_rng(1).standard_normal((1, 32, 40))).astype("float32")
    dy = np.random.default_rng(2).standard_normal(x.shape).astype("float32")
    parameters, state = layer_start(norm, 1, (40,), "float32")
    _, cache, _ = norm.forward(parameters, state, x, train=True)
    dx, _ = norm.backward(parameters, cache, dy)
    lost = cache.var[0, 0] == 0
    assert lost.sum() > 5
    expected = parameters["gamma"] / np.sqrt(1e-5) * (dy - dy.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(dx[..., lost], expected[..., lost], rtol=1e-4, atol=0.01)


# Options of other libraries: a cumulative average, gamma or beta alone, frozen statistics.


@pytest.mark.parametrize("shape", [(3,), (4, 2, 3)], ids=["rows", "images"])
def test_the_cumulative_average_is_the_mean_over_all_batches(shape):
    norm = BatchNorm(average="cumulative", running_var=7.0, running_ddof=1, spatial="channel")
    parameters, state = layer_start(norm, 2, shape)
    mean, var = norm.statistics(state)
    assert (mean.max(), var.min()) == (0, 7)
    seen = np.random.default_rng(0).standard_normal((5, 2, 6, *shape)) + 2
    for t, x in enumerate(seen, 1):
        _, _, state = norm.forward(parameters, state, x, train=True)
        rows = seen[:t].reshape(t, 2, -1, 3)
        mean, var = norm.statistics(state)
        np.testing.assert_allclose(mean[:, 0], rows.mean(axis=2).mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(var[:, 0], rows.var(axis=2, ddof=1).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("average", ["exponential", "cumulative"])
@pytest.mark.parametrize("evaluation", ["running", "debiased"])
def test_frozen_statistics(average, evaluation):
    """After two updates the third batch is normalized by them, as in an evaluation, forward and
    back, and changes nothing; gamma and beta have gradients."""
    norm = BatchNorm(
        freeze_after=2, average=average, evaluation=evaluation, running_var=1.0, stat_decay=0.6
    )
    parameters, state = layer_start(norm, 2, (3,))
    thawed = replace(norm, freeze_after=None)
    x, dy = batches(1)[0], batches(1, seed=1)[0]
    for number in range(4):
        y, cache, after = norm.forward(parameters, state, x + number, train=True)
        expected, other, plain = thawed.forward(parameters, state, x + number, train=number < 2)
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(after["mean"], plain["mean"])
        ours, theirs = (norm.backward(parameters, c, dy) for c in (cache, other))
        np.testing.assert_equal(ours, theirs)
        assert (after is state) == (number >= 2)
        state = after
    np.testing.assert_array_equal(state["updates"], 2)
    assert set(ours[1]) == {"gamma", "beta"}


def test_population_statistics_are_averaged_whatever_the_running_average():
    """The layers of Algorithm 2 have their own average, and never freeze."""
    expected = None
    for options in ({}, {"average": "cumulative"}, {"freeze_after": 1, "evaluation": "running"}):
        network = small_mlp(replace(DIALECTS["paper"], **options), "tanh")
        parameters, state = stacked(network, 2, (16,))
        x = [images(n=20).batch(slice(i, i + 10))[0][None] for i in (0, 10)]
        made = network.population_state(parameters, state, x)
        expected = expected or made
        np.testing.assert_array_equal(made[1]["var"], expected[1]["var"])


@pytest.mark.parametrize("evaluation", ["population", "batch"])
def test_statistics_that_are_not_the_running_ones_cannot_be_frozen(evaluation):
    text = f"expected evaluation: running or debiased with freeze_after, got {evaluation}"
    with pytest.raises(ValueError, match=text):
        BatchNorm(freeze_after=10, evaluation=evaluation)


@pytest.mark.parametrize("affine", [True, "scale", "shift", False])
def test_gamma_starts_at_its_initial_value(affine):
    _, parameters, _ = BatchNorm(affine=affine, initial_gamma=0.25).init(None, (3,))
    assert sorted(parameters) == AFFINE[affine]
    np.testing.assert_array_equal(parameters.get("gamma", 0.25), 0.25)
    np.testing.assert_array_equal(parameters.get("beta", 0.0), 0.0)


# Statistics of images in float32: their pixels are many.


@pytest.mark.parametrize("shape", [(100, 24, 24), (7, 13, 11), (1, 5, 5)])
@pytest.mark.parametrize("mean", [0.0, 1.0, 100.0, 1e5])
def test_statistics_of_images_in_float32(mean, shape):
    """The mean is off by about half the distance of two floats, as if rounded once; the variance by
    a few parts in 10^7, and by the square of the mean's error."""
    norm = BatchNorm(spatial="channel", stat_decay=0.0)
    x = (mean + np.random.default_rng(0).standard_normal((2, *shape, 3))).astype("float32")
    parameters, state = layer_start(norm, 2, x.shape[2:], "float32")
    _, _, state = norm.forward(parameters, state, x, train=True)
    rows = x.astype(np.float64).reshape(2, -1, 3)
    true_mean, true_var = rows.mean(axis=1, keepdims=True), rows.var(axis=1, keepdims=True)
    rounding = np.spacing(np.float32(mean)) if mean else 1e-8
    assert np.abs(state["mean"] - true_mean).max() < 1.5 * rounding
    assert np.abs(state["var"] / true_var - 1).max() < 3e-7 + 3 * rounding**2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 127, 128, 300, 57600])
def test_sums_over_pixels_do_not_depend_on_other_networks(rows, dtype):
    """Nor on what is beside a channel; and they are the sums."""
    x = np.random.default_rng(0).standard_normal((3, rows, 5)).astype(dtype)
    sums = pixel_sums(x)
    assert (sums.shape, sums.dtype) == ((3, 1, 5), np.dtype(dtype))
    for k in range(3):
        np.testing.assert_array_equal(pixel_sums(x[k : k + 1].copy())[0], sums[k])
    near = 1e-6 if dtype == "float32" else 1e-13
    expected = x.sum(axis=1, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(sums, expected, rtol=near, atol=near * rows**0.5)


@pytest.mark.parametrize("rows", [2, 75, 128, 576, 1600, 14400])
def test_a_mean_over_pixels_is_off_by_little_more_than_its_rounding(rows):
    """At a mean of 1e5, whose float32 neighbors are 0.0078 apart."""
    x = (1e5 + np.random.default_rng(rows).standard_normal((1, rows, 3))).astype("float32")
    mean = pixel_sums(x, rows)
    error = np.abs(mean - x.mean(axis=1, dtype=np.float64, keepdims=True)).max()
    assert error <= 1.5 * np.spacing(np.float32(1e5)) / 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e5, 7.7e-9])
def test_without_eps_what_does_not_vary_gives_beta_whatever_its_mean_is_rounded_to(value, dtype):
    layer = BatchNorm(eps=0.0)
    x = np.random.default_rng(3).standard_normal((1, 7, 2)).astype(dtype)
    x[:, :, 1] = value
    _, parameters, state = layer.init(np.random.default_rng(0), (2,))
    parameters = {"gamma": np.full((1, 1, 2), 2, dtype), "beta": np.full((1, 1, 2), 0.5, dtype)}
    state = {key: array[None].astype(dtype) for key, array in state.items()}
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    dx, gradients = layer.backward(parameters, cache, np.cos(x))
    assert (y[:, :, 1] == 0.5).all()
    assert (dx[:, :, 1] == 0).all()
    assert gradients["gamma"][0, 0, 1] == 0
    assert np.abs(dx[:, :, 0]).max() > 0


# Batch norm's statistics at evaluation: running, debiased, and those of the population.


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


# Darknet's batch norm: its formulas one by one, and how far its gradient is from its forward.

DARKNET, FIXED = DIALECTS["darknet"], DIALECTS["darknet_fixed"]
UNIT = np.ones((1, 1, 4))


def darknet(x, scales, biases, delta, fork=False):
    """Of images (N, C, H, W): the output, and what the backward pass leaves, in darknet's names.

    fork: AlexeyAB's, whose normalize_cpu has its epsilon in the root and normalize_delta_cpu has
    that of the first term outside.
    """
    batch, filters, height, width = x.shape
    m = batch * height * width
    output, x_norm, dx = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    bias_updates, scale_updates = np.empty(filters), np.empty(filters)
    mean, variance = np.empty(filters), np.empty(filters)
    for f in range(filters):
        mean[f] = x[:, f].sum() / m
        variance[f] = ((x[:, f] - mean[f]) ** 2).sum() / (m - 1)
        root = np.sqrt(variance[f] + 0.00001) if fork else np.sqrt(variance[f]) + 0.000001
        x_norm[:, f] = (x[:, f] - mean[f]) / root
        output[:, f] = scales[f] * x_norm[:, f] + biases[f]

        bias_updates[f] = delta[:, f].sum()
        scale_updates[f] = (delta[:, f] * x_norm[:, f]).sum()
        scaled = delta[:, f] * scales[f]
        mean_delta = scaled.sum() * (-1 / np.sqrt(variance[f] + 0.00001))
        variance_delta = (scaled * (x[:, f] - mean[f])).sum()
        variance_delta *= -0.5 * (variance[f] + 0.00001) ** (-3 / 2)
        first = np.sqrt(variance[f]) + 0.00001 if fork else np.sqrt(variance[f] + 0.00001)
        dx[:, f] = scaled / first + variance_delta * 2 * (x[:, f] - mean[f]) / m + mean_delta / m
    return output, dx, {"gamma": scale_updates, "beta": bias_updates}, (mean, variance)


@pytest.mark.parametrize("name", ["darknet", "darknet_alexeyab"])
@pytest.mark.parametrize("std", [1.0, 1e-3])
@pytest.mark.parametrize("shape", [(6, 3, 1, 1), (2, 3, 4, 5)], ids=["rows", "images"])
def test_darknet_is_its_formulas(shape, std, name):
    norm, fork = DIALECTS[name], name == "darknet_alexeyab"
    rate = 0.1 if fork else 0.01
    n, c, h, w = shape
    pixels = (h, w) if h > 1 else ()
    random = np.random.default_rng(0)
    x, dy = std * random.standard_normal((2, 3, *shape))
    parameters, state = layer_start(norm, 3, (*pixels, c))
    last = [a.transpose(0, 1, 3, 4, 2).reshape(3, n, *pixels, c) for a in (x, dy)]
    y, cache, state = norm.forward(parameters, state, last[0], train=True)
    dx, gradients = norm.backward(parameters, cache, last[1])
    for k in range(3):
        gamma, beta = parameters["gamma"][k, 0], parameters["beta"][k, 0]
        output, delta, updates, (mean, variance) = darknet(x[k], gamma, beta, dy[k], fork)
        for ours, theirs in ((y, output), (dx, delta)):
            theirs = theirs.transpose(0, 2, 3, 1).reshape(ours.shape[1:])
            np.testing.assert_allclose(ours[k], theirs, rtol=1e-10, atol=1e-12)
        for name, value in updates.items():
            np.testing.assert_allclose(gradients[name][k, 0], value, rtol=1e-11)
        np.testing.assert_allclose(state["mean"][k, 0], rate * mean, rtol=1e-11)
        np.testing.assert_allclose(state["var"][k, 0], rate * variance, rtol=1e-11)


def both_gradients(n, std=1.0, seeds=200):
    """Of many batches: what darknet's backward gives after its own forward, and the exact dx."""
    random = np.random.default_rng(n)
    x, dy = random.standard_normal((2, seeds, n, 4))
    parameters = {"gamma": UNIT, "beta": 0 * UNIT}
    made = []
    for norm in (DARKNET, FIXED):
        _, state = layer_start(norm, 1, (4,))
        _, cache, _ = norm.forward(parameters, state, std * x, train=True)
        made.append(norm.backward(parameters, cache, dy)[0])
    return made


def typical_error(n):
    """|dx - exact| / |exact|, the median over batches: at N = 4 some exact one is nearly 0."""
    darknets, exact = both_gradients(n)
    off, size = (np.linalg.norm(a, axis=(1, 2)) for a in (darknets - exact, exact))
    return np.median(off / size)


@pytest.mark.parametrize(("n", "size"), [(4, 0.17), (8, 0.031), (32, 0.0047), (100, 0.0014)])
def test_the_sizes_of_its_error(n, size):
    """Within a factor of 1.6: the published sizes are single batches, and vary as much."""
    assert size / 1.6 < typical_error(n) < size * 1.6


def test_two_samples_have_no_gradient_but_darknet_gives_one():
    """Of two samples the normalized ones are 1 and -1 over sqrt(2), whatever x is."""
    darknets, exact = both_gradients(2)
    assert np.median(np.abs(exact)) < 1e-5  # what eps leaves of 0
    assert np.median(np.abs(darknets)) > 0.1


def test_small_variances_shrink_its_gradient():
    """1e-5 inside the root is ten times the variance: 1 / sqrt(11) = .30 of the gradient."""
    darknets, exact = both_gradients(100, std=1e-3)
    ratio = np.linalg.norm(darknets) / np.linalg.norm(exact)
    assert ratio == pytest.approx(0.31, abs=0.02)


def test_only_the_knob_makes_the_difference():
    options = dict(BatchNorm.DIALECTS["darknet"])
    assert options.pop("gradient") == "darknet"
    assert options == BatchNorm.DIALECTS["darknet_fixed"]
    assert DIALECTS["darknet_fixed"].gradient == "exact"


@pytest.mark.parametrize("shape", [(6, 4), (5, 3, 2, 4)], ids=["rows", "images"])
def test_after_an_evaluation_its_gradient_is_that_of_constant_statistics(shape):
    """dx = gamma dy / (sqrt(var) + 1e-6), with the forward's epsilon, to the last bit the exact
    gradient: the option is about training. (Darknet's own code has the training formulas there.)"""
    random = np.random.default_rng(0)
    x, dy = random.standard_normal((2, 3, *shape))
    made = []
    for norm in (DARKNET, FIXED):
        parameters, state = layer_start(norm, 3, shape[1:])
        _, _, state = norm.forward(parameters, state, x, train=True)
        _, cache, _ = norm.forward(parameters, state, x + 1, train=False)
        made.append(norm.backward(parameters, cache, dy))
    np.testing.assert_equal(made[0], made[1])
    mean, var = (s.reshape(3, *(1 for _ in shape[1:]), 4) for s in DARKNET.statistics(state))
    root = np.sqrt(var) + 1e-6
    gamma = parameters["gamma"].reshape(root.shape)
    np.testing.assert_allclose(made[0][0], gamma * dy / root, rtol=1e-13)
    along = (dy * (x + 1 - mean) / root).reshape(3, -1, 4).sum(axis=1)
    np.testing.assert_allclose(made[0][1]["gamma"][:, 0], along, rtol=1e-11)


def darknets_error_after_an_evaluation(n, fork, seeds=300):
    """|g - exact| / |exact|, the median over batches, of x and of the scales.

    Darknet's backward pass computes as in training. After an evaluation its x_norm is that of the
    last training batch; mean and variance are the rolling ones in pjreddie's code, and in
    AlexeyAB's, as x is, those of that batch. The rolling statistics are the population's here.
    """
    random = np.random.default_rng(n)
    trained, x, dy = random.standard_normal((3, seeds, n, 4))
    exact_dx = dy / np.sqrt(1 + 1e-5)
    exact_scales = (dy * x).sum(axis=1) / np.sqrt(1 + 1e-5)
    x_norm = trained - trained.mean(axis=1, keepdims=True)
    x_norm /= trained.std(axis=1, ddof=1, keepdims=True)
    scales = (dy * x_norm).sum(axis=1)
    mean, variance = (0.0, 1.0) if not fork else (
        trained.mean(axis=1, keepdims=True), trained.var(axis=1, ddof=1, keepdims=True)
    )  # fmt: skip
    centered = (trained if fork else x) - mean
    root = np.sqrt(variance + 1e-5)
    along = (dy * centered).sum(axis=1, keepdims=True)
    dx = (dy - dy.mean(axis=1, keepdims=True)) / root - centered * along / (n * root**3)

    def median(ours, theirs):
        axes = tuple(range(1, ours.ndim))
        return np.median(
            np.linalg.norm(ours - theirs, axis=axes) / np.linalg.norm(theirs, axis=axes)
        )

    return median(dx, exact_dx), median(scales, exact_scales)


@pytest.mark.parametrize("fork", [False, True], ids=["pjreddie", "AlexeyAB"])
def test_how_wrong_darknets_own_backward_is_after_an_evaluation(fork):
    """As docs/numerics.md says: the gradient of the scales has nothing to do with the exact one,
    which it misses by sqrt(2) of its size; dx lacks its mean and its part along x, sqrt(2 / N)."""
    for n, size in ((8, 0.5), (100, 0.14)):
        dx, scales = darknets_error_after_an_evaluation(n, fork)
        assert 1.2 < scales < 1.8
        assert size / 1.3 < dx < size * 1.3


def test_the_two_epsilons_of_alexeyabs_gradient():
    """1 / (sqrt(var) + 1e-5) of dy and 1 / sqrt(var + 1e-5) of its mean: where variances are small
    dx is no longer free of its mean, at a deviation of 0.001 by 2/3 of it."""
    norm = DIALECTS["darknet_alexeyab"]
    x, dy = np.random.default_rng(0).standard_normal((2, 1, 100, 4))
    parameters, state = {"gamma": UNIT, "beta": 0 * UNIT}, layer_start(norm, 1, (4,))[1]
    x /= x.std(axis=1, ddof=1, keepdims=True)
    for std, part in ((1.0, 0.0), (1e-3, 1 - 1.01e-3 / sqrt(1.1e-5))):
        _, cache, _ = norm.forward(parameters, state, std * x, train=True)
        dx, _ = norm.backward(parameters, cache, dy + 1)
        without = dx.mean(axis=1) * (std + 1e-5) / (dy + 1).mean(axis=1)
        np.testing.assert_allclose(without, part, atol=1e-5)


def test_evaluated_by_the_batch_it_is_the_training_gradient():
    norm = replace(DARKNET, evaluation="batch")
    parameters, state = layer_start(norm, 2, (4,))
    x, dy = np.random.default_rng(0).standard_normal((2, 2, 6, 4))
    trained, evaluated = (
        norm.backward(parameters, norm.forward(parameters, state, x, train)[1], dy)
        for train in (True, False)
    )
    np.testing.assert_equal(evaluated, trained)
    exact = replace(norm, gradient="exact")
    dx, _ = exact.backward(parameters, exact.forward(parameters, state, x, False)[1], dy)
    assert np.linalg.norm(evaluated[0] - dx) > 0.01 * np.linalg.norm(dx)
