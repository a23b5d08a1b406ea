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


def test_whole_numbers_are_bytes_whatever_their_type(fit):
    model, images = fit(), TESTS.test_images[:5]
    for kind in (np.float32, np.float64, np.int64):
        np.testing.assert_array_equal(model.logits(images.astype(kind)), model.logits(images))


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
        (
            np.full((1, 784), 3.5),
            None,
            r"expected pixels in \[0, 1\], or whole numbers from 0 to 255",
        ),
        (np.full((1, 784), 256.0), None, "got 256 to 256; divide bytes by 255"),
        (np.ma.array(PIXELS), None, "images: expected an array without a mask"),
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
        ({"train.epochs": 3}, 0, "got 6; model.init.std: 10.0, 0.3, 0.01; model.norm: batch, none"),
        ({"model.norm": "layer"}, 0, "got 3; model.init.std: 10.0, 0.3, 0.01; seeds: 0, 1"),
        ({"model.norm": "bacth"}, 0, r"^model\.norm: unknown kind, .*did you mean 'batch'"),
        ({"model.nrm": "batch"}, 0, r"^model\.nrm: unknown key, .*did you mean 'norm'"),
        ({"model.init.std": {"at_least": 11}}, 0, "model.init.std: no value of the axis, expected"),
    ],
)
def test_a_point_that_names_no_single_network(small, point, seed, message):
    with pytest.raises(bnexp.ConfigError, match=message):
        bnexp.fit(bnexp.load_config(small), point, seed)


def test_a_value_that_is_not_swept_is_that_of_an_experiment_that_has_it(small):
    """Beside the sweep: another weight scale, another length, another seed."""
    changes = {"sweep.model.init.std": [0.17], "train.epochs": 2, "random.seeds": [9]}
    changes["sweep.model.norm"] = ["layer"]
    summary = bnexp.run(bnexp.load_config(small, changes)).summary
    point = {"model.init.std": 0.17, "train.epochs": 2, "model.norm": "layer"}
    model = bnexp.fit(small, point, seed=9)
    assert (model.seed, model.setting.model.init.std) == (9, 0.17)
    assert model.history["train_loss"][-1] == summary["final_train_loss"].item()
    assert model.history["step"].tolist() == [4, 8]


def test_a_near_value_and_a_label_that_could_be_two(small):
    near = bnexp.fit(small, {"model.init.std": 0.3001, "model.norm": None}, seed=0)
    assert near.setting.model.init.std == 0.3
    dialects = [{"kind": "batch", "dialect": name} for name in ("book", "keras")]
    config = bnexp.load_config(small, {"sweep.model.norm": dialects})
    with pytest.raises(bnexp.ConfigError, match=r"model\.norm: several values of the axis"):
        bnexp.fit(config, {"model.init.std": 0.3, "model.norm": "batch"}, seed=0)


def test_zipped_axes_lose_only_the_one_that_is_set(small):
    zipped = {"train.epochs": [1, 2], "train.batch_size": [20, 40]}
    no_axes = {"sweep.model.init.std": None, "sweep.model.norm": None}
    config = bnexp.load_config(small, {**no_axes, "sweep.zip": zipped})
    model = bnexp.fit(config, {"train.epochs": 3, "train.batch_size": 40}, seed=0)
    assert (model.setting.train.epochs, model.setting.train.batch_size) == (3, 40)


def test_its_history_is_that_of_the_run(small):
    config = bnexp.load_config(small, {"data.test": 50, "train.metrics": ["confidence"]})
    metrics = bnexp.run(config).metrics
    rows = (metrics["model.init.std"] == 0.3) & (metrics["model.norm"] == "batch")
    rows &= metrics["seed"] == 1
    model = bnexp.fit(config, {"model.init.std": 0.3, "model.norm": "batch"}, seed=1)
    names = ["epoch", "step", "train_loss", "train_accuracy", "train_confidence"]
    assert {*model.history} == {*names, "test_loss", "test_accuracy", "test_confidence"}
    for name, column in model.history.items():
        assert column.tolist() == metrics[name][rows].tolist()
    assert repr(model.history).startswith("3 rows x 8 columns")


def test_a_model_of_arrays_scores_their_test_images(small, tmp_path):
    arrays = TESTS.train_images[:200], TESTS.train_labels[:200]
    tests = TESTS.test_images[:40], TESTS.test_labels[:40]
    point = {"model.init.std": 0.3, "model.norm": "batch"}
    model = bnexp.fit(small, point, 0, data=(*arrays, *tests))
    assert model.score(*tests)["loss"] == model.history["test_loss"][-1]
    stored = bnexp.load_model(bnexp.save_model(model, tmp_path / "model.npz"))
    assert stored.score(*tests) == model.score(*tests)
    assert repr(stored.history) == "0 rows x 0 columns"
    same = bnexp.fit(small, point, 0)
    assert model.history["train_loss"].tolist() == same.history["train_loss"].tolist()


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
