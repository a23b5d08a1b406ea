"""Ghost batch norm and batch renormalization: written out for single numbers, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import layer_errors
from numeric_cases import Case, bits, layer_start, one

from bnexp.nn import BatchNorm
from bnexp.nn.batchvariants import BatchRenorm, GhostBatchNorm

LIMIT = 1e-7
SHAPES = {"rows": (5,), "images": (3, 2, 4)}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
K = pytest.mark.parametrize("k", [1, 3])


def batches(k, shape, number=3, n=10):
    random = np.random.default_rng()
    return random.standard_normal((number, k, n, *shape)) * 2 + random.standard_normal(shape)


def as_rows(x):
    """(N, ..., C) as (N * pixels, C)."""
    return x.reshape(-1, x.shape[-1])


@K
@shapes
def test_a_ghost_batch_is_normalized_by_itself(k, shape):
    """10 images in ghost batches of 4: 4, and the 6 that are left."""
    layer = GhostBatchNorm(4, stat_decay=0.7)
    parameters, state = layer_start(layer, k, shape)
    mean, var = np.zeros((2, k, shape[-1]))
    for x in batches(k, shape):
        y, _, state = layer.forward(parameters, state, x, train=True)
        for i in range(k):
            gamma, beta = parameters["gamma"][i, 0], parameters["beta"][i, 0]
            for ghost in (slice(0, 4), slice(4, 10)):
                rows = as_rows(x[i, ghost])
                center, spread = rows.mean(axis=0), rows.var(axis=0)
                expected = gamma * (x[i, ghost] - center) / np.sqrt(spread + 1e-5) + beta
                np.testing.assert_allclose(y[i, ghost], expected, atol=1e-12)
                mean[i], var[i] = 0.7 * mean[i] + 0.3 * center, 0.7 * var[i] + 0.3 * spread
        np.testing.assert_allclose(state["mean"][:, 0], mean, atol=1e-12)
        np.testing.assert_allclose(state["var"][:, 0], var, atol=1e-12)
    evaluated, _, _ = layer.forward(parameters, state, x, train=False)
    norm = BatchNorm(eps=1e-5, spatial="channel")
    assert bits(evaluated) == bits(norm.forward(parameters, state, x, train=False)[0])


@pytest.mark.parametrize("n", [2, 3, 6, 7])
@shapes
def test_a_batch_of_one_ghost_is_batch_norm(n, shape):
    layer, norm = GhostBatchNorm(4 if n < 4 else n), BatchNorm(eps=1e-5, spatial="channel")
    parameters, state = layer_start(norm, 2, shape)
    (x,) = batches(2, shape, 1, n)
    y, cache, after = layer.forward(parameters, state, x, train=True)
    expected, inner, expected_after = norm.forward(parameters, state, x, train=True)
    assert bits([y, after]) == bits([expected, expected_after])
    dy = np.random.default_rng().standard_normal(x.shape)
    assert bits(layer.backward(parameters, cache, dy)) == bits(norm.backward(parameters, inner, dy))


def corrected(x, mean, std, running_mean, running_std, share, layer):
    """One unit's r x hat + d, number by number."""
    r_max, d_max = 1 + share * (layer.r_max - 1), share * layer.d_max
    r = min(max(std / running_std, 1 / r_max), r_max)
    d = min(max((mean - running_mean) / running_std, -d_max), d_max)
    return [r * (number - mean) / std + d for number in x]


@K
@shapes
@pytest.mark.parametrize("limits", [(1.0, 0.0), (1.3, 0.2), (100.0, 100.0)])
def test_renormalization_number_by_number(limits, shape, k):
    """Three steps: one as batch norm, one with half the limits, one with all."""
    layer = BatchRenorm(*limits, plain_steps=0, relaxing_steps=2, stat_decay=0.6)
    parameters, state = layer_start(layer, k, shape)
    running = np.zeros((2, k, shape[-1]))
    for step, x in enumerate(batches(k, shape)):
        y, _, state = layer.forward(parameters, state, x, train=True)
        seen = 1 - 0.6**step
        for i in range(k):
            rows, outputs = as_rows(x[i]), as_rows(y[i])
            for j in range(shape[-1]):
                mean, std = rows[:, j].mean(), np.sqrt(rows[:, j].var() + 1e-5)
                so_far = running[:, i, j] / seen if step else (0.0, 1.0)
                hat = corrected(rows[:, j], mean, std, *so_far, step / 2, layer)
                gamma, beta = (parameters[name][i, 0, j] for name in ("gamma", "beta"))
                expected = [gamma * number + beta for number in hat]
                np.testing.assert_allclose(outputs[:, j], expected, rtol=1e-9, atol=1e-9)
                running[:, i, j] = 0.6 * running[:, i, j] + 0.4 * np.array([mean, std])


def test_limits_of_1_and_0_are_batch_norm():
    layer, norm = BatchRenorm(1.0, 0.0), BatchNorm(eps=1e-5, spatial="channel")
    parameters, state = layer_start(layer, 2, (4,))
    for x in batches(2, (4,)):
        y, _, state = layer.forward(parameters, state, x, train=True)
        blank = layer_start(norm, 2, (4,))[1]
        expected = norm.forward(parameters, blank, x, train=True)[0]
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


def test_without_limits_training_gives_what_evaluation_gives():
    layer = BatchRenorm(1e9, 1e9, stat_decay=0.9)
    parameters, state = layer_start(layer, 2, (4,))
    for x in batches(2, (4,)):
        before = state
        y, _, state = layer.forward(parameters, state, x, train=True)
    evaluated = layer.forward(parameters, before, x, train=False)[0]
    np.testing.assert_allclose(y, evaluated, rtol=1e-9, atol=1e-9)
    scale, shift = layer.evaluated(parameters, before)
    np.testing.assert_allclose(x * scale + shift, evaluated, rtol=1e-9, atol=1e-9)


class FixedCorrections(BatchRenorm):
    """r and d as they were at a batch: the constants that the backward pass takes them for."""

    def _corrections(self, state, mean, std):
        return state["r"], state["d"]


@K
@shapes
@pytest.mark.parametrize("train", [True, False])
def test_gradients_of_renormalization(train, shape, k):
    layer = BatchRenorm(1.2, 0.3)
    parameters, state = layer_start(layer, k, shape)
    first, second, x = batches(k, shape)
    for batch in (first, second):
        state = layer.forward(parameters, state, batch, train=True)[2]
    rows = x.reshape(k, -1, shape[-1])
    statistics = rows.mean(axis=1, keepdims=True), np.sqrt(rows.var(axis=1, keepdims=True) + 1e-5)
    r, d = layer._corrections(state, *statistics)
    fixed = FixedCorrections(1.2, 0.3)
    random = np.random.default_rng()
    errors = layer_errors(fixed, parameters, {**state, "r": r, "d": d}, x, random, train=train)
    assert max(errors.values()) < LIMIT


@K
@shapes
@pytest.mark.parametrize("train", [True, False])
def test_gradients_of_ghost_batches(train, shape, k):
    layer = GhostBatchNorm(4)
    parameters, state = layer_start(layer, k, shape)
    first, x = batches(k, shape, 2)
    state = layer.forward(parameters, state, first, train=True)[2]
    errors = layer_errors(layer, parameters, state, x, np.random.default_rng(), train=train)
    assert max(errors.values()) < LIMIT


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@shapes
@pytest.mark.parametrize("layer", [GhostBatchNorm(4), BatchRenorm(1.2, 0.3)])
@pytest.mark.usefixtures("one_blas_thread")
def test_a_stack_is_its_networks_alone(layer, shape, dtype):
    case = Case(layer, 3, 10, shape, dtype, seed=int(np.random.default_rng().integers(2**31)))
    together = case.step()
    for k in range(3):
        assert bits(one(together, k)) == bits(case.step(k))
