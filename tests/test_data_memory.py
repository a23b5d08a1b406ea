"""Arrays as a data set: the same bits as from files, and what is no image or label."""

from __future__ import annotations

import numpy as np
import pytest
from idx_folders import write_set

import bnexp
from bnexp.data import load
from bnexp.data.arrays import ROLES
from bnexp.data.bytes import image_bytes, label_bytes
from bnexp.data.datasets import is_arrays
from bnexp.data.memory import memory_dataset
from bnexp.errors import DataError

DIGITS = load("synthetic")
X, Y = DIGITS.train_images[:300], DIGITS.train_labels[:300]
X_TEST, Y_TEST = DIGITS.test_images[:60], DIGITS.test_labels[:60]
ARRAYS = X, Y, X_TEST, Y_TEST
NETWORK = {
    "model": {"hidden": [8]},
    "train": {"epochs": 2, "batch_size": 50, "optimizer": {"kind": "sgd", "lr": 0.1}},
    "sweep": {"model.norm": ["batch", "none"]},
    "figures": [],
}
CNN = {
    "model": {"kind": "cnn", "blocks": [{"kind": "conv", "features": 3}, {"kind": "max_pool"}]},
    "train": {"epochs": 1, "batch_size": 50},
}


@pytest.fixture
def folder(tmp_path):
    """The same images as four IDX files."""
    arrays = [np.asarray(array, np.uint8).squeeze() for array in ARRAYS]
    return write_set(tmp_path / "digits", dict(zip(ROLES, arrays, strict=True)))


def numbers(result):
    """All columns but the ids, which name the data set."""
    return {name: column.tolist() for name, column in result.metrics.items() if name != "cell"}


@pytest.mark.parametrize("network", [NETWORK, CNN], ids=["mlp", "cnn"])
def test_arrays_give_the_bits_of_the_same_images_in_files(folder, network):
    from_files = bnexp.run({**network, "data": {"name": str(folder), "test": "all"}}, seeds=2)
    assert len(from_files.metrics["train_loss"]) > 1
    expected = numbers(from_files)
    assert numbers(bnexp.run(network, data=ARRAYS, seeds=2)) == expected
    assert memory_dataset(ARRAYS).sha256 == load(str(folder)).sha256


@pytest.mark.parametrize(
    "images",
    [
        X / 255,
        (X / 255).astype(np.float32),
        X.astype(np.int64),
        X.astype(float),
        X[..., 0],
        X.reshape(300, 784),
        np.asfortranarray(X),
        X.tolist(),
    ],
    ids=["double", "single", "int64", "whole", "grey", "rows", "fortran", "list"],
)
def test_images_of_every_form_are_the_same_data_set(images):
    data = memory_dataset((images, Y.tolist()))
    assert data.sha256 == memory_dataset((X, Y)).sha256
    assert data.train_images.shape == (300, 28, 28, 1)
    assert data.train_images.flags.c_contiguous
    np.testing.assert_array_equal(data.train_images, X)


def test_every_byte_is_found_again():
    every = np.arange(256, dtype=np.uint8).reshape(1, 256)
    for dtype in (np.float32, np.float64):
        pixels = every.astype(dtype) / dtype(255)
        np.testing.assert_array_equal(image_bytes(pixels, "x").ravel(), every.ravel())


def test_the_name_is_the_sha256_and_other_pixels_are_another_set():
    data, other = memory_dataset(ARRAYS), X.copy()
    assert data.name == f"arrays-{data.sha256[:16]}"
    assert is_arrays(data.name)
    other[0, 0, 0] ^= 1
    assert memory_dataset((other, Y, X_TEST, Y_TEST)).name != data.name


def test_the_callers_arrays_are_left_alone():
    x, y = X.copy(), Y.copy()
    data = memory_dataset((x, y))
    x[:] = 0
    y[:] = 0
    assert data.train_images.flags.writeable is False


def test_pairs_as_keras_returns_them():
    assert memory_dataset(((X, Y[:, None]), (X_TEST, Y_TEST))).sha256 == (
        memory_dataset(ARRAYS).sha256
    )


def test_rows_that_are_no_squares_are_images_of_one_line():
    assert image_bytes(np.zeros((2, 30)), "x").shape == (2, 1, 30, 1)
    assert image_bytes(np.zeros((2, 64)), "x").shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("mnist", r"data: expected \(x, y\) or \(x, y, x_test, y_test\), got str"),
        ((X, Y, X_TEST), "got 3 arrays"),
        ((X, Y[:-1]), "data: y: expected one label an image, got 300 images and 299 labels"),
        ((X - 0.5, Y), "data: x: expected whole numbers from 0 to 255, or such numbers / 255"),
        ((np.full((3, 784), 0.3), [0, 1, 2]), r"got float64 from 0.3 to 0.3; scale .* np.rint"),
        ((np.full((3, 784), np.nan), [0, 1, 2]), "got float64 from nan to nan"),
        ((np.full((3, 784), 256), [0, 1, 2]), "got int64 from 256 to 256"),
        ((X[0, 0, 0], Y), r"data: x: expected images .*got \(1,\)"),
        ((np.zeros((2, 3, 32, 32)), [0, 1]), r"channels last.*x\.transpose\(0, 2, 3, 1\)"),
        (([["a"]], [1]), "data: x: expected real numbers, got <U1"),
        (([[1, 2], [3]], [1, 2]), "data: x: expected an array"),
        ((X, np.eye(10)[Y]), r"data: y: expected labels \(n,\), got \(300, 10\).*argmax"),
        ((X, Y.astype(str)), r"data: y: expected whole numbers, got <U21; .*y\.astype\(int\)"),
        ((X, Y.astype(float)), "expected whole numbers, got float64"),
        ((np.ma.masked_greater(X, 3), Y), "data: x: expected an array without a mask"),
        ((X, np.ma.array(Y)), "data: y: expected an array without a mask"),
        ((X, Y - 1), "expected whole numbers from 0 to 255, got -1 to 8"),
        ((X, Y, X_TEST, Y_TEST + 1), "data: y_test: expected labels of the training set's classes"),
        ((X, Y, X_TEST[:, 1:], Y_TEST), "data: x_test: expected images of the shape of the train"),
    ],
)
def test_what_is_no_data_set(data, message):
    with pytest.raises(DataError, match=message):
        memory_dataset(data)


def test_labels_of_one_column():
    assert label_bytes([[3], [4]], "y").tolist() == [3, 4]


def test_test_images_are_scored_where_there_are_some():
    scored = bnexp.run(NETWORK, data=ARRAYS)
    assert not np.isnan(scored.metrics["test_loss"]).any()
    assert scored.config.experiment.data.test == "all"
    some = bnexp.run({**NETWORK, "data": {"test": 20}}, data=ARRAYS)
    assert some.config.experiment.data.test == 20
    none = bnexp.run({**NETWORK, "data": {"test": "all"}}, data=(X, Y))
    assert np.isnan(none.metrics["test_loss"]).all()
    held_out = bnexp.run({**NETWORK, "data": {"validation": 100}}, data=ARRAYS)
    assert held_out.config.experiment.data.validation == 100


def test_a_run_of_arrays_on_disk(tmp_path):
    first = bnexp.run(NETWORK, tmp_path / "run", data=ARRAYS)
    name = memory_dataset(ARRAYS).name
    assert first.trained == 2
    manifest = (tmp_path / "run" / "manifest.json").read_text()
    assert memory_dataset(ARRAYS).sha256 in manifest
    assert f'"{name}"' in manifest
    assert numbers(bnexp.load_run(tmp_path / "run")) == numbers(first)
    assert bnexp.run(NETWORK, tmp_path / "run", data=ARRAYS).trained == 0
    assert bnexp.run(NETWORK, tmp_path / "run", data=(X, Y)).trained == 2
    with pytest.raises(DataError, match=r"the arrays are not at hand.*numpy\.savez"):
        bnexp.run(tmp_path / "run" / "config.yaml")


@pytest.mark.slow
def test_worker_processes_are_sent_the_arrays():
    assert numbers(bnexp.run(NETWORK, data=ARRAYS, jobs=2, seeds=2)) == numbers(
        bnexp.run(NETWORK, data=ARRAYS, seeds=2)
    )


def test_arrays_in_a_sweep_over_data_sets():
    swept = {**NETWORK, "sweep": {"data.name": ["synthetic", "mnist"]}}
    with pytest.raises(bnexp.ConfigError, match=r"data: data\.name is swept"):
        bnexp.run(swept, data=ARRAYS)


def test_colors_and_other_sizes_are_trained_on():
    """An MLP has the numbers of the same bytes in rows; a CNN those of its own definition."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (100, 9, 7, 3), np.uint8)
    y = generator.integers(0, 10, 100)
    rows = x.reshape(100, 9 * 7 * 3)
    expected = numbers(bnexp.run(NETWORK, data=(rows, y, rows[:9], y[:9])))
    assert numbers(bnexp.run(NETWORK, data=(x, y, x[:9], y[:9]))) == expected
    model = bnexp.fit({**CNN, "train": {"steps": 3, "batch_size": 20}}, data=(x, y))
    conv, *_, dense = (layer for layer in model.parameters if "W" in layer)
    weights, image = conv["W"][0].reshape(3, 3, 3, 3).astype(float), x[0] / 255
    outputs = np.zeros((7, 5, 3))
    for row in range(7):
        for column in range(5):
            window = image[row : row + 3, column : column + 3]
            outputs[row, column] = np.tensordot(window, weights, 3) + conv["b"][0].ravel()
    pooled = np.maximum(outputs, 0)[:6, :4].reshape(3, 2, 2, 2, 3).max(axis=(1, 3))
    logits = pooled.ravel() @ dense["W"][0].astype(float) + dense["b"][0].ravel()
    np.testing.assert_allclose(model.logits(x[:1])[0], logits, rtol=1e-4, atol=1e-5)
