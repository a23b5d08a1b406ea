"""Every gradient against central differences, and the checker against wrong gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gradcheck import layer_errors, relative_error
from numeric_cases import (
    ACTIVATIONS,
    AFFINE,
    DIALECTS,
    EXACT,
    NEWER_ACTIVATIONS,
    NORMS,
    WRONG,
    ThousandthMore,
    layer_start,
)

from bnexp.nn import BatchNorm, Dense, Dropout, Normal, SoftmaxCrossEntropy, gradient_errors

LIMIT = 1e-7
K = pytest.mark.parametrize("k", [1, 3])


def generator(*key):
    return np.random.default_rng((231, *key))


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_the_checker_sees_a_wrong_input_gradient(name, scale):
    """However small the gradient is: dy is scaled by gamma."""
    parameters, state = layer_start(WRONG[name], 2, (5,))
    parameters["gamma"] *= scale
    x = generator().standard_normal((2, 30, 5))
    assert layer_errors(WRONG[name], parameters, state, x, generator(1))["x"] > 5e-4


def test_the_checker_sees_a_wrong_parameter_gradient():
    parameters, state = layer_start(ThousandthMore(), 2, (5,))
    x = generator().standard_normal((2, 8, 5))
    errors = layer_errors(ThousandthMore(), parameters, state, x, generator(1))
    assert errors["gamma"] == pytest.approx(1e-3, rel=1e-2)
    assert errors["beta"] == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("shape", [(5,), (3, 2, 5)], ids=["rows", "images"])
def test_the_checker_needs_a_layer_and_its_input_alone(shape, train):
    x = generator().standard_normal((2, 8, *shape))
    errors = gradient_errors(BatchNorm(), x, seed=3, train=train)
    assert sorted(errors) == ["beta", "gamma", "x"]
    assert max(errors.values()) < LIMIT
    with pytest.raises(ValueError, match="expected x in float64, got float32"):
        gradient_errors(BatchNorm(), x.astype(np.float32))


@pytest.mark.parametrize("name", WRONG)
def test_it_sees_wrong_ones_then_too(name):
    x = generator().standard_normal((2, 30, 5))
    assert gradient_errors(WRONG[name], x)["x"] > 5e-4


@pytest.mark.parametrize("spatial", ["channel", "activation"])
@pytest.mark.parametrize("shape", [(5,), (3, 2, 5)], ids=["rows", "images"])
def test_the_checker_sees_what_darknet_does(shape, spatial):
    """Its gradient for x is not the slope; those for gamma and beta are."""
    norm = replace(DIALECTS["darknet"], spatial=spatial)
    parameters, state = layer_start(norm, 2, shape)
    x = generator().standard_normal((2, 8, *shape))
    errors = layer_errors(norm, parameters, state, x, generator(1))
    assert errors.pop("x") > 1e-3
    assert sorted(errors) == ["beta", "gamma"]
    assert max(errors.values()) < LIMIT


def test_the_checker_does_not_pass_where_nothing_is_tested():
    zeros = np.zeros(3)
    assert relative_error(lambda a: 1.0, zeros, zeros, generator()) == np.inf


def test_constant_upstream_gradients_would_test_nothing():
    """Why the checker draws them: batch norm's input gradient is then 0, also without its terms."""
    parameters, state = layer_start(BatchNorm(), 1, (5,))
    _, cache, _ = BatchNorm().forward(parameters, state, generator().normal(size=(1, 8, 5)), True)
    dx, _ = BatchNorm().backward(parameters, cache, np.ones((1, 8, 5)))
    assert np.abs(dx).max() < 1e-14


@K
@pytest.mark.parametrize("bias", [True, False])
def test_dense(k, bias):
    layer = Dense(4, Normal(1.0), bias)
    parameters, state = layer_start(layer, k, (6,))
    errors = layer_errors(
        layer, parameters, state, generator(k).standard_normal((k, 7, 6)), generator(k, 1)
    )
    assert set(errors) == ({"x", "W", "b"} if bias else {"x", "W"})
    assert max(errors.values()) < LIMIT


@K
@pytest.mark.parametrize("name", [*ACTIVATIONS, *NEWER_ACTIVATIONS])
def test_activations(k, name):
    x = generator(k).standard_normal((k, 7, 6))
    x += np.sign(x) * 1e-3  # away from the kink of relu
    layer = {**ACTIVATIONS, **NEWER_ACTIVATIONS}[name]
    errors = layer_errors(layer, {}, {}, x, generator(k, 1))
    assert list(errors) == ["x"]
    assert errors["x"] < LIMIT


@K
@pytest.mark.parametrize("name", EXACT)
def test_batch_norm(k, name):
    norm = EXACT[name]
    parameters, state = layer_start(norm, k, (5,))
    x = 5 * generator(k).standard_normal((k, 8, 5)) + 12
    errors = layer_errors(norm, parameters, state, x, generator(k, 1))
    assert set(errors) == {"x", *AFFINE[norm.affine]}
    assert max(errors.values()) < LIMIT


@K
@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("evaluation", ["running", "debiased", "population", "batch"])
def test_batch_norm_after_an_evaluation(k, name, evaluation):
    """The statistics are constants then, where they are not the evaluated set's own."""
    norm = replace(NORMS[name], evaluation=evaluation, gradient="exact")
    parameters, state = layer_start(norm, k, (5,))
    x = 2 * generator(k).standard_normal((k, 8, 5)) + 1
    for _ in range(3):
        _, _, state = norm.forward(parameters, state, x, train=True)
    errors = layer_errors(norm, parameters, state, x + 1, generator(k, 1), train=False)
    assert set(errors) == {"x", *AFFINE[norm.affine]}
    assert max(errors.values()) < LIMIT


@pytest.mark.parametrize("name", ["book", "outside", "sample variance"])
@pytest.mark.parametrize("std", [1e-3, 1e-2])
def test_batch_norm_where_eps_matters(name, std):
    norm = NORMS[name]
    parameters, state = layer_start(norm, 2, (5,))
    x = std * generator().standard_normal((2, 8, 5))
    assert max(layer_errors(norm, parameters, state, x, generator(1), 1e-3 * std).values()) < LIMIT


@K
@pytest.mark.parametrize("shared", [True, False])
def test_loss(k, shared):
    random = generator(k)
    logits = 3 * random.standard_normal((k, 9, 5))
    labels = random.integers(0, 5, (1 if shared else k, 9))
    loss = SoftmaxCrossEntropy()
    _, probabilities = loss.per_sample(logits, labels)
    gradient = loss.gradient(probabilities, labels)
    error = relative_error(
        lambda a: loss.per_sample(a, labels)[0].mean(axis=-1).sum(), gradient, logits, random
    )
    assert error < LIMIT


@K
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("scale", ["inverted", "evaluation"])
@pytest.mark.parametrize("shape", [(6,), (3, 4, 2)], ids=["rows", "images"])
def test_dropout_with_its_mask_fixed(k, train, scale, shape):
    layer = Dropout(0.4, scale)
    _, state = layer_start(layer, k, shape)
    x = generator(k).standard_normal((k, 7, *shape))
    errors = layer_errors(layer, {}, state, x, generator(k, 1), train=train)
    assert list(errors) == ["x"]
    assert errors["x"] < LIMIT
