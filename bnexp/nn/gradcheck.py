"""The gradient check: a layer's backward pass against differences of its forward pass.

For a fixed random dy, `backward` returns the gradients of the number L = sum(dy * y). Each is
compared with the slope of L along random directions (`relative_error`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bnexp.nn.protocols import Array, Layer, Parameters, State
from bnexp.nn.sequential import Sequential, stack

DIRECTIONS = 5


def gradient_errors(layer: Layer, x: Array, seed: int = 0, train: bool = True) -> dict[str, float]:
    """Relative errors of a layer's gradients by name; `x` stands for the input's.

    `x` is float64, (K, N, H) or (K, N, H, W, C): K networks are made, every parameter of theirs is
    drawn from N(0, 1), and dy too. Exact gradients give errors of about 1e-9, wrong ones of
    1e-3 or more. Keep x away from points where the slope jumps, such as 0 for a relu. train=False
    checks the layer in evaluation mode, after one training step. ValueError for x in another type.

    >>> from bnexp.nn import BatchNorm
    >>> x = np.random.default_rng(0).standard_normal((1, 8, 3))
    >>> errors = gradient_errors(BatchNorm(), x)
    >>> sorted(errors), max(errors.values()) < 1e-7
    (['beta', 'gamma', 'x'], True)
    >>> gradient_errors(BatchNorm(**BatchNorm.DIALECTS["darknet"]), x)["x"] > 1e-3
    True
    """
    if x.dtype != np.float64:
        raise ValueError(f"gradient check: expected x in float64, got {x.dtype}")
    random = np.random.default_rng(seed)
    starts = [Sequential((layer,)).init(random, x.shape[2:]) for _ in range(len(x))]
    (initial,), (first_state,) = (stack(part, x.dtype) for part in zip(*starts, strict=True))
    state: State = first_state
    parameters = {name: random.standard_normal(w.shape) for name, w in initial.items()}
    if not train:
        _, _, state = layer.forward(parameters, state, x, True)
    return layer_errors(layer, parameters, state, x, random, train=train)


def layer_errors(
    layer: Layer,
    parameters: Parameters,
    state: State,
    x: Array,
    random: np.random.Generator,
    step: float = 1e-5,
    train: bool = True,
) -> dict[str, float]:
    """As `gradient_errors`, at these parameters (K, ...) and in this state."""
    y, cache, _ = layer.forward(parameters, state, x, train)
    dy = random.standard_normal(y.shape)  # never constant: sums of batch norm's slopes are 0
    dx, gradients = layer.backward(parameters, cache, dy)

    def weighted(p: Parameters, x: Array) -> float:
        return float(np.sum(dy * layer.forward(p, state, x, train)[0]))

    def changed(name: str) -> Callable[[Array], float]:
        return lambda a: weighted({**parameters, name: a}, x)

    errors = {"x": relative_error(lambda a: weighted(parameters, a), dx, x, random, step)}
    for name, w in parameters.items():
        errors[name] = relative_error(changed(name), gradients[name], w, random, step)
    return errors


def relative_error(
    value: Callable[[Array], float],
    gradient: Array,
    point: Array,
    random: np.random.Generator,
    step: float = 1e-5,
) -> float:
    """The relative error of `gradient`, that of the scalar function `value` at `point`.

    The slope of `value` along unit directions v is measured by differences of the fourth order,

        (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h    with f(t) = value(point + t v)

    and compared with <gradient, v>. The error is relative to the slopes, so that small gradients
    are judged as strictly as large ones; where all slopes are 0 it is infinite, as nothing was
    tested.
    """
    slopes, products = [], []
    for _ in range(DIRECTIONS):
        v: Any = random.standard_normal(point.shape)
        v /= np.linalg.norm(v)
        difference = value(point + step * v) - value(point - step * v)
        wide_difference = value(point + 2 * step * v) - value(point - 2 * step * v)
        slopes.append((8 * difference - wide_difference) / (12 * step))
        products.append(np.sum(gradient * v))
    scale = np.linalg.norm(slopes)
    return float(np.linalg.norm(np.subtract(products, slopes)) / scale) if scale > 0 else np.inf
