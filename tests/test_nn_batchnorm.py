"""Batch normalization against its textbook: forward, chain rule, and its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import DIALECTS, EXACT, NORMS, layer_start


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
    return (parameters["gamma"], parameters["beta"]) if norm.affine else (ones, 0 * ones)


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
    assert sorted(gradients) == (["beta", "gamma"] if norm.affine else [])
    for k in range(2):
        expected = textbook_backward(norm, x[k], gamma[k], dy[k])
        np.testing.assert_allclose(dx[k], expected[0], rtol=0, atol=1e-13)
        for name, value in zip(("gamma", "beta"), expected[1:], strict=True):
            if norm.affine:
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
    np.testing.assert_allclose(dx, 0, atol=1e-9)
    np.testing.assert_array_equal(after["var"], state["var"] * norm.stat_decay)
