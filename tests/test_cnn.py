"""Image networks from a configuration."""

from __future__ import annotations

import numpy as np
import pytest

import bnexp
from bnexp import nn
from bnexp.execution import build
from bnexp.execution.task import Task, train_task
from bnexp.sweep import make_plan

CNN = """\
name: cnn
data: {name: synthetic, train: 200, test: 50}
model:
  kind: cnn
  blocks:
    - {kind: conv, features: 6, padding: 1}
    - {kind: max_pool}
    - {kind: conv, features: 8, size: 5, stride: 2}
    - {kind: dense, features: 20}
  norm: {kind: batch, dialect: pytorch}
train: {epochs: 3, batch_size: 20, optimizer: {kind: momentum, lr: 0.05}}
"""


@pytest.fixture
def cnn(config_file):
    return config_file(CNN)


def layers(path, changes=()):
    setting = make_plan(bnexp.load_config(path, dict(changes))).networks[0].setting
    return build.build_architecture(setting, 10).layers


def test_blocks_become_layers_in_the_order_of_the_book(cnn):
    kinds = [type(layer).__name__ for layer in layers(cnn)]
    block = ["BatchNorm", "Relu"]
    assert kinds == [
        "Conv", *block, "MaxPool", "Conv", *block, "Flatten", "Dense", *block, "Flatten", "Dense",
    ]  # fmt: skip


def test_norm_position_bias_and_single_layers_initializer(cnn):
    made = layers(
        cnn,
        {
            "model.norm_position": "after",
            "model.bias": False,
            "model.layer_init": {"2": "orthogonal", "output": "zeros"},
        },
    )
    assert [type(layer).__name__ for layer in made[:3]] == ["Conv", "Relu", "BatchNorm"]
    weighted = [layer for layer in made if isinstance(layer, nn.Conv | nn.Dense)]
    assert [layer.bias for layer in weighted] == [False, False, False, True]
    names = [type(layer.initializer).__name__ for layer in weighted]
    assert names == ["He", "Orthogonal", "He", "Zeros"]


def test_the_books_convnet_has_the_books_shapes():
    setting = make_plan(bnexp.load_config("book_convnet")).networks[1].setting
    parameters, _ = build.build_architecture(setting, 10).init(
        np.random.default_rng(0), (28, 28, 1)
    )
    shapes = [p["W"].shape for p in parameters if "W" in p]
    assert shapes == [(25, 30), (4320, 100), (100, 10)]


def test_it_learns_and_test_images_are_scored(cnn):
    result = bnexp.run(bnexp.load_config(cnn))
    assert result.summary["final_train_accuracy"][0] > 0.9
    assert result.summary["final_test_accuracy"][0] > 0.5


@pytest.mark.parametrize(
    "norm",
    [
        {"kind": "batch", "dialect": "book"},
        {"kind": "batch", "dialect": "paper"},
        {"kind": "batch", "dialect": "darknet"},
        {"kind": "batch", "evaluation": "batch"},
        "layer",
        {"kind": "group", "groups": 2},
        "rms",
        "weight",
        "none",
    ],
)
def test_stacked_is_alone_for_every_norm(cnn, norm):
    changes = {"model.norm": norm, "random.seeds": [0, 1, 2], "train.epochs": 1}
    networks = make_plan(bnexp.load_config(cnn, changes)).networks
    made = []
    for size in (1, 3):
        stacks = bnexp.sweep.make_stacks(networks, size=size)
        assert len(stacks) == 3 // size
        records = [r for s in stacks for r in train_task(Task(s.networks))]
        made.append({r.cell: repr(r.metrics) for r in records})
    assert made[0] == made[1]
    assert "nan" not in str(made)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model.blocks", [{"kind": "conv", "features": 3, "size": 40}], "does not fit an image"),
        (
            "model.blocks",
            [{"kind": "dense", "features": 3}, {"kind": "max_pool"}],
            "needs images, a dense layer's output has no places",
        ),
        ("model.norm", {"kind": "group", "groups": 4}, "6 channels do not split into 4 equal"),
        ("model.norm", "instance", "a dense layer's output has no places"),
        ("model.blocks", [{"kind": "conf", "features": 3}], "did you mean 'conv'?"),
        ("model.blocks", [], "a list of at least 1"),
        ("model.hidden", [10], "model.hidden: unknown key"),
        ("model.kind", "rnn", "one of mlp, cnn, got 'rnn'"),
        ("model.layer_init", {"4": "he"}, "expected one of 1, 2, 3, output, got '4'"),
    ],
)
def test_what_does_not_fit(cnn, key, value, expected):
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.run(bnexp.load_config(cnn, {key: value}))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
