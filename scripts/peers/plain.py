"""The sweep as a textbook program: float64 NumPy, one network after another, one step at a time.

Written from the formulas alone: Ioffe & Szegedy (2015), Algorithm 1 and the derivatives of section
3, with the book's conventions (eps 1e-6, running averages from 0 that keep 0.9).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from peers.sweep import PER_EPOCH, RATE, Array, Sweep, draws, images

EPS, KEEP = 1e-6, 0.9


class Affine:
    """y = x W + b."""

    def __init__(self, weights: Array) -> None:
        self.trained = {"W": weights.copy(), "b": np.zeros(weights.shape[1])}
        self.gradients: dict[str, Array] = {}

    def forward(self, x: Array, train: bool) -> Array:
        self.x = x
        return x @ self.trained["W"] + self.trained["b"]

    def backward(self, dy: Array) -> Array:
        self.gradients = {"W": self.x.T @ dy, "b": dy.sum(axis=0)}
        return dy @ self.trained["W"].T


class Norm:
    """y = gamma * (x - mu) / sqrt(var + eps) + beta."""

    eps, ddof, first_var = EPS, 0, 0.0

    def __init__(self, width: int) -> None:
        self.trained = {"gamma": np.ones(width), "beta": np.zeros(width)}
        self.gradients: dict[str, Array] = {}
        self.mu, self.var = np.zeros(width), np.full(width, self.first_var)

    def forward(self, x: Array, train: bool) -> Array:
        mu, var = (x.mean(axis=0), x.var(axis=0)) if train else (self.mu, self.var)
        if train:
            self.mu = KEEP * self.mu + (1 - KEEP) * mu
            share = len(x) / (len(x) - self.ddof)
            self.var = KEEP * self.var + (1 - KEEP) * share * var
        self.centred, self.std = x - mu, np.sqrt(var + self.eps)
        self.normal = self.centred / self.std
        return self.trained["gamma"] * self.normal + self.trained["beta"]

    def backward(self, dy: Array) -> Array:
        m = len(dy)
        self.gradients = {"gamma": (dy * self.normal).sum(axis=0), "beta": dy.sum(axis=0)}
        d_normal = dy * self.trained["gamma"]
        d_var = (d_normal * self.centred).sum(axis=0) * -0.5 / self.std**3
        d_mu = -(d_normal / self.std).sum(axis=0) - 2 * d_var * self.centred.mean(axis=0)
        return d_normal / self.std + d_var * 2 * self.centred / m + d_mu / m


class Relu:
    """y = max(x, 0)."""

    def __init__(self) -> None:
        self.trained: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}

    def forward(self, x: Array, train: bool) -> Array:
        self.positive = x > 0
        return np.maximum(x, 0)

    def backward(self, dy: Array) -> Array:
        return dy * self.positive


def build(weights: list[Array], norm: bool) -> list[Affine | Norm | Relu]:
    layers: list[Affine | Norm | Relu] = []
    for w in weights[:-1]:
        layers += [Affine(w), Norm(w.shape[1]), Relu()] if norm else [Affine(w), Relu()]
    return [*layers, Affine(weights[-1])]


def forward(layers: Sequence[Any], x: Array, train: bool) -> Array:
    for layer in layers:
        x = layer.forward(x, train)
    return x


def softmax(logits: Array) -> Array:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def differentiate(layers: Sequence[Any], x: Array, labels: Array) -> None:
    """Every layer's gradients of the mean cross-entropy."""
    shares = softmax(forward(layers, x, train=True))
    dy = (shares - np.eye(shares.shape[1])[labels]) / len(x)
    for layer in reversed(layers):
        dy = layer.backward(dy)


def update(layers: Sequence[Any], x: Array, labels: Array) -> None:
    """One step of gradient descent."""
    differentiate(layers, x, labels)
    for layer in layers:
        for name, values in layer.trained.items():
            values -= RATE * layer.gradients[name]


def train(weights: list[Array], norm: bool, batches: Array, x: Array, labels: Array) -> list[float]:
    """Accuracy on all images after updates 1, 11, 21, ..."""
    layers, accuracies = build(weights, norm), []
    with np.errstate(all="ignore"):
        for number, batch in enumerate(batches):
            update(layers, x[batch], labels[batch])
            if number % PER_EPOCH == 0:
                predicted = forward(layers, x, train=False).argmax(axis=1)
                accuracies.append(float((predicted == labels).mean()))
    return accuracies


def prepare(sweep: Sweep, share: int = 0, shares: int = 1) -> Callable[[], list[list[float]]]:
    """A program that trains the sweep: with batch norm and plain, scale by scale."""
    x, labels = images(sweep.data)
    drawn = draws(sweep)[share::shares]

    def run() -> list[list[float]]:
        return [
            train(weights, norm, one.batches, x, labels)
            for one in drawn
            for weights, norm in ((one.normed, True), (one.plain, False))
        ]

    return run
