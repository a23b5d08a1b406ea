"""The numerical core against PyTorch, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from numeric_cases import DIALECTS, images, layer_start, small_mlp, stacked

from bnexp.nn import BatchNorm, Momentum, SoftmaxCrossEntropy
from bnexp.training import train

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torch.set_num_threads(1)  # small tensors: threads would only wait for each other

F64 = {"dtype": torch.float64}


def tensor(array):
    return torch.tensor(array, **F64)


def torch_norm(norm, parameters, k):
    """PyTorch's layer with network k's parameters and the knobs it has."""
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
