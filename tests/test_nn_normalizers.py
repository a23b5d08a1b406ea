"""Normalizers other than batch norm: textbooks, gradients, and what each promises."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import layer_errors
from numeric_cases import Case, bits, float_types, layer_start

import bnexp
from bnexp.errors import ConfigError
from bnexp.nn import (
    NORMALIZERS,
    SGD,
    BatchNorm,
    Dense,
    Normal,
    Relu,
    Sequential,
    SoftmaxCrossEntropy,
    gradient_errors,
)
from bnexp.nn.normalizers import Centre, GroupNorm, InstanceNorm, LayerNorm, NoisyBatchNorm, RMSNorm

LIMIT = 1e-7
ROWS, IMAGES = (6,), (4, 5, 6)

# Every normalizer with its defaults, for images and in training: its formula and its gradients.


def standard(x, axis):
    """(x - mean) / sqrt(variance + eps), statistics over these axes of (N, H, W, C)."""
    centered = x - x.mean(axis=axis, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=axis, keepdims=True) + 1e-5)


def in_groups(x):
    n, h, w, c = x.shape
    return standard(x.reshape(n, h, w, 2, c // 2), (1, 2, 4)).reshape(x.shape)


FORMULAS = {  # of one network's x (N, H, W, C), before gamma and beta
    "layer": lambda x: standard(x, (1, 2, 3)),
    "instance": lambda x: standard(x, (1, 2)),
    "group": in_groups,
    "rms": lambda x: x / np.sqrt((x**2).mean(axis=(1, 2, 3), keepdims=True) + 1e-5),
    "centre": lambda x: x - x.mean(axis=(0, 1, 2)),
    "scale": lambda x: x / np.sqrt((x**2).mean(axis=(1, 2, 3), keepdims=True) + 1e-5),
    "filter_response": lambda x: x / np.sqrt((x**2).mean(axis=(1, 2), keepdims=True) + 1e-6),
}
# These have oracles of their own: test_nn_batchnorm.py, test_nn_batchvariants.py,
# test_nn_weightnorm.py, and below.
OTHERS = {
    "batch", "ghost_batch", "batch_renorm", "weight", "weight_standardization", "noisy_batch",
    "spectral",
}  # fmt: skip


def test_every_normalizer_of_the_package_is_tested():
    assert {*FORMULAS, *OTHERS} == NORMALIZERS.builtin


@pytest.mark.parametrize("kind", FORMULAS)
def test_a_normalizer_is_its_formula(kind):
    layer, x = NORMALIZERS[kind](), batch(2, IMAGES)
    parameters, state = layer_start(layer, 2, IMAGES)
    y, _, _ = layer.forward(parameters, state, x, train=True)
    expected = [[scaled(parameters, k, sample) for sample in FORMULAS[kind](x[k])] for k in (0, 1)]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", FORMULAS)
def test_the_gradients_of_a_normalizer(kind):
    assert max(gradient_errors(NORMALIZERS[kind](), batch(2, IMAGES)).values()) < LIMIT


# Layer, group, instance and RMS normalization: textbooks, gradients, and each other.


def norms(shape):
    """Every kind with and without gamma and beta; (name, layer)."""
    kinds = [
        LayerNorm(affine=True),
        LayerNorm(affine=False, eps=0.1),
        RMSNorm(affine=True),
        RMSNorm(affine=False, eps=0.1),
        GroupNorm(groups=1),
        GroupNorm(groups=2, affine=False),
        GroupNorm(groups=3, eps=0.1),
    ]
    if len(shape) == 3:
        kinds += [InstanceNorm(), InstanceNorm(affine=True, eps=0.1), GroupNorm(groups=6)]
    return kinds


CASES = [(layer, shape) for shape in (ROWS, IMAGES) for layer in norms(shape)]
cases = pytest.mark.parametrize(("layer", "shape"), CASES, ids=repr)


def batch(k, shape, n=5, seed=0):
    return 3 * np.random.default_rng((231, seed)).standard_normal((k, n, *shape)) + 2


def standardized(values, eps):
    """(v - mean) / sqrt(variance + eps) of some numbers, whatever their shape."""
    mean = sum(values.ravel()) / values.size
    variance = sum((values.ravel() - mean) ** 2) / values.size
    return (values - mean) / np.sqrt(variance + eps)


def textbook(layer, sample):
    """One sample, (H,) or (H, W, C), normalized: kind by kind."""
    if isinstance(layer, RMSNorm):
        return sample / np.sqrt(sum(sample.ravel() ** 2) / sample.size + layer.eps)
    if isinstance(layer, LayerNorm):
        return standardized(sample, layer.eps)
    channels = sample.shape[-1]
    size = 1 if isinstance(layer, InstanceNorm) else channels // layer.groups
    y = np.empty_like(sample)
    for first in range(0, channels, size):
        part = sample[..., first : first + size]
        y[..., first : first + size] = standardized(part, layer.eps)
    return y


def scaled(parameters, k, y):
    """gamma and beta: one for each number of the sample, or one a channel."""
    for name, combine in (("gamma", np.multiply), ("beta", np.add)):
        if name in parameters:
            row = parameters[name][k, 0]
            y = combine(y, row.reshape(y.shape) if row.size == y.size else row)
    return y


@cases
@pytest.mark.parametrize("train", [True, False])
def test_forward(layer, shape, train):
    parameters, state = layer_start(layer, 2, shape)
    x = batch(2, shape)
    y, _, after = layer.forward(parameters, state, x, train)
    assert after is state
    assert state == {}
    expected = [[scaled(parameters, k, textbook(layer, s)) for s in x[k]] for k in range(2)]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("k", [1, 3])
@cases
def test_gradients(layer, shape, k):
    parameters, state = layer_start(layer, k, shape)
    errors = layer_errors(layer, parameters, state, batch(k, shape), np.random.default_rng(k))
    names = {"gamma"} if isinstance(layer, RMSNorm) else {"gamma", "beta"}
    assert set(errors) == {"x"} | (names if layer.affine else set())
    assert max(errors.values()) < LIMIT


@pytest.mark.parametrize("std", [1e-3, 1e-2])
@pytest.mark.parametrize("layer", [LayerNorm(), RMSNorm(), GroupNorm()], ids=repr)
def test_gradients_where_eps_matters(layer, std):
    parameters, state = layer_start(layer, 2, ROWS)
    x = std * np.random.default_rng(0).standard_normal((2, 5, *ROWS))
    errors = layer_errors(layer, parameters, state, x, np.random.default_rng(1), 1e-3 * std)
    assert max(errors.values()) < LIMIT


@cases
def test_a_batch_that_all_networks_share(layer, shape):
    """Whether gamma is each network's own or there is none."""
    parameters, state = layer_start(layer, 3, shape)
    x = batch(1, shape)
    shared, cache, _ = layer.forward(parameters, state, x, train=True)
    repeated, full, _ = layer.forward(parameters, state, np.repeat(x, 3, axis=0), train=True)
    np.testing.assert_array_equal(np.broadcast_to(shared, repeated.shape), repeated)
    dy = batch(3, shape, seed=1)
    dx, gradients = layer.backward(parameters, cache, dy)
    expected, alone = layer.backward(parameters, full, dy)
    np.testing.assert_array_equal(dx, expected)
    np.testing.assert_equal(gradients, alone)


@pytest.mark.parametrize("shape", [ROWS, IMAGES])
def test_one_group_is_layer_norm(shape):
    """But for gamma and beta: a channel's, not a number's."""
    same_and_checked(GroupNorm(groups=1, affine=False), LayerNorm(affine=False), shape)


def test_a_group_for_each_channel_is_instance_norm():
    same_and_checked(GroupNorm(groups=6, affine=False), InstanceNorm(), IMAGES)
    same_and_checked(GroupNorm(groups=6), InstanceNorm(affine=True), IMAGES)


def same_and_checked(one, other, shape):
    """Equal to the last digits, forward and back."""
    x, dy = batch(2, shape), batch(2, shape, seed=1)
    made = []
    for layer in (one, other):
        parameters, state = layer_start(layer, 2, shape)
        y, cache, _ = layer.forward(parameters, state, x, train=True)
        dx, gradients = layer.backward(parameters, cache, dy)
        made.append([y, dx, *gradients.values()])
    assert len(made[0]) == (4 if one.affine else 2)
    for ours, theirs in zip(*made, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_rms_norm_of_centred_samples_is_layer_norm():
    x = batch(2, ROWS)
    x -= x.mean(axis=-1, keepdims=True)
    rms, _, _ = RMSNorm(affine=False).forward({}, {}, x, train=True)
    layer, _, _ = LayerNorm(affine=False).forward({}, {}, x, train=True)
    np.testing.assert_allclose(rms, layer, rtol=1e-12)


def test_layer_norm_undoes_the_scale_and_the_shift_of_a_sample():
    layer = LayerNorm(eps=0.0)
    parameters, state = layer_start(layer, 2, IMAGES)
    x = batch(2, IMAGES)
    expected, _, _ = layer.forward(parameters, state, x, train=True)
    made, _, _ = layer.forward(parameters, state, 1e4 * x - 30, train=True)
    np.testing.assert_allclose(made, expected, rtol=1e-9, atol=1e-10)


def test_a_sample_does_not_depend_on_its_batch():
    for layer, shape in CASES:
        parameters, state = layer_start(layer, 2, shape)
        x = batch(2, shape)
        all_, _, _ = layer.forward(parameters, state, x, train=True)
        alone, _, _ = layer.forward(parameters, state, x[:, 2:3], train=True)
        np.testing.assert_allclose(alone, all_[:, 2:3], rtol=1e-13)


@pytest.mark.parametrize(
    ("layer", "shape", "gammas"),
    [
        (LayerNorm(), IMAGES, 120),
        (RMSNorm(), IMAGES, 120),
        (GroupNorm(), IMAGES, 6),
        (InstanceNorm(affine=True), IMAGES, 6),
        (LayerNorm(), ROWS, 6),
    ],
)
def test_what_gamma_is_one_of(layer, shape, gammas):
    made, parameters, state = layer.init(None, shape)
    assert (made, state) == (shape, {})
    assert list(parameters) == (["gamma"] if isinstance(layer, RMSNorm) else ["gamma", "beta"])
    for name, value in parameters.items():
        np.testing.assert_array_equal(value, np.full((1, gammas), float(name == "gamma")))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (GroupNorm(groups=4), ROWS, "group norm: 6 channels do not split into 4 equal groups"),
        (GroupNorm(groups=7), IMAGES, "group norm: 6 channels do not split into 7 equal groups"),
        (InstanceNorm(), ROWS, "instance norm: needs images, a dense layer's output has no places"),
    ],
)
def test_what_cannot_be_normalized(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.init(None, shape)


# Mean subtraction alone, and what follows where its gradient ignores the mean.

SMALL_ROWS, SMALL_IMAGES = (5,), (3, 4, 5)
SHAPES = pytest.mark.parametrize("shape", [SMALL_ROWS, SMALL_IMAGES], ids=["rows", "images"])


def centre_inputs(k, shape, n=8, seed=3):
    return 2 * np.random.default_rng(seed).standard_normal((k, n, *shape)) + 7


@SHAPES
@pytest.mark.parametrize("gradient", ["exact", "ignored"])
def test_each_unit_or_channel_has_mean_0(shape, gradient):
    layer, x = Centre(gradient), centre_inputs(2, shape)
    _, state = layer_start(layer, 2, shape)
    y, _, after = layer.forward({}, state, x, train=True)
    axes = tuple(range(1, x.ndim - 1))
    mean = x.mean(axis=axes, keepdims=True)
    np.testing.assert_allclose(y, x - mean, atol=1e-13)
    np.testing.assert_allclose(after["mean"], 0.1 * mean.reshape(2, 1, 5), rtol=1e-12)
    assert state["mean"].tolist() == np.zeros((2, 1, 5)).tolist()


@SHAPES
def test_evaluation_takes_the_running_mean(shape):
    layer = Centre(stat_decay=0.75)
    _, state = layer_start(layer, 2, shape)
    running = np.zeros((2, 5))
    for seed in range(4):
        x = centre_inputs(2, shape, seed=seed)
        _, _, state = layer.forward({}, state, x, train=True)
        running = 0.75 * running + 0.25 * x.reshape(2, -1, 5).mean(axis=1)
    np.testing.assert_allclose(state["mean"][:, 0], running, rtol=1e-12)
    x = centre_inputs(2, shape, n=1)
    y, cache, after = layer.forward({}, state, x, train=False)
    np.testing.assert_allclose(y, x - running.reshape(2, *[1] * len(shape), 5), rtol=1e-12)
    assert after is state
    dy = centre_inputs(2, shape, n=1, seed=9)
    np.testing.assert_array_equal(layer.backward({}, cache, dy)[0], dy)


@SHAPES
@pytest.mark.parametrize("k", [1, 3])
def test_the_exact_gradient(shape, k):
    _, state = layer_start(Centre(), k, shape)
    errors = layer_errors(Centre(), {}, state, centre_inputs(k, shape), np.random.default_rng(1))
    assert set(errors) == {"x"}
    assert errors["x"] < 1e-7


@SHAPES
def test_the_other_gradient_is_dy_as_it_came(shape):
    layer, x, dy = Centre("ignored"), centre_inputs(2, shape), centre_inputs(2, shape, seed=4)
    _, state = layer_start(layer, 2, shape)
    _, cache, _ = layer.forward({}, state, x, train=True)
    dx, gradients = layer.backward({}, cache, dy)
    np.testing.assert_array_equal(dx, dy)
    assert gradients == {}
    assert layer_errors(layer, {}, state, x, np.random.default_rng(1))["x"] > 0.01


@SHAPES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gradient", ["exact", "ignored"])
def test_stacked_is_alone(shape, dtype, gradient):
    case = Case(Centre(gradient), 3, 7, shape, dtype)
    together = case.step()
    assert float_types(together) == {np.dtype(dtype)}
    for k in range(3):
        single = case.step(k)
        for name in ("y", "dx", "eval"):
            assert bits(together[name][k]) == bits(single[name][0])
        assert bits(together["state"]["mean"][k]) == bits(single["state"]["mean"][0])


class Whitened:
    """u + b, centred, then a ReLU and the classes: the argument of Ioffe & Szegedy, section 2."""

    def __init__(self, gradient):
        layers = (Dense(6, Normal(0.5)), Centre(gradient), Relu(), Dense(3, Normal(0.5)))
        self.network = Sequential(layers)
        parameters, state = self.network.init(np.random.default_rng(0), (4,))
        self.parameters = [{n: a[None].copy() for n, a in p.items()} for p in parameters]
        self.state = [{n: a[None] for n, a in s.items()} for s in state]
        random = np.random.default_rng(1)
        self.x, self.labels = random.standard_normal((1, 20, 4)), random.integers(0, 3, (1, 20))

    def __call__(self):
        """Loss, logits and the bias's gradient."""
        loss = SoftmaxCrossEntropy()
        logits, caches, _ = self.network.forward(self.parameters, self.state, self.x, train=True)
        losses, probabilities = loss.per_sample(logits, self.labels)
        dy = loss.gradient(probabilities, self.labels)
        gradients = self.network.backward(self.parameters, caches, dy)
        return losses.mean(), logits, gradients[0]["b"]


def test_the_bias_gets_the_same_step_whatever_it_is_and_the_loss_stays():
    net = Whitened("ignored")
    loss, logits, db = net()
    assert np.linalg.norm(db) > 0.01
    for bias in (0.3, -40.0, 1e3):
        net.parameters[0]["b"] = np.full((1, 1, 6), bias)
        other, moved, same = net()
        np.testing.assert_allclose(moved, logits, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(same, db, rtol=1e-8)
        assert other == pytest.approx(loss, rel=1e-10)


def test_the_bias_grows_in_proportion_to_the_steps():
    net = Whitened("ignored")
    loss, _, db = net()
    sizes = []
    for step in range(1, 1001):
        current, _, gradient = net()
        b = {"b": net.parameters[0]["b"]}
        SGD().update(b, {"b": gradient}, {}, np.full((1, 1, 1), 10.0))
        assert current == pytest.approx(loss, rel=1e-9)
        if step in (10, 100, 1000):
            sizes.append(np.linalg.norm(b["b"]))
    want = 10 * np.linalg.norm(db) * np.array([10, 100, 1000])
    np.testing.assert_allclose(sizes, want, rtol=1e-6)


def test_the_exact_gradient_leaves_the_bias_alone():
    _, _, db = Whitened("exact")()
    assert np.abs(db).max() < 1e-16


def test_it_folds_into_the_layer_before_it():
    network = Sequential((Dense(6, Normal(0.5)), Centre(), Relu(), Dense(3, Normal(0.5))))
    parameters, state = network.init(np.random.default_rng(0), (4,))
    parameters = [{n: a[None] for n, a in p.items()} for p in parameters]
    state = [{n: a[None] for n, a in s.items()} for s in state]
    state[1] = {"mean": np.random.default_rng(2).standard_normal((1, 1, 6))}
    x = np.random.default_rng(1).standard_normal((1, 20, 4))
    merged, p, s = network.folded(parameters, state)
    assert len(merged.layers) == 3
    want = network.evaluated(parameters, state, x)
    np.testing.assert_allclose(merged.evaluated(p, s, x), want, rtol=1e-12, atol=1e-14)


def test_it_is_trained_from_yaml_and_only_ignoring_moves_the_biases(small):
    assert NORMALIZERS["centre"] is Centre
    config = bnexp.load_config(
        small,
        {
            "sweep.model.init.std": None,
            "sweep.model.norm": [{"kind": "centre", "gradient": g} for g in ("exact", "ignored")],
            "train.precision": "float64",
            "probes": {"read": [{"kind": "layers", "quantities": ["bias_norm"]}]},
        },
    )
    probes = bnexp.run(config).probes
    hidden = probes["layer"] < 3
    still = np.char.find(probes["model.norm"].astype(str), "exact") >= 0
    assert probes["value"][hidden & still].max() < 1e-12
    assert probes["value"][hidden & ~still].min() > 1e-3


# Batch norm with noise after it: the noise's moments, its gradients, and where it is not.

PLAIN = BatchNorm(eps=1e-5, spatial="channel")


def start(layer, k, shape, dtype="float64", steps=0):
    """Random parameters, each network with a key of its own."""
    parameters, state = layer_start(layer, k, shape, dtype)
    state["key"] = np.arange(7, 7 + k, dtype=np.uint64)[:, None]
    state["steps"] = np.full((k, 1), steps, np.uint64)
    return parameters, state


def noisy_inputs(k, shape, n=8, seed=3, dtype="float64"):
    x = 2 * np.random.default_rng(seed).standard_normal((k, n, *shape)) + 1
    return x.astype(dtype)


def noise(layer, shape, n, steps=0):
    """Scale and shift that one network's outputs get, off two passes with gamma 0."""
    _, state = start(layer, 1, shape, steps=steps)
    x, row = noisy_inputs(1, shape, n), (1, 1, shape[-1])

    def made(beta):
        parameters = {"gamma": np.zeros(row), "beta": np.full(row, beta)}
        return layer.forward(parameters, state, x, train=True)[0][0]

    return made(1.0) - made(0.0), made(0.0)


@SHAPES
@pytest.mark.parametrize("k", [1, 3])
def test_the_gradient_with_the_noise_as_it_is(shape, k):
    layer = NoisyBatchNorm()
    parameters, state = start(layer, k, shape)
    errors = layer_errors(
        layer, parameters, state, noisy_inputs(k, shape), np.random.default_rng(1)
    )
    assert set(errors) == {"x", "gamma", "beta"}
    assert max(errors.values()) < 1e-7


@SHAPES
def test_evaluation_is_batch_norms_to_the_last_bit(shape):
    layer, x = NoisyBatchNorm(), noisy_inputs(2, shape)
    parameters, state = start(layer, 2, shape)
    own = {name: state[name] for name in ("mean", "var", "unseen")}
    for seed in range(3):
        seen = noisy_inputs(2, shape, seed=seed)
        _, _, state = layer.forward(parameters, state, seen, train=True)
        _, _, own = PLAIN.forward(parameters, own, seen, train=True)
    assert bits([state[name] for name in own]) == bits(list(own.values()))
    y, cache, after = layer.forward(parameters, state, x, train=False)
    want, plain, _ = PLAIN.forward(parameters, own, x, train=False)
    assert bits(y) == bits(want)
    assert after is state
    dy = noisy_inputs(2, shape, seed=5)
    made, expected = layer.backward(parameters, cache, dy), PLAIN.backward(parameters, plain, dy)
    assert bits(made) == bits(expected)
    assert bits(layer.evaluated(parameters, state)) == bits(PLAIN.evaluated(parameters, own))


def test_the_noise_is_that_of_the_paper_unit_by_unit():
    """mu ~ U(-m, m), sigma ~ U(1, d); around them shift ~ U(mu +- j), scale ~ N(sigma, j^2)."""
    layer, units, n = NoisyBatchNorm(0.5, 1.25, 0.1), 2000, 400
    scale, shift = noise(layer, (units,), n)
    mu, sigma = shift.mean(axis=0), scale.mean(axis=0)
    assert mu.mean() == pytest.approx(0, abs=0.03)
    assert mu.std() == pytest.approx(1 / np.sqrt(12), rel=0.03)
    assert np.abs(mu).max() == pytest.approx(0.5, abs=0.02)
    assert sigma.mean() == pytest.approx(1.125, abs=0.01)
    assert sigma.std() == pytest.approx(0.25 / np.sqrt(12), rel=0.04)
    assert (shift - mu).std() == pytest.approx(0.2 / np.sqrt(12), rel=0.01)
    assert np.abs(shift - mu).max() < 0.2
    around = (scale - sigma) / 0.1
    assert around.std() == pytest.approx(1, rel=0.01)
    assert np.mean(around**4) == pytest.approx(3, rel=0.03)
    assert np.corrcoef(mu, sigma)[0, 1] == pytest.approx(0, abs=0.08)


def test_a_channels_noise_is_one_for_all_its_places():
    scale, shift = noise(NoisyBatchNorm(jitter=0.0), SMALL_IMAGES, 6)
    for part in (scale, shift):
        rows = part.reshape(-1, 5)
        np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape), atol=1e-15)
        assert len(set(rows[0])) == 5


def test_without_noise_it_is_batch_norm():
    layer = NoisyBatchNorm(mean=0.0, deviation=1.0, jitter=0.0)
    parameters, state = start(layer, 2, SMALL_ROWS)
    x, dy = noisy_inputs(2, SMALL_ROWS), noisy_inputs(2, SMALL_ROWS, seed=4)
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    want, plain, _ = PLAIN.forward(parameters, state, x, train=True)
    np.testing.assert_array_equal(y, want)
    expected, gradients = PLAIN.backward(parameters, plain, dy)
    dx, own = layer.backward(parameters, cache, dy)
    np.testing.assert_array_equal(dx, expected)
    assert bits(own) == bits(gradients)


@SHAPES
def test_the_noise_follows_from_key_and_step(shape):
    layer, x = NoisyBatchNorm(), noisy_inputs(1, shape)
    parameters, state = start(layer, 1, shape)
    first, _, after = layer.forward(parameters, state, x, train=True)
    again, _, _ = layer.forward(parameters, state, x, train=True)
    second, _, _ = layer.forward(parameters, after, x, train=True)
    assert bits(first) == bits(again)
    assert not np.isclose(first, second, atol=1e-3).all(axis=tuple(range(1, x.ndim - 1))).any()
    assert after["steps"].tolist() == [[1]]
    assert after["steps"].dtype == after["key"].dtype == np.uint64
    _, later = start(layer, 1, shape, steps=1)
    assert bits(layer.forward(parameters, later, x, train=True)[0]) == bits(second)
    other = {**state, "key": np.array([[8]], np.uint64)}
    assert bits(layer.forward(parameters, other, x, train=True)[0]) != bits(first)


@SHAPES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_stacked_noise_is_alone(shape, dtype):
    case = Case(NoisyBatchNorm(), 3, 7, shape, dtype)
    together = case.step()
    assert float_types({n: a for n, a in together.items() if n != "cache"}) == {np.dtype(dtype)}
    for k in range(3):
        single = case.step(k)
        for name in ("y", "dx", "gamma", "beta", "eval"):
            assert bits(together[name][k]) == bits(single[name][0])
        for name, after in together["state"].items():
            assert bits(after[k]) == bits(single["state"][name][0])


def test_noisy_batch_norm_folds_into_the_layer_before_it():
    layers = (Dense(6, Normal(0.5)), NoisyBatchNorm(), Relu(), Dense(3, Normal(0.5)))
    network = Sequential(layers)
    parameters, state = network.init(np.random.default_rng(0), (4,))
    parameters = [{n: a[None] for n, a in p.items()} for p in parameters]
    state = [{n: a[None] for n, a in s.items()} for s in state]
    x = np.random.default_rng(1).standard_normal((1, 20, 4))
    _, _, state = network.forward(parameters, state, x, train=True)
    merged, p, s = network.folded(parameters, state)
    assert len(merged.layers) == 3
    want = network.evaluated(parameters, state, x)
    np.testing.assert_allclose(merged.evaluated(p, s, x), want, rtol=1e-11, atol=1e-12)


def test_it_is_trained_from_yaml_from_the_same_weights_with_its_own_numbers(small):
    assert NORMALIZERS["noisy_batch"] is NoisyBatchNorm
    quiet = {"kind": "noisy_batch", "mean": 0, "deviation": 1, "jitter": 0}
    batch_norm = {"kind": "batch", "eps": 1e-5}
    config = bnexp.load_config(
        small,
        {
            "sweep.model.init.std": None,
            "sweep.model.norm": [batch_norm, quiet, "noisy_batch"],
            "random.seeds": [1],
            "train.evaluate": [0, 1, 4],
        },
    )
    losses = bnexp.run(config).metrics["train_loss"].reshape(3, 3)
    assert losses[0, 0] == losses[2, 0]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert abs(losses[0, 2] - losses[2, 2]) > 1e-4
    np.testing.assert_array_equal(bnexp.run(config).metrics["train_loss"], losses.ravel())


def test_a_batch_of_one_and_factors_below_1_are_refused(small):
    noisy = {"sweep.model.norm": None, "model.norm": "noisy_batch"}
    with pytest.raises(ConfigError, match="batch_size: too small, expected at least 2, got 1"):
        bnexp.load_config(small, {**noisy, "train.batch_size": 1})
    with pytest.raises(ConfigError, match=r"deviation: .* a number >= 1, got 0\.5"):
        bnexp.load_config(small, {**noisy, "model.norm": {"kind": "noisy_batch", "deviation": 0.5}})
