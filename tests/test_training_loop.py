"""The training loop against one written out, and what it promises its caller."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numeric_cases import ACTIVATIONS, NORMS, arrays, bits, images, one, small_mlp, stacked

from bnexp.nn import (
    SGD,
    BatchNorm,
    Dense,
    GroupNorm,
    LayerNorm,
    Momentum,
    Normal,
    RMSNorm,
    Sequential,
    WeightNorm,
)
from bnexp.nn.optimizers import AdaGrad, Adam, RMSprop
from bnexp.probes import Probe
from bnexp.training import Images, evaluate, train
from bnexp.training.loop import EarlyStopping, Probing
from bnexp.training.random import generator, shuffle, stack_batches

RATES = np.array([0.05, 0.2, 0.5])[:, None, None]


def drawn(steps, k=1, images=40, size=10, seed=1):
    return list(np.random.default_rng(seed).integers(0, images, (steps, k, size)))


def run(network=None, points=(1, 3), k=3, optimizer=None, dtype="float64", rates=RATES, **others):
    network = network or small_mlp(BatchNorm())
    parameters, state = stacked(network, k, (16,), dtype)
    others = {"batches": iter(drawn(points[-1])), "train_set": images(dtype=dtype), **others}
    rates = rates.astype(dtype)
    return train(network, optimizer or SGD(), rates, parameters, state, points=points, **others)


def naive(weights, x, labels, activation):
    """Loss, accuracy and gradients of one plain network by hand: [(W, b), ...]."""
    inputs = [x]
    for w, b in weights:
        u = inputs[-1] @ w + b
        inputs.append(np.maximum(u, 0) if activation == "relu" else np.tanh(u))
    p = np.exp(u) / np.exp(u).sum(axis=1, keepdims=True)
    one_hot = np.eye(p.shape[1])[labels]
    delta, gradients = (p - one_hot) / len(x), []
    for (w, _), a in zip(weights[::-1], inputs[-2::-1], strict=True):
        gradients.append((a.T @ delta, delta.sum(axis=0)))
        delta = delta @ w.T * ((a > 0) if activation == "relu" else 1 - a**2)
    loss = -np.log((p * one_hot).sum(axis=1)).mean()
    return loss, (p.argmax(axis=1) == labels).mean(), gradients[::-1]


def by_hand(weights, batches, rate, keep, activation):
    """The weights before the first step and after each one: v <- keep v - rate g; w <- w + v."""
    velocity = [(0 * w, 0 * b) for w, b in weights]
    yield weights
    for x, labels in batches:
        _, _, gradients = naive(weights, x, labels, activation)
        velocity = [
            (keep * v - rate * g, keep * u - rate * h)
            for (v, u), (g, h) in zip(velocity, gradients, strict=True)
        ]
        weights = [(w + v, b + u) for (w, b), (v, u) in zip(weights, velocity, strict=True)]
        yield weights


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("optimizer", [SGD(), Momentum(momentum=0.9)])
def test_a_run_is_the_run_by_hand(activation, optimizer):
    network, set_, indices = small_mlp(None, activation), images(), drawn(5)
    parameters, _ = stacked(network, 3, (16,))
    history = run(network, range(6), optimizer=optimizer, batches=iter(indices))
    keep = getattr(optimizer, "momentum", 0)
    batches = [set_.batch(step[0]) for step in indices]
    for k, rate in enumerate(RATES.ravel()):
        start = [(p["W"][k], p["b"][k, 0]) for p in parameters if p]
        for step, weights in enumerate(by_hand(start, batches, rate, keep, activation)):
            loss, accuracy, _ = naive(weights, *set_.batch(slice(None)), activation)
            assert history.metrics["train_loss"][k, step] == pytest.approx(loss, rel=1e-12)
            assert history.metrics["train_accuracy"][k, step] == accuracy
        final = [(p["W"][k], p["b"][k, 0]) for p in history.parameters if p]
        for made, expected in zip(final, weights, strict=True):
            np.testing.assert_allclose(made[0], expected[0], rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(made[1], expected[1], rtol=1e-11, atol=1e-13)


def test_networks_learn():
    batches = iter(drawn(200, size=20))
    history = run(points=(0, 200), batches=batches, rates=RATES / 5, optimizer=Momentum())
    assert np.all(history.metrics["train_accuracy"][:, 0] < 0.6)
    assert np.all(history.metrics["train_accuracy"][:, 1] > 0.9)


@pytest.mark.parametrize("name", NORMS)
def test_scores_before_the_first_step_are_those_of_the_start(name):
    norm = replace(NORMS[name], eps=NORMS[name].eps or 1e-6)
    network, set_ = small_mlp(norm), images()
    parameters, state = stacked(network, 3, (16,))
    history = run(network, (0, 2), batch_size=10)
    if norm.evaluation != "population":
        start = evaluate(network, parameters, state, set_)
        np.testing.assert_array_equal(history.metrics["train_loss"][:, 0], start["loss"])
    assert np.all(np.isfinite(history.metrics["train_loss"]))


def test_only_evaluating():
    history = run(points=(0,), batches=iter(()))
    assert history.steps.tolist() == [0]
    assert history.metrics["train_loss"].shape == (3, 1)


def test_what_a_history_holds():
    test_set, scored = images(n=17, seed=6), images().first(20)
    history = run(points=(1, 4), test_set=test_set, scored=scored)
    names = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]
    assert list(history.metrics) == names
    assert {m.shape for m in history.metrics.values()} == {(3, 2)}
    assert {m.dtype for m in history.metrics.values()} == {np.dtype("float64")}
    assert history.steps.tolist() == [1, 4]
    network = small_mlp(BatchNorm())
    for name, set_ in (("train", scored), ("test", test_set)):
        last = evaluate(network, history.parameters, history.state, set_)
        np.testing.assert_array_equal(history.metrics[f"{name}_loss"][:, -1], last["loss"])
        np.testing.assert_array_equal(history.metrics[f"{name}_accuracy"][:, -1], last["accuracy"])


def test_without_a_test_set_there_are_no_test_metrics():
    assert list(run().metrics) == ["train_loss", "train_accuracy"]


def test_evaluation_changes_nothing():
    often, once = run(points=tuple(range(7))), run(points=(6,))
    assert bits((often.parameters, often.state)) == bits((once.parameters, once.state))


def test_on_step_is_called_once_a_step():
    calls = []
    run(points=(0, 2, 5), on_step=lambda snapshot: calls.append(snapshot().step))
    assert calls == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("optimizer", [SGD(), Momentum()])
def test_what_is_given_is_not_modified(optimizer):
    network, set_ = small_mlp(BatchNorm()), images()
    parameters, state = stacked(network, 3, (16,))
    batches, rates = drawn(4), RATES.copy()
    given = (parameters, state, batches, rates, set_._pixels, set_.labels)
    before = bits(given)
    made = train(network, optimizer, rates, parameters, state, iter(batches), (4,), set_)
    assert bits(given) == before
    for p, q in zip(arrays(parameters), arrays(made.parameters), strict=True):
        assert not np.array_equal(p, q)


class Watched:
    """A layer that hands everything it is given and makes to `seen`."""

    def __init__(self, layer, seen):
        self.layer, self.seen = layer, seen
        self.init = layer.init

    def forward(self, parameters, state, x, train):
        made = self.layer.forward(parameters, state, x, train)
        self.seen += arrays([parameters, state, x, *made])
        return made

    def backward(self, parameters, cache, dy):
        made = self.layer.backward(parameters, cache, dy)
        self.seen += arrays([dy, *made])
        return made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [SGD(), Momentum()])
@pytest.mark.parametrize("name", [None, *NORMS])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_float_types_survive_a_run(dtype, optimizer, name, activation):
    seen = []
    plain = small_mlp(NORMS.get(name), activation)
    network = Sequential(tuple(Watched(layer, seen) for layer in plain.layers))
    history = run(network, (0, 2), optimizer=optimizer, dtype=dtype, batch_size=10)
    seen += arrays((history.parameters, history.state))
    assert len(seen) > 50
    assert {a.dtype for a in seen} == {np.dtype(dtype)}


@pytest.mark.parametrize("norm", [None, BatchNorm(), BatchNorm(evaluation="population")])
@pytest.mark.parametrize("optimizer", [SGD(), Momentum()])
def test_divergence_is_a_result(norm, optimizer):
    """The step, the metrics as the arithmetic gives them, and no warning."""
    rates = np.array([0.05, 1e30, 0.05])[:, None, None]
    points, set_ = tuple(range(9)), images(dtype="float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = run(
            small_mlp(norm),
            points,
            optimizer=optimizer,
            dtype="float32",
            rates=rates,
            train_set=set_,
            batch_size=10,
        )
    at = history.diverged_at[1]
    assert 1 <= at <= 3
    assert history.diverged_at[[0, 2]].tolist() == [-1, -1]
    loss, accuracy = history.metrics["train_loss"], history.metrics["train_accuracy"]
    assert np.isfinite(loss[1, : at - 1]).all()
    assert not np.isfinite(loss[1, at:]).any()
    assert np.isfinite(loss[[0, 2]]).all()
    # the largest of NaN logits is the first
    np.testing.assert_array_equal(accuracy[1, np.isnan(loss[1])], (set_.labels == 0).mean())


@dataclass(frozen=True)
class Counting(Momentum):
    """Notes how many networks each update is of."""

    sizes: list[int] = field(default_factory=list)

    def update(self, parameters, gradients, state, lr):
        self.sizes.append(len(lr))
        return super().update(parameters, gradients, state, lr)


class Weights(Probe):
    """Reads the first layer's weights."""

    def read(self, step):
        return [step.parameters[0]["W"].copy()]


def diverging(rates, leave_out_lost=True, points=(0, 1, 3, 6, 9), **others):
    """Networks of these rates with a test set of which training lacks a pixel; how many were
    trained in each update of the output layer."""
    rule = Counting()
    network, rates = small_mlp(BatchNorm()), np.array(rates, "float32")[:, None, None]
    parameters, state = stacked(network, len(rates), (16,), "float32")
    blank = np.zeros((len(rates), 1, parameters[0]["W"].shape[-1]), "float32")
    blank += np.arange(len(rates))[:, None, None]

    def with_blank_pixel(trained):
        return {**trained[0], "W": np.concatenate([trained[0]["W"], blank], axis=1)}, *trained[1:]

    test = Images(np.random.default_rng(3).random((20, 17)), np.arange(20) % 4, "float32")
    options = {"batches": iter(drawn(points[-1], len(rates))), "batch_size": 10, **others}
    history = train(
        *(network, rule, rates, parameters, state),
        points=points,
        train_set=images(dtype="float32"),
        test_set=test,
        for_test=with_blank_pixel,
        leave_out_lost=leave_out_lost,
        **options,
    )
    return history, rule.sizes[:: len(network.layers)]


def same_results(history, expected, networks):
    assert history.metrics.keys() == expected.metrics.keys()
    for name, values in expected.metrics.items():
        np.testing.assert_array_equal(history.metrics[name], values)
    np.testing.assert_array_equal(history.diverged_at, expected.diverged_at)
    for part in ("parameters", "state"):
        arrays = zip(getattr(history, part), getattr(expected, part), strict=True)
        for layer, before in arrays:
            assert layer.keys() == before.keys()
            for name, array in layer.items():
                np.testing.assert_array_equal(array[networks], before[name][networks])


@pytest.mark.parametrize("rates", [[0.05, 1e30, 0.2, 1e30], [1e30, 1e30], [1e30], [0.05]], ids=str)
def test_networks_that_are_nan_for_good_are_left_out_and_nothing_else_changes(rates):
    history, sizes = diverging(rates)
    expected, all_sizes = diverging(rates, leave_out_lost=False)
    finite = [k for k, rate in enumerate(rates) if rate < 1]
    same_results(history, expected, finite)
    assert (history.diverged_at >= 0).tolist() == [rate > 1 for rate in rates]
    assert all_sizes == [len(rates)] * 9
    assert sizes == [len(rates)] * 3 + [len(finite)] * (6 if finite else 0)


def test_networks_that_are_nan_for_good_are_trained_while_probes_read_them():
    rates = [0.05, 1e30]
    probes = Probing([Weights()], [0, 6])
    history, sizes = diverging(rates, probes=probes)
    expected, _ = diverging(rates, leave_out_lost=False, probes=probes)
    same_results(history, expected, [0])
    assert sizes == [2] * 6 + [1] * 3
    for (step, (read,)), (at, (before,)) in zip(history.readings, expected.readings, strict=True):
        assert step == at
        np.testing.assert_array_equal(read, before)


def test_a_training_without_the_networks_left_out_goes_on_from_any_step():
    rates, snapshots = [0.05, 1e30, 0.2], []
    history, _ = diverging(rates, on_step=lambda snapshot: snapshots.append(deepcopy(snapshot())))
    assert [snapshot.step for snapshot in snapshots] == list(range(1, 10))
    for snapshot in snapshots:
        same_results(diverging(rates, start=snapshot)[0], history, [0, 2])


POINTS = range(0, 61, 2)


def stopping(column, better, start=None, on_step=lambda snapshot: None, points=POINTS, **probes):
    return run(
        small_mlp(BatchNorm(), "tanh"),
        points,
        optimizer=Momentum(),
        test_set=images(n=17, seed=9),
        early_stopping=EarlyStopping(3, column, better) if column else None,
        start=start,
        on_step=on_step,
        **probes,
    )


def ends_of(values, better):
    """At which evaluation each network stops: the third in a row that is no better than before."""
    ends = []
    for row in values:
        best, waited, end = None, 0, len(row) - 1
        for e, value in enumerate(row):
            number = value if better == "lower" else -value
            if best is None or number < best:
                best, waited = number, 0
            else:
                waited += 1
            if waited == 3:
                end = e
                break
        ends.append(end)
    return ends


@pytest.mark.parametrize(
    ("column", "better"), [("test_loss", "lower"), ("test_accuracy", "higher")]
)
def test_a_network_that_stops_early_is_the_one_that_was_trained_so_far(column, better):
    plain, history = stopping(None, better), stopping(column, better)
    ends = ends_of(plain.metrics[column], better)
    assert len(set(ends)) > 1
    assert min(ends) < len(POINTS) - 4
    for k, end in enumerate(ends):
        for name, values in plain.metrics.items():
            expected = [*values[k, : end + 1], *[values[k, end]] * (len(POINTS) - 1 - end)]
            np.testing.assert_array_equal(history.metrics[name][k], expected)
        until = stopping(None, better, points=POINTS[: end + 1])
        for part in ("parameters", "state"):
            trained = one(getattr(until, part), k)
            assert bits(one(getattr(history, part), k)) == bits(trained)


@pytest.mark.slow
def test_early_stopping_goes_on_from_any_step():
    probes = {"probes": Probing([Weights()], range(0, 61, 5))}
    snapshots = []
    options = ("test_loss", "lower")
    history = stopping(
        *options, on_step=lambda snapshot: snapshots.append(deepcopy(snapshot())), **probes
    )
    for snapshot in snapshots:
        again = stopping(*options, start=snapshot, **probes)
        parts = ("metrics", "parameters", "state", "readings")
        assert [bits(getattr(again, p)) for p in parts] == [
            bits(getattr(history, p)) for p in parts
        ]


def test_a_network_that_only_fails_stops_too():
    """NaN is no better than anything."""
    stopped = EarlyStopping(2, "test_loss", "lower").stopped
    rows = np.array([[np.nan, np.nan, np.nan], [3.0, np.nan, np.nan], [np.nan, 2.0, 2.0]])
    assert stopped({"test_loss": [*rows.T]}).tolist() == [True, True, False]
    assert stopped({"test_loss": [*rows.T[:2]]}).tolist() == [False, False, False]


def test_a_batchs_own_metrics_are_those_of_its_labels_whatever_the_logits():
    """NaN logits count as class 0, of which each batch has another number."""
    options = {"score_batch": True, "points": tuple(range(1, 10))}
    history, sizes = diverging([0.05, 1e30], **options)
    expected, _ = diverging([0.05, 1e30], leave_out_lost=False, **options)
    same_results(history, expected, [0, 1])
    assert sizes == [2] * 9
    assert len(set(history.metrics["train_accuracy"][1, 3:])) > 1


HUGE = 1e20  # its square is infinite in float32


def scaled(parameters, layer, name, factor):
    """The parameters with one array of network 1 multiplied."""
    array = parameters[layer][name].copy()
    array[1] *= np.float32(factor)
    return tuple({**p, name: array} if i == layer else p for i, p in enumerate(parameters))


def trained_from(network, parameters, state, optimizer=None, points=(0, 2), **others):
    """Three float32 networks, with warnings as errors; losses must stay finite."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = train(
            *(network, optimizer or SGD(), RATES.astype("float32"), parameters, state),
            *(iter(drawn(points[-1] + 1)), points, images(dtype="float32")),
            batch_size=10,
            **others,
        )
    assert np.isfinite(history.metrics["train_loss"]).all()
    return history


@pytest.mark.parametrize("evaluation", ["running", "debiased", "population", "batch"])
def test_a_variance_that_overflows_is_divergence(evaluation):
    """What is divided by an infinite deviation is 0, so the loss says nothing."""
    network = small_mlp(BatchNorm(evaluation=evaluation))
    parameters, state = stacked(network, 3, (16,), "float32")
    history = trained_from(network, scaled(parameters, 0, "W", HUGE), state)
    assert history.diverged_at.tolist() == [-1, 0 if evaluation == "population" else 2, -1]


@pytest.mark.parametrize("norm", [LayerNorm(), RMSNorm(), GroupNorm()], ids=repr)
def test_the_variance_of_a_sample_that_overflows_is_divergence(norm):
    network = small_mlp(norm, widths=(8, 8, 4))
    parameters, state = stacked(network, 3, (16,), "float32")
    history = trained_from(network, scaled(parameters, 0, "W", HUGE), state, points=(0, 3))
    assert history.diverged_at.tolist() == [-1, 1, -1]


def test_the_length_of_a_weight_that_overflows_is_divergence():
    network = Sequential((WeightNorm().around(Dense(4, Normal(0.3))),))
    parameters, state = stacked(network, 3, (16,), "float32")
    history = trained_from(network, scaled(parameters, 0, "direction", HUGE), state)
    assert history.diverged_at.tolist() == [-1, 1, -1]


@pytest.mark.parametrize("optimizer", [AdaGrad(), RMSprop(), Adam()], ids=repr)
def test_squares_of_gradients_that_overflow_are_divergence(optimizer):
    """The weight never moves again. Pixels of 1e23 and weights of 0 have a finite loss."""
    network = small_mlp(None, widths=(4,), std=0.0)
    parameters, state = stacked(network, 3, (16,), "float32")
    set_ = images(dtype="float32")
    x, labels = set_.batch(slice(None))
    huge = Images(x * np.float32(1e23), labels, "float32")
    with np.errstate(all="ignore"):
        history = train(
            *(network, optimizer, RATES.astype("float32") * 0, parameters, state),
            *(iter(drawn(2)), (0, 1), huge),
        )
    assert np.isfinite(history.metrics["train_loss"]).all()
    assert history.diverged_at.tolist() == [1, 1, 1]


def test_a_parameter_that_is_infinite_is_divergence():
    """A relu of minus infinity is 0."""
    network = small_mlp(None)
    parameters, state = stacked(network, 3, (16,), "float32")
    b = parameters[0]["b"].copy()
    b[1, 0, 2] = -np.inf
    history = trained_from(network, ({**parameters[0], "b": b}, *parameters[1:]), state)
    assert history.diverged_at.tolist() == [-1, 0, -1]


def test_large_finite_numbers_are_no_divergence():
    """Of which the sum is infinite."""
    network = small_mlp(None)
    parameters, state = stacked(network, 3, (16,), "float32")
    state = [{**s, "large": np.full((3, 1, 4), 3e38, "float32")} for s in state]
    history = trained_from(network, parameters, state)
    assert history.diverged_at.tolist() == [-1, -1, -1]


def test_divergence_between_evaluations_is_seen():
    rates = np.array([0.05, 1e200, 0.05])[:, None, None]
    history = run(small_mlp(), (9,), rates=rates)
    assert history.diverged_at[[0, 2]].tolist() == [-1, -1]
    assert 1 < history.diverged_at[1] <= 4


def test_the_last_batch_of_a_shuffled_epoch_may_be_short():
    """25 images in batches of 10: lengths 10, 10, 5, and every image once an epoch."""
    network, set_ = small_mlp(BatchNorm()), images(n=25)
    streams = [shuffle(generator(seed, "batches"), 25, 10) for seed in (0, 1, 2)]
    lengths, seen = [], []

    def watched():
        for step in stack_batches(streams):
            lengths.append(step.shape)
            seen.append(step)
            yield step

    parameters, state = stacked(network, 3, (16,))
    history = train(network, SGD(), RATES, parameters, state, watched(), (6,), set_)
    assert lengths == [(3, 10), (3, 10), (3, 5)] * 2
    for k in range(3):
        assert sorted(np.concatenate([step[k] for step in seen[:3]])) == list(range(25))
        own = iter([step[k : k + 1] for step in seen])
        alone = train(
            network, SGD(), RATES[k : k + 1], one(parameters, k), one(state, k), own, (6,), set_
        )
        assert bits(one(history.parameters, k)) == bits(alone.parameters)
