"""Scores of a stack over a set of images."""

from __future__ import annotations

import numpy as np
import pytest
from numeric_cases import DIALECTS, images, small_mlp, stacked

from bnexp.metrics import DEFAULT_METRICS, Metric
from bnexp.nn import BatchNorm, SoftmaxCrossEntropy
from bnexp.training import evaluate
from bnexp.training.evaluation import evaluate_batch


@pytest.mark.parametrize("name", ["book", "paper", "batch", "debiased", None])
def test_evaluation_is_the_whole_set_at_once(name):
    """More images than one chunk, and not a multiple of it."""
    others = {n: BatchNorm(evaluation=n) for n in ("batch", "debiased")}
    network = small_mlp({**DIALECTS, **others}.get(name))
    set_ = images(n=513)
    parameters, state = stacked(network, 2, (16,))
    for x in np.random.default_rng(0).random((3, 2, 20, 16)):
        _, _, state = network.forward(parameters, state, x, train=True)
    x, labels = set_.batch(slice(None))
    scores = evaluate(network, parameters, state, set_)
    logits, _, _ = network.forward(parameters, state, np.stack([x, x]), train=False)
    losses, _ = SoftmaxCrossEntropy().per_sample(logits.copy(), labels[None])
    np.testing.assert_allclose(scores["loss"], losses.mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(scores["accuracy"], (logits.argmax(-1) == labels).mean(axis=1))


def test_batch_evaluation_is_the_training_forward():
    network, set_ = small_mlp(BatchNorm(evaluation="batch")), images()
    parameters, state = stacked(network, 2, (16,))
    x, labels = set_.batch(slice(None))
    logits, _, _ = network.forward(parameters, state, x[None], train=True)
    expected = SoftmaxCrossEntropy().per_sample(logits, labels[None])[0].mean(axis=1)
    np.testing.assert_allclose(
        evaluate(network, parameters, state, set_)["loss"], expected, rtol=1e-14
    )


class OneNumber(Metric):
    label = "one number"

    def values(self, logits, labels):
        return np.float64(1.0)


class Zeroing(Metric):
    label = "zeroing"

    def values(self, logits, labels):
        logits[:] = 0
        return logits[..., 0]


@pytest.mark.parametrize(
    ("metric", "message"),
    [(OneNumber(), r"metric own: expected values of shape \(1, 20\)"), (Zeroing(), "read-only")],
)
def test_a_batch_is_scored_under_the_rules_of_all_images(metric, message):
    """A metric of another shape is refused, and none may change the logits."""
    network, set_ = small_mlp(), images(n=20)
    parameters, state = stacked(network, 2, set_.shape)
    x, labels = set_.batch(slice(None))
    with pytest.raises(ValueError, match=message):
        evaluate_batch(network, parameters, state, x[None], labels[None], {"own": metric})
    ours = evaluate_batch(network, parameters, state, x[None], labels[None], DEFAULT_METRICS)
    for name, expected in evaluate(network, parameters, state, set_).items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-12)
