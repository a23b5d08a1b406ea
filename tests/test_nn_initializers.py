"""Initializers: what they draw, and what is fitted to the first training images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import bnexp
from bnexp.execution import build
from bnexp.execution.build import draw_start, make_image_sets
from bnexp.execution.task import Task, dataset, train_task
from bnexp.nn import INITIALIZERS, Conv, Dense, Glorot, He, Normal, Relu, WeightNorm, Xavier, mlp
from bnexp.nn.initializers import (
    Constant,
    GlorotUniform,
    HeUniform,
    LecunUniform,
    Lsuv,
    Orthogonal,
    Truncated,
    Uniform,
    Zeros,
)
from bnexp.nn.weightnorm import WeightNormed
from bnexp.sweep import make_plan
from bnexp.training.schedule import make_schedule

# Initializers: the distributions they promise, at shapes whose two fans differ.

NORMAL, FLAT = 3.0, 1.8  # kurtosis of a normal and of a uniform distribution
DISTRIBUTIONS = {  # variance for the fans, kurtosis
    Normal(0.03): (lambda fan_in, fan_out: 0.03**2, NORMAL),
    Xavier(): (lambda fan_in, fan_out: 1 / fan_in, NORMAL),
    Glorot(): (lambda fan_in, fan_out: 2 / (fan_in + fan_out), NORMAL),
    He(): (lambda fan_in, fan_out: 2 / fan_in, NORMAL),
    GlorotUniform(): (lambda fan_in, fan_out: 2 / (fan_in + fan_out), FLAT),
    HeUniform(): (lambda fan_in, fan_out: 2 / fan_in, FLAT),
    LecunUniform(): (lambda fan_in, fan_out: 1 / fan_in, FLAT),
    HeUniform(slope=0.3, fan="out"): (lambda fan_in, fan_out: 2 / (1.09 * fan_out), FLAT),
    Uniform(0.3): (lambda fan_in, fan_out: 0.3**2 / 3, FLAT),
    # m4 / m2^2 of a standard normal cut at 2: with q = 4 pdf(2) / (2 cdf(2) - 1), m2 = 1 - q
    # and m4 = 3 m2 - 4 q = 1.416
    Truncated(0.05): (lambda fan_in, fan_out: 0.05**2, 2.366),
}


FANS = pytest.mark.parametrize("fans", [(600, 200), (200, 600)])
OTHERS = {Orthogonal, Lsuv, Constant, Zeros}


def drawn(initializer, fans, seed=0):
    return Dense(fans[1], initializer).init(np.random.default_rng(seed), fans[:1])[1]["W"]


@pytest.mark.parametrize("initializer", DISTRIBUTIONS, ids=repr)
@FANS
def test_distributions(initializer, fans):
    """Mean and variance within 4.5 standard errors: 2 % of the variance, the fans differ by 3."""
    layer = Dense(fans[1], initializer)
    shape, parameters, _ = layer.init(np.random.default_rng(0), fans[:1])
    w = parameters["W"]
    assert shape == fans[1:]
    assert w.shape == fans
    assert w.dtype == np.float64
    variance, kurtosis = DISTRIBUTIONS[initializer]
    expected = variance(*fans)
    assert abs(w.mean()) < 4.5 * np.sqrt(expected / w.size)
    assert w.var() == pytest.approx(expected, rel=4.5 * np.sqrt(2 / w.size))
    assert (w**4).mean() / w.var() ** 2 == pytest.approx(kurtosis, rel=0.05)
    np.testing.assert_array_equal(parameters["b"], np.zeros((1, fans[1])))


@pytest.mark.parametrize("initializer", DISTRIBUTIONS, ids=repr)
def test_distributions_of_a_convolution(initializer):
    """The window counts in both fans: 5 x 5 x 32 in, 5 x 5 x 64 out."""
    _, parameters, _ = Conv(64, 5, initializer).init(np.random.default_rng(0), (9, 9, 32))
    variance, _ = DISTRIBUTIONS[initializer]
    w = parameters["W"]
    assert w.shape == (800, 64)
    assert w.var() == pytest.approx(variance(800, 1600), rel=4.5 * np.sqrt(2 / w.size))


def test_every_initializer_of_the_package_is_tested():
    tested = {type(initializer) for initializer in DISTRIBUTIONS} | OTHERS
    assert {INITIALIZERS[name] for name in INITIALIZERS.builtin} == tested
    assert INITIALIZERS["lecun"] is INITIALIZERS["xavier"]  # one thing, two names


@pytest.mark.parametrize(
    ("initializer", "limit"),
    [
        (GlorotUniform(), lambda fan_in, fan_out: np.sqrt(6 / (fan_in + fan_out))),
        (HeUniform(), lambda fan_in, fan_out: np.sqrt(6 / fan_in)),
        (HeUniform(slope=5**0.5), lambda fan_in, fan_out: np.sqrt(1 / fan_in)),
        (LecunUniform(), lambda fan_in, fan_out: np.sqrt(3 / fan_in)),
        (Uniform(0.3), lambda fan_in, fan_out: 0.3),
        (Truncated(0.05), lambda fan_in, fan_out: 2 * 0.05 / 0.87962566),
    ],
    ids=lambda value: None if callable(value) else repr(value),
)
@FANS
def test_bounded_weights_reach_their_bounds(initializer, limit, fans):
    w = drawn(initializer, fans)
    assert 0.999 * limit(*fans) < np.abs(w).max() <= limit(*fans) * (1 + 1e-8)
    assert 0.999 * limit(*fans) < -w.min()


@pytest.mark.parametrize("kind", [Xavier, Glorot, LecunUniform, GlorotUniform])
def test_a_gain_is_a_factor(kind):
    expected = 1.7 * drawn(kind(), (30, 20))
    np.testing.assert_allclose(drawn(kind(1.7), (30, 20)), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", [He, HeUniform])
def test_a_slope_divides_and_the_fan_is_one_of_two(kind):
    plain = drawn(kind(), (60, 20))
    np.testing.assert_allclose(drawn(kind(slope=0.75), (60, 20)), plain / 1.25, rtol=1e-13)
    np.testing.assert_allclose(drawn(kind(fan="out"), (60, 20)), plain * np.sqrt(3), rtol=1e-13)


def test_the_limit_of_a_slope_of_the_root_of_5_for_a_convolution():
    """1 / sqrt(fan_in) with a fan of 5 x 5 x 32: what PyTorch's layers start from."""
    layer = Conv(64, 5, HeUniform(np.sqrt(5)))
    w = layer.init(np.random.default_rng(0), (9, 9, 32))[1]["W"]
    assert 0.999 < np.abs(w).max() * np.sqrt(800) <= 1 + 1e-12


PYTORCH = {
    Glorot(1.7): ("xavier_normal_", {"gain": 1.7}),
    GlorotUniform(0.3): ("xavier_uniform_", {"gain": 0.3}),
    LecunUniform(): ("kaiming_uniform_", {"nonlinearity": "linear"}),
    Xavier(2**0.5): ("kaiming_normal_", {"nonlinearity": "relu"}),
    He(0.5): ("kaiming_normal_", {"a": 0.5}),
    He(0.5, "out"): ("kaiming_normal_", {"a": 0.5, "mode": "fan_out"}),
    HeUniform(np.sqrt(5)): ("kaiming_uniform_", {"a": np.sqrt(5)}),
    HeUniform(0.2, "out"): ("kaiming_uniform_", {"a": 0.2, "mode": "fan_out"}),
}


@pytest.mark.parametrize("initializer", PYTORCH, ids=repr)
@pytest.mark.parametrize("layer", ["dense", "conv"])
def test_against_pytorch(initializer, layer):
    """Variances of two samples of 120,000 and more."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    if layer == "dense":
        made, shape, weight = Dense(200, initializer), (600,), torch.empty(200, 600)
    else:
        made, shape, weight = Conv(160, 5, initializer), (9, 9, 32), torch.empty(160, 32, 5, 5)
    w = made.init(np.random.default_rng(0), shape)[1]["W"]
    name, options = PYTORCH[initializer]
    theirs = getattr(torch.nn.init, name)(weight, **options).numpy().astype(float)
    assert w.var() == pytest.approx(theirs.var(), rel=6 * np.sqrt(2 * 2 / w.size))


def test_truncation_keeps_the_standard_deviation():
    """Within 1 %, where cutting alone would lose 12 %."""
    w = drawn(Truncated(2.0), (1000, 500))
    assert w.std() == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("shape", [(40, 15), (15, 40), (20, 20), (1, 7), (7, 1)])
@pytest.mark.parametrize("gain", [1.0, 1.7])
def test_orthogonal_matrices(shape, gain):
    """Columns of a tall one, rows of a wide one: orthonormal times the gain."""
    w = drawn(Orthogonal(gain), shape)
    assert w.shape == shape
    inner = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(inner, gain**2 * np.eye(min(shape)), atol=1e-13)
    np.testing.assert_allclose(np.linalg.svd(w)[1], gain, rtol=1e-13)


def test_orthogonal_matrices_are_uniform():
    """Every entry has mean 0 and variance 1 / rows; without the signs the diagonal does not."""
    random = np.random.default_rng(0)
    many = np.array([Orthogonal().draw(random, (4, 3), 4, 3) for _ in range(4000)])
    assert np.abs(many.mean(axis=0)).max() < 4.5 * 0.5 / np.sqrt(4000)
    np.testing.assert_allclose(many.var(axis=0), 0.25, rtol=0.08)


def test_equal_weights():
    np.testing.assert_array_equal(drawn(Constant(0.25), (4, 3)), np.full((4, 3), 0.25))
    np.testing.assert_array_equal(drawn(Constant(-1), (4, 3)), np.full((4, 3), -1.0))
    np.testing.assert_array_equal(drawn(Zeros(), (4, 3)), np.zeros((4, 3)))


def test_equal_weights_draw_nothing():
    random = np.random.default_rng(0)
    for initializer in (Constant(1.0), Zeros()):
        initializer.draw(random, (4, 3), 4, 3)
    assert random.standard_normal() == np.random.default_rng(0).standard_normal()


@pytest.mark.parametrize("initializer", [*DISTRIBUTIONS, Orthogonal()], ids=repr)
def test_the_books_generator_can_be_drawn_from(initializer):
    """The legacy one: equal seeds, equal weights, and no other's."""
    first, again, other = (
        initializer.draw(np.random.RandomState(seed), (30, 20), 30, 20) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_networks_of_one_generator_differ_by_their_scale_alone():
    """Sweeping the weight scale is paired: the same draws, multiplied."""
    for kind in (Normal, Uniform, Truncated):
        small, large = (
            mlp((5, 3), Relu(), None, [kind(scale)] * 2).init(np.random.default_rng(3), (4,))[0]
            for scale in (0.01, 0.25)
        )
        np.testing.assert_allclose(25 * small[0]["W"], large[0]["W"], rtol=1e-12)
        np.testing.assert_allclose(25 * small[2]["W"], large[2]["W"], rtol=1e-12)


def test_a_weight_scale_for_each_layer():
    network = mlp((300, 200, 10), Relu(), None, [Normal(0.5), Normal(0.02), Normal(3.0)])
    parameters, _ = network.init(np.random.default_rng(0), (400,))
    stds = [p["W"].std() for p in parameters if p]
    np.testing.assert_allclose(stds, [0.5, 0.02, 3.0], rtol=0.05)


# Parameters that are fitted to the first training images: LSUV, and weight norm's own start.

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
        sets = make_image_sets(network.setting, dataset("synthetic", None), dtype)
        net = build.build_architecture(network.setting, 10)
        start = draw_start([network], [net], make_schedule(network, 200), sets, dtype)
        x, outputs = sets.calibration(), []
        parameters = start.full_parameters(start.parameters)
        for layer, p, s in zip(net.layers, parameters, start.state, strict=True):
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
        r"small\.yaml:5:9: model\.init: not in the book's code, expected normal, "
        "xavier or he without options for random.stream: book, got 'lsuv'"
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
    sets = make_image_sets(networks[0].setting, framed, np.dtype(np.float64))
    assert sets.train.shape == ((22 * 22,) if left_out else (784,))
    assert sets.calibration().shape == (1, 200, 784)
    rows = framed.train_images.reshape(-1, 784)[:200]
    np.testing.assert_allclose(sets.calibration()[0], rows / 255, rtol=1e-7)
    monkeypatch.setattr("bnexp.execution.task.dataset", lambda *args: framed)
    made = train_task(Task(networks))[0].metrics
    monkeypatch.setattr("bnexp.execution.build.is_small", lambda *args: False)
    for name, values in train_task(Task(networks))[0].metrics.items():
        np.testing.assert_allclose(made[name], values, rtol=1e-9 if left_out else 0)
