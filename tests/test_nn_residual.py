"""Skip connections: gradients of whole networks, their equation written out, bits of stacks."""

from __future__ import annotations

import numpy as np
import pytest
from device_array import PROTOTYPE, fetched, moved
from gradcheck import network_errors
from numeric_cases import bits, one, stacked

from bnexp.nn import (
    SGD,
    Add,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    Fork,
    GlobalAveragePool,
    LayerNorm,
    Normal,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
)
from bnexp.training import Images, train

LOSS = SoftmaxCrossEntropy()
W = Normal(0.4)
ROWS, IMAGES = (6,), (7, 6, 2)
NETWORKS = {
    "plain": (ROWS, [Dense(5, W), Fork(), Dense(5, W), Tanh(), Add(), Tanh(), Dense(3, W)]),
    "scaled": (ROWS, [Dense(5, W), Fork(), Dense(5, W), Tanh(), Add(scale=0.7), Dense(3, W)]),
    "projected": (
        ROWS,
        [Tanh(), Fork(), Dense(4, W), LayerNorm(), Add(W, scale=-0.5), Dense(3, W)],
    ),
    "at the input": (ROWS, [Fork(), Dense(6, W), Tanh(), Add(), Dense(3, W)]),
    "nested": (
        ROWS,
        [
            *(Dense(5, W), Fork(), Dense(5, W), Fork(), Tanh(), Dense(4, W), Add(W), Tanh()),
            *(BatchNorm(), Dense(5, W), Add(scale=2.0), Dense(3, W)),
        ],
    ),
    "images": (
        IMAGES,
        [
            *(Conv(3, 3, W, padding=1), Fork(), BatchNorm(), Tanh(), Conv(3, 3, W, padding=1)),
            *(Add(), Fork(), Conv(4, 3, W, 2, 1), Tanh(), Conv(4, 3, W, 1, 1), Add(W, 2, 0.3)),
            *(Tanh(), GlobalAveragePool(), Flatten(), Dense(3, W)),
        ],
    ),
}
cases = pytest.mark.parametrize("name", NETWORKS)


def started(name, k, dtype=np.float64, n=8):
    """A network of this name: its parameters and state for k networks, x, labels, random."""
    shape, layers = NETWORKS[name]
    network = Sequential(tuple(layers))
    random = np.random.default_rng()
    parameters, state = stacked(network, k, shape, dtype, seed=int(random.integers(2**31)))
    x = random.standard_normal((k, n, *shape)).astype(dtype)
    return network, parameters, state, x, random.integers(0, 3, (1, n)), random


@cases
@pytest.mark.parametrize("k", [1, 3])
def test_gradients_of_the_whole_network(name, k):
    network, parameters, state, x, labels, random = started(name, k)
    errors = network_errors(network, LOSS, parameters, state, x, labels, random)
    assert {n for i, n in errors if isinstance(network.layers[i], Add)} == {
        n for i, layer in enumerate(network.layers) if isinstance(layer, Add) for n in parameters[i]
    }
    assert max(errors.values()) < 1e-6, errors


@cases
def test_the_equation_written_out(name):
    """A block as a function that calls itself for a block within it: y = s + scale f(s)."""
    network, parameters, state, x, _, _ = started(name, 2)

    def run(layers, x):
        while layers:
            (layer, p, s), *layers = layers
            if not isinstance(layer, Fork):
                x = layer.forward(p, s, x, train=True)[0]
                continue
            depth, end = 1, 0
            while depth:
                depth += {Fork: 1, Add: -1}.get(type(layers[end][0]), 0)
                end += 1
            add, p, _ = layers[end - 1]
            inner, shortcut = run(layers[: end - 1], x), x
            if "W" in p:
                read = x[:, :, :: add.stride, :: add.stride] if x.ndim == 5 else x
                shortcut = np.einsum("kn...d,kdh->kn...h", read, p["W"])
            scale = p.get("scale", np.ones(2)).reshape(2, *[1] * (x.ndim - 1))
            x, layers = shortcut + scale * inner, layers[end:]
        return x

    logits, _, _ = network.forward(parameters, state, x, train=True)
    layers = list(zip(network.layers, parameters, state, strict=True))
    np.testing.assert_allclose(logits, run(layers, x), rtol=1e-12, atol=1e-12)


@cases
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.usefixtures("one_blas_thread")
def test_a_stack_trains_as_its_networks_alone(name, dtype):
    network, parameters, state, _, _, random = started(name, 3, dtype)
    shape, _ = NETWORKS[name]
    values = random.integers(0, 256, (20, *shape), dtype=np.uint8)
    images = Images(values, random.integers(0, 3, 20), dtype)
    batches = [random.integers(0, 20, (1, 8)) for _ in range(4)]
    rates = np.array([0.05, 0.1, 0.2], dtype)[:, None, None]

    def trained(parameters, state, rates):
        copies = [{n: a.copy() for n, a in layer.items()} for layer in parameters]
        history = train(
            network, SGD(), rates, copies, state, iter(batches), (0, 2, 4), images,
            test_set=images.first(9), batch_size=8,
        )  # fmt: skip
        return history.metrics, history.parameters, history.state

    together = trained(parameters, state, rates)
    for k in range(3):
        alone = trained(one(parameters, k), one(state, k), rates[k : k + 1])
        assert bits(one(together, k)) == bits(alone)


@cases
def test_arrays_of_another_library(name):
    network, parameters, state, x, labels, _ = started(name, 2)

    def step(parameters, state, x, labels):
        logits, caches, _ = network.forward(parameters, state, x, train=True)
        _, probabilities = LOSS.per_sample(logits, labels)
        return network.backward(parameters, caches, LOSS.gradient(probabilities, labels))

    there = step(
        *(moved(part) for part in (parameters, state, x)), np.asarray(labels, like=PROTOTYPE)
    )
    assert bits(fetched(there)) == bits(step(parameters, state, x, labels))


def test_a_scale_of_0_leaves_the_shortcut():
    """SkipInit: at first a network of blocks is the network without them."""
    layers = [Dense(5, W), Fork(), Dense(5, W), Tanh(), Add(scale=0.0), Dense(3, W)]
    network = Sequential(tuple(layers))
    parameters, state = stacked(network, 2, ROWS)
    x = np.random.default_rng().standard_normal((2, 4, *ROWS))
    logits, _, _ = network.forward(parameters, state, x, train=True)
    without = Sequential((layers[0], layers[-1]))
    ends = parameters[0], parameters[-1]
    assert bits(logits) == bits(without.forward(ends, ({}, {}), x, train=True)[0])


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([Fork(), Dense(5, W), Add()], (6,), "6 units into 5 units"),
        ([Fork(), Conv(2, 3, W), Add(W)], (5, 5, 2), "5 x 5 x 2 into 3 x 3 x 2, which its"),
        ([Fork(), Flatten(), Add(W)], (5, 5, 2), "5 x 5 x 2 into 50 units, which its shortcut"),
    ],
)
def test_shapes_that_no_shortcut_follows(layers, shape, message):
    with pytest.raises(ValueError, match=message):
        Sequential(tuple(layers)).init(np.random.default_rng(0), shape)
