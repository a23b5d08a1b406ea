"""bnexp.nn with arrays that follow NumPy's protocols but are no ndarrays: bits as of NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from device_array import PROTOTYPE, DeviceArray, fetched, moved
from numeric_cases import VARIANTS, bits, layer_start

from bnexp import nn
from bnexp.metrics import METRICS
from bnexp.nn import book, functional
from bnexp.nn.activations import ACTIVATIONS
from bnexp.nn.batchnorm import BatchNorm
from bnexp.nn.initializers import INITIALIZERS
from bnexp.nn.linear import Conv, Dense
from bnexp.nn.loss import SoftmaxCrossEntropy
from bnexp.nn.normalizers import NORMALIZERS
from bnexp.nn.optimizers import OPTIMIZERS, SCHEDULES
from bnexp.nn.pooling import POOLS, Flatten, GlobalAveragePool
from bnexp.nn.residual import Add, Fork
from bnexp.nn.weightnorm import SpectralNorm
from bnexp.training.update import Adjustments, update

K, N = 3, 32
ROWS, IMAGES = (8,), (6, 6, 4)

OPTIONS = {
    "frozen": BatchNorm(freeze_after=1),
    "cumulative": BatchNorm(average="cumulative"),
    "channels": BatchNorm(spatial="channel", eps=0.0),
    "scaled dropout": nn.Dropout(0.3, "evaluation"),
}
NORMS = {
    **{
        name: NORMALIZERS[name]()
        for name in NORMALIZERS
        if not hasattr(NORMALIZERS[name], "around")
    },
    **{f"dialect {name}": BatchNorm(**BatchNorm.DIALECTS[name]) for name in BatchNorm.DIALECTS},
    **VARIANTS,
    **OPTIONS,
}
ELEMENTWISE = {name: ACTIVATIONS[name]() for name in ACTIVATIONS}
LAYERS = {
    **{("rows", n): norm for n, norm in NORMS.items() if n not in ("instance", "filter_response")},
    **{("images", name): layer for name, layer in NORMS.items()},
    **{("rows", name): layer for name, layer in ELEMENTWISE.items()},
    **{("images", name): POOLS[name](*w) for name in POOLS for w in [(2, 2, 0)]},
    **{("images", f"{name}, overlapping"): POOLS[name](3, 1, 1) for name in POOLS},
    ("images", "global pool"): GlobalAveragePool(),
    ("images", "flatten"): Flatten(),
    ("rows", "dense"): Dense(5, nn.Normal(1.0)),
    ("rows", "dense, no bias"): Dense(5, nn.Normal(1.0), bias=False),
    ("images", "conv"): Conv(5, 3, nn.Normal(1.0), 1, 1),
    ("images", "conv with a stride"): Conv(5, 2, nn.Normal(1.0), 2),
    ("rows", "mean only"): nn.WeightNorm(mean_only=True).around(Dense(5, nn.Normal(1.0))),
    ("images", "spectral norm"): SpectralNorm().around(Conv(5, 3, nn.Normal(1.0))),
    ("rows", "weight norm"): nn.WeightNorm().around(Dense(5, nn.Normal(1.0))),
    ("images", "weight norm"): nn.WeightNorm().around(Conv(5, 3, nn.Normal(1.0))),
    ("rows", "dropout"): nn.Dropout(0.3),
    ("images", "dropout"): nn.Dropout(0.3),
    ("rows", "book dense"): book.BookDense(5, nn.Normal(1.0)),
    ("rows", "book sigmoid"): book.BookSigmoid(),
    ("rows", "book batch norm"): book.BookBatchNorm(),
    ("images", "book flatten"): book.BookFlatten(),
    ("rows", "book dropout"): book.BookDropout(0.3, images=50, batch_size=N, widths=ROWS),
}


def passes(layer, parameters, state, x, random):
    """Two steps and an evaluation with its backward pass; all that they leave."""
    left = []
    for train in (True, True, False):
        y, cache, state = layer.forward(parameters, state, x, train)
        dy = random.standard_normal(y.shape).astype(y.dtype)
        dy = np.asarray(dy, like=y)
        left.append((y, cache, dict(state), *layer.backward(parameters, cache, dy)))
        if hasattr(layer, "overflowed") and train:
            left.append(layer.overflowed(cache))
        if hasattr(layer, "evaluated"):
            left.append(layer.evaluated(parameters, state))
    return left


SYNCHRONIZING = {"frozen"}  # the number of updates decides what is computed


@pytest.mark.parametrize(("kind", "name"), LAYERS)
def test_layers_have_the_bits_of_numpy_and_do_not_wait_for_the_device(kind, name):
    layer, shape = LAYERS[kind, name], ROWS if kind == "rows" else IMAGES
    seed = int(np.random.default_rng().integers(2**32))
    dtype = ("float32", "float64")[seed % 2]
    parameters, state = layer_start(layer, K, shape, dtype, seed)
    if "key" in state:
        state["key"] = np.arange(K, dtype=np.uint64)[:, None]
    if "stream" in state:
        streams = [book.stream_state(np.random.RandomState(k)) for k in range(K)]
        state["stream"] = np.stack(streams)[:, None]
    x = np.random.default_rng(seed).standard_normal((K, N, *shape)).astype(dtype)
    expected = passes(layer, parameters, state, x, np.random.default_rng(1))
    start, before = moved((parameters, state, x)), DeviceArray.fetches
    device = passes(layer, *start, np.random.default_rng(1))
    waited = DeviceArray.fetches > before
    assert isinstance(device[0][0], DeviceArray), seed
    assert bits(fetched(device)) == bits(expected), seed
    assert waited == (name in SYNCHRONIZING), seed


def network_passes(network, parameters, state, x, labels, loss):
    logits, caches, state = network.forward(parameters, state, x, train=True)
    losses, probabilities = loss.per_sample(logits, labels)
    gradients = network.backward(parameters, caches, loss.gradient(probabilities, labels))
    folded, merged, states = network.folded(parameters, state)
    evaluated = folded.evaluated(merged, states, x)
    population = network.population_state(parameters, state, [x, x[:, ::2]])
    return losses, gradients, state, network.overflowed(caches), evaluated, population


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), book.BookSoftmaxCrossEntropy()])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    "block",
    [
        (),
        (Fork(), Conv(6, 3, nn.He(), 2, 1), nn.Relu(), Add(nn.He(), 2, 0.5), nn.Relu()),
        (Fork(), Conv(4, 3, nn.He(), 1, 1), Add()),
    ],
    ids=["no block", "projected", "added"],
)
def test_networks_have_the_bits_of_numpy(loss, shared, block):
    norm = BatchNorm(**BatchNorm.DIALECTS["paper"])
    layers = [Conv(4, 2, nn.He()), norm, nn.Relu(), nn.MaxPool(2), Flatten()]
    layers += [Dense(9, nn.He()), norm, nn.LayerNorm(), nn.Relu(), nn.Dropout(0.2)]
    network = nn.Sequential((*block, *layers, Dense(4, nn.He())))
    starts = [network.init(np.random.default_rng(k), IMAGES) for k in range(K)]
    parameters, state = (nn.stack(part, "float32") for part in zip(*starts, strict=True))
    random = np.random.default_rng()
    k = 1 if shared else K
    x = random.standard_normal((k, N, *IMAGES), np.float32)
    labels = random.integers(0, 4, (k, N))
    expected = network_passes(network, parameters, state, x, labels, loss)
    on_device = np.asarray(labels, like=PROTOTYPE)
    device = network_passes(network, *moved((parameters, state, x)), on_device, loss)
    assert bits(fetched(device)) == bits(expected)


RULES = {
    **{name: OPTIMIZERS[name]() for name in OPTIMIZERS},
    "book's adam": OPTIMIZERS["adam"](**OPTIMIZERS["adam"].DIALECTS["book"]),
    "old nesterov": OPTIMIZERS["nesterov"](velocity="new"),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("rule", RULES)
def test_optimizers_have_the_bits_of_numpy(rule, schedule):
    random, optimizer = np.random.default_rng(), RULES[rule]
    numbers = [random.standard_normal((K, 4, 5)).astype("float32") for _ in range(6)]
    lr = np.full((K, 1, 1), 0.1, "float32")
    adjustments = Adjustments(0.1, 0.01, 1.5, SCHEDULES[schedule](warmup=2), ("bias",))

    def steps(move):
        parameters = [{"W": move(numbers[0].copy()), "b": move(numbers[1].copy())}]
        state = [optimizer.init(parameters[0])]
        for t in (1, 2):
            gradients = [{"W": move(numbers[2 * t].copy()), "b": move(numbers[2 * t + 1].copy())}]
            state = update(adjustments, optimizer, move(lr), parameters, gradients, state, (t, 9))
        return parameters, state

    assert bits(fetched(steps(moved))) == bits(steps(lambda array: array))


@pytest.mark.parametrize("name", METRICS)
def test_metrics_have_the_bits_of_numpy(name):
    random, metric = np.random.default_rng(), METRICS[name]()
    logits = random.standard_normal((K, N, 10), np.float32)
    logits[0, 0], logits[1, 2, :2], logits[2, 3, 4] = np.nan, 9.0, np.inf
    labels = random.integers(0, 10, N)
    with np.errstate(all="ignore"):
        expected = metric.values(logits, labels)
        values = metric.values(moved(logits), np.asarray(labels, like=PROTOTYPE))
    assert bits(fetched(values)) == bits(expected)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_drawn_weights_are_moved_as_they_are(name):
    needed = {"normal": {"std": 0.1}, "uniform": {"limit": 0.1}, "truncated": {"std": 0.1}}
    initializer = INITIALIZERS[name](**needed.get(name, {"value": 1} if name == "constant" else {}))
    network = nn.Sequential((Dense(5, initializer),))
    parameters, _ = network.init(np.random.default_rng(), ROWS)
    parameters = nn.stack([parameters], "float32")
    assert bits(fetched(moved(parameters))) == bits(parameters)


def test_functions_of_the_course_have_the_bits_of_numpy():
    x, dout = np.random.default_rng().standard_normal((2, 8, 5))

    def passed(move):
        settings = {"mode": "train"}
        out, cache = functional.batchnorm_forward(move(x), move(x[0]), 2.0, settings)
        backward = functional.batchnorm_backward(move(dout), cache)
        norm, cache = functional.layernorm_forward(move(x), move(x[0]), None, None)
        return out, backward, settings, norm, functional.layernorm_backward(move(dout), cache)

    assert bits(fetched(passed(moved))) == bits(passed(lambda array: array))


@pytest.mark.parametrize(
    ("mixture", "text"),
    [
        (lambda x: x + np.ones(3), "ndarray"),
        (lambda x: np.ones(3) * x, "ndarray"),
        (lambda x: np.stack([x, np.ones(3)]), "ndarray"),
        (lambda x: np.maximum(x, np.zeros(3)), "ndarray"),
        (lambda x: x[np.array([0, 1])], "ndarray"),
        (lambda x: x.__setitem__(0, np.ones(3)), "ndarray"),
        (lambda x: np.ones(3).__setitem__(slice(3), x), "implicit conversion"),
        (lambda x: np.asarray(x), "implicit conversion"),
        (lambda x: np.where(False, x, x), "condition"),
        (lambda x: x.astype("float32") * np.float64(2), "scalar"),
        (lambda x: np.linalg.svd(x[None]), "no implementation found"),
        (lambda x: np.add.reduce(x), "DeviceArray"),
        (lambda x: np.ones(3, like=x), "unexpected keyword device"),
    ],
)
def test_what_cupy_refuses_is_refused(mixture, text):
    with pytest.raises(TypeError, match=text):
        mixture(DeviceArray(np.arange(3.0)))
