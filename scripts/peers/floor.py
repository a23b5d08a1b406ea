"""The matrix products of the sweep and nothing else: what a program on this BLAS can hardly beat.

Forward, weight gradients, input gradients except the first layer's, and the evaluations in chunks,
each product once a network in the shapes in which bnexp asks for it. Two networks at a time, into
buffers made beforehand: of stacks of 1 to 8, with buffers and without, within 1 % of the fastest.
Transposes are views; copying the weights' transposes first, as bnexp does, takes 1 to 2 % off.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from peers.sweep import BATCH, IMAGES, PER_EPOCH, WIDTHS, Array, Sweep

CHUNK = 250
TOGETHER = 2


def prepare(sweep: Sweep, precision: str, share: int = 0, shares: int = 1) -> Callable[[], None]:
    """A program for this process's share of the networks."""
    products = Products(np.dtype(precision))
    pairs = len(range(share, sweep.networks // TOGETHER, shares))

    def run() -> None:
        for _ in range(pairs):
            for update in range(sweep.updates):
                products.train()
                if update % PER_EPOCH == 0:
                    products.evaluate()

    return run


class Products:
    """Operands of an ordinary size (no zeros, no denormals); results are thrown away."""

    def __init__(self, dtype: np.dtype[np.floating]) -> None:
        random = np.random.default_rng(0)

        def drawn(*shape: int) -> Array:
            return random.standard_normal((TOGETHER, *shape)).astype(dtype)

        pairs = list(pairwise(WIDTHS))
        self.weights = [drawn(a, b) / dtype.type(np.sqrt(a)) for a, b in pairs]
        self.x, self.dy = drawn(BATCH, WIDTHS[0]), drawn(BATCH, WIDTHS[-1])
        self.chunks = [drawn(CHUNK, WIDTHS[0])[:1] for _ in range(IMAGES // CHUNK)]
        self.gradients = [np.empty_like(w) for w in self.weights]
        self.forward = [drawn(BATCH, width) for width in WIDTHS[1:]]
        self.backward = [drawn(BATCH, width) for width in WIDTHS[:-1]]
        self.scores = [drawn(CHUNK, width) for width in WIDTHS[1:]]

    def train(self) -> None:
        inputs = [self.x]
        for weights, out in zip(self.weights, self.forward, strict=True):
            inputs.append(np.matmul(inputs[-1], weights, out=out))
        dy = self.dy
        for i in reversed(range(len(self.weights))):
            np.matmul(inputs[i].swapaxes(1, 2), dy, out=self.gradients[i])
            if i > 0:
                dy = np.matmul(dy, self.weights[i].swapaxes(1, 2), out=self.backward[i])

    def evaluate(self) -> None:
        for x in self.chunks:
            for weights, out in zip(self.weights, self.scores, strict=True):
                x = np.matmul(x, weights, out=out)
