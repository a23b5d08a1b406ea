"""PyTorch as an oracle: layers, normalizers, optimizers and whole trainings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import DIALECTS, EXACT, images, layer_start, small_mlp, stacked

from bnexp import nn
from bnexp.nn import (
    SGD,
    BatchNorm,
    Dense,
    Flatten,
    Glorot,
    GroupNorm,
    He,
    LayerNorm,
    MaxPool,
    Momentum,
    Normal,
    Relu,
    RMSNorm,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    Xavier,
)
from bnexp.nn.activations import Elu, Gelu, Identity, LeakyRelu, Softsign
from bnexp.nn.initializers import GlorotUniform, HeUniform, Orthogonal, Truncated, Uniform
from bnexp.nn.linear import Conv
from bnexp.nn.normalizers import InstanceNorm
from bnexp.nn.optimizers import AdaGrad, Adam, Constant, Cosine, Nesterov, RMSprop, StepDecay
from bnexp.nn.pooling import AveragePool, GlobalAveragePool
from bnexp.training import Images, train
from bnexp.training.update import Adjustments, clip, update

# The numerical core against PyTorch, where it is installed.

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


torch.set_num_threads(1)  # small tensors: threads would only wait for each other


F64 = {"dtype": torch.float64}


def tensor(array):
    return torch.tensor(array, **F64)


def torch_norm(norm, parameters, k):
    """PyTorch's layer with network k's parameters and the options it has."""
    layer = torch.nn.BatchNorm1d(
        parameters["gamma"].shape[-1], eps=norm.eps, momentum=1 - norm.stat_decay, **F64
    )
    with torch.no_grad():
        layer.weight.copy_(tensor(parameters["gamma"][k, 0]))
        layer.bias.copy_(tensor(parameters["beta"][k, 0]))
    return layer


@pytest.mark.parametrize("norm", [DIALECTS["pytorch"], BatchNorm(1e-3, "inside", 0.7, 0, 1, 1.0)])
def test_batch_norm(norm):
    parameters, state = layer_start(norm, 3, (4,))
    peers = [torch_norm(norm, parameters, k) for k in range(3)]
    random = np.random.default_rng(0)
    for _ in range(5):
        x, dy = 3 * random.standard_normal((2, 3, 7, 4)) + 1
        y, cache, state = norm.forward(parameters, state, x, train=True)
        dx, gradients = norm.backward(parameters, cache, dy)
        evaluated, _, _ = norm.forward(parameters, state, x, train=False)
        mean, var = norm.statistics(state)
        for k, peer in enumerate(peers):
            peer.train()
            peer.zero_grad()
            input_ = tensor(x[k]).requires_grad_()
            output = peer(input_)
            output.backward(tensor(dy[k]))
            peer.eval()
            for ours, theirs in (
                (y[k], output),
                (dx[k], input_.grad),
                (gradients["gamma"][k, 0], peer.weight.grad),
                (gradients["beta"][k, 0], peer.bias.grad),
                (mean[k, 0], peer.running_mean),
                (var[k, 0], peer.running_var),
                (evaluated[k], peer(tensor(x[k]))),
            ):
                np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-11, atol=1e-12)


def test_the_running_variance_of_one_to_four():
    """The published example: unbiased, 5/3, where the mean of squares is 1.25."""
    norm = BatchNorm(stat_decay=0.0, running_ddof=1)
    parameters, state = layer_start(norm, 1, (1,))
    x = np.array([[[1.0], [2.0], [3.0], [4.0]]])
    _, _, state = norm.forward(parameters, state, x, train=True)
    peer = torch.nn.BatchNorm1d(1, momentum=1.0, **F64)
    peer(tensor(x[0]))
    assert norm.statistics(state)[1].item() == pytest.approx(5 / 3, rel=1e-15)
    assert peer.running_var.item() == pytest.approx(5 / 3, rel=1e-15)


def test_the_cumulative_average_is_momentum_none():
    norm = BatchNorm(
        eps=1e-5, average="cumulative", running_ddof=1, running_var=1.0, spatial="channel"
    )
    parameters, state = layer_start(norm, 1, (4, 3, 5))
    peer = torch.nn.BatchNorm2d(5, momentum=None, **F64)
    for seed in range(6):
        x = drawn(1, 6, 4, 3, 5, seed=seed)
        mean, var = norm.statistics(state)
        close(mean[0, 0], peer.running_mean)
        close(var[0, 0], peer.running_var)
        _, _, state = norm.forward(parameters, state, x, train=True)
        peer(tensor(x[0]).permute(0, 3, 1, 2))


def test_freezing_is_eval_of_the_norms_while_the_network_trains():
    """The common practice: from step 4 on the norms are in eval mode, and their affine parameters
    are still trained. Losses and statistics over ten steps of the whole network."""
    norm = replace(DIALECTS["pytorch"], freeze_after=4)
    network, set_ = small_mlp(norm, "tanh"), images()
    parameters, state = stacked(network, 2, (16,))
    rates = np.array([0.1, 0.3])
    batches = list(np.random.default_rng(1).integers(0, 40, (10, 2, 12)))
    history = train(
        *(network, SGD(), rates[:, None, None], parameters, state, iter(batches), range(11), set_)
    )
    x, labels = (torch.tensor(part) for part in set_.batch(slice(None)))
    for k in range(2):
        peer = torch_network(network, parameters, k, "tanh")
        optimizer = torch.optim.SGD(peer.parameters(), lr=rates[k])
        for step in range(11):
            peer.eval()
            loss = torch.nn.functional.cross_entropy(peer(x), labels).item()
            assert history.metrics["train_loss"][k, step] == pytest.approx(loss, rel=1e-10)
            if step < 10:
                rows = batches[step][k]
                peer.train()
                for layer in peer if step >= 4 else ():
                    if isinstance(layer, torch.nn.BatchNorm1d):
                        layer.eval()
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(peer(x[rows]), labels[rows]).backward()
                optimizer.step()
        check_layers(network, history, k, peer)


def test_the_fast_variance_is_differentiated_as_autograd_does():
    """The difference of means, not less than 0, as flax writes it."""
    norm = DIALECTS["flax"]
    parameters, state = layer_start(norm, 1, (4,))
    x, dy = drawn(1, 9, 4), drawn(1, 9, 4, seed=1)
    y, cache, _ = norm.forward(parameters, state, x, train=True)
    dx, gradients = norm.backward(parameters, cache, dy)
    input_ = tensor(x[0]).requires_grad_()
    p = {n: tensor(w[0]).requires_grad_() for n, w in parameters.items()}
    mu = input_.mean(dim=0)
    var = torch.clamp((input_**2).mean(dim=0) - mu**2, min=0)
    output = (input_ - mu) * (torch.rsqrt(var + 1e-5) * p["gamma"][0]) + p["beta"][0]
    output.backward(tensor(dy[0]))
    close(y[0], output)
    close(dx[0], input_.grad)
    for n, w in p.items():
        close(gradients[n][0], w.grad)


@pytest.mark.parametrize("mean", [0.0, 1.0, 100.0, 1e5])
def test_statistics_of_images_in_float32_are_as_good_as_pytorchs(mean):
    """Errors against float64, of PyTorch's contiguous images: its better way."""
    x = (mean + np.random.default_rng(0).standard_normal((1, 50, 24, 24, 8))).astype("float32")
    rows = x.astype(np.float64).reshape(-1, 8)
    norm = BatchNorm(spatial="channel", stat_decay=0.0, running_ddof=1)
    _, _, state = norm.forward(*layer_start(norm, 1, x.shape[2:], "float32"), x, train=True)
    peer = torch.nn.BatchNorm2d(8, momentum=1.0)
    peer(torch.tensor(x[0]).permute(0, 3, 1, 2).contiguous())
    theirs = {"mean": peer.running_mean.numpy(), "var": peer.running_var.numpy()}
    for name, true in (("mean", rows.mean(axis=0)), ("var", rows.var(axis=0, ddof=1))):
        ours, other = (np.abs(a - true).max() for a in (state[name][0, 0], theirs[name]))
        assert ours < 2 * other + 5e-9


def test_cross_entropy():
    random = np.random.default_rng(0)
    logits, labels = 20 * random.standard_normal((3, 9, 5)), random.integers(0, 5, (3, 9))
    losses, probabilities = SoftmaxCrossEntropy().per_sample(logits, labels)
    gradient = SoftmaxCrossEntropy().gradient(probabilities, labels)
    for k in range(3):
        input_ = tensor(logits[k]).requires_grad_()
        loss = torch.nn.functional.cross_entropy(input_, torch.tensor(labels[k]))
        loss.backward()
        assert losses[k].mean() == pytest.approx(loss.item(), rel=1e-13)
        np.testing.assert_allclose(gradient[k], input_.grad, rtol=1e-12, atol=1e-15)


ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}


def torch_network(network, parameters, k, activation):
    made = []
    for layer, p in zip(network.layers, parameters, strict=True):
        if "W" in p:
            dense = torch.nn.Linear(*p["W"][k].shape, **F64)
            with torch.no_grad():
                dense.weight.copy_(tensor(p["W"][k].T))
                dense.bias.copy_(tensor(p["b"][k, 0]))
            made.append(dense)
        elif isinstance(layer, BatchNorm):
            made.append(torch_norm(layer, p, k))
        else:
            made.append(ACTIVATIONS[activation]())
    return torch.nn.Sequential(*made)


@pytest.mark.parametrize("norm", [None, DIALECTS["pytorch"]], ids=["plain", "norm"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("keep", [0.0, 0.9])
def test_ten_steps_of_training(norm, activation, keep):
    network, set_ = small_mlp(norm, activation), images()
    parameters, state = stacked(network, 3, (16,))
    rates = np.array([0.05, 0.1, 0.3])
    batches = list(np.random.default_rng(1).integers(0, 40, (10, 3, 12)))
    history = train(
        network,
        Momentum(momentum=keep),
        rates[:, None, None],
        parameters,
        state,
        iter(batches),
        range(11),
        set_,
    )
    x, labels = (torch.tensor(part) for part in set_.batch(slice(None)))
    for k in range(3):
        peer = torch_network(network, parameters, k, activation)
        optimizer = torch.optim.SGD(peer.parameters(), lr=rates[k], momentum=keep)
        for step in range(11):
            peer.eval()
            loss = torch.nn.functional.cross_entropy(peer(x), labels).item()
            assert history.metrics["train_loss"][k, step] == pytest.approx(loss, rel=1e-10)
            if step < 10:
                rows = batches[step][k]
                peer.train()
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(peer(x[rows]), labels[rows]).backward()
                optimizer.step()
        check_layers(network, history, k, peer)


def check_layers(network, history, k, peer):
    """Network k's final parameters and statistics against the peer's."""
    layers = zip(peer, network.layers, history.parameters, history.state, strict=True)
    for theirs, layer, p, s in layers:
        pairs = []
        if "W" in p:
            pairs = [(p["W"][k].T, theirs.weight), (p["b"][k, 0], theirs.bias)]
        elif p:
            mean, var = layer.statistics(s)
            pairs = [
                (p["gamma"][k, 0], theirs.weight),
                (p["beta"][k, 0], theirs.bias),
                (mean[k, 0], theirs.running_mean),
                (var[k, 0], theirs.running_var),
            ]
        for ours, tensor_ in pairs:
            np.testing.assert_allclose(ours, tensor_.detach(), rtol=1e-10, atol=1e-12)


# Batch norm in every dialect, and rows through every layer, against PyTorch's autograd.

F = torch.nn.functional


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
    y = y * p["gamma"][0] if "gamma" in p else y
    return y + p["beta"][0] if "beta" in p else y


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


# Images, activations, optimizers and initializers against PyTorch, where it is installed.

SHAPE = (7, 6, 4)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


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


def channel_batch_norm(layer, x, p):
    return F.batch_norm(x, None, None, *weights(p), training=True, eps=layer.eps)


def image_layer_norm(layer, x, p):
    """With a gamma for each number in the order (H, W, C)."""
    last = channels_last(x)
    row = [w if w is None else w.reshape(last.shape[1:]) for w in weights(p)]
    return channels_first(F.layer_norm(last, last.shape[1:], *row, eps=layer.eps))


def image_rms_norm(layer, x, p):
    last = channels_last(x)
    gamma = p["gamma"].reshape(last.shape[1:]) if p else None
    return channels_first(F.rms_norm(last, last.shape[1:], gamma, eps=layer.eps))


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
    BatchNorm(spatial="channel"): channel_batch_norm,
    LayerNorm(): image_layer_norm,
    LayerNorm(affine=False): image_layer_norm,
    RMSNorm(): image_rms_norm,
    RMSNorm(affine=False): image_rms_norm,
    GroupNorm(): group_norm,
    GroupNorm(groups=4, affine=False): group_norm,
    InstanceNorm(): instance_norm,
    InstanceNorm(affine=True): instance_norm,
    Relu(): lambda layer, x, p: F.relu(x),
    Sigmoid(): lambda layer, x, p: F.sigmoid(x),
    Tanh(): lambda layer, x, p: F.tanh(x),
    Softsign(): lambda layer, x, p: F.softsign(x),
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


# Decoupled decay, clipping, schedules and a convolutional network's training against PyTorch.

optim, schedulers = torch.optim, torch.optim.lr_scheduler


STEPS, RATE = 10, 0.1


def after_steps(adjustments, optimizer, peer, scheduler=lambda other: None, clipped=None):
    """Ours and PyTorch's weight and bias after ten steps on the same gradients."""
    random = np.random.default_rng(0)
    start = {"W": random.standard_normal((1, 4, 3)), "b": random.standard_normal((1, 1, 3))}
    theirs = {name: tensor(w).requires_grad_() for name, w in start.items()}
    other = peer(theirs)
    schedule = scheduler(other)
    parameters, moments = [start], [optimizer.init(start)]
    for t in range(1, STEPS + 1):
        gradients = {name: random.standard_normal(w.shape) for name, w in start.items()}
        for name, g in gradients.items():
            theirs[name].grad = tensor(g)
        if clipped:
            torch.nn.utils.clip_grad_norm_(theirs.values(), clipped)
        other.step()
        if schedule:
            schedule.step()
        lr = np.full((1, 1, 1), RATE)
        moments = update(adjustments, optimizer, lr, parameters, [gradients], moments, (t, STEPS))
    return start, {name: w.detach().numpy() for name, w in theirs.items()}


def decayed(kind, decay, **options):
    """Of the weight alone: PyTorch would decay the bias, too."""
    return lambda p: kind(
        [{"params": [p["W"]], "weight_decay": decay}, {"params": [p["b"]], "weight_decay": 0.0}],
        lr=RATE,
        **options,
    )


def check(made, rtol=1e-10):
    ours, theirs = made
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("kind", ["l2", "weight_decay"])
def test_decay_of_everything_is_pytorchs_default(kind):
    """Of all parameters alike, when they are handed over in one group."""
    rules = {"l2": (SGD(), optim.SGD), "weight_decay": (Adam(), optim.AdamW)}
    optimizer, peer = rules[kind]
    adjustments = Adjustments(**{kind: 0.2}, decay_also=("beta", "bias", "gamma"))
    random = np.random.default_rng(2)
    shapes = {"W": (1, 4, 3), "b": (1, 1, 3), "gamma": (1, 1, 3), "beta": (1, 1, 3)}
    ours = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    theirs = {name: tensor(w).requires_grad_() for name, w in ours.items()}
    other = peer(theirs.values(), lr=RATE, weight_decay=0.2)
    state = [optimizer.init(ours)]
    for t in range(1, STEPS + 1):
        g = {name: random.standard_normal(w.shape) for name, w in ours.items()}
        for name, w in theirs.items():
            w.grad = tensor(g[name])
        other.step()
        lr = np.full((1, 1, 1), RATE)
        state = update(adjustments, optimizer, lr, [ours], [g], state, (t, STEPS))
    check((ours, {name: w.detach().numpy() for name, w in theirs.items()}))


def test_decoupled_decay_is_adamw():
    check(after_steps(Adjustments(weight_decay=0.2), Adam(), decayed(optim.AdamW, 0.2)))


@pytest.mark.parametrize(
    ("optimizer", "kind", "options"),
    [
        (SGD(), optim.SGD, {}),
        (Momentum(), optim.SGD, {"momentum": 0.9}),
        (Nesterov(), optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (RMSprop(), optim.RMSprop, {"eps": 1e-7}),
        (Adam(), optim.Adam, {}),
    ],
    ids=repr,
)
def test_l2_is_pytorchs_weight_decay_of_other_optimizers(optimizer, kind, options):
    check(after_steps(Adjustments(l2=0.2), optimizer, decayed(kind, 0.2, **options)))


def test_decoupled_decay_and_l2_are_two_methods():
    ours, theirs = after_steps(Adjustments(l2=0.2), Adam(), decayed(optim.AdamW, 0.2))
    assert np.abs(ours["W"] - theirs["W"]).max() > 0.01


SCHEDULES = {
    "cosine": (Cosine(), lambda other: schedulers.CosineAnnealingLR(other, STEPS)),
    "cosine to a tenth": (
        Cosine(end=0.1),
        lambda other: schedulers.CosineAnnealingLR(other, STEPS, eta_min=0.1 * RATE),
    ),
    "step": (
        StepDecay(every=3, gamma=0.5),
        lambda other: schedulers.StepLR(other, step_size=3, gamma=0.5),
    ),
    "warmup": (
        Constant(warmup=4),
        lambda other: schedulers.LinearLR(other, start_factor=1 / 5, total_iters=4),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(
    ("optimizer", "kind"), [(SGD(), optim.SGD), (Adam(), optim.AdamW)], ids=["sgd", "adamw"]
)
def test_schedules(name, optimizer, kind):
    """Of the learning rate, and of the decay that goes with it."""
    schedule, peer = SCHEDULES[name]
    decay = 0.2 if kind is optim.AdamW else 0.0
    adjustments = Adjustments(weight_decay=decay, schedule=schedule)
    check(after_steps(adjustments, optimizer, decayed(kind, decay), peer))


@pytest.mark.parametrize("norm", [0.5, 100.0])
def test_clipping_is_clip_grad_norm(norm):
    """But for the 1e-6 that PyTorch adds to the length it divides by."""
    random = np.random.default_rng(1)
    gradients = [
        {"W": random.standard_normal((1, 4, 3))},
        {"gamma": random.standard_normal((1, 1, 3))},
    ]
    theirs = [tensor(g).requires_grad_() for layer in gradients for g in layer.values()]
    for parameter in theirs:
        parameter.grad = parameter.detach().clone()
    length = torch.nn.utils.clip_grad_norm_(theirs, norm).item()
    clip(gradients, norm)
    without = (length + 1e-6) / length if length > norm else 1.0
    for layer, parameter in zip(gradients, theirs, strict=True):
        (ours,) = layer.values()
        np.testing.assert_allclose(ours, without * parameter.grad.numpy(), rtol=1e-12)


def test_ten_clipped_steps():
    made = after_steps(
        Adjustments(clip_norm=0.5), Momentum(), decayed(optim.SGD, 0.0, momentum=0.9), clipped=0.5
    )
    check(made, rtol=1e-4)  # the 1e-6 above


NORM = BatchNorm(**BatchNorm.DIALECTS["pytorch"])
NETWORK = Sequential(
    (
        *(Conv(5, 3, Normal(0.3), padding=1, bias=False), NORM, Relu(), MaxPool(3, 2, 1)),
        *(Conv(6, 2, Normal(0.3), stride=2, bias=False), NORM, Relu()),
        *(Flatten(), Dense(4, Normal(0.3))),
    )
)


def peer_network(parameters, k, shape):
    """With network k's weights; rows are flattened channels last, as ours."""
    made = [
        torch.nn.Conv2d(shape[-1], 5, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(5),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2, 1),
        torch.nn.Conv2d(5, 6, 2, stride=2, bias=False),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        *(torch.nn.Flatten(), torch.nn.Linear(parameters[-1]["W"].shape[1], 4)),
    ]
    with torch.no_grad():
        for layer, p in zip(made, parameters, strict=True):
            if isinstance(layer, torch.nn.Conv2d):
                size = layer.kernel_size[0]
                w = tensor(p["W"][k]).reshape(size, size, layer.in_channels, layer.out_channels)
                layer.weight = torch.nn.Parameter(w.permute(3, 2, 0, 1).contiguous())
        rows = tensor(parameters[-1]["W"][k]).reshape(2, 2, 6, 4).permute(3, 2, 0, 1)
        made[-1].weight = torch.nn.Parameter(rows.reshape(4, -1))
        made[-1].bias.zero_()
    return torch.nn.Sequential(*made).double()


@pytest.mark.parametrize(
    ("optimizer", "adjustments", "kind", "options"),
    [
        (Momentum(), Adjustments(), optim.SGD, {"momentum": 0.9}),
        (Adam(), Adjustments(weight_decay=0.1, schedule=Cosine()), optim.AdamW, {}),
    ],
    ids=["momentum", "adamw, cosine"],
)
def test_ten_steps_of_a_convolutional_network(optimizer, adjustments, kind, options):
    """Losses in evaluation after each step, and the running statistics at the end."""
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (30, 7, 8, 3), dtype=np.uint8)
    set_ = Images(pixels, random.integers(0, 4, 30), np.float64)
    parameters, state = stacked(NETWORK, 2, set_.shape)
    batches = list(random.integers(0, 30, (STEPS, 2, 12)))
    rates = np.array([0.01, 0.05])
    history = train(
        *(NETWORK, optimizer, rates[:, None, None], parameters, state, iter(batches)),
        *(range(STEPS + 1), set_),
        adjustments=adjustments,
    )
    x, labels = (torch.tensor(part) for part in set_.batch(slice(None)))
    x, loss = x.permute(0, 3, 1, 2), torch.nn.functional.cross_entropy
    for k in range(2):
        peer = peer_network(parameters, k, set_.shape)
        weights = [p for p in peer.parameters() if p.ndim > 1]
        rest = [p for p in peer.parameters() if p.ndim == 1]
        groups = [
            {"params": weights, "weight_decay": adjustments.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        other = kind(groups, lr=rates[k], **options)
        constant = isinstance(adjustments.schedule, Constant)
        schedule = None if constant else schedulers.CosineAnnealingLR(other, STEPS)
        for step in range(STEPS + 1):
            peer.eval()
            expected = loss(peer(x), labels).item()
            assert history.metrics["train_loss"][k, step] == pytest.approx(expected, rel=1e-10)
            if step < STEPS:
                rows = batches[step][k]
                peer.train()
                other.zero_grad()
                loss(peer(x[rows]), labels[rows]).backward()
                other.step()
                if schedule:
                    schedule.step()
        for i in (1, 5):
            mean, var = NORM.statistics(history.state[i])
            np.testing.assert_allclose(mean[k, 0], peer[i].running_mean, rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(var[k, 0], peer[i].running_var, rtol=1e-8)


# Variants of batch norm, norms of weights, skip connections


def pictures(x):
    """Images (n, H, W, C) as PyTorch has them; rows as they are."""
    return x.movedim(-1, 1) if x.ndim == 4 else x


def variant(norm, shape, steps):
    """A norm's training steps on images, and an evaluation: what each gives and leaves.

    Yields x and dy, y, dx and gradients, and the states before and after, of network 0.
    """
    parameters, state = layer_start(norm, 1, shape)
    p = {name: tensor(a[0, 0]).requires_grad_() for name, a in parameters.items()}
    for step in range(steps + 1):
        is_training = step < steps
        x, dy = 2 * drawn(1, 19, *shape, seed=step) + 1, drawn(1, 19, *shape, seed=step + 50)
        y, cache, after = norm.forward(parameters, state, x, train=is_training)
        dx, gradients = norm.backward(parameters, cache, dy)
        input_ = tensor(x[0]).requires_grad_()
        yield is_training, p, input_, (state, after)
        (output,) = p.pop("output")
        for parameter in p.values():
            parameter.grad = None
        output.backward(tensor(dy[0]))
        close(y[0], output)
        close(dx[0], input_.grad)
        for name, parameter in p.items():
            close(gradients[name][0, 0], parameter.grad)
        state = after


@pytest.mark.parametrize("shape", [(4,), (3, 2, 4)], ids=["rows", "images"])
def test_ghost_batch_norm(shape):
    """PyTorch's batch norm of one chunk after another; the last one is larger."""
    norm = nn.NORMALIZERS["ghost_batch"](size=8)
    peer = torch.nn.BatchNorm1d(4, **F64) if len(shape) == 1 else torch.nn.BatchNorm2d(4, **F64)
    peer.running_var.zero_()
    for is_training, p, x, (_, after) in variant(norm, shape, 3):
        peer.weight, peer.bias = (torch.nn.Parameter(p[n]) for n in ("gamma", "beta"))
        if is_training:
            chunks = [pictures(x)[:8], pictures(x)[8:]]
            made = [functional_norm(peer, chunk, p) for chunk in chunks]
        else:
            peer.running_var.copy_(tensor(after["var"][0, 0]))  # theirs is the unbiased one
            made = [functional_norm(peer.eval(), pictures(x), p)]
        output = torch.cat(made)
        p["output"] = [output.movedim(1, -1) if output.ndim == 4 else output]
        close(after["mean"][0, 0], peer.running_mean)


def functional_norm(peer, x, p):
    """PyTorch's batch norm with gamma and beta of `p`, and the peer's running averages."""
    arguments = peer.running_mean, peer.running_var, p["gamma"], p["beta"]
    return torch.nn.functional.batch_norm(x, *arguments, peer.training, 0.1, peer.eps)


@pytest.mark.parametrize("limits", [(1.05, 0.05), (3.0, 5.0)], ids=["narrow", "wide"])
@pytest.mark.parametrize("shape", [(4,), (3, 2, 4)], ids=["rows", "images"])
def test_batch_renormalization_by_autograd(shape, limits):
    """The paper's equations, r and d cut off from the graph, as its section 3 says."""
    norm = nn.NORMALIZERS["batch_renorm"](*limits, stat_decay=0.8)
    axes, (r_max, d_max) = tuple(range(len(shape))), limits
    for is_training, p, x, (state, after) in variant(norm, shape, 3):
        if is_training:
            mu, sigma = x.mean(dim=axes), torch.sqrt(x.var(dim=axes, unbiased=False) + 1e-5)
        seen = 1 - state["unseen"].item() if is_training else 1 - after["unseen"].item()
        if seen > 0:
            mean, std = (tensor(state[name][0, 0]) / seen for name in ("mean", "std"))
        if not is_training:
            p["output"] = [(x - mean) / std * p["gamma"] + p["beta"]]
            continue
        r, d = torch.ones(4, **F64), torch.zeros(4, **F64)
        if seen > 0:
            r = (sigma / std).clamp(1 / r_max, r_max).detach()
            d = ((mu - mean) / std).clamp(-d_max, d_max).detach()
        p["output"] = [((x - mu) / sigma * r + d) * p["gamma"] + p["beta"]]
        for name, new in (("mean", mu), ("std", sigma)):
            close(after[name][0, 0], 0.8 * tensor(state[name][0, 0]) + 0.2 * new.detach())


@pytest.mark.parametrize("divide", [True, False])
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_weight_standardization(kind, divide):
    """PyTorch's batch norm of the weights, a unit a channel, before its own layers."""
    inner = Dense(4, Normal(1.0)) if kind == "dense" else Conv(4, 3, Normal(1.0), 2, 1)
    shape = (6,) if kind == "dense" else (6, 5, 2)
    norm = nn.WeightStandardization(gain=1.3, divide=divide, eps=1e-4)
    layer = norm.around(inner)
    parameters, _ = layer_start(layer, 1, shape)
    x = drawn(1, 7, *shape)
    y, cache, _ = layer.forward(parameters, {}, x, train=True)
    dy = drawn(*y.shape, seed=1)
    dx, gradients = layer.backward(parameters, cache, dy)
    w, b = (tensor(parameters[name][0]).requires_grad_() for name in ("W", "b"))
    input_ = tensor(x[0]).requires_grad_()
    standard = torch.nn.functional.batch_norm(w, None, None, training=True, eps=1e-4)
    standard = 1.3 * standard / (len(w) ** 0.5 if divide else 1)
    if kind == "dense":
        output = input_ @ standard + b
    else:
        kernel = standard.reshape(3, 3, 2, 4).permute(3, 2, 0, 1)
        made = torch.nn.functional.conv2d(input_.movedim(-1, 1), kernel, b[0], 2, 1)
        output = made.movedim(1, -1)
    output.backward(tensor(dy[0]))
    close(y[0], output)
    close(dx[0], input_.grad)
    for name, theirs in (("W", w), ("b", b)):
        close(gradients[name][0], theirs.grad)


def torch_layer(layer, p, x, shortcuts):
    """What PyTorch makes of x (n, features) or (n, H, W, C); shortcuts: of the blocks around it."""
    convolution, n = torch.nn.functional.conv2d, torch.nn.functional
    if isinstance(layer, nn.Fork):
        shortcuts.append(x)
        return x
    if isinstance(layer, nn.Add):
        shortcut = shortcuts.pop()
        if "W" in p and x.ndim == 4:
            kernel = p["W"].T[:, :, None, None]
            shortcut = convolution(shortcut.movedim(-1, 1), kernel, stride=layer.stride)
            shortcut = shortcut.movedim(1, -1)
        elif "W" in p:
            shortcut = n.linear(shortcut, p["W"].T)
        return shortcut + p.get("scale", 1.0) * x
    if isinstance(layer, Dense):
        return n.linear(x, p["W"].T, p["b"][0])
    if isinstance(layer, Conv):
        kernel = p["W"].reshape(layer.size, layer.size, x.shape[-1], -1).permute(3, 2, 0, 1)
        options = {"stride": layer.stride, "padding": layer.padding}
        return convolution(x.movedim(-1, 1), kernel, p["b"][0], **options).movedim(1, -1)
    if isinstance(layer, BatchNorm):
        rows = x.reshape(-1, x.shape[-1])
        gamma, beta = p["gamma"][0], p["beta"][0]
        return n.batch_norm(rows, None, None, gamma, beta, True, 0.1, layer.eps).reshape(x.shape)
    if isinstance(layer, GlobalAveragePool):
        return x.mean(dim=(1, 2))
    return x if isinstance(layer, Flatten) else torch.tanh(x)


CHANNELS = BatchNorm(spatial="channel")
RESIDUAL = {
    "mlp": (
        (6,),
        [
            *(Dense(5, Normal(0.5)), nn.Fork(), Dense(5, Normal(0.5)), CHANNELS, Tanh(), nn.Add()),
            *(Tanh(), nn.Fork(), Dense(4, Normal(0.5)), Tanh(), Dense(4, Normal(0.5))),
            *(nn.Add(Normal(0.5), scale=0.6), Dense(3, Normal(0.5))),
        ],
    ),
    "cnn": (
        (7, 6, 2),
        [
            *(Conv(3, 3, Normal(0.4), padding=1), nn.Fork(), CHANNELS, Tanh()),
            *(Conv(3, 3, Normal(0.4), padding=1), nn.Add(), nn.Fork()),
            *(Conv(4, 3, Normal(0.4), 2, 1), CHANNELS, Tanh(), Conv(4, 3, Normal(0.4), 1, 1)),
            *(nn.Add(Normal(0.4), 2, 0.3), Tanh(), GlobalAveragePool(), Flatten()),
            Dense(3, Normal(0.5)),
        ],
    ),
}


@pytest.mark.parametrize("name", RESIDUAL)
def test_residual_networks_by_autograd(name):
    """The loss and every gradient, of a network of PyTorch's own functions."""
    shape, layers = RESIDUAL[name]
    network = Sequential(tuple(layers))
    parameters, state = stacked(network, 2, shape)
    x, labels = drawn(2, 9, *shape), np.random.default_rng(4).integers(0, 3, (2, 9))
    logits, caches, _ = network.forward(parameters, state, x, train=True)
    losses, probabilities = network.loss.per_sample(logits, labels)
    gradients = network.backward(parameters, caches, network.loss.gradient(probabilities, labels))
    for k in range(2):
        theirs = [{n: tensor(a[k]).requires_grad_() for n, a in p.items()} for p in parameters]
        value, shortcuts = tensor(x[k]), []
        for layer, p in zip(layers, theirs, strict=True):
            value = torch_layer(layer, p, value, shortcuts)
        loss = torch.nn.functional.cross_entropy(value, torch.tensor(labels[k]))
        loss.backward()
        assert losses[k].mean() == pytest.approx(loss.item(), rel=1e-12)
        for ours, p in zip(gradients, theirs, strict=True):
            assert ours.keys() == p.keys()
            for n, array in ours.items():
                close(array[k], p[n].grad)
