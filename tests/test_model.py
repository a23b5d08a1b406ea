"""One trained network: the numbers of a run, and what it is asked."""

from __future__ import annotations

import numpy as np
import pytest
from model_cases import CNN, NORMS, ONE, evaluation

import bnexp
from bnexp.data import load

TESTS = load("synthetic")


@pytest.mark.parametrize("name", ["running", "debiased", "population", "batch", "none", "weight"])
def test_it_has_the_numbers_of_a_run_to_the_last_bit(small, name):
    """Of one network among six, blank pixels left out."""
    changes = {"sweep.model.norm": [NORMS[name]], "random.seeds": [0, 1], "data.test": 300}
    config = bnexp.load_config(small, changes)
    summary = bnexp.run(config).summary
    row = (summary["model.init.std"] == 0.3) & (summary["seed"] == 1)
    model = bnexp.fit(config, {"model.init.std": 0.3}, seed=1)
    images = {
        "train": (TESTS.train_images[:200], TESTS.train_labels[:200]),
        "test": (TESTS.test_images[:300], TESTS.test_labels[:300]),
    }
    for part, (pixels, labels) in images.items():
        scores = model.score(pixels, labels)
        if part == "test":
            for metric, value in scores.items():
                assert value == summary[f"final_{part}_{metric}"][row].item()
        else:  # in training the pixels were summed up in another order
            assert scores["loss"] == pytest.approx(summary["final_train_loss"][row].item(), 1e-5)
    right = model.predict(images["test"][0]) == images["test"][1]
    assert right.mean() == summary["final_test_accuracy"][row].item()


@pytest.mark.parametrize("norm", [evaluation("running"), evaluation("population"), "weight"])
def test_a_cnn_has_the_numbers_of_a_run(config_file, norm):
    config = bnexp.load_config(config_file(CNN), {**ONE, "model.norm": norm})
    summary, model = bnexp.run(config).summary, bnexp.fit(config)
    scores = model.score(TESTS.test_images[:300], TESTS.test_labels[:300])
    assert scores["loss"] == summary["final_test_loss"].item()
    assert scores["accuracy"] == summary["final_test_accuracy"].item()


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_images_of_every_form_have_the_same_answers(fit, kind):
    model, images = fit(kind), TESTS.test_images[:260]
    expected = model.logits(images)
    assert expected.shape == (260, 10)
    assert expected.dtype == np.float32
    shares = model.probabilities(images)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.diff(np.log(shares)), np.diff(expected), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(model.predict(images), expected.argmax(axis=1))
    numbers = np.divide(images, np.float32(255), dtype=np.float32)
    for given in (images, images.astype(int), numbers, numbers.astype(float)):
        for shape in ((260, 28, 28), (260, 28, 28, 1), (260, 784)):
            np.testing.assert_array_equal(model.logits(given.reshape(shape)), expected)
    np.testing.assert_array_equal(model.logits(images[:3].tolist()), model.logits(images[:3]))
    np.testing.assert_allclose(model.logits(images[:1]), expected[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["none", evaluation("batch")])
def test_no_image_has_no_answer(fit, norm):
    model, none = fit(model__norm=norm), TESTS.test_images[:0]
    assert model.logits(none).shape == model.probabilities(none).shape == (0, 10)
    assert model.predict(none).shape == (0,)
    with pytest.raises(bnexp.ConfigError, match="at least one image"):
        model.score(none, [])


PIXELS = np.zeros((2, 784), np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros(784), None, r"images: expected 784 pixels each, .*got \(784,\)"),
        (np.zeros((28, 28)), None, r"got \(28, 28\)"),
        (np.zeros((3, 783)), None, r"\(n, 28, 28, 1\), got \(3, 783\)"),
        (5, [1], r"got \(\)"),
        (np.full((1, 784), 256), None, "whole numbers from 0 to 255, got 256 to 256"),
        (np.full((1, 784), -1), None, "whole numbers from 0 to 255, got -1 to -1"),
        ([["a"] * 784], None, "images: expected real numbers"),
        (np.ones((1, 784), complex), None, "images: expected real numbers"),
        ([[1, 2], [3]], None, "images: expected an array"),
        (PIXELS, [1], r"labels: expected one for each of 2 images.*got \(1,\)"),
        (PIXELS, [[1, 2]], r"got \(1, 2\)"),
        (PIXELS, [1, 10], "labels: expected whole numbers from 0 to 9, got 1 to 10"),
        (PIXELS, [-1, 0], "labels: expected whole numbers from 0 to 9, got -1 to 0"),
        (PIXELS, [1.0, 2.0], "labels: expected whole numbers from 0 to 9, got float64"),
    ],
)
def test_what_cannot_be_asked(fit, images, labels, message):
    model = fit()
    with pytest.raises(bnexp.ConfigError, match=message):
        model.predict(images) if labels is None else model.score(images, labels)


@pytest.mark.parametrize("norm", ["none", evaluation("population"), evaluation("batch")])
def test_a_network_that_diverged_answers_without_a_warning(fit, norm):
    init = {"kind": "normal", "std": 1e30}
    model = fit(model__norm=norm, model__init=init)
    assert model.logits(TESTS.test_images[:5]).shape == (5, 10)
    if norm == "none":
        assert np.isnan(model.probabilities(TESTS.test_images[:5])).all()
        assert np.isnan(model.score(TESTS.test_images[:5], TESTS.test_labels[:5])["loss"])


@pytest.mark.parametrize(
    ("point", "seed", "message"),
    [
        ({}, None, "name one network, got 12; model.init.std: 10.0, 0.3, 0.01; model.norm: batch"),
        ({"model.init.std": 0.3, "model.norm": "none"}, None, "got 2; .*seeds: 0, 1"),
        ({"model.init.std": 0.3, "model.norm": "none"}, 7, "got 0"),
        ({"train.epochs": 3}, 0, "fit: train.epochs: not swept, expected one of model.init.std, "),
        (
            {"model.norm": "layer"},
            0,
            "fit: model.norm: no value of the axis, expected one of batch",
        ),
    ],
)
def test_a_point_that_names_no_single_network(small, point, seed, message):
    with pytest.raises(bnexp.ConfigError, match=message):
        bnexp.fit(bnexp.load_config(small), point, seed)


def test_layers_that_do_not_fit(fit):
    with pytest.raises(bnexp.ConfigError, match="layers do not fit together, a window of 40"):
        fit("cnn", model__blocks=[{"kind": "conv", "features": 3, "size": 40}])


def test_a_mistake_of_a_point_has_its_place(config_file):
    text = "{extends: quickstart, sweep: {train.evaluate: [epoch, [999999]], model.init.std: null}}"
    path = config_file(text)
    with pytest.raises(bnexp.ConfigError) as error:
        bnexp.fit(bnexp.load_config(path), {"train.evaluate": "[999999]", "model.norm": "none"})
    place = f"{path}:1:{text.index('[999999]') + 1}: sweep.train.evaluate[1]: after the end, "
    assert str(error.value).startswith(place)
