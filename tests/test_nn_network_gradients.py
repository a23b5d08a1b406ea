"""The gradients of whole networks of dense layers against central differences."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import network_errors
from numeric_cases import ACTIVATIONS, DIALECTS, EXACT, WRONG, small_mlp, stacked

from bnexp import nn
from bnexp.nn import (
    BatchNorm,
    Dense,
    Dropout,
    GroupNorm,
    LayerNorm,
    Normal,
    RMSNorm,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
    block,
)

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
