"""What the coming step does: the loss along the gradient, and the covariate shift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric_cases import bits, images, stacked
from test_probes_base import rows, step_of
from test_probes_layers import textbook

from bnexp.nn import SGD, BatchNorm, Momentum, SoftmaxCrossEntropy
from bnexp.nn.optimizers import Adam, StepDecay
from bnexp.nn.weightnorm import WeightNorm
from bnexp.probes.landscape import Landscape
from bnexp.probes.layers import CovariateShift
from bnexp.training import train
from bnexp.training.loop import Probing
from bnexp.training.update import Adjustments

EPS = 1e-3


def book(network, step, parameters):
    """Loss and gradients on the step's batch by the network's own pass."""
    logits, caches, _ = network.forward(parameters, step.state, step.x, train=True)
    loss = SoftmaxCrossEntropy()
    losses, probabilities = loss.per_sample(logits, step.labels)
    dy = loss.gradient(probabilities, step.labels)
    return losses.mean(), network.backward(parameters, caches, dy)


def flat(gradients):
    return np.concatenate([a.ravel() for layer in gradients for a in layer.values()])


def down(parameters, gradients, eta):
    return [
        {name: a - eta * g[name] for name, a in p.items()}
        for p, g in zip(parameters, gradients, strict=True)
    ]


@pytest.mark.parametrize("unit", ["learning_rate", "one"])
@pytest.mark.parametrize("network", [rows(BatchNorm(eps=EPS)), rows(around=WeightNorm().around)])
def test_the_landscape_is_what_steps_of_each_size_find(network, unit):
    step, factors = step_of(network, rate=0.2), (0.5, 1.0, 3.0)
    start, g = book(network, step, step.parameters)
    losses, changes, slopes = [], [], []
    for factor in factors:
        eta = factor * (0.2 if unit == "learning_rate" else 1)
        loss, there = book(network, step, down(step.parameters, g, eta))
        losses.append(loss)
        changes.append(np.linalg.norm(flat(g) - flat(there)))
        slopes.append(changes[-1] / np.linalg.norm(eta * flat(g)))
    want = {
        "loss_along": losses,
        "relative_loss_along": [loss / start for loss in losses],
        "gradient_change_along": changes,
        "loss_range": [max(losses) - min(losses)],
        "gradient_change": [max(changes)],
        "smoothness": [max(slopes)],
    }
    readings = Landscape(factors, unit).read(step)
    assert [r.quantity for r in readings] == list(want)
    for reading in readings:
        assert reading.layers == (0,)
        along = reading.quantity.endswith("along")
        assert reading.at == factors if along else np.isnan(reading.at).tolist() == [True]
        np.testing.assert_allclose(reading.values[0, 0], want[reading.quantity], rtol=1e-9)


def test_the_losses_along_are_the_textbooks():
    network = rows(BatchNorm(eps=EPS))
    step = step_of(network, rate=0.3)
    _, g = book(network, step, step.parameters)
    moved = [{n: a[0] for n, a in p.items()} for p in down(step.parameters, g, 0.6)]
    dense, norms = ([p for p in moved if name in p] for name in ("W", "gamma"))
    want = textbook(dense, norms, step.x[0], step.labels[0], after=False)[2]
    made = Landscape((2.0,)).read(step)[0].values[0, 0, 0]
    assert made == pytest.approx(want, rel=1e-12)


def test_a_short_step_falls_by_the_gradients_square():
    step = step_of(rows())
    g = flat(step.current.gradients)
    along = Landscape((1e-5,), "one").read(step)[0].values[0, 0, 0]
    assert (step.current.losses[0] - along) / 1e-5 == pytest.approx(g @ g, rel=1e-3)


def test_each_network_steps_by_its_own_rate():
    step = step_of(rows(), 3, rate=0.2)
    single = Landscape((2.0,)).read(step)[0].values
    for k, rate in enumerate((0.2, 0.3, 0.4)):
        same = replace(step, lr=np.full((3, 1, 1), rate))
        assert Landscape((2.0,)).read(same)[0].values[k] == single[k]
    assert len(set(single.ravel())) == 3


def probed(probe, schedule=None, steps=(0, 2), optimizer=SGD()):  # noqa: B008
    """Readings of one network's training, by step and quantity."""
    network = rows(widths=(8, 6, 5, 4))
    parameters, state = stacked(network, 1, (16,))
    random = np.random.default_rng(0)
    history = train(
        network,
        optimizer,
        np.full((1, 1, 1), 0.05),
        parameters,
        state,
        iter([random.integers(0, 40, (1, 10)) for _ in range(4)]),
        (4,),
        images(),
        adjustments=Adjustments(schedule=schedule) if schedule else Adjustments(),
        probes=Probing((probe,), frozenset(steps)),
    )
    return {
        (step, reading.quantity): reading.values[0, :, :].ravel()
        for step, readings in history.readings
        for reading in readings
    }


def test_steps_are_multiples_of_the_scheduled_rate():
    decay = StepDecay(every=1, gamma=0.5)
    relative = probed(Landscape((2.0,)), decay, steps=(0, 3))
    for step, eta in ((0, 0.1), (3, 0.0125)):
        absolute = probed(Landscape((eta,), "one"), decay, steps=(0, 3))
        np.testing.assert_allclose(
            relative[step, "loss_along"], absolute[step, "loss_along"], rtol=1e-12
        )
    constant = probed(Landscape((2.0,)), steps=(0, 3))
    assert constant[0, "loss_along"] == relative[0, "loss_along"]
    assert constant[3, "loss_along"] != relative[3, "loss_along"]


def ahead(kind, g, memory, t, lr=0.05):
    """The step of plain descent, momentum or Adam, from the textbook's formula."""
    if kind == "sgd":
        return -lr * g, memory
    if kind == "momentum":
        v = 0.9 * memory.get("v", 0) - lr * g
        return v, {"v": v}
    m = 0.9 * memory.get("m", 0) + 0.1 * g
    v = 0.999 * memory.get("v", 0) + 0.001 * g**2
    return -lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), {"m": m, "v": v}


def gradients(weights, x, labels):
    """Of the mean cross-entropy of a ReLU network, by the chain rule."""
    made = [x]
    for w, b in weights[:-1]:
        made.append(np.maximum(made[-1] @ w + b, 0))
    z = made[-1] @ weights[-1][0] + weights[-1][1]
    d = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    d[np.arange(len(x)), labels] -= 1
    d, found = d / len(x), []
    for a, (w, _) in zip(made[::-1], weights[::-1], strict=True):
        found.append((a.T @ d, d.sum(axis=0)))
        d = (d @ w.T) * (a > 0)
    return found[::-1]


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
def test_the_shift_is_that_of_the_definition(kind):
    """Trained here once more; G' has the layers before i one step ahead, their biases too."""
    network = rows(widths=(8, 6, 5, 4))
    parameters, _ = stacked(network, 1, (16,))
    weights = [(p["W"][0].copy(), p["b"][0, 0].copy()) for p in parameters if "W" in p]
    random, set_ = np.random.default_rng(0), images()
    batches = [random.integers(0, 40, (1, 10))[0] for _ in range(4)]
    memory = [[{}, {}] for _ in weights]
    optimizer = {"sgd": SGD(), "momentum": Momentum(), "adam": Adam()}[kind]
    found = probed(CovariateShift(), steps=range(4), optimizer=optimizer)
    for t, batch in enumerate(batches, 1):
        x, labels = set_.batch(batch)
        g, following = gradients(weights, x, labels), []
        for i, pair in enumerate(weights):
            steps = [ahead(kind, g[i][j], memory[i][j], t) for j in (0, 1)]
            memory[i] = [own for _, own in steps]
            following.append(tuple(a + step for a, (step, _) in zip(pair, steps, strict=True)))
        for i in (1, 2, 3):
            moved = gradients([*following[:i], *weights[i:]], x, labels)[i][0]
            apart, size = np.linalg.norm(g[i][0] - moved), np.linalg.norm(g[i][0])
            cosine = np.sum(g[i][0] * moved) / (size * np.linalg.norm(moved))
            made = [found[t - 1, q][i - 1] for q in ("shift", "shift_relative", "shift_cosine")]
            np.testing.assert_allclose(made, [apart, apart / size, cosine], rtol=1e-8)
        weights = following


def test_the_first_layer_has_no_shift_and_earlier_norms_count():
    step = step_of(rows(BatchNorm(eps=EPS)), rate=0.5)
    shift, relative, cosine = CovariateShift().read(step)
    assert shift.layers == relative.layers == cosine.layers == (2, 3)
    g = step.current.gradients[3]["W"]
    early = [*step.advanced[:3], *step.parameters[3:]]
    moved = book(step.network, step, early)[1][3]["W"]
    assert shift.values[0, 0, 0] == pytest.approx(np.linalg.norm(g - moved), rel=1e-12)
    without_norm = [step.advanced[0], *step.parameters[1:]]
    other = book(step.network, step, without_norm)[1][3]["W"]
    assert shift.values[0, 0, 0] != pytest.approx(np.linalg.norm(g - other), rel=1e-3)


@pytest.mark.parametrize("probe", [CovariateShift(), Landscape()])
def test_reading_changes_no_array(probe):
    step = step_of(rows(BatchNorm(eps=EPS)), 2)
    before = bits((step.parameters, step.state, step.x))
    first = [r.values for r in probe.read(step)]
    assert bits((step.parameters, step.state, step.x)) == before
    assert bits([r.values for r in probe.read(step)]) == bits(first)
