"""The book's arithmetic: bit for bit that of an independent replay, for seeds drawn at run time."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import numpy as np
import pytest
from book_script import different_arrays, run_script
from threadpoolctl import threadpool_limits

import bnexp
from bnexp.data.datasets import DATA_VARIABLE
from bnexp.execution.task import dataset, train_networks
from bnexp.nn import BatchNorm, Dense, He, LayerNorm, Relu, Sequential, Sigmoid, gradient_errors
from bnexp.nn.book import BookBatchNorm, BookDense, BookSigmoid, is_book_layer, is_book_rule, replay
from bnexp.nn.loss import SoftmaxCrossEntropy
from bnexp.nn.optimizers import Adam, Nesterov, RMSprop
from bnexp.sweep import make_plan, make_stacks


def difference(seed, name, overrides, hidden, batch, epochs):
    """What of an experiment after book_weight_scale differs from the script: lines, none if equal.

    With the number of accuracies that were compared.
    """
    config = bnexp.load_config("book_weight_scale", {"random.seeds": [seed], **overrides})
    loaded = dataset(name, None)
    n = config.experiment.data.train
    images = (loaded.train_images[:n].reshape(n, -1) / np.float32(255)).astype(np.float32)
    labels, lines, compared = loaded.train_labels[:n], [], 0
    with threadpool_limits(1, "blas"):
        plan = make_plan(config)
        scales = dict.fromkeys(network.point["model.init.std"] for network in plan.networks)
        script = run_script(seed, images, labels, scales, (True, False), hidden, batch, epochs)
        for stack in make_stacks(plan.networks):
            trained = train_networks(stack.networks, loaded)
            history = trained.history
            for k, network in enumerate(stack.networks):
                position = [*scales].index(network.point["model.init.std"])
                plain = network.point["model.norm"] == "none"
                expected, accuracies = script[position, int(plain)]
                label = f"seed {seed}, W {network.point['model.init.std']}, plain {plain}:"
                ours = history.metrics["train_accuracy"][k]
                compared += len(accuracies)
                if not np.array_equal(ours, accuracies):
                    lines.append(f"{label} accuracies {ours} against {accuracies}")
                if arrays := different_arrays(expected, history.parameters, history.state, k):
                    lines.append(f"{label} arrays {arrays}")
    return lines, compared


# Also scales at which batch norm follows tiny weights, and one at which plain networks overflow.
SMALL = {
    "data.name": "synthetic",
    "data.train": 150,
    "model.hidden": [40, 30, 20],
    "train.batch_size": 50,
    "train.epochs": 15,
}


@pytest.mark.parametrize("order", ["as shipped", "norm first", "plain first", "norm alone"])
def test_bits_of_the_script_on_generated_digits(order):
    scales, norms = [10.0, 0.3, 1e-4], [{"kind": "batch", "dialect": "book"}, "none"]
    if order == "plain first":
        norms = norms[::-1]
    keys = {"model.init.std": scales, "model.norm": norms}
    if order != "as shipped":
        keys = dict(reversed(keys.items()))
    if order == "norm alone":
        keys["model.init.std"] = scales[:1]
    seed = secrets.randbelow(2**32)
    overrides = {**SMALL, "sweep": keys, "claims": None}
    lines, compared = difference(seed, "synthetic", overrides, (40, 30, 20), 50, 15)
    assert (lines, compared) == ([], len(keys["model.init.std"]) * 2 * 15)


@pytest.mark.slow
def test_every_bit_of_the_books_figure():
    """All 640 accuracies and all final arrays of the 32 networks, on the book's 1,000 images."""
    folder = os.environ.get(DATA_VARIABLE)
    if not folder or not any(Path(folder).expanduser().glob("train-images*")):
        pytest.skip(f"{DATA_VARIABLE} does not name a folder with the four MNIST files")
    seed = secrets.randbelow(2**32)
    assert difference(seed, "mnist", {}, (100,) * 5, 100, 20) == ([], 640)


LAYERS = {
    "dense": (Dense(6, He()), BookDense),
    "sigmoid": (Sigmoid(), BookSigmoid),
    "batch norm": (BatchNorm(), BookBatchNorm),
}


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_is_its_fast_one_but_for_rounding(name):
    fast, book_class = LAYERS[name]
    (layer,) = replay(Sequential((fast,))).layers
    assert type(layer) is book_class
    random = np.random.default_rng(secrets.randbelow(2**32))
    assert max(gradient_errors(layer, random.standard_normal((2, 7, 5))).values()) < 1e-6
    _, parameters, state = fast.init(random, (5,))
    parameters = {key: array[None] + 0.1 for key, array in parameters.items()}
    state = {key: array[None] for key, array in state.items()}
    x = random.standard_normal((1, 7, 5))
    results = []
    for one in (fast, layer):
        y, cache, after = one.forward(parameters, state, x, train=True)
        dx, gradients = one.backward(parameters, cache, np.cos(y))
        evaluated, _, _ = one.forward(parameters, after, x, train=False)
        results.append([y, dx, evaluated, *gradients.values(), *after.values()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_the_loss_is_the_fast_one_but_for_rounding():
    random = np.random.default_rng(secrets.randbelow(2**32))
    logits, labels = random.standard_normal((3, 8, 10)) * 5, random.integers(0, 10, (3, 8))
    fast, book = SoftmaxCrossEntropy(), replay(Sequential(())).loss
    (a, p), (b, q) = (loss.per_sample(logits.copy(), labels) for loss in (fast, book))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(p, q, rtol=1e-12)
    np.testing.assert_allclose(fast.gradient(p, labels), book.gradient(q, labels), atol=1e-15)


def test_what_the_books_code_does_not_have():
    for layer in (LayerNorm(), BatchNorm(ddof=1), Dense(3, He(), bias=False)):
        assert not is_book_layer(layer)
        with pytest.raises(ValueError, match="expected a layer of the book's code"):
            replay(Sequential((layer,)))
    assert is_book_layer(BatchNorm(eps=1e-3, stat_decay=0.5, spatial="channel"))
    assert is_book_layer(Relu())
    assert not is_book_rule(Adam())
    assert all(map(is_book_rule, (Adam(**Adam.DIALECTS["book"]), Nesterov(), RMSprop(decay=0.5))))


def test_relu_passes_no_gradient_where_it_is_0_whatever_comes():
    """A mask, not a product: 0 * inf and 0 * NaN would be NaN."""
    _, cache, _ = Relu().forward({}, {}, np.array([[[-1.0, 0.0, 2.0, 3.0]]]), train=True)
    dx, _ = Relu().backward({}, cache, np.array([[[np.inf, np.nan, np.inf, -1.0]]]))
    np.testing.assert_array_equal(dx, [[[0.0, 0.0, np.inf, -1.0]]])
