"""What networks see of an image: binary, centred, blank pixels left out, normal noise."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli
from bnexp.data import DATASETS, load
from bnexp.data.arrays import idx_header
from bnexp.data.generated import normal_values
from bnexp.data.known import MNIST_FILES
from bnexp.execution.build import make_image_sets
from bnexp.sweep import make_plan
from bnexp.training import Images, evaluation

pytestmark = pytest.mark.usefixtures("one_blas_thread")

TEXT = """\
name: pixels
data: {name: synthetic, train: 150, test: 60}
model: {hidden: [8]}
train: {steps: 5, batch_size: 30, optimizer: {kind: sgd, lr: 0.5}, precision: float64}
"""
CNN = {
    "kind": "cnn",
    "blocks": [{"kind": "conv", "features": 3, "size": 3}, {"kind": "max_pool", "size": 2}],
}
ALL = slice(None)


@pytest.fixture
def config(config_file):
    def make(**changes):
        keys = {key.replace("__", "."): value for key, value in changes.items()}
        text = TEXT.replace("model: {hidden: [8]}\n", "") if "model" in changes else TEXT
        return bnexp.load_config(config_file(text), keys)

    return make


@pytest.fixture
def framed(tmp_path):
    """A folder with `synthetic` in a black frame of 4 pixels, but for test images."""
    data, folder = load("synthetic"), tmp_path / "framed"
    folder.mkdir()
    for file in MNIST_FILES:
        array = getattr(data, file.role).astype(np.uint8).squeeze()
        if file.role == "train_images":
            array[:, :4] = array[:, -4:] = array[:, :, :4] = array[:, :, -4:] = 0
        content = idx_header(array.shape) + array.tobytes()
        (folder / file.name.removesuffix(".gz")).write_bytes(content)
    return str(folder)


def seen(config, dtype="float64", loaded=None):
    """The setting's images, and the data set they are of."""
    setting = make_plan(config).networks[0].setting
    loaded = loaded or load(setting.data.name)
    return make_image_sets(setting, loaded, np.dtype(dtype)), loaded


def numbers(pixels):
    return np.divide(pixels, np.float32(255), dtype=np.float32).astype(float)


def test_binary_is_1_from_128_on(config, framed):
    made, loaded = seen(config(data__name=framed, data__pixels="binary", data__test=500))
    for own, pixels in ((made.train, loaded.train_images[:150]), (made.test, loaded.test_images)):
        want = (pixels.reshape(len(pixels), -1) >= 128).astype(float)
        kept = made.used if own is made.train else ALL
        np.testing.assert_array_equal(own.batch(ALL)[0], want[:, kept])
    assert made.offset is None
    assert 127 in loaded.test_images
    assert 128 in loaded.test_images
    ever = (loaded.train_images[:150].reshape(150, -1) >= 128).any(axis=0)
    np.testing.assert_array_equal(made.used, np.flatnonzero(ever))
    assert 300 < len(made.used) <= 400


@pytest.mark.parametrize("l2", [0.0, 0.1], ids=["used pixels", "every pixel"])
def test_centred_is_less_the_mean_of_the_used_training_images(config, framed, l2):
    changes = {"data__pixels": "centred", "train__l2": l2, "train__evaluate_train": 40}
    made, loaded = seen(config(data__name=framed, **changes))
    both = (loaded.train_images, loaded.test_images)
    train, test = (numbers(pixels).reshape(len(pixels), -1) for pixels in both)
    mean = loaded.train_images[:150].reshape(150, -1).astype(float).mean(axis=0) / 255
    kept = ALL if made.used is None else made.used
    assert len(made.train.batch([0])[0][0]) == (784 if l2 else 400)
    np.testing.assert_allclose(made.offset, mean, rtol=1e-14)
    x = made.train.batch(ALL)[0]
    np.testing.assert_allclose(x, (train[:150] - mean)[:, kept], rtol=0, atol=1e-15)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(made.test.batch(ALL)[0], test[:60] - mean, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(made.scored.batch(ALL)[0], x[:40])
    assert abs(made.test.batch(ALL)[0].mean(axis=0)).max() > 0.01  # not the test images' own mean


def test_centred_images_of_a_cnn(config):
    made, loaded = seen(config(data__pixels="centred", model=CNN))
    pixels = numbers(loaded.train_images[:150])
    assert made.train.shape == made.offset.shape == (28, 28, 1)
    x = made.train.batch([3, 4])[0]
    np.testing.assert_allclose(x, pixels[3:5] - pixels.mean(axis=0), atol=1e-8)


@pytest.mark.parametrize("pixels", ["grey", "binary", "centred"])
def test_blank_pixels_left_out_change_nothing(config, framed, pixels, monkeypatch):
    """The same network with every pixel: as if the images were too many to be kept."""
    given = config(data__name=framed, data__pixels=pixels)
    assert len(seen(given)[0].used) <= 400
    left_out = bnexp.run(given)
    monkeypatch.setattr(evaluation, "KEPT_BYTES", 0)
    assert seen(given)[0].used is None
    whole = bnexp.run(given)
    for name in ("train_loss", "test_loss"):
        np.testing.assert_allclose(left_out.metrics[name], whole.metrics[name], rtol=1e-9)
    name = "test_accuracy"
    np.testing.assert_array_equal(left_out.metrics[name], whole.metrics[name])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_sets_are_kept_as_bytes_and_centred_batch_by_batch(monkeypatch, dtype, tmp_path):
    random = np.random.default_rng(0)
    written = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(50, 6))
    written[:] = random.integers(0, 256, (50, 6))
    labels, offset = np.arange(50), random.random(6)
    kept = Images(written, labels, dtype, offset)
    monkeypatch.setattr(evaluation, "KEPT_BYTES", 0)
    mapped = Images(written, labels, dtype, offset)
    assert mapped._pixels is written
    assert kept._pixels.dtype == dtype
    for own, other in ((kept, mapped), (kept.first(9), mapped.first(9))):
        for which in (ALL, [3, 1], np.array([[0, 2], [5, 7]])):
            for made, want in zip(own.batch(which), other.batch(which), strict=True):
                assert made.dtype == want.dtype
                np.testing.assert_array_equal(made, want)
    monkeypatch.setattr(evaluation, "KEPT_BYTES", 150)  # the first ones are few enough to be kept
    np.testing.assert_array_equal(mapped.first(3).batch(ALL)[0], kept.batch(slice(3))[0])
    assert mapped.first(3)._pixels.dtype == dtype


def test_gaussian_is_normal_noise_and_the_same_everywhere():
    data, values = load("gaussian"), normal_values()
    assert data.sha256 == DATASETS["gaussian"].sha256
    assert data.train_images.shape == (2000, 10, 10, 1)
    assert data.test_images.shape == (500, 10, 10, 1)
    np.testing.assert_array_equal(data.values, values)
    assert values.dtype == np.float32
    assert values.astype(float).mean() == pytest.approx(0, abs=1e-7)
    assert values.astype(float).var() == pytest.approx(1, abs=1e-6)
    assert (np.diff(values) > 0).all()
    digest = hashlib.sha256(np.round(values.astype(float), 4).astype("<f8").tobytes()).hexdigest()
    assert digest == hashlib.sha256(np.round(quantiles(), 4).astype("<f8").tobytes()).hexdigest()
    drawn = data.values[data.train_images]
    assert drawn.mean() == pytest.approx(0, abs=4 / np.sqrt(200_000))
    assert drawn.var() == pytest.approx(1, abs=4 * np.sqrt(2 / 200_000))
    flat = drawn.reshape(2000, 100).astype(float)
    assert abs(np.corrcoef(flat.T) - np.eye(100)).max() < 5 / np.sqrt(2000)
    assert np.bincount(data.train_labels, minlength=10).min() > 150


def quantiles():
    """By bisection on the error function."""
    from math import erf, sqrt

    found = []
    for byte in range(256):
        low, high = -5.0, 5.0
        for _ in range(60):
            middle = (low + high) / 2
            below = (1 + erf(middle / sqrt(2))) / 2 < (byte + 0.5) / 256
            low, high = (middle, high) if below else (low, middle)
        found.append(low)
    return np.array(found) / np.std(found)


def test_networks_see_gaussians_values(config):
    made, data = seen(config(data__name="gaussian"))
    want = data.values[data.train_images[:150]].reshape(150, 100).astype(float)
    np.testing.assert_array_equal(made.train.batch(ALL)[0], want)
    assert made.test.batch(ALL)[0].shape == (60, 100)


def test_centred_gaussian_noise_has_mean_0_too(config):
    made, data = seen(config(data__name="gaussian", data__pixels="centred"))
    x = made.train.batch(ALL)[0]
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-7)
    want = data.values[data.train_images[:150]].reshape(150, 100).mean(axis=0)
    np.testing.assert_allclose(made.offset, want, atol=1e-6)
    np.testing.assert_array_equal(made.train.first(5).batch(ALL)[0], x[:5])


def test_info_lists_gaussian():
    result = CliRunner().invoke(cli, ["data", "info", "gaussian"])
    assert result.exit_code == 0
    for text in ("gaussian", "made by bnexp", DATASETS["gaussian"].sha256):
        assert text in result.output


MODELS = [("mlp", "float32"), ("mlp", "float64"), ("cnn", "float32")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synthetic", "gaussian"])
@pytest.mark.parametrize("pixels", ["grey", "binary", "centred"])
@pytest.mark.parametrize(("model", "precision"), MODELS)
def test_a_model_scores_as_the_run_did(config, tmp_path, name, pixels, model, precision):
    own = {"model": CNN} if model == "cnn" else {}
    given = config(data__name=name, data__pixels=pixels, train__precision=precision, **own)
    summary, fitted = bnexp.run(given).summary, bnexp.fit(given)
    loaded = bnexp.load_model(bnexp.save_model(fitted, tmp_path / "model.npz"))
    data = load(name)
    for network in (fitted, loaded):
        scores = network.score(data.test_images[:60], data.test_labels[:60])
        assert scores["loss"] == summary["final_test_loss"].item()
        assert scores["accuracy"] == summary["final_test_accuracy"].item()
        train = network.score(data.train_images[:150], data.train_labels[:150])
        assert train["loss"] == pytest.approx(summary["final_train_loss"].item(), rel=1e-5)
    if name == "synthetic":
        asked = numbers(data.test_images[:60]).astype(precision)
        np.testing.assert_array_equal(loaded.logits(asked), fitted.logits(data.test_images[:60]))
