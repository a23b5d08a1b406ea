"""Images, activations, optimizers and initializers against PyTorch, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from numeric_cases import layer_start

from bnexp.nn import (
    SGD,
    BatchNorm,
    Dense,
    Glorot,
    He,
    Momentum,
    Normal,
    Relu,
    Sigmoid,
    Tanh,
    Xavier,
)
from bnexp.nn.activations import Elu, Gelu, Identity, LeakyRelu
from bnexp.nn.initializers import GlorotUniform, HeUniform, Orthogonal, Truncated, Uniform
from bnexp.nn.linear import Conv
from bnexp.nn.normalizers import GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from bnexp.nn.optimizers import AdaGrad, Adam, Nesterov, RMSprop
from bnexp.nn.pooling import AveragePool, Flatten, GlobalAveragePool, MaxPool

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torch.set_num_threads(1)  # small tensors: threads would only wait for each other

F = torch.nn.functional
SHAPE = (7, 6, 4)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def tensor(array):
    return torch.tensor(array, dtype=torch.float64)


def channels_first(images):
    """(N, H, W, C) as (N, C, H, W)."""
    return images.permute(0, 3, 1, 2) if images.ndim == 4 else images


def channels_last(images):
    return images.permute(0, 2, 3, 1) if images.ndim == 4 else images


def conv(layer, x, p):
    kernel = p["W"].reshape(layer.size, layer.size, -1, layer.features).permute(3, 2, 0, 1)
    bias = p["b"][0] if layer.bias else None
    return F.conv2d(x, kernel, bias, layer.stride, layer.padding)


def max_pool(layer, x, p):
    return F.max_pool2d(x, layer.size, layer.stride, layer.padding)


def average_pool(layer, x, p):
    return F.avg_pool2d(x, layer.size, layer.stride, layer.padding)


def weights(p):
    return [p[name][0] if name in p else None for name in ("gamma", "beta")]


def batch_norm(layer, x, p):
    return F.batch_norm(x, None, None, *weights(p), training=True, eps=layer.eps)


def layer_norm(layer, x, p):
    """With a gamma for each number in the order (H, W, C)."""
    last = channels_last(x)
    row = [w if w is None else w.reshape(last.shape[1:]) for w in weights(p)]
    return channels_first(F.layer_norm(last, last.shape[1:], *row, eps=layer.eps))


def rms_norm(layer, x, p):
    last = channels_last(x)
    gamma = p["gamma"].reshape(last.shape[1:]) if p else None
    return channels_first(F.rms_norm(last, last.shape[1:], gamma, eps=layer.eps))


def group_norm(layer, x, p):
    return F.group_norm(x, layer.groups, *weights(p), eps=layer.eps)


def instance_norm(layer, x, p):
    gamma, beta = weights(p)
    return F.instance_norm(x, weight=gamma, bias=beta, eps=layer.eps)


PEERS = {
    Conv(5, 3, Normal(0.5)): conv,
    Conv(5, 3, Normal(0.5), stride=2, padding=1): conv,
    Conv(2, 5, Normal(0.5), stride=2, padding=2, bias=False): conv,
    MaxPool(): max_pool,
    MaxPool(2, 2, 1): max_pool,
    MaxPool(3, 1): max_pool,
    MaxPool(3, 2, 1): max_pool,
    AveragePool(): average_pool,
    AveragePool(2, 2, 1): average_pool,
    AveragePool(3, 2, 1): average_pool,
    GlobalAveragePool(): lambda layer, x, p: x.mean(dim=(2, 3)),
    Flatten(): lambda layer, x, p: channels_last(x).flatten(1),
    BatchNorm(spatial="channel"): batch_norm,
    LayerNorm(): layer_norm,
    LayerNorm(affine=False): layer_norm,
    RMSNorm(): rms_norm,
    RMSNorm(affine=False): rms_norm,
    GroupNorm(): group_norm,
    GroupNorm(groups=4, affine=False): group_norm,
    InstanceNorm(): instance_norm,
    InstanceNorm(affine=True): instance_norm,
    Relu(): lambda layer, x, p: F.relu(x),
    Sigmoid(): lambda layer, x, p: F.sigmoid(x),
    Tanh(): lambda layer, x, p: F.tanh(x),
    LeakyRelu(0.2): lambda layer, x, p: F.leaky_relu(x, 0.2),
    Elu(1.5): lambda layer, x, p: F.elu(x, 1.5),
    Gelu(): lambda layer, x, p: F.gelu(x, approximate="tanh"),
    Identity(): lambda layer, x, p: x,
}


@pytest.mark.parametrize("layer", PEERS, ids=repr)
def test_layers_of_images(layer):
    parameters, state = layer_start(layer, 3, SHAPE)
    x = 2 * np.random.default_rng(0).standard_normal((3, 5, *SHAPE)) + 1
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, gradients = layer.backward(parameters, cache, dy)
    for k in range(3):
        input_ = tensor(x[k]).requires_grad_()
        p = {name: tensor(w[k]).requires_grad_() for name, w in parameters.items()}
        output = channels_last(PEERS[layer](layer, channels_first(input_), p))
        output.backward(tensor(dy[k]))
        np.testing.assert_allclose(y[k], output.detach(), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(dx[k], input_.grad, rtol=1e-10, atol=1e-11)
        for name, w in p.items():
            np.testing.assert_allclose(gradients[name][k], w.grad, rtol=1e-10, atol=1e-11)


def steps(optimizer, peer, rates):
    """Ours and PyTorch's weights after the same gradients with the same learning rates."""
    random = np.random.default_rng(0)
    parameters = {"w": random.standard_normal((1, 3, 4))}
    gradients = random.standard_normal((len(rates), 1, 3, 4))
    theirs = tensor(parameters["w"]).requires_grad_()
    other, state = peer([theirs]), optimizer.init(parameters)
    for g, rate in zip(gradients, rates, strict=True):
        theirs.grad = tensor(g)
        other.param_groups[0]["lr"] = rate
        other.step()
        lr = np.full((1, 1, 1), rate)
        state = optimizer.update(parameters, {"w": g.copy()}, state, lr)
    return parameters["w"], theirs.detach().numpy()


def maker(kind, **options):
    return lambda parameters: kind(parameters, lr=0.1, **options)


RULES = [
    (SGD(), maker(torch.optim.SGD)),
    (AdaGrad(), maker(torch.optim.Adagrad, eps=1e-7)),
    (RMSprop(), maker(torch.optim.RMSprop, alpha=0.99, eps=1e-7)),
    (RMSprop(decay=0.8, eps=0.1), maker(torch.optim.RMSprop, alpha=0.8, eps=0.1)),
    (Adam(), maker(torch.optim.Adam)),
    (Adam(0.1, 0.5, 0.9, 0.1), maker(torch.optim.Adam, betas=(0.5, 0.9), eps=0.1)),
]
WITH_VELOCITY = [
    (Momentum(), maker(torch.optim.SGD, momentum=0.9)),
    (Nesterov(), maker(torch.optim.SGD, momentum=0.9, nesterov=True)),
]
CONSTANT, CHANGING = [0.1] * 10, [0.1, 0.2, 0.3, 0.01, 0.02] * 2


@pytest.mark.parametrize(("optimizer", "peer"), RULES)
@pytest.mark.parametrize("rates", [CONSTANT, CHANGING], ids=["constant", "changing"])
def test_optimizers(optimizer, peer, rates):
    np.testing.assert_allclose(*steps(optimizer, peer, rates), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("optimizer", "peer"), WITH_VELOCITY)
def test_momentum_at_a_constant_rate(optimizer, peer):
    """Our v holds the rate, PyTorch's does not: the same updates while it is constant."""
    np.testing.assert_allclose(*steps(optimizer, peer, CONSTANT), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("optimizer", "peer"), WITH_VELOCITY)
def test_momentum_at_a_changing_rate_is_another_method(optimizer, peer):
    ours, theirs = steps(optimizer, peer, CHANGING)
    assert np.abs(ours - theirs).max() > 0.01


init = torch.nn.init
INITIALIZERS = [
    (Normal(0.03), lambda w: init.normal_(w, std=0.03)),
    (Uniform(0.3), lambda w: init.uniform_(w, -0.3, 0.3)),
    (Glorot(), init.xavier_normal_),
    (GlorotUniform(), init.xavier_uniform_),
    (Xavier(), lambda w: init.kaiming_normal_(w, nonlinearity="linear")),
    (Orthogonal(), init.orthogonal_),
    (Orthogonal(1.7), lambda w: init.orthogonal_(w, gain=1.7)),
    (He(), lambda w: init.kaiming_normal_(w, nonlinearity="relu")),
    (HeUniform(), lambda w: init.kaiming_uniform_(w, nonlinearity="relu")),
    (
        Truncated(0.05 * Truncated.CUT_STD),  # PyTorch's std is the one before cutting
        lambda w: init.trunc_normal_(w, std=0.05, a=-0.1, b=0.1),
    ),
]


@pytest.mark.parametrize(("initializer", "peer"), INITIALIZERS, ids=lambda case: repr(case)[:16])
@pytest.mark.parametrize("layer", ["dense", "conv"])
def test_initializers(initializer, peer, layer):
    """Variances of two samples of 120,000 and more, and what bounds there are."""
    if layer == "dense":
        made, shape, weight = Dense(200, initializer), (600,), torch.empty(200, 600)
    else:
        made, shape, weight = Conv(160, 5, initializer), (9, 9, 32), torch.empty(160, 32, 5, 5)
    w = made.init(np.random.default_rng(0), shape)[1]["W"]
    theirs = peer(weight).numpy().astype(float)
    assert w.var() == pytest.approx(theirs.var(), rel=6 * np.sqrt(2 * 2 / w.size))
    if not isinstance(initializer, Normal | Xavier | Glorot | He | Orthogonal):
        assert np.abs(w).max() == pytest.approx(np.abs(theirs).max(), rel=1e-3)
