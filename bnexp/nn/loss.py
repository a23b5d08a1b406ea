"""The loss: softmax and cross-entropy in one, and its gradient.

loss(z, label) = -log softmax(z)[label] = log(sum(exp(z - max z))) - (z[label] - max z)
d mean(loss) / dz = (softmax(z) - one_hot(label)) / N
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.nn.protocols import Array

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """-log softmax(logits)[label] in nats, by log-sum-exp. Logits (K, N, C), labels (K or 1, N).

    >>> loss = SoftmaxCrossEntropy()
    >>> losses, probabilities = loss.per_sample(np.zeros((1, 2, 10)), np.array([[3, 4]]))
    >>> losses.round(4).tolist()  # ln 10
    [[2.3026, 2.3026]]
    >>> loss.gradient(probabilities, np.array([[3, 4]]))[0, 0, 2:5].round(2).tolist()
    [0.05, -0.45, 0.05]
    """

    def per_sample(self, logits: Array, labels: Labels) -> tuple[Array, Array]:
        """Every sample's loss, (K, N), and the probabilities, (K, N, C).

        logits: (K, N, C), which are left as they are; labels: (K or 1, N), from 0 to C - 1.
        """
        # Inside, classes come before samples: to reduce the ten numbers at the end of each row
        # takes four times as long.
        z = np.ascontiguousarray(logits.swapaxes(-1, -2), like=logits)  # (K, C, N)
        z -= z.max(axis=-2, keepdims=True)
        z_label = z[_label_index(z, labels)]
        probabilities = np.exp(z, out=z)
        total = probabilities.sum(axis=-2, keepdims=True)
        probabilities /= total
        return np.log(total[..., 0, :]) - z_label, probabilities.swapaxes(-1, -2)

    def gradient(self, probabilities: Array, labels: Labels) -> Array:
        """d(mean loss)/d(logits) = (probabilities - one_hot(labels)) / N. Writes over its input."""
        z = probabilities.swapaxes(-1, -2)
        z[_label_index(z, labels)] -= 1.0
        z /= z.shape[-1]
        return probabilities


def _label_index(z: Array, labels: Labels) -> tuple[Labels, Labels, Labels]:
    """The index of each sample's label in z (K, C, N)."""
    networks, samples = np.arange(len(z), like=z), np.arange(z.shape[-1], like=z)
    return networks[:, None], labels, samples
