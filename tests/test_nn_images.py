"""Convolution and pooling of images: loops written out, gradients, and the errors they give."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from gradcheck import layer_errors
from numeric_cases import layer_start

from bnexp.nn import Normal
from bnexp.nn.linear import Conv
from bnexp.nn.pooling import AveragePool, Flatten, GlobalAveragePool, MaxPool

LIMIT = 1e-7
K = pytest.mark.parametrize("k", [1, 3])
SHAPES = [(7, 6, 3), (5, 8, 1)]


def conv(size=3, stride=1, padding=0, bias=True, features=2):
    return Conv(features, size, Normal(1.0), stride, padding, bias)


CONVS = [
    conv(size, stride, padding, bias)
    for size, stride, padding, bias in product((1, 3, 5), (1, 2), (0, 1), (True, False))
]
WINDOWS = [(2, 2, 0), (2, 2, 1), (3, 2, 1), (3, 1, 0), (2, 1, 1), (3, 3, 2), (1, 2, 0)]
POOLS = [kind(*window) for kind in (MaxPool, AveragePool) for window in WINDOWS]


def drawn(*shape, seed=0):
    return np.random.default_rng((231, seed)).standard_normal(shape)


def distinct(*shape, seed=0):
    """Numbers that are all 0.01 apart: steps of 0.001 do not change which is largest."""
    return 0.01 * np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape)


def windows(image, size, stride, padding, fill=0.0):
    """((row, column), window) for every place of one image (H, W, C), one after another."""
    height, width, channels = image.shape
    framed = np.full((height + 2 * padding, width + 2 * padding, channels), fill)
    framed[padding : padding + height, padding : padding + width] = image
    for row, top in enumerate(range(0, len(framed) - size + 1, stride)):
        for column, left in enumerate(range(0, framed.shape[1] - size + 1, stride)):
            yield (row, column), framed[top : top + size, left : left + size]


def places(shape, layer):
    return tuple((n + 2 * layer.padding - layer.size) // layer.stride + 1 for n in shape[:2])


def naive_conv(layer, x, w, b):
    """Of one network: sum over window rows, window columns and channels, number by number."""
    y = np.empty((len(x), *places(x.shape[1:], layer), layer.features))
    kernel = w.reshape(layer.size, layer.size, -1, layer.features)
    for n, image in enumerate(x):
        for at, window in windows(image, layer.size, layer.stride, layer.padding):
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


def naive_pool(layer, x):
    reduce, fill = (np.max, -np.inf) if isinstance(layer, MaxPool) else (np.mean, 0.0)
    y = np.empty((len(x), *places(x.shape[1:], layer), x.shape[-1]))
    for n, image in enumerate(x):
        for at, window in windows(image, layer.size, layer.stride, layer.padding, fill):
            y[n, *at] = [reduce(window[..., c]) for c in range(x.shape[-1])]
    return y


@pytest.mark.parametrize("layer", POOLS, ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_pooling_reduces_each_window(layer, shape):
    x = drawn(2, 3, *shape) - 2  # mostly below 0: a frame of zeros would win
    y, _, _ = layer.forward({}, {}, x, train=True)
    assert layer.init(None, shape) == (y.shape[2:], {}, {})
    np.testing.assert_allclose(y, [naive_pool(layer, one) for one in x], rtol=1e-14)


@K
@pytest.mark.parametrize("layer", POOLS, ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_pooling(layer, shape, k):
    errors = layer_errors(layer, {}, {}, distinct(k, 3, *shape), np.random.default_rng(1), 1e-3)
    assert list(errors) == ["x"]
    assert errors["x"] < LIMIT


@K
@pytest.mark.parametrize("layer", [GlobalAveragePool(), Flatten()], ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_what_makes_rows_of_images(layer, shape, k):
    assert layer_errors(layer, {}, {}, drawn(k, 3, *shape), np.random.default_rng(1))["x"] < LIMIT


def test_rows_of_images():
    x = drawn(2, 3, 4, 5, 6)
    y, _, _ = Flatten().forward({}, {}, x, train=True)
    assert Flatten().init(None, (4, 5, 6)) == ((120,), {}, {})
    np.testing.assert_array_equal(y, [[image.ravel() for image in one] for one in x])
    y, _, _ = GlobalAveragePool().forward({}, {}, x, train=True)
    assert GlobalAveragePool().init(None, (4, 5, 6)) == ((6,), {}, {})
    means = [[[sum(c.ravel()) / 20 for c in np.moveaxis(image, -1, 0)] for image in o] for o in x]
    np.testing.assert_allclose(y, means, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("rows", "gradient"),
    [
        ([[1, 1], [1, 1]], [[5, 0], [0, 0]]),
        ([[0, 1], [1, 1]], [[0, 5], [0, 0]]),
        ([[0, 0], [1, 1]], [[0, 0], [5, 0]]),
        ([[-1, -2], [-3, -1]], [[5, 0], [0, 0]]),
    ],
)
@pytest.mark.parametrize("padding", [0, 1])
def test_of_equal_pixels_the_first_row_by_row_gets_the_gradient(rows, gradient, padding):
    layer = MaxPool(2, 2, 0) if padding == 0 else MaxPool(4, 2, 1)
    x = np.array(rows, float).reshape(1, 1, 2, 2, 1)
    y, cache, _ = layer.forward({}, {}, x, train=True)
    dx, _ = layer.backward({}, cache, np.full(y.shape, 5.0))
    np.testing.assert_array_equal(dx[0, 0, ..., 0], gradient)


def test_overlapping_windows_add_their_gradients():
    """The pixel in the middle is the largest of all four windows."""
    x = np.zeros((1, 1, 3, 3, 1))
    x[0, 0, 1, 1] = 1
    layer = MaxPool(2, 1)
    _, cache, _ = layer.forward({}, {}, x, train=True)
    dx, _ = layer.backward({}, cache, np.array([[1.0, 2], [3, 4]]).reshape(1, 1, 2, 2, 1))
    np.testing.assert_array_equal(dx[0, 0, ..., 0], [[0, 0, 0], [0, 10, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    "layer", [MaxPool(3, 2, 1), AveragePool(), GlobalAveragePool(), Flatten()], ids=repr
)
def test_shared_images_have_a_gradient_for_each_network(layer):
    """K grows behind them: the next layer's gradient comes with K networks."""
    x = drawn(1, 3, 4, 6, 2)
    y, cache, _ = layer.forward({}, {}, x, train=True)
    _, full, _ = layer.forward({}, {}, np.repeat(x, 3, axis=0), train=True)
    dy = drawn(3, *y.shape[1:], seed=1)
    dx, _ = layer.backward({}, cache, dy)
    np.testing.assert_array_equal(dx, layer.backward({}, full, dy)[0])


@pytest.mark.parametrize("layer", [conv(size=5), MaxPool(5, 2), AveragePool(5, 1)], ids=repr)
def test_a_window_that_does_not_fit(layer):
    message = r"a window of 5 does not fit an image of 4 x 9 with a padding of 0"
    with pytest.raises(ValueError, match=message):
        layer.init(np.random.default_rng(0), (4, 9, 1))


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
def test_a_pooling_window_in_the_frame_alone(kind):
    message = "window of 2 with a padding of 2 would lie in the frame alone: the padding must be"
    with pytest.raises(ValueError, match=message):
        kind(2, 2, 2).init(None, (4, 4, 1))
