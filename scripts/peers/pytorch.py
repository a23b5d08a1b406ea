"""The sweep in PyTorch, eager, float32, one network after another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from peers.sweep import PER_EPOCH, RATE, Array, Sweep, draws, images


def prepare(
    sweep: Sweep, threads: int, share: int = 0, shares: int = 1
) -> Callable[[], list[list[float]]]:
    """A program for this process's share of the scales; a first step is made beforehand."""
    torch.set_num_threads(threads)
    pixels, digits = images(sweep.data)
    x, labels = torch.from_numpy(pixels), torch.from_numpy(np.array(digits))
    drawn = draws(sweep)[share::shares]

    def run() -> list[list[float]]:
        return [
            train(weights, norm, torch.from_numpy(one.batches), x, labels)
            for one in drawn
            for weights, norm in ((one.normed, True), (one.plain, False))
        ]

    train(drawn[0].normed, True, torch.from_numpy(drawn[0].batches[:1]), x, labels)
    return run


def build(weights: list[Array], norm: bool) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for i, w in enumerate(weights):
        linear = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.zero_()
        layers.append(linear)
        if i < len(weights) - 1:
            layers += [torch.nn.BatchNorm1d(w.shape[1])] if norm else []
            layers.append(torch.nn.ReLU())
    return torch.nn.Sequential(*layers)


def train(
    weights: list[Array], norm: bool, batches: torch.Tensor, x: torch.Tensor, labels: torch.Tensor
) -> list[float]:
    """Accuracy on all images after updates 1, 11, 21, ..."""
    model = build(weights, norm)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    loss, accuracies = torch.nn.CrossEntropyLoss(), []
    for number, batch in enumerate(batches):
        model.train()
        optimizer.zero_grad()
        loss(model(x[batch]), labels[batch]).backward()
        optimizer.step()
        if number % PER_EPOCH == 0:
            model.eval()
            with torch.inference_mode():
                accuracies.append(float((model(x).argmax(dim=1) == labels).float().mean()))
    return accuracies
