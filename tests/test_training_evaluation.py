"""Scores of a stack over a set of images."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numeric_cases import DIALECTS, images, one, small_mlp, stacked

from bnexp.metrics import DEFAULT_METRICS, Metric
from bnexp.nn import (
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    Normal,
    Sequential,
    SoftmaxCrossEntropy,
    block,
)
from bnexp.nn.activations import Sigmoid, Tanh
from bnexp.nn.batchvariants import BatchRenorm, GhostBatchNorm
from bnexp.nn.book import replay
from bnexp.nn.gradcheck import relative_error
from bnexp.nn.normalizers import NoisyBatchNorm
from bnexp.nn.residual import Add, Fork
from bnexp.nn.weightnorm import WeightNorm
from bnexp.training import Images, evaluate
from bnexp.training.evaluation import evaluate_batch, logits_of, loss_gradients


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


def conv_net(norm):
    inner = [Conv(3, 3, Normal(0.5), padding=1), *block(Tanh(), norm)]
    ends = [AveragePool(2), Flatten(), Dense(4, Normal(0.5))]
    return Sequential((Conv(3, 3, Normal(0.5)), Tanh(), Fork(), *inner, Add(), *ends))


ATTACKED = {
    **{
        f"mlp, {name}": small_mlp(norm, "tanh")
        for name, norm in {
            "none": None,
            "batch": BatchNorm(),
            "statistics of the images": BatchNorm(evaluation="batch"),
            "ghost": GhostBatchNorm(size=4),
            "renorm": BatchRenorm(),
            "noisy": NoisyBatchNorm(),
            "layer": LayerNorm(),
        }.items()
    },
    "weight norm": Sequential(
        (WeightNorm().around(Dense(7, Normal(0.5))), Tanh(), Dense(4, Normal(0.5)))
    ),
    "book": replay(
        Sequential(
            (
                Dense(7, Normal(0.5)),
                BatchNorm(),
                Sigmoid(),
                Dropout(0.2, "evaluation"),
                Dense(4, Normal(0.5)),
            )
        )
    ),
    "convolutions around which there is a shortcut": conv_net(BatchNorm(spatial="channel")),
}


@pytest.mark.parametrize("name", ATTACKED)
def test_gradients_of_images_in_evaluation(name):
    """Of two networks with running averages that are not those of the images."""
    network, shape = ATTACKED[name], (6, 6, 1) if "convolutions" in name else (16,)
    random = np.random.default_rng(3)
    parameters, state = stacked(network, 2, shape)
    numbers = ("mean", "var", "std", "unseen")
    state = tuple(
        {n: 0.1 + 0.8 * random.random(a.shape) if n in numbers else a for n, a in layer.items()}
        for layer in state
    )
    x, labels = random.random((30, *shape)), random.integers(0, 4, 30)

    def total(x, k):
        alone = one(parameters, k), one(state, k), Images(x, labels, "float64")
        logits = logits_of(network, *alone)
        return float(SoftmaxCrossEntropy().per_sample(logits, labels[None])[0].sum())

    gradients = loss_gradients(network, parameters, state, Images(x, labels, "float64"))
    assert gradients.shape == (2, *x.shape)
    for k in range(2):
        error = relative_error(partial(total, k=k), gradients[k], x, random)
        assert error < 1e-7
        alone = one(parameters, k), one(state, k), Images(x, labels, "float64")
        np.testing.assert_array_equal(loss_gradients(network, *alone)[0], gradients[k])


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
