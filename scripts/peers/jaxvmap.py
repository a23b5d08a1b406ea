"""The sweep in JAX, float32: all networks of a kind in one compiled program (jit of vmap)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from peers.sweep import PER_EPOCH, RATE, Array, Sweep, draws, images

EPS, KEEP = 1e-6, 0.9


def forward(parameters: Any, averages: Any, x: Any, train: bool) -> tuple[Any, Any]:
    """One network's logits, and batch norm's running averages after them."""
    after = []
    for layer, (mu, var) in zip(parameters[:-1], averages, strict=True):
        x = x @ layer["W"] + layer["b"]
        if "gamma" in layer:
            batch = (x.mean(axis=0), x.var(axis=0)) if train else (mu, var)
            x = (x - batch[0]) * (layer["gamma"] / jnp.sqrt(batch[1] + EPS)) + layer["beta"]
            mu, var = KEEP * mu + (1 - KEEP) * batch[0], KEEP * var + (1 - KEEP) * batch[1]
        after.append((mu, var))
        x = jax.nn.relu(x)
    return x @ parameters[-1]["W"] + parameters[-1]["b"], after


def update(parameters: Any, averages: Any, x: Any, labels: Any) -> tuple[Any, Any]:
    """One step of gradient descent on the mean cross-entropy."""

    def loss(parameters: Any) -> tuple[Any, Any]:
        logits, after = forward(parameters, averages, x, train=True)
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
        return -picked.mean(), after

    gradients, after = jax.grad(loss, has_aux=True)(parameters)
    return jax.tree.map(lambda w, g: w - RATE * g, parameters, gradients), after


def accuracy(parameters: Any, averages: Any, x: Any, labels: Any) -> Any:
    logits, _ = forward(parameters, averages, x, train=False)
    return (logits.argmax(axis=1) == labels).mean()


def start(weights: list[list[Array]], norm: bool) -> tuple[Any, Any]:
    """Parameters and running averages of all networks, side by side."""
    parameters, averages = [], []
    for i, layer in enumerate(zip(*weights, strict=True)):
        stacked = np.stack(layer).astype(np.float32)
        row = stacked.shape[::2]
        own = {"W": stacked, "b": np.zeros(row, np.float32)}
        if i < len(weights[0]) - 1:
            averages.append((np.zeros(row, np.float32), np.zeros(row, np.float32)))
            own |= {"gamma": np.ones(row, np.float32), "beta": own["b"]} if norm else {}
        parameters.append(own)
    return jax.device_put(parameters), jax.device_put(averages)


def program(first: tuple[Any, Any], batches: Any, x: Any, labels: Any) -> Callable[[], Any]:
    """All updates and evaluations compiled as one scan; a compiled step called from Python for each
    update takes as long within 3 %."""
    step = jax.vmap(lambda p, a, batch: update(p, a, x[batch], labels[batch]))
    score = jax.vmap(lambda p, a: accuracy(p, a, x, labels))

    def epoch(networks: tuple[Any, Any], batches: Any) -> tuple[Any, Any]:
        after, _ = jax.lax.scan(lambda n, batch: (step(*n, batch), None), networks, batches)
        return after, score(*after)

    def whole(networks: tuple[Any, Any], batches: Any) -> Any:
        networks = step(*networks, batches[0])
        rest = batches[1:].reshape(-1, PER_EPOCH, *batches.shape[1:])
        before = score(*networks)
        _, later = jax.lax.scan(epoch, networks, rest)
        return jnp.concatenate([before[None], later]).T

    compiled = jax.jit(whole).lower(first, batches).compile()
    return lambda: compiled(first, batches)


def prepare(sweep: Sweep) -> tuple[Callable[[], list[list[float]]], float]:
    """A program that trains the sweep, and the seconds it took to compile."""
    pixels, digits = images(sweep.data)
    x, labels = jnp.asarray(pixels), jnp.asarray(digits)
    drawn = draws(sweep)
    batches = jnp.asarray(np.stack([one.batches for one in drawn], axis=1))
    normed = start([one.normed for one in drawn], norm=True)
    plain = start([one.plain for one in drawn], norm=False)
    started = time.perf_counter()
    programs = [program(first, batches, x, labels) for first in (normed, plain)]
    seconds = time.perf_counter() - started

    def run() -> list[list[float]]:
        both = [np.asarray(program()).tolist() for program in programs]
        return [accuracies for pair in zip(*both, strict=True) for accuracies in pair]

    return run, seconds
