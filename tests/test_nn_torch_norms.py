"""Batch norm in every dialect, and rows through every layer, against PyTorch's autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import DIALECTS, EXACT, layer_start

from bnexp import nn
from bnexp.nn import BatchNorm, Dense, GroupNorm, LayerNorm, Normal, RMSNorm

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torch.set_num_threads(1)  # small tensors: threads would only wait for each other

F = torch.nn.functional


def tensor(array):
    return torch.tensor(array, dtype=torch.float64)


def drawn(*shape, seed=0):
    return 2 * np.random.default_rng((231, seed)).standard_normal(shape) + 1


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-10, atol=1e-11)


def as_rows(x, spatial):
    return x.reshape(-1, x.shape[-1]) if spatial == "channel" else x.reshape(len(x), -1)


def batch_norm(norm, x, p, statistics=None):
    """The equation, for autograd; rows (M, F). Constants in the place of the batch's own."""
    mean, var = statistics or (x.mean(dim=0), x.var(dim=0, correction=norm.ddof))
    inside = norm.eps_placement == "inside"
    root = torch.sqrt(var + norm.eps) if inside else torch.sqrt(var) + norm.eps
    y = (x - mean) / root
    return y * p["gamma"][0] + p["beta"][0] if norm.affine else y


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("shape", "spatial"),
    [((4,), "channel"), ((3, 2, 4), "channel"), ((3, 2, 4), "activation")],
    ids=["rows", "channel", "activation"],
)
@pytest.mark.parametrize("name", EXACT)
def test_batch_norm_is_what_autograd_makes_of_its_equation(name, shape, spatial, train):
    norm = replace(EXACT[name], spatial=spatial)
    parameters, state = layer_start(norm, 3, shape)
    x, later, dy = (drawn(3, 6, *shape, seed=i) for i in range(3))
    _, _, state = norm.forward(parameters, state, x, train=True)
    y, cache, _ = norm.forward(parameters, state, later, train=train)
    dx, gradients = norm.backward(parameters, cache, dy)
    for k in range(3):
        input_ = tensor(later[k]).requires_grad_()
        p = {n: tensor(w[k]).requires_grad_() for n, w in parameters.items()}
        constants = [tensor(s[k, 0]) for s in norm.statistics(state)]
        output = batch_norm(norm, as_rows(input_, spatial), p, None if train else constants)
        output.backward(tensor(as_rows(dy[k], spatial)))
        close(as_rows(y[k], spatial), output)
        close(dx[k], input_.grad)
        for n, w in p.items():
            close(gradients[n][k], w.grad)


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_of_images_is_pytorchs(train):
    """BatchNorm2d: running statistics over five batches, then a batch forward and back."""
    norm = DIALECTS["pytorch"]
    parameters, state = layer_start(norm, 2, (4, 3, 5))
    peers = [torch.nn.BatchNorm2d(5, dtype=torch.float64) for _ in range(2)]
    for seed in range(5):
        x = drawn(2, 6, 4, 3, 5, seed=seed)
        _, _, state = norm.forward(parameters, state, x, train=True)
        for k, peer in enumerate(peers):
            peer(tensor(x[k]).permute(0, 3, 1, 2))
    x, dy = drawn(2, 6, 4, 3, 5, seed=5), drawn(2, 6, 4, 3, 5, seed=6)
    y, cache, after = norm.forward(parameters, state, x, train)
    dx, gradients = norm.backward(parameters, cache, dy)
    mean, var = norm.statistics(after)
    for k, peer in enumerate(peers):
        with torch.no_grad():
            peer.weight.copy_(tensor(parameters["gamma"][k, 0]))
            peer.bias.copy_(tensor(parameters["beta"][k, 0]))
        peer.train(train)
        input_ = tensor(x[k]).requires_grad_()
        output = peer(input_.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        output.backward(tensor(dy[k]))
        close(y[k], output)
        close(dx[k], input_.grad)
        close(gradients["gamma"][k, 0], peer.weight.grad)
        close(gradients["beta"][k, 0], peer.bias.grad)
        close(mean[k, 0], peer.running_mean)
        close(var[k, 0], peer.running_var)


def weights(p):
    return [p[name][0] if name in p else None for name in ("gamma", "beta")]


def dense(layer, x, p):
    return F.linear(x, p["W"].T, p["b"][0] if layer.bias else None)


def layer_norm(layer, x, p):
    return F.layer_norm(x, x.shape[1:], *weights(p), eps=layer.eps)


def rms_norm(layer, x, p):
    return F.rms_norm(x, x.shape[1:], weights(p)[0], eps=layer.eps)


def group_norm(layer, x, p):
    return F.group_norm(x, layer.groups, *weights(p), eps=layer.eps)


def activation(function, *options, **named):
    return lambda layer, x, p: function(x, *options, **named)


ROWS = {
    Dense(4, Normal(0.5)): dense,
    Dense(4, Normal(0.5), bias=False): dense,
    LayerNorm(): layer_norm,
    LayerNorm(affine=False, eps=0.1): layer_norm,
    RMSNorm(): rms_norm,
    RMSNorm(affine=False, eps=0.1): rms_norm,
    GroupNorm(groups=3): group_norm,
    GroupNorm(groups=2, affine=False): group_norm,
    nn.Dropout(0.3): lambda layer, x, p: F.dropout(x, 0.3, training=False),
    nn.ACTIVATIONS["sigmoid"](): activation(F.sigmoid),
    nn.ACTIVATIONS["tanh"](): activation(F.tanh),
    nn.ACTIVATIONS["relu"](): activation(F.relu),
    nn.ACTIVATIONS["leaky_relu"](): activation(F.leaky_relu, 0.01),
    nn.ACTIVATIONS["elu"](): activation(F.elu),
    nn.ACTIVATIONS["gelu"](): activation(F.gelu, approximate="tanh"),
}


@pytest.mark.parametrize("layer", ROWS, ids=repr)
def test_layers_of_rows(layer):
    """As in evaluation, where dropout has no mask: none of these tells it from training."""
    parameters, state = layer_start(layer, 3, (6,))
    x = drawn(3, 7, 6)
    y, cache, _ = layer.forward(parameters, state, x, train=False)
    dy = drawn(*y.shape, seed=1)
    dx, gradients = layer.backward(parameters, cache, dy)
    for k in range(3):
        input_ = tensor(x[k]).requires_grad_()
        p = {name: tensor(w[k]).requires_grad_() for name, w in parameters.items()}
        output = ROWS[layer](layer, input_, p)
        output.backward(tensor(dy[k]))
        close(y[k], output)
        close(dx[k], input_.grad)
        for name, w in p.items():
            close(gradients[name][k], w.grad)


def test_the_equation_above_is_pytorchs_own():
    """So that the oracle of the dialects is no third opinion."""
    x, p = tensor(drawn(6, 4)), {"gamma": torch.ones(1, 4), "beta": torch.zeros(1, 4)}
    norm = BatchNorm(eps=1e-5)
    close(batch_norm(norm, x, p), F.batch_norm(x, None, None, training=True, eps=1e-5))
