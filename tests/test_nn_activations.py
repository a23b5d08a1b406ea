"""Activations against their formulas, and at their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bnexp.nn import ACTIVATIONS, Relu, Sigmoid, Tanh
from bnexp.nn.activations import Elu, Gelu, Identity, LeakyRelu, Softsign


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tanh(x):
    return (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1)


FORMULAS = {
    Sigmoid(): lambda x: 1 / (1 + math.exp(-x)),
    Tanh(): tanh,
    Softsign(): lambda x: x / (1 + abs(x)),
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


SOFTSIGN_SLOPES = [(1 - y) ** 2 for y in (1e4 / 10001, 750 / 751, 0, 750 / 751, 1e4 / 10001)]
LIMITS = {  # at -1e4, -750, 0, 750 and 1e4: the value, and the slope
    Sigmoid(): ([0, 0, 0.5, 1, 1], [0, 0, 0.25, 0, 0]),
    Tanh(): ([-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
    Relu(): ([0, 0, 0, 750, 1e4], [0, 0, 0, 1, 1]),
    Softsign(): ([-1e4 / 10001, -750 / 751, 0, 750 / 751, 1e4 / 10001], SOFTSIGN_SLOPES),
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


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, -1e-310, 3.5, -2.25]
CHOICES = {  # the derivative as a choice at each number, in terms of what the layer remembers
    Relu(): lambda y, dy: np.where(y <= 0, 0, dy),
    LeakyRelu(0.3): lambda y, dy: dy * np.where(y > 0, 1, y.dtype.type(0.3)),
    Elu(2.5): lambda y, dy: dy * np.where(y > 0, 1, y + 2.5),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer", CHOICES, ids=repr)
def test_piecewise_activations_choose_by_sign_whatever_the_numbers(layer, dtype):
    """Also infinite and undefined ones, and for activations that K networks share."""
    random = np.random.default_rng()
    y, dy = (
        np.append(random.standard_normal((k, 4, 50)), np.tile(special, (k, 4, 1)), axis=-1)
        for k, special in ((1, np.repeat(SPECIAL, 9)), (3, np.tile(SPECIAL, 9)))
    )
    y, dy = y.astype(dtype), dy.astype(dtype)
    with np.errstate(invalid="ignore"):
        dx, _ = layer.backward({}, y, dy)
        expected = CHOICES[layer](y, dy)
    assert dx.dtype == dtype
    np.testing.assert_array_equal(dx, expected)
