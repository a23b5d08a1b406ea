"""A network's numbers do not depend on what is trained beside it, not in the last bit."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from numeric_cases import ACTIVATIONS, DIALECTS, bits, images, one, small_mlp, stacked

from bnexp.nn import SGD, BatchNorm, Momentum, Normal, mlp
from bnexp.training import train

pytestmark = pytest.mark.usefixtures("one_blas_thread")

MOST, STEPS, BATCH = 9, 6, 10
OPTIMIZERS = {"sgd": SGD(), "momentum": Momentum()}
NORMS = {"none": None, "book": DIALECTS["book"], "paper": DIALECTS["paper"]}
RATES = np.linspace(0.02, 0.5, MOST)[:, None, None]
IMAGES = {dtype: images(n=30, dtype=dtype) for dtype in ("float32", "float64")}


def index_arrays(k, shared):
    """(1, N) a step for all networks, or each network's own batches, (K, N)."""
    drawn = np.random.default_rng(1).integers(0, 30, (STEPS, MOST, BATCH))
    return [step[:1] if shared else step[:k] for step in drawn]


def trained(setting, parameters, state, rates, batches):
    norm, optimizer, dtype = setting
    return train(
        small_mlp(NORMS[norm]),
        OPTIMIZERS[optimizer],
        rates.astype(dtype),
        parameters,
        state,
        iter(batches),
        (0, 1, 3, STEPS),
        IMAGES[dtype],
        test_set=IMAGES[dtype].first(17),
        batch_size=BATCH,
    )


def outcome(history):
    """Everything that a run leaves and that belongs to one network each."""
    parts = (history.metrics, history.diverged_at, history.parameters, history.state)
    return [bits(one(parts, k)) for k in range(len(history.diverged_at))]


@cache
def each_alone(setting, shared):
    """The nine networks, trained one after another."""
    parameters, state = stacked(small_mlp(NORMS[setting[0]]), MOST, (16,), setting[2])
    batches = index_arrays(MOST, shared)
    return [
        outcome(
            trained(
                setting,
                one(parameters, k),
                one(state, k),
                RATES[k : k + 1],
                [step if shared else step[k : k + 1] for step in batches],
            )
        )[0]
        for k in range(MOST)
    ]


SETTINGS = list(product(NORMS, OPTIMIZERS, IMAGES))


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("setting", SETTINGS, ids="-".join)
def test_a_stack_of_any_size_trains_as_its_networks_alone(setting, shared):
    alone = each_alone(setting, shared)
    assert len({repr(network) for network in alone}) == MOST  # they differ: something is compared
    for k in range(1, MOST + 1):
        parameters, state = stacked(small_mlp(NORMS[setting[0]]), k, (16,), setting[2])
        batches = index_arrays(k, shared)
        assert outcome(trained(setting, parameters, state, RATES[:k], batches)) == alone[:k]


@pytest.mark.parametrize("setting", SETTINGS, ids="-".join)
def test_one_shared_batch_is_the_same_batch_repeated(setting):
    parameters, state = stacked(small_mlp(NORMS[setting[0]]), 4, (16,), setting[2])
    shared = index_arrays(4, shared=True)
    repeated = [np.repeat(step, 4, axis=0) for step in shared]
    first, second = (
        outcome(trained(setting, parameters, state, RATES[:4], batches))
        for batches in (shared, repeated)
    )
    assert first == second


@pytest.mark.parametrize("dtype", IMAGES)
@pytest.mark.parametrize("norm", [None, BatchNorm()])
def test_the_books_shape(norm, dtype):
    """784 - 100 x 5 - 10 and batches of 100, where BLAS takes its blocked kernels."""
    set_ = images(n=260, pixels=784, classes=10, dtype=dtype)
    network = mlp([100] * 5 + [10], ACTIVATIONS["relu"], norm, [Normal(0.1)] * 6)
    parameters, state = stacked(network, 5, (784,), dtype)
    batches = [np.random.default_rng(i).integers(0, 260, (1, 100)) for i in range(2)]

    def run(parameters, state):
        rates = np.full((len(parameters[0]["W"]), 1, 1), 0.05, dtype)
        return train(network, SGD(), rates, parameters, state, iter(batches), (1, 2), set_)

    stack = outcome(run(parameters, state))
    assert stack == [outcome(run(one(parameters, k), one(state, k)))[0] for k in range(5)]


@pytest.mark.slow
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.parametrize("setting", SETTINGS, ids="-".join)
def test_a_network_that_diverges_leaves_the_others_alone(setting, poison):
    parameters, state = stacked(small_mlp(NORMS[setting[0]]), 4, (16,), setting[2])
    batches = index_arrays(4, shared=True)
    healthy = trained(setting, parameters, state, RATES[:4], batches)
    for layer in (parameters[0], parameters[-1]):
        layer["W"][2, 0, 1] = poison
    mixed = trained(setting, parameters, state, RATES[:4], batches)
    expected, made = outcome(healthy), outcome(mixed)
    assert [made[k] for k in (0, 1, 3)] == [expected[k] for k in (0, 1, 3)]
    assert healthy.diverged_at.tolist() == [-1] * 4
    assert mixed.diverged_at[[0, 1, 3]].tolist() == [-1] * 3
    if np.isnan(poison):
        assert mixed.diverged_at[2] == 0
    if setting[2] == "float32":
        assert 0 <= mixed.diverged_at[2] <= 1


def test_repeating_a_run_repeats_its_bits():
    setting = ("paper", "momentum", "float32")
    parameters, state = stacked(small_mlp(NORMS["paper"]), 3, (16,), "float32")
    batches = index_arrays(3, shared=False)
    first, second = (
        outcome(trained(setting, parameters, state, RATES[:3], batches)) for _ in range(2)
    )
    assert first == second
