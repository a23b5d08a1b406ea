"""Layer, group, instance and RMS normalization: textbooks, gradients, and each other."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import layer_errors
from numeric_cases import layer_start

from bnexp.nn.normalizers import GroupNorm, InstanceNorm, LayerNorm, RMSNorm

LIMIT = 1e-7
ROWS, IMAGES = (6,), (4, 5, 6)


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
