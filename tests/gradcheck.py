"""Gradients against central differences along random directions."""

from __future__ import annotations

import numpy as np

DIRECTIONS = 5


def relative_error(value, gradient, at, random, step=1e-5):
    """How far `gradient` of the scalar function `value` is from what differences say, relatively.

    The slope of `value` along unit directions v is measured by differences of the fourth order,

        (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h    with f(t) = value(at + t v)

    and compared with <gradient, v>. The error is relative to the slopes, so that small gradients
    are judged as strictly as large ones; where all slopes are 0 it is infinite, as nothing was
    tested.
    """
    measured, claimed = [], []
    for _ in range(DIRECTIONS):
        v = random.standard_normal(at.shape)
        v /= np.linalg.norm(v)
        near = value(at + step * v) - value(at - step * v)
        far = value(at + 2 * step * v) - value(at - 2 * step * v)
        measured.append((8 * near - far) / (12 * step))
        claimed.append(np.sum(gradient * v))
    scale = np.linalg.norm(measured)
    return np.linalg.norm(np.subtract(claimed, measured)) / scale if scale > 0 else np.inf


def layer_errors(layer, parameters, state, x, random, step=1e-5, train=True):
    """Relative errors of a layer's gradients, by name; "x" is the input's."""
    y, cache, _ = layer.forward(parameters, state, x, train)
    dy = random.standard_normal(y.shape)  # never constant: sums of batch norm's slopes are 0
    dx, gradients = layer.backward(parameters, cache, dy)

    def weighted(p, x):
        return np.sum(dy * layer.forward(p, state, x, train)[0])

    return {
        "x": relative_error(lambda a: weighted(parameters, a), dx, x, random, step),
        **{
            name: relative_error(
                lambda a, name=name: weighted({**parameters, name: a}, x),
                gradients[name],
                parameters[name],
                random,
                step,
            )
            for name in parameters
        },
    }


def network_errors(network, loss, parameters, state, x, labels, random, step=1e-5):
    """Relative errors of the mean loss's gradients, by (layer's index, parameter's name)."""
    logits, caches, _ = network.forward(parameters, state, x, train=True)
    _, probabilities = loss.per_sample(logits, labels)
    gradients = network.backward(parameters, caches, loss.gradient(probabilities, labels))

    def value(i, name, a):
        changed = [{**p, name: a} if i == j else p for j, p in enumerate(parameters)]
        logits, _, _ = network.forward(changed, state, x, train=True)
        return loss.per_sample(logits, labels)[0].mean(axis=-1).sum()

    return {
        (i, name): relative_error(
            lambda a, i=i, name=name: value(i, name, a), gradients[i][name], w, random, step
        )
        for i, p in enumerate(parameters)
        for name, w in p.items()
    }
