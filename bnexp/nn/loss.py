"""The loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.nn.layer import Array

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """-log softmax(logits)[label] in nats, by log-sum-exp. Logits (K, N, C), labels (K or 1, N)."""

    def per_sample(self, logits: Array, labels: Labels) -> tuple[Array, Array]:
        """Every sample's loss, (K, N), and the probabilities, (K, N, C)."""
        shifted = logits - logits.max(axis=-1, keepdims=True)
        picked = np.take_along_axis(shifted, self._columns(shifted, labels), axis=-1)
        probabilities = np.exp(shifted, out=shifted)
        total = probabilities.sum(axis=-1, keepdims=True)
        probabilities /= total
        return (np.log(total) - picked)[..., 0], probabilities

    def gradient(self, probabilities: Array, labels: Labels) -> Array:
        """d(mean loss)/d(logits) = (probabilities - one_hot(labels)) / N. Writes over its input."""
        columns = self._columns(probabilities, labels)
        target = np.take_along_axis(probabilities, columns, axis=-1)
        np.put_along_axis(probabilities, columns, target - 1.0, axis=-1)
        probabilities /= probabilities.shape[-2]
        return probabilities

    @staticmethod
    def _columns(logits: Array, labels: Labels) -> Labels:
        return np.broadcast_to(labels, logits.shape[:-1])[..., None]
