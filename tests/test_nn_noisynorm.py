"""Batch norm with noise after it: the noise's moments, its gradients, and where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import layer_errors
from numeric_cases import Case, bits, float_types, layer_start

import bnexp
from bnexp.errors import ConfigError
from bnexp.nn import NORMALIZERS, BatchNorm, Dense, Normal, Relu, Sequential
from bnexp.nn.normalizers import NoisyBatchNorm

ROWS, IMAGES = (5,), (3, 4, 5)
SHAPES = pytest.mark.parametrize("shape", [ROWS, IMAGES], ids=["rows", "images"])
PLAIN = BatchNorm(eps=1e-5, spatial="channel")


def start(layer, k, shape, dtype="float64", steps=0):
    """Random parameters, each network with a key of its own."""
    parameters, state = layer_start(layer, k, shape, dtype)
    state["key"] = np.arange(7, 7 + k, dtype=np.uint64)[:, None]
    state["steps"] = np.full((k, 1), steps, np.uint64)
    return parameters, state


def batch(k, shape, n=8, seed=3, dtype="float64"):
    x = 2 * np.random.default_rng(seed).standard_normal((k, n, *shape)) + 1
    return x.astype(dtype)


def noise(layer, shape, n, steps=0):
    """Scale and shift that one network's outputs get, off two passes with gamma 0."""
    _, state = start(layer, 1, shape, steps=steps)
    x, row = batch(1, shape, n), (1, 1, shape[-1])

    def made(beta):
        parameters = {"gamma": np.zeros(row), "beta": np.full(row, beta)}
        return layer.forward(parameters, state, x, train=True)[0][0]

    return made(1.0) - made(0.0), made(0.0)


@SHAPES
@pytest.mark.parametrize("k", [1, 3])
def test_the_gradient_with_the_noise_as_it_is(shape, k):
    layer = NoisyBatchNorm()
    parameters, state = start(layer, k, shape)
    errors = layer_errors(layer, parameters, state, batch(k, shape), np.random.default_rng(1))
    assert set(errors) == {"x", "gamma", "beta"}
    assert max(errors.values()) < 1e-7


@SHAPES
def test_evaluation_is_batch_norms_to_the_last_bit(shape):
    layer, x = NoisyBatchNorm(), batch(2, shape)
    parameters, state = start(layer, 2, shape)
    own = {name: state[name] for name in ("mean", "var", "unseen")}
    for seed in range(3):
        seen = batch(2, shape, seed=seed)
        _, _, state = layer.forward(parameters, state, seen, train=True)
        _, _, own = PLAIN.forward(parameters, own, seen, train=True)
    assert bits([state[name] for name in own]) == bits(list(own.values()))
    y, cache, after = layer.forward(parameters, state, x, train=False)
    want, plain, _ = PLAIN.forward(parameters, own, x, train=False)
    assert bits(y) == bits(want)
    assert after is state
    dy = batch(2, shape, seed=5)
    made, expected = layer.backward(parameters, cache, dy), PLAIN.backward(parameters, plain, dy)
    assert bits(made) == bits(expected)
    assert bits(layer.evaluated(parameters, state)) == bits(PLAIN.evaluated(parameters, own))


def test_the_noise_is_that_of_the_paper_unit_by_unit():
    """mu ~ U(-m, m), sigma ~ U(1, d); around them shift ~ U(mu +- j), scale ~ N(sigma, j^2)."""
    layer, units, n = NoisyBatchNorm(0.5, 1.25, 0.1), 2000, 400
    scale, shift = noise(layer, (units,), n)
    mu, sigma = shift.mean(axis=0), scale.mean(axis=0)
    assert mu.mean() == pytest.approx(0, abs=0.03)
    assert mu.std() == pytest.approx(1 / np.sqrt(12), rel=0.03)
    assert np.abs(mu).max() == pytest.approx(0.5, abs=0.02)
    assert sigma.mean() == pytest.approx(1.125, abs=0.01)
    assert sigma.std() == pytest.approx(0.25 / np.sqrt(12), rel=0.04)
    assert (shift - mu).std() == pytest.approx(0.2 / np.sqrt(12), rel=0.01)
    assert np.abs(shift - mu).max() < 0.2
    around = (scale - sigma) / 0.1
    assert around.std() == pytest.approx(1, rel=0.01)
    assert np.mean(around**4) == pytest.approx(3, rel=0.03)
    assert np.corrcoef(mu, sigma)[0, 1] == pytest.approx(0, abs=0.08)


def test_a_channels_noise_is_one_for_all_its_places():
    scale, shift = noise(NoisyBatchNorm(jitter=0.0), IMAGES, 6)
    for part in (scale, shift):
        rows = part.reshape(-1, 5)
        np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape), atol=1e-15)
        assert len(set(rows[0])) == 5


def test_without_noise_it_is_batch_norm():
    layer = NoisyBatchNorm(mean=0.0, deviation=1.0, jitter=0.0)
    parameters, state = start(layer, 2, ROWS)
    x, dy = batch(2, ROWS), batch(2, ROWS, seed=4)
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    want, plain, _ = PLAIN.forward(parameters, state, x, train=True)
    np.testing.assert_array_equal(y, want)
    expected, gradients = PLAIN.backward(parameters, plain, dy)
    dx, own = layer.backward(parameters, cache, dy)
    np.testing.assert_array_equal(dx, expected)
    assert bits(own) == bits(gradients)


@SHAPES
def test_the_noise_follows_from_key_and_step(shape):
    layer, x = NoisyBatchNorm(), batch(1, shape)
    parameters, state = start(layer, 1, shape)
    first, _, after = layer.forward(parameters, state, x, train=True)
    again, _, _ = layer.forward(parameters, state, x, train=True)
    second, _, _ = layer.forward(parameters, after, x, train=True)
    assert bits(first) == bits(again)
    assert not np.isclose(first, second, atol=1e-3).all(axis=tuple(range(1, x.ndim - 1))).any()
    assert after["steps"].tolist() == [[1]]
    assert after["steps"].dtype == after["key"].dtype == np.uint64
    _, later = start(layer, 1, shape, steps=1)
    assert bits(layer.forward(parameters, later, x, train=True)[0]) == bits(second)
    other = {**state, "key": np.array([[8]], np.uint64)}
    assert bits(layer.forward(parameters, other, x, train=True)[0]) != bits(first)


@SHAPES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_stacked_is_alone(shape, dtype):
    case = Case(NoisyBatchNorm(), 3, 7, shape, dtype)
    together = case.step()
    assert float_types({n: a for n, a in together.items() if n != "cache"}) == {np.dtype(dtype)}
    for k in range(3):
        single = case.step(k)
        for name in ("y", "dx", "gamma", "beta", "eval"):
            assert bits(together[name][k]) == bits(single[name][0])
        for name, after in together["state"].items():
            assert bits(after[k]) == bits(single["state"][name][0])


def test_it_folds_into_the_layer_before_it():
    layers = (Dense(6, Normal(0.5)), NoisyBatchNorm(), Relu(), Dense(3, Normal(0.5)))
    network = Sequential(layers)
    parameters, state = network.init(np.random.default_rng(0), (4,))
    parameters = [{n: a[None] for n, a in p.items()} for p in parameters]
    state = [{n: a[None] for n, a in s.items()} for s in state]
    x = np.random.default_rng(1).standard_normal((1, 20, 4))
    _, _, state = network.forward(parameters, state, x, train=True)
    merged, p, s = network.folded(parameters, state)
    assert len(merged.layers) == 3
    want = network.evaluated(parameters, state, x)
    np.testing.assert_allclose(merged.evaluated(p, s, x), want, rtol=1e-11, atol=1e-12)


def test_it_is_trained_from_yaml_from_the_same_weights_with_its_own_numbers(small):
    assert NORMALIZERS["noisy_batch"] is NoisyBatchNorm
    quiet = {"kind": "noisy_batch", "mean": 0, "deviation": 1, "jitter": 0}
    batch_norm = {"kind": "batch", "eps": 1e-5}
    config = bnexp.load_config(
        small,
        {
            "sweep.model.init.std": None,
            "sweep.model.norm": [batch_norm, quiet, "noisy_batch"],
            "random.seeds": [1],
            "train.evaluate": [0, 1, 4],
        },
    )
    losses = bnexp.run(config).metrics["train_loss"].reshape(3, 3)
    assert losses[0, 0] == losses[2, 0]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert abs(losses[0, 2] - losses[2, 2]) > 1e-4
    np.testing.assert_array_equal(bnexp.run(config).metrics["train_loss"], losses.ravel())


def test_a_batch_of_one_and_factors_below_1_are_refused(small):
    noisy = {"sweep.model.norm": None, "model.norm": "noisy_batch"}
    with pytest.raises(ConfigError, match="batch_size: too small, expected at least 2, got 1"):
        bnexp.load_config(small, {**noisy, "train.batch_size": 1})
    with pytest.raises(ConfigError, match=r"deviation: .* a number >= 1, got 0\.5"):
        bnexp.load_config(small, {**noisy, "model.norm": {"kind": "noisy_batch", "deviation": 0.5}})
