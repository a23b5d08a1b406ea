"""The ConvNet in PyTorch, eager, float32, one network after another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from peers.convnets import BETA1, BETA2, EPS, POOL, RATE, SCORED, ConvNets, Draws, draws
from peers.sweep import PIXELS, Array, images


def prepare(
    nets: ConvNets, threads: int, share: int = 0, shares: int = 1
) -> Callable[[], list[float]]:
    """A program for this process's share of the networks; a first step is made beforehand."""
    torch.set_num_threads(threads)
    pixels, digits = images(nets.data)
    x = torch.from_numpy(pixels).reshape(-1, 1, PIXELS, PIXELS)
    labels = torch.from_numpy(np.array(digits, np.int64))
    drawn = draws(nets)[share::shares]
    for one in draws(nets.small())[share::shares]:
        train(one, x, labels)
    return lambda: [train(one, x, labels) for one in drawn]


def build(one: Draws) -> torch.nn.Sequential:
    features, channels, size, _ = one.conv.shape
    conv = _filled(torch.nn.Conv2d(channels, features, size), one.conv)
    hidden = _filled(torch.nn.Linear(*one.dense.shape), one.dense.T)
    output = _filled(torch.nn.Linear(*one.output.shape), one.output.T)
    norms = [[torch.nn.BatchNorm2d(features)], [torch.nn.BatchNorm1d(len(one.output))]]
    first, second = norms if one.norm else ([], [])
    pooled = [torch.nn.ReLU(), torch.nn.MaxPool2d(POOL), torch.nn.Flatten()]
    return torch.nn.Sequential(conv, *first, *pooled, hidden, *second, torch.nn.ReLU(), output)


def _filled(layer: torch.nn.Conv2d | torch.nn.Linear, weights: Array) -> torch.nn.Module:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights))
        layer.bias.zero_()
    return layer


def train(one: Draws, x: torch.Tensor, labels: torch.Tensor) -> float:
    """The loss on the first images, after the last step."""
    model, loss = build(one), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, betas=(BETA1, BETA2))
    for step, batch in enumerate(torch.from_numpy(one.batches), 1):
        # PyTorch corrects sqrt(v) before eps is added to it, the book puts that into the rate.
        optimizer.param_groups[0]["eps"] = EPS / (1 - BETA2**step) ** 0.5
        optimizer.zero_grad()
        loss(model(x[batch]), labels[batch]).backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        return float(loss(model(x[:SCORED]), labels[:SCORED]))
