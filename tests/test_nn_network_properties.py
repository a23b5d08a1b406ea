"""What holds for every step of every network: types, networks apart, and no gradient of 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numeric_cases import arrays, bits, float_types, one, stacked
from threadpoolctl import threadpool_limits

from bnexp import nn
from bnexp.nn import BatchNorm, Dense, Dropout, Normal, Relu, Sequential, SoftmaxCrossEntropy, mlp
from bnexp.nn.linear import Conv
from bnexp.nn.normalizers import GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from bnexp.nn.optimizers import Constant, Cosine, StepDecay
from bnexp.nn.pooling import AveragePool, Flatten, GlobalAveragePool, MaxPool
from bnexp.training.update import Adjustments, update

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
NORMS = st.one_of(
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
        draw(NORMS),
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
