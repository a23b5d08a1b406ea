"""Whole networks: gradients, properties, and convolutional ones with batch norm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gradcheck import layer_errors, network_errors
from hypothesis import given, settings
from hypothesis import strategies as st
from numeric_cases import (
    ACTIVATIONS,
    AFFINE,
    DIALECTS,
    EXACT,
    NORMS,
    WRONG,
    arrays,
    bits,
    float_types,
    layer_start,
    one,
    small_mlp,
    stacked,
)
from threadpoolctl import threadpool_limits

from bnexp import nn
from bnexp.nn import (
    BatchNorm,
    Dense,
    Dropout,
    GroupNorm,
    LayerNorm,
    Normal,
    Relu,
    RMSNorm,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
    block,
    mlp,
)
from bnexp.nn.activations import Gelu
from bnexp.nn.linear import Conv, folded
from bnexp.nn.normalizers import InstanceNorm
from bnexp.nn.optimizers import Constant, Cosine, StepDecay
from bnexp.nn.pooling import AveragePool, Flatten, GlobalAveragePool, MaxPool
from bnexp.training.update import Adjustments, update

# The gradients of whole networks of dense layers against central differences.

LIMIT = 1e-7
K = pytest.mark.parametrize("k", [1, 3])


def mlp_errors(network, parameters, state, n=12):
    """Of a stack with inputs of 6 numbers and 4 classes."""
    k = len(parameters[-1]["W"])
    random = np.random.default_rng((231, k))
    x, labels = random.standard_normal((k, n, 6)), random.integers(0, 4, (k, n))
    return network_errors(network, SoftmaxCrossEntropy(), parameters, state, x, labels, random)


@pytest.mark.parametrize("name", WRONG)
def test_the_checker_of_networks_sees_a_wrong_layer(name):
    """The weights before it get a wrong gradient, the output's do not."""
    network = small_mlp(WRONG[name], "tanh", bias=False)
    parameters, state = stacked(network, 2, (6,))
    errors = mlp_errors(network, parameters, state, n=30)
    assert errors[0, "W"] > 3e-4
    assert errors[6, "W"] < LIMIT


@K
@pytest.mark.parametrize("norm", [None, *(name for name in DIALECTS if name in EXACT)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_whole_networks(k, norm, activation):
    network = small_mlp(DIALECTS.get(norm), activation, bias=norm is None)
    errors = mlp_errors(network, *stacked(network, k, (6,)))
    # a weight a layer and the output's bias; before it gamma and beta, or the other biases
    assert len(errors) == (6 if norm is None else 8)
    assert max(errors.values()) < LIMIT


SAMPLE_NORMS = {"layer": LayerNorm(), "group": GroupNorm(groups=3), "rms": RMSNorm()}


def two_blocks(activation, norm, after=False, dropout=None, bias=True):
    """Dense and what follows it, twice, and a dense layer without bias."""
    layers = [
        part
        for width in (9, 6)
        for part in (Dense(width, Normal(0.7), bias), *block(activation, norm, after, dropout))
    ]
    return Sequential((*layers, Dense(4, Normal(0.7), bias=False)))


@K
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", ["none", "batch", *SAMPLE_NORMS])
def test_whole_networks_with_dropout_and_the_norm_on_either_side(k, name, after):
    """The mask is fixed: a function of the state."""
    norm = {"none": None, "batch": BatchNorm(), **SAMPLE_NORMS}[name]
    # a bias before a subtracted mean has no slope
    network = two_blocks(Tanh(), norm, after, Dropout(0.3), bias=after or name != "batch")
    parameters, state = stacked(network, k, (6,))
    errors = mlp_errors(network, parameters, state)
    assert len(errors) == sum(len(p) for p in parameters)
    assert max(errors.values()) < LIMIT


@pytest.mark.parametrize("name", sorted(nn.ACTIVATIONS.builtin))
def test_whole_networks_with_every_activation(name):
    network = two_blocks(nn.ACTIVATIONS[name](), LayerNorm(), after=True)
    parameters, state = stacked(network, 2, (6,))
    errors = mlp_errors(network, parameters, state)
    assert len(errors) == 9
    assert max(errors.values()) < LIMIT


# What holds for every step of every network: types, networks apart, and no gradient of 0.

SIZES = st.integers(1, 9)
DTYPES = st.sampled_from(["float32", "float64"])
OPTIMIZERS = st.sampled_from(sorted(nn.OPTIMIZERS.builtin)).map(lambda name: nn.OPTIMIZERS[name]())


quick = settings(max_examples=100, deadline=None)


@pytest.fixture(autouse=True, scope="module")
def _one_blas_thread():
    # As in test_nn_properties: flags without cause.
    with threadpool_limits(1, "blas"), np.errstate(invalid="ignore"):
        yield


@quick
@given(SIZES, st.integers(1, 9), SIZES, DTYPES, st.booleans())
def test_dead_units_pass_no_gradient(k, n, width, dtype, normalized):
    """Every unit of the first layer is below 0 for every sample: nothing before it learns."""
    norm = BatchNorm() if normalized else None
    network = mlp((width, 4), Relu(), norm, [Normal(1.0)] * 2)
    parameters, state = stacked(network, k, (5,), dtype)
    parameters[1 if normalized else 0]["beta" if normalized else "b"][:] = -1e3
    x = np.random.default_rng(0).standard_normal((k, n, 5)).astype(dtype)
    labels = np.zeros((1, n), dtype=np.int64)
    logits, caches, _ = network.forward(parameters, state, x, train=True)
    loss = SoftmaxCrossEntropy()
    gradient = loss.gradient(loss.per_sample(logits, labels)[1], labels)
    gradients = network.backward(parameters, caches, gradient)
    for layer in gradients[:-1]:
        assert all(np.all(g == 0) for g in layer.values())
    assert np.all(gradients[-1]["W"] == 0)
    assert np.all(gradients[-1]["b"][:, 0, 0] < 0)


@quick
@given(
    st.sampled_from(sorted(nn.OPTIMIZERS.builtin)).map(lambda name: nn.OPTIMIZERS[name]()),
    SIZES,
    st.tuples(SIZES, SIZES),
    DTYPES,
)
def test_optimizers_keep_types_and_networks_apart(optimizer, k, shape, dtype):
    random = np.random.default_rng(k)
    w, g = random.standard_normal((2, k, *shape)).astype(dtype)
    lr = random.uniform(0.01, 1, (k, 1, 1)).astype(dtype)

    def after(w, g, lr):
        parameters = {"w": w.copy()}
        state = optimizer.init(parameters)
        for _ in range(3):
            state = optimizer.update(parameters, {"w": g.copy()}, state, lr)
        return parameters, dict(state)

    made = after(w, g, lr)
    assert {a.dtype for a in arrays(made) if a.ndim} == {np.dtype(dtype)}  # but for the steps
    for i in range(k):
        assert bits(one(made, i)) == bits(after(*one((w, g, lr), i)))


WINDOWS = st.sampled_from([(1, 1, 0), (2, 1, 1), (3, 1, 1), (3, 2, 1), (3, 2, 0)])
ANY_NORM = st.one_of(
    st.none(),
    st.sampled_from(sorted(BatchNorm.DIALECTS)).flatmap(
        lambda name: st.builds(
            lambda spatial: BatchNorm(**{**BatchNorm.DIALECTS[name], "spatial": spatial}),
            st.sampled_from(["channel", "activation"]),
        )
    ),
    st.sampled_from([LayerNorm(), RMSNorm(), GroupNorm(groups=2), InstanceNorm(affine=True)]),
)


POOLS = st.builds(
    lambda kind, window: kind(*window),
    st.sampled_from([MaxPool, AveragePool]),
    st.sampled_from([(2, 2, 0), (2, 2, 1), (3, 2, 1)]),
)


@st.composite
def cnns(draw):
    """Conv - norm and activation in either order - dropout - pool - rows - dense."""
    size, stride, padding = draw(WINDOWS)
    after = nn.block(
        nn.ACTIVATIONS[draw(st.sampled_from(sorted(nn.ACTIVATIONS.builtin)))](),
        draw(ANY_NORM),
        draw(st.booleans()),
        draw(st.sampled_from([None, Dropout(0.3), Dropout(0.3, "evaluation")])),
    )
    conv = Conv(
        2 * draw(st.integers(1, 3)), size, Normal(0.5), stride, padding, draw(st.booleans())
    )
    rows = draw(st.sampled_from([Flatten(), GlobalAveragePool()]))
    return Sequential((conv, *after, draw(POOLS), rows, Dense(3, Normal(0.5))))


ADJUSTMENTS = st.builds(
    Adjustments,
    l2=st.sampled_from([0.0, 0.1]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    clip_norm=st.sampled_from([None, 0.1]),
    schedule=st.sampled_from([Constant(), Constant(warmup=3), StepDecay(every=1), Cosine()]),
)


@quick
@given(
    cnns(),
    OPTIMIZERS,
    ADJUSTMENTS,
    st.integers(1, 3),
    st.integers(2, 5),
    st.tuples(st.integers(5, 8), st.integers(5, 8), st.sampled_from([1, 3])),
    DTYPES,
)
def test_two_steps_of_a_network_of_images(network, optimizer, adjustments, k, n, shape, dtype):
    """Every number keeps its type and is finite; a stack is its networks alone, to the bit."""
    parameters, state = stacked(network, k, shape, dtype)
    state = tuple(
        {**s, "key": np.arange(k, dtype=np.uint64)[:, None]} if "key" in s else s for s in state
    )
    random = np.random.default_rng(0)
    x = random.standard_normal((2, k, n, *shape)).astype(dtype)
    labels = random.integers(0, 3, (2, k, n))
    lr = np.linspace(0.01, 0.1, k).astype(dtype)[:, None, None]

    def steps(parameters, state, x, labels, lr):
        parameters = [{name: w.copy() for name, w in p.items()} for p in parameters]
        moments = [optimizer.init(p) for p in parameters]
        loss = SoftmaxCrossEntropy()
        for t in range(2):
            logits, caches, state = network.forward(parameters, state, x[t], train=True)
            losses, probabilities = loss.per_sample(logits, labels[t])
            gradients = network.backward(
                parameters, caches, loss.gradient(probabilities, labels[t])
            )
            moments = update(adjustments, optimizer, lr, parameters, gradients, moments, (t + 1, 2))
        return (
            losses,
            parameters,
            state,
            [{name: a for name, a in m.items() if a.ndim} for m in moments],
        )

    made = steps(parameters, state, x, labels, lr)
    assert made[0].shape == (k, n)
    assert [{name: w.shape for name, w in p.items()} for p in made[1]] == [
        {name: w.shape for name, w in p.items()} for p in parameters
    ]
    assert float_types(made) == {np.dtype(dtype)}
    assert all(np.isfinite(a).all() for a in arrays(made))
    for i in range(k):
        alone = steps(
            *one((parameters, state), i), x[:, i : i + 1], labels[:, i : i + 1], lr[i : i + 1]
        )
        assert bits(one(made, i)) == bits(alone)


# Batch norm of images, small convolutional networks, and folding into a convolution.

SHAPE = (3, 4, 2)
SPATIAL = pytest.mark.parametrize("spatial", ["channel", "activation"])


def batches(number, k=2, n=5, shape=SHAPE):
    return 3 * np.random.default_rng((231, k)).standard_normal((number, k, n, *shape)) + 2


def as_rows(x, spatial):
    """What shares a statistic in a column: every pixel a row, or every image."""
    if spatial == "channel":
        return x.reshape(len(x), -1, x.shape[-1])
    return x.reshape(*x.shape[:2], -1)


@SPATIAL
@pytest.mark.parametrize("name", NORMS)
def test_images_are_normalized_as_their_rows_are(name, spatial):
    """Forward, backward in training and after an evaluation, and statistics."""
    norm = replace(NORMS[name], spatial=spatial)
    parameters, state = layer_start(norm, 2, SHAPE)
    of_rows = state
    for x, dy in batches(4).reshape(2, 2, 2, 5, *SHAPE):
        for train in (True, False):
            y, cache, state = norm.forward(parameters, state, x, train)
            dx, gradients = norm.backward(parameters, cache, dy)
            rows = as_rows(x, spatial)
            expected, cache, of_rows = norm.forward(parameters, of_rows, rows, train)
            expected_dx, expected_gradients = norm.backward(parameters, cache, as_rows(dy, spatial))
            pairs = [(y, expected.reshape(x.shape)), (dx, expected_dx.reshape(x.shape))]
            pairs += [(gradients[name], g) for name, g in expected_gradients.items()]
            pairs += [(state[name], s) for name, s in of_rows.items()]
            for ours, theirs in pairs:  # sums over pixels have an order of their own
                np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("spatial", "axes"), [("channel", (1, 2, 3)), ("activation", (1,))])
def test_the_axes_of_the_statistics(spatial, axes):
    """Over N, H and W, or over N alone; of the normalized images and in the state."""
    norm = BatchNorm(eps=0.0, spatial=spatial, stat_decay=0.0)
    shape, parameters, state = norm.init(None, SHAPE)
    assert shape == SHAPE
    assert parameters["gamma"].shape == ((1, 2) if spatial == "channel" else (1, 24))
    (x,) = batches(1)
    y, _, state = norm.forward(parameters, state, x, train=True)
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(state["mean"], mean.reshape(2, 1, -1), rtol=1e-13)
    np.testing.assert_allclose(state["var"], var.reshape(2, 1, -1), rtol=1e-13)


@K
@SPATIAL
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", EXACT)
def test_gradients_of_batch_norm(name, train, spatial, k):
    norm = replace(EXACT[name], spatial=spatial)
    parameters, state = layer_start(norm, k, SHAPE)
    x, later = batches(2, k)
    _, _, state = norm.forward(parameters, state, x, train=True)
    random = np.random.default_rng(k)
    errors = layer_errors(norm, parameters, state, later, random, train=train)
    assert set(errors) == {"x", *AFFINE[norm.affine]}
    assert max(errors.values()) < LIMIT


@SPATIAL
def test_images_that_all_networks_share(spatial):
    norm = BatchNorm(spatial=spatial)
    parameters, state = layer_start(norm, 3, SHAPE)
    (x,) = batches(1, k=1)
    for train in (True, False):
        shared, cache, _ = norm.forward(parameters, state, x, train)
        repeated, full, _ = norm.forward(parameters, state, np.repeat(x, 3, axis=0), train)
        np.testing.assert_array_equal(shared, repeated)
        dx, _ = norm.backward(parameters, cache, np.sin(shared))
        np.testing.assert_array_equal(dx, norm.backward(parameters, full, np.sin(shared))[0])


CNN_NORMS = {
    "none": None,
    "batch": BatchNorm(eps=1e-5, spatial="channel"),
    "batch, activation": BatchNorm(eps=1e-5, spatial="activation"),
    "layer": LayerNorm(),
    "group": GroupNorm(),
    "instance": InstanceNorm(),
    "rms": RMSNorm(),
}


def cnn(norm, pool=None, activation=None, rows=None):
    """Conv - [norm] - activation - pool - rows - Dense."""
    layers = (
        Conv(4, 3, Normal(0.5), padding=1),
        *([norm] if norm else []),
        activation or Relu(),
        pool or MaxPool(),
        rows or Flatten(),
        Dense(3, Normal(0.5)),
    )
    return Sequential(layers)


def labeled(k, n=6):
    random = np.random.default_rng((1, k))
    return random.standard_normal((k, n, 5, 6, 2)), random.integers(0, 3, (k, n))


def two_convolutions(norm, after, stride=1):
    """Each with its norm on one side of the activation, and dropout; a smooth pooling."""
    layers = [
        layer
        for features, size, step in ((4, 3, 1), (6, 2, stride))
        for layer in (
            Conv(features, size, Normal(0.5), step, 1, bias=after),
            *block(Tanh(), norm, after, Dropout(0.3)),
        )
    ]
    return Sequential((*layers, AveragePool(2, 2, 1), Flatten(), Dense(3, Normal(0.5))))


CNNS = {
    **{f"norm: {name}": cnn(norm) for name, norm in CNN_NORMS.items()},
    "average": cnn(BatchNorm(spatial="channel"), AveragePool(3, 2, 1), Gelu()),
    "global average": cnn(BatchNorm(spatial="channel"), MaxPool(3, 1), rows=GlobalAveragePool()),
    "group, global average": cnn(GroupNorm(), AveragePool(), rows=GlobalAveragePool()),
    "two, batch": two_convolutions(BatchNorm(spatial="channel"), after=False),
    "two, batch after": two_convolutions(BatchNorm(spatial="channel"), after=True, stride=2),
    "two, layer after": two_convolutions(LayerNorm(), after=True),
    "two, instance": two_convolutions(InstanceNorm(), after=False, stride=2),
}


@K
@pytest.mark.parametrize("name", CNNS)
def test_gradients_of_whole_networks(name, k):
    network = CNNS[name]
    parameters, state = stacked(network, k, (5, 6, 2))
    x, labels = labeled(k)
    random = np.random.default_rng(2)
    errors = network_errors(network, SoftmaxCrossEntropy(), parameters, state, x, labels, random)
    # a bias before a subtracted mean has no slope to compare with
    idle = name in ("norm: batch", "norm: batch, activation", "norm: instance")
    idle |= name in ("average", "global average")
    if idle:
        errors.pop((0, "b"))
    assert len(errors) == sum(len(p) for p in parameters) - idle
    assert max(errors.values()) < LIMIT


@pytest.mark.parametrize("norm", [None, BatchNorm(spatial="channel")], ids=["plain", "batch"])
@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (2, 3, 0)], ids=str)
def test_pooling_before_relu_gives_what_the_layers_give_one_after_another(window, norm):
    """Also where all pixels of a window are equal, as they are in the blank parts of images."""
    network = cnn(norm, MaxPool(*window))
    parameters, state = stacked(network, 3, (5, 6, 2))
    parameters[0]["b"][:] = np.random.default_rng().standard_normal(parameters[0]["b"].shape)
    x, _ = labeled(3)
    x[:, :3] = np.maximum(x[:, :3] - 1, 0)
    y, caches = x, []
    for layer, p, s in zip(network.layers, parameters, state, strict=True):
        y, cache, _ = layer.forward(p, s, y, train=True)
        caches.append(cache)
    logits, network_caches, _ = network.forward(parameters, state, x, train=True)
    np.testing.assert_array_equal(logits, y)
    dy = np.random.default_rng().standard_normal(y.shape)
    gradients = network.backward(parameters, network_caches, dy)
    expected = []
    for layer, p, cache in zip(network.layers[::-1], parameters[::-1], caches[::-1], strict=True):
        dy, layer_gradients = layer.backward(p, cache, dy)
        expected.append(layer_gradients)
    for layer, before in zip(gradients, expected[::-1], strict=True):
        assert layer.keys() == before.keys()
        for name, gradient in layer.items():
            np.testing.assert_array_equal(gradient, before[name])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", CNNS)
def test_a_stack_of_networks_is_each_alone_to_the_bit(name, shared, dtype):
    """Whatever the layout of the gradients that poolings hand on."""
    network = CNNS[name]
    parameters, state = stacked(network, 3, (5, 6, 2), dtype)
    x, labels = labeled(3)
    x = x[:1] if shared else x

    def step(parameters, state, x, labels):
        logits, caches, after = network.forward(parameters, state, x, train=True)
        loss = SoftmaxCrossEntropy()
        dy = loss.gradient(loss.per_sample(logits, labels)[1], labels)
        gradients = network.backward(parameters, caches, dy)
        evaluated, _, _ = network.forward(parameters, after, x, train=False)
        return logits, after, gradients, evaluated

    with threadpool_limits(1, "blas"), np.errstate(invalid="ignore"):  # raised without cause
        together = step(parameters, state, x.astype(dtype), labels)
        assert float_types(together) == {np.dtype(dtype)}
        for k in range(3):
            own = one(x, 0 if shared else k).astype(dtype)
            alone = step(*one((parameters, state), k), own, one(labels, k))
            assert bits(one(together, k)) == bits(alone)


@pytest.mark.parametrize("evaluation", ["running", "debiased", "population"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", NORMS)
def test_folding_batch_norm_into_a_convolution(name, bias, evaluation):
    """Conv and evaluated batch norm are one convolution with a bias."""
    norm = replace(NORMS[name], evaluation=evaluation, spatial="channel")
    conv = Conv(4, 3, Normal(0.5), stride=2, padding=1, bias=bias)
    network = Sequential((conv, norm))
    parameters, state = stacked(network, 2, (5, 6, 2))
    parameters = [{n: w + 0.3 * np.cos(w) for n, w in p.items()} for p in parameters]
    for x in batches(3, shape=(5, 6, 2)):
        _, _, state = network.forward(parameters, state, x, train=True)
    expected, _, _ = network.forward(parameters, state, x, train=False)
    merged = folded(parameters[0], *norm.evaluated(parameters[1], state[1]))
    made, _, _ = replace(conv, bias=True).forward(merged, {}, x, train=False)
    np.testing.assert_allclose(made, expected, rtol=1e-12, atol=1e-12)


def test_evaluation_statistics_of_the_batch_cannot_be_folded():
    norm = BatchNorm(evaluation="batch", spatial="channel")
    parameters, state = layer_start(norm, 2, SHAPE)
    assert norm.evaluated(parameters, state) is None


@SPATIAL
def test_a_whole_network_folded(spatial):
    """Each channel's scale fits into a convolution; that of each activation does not."""
    network = cnn(BatchNorm(spatial=spatial))
    parameters, state = stacked(network, 2, (5, 6, 2))
    for x in batches(3, shape=(5, 6, 2)):
        _, _, state = network.forward(parameters, state, x, train=True)
    made, merged, states = network.folded(parameters, state)
    kept = any(isinstance(layer, BatchNorm) for layer in made.layers)
    assert kept == (spatial == "activation")
    expected, _, _ = network.forward(parameters, state, x, train=False)
    logits, _, _ = made.forward(merged, states, x, train=False)
    np.testing.assert_allclose(logits, expected, rtol=1e-12, atol=1e-12)
