"""Pooling of images: loops written out, gradients, and the errors of windows."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import layer_errors
from numeric_cases import image_windows, window_places

from bnexp.nn import Normal
from bnexp.nn.linear import Conv
from bnexp.nn.pooling import AveragePool, Flatten, GlobalAveragePool, MaxPool

LIMIT = 1e-7
K = pytest.mark.parametrize("k", [1, 3])
SHAPES = [(7, 6, 3), (5, 8, 1)]
WINDOWS = [(2, 2, 0), (2, 2, 1), (3, 2, 1), (3, 1, 0), (2, 1, 1), (3, 3, 2), (1, 2, 0)]
POOLS = [kind(*window) for kind in (MaxPool, AveragePool) for window in WINDOWS]


def drawn(*shape, seed=0):
    return np.random.default_rng((231, seed)).standard_normal(shape)


def distinct(*shape, seed=0):
    """Numbers that are all 0.01 apart: steps of 0.001 do not change which is largest."""
    return 0.01 * np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape)


def naive_pool(layer, x):
    reduce, fill = (np.max, -np.inf) if isinstance(layer, MaxPool) else (np.mean, 0.0)
    y = np.empty((len(x), *window_places(x.shape[1:], layer), x.shape[-1]))
    for n, image in enumerate(x):
        for at, window in image_windows(image, layer.size, layer.stride, layer.padding, fill):
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
    with pytest.raises(ValueError, match="a mean of pixels needs images"):
        GlobalAveragePool().init(None, (6,))
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


@pytest.mark.parametrize(
    "layer", [Conv(2, 5, Normal(1.0)), MaxPool(5, 2), AveragePool(5, 1)], ids=repr
)
def test_a_window_that_does_not_fit(layer):
    message = r"a window of 5 does not fit an image of 4 x 9 with a padding of 0"
    with pytest.raises(ValueError, match=message):
        layer.init(np.random.default_rng(0), (4, 9, 1))


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
def test_a_pooling_window_in_the_frame_alone(kind):
    message = "window of 2 with a padding of 2 would lie in the frame alone: the padding must be"
    with pytest.raises(ValueError, match=message):
        kind(2, 2, 2).init(None, (4, 4, 1))
