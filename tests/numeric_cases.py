"""Small stacks, images and comparisons for the tests of the numerical core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bnexp import nn
from bnexp.nn import BatchNorm, Normal, Sequential, mlp, stack
from bnexp.nn.activations import Elu, LeakyRelu
from bnexp.training import Images

DIALECTS = {name: BatchNorm(**options) for name, options in BatchNorm.DIALECTS.items()}
VARIANTS = {
    "outside": BatchNorm(eps=1e-3, eps_placement="outside"),
    "sample variance": BatchNorm(ddof=1, running_ddof=1),
    "outside, sample variance": BatchNorm(eps=0.1, eps_placement="outside", ddof=1),
    "large eps": BatchNorm(eps=0.5),
    "no eps": BatchNorm(eps=0.0),
    "not affine": BatchNorm(affine=False),
    "not affine, outside": BatchNorm(affine=False, eps=0.1, eps_placement="outside"),
    "scale": BatchNorm(affine="scale"),
    "shift": BatchNorm(affine="shift"),
}
# The parameters of a norm by its option `affine`.
AFFINE = {True: ["beta", "gamma"], False: [], "scale": ["gamma"], "shift": ["beta"]}
NORMS = {**DIALECTS, **VARIANTS}
EXACT = {name: norm for name, norm in NORMS.items() if norm.gradient == "exact"}
# Of AlexeyAB's darknet dx has another mean than 0: two epsilons, in two places.
MEAN_FREE = {n: norm for n, norm in NORMS.items() if norm.gradient != "darknet_alexeyab"}
ACTIVATIONS = {name: nn.ACTIVATIONS[name]() for name in ("sigmoid", "tanh", "relu")}
NEWER_ACTIVATIONS = {
    **{name: nn.ACTIVATIONS[name]() for name in sorted(nn.ACTIVATIONS.builtin - set(ACTIVATIONS))},
    "steep leaky_relu": LeakyRelu(0.3),
    "elu to -2.5": Elu(2.5),
}


class WithoutMeanTerm(BatchNorm):
    """The classic mistake: mu is taken for a constant."""

    def backward(self, parameters, cache, dy):
        dx, gradients = super().backward(parameters, cache, dy)
        return dx + cache.scale * dy.mean(axis=-2, keepdims=True), gradients


class ThousandthMore(BatchNorm):
    def backward(self, parameters, cache, dy):
        dx, gradients = super().backward(parameters, cache, dy)
        return 1.001 * dx, {name: 1.001 * g for name, g in gradients.items()}


class OtherDenominator(BatchNorm):
    """Darknet's: normalized by N - 1, differentiated by N; and the other way round."""

    def backward(self, parameters, cache, dy):
        return BatchNorm(eps=self.eps, ddof=1 - self.ddof).backward(parameters, cache, dy)


WRONG = {
    "mean term dropped": WithoutMeanTerm(),
    "times 1.001": ThousandthMore(),
    "over N for N - 1": OtherDenominator(ddof=1),
    "over N - 1 for N": OtherDenominator(ddof=0),
}


def stacked(network, k, shape, dtype=np.float64, seed=0):
    """Initial parameters and state of `k` different networks side by side."""
    made = [network.init(np.random.default_rng((seed, i)), shape) for i in range(k)]
    return stack([p for p, _ in made], dtype), stack([s for _, s in made], dtype)


def layer_start(layer, k, shape, dtype=np.float64, seed=0):
    """As `stacked`, of one layer, with every parameter random."""
    parameters, state = stacked(Sequential((layer,)), k, shape, dtype, seed)
    random = np.random.default_rng((seed, 99))
    drawn = {n: random.standard_normal(w.shape).astype(dtype) for n, w in parameters[0].items()}
    return drawn, state[0]


def one(tree, k):
    """Network k of a stack, alone: the same nest of arrays, each (1, ...)."""
    if isinstance(tree, np.ndarray):
        return tree[k : k + 1].copy() if tree.ndim else tree
    if isinstance(tree, dict):
        return {name: one(value, k) for name, value in tree.items()}
    return tuple(one(value, k) for value in tree) if isinstance(tree, tuple | list) else tree


def small_mlp(norm=None, activation="relu", std=0.4, widths=(9, 8, 4), bias=True):
    return mlp(widths, ACTIVATIONS[activation], norm, [Normal(std)] * len(widths), bias)


def images(n=40, pixels=16, classes=4, dtype=np.float64, seed=5):
    """Images of which the brightest of the first `classes` pixels is the label."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 256, (n, pixels), dtype=np.uint8)
    return Images(values, values[:, :classes].argmax(axis=1), dtype)


def arrays(tree):
    """Every array in a nest of mappings, sequences and caches."""
    if isinstance(tree, np.ndarray):
        yield tree
    elif isinstance(tree, Mapping | tuple | list):
        for value in tree.values() if isinstance(tree, Mapping) else tree:
            yield from arrays(value)


def float_types(tree):
    """The types of all numbers in a nest; keys and counts are not numbers."""
    return {a.dtype for a in arrays(tree) if np.issubdtype(a.dtype, np.floating)}


def bits(tree):
    """Shape, type and bytes of every array: equal for arrays equal to the last bit, NaN too."""
    return [(a.shape, a.dtype, a.tobytes()) for a in arrays(tree)]


class Case:
    """A layer with K networks' parameters and inputs."""

    def __init__(self, layer, k, n, shape, dtype, seed=0, scale=1.0):
        random = np.random.default_rng(seed)
        self.layer, self.k = layer, k
        self.parameters, self.state = layer_start(layer, k, shape, dtype, seed)
        if "key" in self.state:  # dropout's masks are each network's own
            self.state["key"] = np.arange(k, dtype=np.uint64)[:, None]
        self.x = (scale * random.standard_normal((k, n, *shape))).astype(dtype)
        self.random, self.dtype = random, np.dtype(dtype)

    def step(self, k=None):
        """A training step forward and back and an evaluation; of network k alone if it is given."""
        parts = (self.parameters, self.state, self.x)
        parameters, state, x = parts if k is None else one(parts, k)
        y, cache, after = self.layer.forward(parameters, state, x, train=True)
        weights = np.random.default_rng(7).standard_normal((self.k, *y.shape[1:]))
        dy = weights.astype(self.dtype) if k is None else weights.astype(self.dtype)[k : k + 1]
        dx, gradients = self.layer.backward(parameters, cache, dy)
        evaluated, _, _ = self.layer.forward(parameters, after, x, train=False)
        return {
            "y": y,
            "cache": cache,
            "state": dict(after),
            "dx": dx,
            **gradients,
            "eval": evaluated,
        }


def image_windows(image, size, stride, padding, fill=0.0):
    """((row, column), window) for every place of one image (H, W, C), one after another."""
    height, width, channels = image.shape
    framed = np.full((height + 2 * padding, width + 2 * padding, channels), fill)
    framed[padding : padding + height, padding : padding + width] = image
    for row, top in enumerate(range(0, len(framed) - size + 1, stride)):
        for column, left in enumerate(range(0, framed.shape[1] - size + 1, stride)):
            yield (row, column), framed[top : top + size, left : left + size]


def window_places(shape, layer):
    """How many windows fit, (OH, OW)."""
    return tuple((n + 2 * layer.padding - layer.size) // layer.stride + 1 for n in shape[:2])
