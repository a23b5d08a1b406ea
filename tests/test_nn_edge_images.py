"""Images of odd sizes and of one and three channels, dead channels, statistics before training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import DIALECTS, bits, layer_start, one, stacked
from threadpoolctl import threadpool_limits

from bnexp.nn import (
    SGD,
    AveragePool,
    BatchNorm,
    Dense,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    Normal,
    Relu,
    Sequential,
    SoftmaxCrossEntropy,
)
from bnexp.nn.linear import Conv
from bnexp.training import Images, train
from bnexp.training.evaluate import evaluation_state
from bnexp.training.random import generator, shuffle

COUNTED = np.arange(25.0).reshape(1, 1, 5, 5, 1)


@pytest.mark.parametrize(
    ("layer", "expected", "reached"),
    [
        (MaxPool(2, 2), [[6, 8], [16, 18]], 4),
        (MaxPool(2, 2, 1), [[0, 2, 4], [10, 12, 14], [20, 22, 24]], 9),
        (AveragePool(2, 2), [[3, 5], [13, 15]], 16),
        (AveragePool(2, 2, 1), [[0, 0.75, 1.75], [3.75, 9, 11], [8.75, 19, 21]], 25),
    ],
    ids=repr,
)
def test_pooling_of_an_odd_side(layer, expected, reached):
    """Without a frame the last row and column are left out, and have no gradient."""
    y, cache, _ = layer.forward({}, {}, COUNTED, train=True)
    np.testing.assert_array_equal(y[0, 0, ..., 0], expected)
    dx, _ = layer.backward({}, cache, np.ones_like(y))
    assert np.count_nonzero(dx) == reached
    whole = layer.padding == 0 or isinstance(layer, MaxPool)
    assert not whole or dx.sum() == y.size  # the frame takes its share of a mean


def dead(norm_after, k=2):
    """A network whose convolution is below 0 for every image, and a step with it."""
    norm = BatchNorm(spatial="channel")
    after = (Relu(), norm) if norm_after else (Relu(),)
    network = Sequential(
        (Conv(4, 3, Normal(0.5)), *after, MaxPool(), Flatten(), Dense(3, Normal(0.5)))
    )
    parameters, state = stacked(network, k, (6, 6, 2))
    parameters[0]["b"][:] = -1e3
    x = np.random.default_rng(0).standard_normal((k, 5, 6, 6, 2))
    logits, caches, state = network.forward(parameters, state, x, train=True)
    loss, labels = SoftmaxCrossEntropy(), np.zeros((1, 5), np.int64)
    dy = loss.gradient(loss.per_sample(logits, labels)[1], labels)
    return logits, network.backward(parameters, caches, dy), state


@pytest.mark.parametrize("norm_after", [True, False])
def test_dead_channels(norm_after):
    """All images look alike, equal pixels are pooled, and nothing before them learns."""
    logits, gradients, state = dead(norm_after)
    np.testing.assert_array_equal(logits, np.zeros((2, 5, 3)))
    np.testing.assert_array_equal(gradients[0]["W"], 0)
    np.testing.assert_array_equal(gradients[0]["b"], 0)
    np.testing.assert_array_equal(gradients[-1]["W"], 0)
    np.testing.assert_allclose(gradients[-1]["b"], [[[-2 / 3, 1 / 3, 1 / 3]]] * 2)
    if norm_after:
        np.testing.assert_array_equal(gradients[2]["gamma"], 0)
        assert np.abs(gradients[2]["beta"]).min() > 1e-3
        np.testing.assert_array_equal(state[2]["var"], 0)


EVALUATIONS = pytest.mark.parametrize("evaluation", ["running", "debiased", "population", "batch"])


@EVALUATIONS
@pytest.mark.parametrize("spatial", ["channel", "activation"])
@pytest.mark.parametrize("name", DIALECTS)
def test_evaluation_of_images_before_any_update(name, spatial, evaluation):
    """Mean 0 and the initial variance; or the evaluated images' own statistics."""
    norm = replace(DIALECTS[name], evaluation=evaluation, spatial=spatial)
    parameters, state = layer_start(norm, 1, (3, 2, 4))
    x = np.random.default_rng(0).standard_normal((1, 6, 3, 2, 4)) + 2
    y, _, after = norm.forward(parameters, state, x, train=False)
    assert after is state
    axes = (1, 2, 3) if spatial == "channel" else (1,)
    own = evaluation == "batch"
    mean = x.mean(axes, keepdims=True) if own else 0
    var = x.var(axes, ddof=norm.ddof, keepdims=True) if own else norm.running_var
    inside = norm.eps_placement == "inside"
    root = np.sqrt(var + norm.eps * inside) + norm.eps * (not inside)
    row = (4,) if spatial == "channel" else (3, 2, 4)
    gamma, beta = (parameters[n].reshape(row) for n in ("gamma", "beta"))
    np.testing.assert_allclose(y, gamma * (x - mean) / root + beta, rtol=1e-11, atol=1e-12)


def colors(n, channels, dtype):
    """Images 9 x 7: of three channels the brighter one, of one the brighter half, is the label."""
    random = np.random.default_rng(channels)
    pixels = random.integers(0, 100, (n, 9, 7, channels), dtype=np.uint8)
    labels = random.integers(0, channels if channels > 1 else 2, n)
    for image, label in zip(pixels, labels, strict=True):
        part = image[..., label] if channels > 1 else image[5 * label :][:4]
        part += 100
    return Images(pixels, labels, dtype)


NETWORK = Sequential(
    (
        *(Conv(6, 3, Normal(0.3), padding=1, bias=False), BatchNorm(spatial="channel"), Relu()),
        *(MaxPool(2, 2, 1), Conv(8, 2, Normal(0.3)), Relu()),
        *(MaxPool(), Flatten(), Dense(3, Normal(0.3))),
    )
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_one_and_of_three_channels_are_learnt(channels, dtype):
    """In batches of 10, 10 and 5; a stack as each network alone, to the bit."""
    set_ = colors(25, channels, dtype)
    parameters, state = stacked(NETWORK, 2, set_.shape, dtype)
    assert parameters[0]["W"].shape == (2, 9 * channels, 6)
    rates = np.full((2, 1, 1), 0.1, dtype)

    def run(parameters, state, rates):
        batches = (rows[None] for rows in shuffle(generator(0, "batches"), 25, 10))
        return train(NETWORK, SGD(), rates, parameters, state, batches, (0, 60), set_)

    with threadpool_limits(1, "blas"):
        history = run(parameters, state, rates)
        for k in range(2):
            alone = run(*one((parameters, state), k), rates[k : k + 1])
            assert bits(one((history.parameters, history.state), k)) == bits(
                (alone.parameters, alone.state)
            )
    assert (history.metrics["train_accuracy"][:, 1] > 0.9).all()
    assert (history.metrics["train_loss"][:, 1] < history.metrics["train_loss"][:, 0]).all()


def test_population_statistics_of_images():
    """Algorithm 2 with m = N H W: means, and m/(m-1) times the variances, over whole batches."""
    norm = BatchNorm(evaluation="population", spatial="channel")
    network = Sequential(
        (Conv(4, 3, Normal(0.3), 2), norm, Relu(), GlobalAveragePool(), Dense(3, Normal(0.3)))
    )
    set_ = colors(25, 3, np.float64)
    parameters, state = stacked(network, 2, set_.shape)
    made = evaluation_state(network, parameters, state, set_, batch_size=10)
    x, _ = set_.batch(slice(20))
    u, _, _ = network.layers[0].forward(parameters[0], {}, x[None], train=True)
    u = u.reshape(2, 2, 10 * 4 * 3, 4)  # (K, batch, m, C)
    mean, var = norm.statistics(made[1])
    np.testing.assert_allclose(mean[:, 0], u.mean(axis=2).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(var[:, 0], u.var(axis=2, ddof=1).mean(axis=1), rtol=1e-12)
