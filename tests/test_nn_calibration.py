"""Parameters that are fitted to the first training images: LSUV, and weight norm's own start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import bnexp
from bnexp.execution import build
from bnexp.execution.build import draw, inputs
from bnexp.execution.task import Task, dataset, train_task
from bnexp.nn import Conv, Dense, WeightNorm
from bnexp.nn.initializers import Lsuv, Zeros
from bnexp.nn.weightnorm import WeightNormed
from bnexp.sweep import make_plan
from bnexp.training.schedule import schedule

CNN = """\
name: cnn
data: {name: synthetic, train: 200}
model:
  kind: cnn
  blocks:
    - {kind: conv, features: 4, padding: 1}
    - {kind: max_pool}
    - {kind: conv, features: 6, size: 5, stride: 2}
    - {kind: dense, features: 12}
train: {epochs: 3, batch_size: 20, optimizer: {kind: sgd, lr: 0.1}}
"""
DATA = {"kind": "weight", "start": "data"}
ONE = {"random.seeds": [0], "train.precision": "float64"}
LSUV = {**ONE, "model.init": "lsuv"}
MODELS = pytest.mark.parametrize("kind", ["mlp", "cnn"])


@pytest.fixture
def load(small, config_file):
    """Loads a small experiment of one kind of model with one norm and without a sweep."""

    def make(kind, norm, changes):
        unswept = {"sweep.model.init.std": None, "sweep.model.norm": None} if kind == "mlp" else {}
        path = small if kind == "mlp" else config_file(CNN)
        return bnexp.load_config(path, {**unswept, "model.norm": norm, **changes})

    return make


@pytest.fixture
def calibrated(load):
    """Of such a network: each weighted layer and its outputs (rows, units) at the start."""

    def make(*model):
        network = make_plan(load(*model)).networks[0]
        dtype = np.dtype(np.float64)
        sets = inputs(network.setting, dataset("synthetic", None), dtype)
        net = build.network(network.setting, 10)
        start = draw([network], [net], schedule(network, 200), sets, dtype)
        x, outputs = sets.calibration(), []
        for layer, p, s in zip(net.layers, start.whole(start.parameters), start.state, strict=True):
            x, _, _ = layer.forward(p, s, x, train=True)
            if isinstance(layer, Dense | Conv | WeightNormed):
                outputs.append((layer, x.reshape(-1, x.shape[-1])))
        return outputs

    return make


@MODELS
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("tolerance", [0.1, 1e-6])
def test_lsuv_gives_every_layer_a_variance_of_one(calibrated, kind, norm, tolerance):
    changes = {**LSUV, "model.init": {"kind": "lsuv", "tolerance": tolerance}}
    outputs = calibrated(kind, norm, changes)
    assert len(outputs) == (3 if kind == "mlp" else 4)
    for _, y in outputs:
        assert abs(y.var() - 1) < tolerance


@MODELS
def test_weight_norm_starts_with_standardized_units(calibrated, kind):
    """Mean 0 and variance 1 of each hidden unit at any scale of the weights."""
    init = {"kind": "normal", "std": 7.0}
    outputs = calibrated(kind, DATA, {**ONE, "model.init": init})
    for layer, y in outputs[:-1]:
        assert isinstance(layer, WeightNormed)
        np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-10)
        np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-10)
    assert isinstance(outputs[-1][0], Dense)


def test_without_a_bias_only_the_variance_is_one(calibrated):
    for _, y in calibrated("mlp", DATA, {**ONE, "model.bias": False})[:-1]:
        np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-10)
        assert np.abs(y.mean(axis=0)).max() > 0.1


@MODELS
def test_weight_norm_takes_the_weights_that_lsuv_fitted(calibrated, kind):
    for _, y in calibrated(kind, "weight", LSUV):
        assert abs(y.var() - 1) < 0.1


def fitted(layer, x):
    """The layer's outputs and parameters after calibration on `x` (n, D)."""
    _, p, s = layer.init(np.random.default_rng(0), x.shape[1:])
    before = {name: array[None] for name, array in p.items()}
    made = layer.calibrated(before, x[None])
    return layer.forward(made, s, x[None], train=True)[0][0], made, before


@pytest.mark.parametrize("x", [np.zeros((30, 8)), np.full((30, 8), np.nan)])
def test_lsuv_leaves_weights_whose_outputs_have_no_variance(x):
    _, made, before = fitted(Dense(5, Lsuv()), x)
    np.testing.assert_array_equal(made["W"], before["W"])


def test_lsuv_leaves_a_unit_whose_outputs_are_constant():
    """Equal images: the rounding of their mean is no variance."""
    x = np.repeat(np.random.default_rng(1).random((1, 20)), 249, axis=0)
    _, made, before = fitted(Dense(1, Lsuv()), x)
    np.testing.assert_array_equal(made["W"], before["W"])


def test_lsuv_scales_by_nothing_but_a_factor():
    x = 40 * np.random.default_rng(1).random((50, 8))
    y, made, before = fitted(Dense(5, Lsuv(tolerance=1e-9)), x)
    factor = before["W"] / made["W"]
    np.testing.assert_allclose(factor, (x @ before["W"][0]).std(), rtol=1e-12)
    assert y.var() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_constant_unit_has_no_scale(value):
    """Its length stays and its outputs become 0; the other unit is standardized."""
    x = np.random.default_rng(1).standard_normal((249, 3))
    x[:, 2] = value
    direction = np.array([[[1.0, 0], [2, 0], [0, 3]]])
    start = {"direction": direction, "length": np.ones((1, 1, 2)), "b": np.zeros((1, 1, 2))}
    layer = WeightNorm("data").around(Dense(2, Zeros()))
    made = layer.calibrated(start, x[None])
    y = layer.forward(made, {}, x[None], train=True)[0][0]
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), [1, 0], atol=1e-12)
    assert made["length"][0, 0, 1] == 3


@MODELS
@pytest.mark.parametrize(("norm", "init"), [("batch", "lsuv"), (DATA, "he")])
def test_the_same_bits_whatever_runs_beside_it(load, kind, norm, init):
    def losses(seeds):
        changes = {"model.init": init, "random.seeds": seeds, "train.epochs": 1}
        made = bnexp.run(load(kind, norm, changes))
        return dict(zip(made.summary["seed"], made.summary["final_train_loss"], strict=True))

    together, alone = losses([3, 0, 1]), losses([1])
    assert together[1] == alone[1]
    assert len(set(together.values())) == 3


@MODELS
def test_weight_norm_from_yaml_learns(load, kind):
    changes = {"train.optimizer": {"kind": "momentum", "lr": 0.1}, "train.epochs": 8}
    result = bnexp.run(load(kind, DATA, {**ONE, **changes}))
    assert result.summary["final_train_accuracy"][0] > 0.7


def test_lsuv_is_not_in_the_books_stream(small):
    text = small.read_text()
    for old, new in (
        ("{kind: normal, std: 0.1}", "lsuv"),
        ("  model.init.std: [10.0, 0.3, 0.01]\n", ""),
        ("batch_size: 50", "sampling: with_replacement, batch_size: 50"),
        ("seeds: [0, 1]", "seeds: [0, 1], stream: book"),
    ):
        assert old in text
        text = text.replace(old, new)
    small.write_text(text)
    message = (
        r"small\.yaml:5:9: model\.init: not drawn as the book draws, expected one of normal, "
        "xavier, glorot, he, lecun for random.stream: book, got 'lsuv'"
    )
    with pytest.raises(bnexp.ConfigError, match=message):
        bnexp.load_config(small)


@pytest.fixture
def framed():
    """Synthetic images; of the training images the outer three rows and columns are blank."""
    whole = dataset("synthetic", None)
    blank = np.zeros_like(whole.train_images)
    blank[:, 3:-3, 3:-3] = whole.train_images[:, 3:-3, 3:-3]
    return replace(whole, train_images=blank)


@pytest.mark.parametrize(
    ("norm", "changes", "left_out"),
    [
        ("none", {}, True),
        ("batch", {"train.clip_norm": 0.1, "model.init": "lsuv"}, True),
        ("none", {"train.l2": 0.05}, False),
        ("batch", {"train.weight_decay": 0.2}, False),
        ("weight", {}, False),
        (DATA, {"train.l2": 0.05}, False),
    ],
)
def test_blank_pixels_are_left_out_where_that_changes_no_number(
    load, framed, monkeypatch, norm, changes, left_out
):
    """Not where their weights decay or count in a length: test images have those pixels lit."""
    config = load("mlp", norm, {**ONE, "data.test": 100, **changes})
    networks = make_plan(config).networks
    sets = inputs(networks[0].setting, framed, np.dtype(np.float64))
    assert sets.train.shape == ((22 * 22,) if left_out else (784,))
    assert sets.calibration().shape == (1, 200, 784)
    rows = framed.train_images.reshape(-1, 784)[:200]
    np.testing.assert_allclose(sets.calibration()[0], rows / 255, rtol=1e-7)
    monkeypatch.setattr("bnexp.execution.task.dataset", lambda *args: framed)
    made = train_task(Task(networks))[0].metrics
    monkeypatch.setattr("bnexp.execution.build.is_small", lambda *args: False)
    for name, values in train_task(Task(networks))[0].metrics.items():
        np.testing.assert_allclose(made[name], values, rtol=1e-9 if left_out else 0)
