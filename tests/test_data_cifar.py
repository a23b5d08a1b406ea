"""CIFAR-10's binary version, and its pickles, which are never read."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import bnexp
from bnexp.data import load
from bnexp.data.cifar import FOLDER, PYTHON_FOLDER, TEST, TRAIN
from bnexp.errors import DataError


def records(seed, count):
    """Images (count, 32, 32, 3) and labels, and the bytes of a file of them, pixel by pixel."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 32, 32, 3), np.uint8)
    labels = generator.integers(0, 10, count)
    content = bytearray()
    for image, label in zip(images, labels, strict=True):
        content.append(label)
        content += bytes(
            int(image[row, column, color])
            for color in range(3)
            for row in range(32)
            for column in range(32)
        )
    return images, labels, bytes(content)


@pytest.fixture
def cifar(tmp_path):
    """A small set of CIFAR-10's form in a folder of its name, and its arrays."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    parts = [records(seed, 4 + seed) for seed in range(6)]
    for name, (*_, content) in zip((*TRAIN, TEST), parts, strict=True):
        (folder / name).write_bytes(content)
    *train, test = parts
    x, y = (np.concatenate([part[i] for part in train]) for i in range(2))
    return folder, (x, y, test[0], test[1])


@pytest.mark.parametrize("place", ["the folder", "the folder around it"])
def test_pixels_and_labels(cifar, place):
    folder, arrays = cifar
    data = load(str(folder if place == "the folder" else folder.parent))
    for array, expected in zip(
        (data.train_images, data.train_labels, data.test_images, data.test_labels),
        arrays,
        strict=True,
    ):
        np.testing.assert_array_equal(array, expected)
    assert data.classes == 10
    assert data.origin.startswith(
        f"CIFAR-10's files, SHA-256 {data.sha256[:12]}..., folder {FOLDER}"
    )


def test_networks_have_the_bits_of_the_same_arrays(cifar):
    folder, arrays = cifar
    blocks = [{"kind": "conv", "features": 2, "size": 5, "stride": 3}]
    for model in ({"hidden": [5]}, {"kind": "cnn", "blocks": blocks, "norm": "batch"}):
        experiment = {"model": model, "train": {"epochs": 1, "batch_size": 10}, "figures": []}
        named = {**experiment, "data": {"name": str(folder), "test": "all"}}
        files, memory = bnexp.run(named).metrics, bnexp.run(experiment, data=arrays).metrics
        assert files["train_loss"].tolist() == memory["train_loss"].tolist()
        assert files["test_loss"].tolist() == memory["test_loss"].tolist()


def test_the_python_version_is_not_read(tmp_path):
    folder = tmp_path / PYTHON_FOLDER
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"data_batch_{number}").write_bytes(pickle.dumps({b"data": []}))
    for place in (folder, tmp_path):
        with pytest.raises(DataError) as error:
            load(str(place))
        text = "\n".join(error.value.args)
        assert "expected data_batch_1.bin, got data_batch_1" in text
        assert "never reads them" in text
        assert "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), r"missing data_batch_2\.bin, expected CIFAR-10's six files"),
        (lambda path: path.write_bytes(b""), r"data_batch_2\.bin: expected records of 3073 bytes"),
        (lambda path: path.write_bytes(b"\1" * 3074), "in three colors, got 3074 bytes"),
        (lambda path: path.write_bytes(b"\x0a" * 3073), "expected labels from 0 to 9, got 10"),
    ],
)
def test_files_that_are_missing_or_damaged(cifar, change, message):
    change(cifar[0] / TRAIN[1])
    with pytest.raises(DataError, match=message):
        load(str(cifar[0]))
