"""What must hold exactly in theory of images: scale invariance, idle biases, and their like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import NORMS, layer_start, stacked

from bnexp.nn import (
    AveragePool,
    BatchNorm,
    Dense,
    Flatten,
    GlobalAveragePool,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MaxPool,
    Normal,
    Relu,
    Sequential,
    SoftmaxCrossEntropy,
)
from bnexp.nn.linear import Conv

INVARIANT = BatchNorm(eps=0.0, spatial="channel")
FILTERS = (0, 4)  # the convolutions' places in a network
X = np.random.default_rng(9).standard_normal((2, 7, 7, 6, 3))
LABELS = np.random.default_rng(8).integers(0, 4, (2, 7))
SPATIAL = pytest.mark.parametrize("spatial", ["channel", "activation"])


def cnn(norm, bias=False):
    """Two convolutions with their norm; a dense output."""
    layers = (
        *(Conv(5, 3, Normal(0.5), padding=1, bias=bias), norm, Relu(), MaxPool()),
        *(Conv(6, 2, Normal(0.5), bias=bias), norm, Relu()),
        *(Flatten(), Dense(4, Normal(0.5))),
    )
    return Sequential(layers)


def gradients(network, parameters, state):
    """Loss by network, (K,), and the gradients of every layer."""
    loss = SoftmaxCrossEntropy()
    logits, caches, _ = network.forward(parameters, state, X, train=True)
    losses, probabilities = loss.per_sample(logits, LABELS)
    made = network.backward(parameters, caches, loss.gradient(probabilities, LABELS))
    return losses.mean(axis=-1), made


@SPATIAL
@pytest.mark.parametrize("scale", [1e-3, 0.5, 1e4])
def test_batch_norm_undoes_the_scale_of_the_filters(scale, spatial):
    """BN(aW * u) = BN(W * u), and the gradient with respect to aW is 1/a times."""
    network = cnn(replace(INVARIANT, spatial=spatial))
    parameters, state = stacked(network, 2, X.shape[2:])
    scaled = [
        {n: scale * w if i in FILTERS else w for n, w in p.items()}
        for i, p in enumerate(parameters)
    ]
    loss, before = gradients(network, parameters, state)
    after_loss, after = gradients(network, scaled, state)
    np.testing.assert_allclose(after_loss, loss, rtol=1e-12)
    for i, (g, h) in enumerate(zip(before, after, strict=True)):
        for name in g:
            factor = scale if i in FILTERS else 1
            np.testing.assert_allclose(factor * h[name], g[name], rtol=1e-8, atol=1e-12)


def test_filters_before_batch_norm_are_orthogonal_to_their_gradients():
    """<W, dL/dW> = 0 for each filter of each network."""
    network = cnn(INVARIANT)
    parameters, state = stacked(network, 2, X.shape[2:])
    _, made = gradients(network, parameters, state)
    for i in FILTERS:
        w, g = parameters[i]["W"], made[i]["W"]
        assert np.linalg.norm(g, axis=1).min() > 1e-3
        assert np.abs((w * g).sum(axis=1)).max() < 1e-13
    assert np.abs((parameters[-1]["W"] * made[-1]["W"]).sum(axis=1)).max() > 1e-3


@SPATIAL
@pytest.mark.parametrize("name", NORMS)
def test_a_bias_before_the_batch_norm_of_images_has_no_gradient(name, spatial):
    network = cnn(replace(NORMS[name], spatial=spatial), bias=True)
    parameters, state = stacked(network, 2, X.shape[2:])
    _, made = gradients(network, parameters, state)
    for i in FILTERS:
        assert np.abs(made[i]["b"]).max() < 1e-13
        assert np.abs(made[i]["W"]).max() > 1e-3
    assert np.abs(made[-1]["b"]).max() > 1e-3


@pytest.mark.parametrize("norm", [InstanceNorm(), GroupNorm(groups=1)], ids=repr)
def test_a_bias_before_other_norms_of_images(norm):
    """Idle where a group is one channel; several channels' biases do not cancel."""
    network = cnn(norm, bias=True)
    parameters, state = stacked(network, 2, X.shape[2:])
    _, made = gradients(network, parameters, state)
    idle = isinstance(norm, InstanceNorm)
    assert all((np.abs(made[i]["b"]).max() < 1e-13) == idle for i in FILTERS)


@SPATIAL
def test_the_gradient_norm_theorem_of_images(spatial):
    """Theorem 4.1 of Santurkar et al., with m the rows that share a statistic."""
    x, g = np.random.default_rng(1).standard_normal((2, 1, 9, 4, 3, 2))
    norm = replace(INVARIANT, spatial=spatial)
    parameters, state = layer_start(norm, 1, x.shape[2:])
    y, cache, _ = norm.forward(parameters, state, x, train=True)
    dx, _ = norm.backward(parameters, cache, g)
    axes, m = ((1, 2, 3), 108) if spatial == "channel" else ((1,), 9)
    gamma, beta = (
        parameters[n].reshape(2) if spatial == "channel" else parameters[n].reshape(x.shape[2:])
        for n in ("gamma", "beta")
    )
    xhat = (y - beta) / gamma
    inner = (g**2).sum(axes) - g.sum(axes) ** 2 / m - (g * xhat).sum(axes) ** 2 / m
    expected = gamma**2 / x.var(axes) * inner
    np.testing.assert_allclose((dx**2).sum(axes), expected, rtol=1e-9)


@SPATIAL
def test_batch_norm_of_images_of_one_pixel_is_that_of_rows(spatial):
    norm = BatchNorm(spatial=spatial)
    parameters, state = layer_start(norm, 2, (3,))
    x, dy = np.random.default_rng(2).standard_normal((2, 2, 8, 3))
    made = []
    for shape in ((2, 8, 3), (2, 8, 1, 1, 3)):
        y, cache, after = norm.forward(parameters, state, x.reshape(shape), train=True)
        dx, gradients = norm.backward(parameters, cache, dy.reshape(shape))
        made.append([y.reshape(x.shape), dx.reshape(x.shape), gradients, dict(after)])
    np.testing.assert_equal(made[0], made[1])


def test_layer_norm_is_the_batch_norm_of_the_transposed_batch():
    """Samples are features and features samples: without gamma and beta, forward and back."""
    x, dy = np.random.default_rng(3).standard_normal((2, 2, 8, 5))
    made = []
    layer, batch = LayerNorm(affine=False), BatchNorm(1e-5, affine=False, spatial="channel")
    for norm, turn in ((layer, np.asarray), (batch, np.transpose)):
        rows = [np.stack([turn(a) for a in part]) for part in (x, dy)]
        _, start, state = norm.init(None, rows[0].shape[2:])
        y, cache, _ = norm.forward(start, state, rows[0], train=True)
        dx, _ = norm.backward(start, cache, rows[1])
        made.append([np.stack([turn(a) for a in part]) for part in (y, dx)])
    np.testing.assert_allclose(made[0], made[1], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("evaluation", ["running", "debiased", "population"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_network_of_two_convolutions_folded(evaluation, bias):
    """Both batch norms merge; a pooling between them does not matter."""
    norm = BatchNorm(evaluation=evaluation, spatial="channel")
    network = cnn(norm, bias)
    parameters, state = stacked(network, 2, X.shape[2:])
    parameters = [{n: w + 0.2 * np.cos(7 * w) for n, w in p.items()} for p in parameters]
    for shift in range(3):
        _, _, state = network.forward(parameters, state, X + shift, train=True)
    folded, merged, states = network.folded(parameters, state)
    assert not any(isinstance(layer, BatchNorm) for layer in folded.layers)
    made, _, _ = folded.forward(merged, states, X, train=False)
    expected, _, _ = network.forward(parameters, state, X, train=False)
    np.testing.assert_allclose(made, expected, rtol=1e-11, atol=1e-12)


def test_a_convolution_with_one_place_is_a_dense_layer():
    """A window as large as the image; forward and both gradients."""
    conv, dense = Conv(4, 3, Normal(1.0)), Dense(4, Normal(1.0))
    parameters, _ = layer_start(conv, 2, (3, 3, 2))
    x, dy = np.random.default_rng(4).standard_normal((2, 2, 5, 3, 3, 2))
    dy = dy.reshape(2, 5, -1)[..., :4]
    y, cache, _ = conv.forward(parameters, {}, x, train=True)
    dx, own = conv.backward(parameters, cache, dy[:, :, None, None])
    rows, cache, _ = dense.forward(parameters, {}, x.reshape(2, 5, 18), train=True)
    expected, gradients = dense.backward(parameters, cache, dy)
    np.testing.assert_allclose(y.reshape(rows.shape), rows, rtol=1e-13)
    np.testing.assert_allclose(dx.reshape(expected.shape), expected, rtol=1e-13)
    for name, g in gradients.items():
        np.testing.assert_allclose(own[name], g, rtol=1e-12, atol=1e-13)


def test_global_average_pooling_is_average_pooling_of_the_whole_image():
    x = X[:, :, :6]
    y, _, _ = GlobalAveragePool().forward({}, {}, x, train=True)
    pooled, _, _ = AveragePool(6, 6).forward({}, {}, x, train=True)
    np.testing.assert_allclose(pooled[:, :, 0, 0], y, rtol=1e-12, atol=1e-15)
