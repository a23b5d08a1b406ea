"""The shipped replays of the book's scripts, cut short, against independent ones, bit for bit.

Seeds are drawn at run time. Images are those of `synthetic`, so that no file is needed.
"""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from book_script import (
    ScriptConvNet,
    ScriptNetwork,
    ScriptRule,
    numpy_seed,
    run_comparison,
    run_trainer,
)
from threadpoolctl import threadpool_limits

import bnexp
from bnexp.execution.task import dataset, train_networks
from bnexp.nn import Flatten
from bnexp.sweep import make_plan, make_stacks

SMALL = {"data.name": "synthetic", "claims": None, "figures": None}


def images(part, number, rows=True):
    """The first images of `synthetic` as the book's loader gives them, and their labels."""
    loaded = dataset("synthetic", None)
    pixels = getattr(loaded, f"{part}_images")[:number, :, :, 0]
    x = (pixels / np.float32(255)).astype(np.float32)
    return (x.reshape(len(x), -1) if rows else x), getattr(loaded, f"{part}_labels")[:number]


def trained(name, seed, data="synthetic", **overrides):
    """Histories of the networks of a shipped experiment, in the order of its sweep."""
    overrides = {**SMALL, "data.name": data, "random.seeds": [seed], **overrides}
    config = bnexp.load_config(name, overrides)
    results = {}
    with threadpool_limits(1, "blas"):
        plan = make_plan(config)
        for stack in make_stacks(plan.networks):
            training = train_networks(stack.networks, dataset(data, None))
            for k, network in enumerate(stack.networks):
                results[network.id] = training, k
    return [results[network.id] for network in plan.networks]


def last_weights(training, k):
    return [p["W"][k] for p in training.history.parameters if "W" in p]


def comparison(name, seed, make_networks, rules):
    """Our losses and final weights of a comparison of networks on the same batches, and theirs."""
    ours = trained(
        name,
        seed,
        **{"data.train": 90, "model.hidden": [30, 20], "train.steps": 40, "train.batch_size": 25},
    )
    x, labels = images("train", 90)
    with threadpool_limits(1, "blas"), numpy_seed(seed):
        losses, networks = run_comparison(make_networks, rules, x, labels, 25, 40)
    for i, ((training, k), network) in enumerate(zip(ours, networks, strict=True)):
        np.testing.assert_array_equal(
            training.history.metrics["train_book_loss"][k], losses[:, i], err_msg=f"seed {seed}"
        )
        for w, (key, expected) in zip(
            last_weights(training, k),
            ((key, w) for key, w in network.params.items() if key.startswith("W")),
            strict=True,
        ):
            np.testing.assert_array_equal(w, expected, err_msg=f"seed {seed}, {i}, {key}")
    assert len(np.unique(losses)) == losses.size


SIZES = [784, 30, 20, 10]


def test_weight_init_compare():
    def networks():
        return [ScriptNetwork(SIZES, 0.01), ScriptNetwork(SIZES, root=1.0), ScriptNetwork(SIZES)]

    rules = [ScriptRule("sgd", 0.01) for _ in range(3)]
    comparison("weight_init_compare", secrets.randbelow(2**32), networks, rules)


def test_optimizer_compare_mnist():
    rules = [ScriptRule(name, 0.01) for name in ("sgd", "momentum", "adagrad")]
    rules.append(ScriptRule("adam", 0.001))
    comparison(
        "optimizer_compare_mnist",
        secrets.randbelow(2**32),
        lambda: [ScriptNetwork(SIZES) for _ in rules],
        rules,
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("overfit_weight_decay", [{"l2": 0}, {"l2": 0.1}]),
        ("overfit_dropout", [{}, {"dropout": 0.2}]),
    ],
)
def test_overfit(name, options):
    """Each setting is a run of the script, from the same seed."""
    seed = secrets.randbelow(2**32)
    short = {"data.train": 60, "data.test": 80, "model.hidden": [30, 20], "train.epochs": 30}
    ours = trained(name, seed, **short, **{"train.batch_size": 20})
    train, test = images("train", 60), images("test", 80)
    for (training, k), one in zip(ours, options, strict=True):
        with threadpool_limits(1, "blas"), numpy_seed(seed):
            network = ScriptNetwork(SIZES, **one)
            expected = run_trainer(network, ScriptRule("sgd", 0.01), train, test, 20, 30)
        metrics = training.history.metrics
        accuracies = np.stack([metrics[f"{part}_accuracy"][k] for part in ("train", "test")], -1)
        np.testing.assert_array_equal(accuracies, expected, err_msg=f"seed {seed}, {one}")
        for i, w in enumerate(last_weights(training, k), start=1):
            np.testing.assert_array_equal(w, network.params[f"W{i}"], err_msg=f"seed {seed}")


def test_train_convnet():
    seed = secrets.randbelow(2**32)
    short = {"data.train": 60, "data.test": 100, "train.epochs": 5, "train.batch_size": 20}
    blocks = [{"kind": "conv", "features": 6, "size": 5}, {"kind": "max_pool", "size": 2}]
    blocks.append({"kind": "dense", "features": 15})
    ((training, k),) = trained("train_convnet", seed, **short, **{"model.blocks": blocks})
    with threadpool_limits(1, "blas"), numpy_seed(seed):
        network = ScriptConvNet(28, 6, 5, 15, 0.01)
        expected = run_trainer(
            network,
            ScriptRule("adam", 0.001),
            images("train", 60, rows=False),
            images("test", 100, rows=False),
            20,
            5,
        )
    metrics = training.history.metrics
    accuracies = np.stack([metrics[f"{part}_accuracy"][k] for part in ("train", "test")], axis=-1)
    np.testing.assert_array_equal(accuracies, expected, err_msg=f"seed {seed}")
    filters, *others = last_weights(training, k)
    np.testing.assert_array_equal(filters, network.params["W1"].reshape(6, -1).T)
    for i, w in enumerate(others, start=2):
        np.testing.assert_array_equal(w, network.params[f"W{i}"], err_msg=f"seed {seed}, W{i}")


def test_a_fitted_convnet_has_its_rows_in_the_order_of_flatten():
    """The book puts channels first; a model that is saved and asked does not."""
    blocks = [{"kind": "conv", "features": 3, "size": 5}, {"kind": "max_pool", "size": 2}]
    overrides = {**SMALL, "data.train": 60, "data.test": 100, "train.epochs": 40}
    overrides |= {
        "train.batch_size": 20,
        "model.blocks": [*blocks, {"kind": "dense", "features": 9}],
    }
    overrides |= {"model.init.std": 0.1, "train.evaluate": [120], "train.optimizer.lr": 0.01}
    config = bnexp.load_config("train_convnet", overrides)
    model = bnexp.fit(config)
    loaded = dataset("synthetic", None)
    accuracy = (model.predict(loaded.test_images[:100]) == loaded.test_labels[:100]).mean()
    result = bnexp.run(config)
    assert accuracy == result.summary["final_test_accuracy"][0] > 0.3
    assert Flatten().forward({}, {}, np.zeros((1, 2, 3, 3, 4)), train=False)[0].shape == (1, 2, 36)


def test_hyperparameter_optimization():
    """The order of the images, the swept values, weights and batches all come from one stream."""
    seed, trials = secrets.randbelow(2**32), 5
    keys = ("train.l2", "train.optimizer.lr")
    ranges = ([1e-8, 1e-4, trials], [1e-4, 1e-1, trials])
    short = {"data.train": 40, "data.validation": 15, "model.hidden": [30, 20]}
    short |= {"train.batch_size": 20, "train.steps": 30, "train.evaluate": [*range(1, 30, 2), 30]}
    swept = {key: {"book_loguniform": ends} for key, ends in zip(keys, ranges, strict=True)}
    overrides = {**SMALL, "random.seeds": [seed], **short, "sweep": {"zip": swept}}
    plan = make_plan(bnexp.load_config("hyperparameter_optimization", overrides))
    ours = trained("hyperparameter_optimization", seed, **short, sweep={"zip": swept})
    x, labels = images("train", 55)
    with threadpool_limits(1, "blas"), numpy_seed(seed):
        order = np.random.permutation(55)
        x, labels = x[order], labels[order]
        for network, (training, k) in zip(plan.networks, ours, strict=True):
            values = 10 ** np.random.uniform(-8, -4), 10 ** np.random.uniform(-4, -1)
            assert tuple(network.point[key] for key in keys) == values, f"seed {seed}"
            script = ScriptNetwork(SIZES, l2=values[0])
            sets = (x[15:], labels[15:]), (x[:15], labels[:15])
            expected = run_trainer(script, ScriptRule("sgd", values[1]), *sets, 20, 15)
            metrics = training.history.metrics
            accuracies = np.stack([metrics[f"{part}_accuracy"][k] for part in ("train", "test")])
            np.testing.assert_array_equal(accuracies[:, :-1].T, expected, err_msg=f"seed {seed}")
            np.random.choice(40, 20)  # the step that is left after the last evaluation


def test_weight_init_activation_histogram():
    seed = secrets.randbelow(2**32)
    ours = trained("weight_init_activation_histogram", seed, "gaussian")
    for (training, k), std in zip(ours, (1, 0.01, np.sqrt(1 / 100), np.sqrt(2 / 100)), strict=True):
        with numpy_seed(seed), threadpool_limits(1, "blas"):
            x = np.random.randn(1000, 100)
            ((_, (reading,)),) = training.history.readings
            for layer in range(5):
                x = 1 / (1 + np.exp(-np.dot(x, np.random.randn(100, 100) * std)))
                counts, _ = np.histogram(x.flatten(), 30, range=(0, 1))
                np.testing.assert_allclose(
                    reading.values[k][layer] * x.size, counts, atol=1e-6, err_msg=f"seed {seed}"
                )


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("hyperparameter_optimization", {"random.seeds": [0, 1]}, "book_loguniform cannot be"),
        ("hyperparameter_optimization", {"train.steps": 201}, "book_loguniform cannot be drawn"),
        ("hyperparameter_optimization", {"data.train": "all"}, "data.train: not in the book"),
        ("hyperparameter_optimization", {"data.test": 9}, "data.validation: together with data."),
        (
            "weight_init_activation_histogram",
            {"data.train": "all"},
            "data.train: not in the book's",
        ),
        ("weight_init_activation_histogram", {"data.validation": 9}, "gaussian without draw"),
        ("weight_init_activation_histogram", {"train.batch_size": 9}, "not all images"),
    ],
)
def test_what_cannot_be_drawn_is_refused(name, overrides, message):
    with pytest.raises(bnexp.ConfigError, match=message):
        make_plan(bnexp.load_config(name, {"claims": None, **overrides}))
