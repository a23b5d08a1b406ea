"""What holds for every layer, whatever its shapes, options and numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numeric_cases import ACTIVATIONS as OLDER
from numeric_cases import (
    NEWER_ACTIVATIONS,
    Case,
    arrays,
    bits,
    float_types,
    layer_start,
    one,
    stacked,
)
from threadpoolctl import threadpool_limits

from bnexp import nn
from bnexp.nn import BatchNorm, Dense, Normal, Relu, SoftmaxCrossEntropy, mlp
from bnexp.nn.linear import Conv
from bnexp.nn.normalizers import GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from bnexp.nn.pooling import AveragePool, Flatten, GlobalAveragePool, MaxPool
from bnexp.nn.weightnorm import WeightNorm

SIZES = st.integers(1, 9)
DTYPES = st.sampled_from(["float32", "float64"])
ACTIVATIONS = st.sampled_from([*OLDER.values(), *NEWER_ACTIVATIONS.values()])
DENSE = st.builds(Dense, SIZES, st.just(Normal(1.0)), st.booleans())
NORMS = st.builds(
    BatchNorm,
    eps=st.sampled_from([1e-12, 1e-6, 1e-3, 1.0]),
    eps_placement=st.sampled_from(["inside", "outside"]),
    stat_decay=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    ddof=st.sampled_from([0, 1]),
    running_ddof=st.sampled_from([0, 1]),
    running_var=st.sampled_from([0.0, 1.0]),
    evaluation=st.sampled_from(["running", "debiased", "population", "batch"]),
    affine=st.booleans(),
    spatial=st.sampled_from(["channel", "activation"]),
    gradient=st.sampled_from(["exact", "darknet"]),
)
SAMPLE_NORMS = st.builds(
    lambda kind, eps, affine: kind(eps=eps, affine=affine),
    st.sampled_from([LayerNorm, RMSNorm]),
    st.sampled_from([1e-12, 1e-5, 1.0]),
    st.booleans(),
)
WINDOWS = st.sampled_from([(1, 1, 0), (2, 2, 0), (2, 1, 1), (3, 2, 1), (3, 1, 1)])
POOLS = st.builds(lambda kind, w: kind(*w), st.sampled_from([MaxPool, AveragePool]), WINDOWS)
CONVS = st.builds(
    lambda features, window, bias: Conv(features, window[0], Normal(1.0), *window[1:], bias),
    st.integers(1, 4),
    WINDOWS,
    st.booleans(),
)
DROPOUTS = st.builds(
    nn.Dropout, st.sampled_from([0.0, 0.3, 0.9]), st.sampled_from(["inverted", "evaluation"])
)
NORMED = WeightNorm().around
ROW_LAYERS = st.one_of(DENSE, DENSE.map(NORMED), DROPOUTS, NORMS, SAMPLE_NORMS, ACTIVATIONS)
INSTANCE = st.builds(lambda affine: InstanceNorm(affine=affine), st.booleans())
FLAT = st.sampled_from([GlobalAveragePool(), Flatten()])
IMAGE_LAYERS = st.one_of(
    CONVS, CONVS.map(NORMED), POOLS, DROPOUTS, NORMS, SAMPLE_NORMS, INSTANCE, FLAT, ACTIVATIONS
)
quick = settings(max_examples=150, deadline=None)


@pytest.fixture(autouse=True, scope="module")
def _one_blas_thread():
    # Small float32 products of OpenBLAS 0.3.31 (AVX-512) now and then raise the flag of an invalid
    # operation though every number is finite; what is finite is asserted below instead.
    with threadpool_limits(1, "blas"), np.errstate(invalid="ignore"):
        yield


def grouped(groups, affine, k, n, shape, *others):
    """A group norm of images whose channels are a multiple of its groups."""
    shape = (*shape[:2], groups * shape[2])
    return Case(GroupNorm(affine=affine, groups=groups), k, n, shape, *others)


BATCHES = (SIZES, st.integers(1, 9))
NUMBERS = (DTYPES, st.integers(0, 99), st.sampled_from([1e-3, 1.0, 30.0]))
IMAGES = (st.integers(1, 4), st.integers(1, 4), st.tuples(*[st.integers(3, 6)] * 2, SIZES))
CASES = st.one_of(
    st.builds(Case, ROW_LAYERS, *BATCHES, st.tuples(SIZES), *NUMBERS),
    st.builds(Case, IMAGE_LAYERS, *IMAGES, *NUMBERS),
    st.builds(grouped, st.integers(1, 4), st.booleans(), *IMAGES, *NUMBERS),
)


@quick
@given(CASES)
def test_promised_shapes_are_made(case):
    k, n, *shape = case.x.shape
    promised, _, _ = case.layer.init(case.random, tuple(shape))
    made = case.step()
    assert made["y"].shape == made["eval"].shape == (k, n, *promised)
    assert made["dx"].shape == case.x.shape
    for name, w in case.parameters.items():
        assert made[name].shape == w.shape
    assert {n: s.shape for n, s in made["state"].items()} == {
        n: s.shape for n, s in case.state.items()
    }


@pytest.mark.slow
@quick
@given(CASES)
def test_a_stack_is_its_networks_alone_to_the_bit(case):
    made = case.step()
    cache = made.pop("cache")
    for k in range(case.k):
        alone = case.step(k)
        assert bits(one(cache, k)) == bits(alone.pop("cache"))
        assert bits(one(made, k)) == bits(alone)


@pytest.mark.slow
@quick
@given(CASES)
def test_float_types_survive(case):
    assert float_types(case.step()) == {case.dtype}


@quick
@given(CASES)
def test_finite_in_finite_out(case):
    made = case.step()
    if isinstance(case.layer, MaxPool):
        made.pop("cache")  # with its frame of -inf
    assert all(np.isfinite(a).all() for a in arrays(made))


@quick
@given(CASES)
def test_layers_do_not_change_their_arguments(case):
    before = bits((case.parameters, case.state, case.x))
    case.step()
    assert bits((case.parameters, case.state, case.x)) == before


@quick
@given(NORMS, SIZES, st.integers(1, 9), DTYPES, st.sampled_from([0.0, 1.0, -3.7, 1e4]))
def test_a_constant_feature_has_finite_gradients(norm, k, n, dtype, value):
    case = Case(norm, k, n, (3,), dtype)
    case.x[:, :, 1] = value
    made = case.step()
    assert all(np.isfinite(a).all() for a in arrays(made))
    if value in (0.0, 1.0):  # its mean is exact, so is y = beta
        beta = case.parameters["beta"][..., 1] if "beta" in case.parameters else 0
        np.testing.assert_array_equal(made["y"][:, :, 1] - beta, 0)


@quick
@given(SIZES, SIZES, st.integers(1, 9), DTYPES, st.sampled_from([1e-3, 1.0, 100.0]))
def test_loss_is_finite_and_its_gradient_sums_to_zero(k, n, classes, dtype, scale):
    random = np.random.default_rng(k)
    logits = (scale * random.standard_normal((k, n, classes))).astype(dtype)
    labels = random.integers(0, classes, (1, n))
    losses, probabilities = SoftmaxCrossEntropy().per_sample(logits, labels)
    assert losses.shape == (k, n)
    assert losses.dtype == probabilities.dtype == np.dtype(dtype)
    assert np.all(losses >= 0)
    assert np.all(np.isfinite(losses))
    few_ulps = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=few_ulps)
    gradient = SoftmaxCrossEntropy().gradient(probabilities, labels)
    np.testing.assert_allclose(gradient.sum(axis=-1), 0, atol=few_ulps)


@quick
@given(st.lists(SIZES, min_size=1, max_size=4), SIZES, DTYPES, ACTIVATIONS, st.none() | NORMS)
def test_networks_of_any_width(widths, k, dtype, activation, norm):
    network = mlp(widths, activation, norm, [Normal(0.5)] * len(widths))
    parameters, state = stacked(network, k, (3,), dtype)
    x = np.random.default_rng(0).standard_normal((1, 6, 3)).astype(dtype)
    logits, caches, after = network.forward(parameters, state, x, train=True)
    assert logits.shape == (k, 6, widths[-1])
    gradients = network.backward(parameters, caches, logits)
    for p, g in zip(parameters, gradients, strict=True):
        assert {n: w.shape for n, w in p.items()} == {n: w.shape for n, w in g.items()}
    assert {a.dtype for a in arrays([logits, caches, after, gradients])} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    ("layer", "train"),
    [
        (Dense(4, Normal(1.0)), True),
        (Relu(), True),
        (BatchNorm(affine=False), True),
        (BatchNorm(), False),
        (BatchNorm(), True),
    ],
    ids=["dense", "relu", "norm", "evaluated norm", "affine norm"],
)
def test_networks_may_share_one_input(layer, train):
    """As the package's page says: an operand with K = 1 is every network's."""
    parameters, state = layer_start(layer, 3, (5,))
    x = np.random.default_rng(0).standard_normal((1, 6, 5))
    shared, _, _ = layer.forward(parameters, state, x, train)
    repeated, _, _ = layer.forward(parameters, state, np.repeat(x, 3, axis=0), train)
    np.testing.assert_array_equal(np.broadcast_to(shared, repeated.shape), repeated)


def test_population_averaging_keeps_the_type():
    network = mlp((3, 2), Relu(), BatchNorm(evaluation="population"), [Normal(1.0)] * 2)
    parameters, state = stacked(network, 2, (3,), "float32")
    seen = np.random.default_rng(0).standard_normal((3, 1, 5, 3)).astype("float32")
    made = network.population_state(parameters, state, seen)
    assert {a.dtype for a in arrays(made)} == {np.dtype("float32")}
