"""Edge cases: constant features, single samples, dead units and channels, huge numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import DIALECTS, NORMS, arrays, bits, layer_start, one, small_mlp, stacked
from threadpoolctl import threadpool_limits

from bnexp.nn import (
    SGD,
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
    RMSNorm,
    Sequential,
    SoftmaxCrossEntropy,
)
from bnexp.nn.linear import Conv
from bnexp.training import Images, train
from bnexp.training.evaluation import evaluation_state
from bnexp.training.random import generator, shuffle

# Batches of one, short batches, and what does not vary: defined, and finite.

WITH_EPS = {name: norm for name, norm in NORMS.items() if norm.eps}
BATCH_NORMS = pytest.mark.parametrize("name", WITH_EPS)
SPATIAL = pytest.mark.parametrize("spatial", ["channel", "activation"])
IMAGE = (4, 3, 2)


def drawn(*shape, seed=0):
    return np.random.default_rng((231, seed)).standard_normal(shape)


def stepped(network, x):
    """Losses (K, N), gradients and state after a step of one forward and one backward pass."""
    parameters, state = stacked(network, len(x), x.shape[2:])
    logits, caches, after = network.forward(parameters, state, x, train=True)
    labels = np.zeros((1, x.shape[1]), np.int64)
    losses, probabilities = SoftmaxCrossEntropy().per_sample(logits, labels)
    dy = SoftmaxCrossEntropy().gradient(probabilities, labels)
    return losses, network.backward(parameters, caches, dy), after


@BATCH_NORMS
def test_a_network_of_rows_in_a_batch_of_one(name):
    """Its logits are the betas', whatever the image: nothing before the last norm learns."""
    network, x = small_mlp(WITH_EPS[name]), drawn(2, 1, 6)
    losses, made, after = stepped(network, x)
    other, _, _ = stepped(network, x + drawn(2, 1, 6, seed=1))
    np.testing.assert_array_equal(losses, other)
    assert all(np.isfinite(a).all() for a in arrays([losses, made, after]))
    assert max(np.abs(made[i][n]).max() for i in (0, 3) for n in ("W", "b")) < 1e-9
    assert np.abs(made[-1]["b"]).max() > 0.1


@BATCH_NORMS
@SPATIAL
def test_one_image_in_a_batch(name, spatial):
    """Of each channel it has many numbers, of each activation one."""
    norm = replace(WITH_EPS[name], spatial=spatial)
    parameters, state = layer_start(norm, 2, IMAGE)
    x, dy = drawn(2, 1, *IMAGE), drawn(2, 1, *IMAGE, seed=1)
    y, cache, after = norm.forward(parameters, state, x, train=True)
    dx, _ = norm.backward(parameters, cache, dy)
    assert np.isfinite(dx).all()
    if spatial == "channel":
        rows = x.reshape(2, 12, 2)
        expected, _, _ = norm.forward(parameters, state, rows, train=True)
        np.testing.assert_allclose(y.reshape(rows.shape), expected, rtol=1e-12, atol=1e-13)
        assert np.abs(dx).max() > 1e-3
    else:
        beta = parameters.get("beta", np.zeros((2, 1, 24)))
        np.testing.assert_array_equal(y.reshape(2, 1, -1), beta)
        if norm.gradient != "darknet_alexeyab":
            np.testing.assert_allclose(dx, 0, atol=1e-9)
        np.testing.assert_array_equal(after["var"], 0)


@BATCH_NORMS
@pytest.mark.parametrize("shape", [(), (3, 2)], ids=["rows", "images"])
def test_a_short_batch_counts_as_much_as_a_full_one(name, shape):
    """The running average is over batches; each variance is over its own batch's N - ddof."""
    norm = replace(WITH_EPS[name], evaluation="running", running_var=0.0, spatial="channel")
    _, state = layer_start(norm, 1, (*shape, 4))
    parameters = {n: np.ones((1, 1, 4)) for n in ("gamma", "beta")}
    full, short = drawn(1, 10, *shape, 4), 1 + 2 * drawn(1, 3, *shape, 4, seed=1)
    for x in (full, short):
        _, _, state = norm.forward(parameters, state, x, train=True)
    keep = norm.stat_decay
    means, variances = zip(
        *((a.mean(axis=0), a.var(axis=0, ddof=norm.running_ddof)) for a in rows(full, short)),
        strict=True,
    )
    mean, var = norm.statistics(state)
    weights = (1 - keep) * keep, 1 - keep
    np.testing.assert_allclose(mean[0, 0], np.tensordot(weights, means, 1), rtol=1e-12)
    np.testing.assert_allclose(var[0, 0], np.tensordot(weights, variances, 1), rtol=1e-12)


def rows(*batches):
    return (x.reshape(-1, x.shape[-1]) for x in batches)


def slope_where_nothing_varies(norm):
    """1 / sqrt(0 + eps), as the backward pass has it."""
    if norm.gradient != "exact":
        return 1e-5**-0.5
    return norm.eps ** (-0.5 if norm.eps_placement == "inside" else -1)


def affine(norm, parameters):
    return parameters.get("gamma", np.ones(1)), parameters.get("beta", np.zeros(1))


@BATCH_NORMS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("spatial", "shape", "together"),
    [
        ("channel", (3,), (6, 3)),
        ("channel", (4, 2, 3), (48, 3)),
        ("activation", (4, 2, 3), (6, 24)),
    ],
    ids=["rows", "channel", "activation"],
)
def test_a_feature_that_does_not_vary(name, spatial, shape, together, dtype):
    """y = beta and dx = gamma (dy - mean(dy)) / sqrt(eps), with what shares a statistic in rows."""
    norm = replace(WITH_EPS[name], spatial=spatial)
    parameters, state = layer_start(norm, 2, shape, dtype)
    x, dy = (drawn(2, *together, seed=i).astype(dtype) for i in range(2))
    x[..., 1] = -2
    y, cache, after = norm.forward(parameters, state, x.reshape(2, 6, *shape), train=True)
    dx, gradients = norm.backward(parameters, cache, dy.reshape(y.shape))
    gamma, beta = affine(norm, parameters)
    np.testing.assert_array_equal((y.reshape(x.shape) - beta)[..., 1], 0)
    slope = gamma * slope_where_nothing_varies(norm) + 0 * x[:, :1]
    expected = (slope * (dy - dy.mean(axis=1, keepdims=True)))[..., 1]
    if norm.gradient == "darknet_alexeyab":  # dy is divided by sqrt(0) + 1e-5
        expected += ((gamma * 1e5 - slope) * dy)[..., 1]
    near = (1e-5 if dtype == "float32" else 1e-13) * np.abs(expected).max()
    np.testing.assert_allclose(dx.reshape(x.shape)[..., 1], expected, rtol=0, atol=near)
    assert all(np.isfinite(a).all() for a in arrays([dx, gradients, dict(after)]))
    assert all(np.all(gradients[n][..., 1] == 0) for n in gradients if n == "gamma")


@pytest.mark.parametrize("evaluation", ["running", "debiased", "population", "batch"])
@BATCH_NORMS
def test_a_feature_that_never_varied_is_finite_at_evaluation(name, evaluation):
    """y = beta where it is what it was; elsewhere the difference over sqrt(eps)."""
    norm = replace(WITH_EPS[name], evaluation=evaluation, stat_decay=0.0, running_var=0.0)
    parameters, state = layer_start(norm, 2, (3,))
    x = drawn(2, 6, 3)
    x[..., 1] = -2
    _, _, state = norm.forward(parameters, state, x, train=True)
    gamma, beta = (np.broadcast_to(a, (2, 1, 3))[..., 1] for a in affine(norm, parameters))
    y, _, _ = norm.forward(parameters, state, x, train=False)
    np.testing.assert_allclose(y[..., 1] - beta, 0, atol=1e-9)
    moved, cache, _ = norm.forward(parameters, state, x + 1e-3, train=False)
    dx, _ = norm.backward(parameters, cache, drawn(2, 6, 3, seed=1))
    assert np.isfinite(dx).all()
    root = norm.eps**0.5 if norm.eps_placement == "inside" else norm.eps
    expected = (0 if evaluation == "batch" else 1e-3) * gamma / root + 0 * y[..., 1]
    np.testing.assert_allclose(moved[..., 1] - beta, expected, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("placement", ["inside", "outside"])
@pytest.mark.parametrize("eps", [0.0, 1e-60])
def test_without_eps_a_feature_that_does_not_vary_is_its_beta(eps, placement, dtype):
    """0 / 0 counts as 0: y = beta, no gradient, and the other features are what they were. In
    float32 an epsilon of 1e-60 is 0, too."""
    norm = BatchNorm(eps=eps, eps_placement=placement)
    parameters, state = layer_start(norm, 2, (3,), dtype)
    x, dy = drawn(2, 6, 3).astype(dtype), drawn(2, 6, 3, seed=1).astype(dtype)
    made = []
    for constant in (False, True):
        x[..., 1] = -2 if constant else x[..., 1]
        y, cache, after = norm.forward(parameters, state, x, train=True)
        dx, gradients = norm.backward(parameters, cache, dy)
        evaluated, _, _ = norm.forward(parameters, after, x * 0, train=False)
        made.append([y, dx, *gradients.values(), evaluated])
    np.testing.assert_array_equal(y[..., 1], parameters["beta"][..., 1] + 0 * y[..., 1])
    assert all(np.isfinite(array).all() for array in made[1])
    if np.dtype(dtype).type(eps) == 0:
        np.testing.assert_array_equal(dx[..., 1], 0)
        np.testing.assert_array_equal(evaluated[..., 1], parameters["beta"][..., 1] + 0 * y[..., 1])
    for ours, theirs in zip(*made, strict=True):
        np.testing.assert_array_equal(ours[..., [0, 2]], theirs[..., [0, 2]])


@pytest.mark.parametrize(
    "norm", [LayerNorm(eps=0), GroupNorm(eps=0, groups=2), InstanceNorm(eps=0), RMSNorm(eps=0)]
)
def test_without_eps_a_sample_that_does_not_vary_is_its_beta(norm):
    """For RMS norm, which subtracts no mean, a black one."""
    parameters, state = layer_start(norm, 2, IMAGE)
    x, dy = drawn(2, 3, *IMAGE), drawn(2, 3, *IMAGE, seed=1)
    expected, _, _ = norm.forward(parameters, state, x, train=True)
    x[:, 1] = 0 if isinstance(norm, RMSNorm) else 5
    y, cache, _ = norm.forward(parameters, state, x, train=True)
    dx, gradients = norm.backward(parameters, cache, dy)
    rows = y[:, 1].reshape(2, -1, norm.scales(IMAGE))
    np.testing.assert_array_equal(rows, parameters.get("beta", 0.0) + 0 * rows)
    np.testing.assert_array_equal(dx[:, 1], 0)
    np.testing.assert_array_equal(y[:, [0, 2]], expected[:, [0, 2]])
    assert all(np.isfinite(g).all() for g in gradients.values())


SAMPLE_NORMS = [
    *(LayerNorm(), RMSNorm(), GroupNorm(groups=2), InstanceNorm(), InstanceNorm(affine=True)),
    *(LayerNorm(affine=False), RMSNorm(affine=False), GroupNorm(groups=2, eps=0.1)),
]


@pytest.mark.parametrize("norm", SAMPLE_NORMS, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sample_that_does_not_vary(norm, dtype):
    """y = beta and dx = (g - mean(g)) / sqrt(eps) over each group, g = gamma dy; of a black image
    for RMS norm, which subtracts no mean: y = 0 and dx = g / sqrt(eps)."""
    shape = (3, 2, 4)
    parameters, state = layer_start(norm, 2, shape, dtype)
    x, dy = (drawn(2, 5, *shape, seed=i).astype(dtype) for i in range(2))
    x[:, 1] = 2 * norm.centered
    y, cache, _ = norm.forward(parameters, state, x, train=True)
    dx, made = norm.backward(parameters, cache, dy)
    gamma, beta = (
        parameters[n].reshape(2, *(shape if parameters[n].shape[-1] == 24 else (1, 1, 4)))
        if n in parameters
        else np.full((1, 1, 1, 1), start)
        for n, start in (("gamma", 1.0), ("beta", 0.0))
    )
    np.testing.assert_array_equal(y[:, 1], np.broadcast_to(beta, y[:, 1].shape))
    parts = {LayerNorm: 1, RMSNorm: 1, GroupNorm: 2, InstanceNorm: 4}[type(norm)]
    g = (gamma * dy[:, 1]).reshape(2, 6, parts, -1)
    expected = (g - norm.centered * g.mean(axis=(1, 3), keepdims=True)) / np.sqrt(norm.eps)
    near = (1e-5 if dtype == "float32" else 1e-13) * np.abs(expected).max()
    np.testing.assert_allclose(dx[:, 1], expected.reshape(2, *shape), rtol=0, atol=near)
    assert all(np.isfinite(a).all() for a in arrays([y, dx, made]))


# Images of odd sizes and of one and three channels, dead channels, statistics before training.

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
