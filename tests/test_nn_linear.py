"""Dense layers and convolutions: loops written out, gradients, and fans."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from gradcheck import layer_errors
from numeric_cases import image_windows, layer_start, window_places

from bnexp.nn import Dense, Normal
from bnexp.nn.linear import Conv


def dense_inputs(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_dense_is_one_product_a_network():
    layer = Dense(4, Normal(1.0))
    parameters, state = layer_start(layer, 3, (5,))
    x, dy = dense_inputs(3, 6, 5), dense_inputs(3, 6, 4, seed=1)
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
    x, dy = dense_inputs(1, 6, 5), dense_inputs(3, 6, 4, seed=1)
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    repeated, full, _ = layer.forward(parameters, state, np.repeat(x, 3, axis=0), train=True)
    np.testing.assert_array_equal(y, repeated)
    shared, alone = (layer.backward(parameters, made, dy)[1] for made in (cache, full))
    np.testing.assert_array_equal(shared["W"], alone["W"])


LIMIT = 1e-7
K = pytest.mark.parametrize("k", [1, 3])
SHAPES = [(7, 6, 3), (5, 8, 1)]


def conv(size=3, stride=1, padding=0, bias=True, features=2):
    return Conv(features, size, Normal(1.0), stride, padding, bias)


CONVS = [
    conv(size, stride, padding, bias)
    for size, stride, padding, bias in product((1, 3, 5), (1, 2), (0, 1), (True, False))
]


def drawn(*shape, seed=0):
    return np.random.default_rng((231, seed)).standard_normal(shape)


def naive_conv(layer, x, w, b):
    """Of one network: sum over window rows, window columns and channels, number by number."""
    y = np.empty((len(x), *window_places(x.shape[1:], layer), layer.features))
    kernel = w.reshape(layer.size, layer.size, -1, layer.features)
    for n, image in enumerate(x):
        for at, window in image_windows(image, layer.size, layer.stride, layer.padding):
            for h in range(layer.features):
                y[n, *at, h] = sum(
                    window[i, j, c] * kernel[i, j, c, h] for i, j, c in np.ndindex(window.shape)
                ) + (b[h] if layer.bias else 0)
    return y


@pytest.mark.parametrize("layer", CONVS, ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_is_the_sum_over_its_window(layer, shape):
    parameters, state = layer_start(layer, 2, shape)
    x = drawn(2, 2, *shape)
    y, _, _ = layer.forward(parameters, state, x, train=True)
    for k in range(2):
        b = parameters["b"][k, 0] if layer.bias else None
        expected = naive_conv(layer, x[k], parameters["W"][k], b)
        np.testing.assert_allclose(y[k], expected, rtol=1e-12, atol=1e-13)


@K
@pytest.mark.parametrize("layer", CONVS, ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_the_convolution(layer, shape, k):
    parameters, state = layer_start(layer, k, shape)
    x = drawn(k, 3, *shape)
    errors = layer_errors(layer, parameters, state, x, np.random.default_rng(1))
    assert set(errors) == ({"x", "W", "b"} if layer.bias else {"x", "W"})
    assert max(errors.values()) < LIMIT


@pytest.mark.parametrize("layer", [conv(), conv(3, 2, 1, bias=False)], ids=repr)
def test_gradients_of_a_convolution_of_images_that_all_networks_share(layer):
    parameters, state = layer_start(layer, 3, (5, 6, 2))
    x = drawn(1, 4, 5, 6, 2)
    errors = layer_errors(layer, parameters, state, x, np.random.default_rng(1))
    assert errors.pop("x") < LIMIT  # summed over the networks by the inner product's broadcast
    assert max(errors.values()) < LIMIT
    shared, cache, _ = layer.forward(parameters, state, x, train=True)
    repeated, full, _ = layer.forward(parameters, state, np.repeat(x, 3, axis=0), train=True)
    np.testing.assert_array_equal(shared, repeated)
    dy = drawn(*shared.shape, seed=2)
    ours, alone = (layer.backward(parameters, made, dy) for made in (cache, full))
    np.testing.assert_equal(ours, alone)


def test_a_convolution_of_size_one_is_a_dense_layer_at_each_pixel():
    layer = conv(size=1, features=4)
    parameters, state = layer_start(layer, 2, (3, 5, 6))
    x = drawn(2, 4, 3, 5, 6)
    y, _, _ = layer.forward(parameters, state, x, train=True)
    w, b = (parameters[name][:, None, None] for name in ("W", "b"))
    np.testing.assert_allclose(y, x @ w + b, rtol=1e-12, atol=1e-13)


def test_fans_count_the_window():
    """As PyTorch's for a weight (8, 3, 5, 5): 75 and 200."""
    seen = []

    class Spy(Normal):
        def draw(self, generator, shape, fan_in, fan_out):
            seen.append((shape, fan_in, fan_out))
            return super().draw(generator, shape, fan_in, fan_out)

    shape, parameters, _ = Conv(8, 5, Spy(1.0)).init(np.random.default_rng(0), (9, 7, 3))
    assert seen == [((75, 8), 75, 200)]
    assert shape == (5, 3, 8)
    np.testing.assert_array_equal(parameters["b"], np.zeros((1, 8)))
