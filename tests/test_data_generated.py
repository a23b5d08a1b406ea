"""Data sets that are made on the spot."""

import numpy as np
import pytest

from bnexp.data import DATASETS, info, load
from bnexp.data.generated import GENERATED

pytestmark = pytest.mark.usefixtures("own_places")


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


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_set_is_what_its_facts_say(name):
    data, facts = load(name), DATASETS[name]
    for part in ("train", "test"):
        images, labels = getattr(data, f"{part}_images"), getattr(data, f"{part}_labels")
        assert images.shape == (getattr(facts, part), *facts.image_shape)
        assert set(labels.tolist()) == set(range(facts.classes))
    assert data.name == name
    assert data.sha256 == facts.sha256


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
