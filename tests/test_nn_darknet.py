"""Darknet's batch norm: its formulas one by one, and how far its gradient is from its forward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import DIALECTS, layer_start

from bnexp.nn import BatchNorm

DARKNET, FIXED = DIALECTS["darknet"], DIALECTS["darknet_fixed"]
UNIT = np.ones((1, 1, 4))


def darknet(x, scales, biases, delta):
    """Of images (N, C, H, W): the output, and what the backward pass leaves, in darknet's names."""
    batch, filters, height, width = x.shape
    m = batch * height * width
    output, x_norm, dx = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    bias_updates, scale_updates = np.empty(filters), np.empty(filters)
    mean, variance = np.empty(filters), np.empty(filters)
    for f in range(filters):
        mean[f] = x[:, f].sum() / m
        variance[f] = ((x[:, f] - mean[f]) ** 2).sum() / (m - 1)
        x_norm[:, f] = (x[:, f] - mean[f]) / (np.sqrt(variance[f]) + 0.000001)
        output[:, f] = scales[f] * x_norm[:, f] + biases[f]

        bias_updates[f] = delta[:, f].sum()
        scale_updates[f] = (delta[:, f] * x_norm[:, f]).sum()
        scaled = delta[:, f] * scales[f]
        mean_delta = scaled.sum() * (-1 / np.sqrt(variance[f] + 0.00001))
        variance_delta = (scaled * (x[:, f] - mean[f])).sum()
        variance_delta *= -0.5 * (variance[f] + 0.00001) ** (-3 / 2)
        dx[:, f] = (
            scaled / np.sqrt(variance[f] + 0.00001)
            + variance_delta * 2 * (x[:, f] - mean[f]) / m
            + mean_delta / m
        )
    return output, dx, {"gamma": scale_updates, "beta": bias_updates}, (mean, variance)


@pytest.mark.parametrize("std", [1.0, 1e-3])
@pytest.mark.parametrize("shape", [(6, 3, 1, 1), (2, 3, 4, 5)], ids=["rows", "images"])
def test_darknet_is_its_formulas(shape, std):
    n, c, h, w = shape
    pixels = (h, w) if h > 1 else ()
    random = np.random.default_rng(0)
    x, dy = std * random.standard_normal((2, 3, *shape))
    parameters, state = layer_start(DARKNET, 3, (*pixels, c))
    last = [a.transpose(0, 1, 3, 4, 2).reshape(3, n, *pixels, c) for a in (x, dy)]
    y, cache, state = DARKNET.forward(parameters, state, last[0], train=True)
    dx, gradients = DARKNET.backward(parameters, cache, last[1])
    for k in range(3):
        gamma, beta = parameters["gamma"][k, 0], parameters["beta"][k, 0]
        output, delta, updates, (mean, variance) = darknet(x[k], gamma, beta, dy[k])
        for ours, theirs in ((y, output), (dx, delta)):
            theirs = theirs.transpose(0, 2, 3, 1).reshape(ours.shape[1:])
            np.testing.assert_allclose(ours[k], theirs, rtol=1e-10, atol=1e-12)
        for name, value in updates.items():
            np.testing.assert_allclose(gradients[name][k, 0], value, rtol=1e-11)
        np.testing.assert_allclose(state["mean"][k, 0], 0.01 * mean, rtol=1e-11)
        np.testing.assert_allclose(state["var"][k, 0], 0.01 * variance, rtol=1e-11)


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
    knobs = dict(BatchNorm.DIALECTS["darknet"])
    assert knobs.pop("gradient") == "darknet"
    assert knobs == BatchNorm.DIALECTS["darknet_fixed"]
    assert DIALECTS["darknet_fixed"].gradient == "exact"


@pytest.mark.parametrize("shape", [(6, 4), (5, 3, 2, 4)], ids=["rows", "images"])
def test_after_an_evaluation_its_gradient_is_that_of_constant_statistics(shape):
    """dx = gamma dy / (sqrt(var) + 1e-6), with the forward's epsilon, to the last bit the exact
    gradient: the knob is about training. (Darknet's own code has the training formulas there, too,
    with rolling statistics in the place of the batch's.)"""
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
