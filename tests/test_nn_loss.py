"""The loss against the naive log-softmax."""

from __future__ import annotations

import numpy as np

from bnexp.nn import SoftmaxCrossEntropy


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_loss_is_the_naive_log_softmax():
    logits, labels = drawn(3, 6, 5), np.array([[0, 4, 2, 2, 1, 3]])
    losses, probabilities = SoftmaxCrossEntropy().per_sample(logits.copy(), labels)
    gradient = SoftmaxCrossEntropy().gradient(probabilities.copy(), labels)
    for k in range(3):
        for n, label in enumerate(labels[0]):
            p = np.exp(logits[k, n]) / sum(np.exp(logits[k, n]))
            np.testing.assert_allclose(probabilities[k, n], p, rtol=1e-13)
            np.testing.assert_allclose(losses[k, n], -np.log(p[label]), rtol=1e-12)
            np.testing.assert_allclose(gradient[k, n], (p - np.eye(5)[label]) / 6, atol=1e-15)


def test_loss_with_labels_of_each_network():
    logits, labels = drawn(3, 6, 5), np.random.default_rng(1).integers(0, 5, (3, 6))
    losses, probabilities = SoftmaxCrossEntropy().per_sample(logits, labels)
    for k in range(3):
        alone, p = SoftmaxCrossEntropy().per_sample(logits[k : k + 1], labels[k : k + 1])
        np.testing.assert_array_equal(losses[k], alone[0])
        gradient = SoftmaxCrossEntropy().gradient(probabilities.copy(), labels)
        own = SoftmaxCrossEntropy().gradient(p, labels[k : k + 1])
        np.testing.assert_array_equal(gradient[k], own[0])


def test_loss_of_large_logits_is_exact():
    """log(1 + exp(-1000)) = 0 and -log(exp(-1000)) = 1000, without overflow or log(0)."""
    logits = np.array([[[1000.0, 0.0], [1000.0, 0.0]]])
    losses, _ = SoftmaxCrossEntropy().per_sample(logits, np.array([[0, 1]]))
    np.testing.assert_array_equal(losses, [[0.0, 1000.0]])


def test_loss_leaves_the_logits():
    logits = drawn(1, 3, 4)
    before = logits.copy()
    SoftmaxCrossEntropy().per_sample(logits, np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(logits, before)
