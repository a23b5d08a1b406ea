"""What probes see: the layers with weights, a pass forward and back, the coming step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numeric_cases import bits, images, one, stacked

from bnexp.nn import (
    SGD,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Momentum,
    Normal,
    Relu,
    Sequential,
    SoftmaxCrossEntropy,
    block,
)
from bnexp.nn.normalizers import NoisyBatchNorm
from bnexp.nn.optimizers import Adam, Constant, Cosine, StepDecay
from bnexp.nn.weightnorm import WeightNorm
from bnexp.probes import TrainingStep, sites
from bnexp.training import train
from bnexp.training.loop import Probing
from bnexp.training.update import Adjustments


def rows(norm=None, after=False, dropout=None, around=None, widths=(7, 6, 4)):
    """An MLP; `around` norms the weights of its hidden layers."""
    layers = []
    for width in widths[:-1]:
        dense = Dense(width, Normal(0.6))
        layers += [around(dense) if around else dense, *block(Relu(), norm, after, dropout)]
    return Sequential((*layers, Dense(widths[-1], Normal(0.6))))


def convolutional(norm=None):
    first = [Conv(3, 3, Normal(0.5)), *block(Relu(), norm), MaxPool(2), Flatten()]
    return Sequential((*first, Dense(5, Normal(0.6)), *block(Relu(), norm), Dense(4, Normal(0.6))))


def step_of(network, k=1, shape=(5,), n=12, rate=0.1, dtype="float64"):
    """K networks with random parameters before a step of plain gradient descent."""
    random = np.random.default_rng(8)
    parameters, state = stacked(network, k, shape, dtype)
    for layer in parameters:
        for name, array in layer.items():
            if name in ("b", "gamma", "beta"):
                array += (0.3 * random.standard_normal(array.shape)).astype(dtype)
    state = tuple(
        {**s, "key": np.arange(k, dtype=np.uint64)[:, None]} if "key" in s else s for s in state
    )
    x = random.standard_normal((1, n, *shape)).astype(dtype)
    rates = rate * np.linspace(1, 2, k, dtype=dtype)[:, None, None]
    return descending(network, parameters, state, x, random.integers(0, 4, (1, n)), rates)


def descending(network, parameters, state, x, labels, lr):
    def advance():
        logits, caches, _ = network.forward(parameters, state, x, train=True)
        loss = SoftmaxCrossEntropy()
        dy = loss.gradient(loss.per_sample(logits, labels)[1], labels)
        gradients = network.backward(parameters, caches, dy)
        pairs = zip(parameters, gradients, strict=True)
        return [{name: p[name] - lr * g[name] for name in p} for p, g in pairs]

    return TrainingStep(network, parameters, state, x, labels, lr, advance)


def alone(step, k):
    """Network k of the step's stack by itself."""
    parts = (one(part, k) for part in (step.parameters, step.state))
    own = step.lr[k : k + 1]
    made = descending(step.network, *parts, step.x, step.labels, own)
    return replace(made, image_shape=step.image_shape)


@dataclass
class Keep:
    """A probe that keeps bits: of the parameters, and of those after the coming step."""

    now: dict[int, Any] = field(default_factory=dict)
    ahead: dict[int, Any] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)

    def read(self, step):
        self.now[len(self.now)] = bits(step.parameters)
        self.ahead[len(self.ahead)] = bits(step.advanced)
        self.rates.append(step.lr.ravel().tolist())
        return []


def trained(network, steps, optimizer=SGD(), adjustments=None, points=None, rate=0.1):  # noqa: B008
    """What `Keep` kept, read before the first step and after each one."""
    parameters, state = stacked(network, 2, (16,))
    state = tuple({**s, "key": np.array([[3], [4]], np.uint64)} if "key" in s else s for s in state)
    random, keep = np.random.default_rng(0), Keep()
    train(
        network,
        optimizer,
        np.full((2, 1, 1), rate),
        parameters,
        state,
        iter([random.integers(0, 40, (2, 10)) for _ in range(max(steps, 1))]),
        points or (steps,),
        images(),
        adjustments=adjustments or Adjustments(),
        probes=Probing((keep,), frozenset(range(steps + 1))),
    )
    return keep


def test_sites_of_an_mlp_with_the_norm_before_and_after():
    for norm, after, places in [
        (None, False, [(1, 0, 1), (2, 2, 3), (3, 4, None)]),
        (BatchNorm(), False, [(1, 0, 2), (2, 3, 5), (3, 6, None)]),
        (BatchNorm(), True, [(1, 0, 1), (2, 3, 4), (3, 6, None)]),
    ]:
        found = [(s.number, s.weights, s.activation) for s in sites(rows(norm, after))]
        assert found == places


def test_sites_of_a_cnn_and_of_normed_weights():
    found = [
        (s.number, s.weights, s.activation)
        for s in sites(convolutional(BatchNorm(spatial="channel")))
    ]
    assert found == [(1, 0, 2), (2, 5, 7), (3, 8, None)]
    normed = [(s.weights, s.activation) for s in sites(rows(around=WeightNorm().around))]
    assert normed == [(0, 1), (2, 3), (4, None)]


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (rows(BatchNorm(), dropout=Dropout(0.4)), (5,)),
        (rows(NoisyBatchNorm(), after=True), (5,)),
        (rows(around=WeightNorm().around), (5,)),
        (convolutional(BatchNorm(spatial="channel")), (6, 6, 1)),
    ],
)
def test_a_pass_is_the_trainings_own(network, shape):
    step = step_of(network, 3, shape)
    logits, caches, _ = network.forward(step.parameters, step.state, step.x, train=True)
    loss = SoftmaxCrossEntropy()
    losses, probabilities = loss.per_sample(logits, step.labels)
    dy = loss.gradient(probabilities, step.labels)
    gradients = network.backward(step.parameters, caches, dy)
    here = step.current
    assert bits(here.logits) == bits(logits)
    assert bits(here.losses) == bits(losses.mean(axis=-1))
    assert bits(here.gradients) == bits(gradients)
    assert [len(part) for part in (here.inputs, here.signals)] == [len(network.layers)] * 2
    assert bits(here.signals[-1]) == bits(dy)


ADJUSTED = Adjustments(l2=0.01, weight_decay=0.02, clip_norm=1.0, schedule=Cosine(warmup=2))


@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Adam()])
@pytest.mark.parametrize(
    "network",
    [
        rows(BatchNorm(), dropout=Dropout(0.3)),
        rows(NoisyBatchNorm(), after=True),
        rows(around=WeightNorm().around),
    ],
)
def test_the_parameters_after_the_coming_step_are_those_that_come(optimizer, network):
    keep = trained(network, 6, optimizer, ADJUSTED)
    assert len({repr(own) for own in keep.now.values()}) == 7
    for step in range(6):
        assert keep.ahead[step] == keep.now[step + 1]


def test_the_rate_is_that_of_the_coming_step():
    plan = replace(ADJUSTED, schedule=StepDecay(every=2, gamma=0.5))
    rates = [own[0] for own in trained(rows(), 4, adjustments=plan).rates]
    assert rates == [0.1, 0.1, 0.05, 0.05, 0.05]


@pytest.mark.parametrize("schedule", [Constant(), Cosine(), StepDecay(every=3)])
def test_where_no_step_is_made_the_coming_one_is_the_first(schedule):
    """Networks that are looked at as they are drawn."""
    plan = Adjustments(schedule=schedule)
    still = trained(rows(), 0, adjustments=plan)
    moving = trained(rows(), 1, adjustments=plan)
    assert still.rates == [[0.1, 0.1]]
    assert still.now[0] == moving.now[0]
    assert still.ahead[0] == moving.now[1]
