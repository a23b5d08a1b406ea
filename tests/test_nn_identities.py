"""Identities that hold whatever the numbers are: of rows, and of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import (
    ACTIVATIONS,
    DIALECTS,
    MEAN_FREE,
    NORMS,
    layer_start,
    one,
    small_mlp,
    stacked,
)

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

# What must hold exactly in theory: scale invariance, idle biases, folding.

INVARIANT = BatchNorm(eps=0.0)
LABELS = np.random.default_rng(8).integers(0, 4, (2, 20))
X = np.random.default_rng(9).standard_normal((2, 20, 6))


def gradients(network, parameters, state, x=X, labels=LABELS):
    """Loss by network, (K,), and the gradients of every layer."""
    loss = SoftmaxCrossEntropy()
    logits, caches, _ = network.forward(parameters, state, x, train=True)
    losses, probabilities = loss.per_sample(logits, labels)
    made = network.backward(parameters, caches, loss.gradient(probabilities, labels))
    return losses.mean(axis=-1), made


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scale", [1e-3, 0.5, 1e4])
def test_batch_norm_undoes_the_scale_of_the_weights(activation, scale):
    """Section 3.3: BN(aWu) = BN(Wu), and the gradient with respect to aW is 1/a times."""
    network = small_mlp(INVARIANT, activation, bias=False)
    parameters, state = stacked(network, 2, (6,))
    scaled = [{n: w * scale if n == "W" else w for n, w in p.items()} for p in parameters[:-1]]
    loss, before = gradients(network, parameters, state)
    after_loss, after = gradients(network, [*scaled, parameters[-1]], state)
    np.testing.assert_allclose(after_loss, loss, rtol=1e-13)
    for g, h in zip(before[:-1], after[:-1], strict=True):
        for name in g:
            factor = scale if name == "W" else 1
            np.testing.assert_allclose(factor * h[name], g[name], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_weights_before_batch_norm_are_orthogonal_to_their_gradients(activation):
    """So gradient flow cannot shorten them: <W, dL/dW> = 0 for each unit."""
    network = small_mlp(INVARIANT, activation)
    parameters, state = stacked(network, 2, (6,))
    _, made = gradients(network, parameters, state)
    for i in (0, 3):
        w, g = parameters[i]["W"], made[i]["W"]
        inner = (w * g).sum(axis=1)
        assert np.linalg.norm(g, axis=1).min() > 1e-6
        assert np.abs(inner).max() < 1e-13
    output = (parameters[-1]["W"] * made[-1]["W"]).sum(axis=1)
    assert np.abs(output).max() > 1e-3  # no normalizer, no such law


@pytest.mark.parametrize("name", MEAN_FREE)
def test_a_bias_before_batch_norm_has_no_gradient(name):
    """Section 3.2: its effect is cancelled by the mean's subtraction."""
    network = small_mlp(NORMS[name])
    parameters, state = stacked(network, 2, (6,))
    _, made = gradients(network, parameters, state)
    for i in (0, 3):
        assert np.abs(made[i]["b"]).max() < 1e-14
        assert np.abs(made[i]["W"]).max() > 1e-3
    assert np.abs(made[-1]["b"]).max() > 1e-3


def test_a_bias_before_batch_norm_changes_nothing():
    network = small_mlp(BatchNorm())
    parameters, state = stacked(network, 2, (6,))
    shifted = [{n: w + 3.0 if n == "b" else w for n, w in p.items()} for p in parameters[:-1]]
    loss, _ = gradients(network, parameters, state)
    moved, _ = gradients(network, [*shifted, parameters[-1]], state)
    np.testing.assert_allclose(moved, loss, rtol=1e-12)


def test_the_gradient_norm_theorem_of_santurkar():
    """Theorem 4.1, an equality for one layer: with g = dL/dy for y = BN(x) and xhat,

    |dL/dx|^2 = gamma^2 / sigma^2 (|g|^2 - <1, g>^2 / m - <g, xhat>^2 / m).
    """
    x, g = np.random.default_rng(1).standard_normal((2, 1, 50, 4))
    parameters = {"gamma": np.full((1, 1, 4), 1.7), "beta": np.zeros((1, 1, 4))}
    y, cache, _ = INVARIANT.forward(parameters, INVARIANT.init(None, (4,))[2], x, train=True)
    dx, _ = INVARIANT.backward(parameters, cache, g)
    xhat = y / 1.7
    inner = (g**2).sum(1) - g.sum(1) ** 2 / 50 - (g * xhat).sum(1) ** 2 / 50
    np.testing.assert_allclose((dx**2).sum(1), 1.7**2 / x.var(1) * inner, rtol=1e-12)


def trained_state(network, k):
    """Parameters that are no longer 1 and 0, and the state after some batches."""
    parameters, state = stacked(network, k, (6,))
    random = np.random.default_rng(4)
    parameters = [{n: w + random.normal(0, 0.3, w.shape) for n, w in p.items()} for p in parameters]
    for x in random.standard_normal((4, k, 20, 6)):
        _, _, state = network.forward(parameters, state, x, train=True)
    return parameters, state


@pytest.mark.parametrize("evaluation", ["running", "debiased", "population", "batch"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", NORMS)
def test_folding_gives_the_evaluated_network(name, bias, evaluation):
    network = small_mlp(replace(NORMS[name], evaluation=evaluation), bias=bias)
    parameters, state = trained_state(network, 2)
    expected, _, _ = network.forward(parameters, state, X, train=False)
    folded, merged, states = network.folded(parameters, state)
    made, _, _ = folded.forward(merged, states, X, train=False)
    np.testing.assert_allclose(made, expected, rtol=1e-12, atol=1e-12)
    merges = evaluation != "batch"
    assert len(folded.layers) == (5 if merges else 7)
    kept = any(isinstance(layer, BatchNorm) for layer in folded.layers)
    assert kept != merges


def test_folding_leaves_what_does_not_follow_a_dense_layer():
    network = Sequential((BatchNorm(), Relu(), Dense(3, Normal(1.0)), Relu(), BatchNorm()))
    parameters, state = trained_state(network, 2)
    folded, merged, states = network.folded(parameters, state)
    assert [type(layer) for layer in folded.layers] == [type(layer) for layer in network.layers]
    expected, _, _ = network.forward(parameters, state, X, train=False)
    made, _, _ = folded.forward(merged, states, X, train=False)
    np.testing.assert_array_equal(made, expected)


def test_folding_leaves_its_arguments():
    network = small_mlp(DIALECTS["book"])
    parameters, state = trained_state(network, 2)
    before = [one(tuple(parameters), k) for k in range(2)]
    network.folded(parameters, state)
    after = [one(tuple(parameters), k) for k in range(2)]
    np.testing.assert_equal(after, before)


@pytest.mark.parametrize("first", ["dense", "norm", "activation"])
def test_backward_skips_nothing_but_the_networks_input(first):
    """The first layer's parameters get their gradients, whatever layer it is."""
    dense = (Dense(6, Normal(1.0)),)
    layers = {"dense": (), "norm": (BatchNorm(),), "activation": (Relu(),)}[first]
    network = Sequential((*layers, *dense, Relu(), Dense(4, Normal(1.0))))
    parameters, state = stacked(network, 2, (6,))
    _, made = gradients(network, parameters, state)
    assert [sorted(g) for g in made] == [sorted(p) for p in parameters]
    assert all(np.abs(g).max() > 0 for layer in made for g in layer.values())


# What must hold exactly in theory of images: scale invariance, idle biases, and their like.

INVARIANT_IMAGES = BatchNorm(eps=0.0, spatial="channel")
FILTERS = (0, 4)  # the convolutions' places in a network
X_IMAGES = np.random.default_rng(9).standard_normal((2, 7, 7, 6, 3))
LABELS_IMAGES = np.random.default_rng(8).integers(0, 4, (2, 7))


def image_gradients(network, parameters, state):
    """As `gradients`, for the images."""
    return gradients(network, parameters, state, X_IMAGES, LABELS_IMAGES)


SPATIAL = pytest.mark.parametrize("spatial", ["channel", "activation"])


def cnn(norm, bias=False):
    """Two convolutions with their norm; a dense output."""
    layers = (
        *(Conv(5, 3, Normal(0.5), padding=1, bias=bias), norm, Relu(), MaxPool()),
        *(Conv(6, 2, Normal(0.5), bias=bias), norm, Relu()),
        *(Flatten(), Dense(4, Normal(0.5))),
    )
    return Sequential(layers)


@SPATIAL
@pytest.mark.parametrize("scale", [1e-3, 0.5, 1e4])
def test_batch_norm_undoes_the_scale_of_the_filters(scale, spatial):
    """BN(aW * u) = BN(W * u), and the gradient with respect to aW is 1/a times."""
    network = cnn(replace(INVARIANT_IMAGES, spatial=spatial))
    parameters, state = stacked(network, 2, X_IMAGES.shape[2:])
    scaled = [
        {n: scale * w if i in FILTERS else w for n, w in p.items()}
        for i, p in enumerate(parameters)
    ]
    loss, before = image_gradients(network, parameters, state)
    after_loss, after = image_gradients(network, scaled, state)
    np.testing.assert_allclose(after_loss, loss, rtol=1e-12)
    for i, (g, h) in enumerate(zip(before, after, strict=True)):
        for name in g:
            factor = scale if i in FILTERS else 1
            np.testing.assert_allclose(factor * h[name], g[name], rtol=1e-8, atol=1e-12)


def test_filters_before_batch_norm_are_orthogonal_to_their_gradients():
    """<W, dL/dW> = 0 for each filter of each network."""
    network = cnn(INVARIANT_IMAGES)
    parameters, state = stacked(network, 2, X_IMAGES.shape[2:])
    _, made = image_gradients(network, parameters, state)
    for i in FILTERS:
        w, g = parameters[i]["W"], made[i]["W"]
        assert np.linalg.norm(g, axis=1).min() > 1e-3
        assert np.abs((w * g).sum(axis=1)).max() < 1e-13
    assert np.abs((parameters[-1]["W"] * made[-1]["W"]).sum(axis=1)).max() > 1e-3


@SPATIAL
@pytest.mark.parametrize("name", MEAN_FREE)
def test_a_bias_before_the_batch_norm_of_images_has_no_gradient(name, spatial):
    network = cnn(replace(NORMS[name], spatial=spatial), bias=True)
    parameters, state = stacked(network, 2, X_IMAGES.shape[2:])
    _, made = image_gradients(network, parameters, state)
    for i in FILTERS:
        assert np.abs(made[i]["b"]).max() < 1e-13
        assert np.abs(made[i]["W"]).max() > 1e-3
    assert np.abs(made[-1]["b"]).max() > 1e-3


@pytest.mark.parametrize("norm", [InstanceNorm(), GroupNorm(groups=1)], ids=repr)
def test_a_bias_before_other_norms_of_images(norm):
    """Idle where a group is one channel; several channels' biases do not cancel."""
    network = cnn(norm, bias=True)
    parameters, state = stacked(network, 2, X_IMAGES.shape[2:])
    _, made = image_gradients(network, parameters, state)
    idle = isinstance(norm, InstanceNorm)
    assert all((np.abs(made[i]["b"]).max() < 1e-13) == idle for i in FILTERS)


@SPATIAL
def test_the_gradient_norm_theorem_of_images(spatial):
    """Theorem 4.1 of Santurkar et al., with m the rows that share a statistic."""
    x, g = np.random.default_rng(1).standard_normal((2, 1, 9, 4, 3, 2))
    norm = replace(INVARIANT_IMAGES, spatial=spatial)
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
    for rows, images in zip(made[0][:2], made[1][:2], strict=True):
        np.testing.assert_allclose(rows, images, rtol=1e-13, atol=1e-14)
    for rows, images in zip(made[0][2:], made[1][2:], strict=True):
        for name, value in rows.items():
            np.testing.assert_allclose(value, images[name], rtol=1e-13, atol=1e-14)


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
    parameters, state = stacked(network, 2, X_IMAGES.shape[2:])
    parameters = [{n: w + 0.2 * np.cos(7 * w) for n, w in p.items()} for p in parameters]
    for shift in range(3):
        _, _, state = network.forward(parameters, state, X_IMAGES + shift, train=True)
    folded, merged, states = network.folded(parameters, state)
    assert not any(isinstance(layer, BatchNorm) for layer in folded.layers)
    made, _, _ = folded.forward(merged, states, X_IMAGES, train=False)
    expected, _, _ = network.forward(parameters, state, X_IMAGES, train=False)
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
    x = X_IMAGES[:, :, :6]
    y, _, _ = GlobalAveragePool().forward({}, {}, x, train=True)
    pooled, _, _ = AveragePool(6, 6).forward({}, {}, x, train=True)
    np.testing.assert_allclose(pooled[:, :, 0, 0], y, rtol=1e-12, atol=1e-15)
