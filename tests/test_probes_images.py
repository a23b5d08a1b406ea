"""Filters and mistakes as probes record them, against the weights and answers of `bnexp.fit`."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bnexp
from bnexp.data import load
from bnexp.errors import ConfigError
from bnexp.nn import Conv, Dense, Flatten, MaxPool, Normal, Sequential, WeightNorm
from bnexp.probes.images import (
    Confusion,
    Filters,
    decode_filters,
    decode_mistakes,
    roughness,
    seen_by,
)

pytestmark = pytest.mark.usefixtures("one_blas_thread")

CNN = {
    "kind": "cnn",
    "blocks": [{"kind": "conv", "features": 3, "size": 4}, {"kind": "max_pool"}],
}
COMMON = {
    "data": {"name": "synthetic", "train": 120, "test": 50},
    "train": {"epochs": 2, "batch_size": 30, "optimizer": {"kind": "sgd", "lr": 0.1}},
    "probes": {"at": "ends", "read": ["filters", {"kind": "confusion", "mistakes": 4}]},
    "sweep": {"model.init.std": [0.1, 3.0]},
}
CASES = {
    "mlp": {"model": {"hidden": [12], "norm": "batch"}},
    "weight norm": {"model": {"hidden": [12], "norm": "weight"}},
    "mean only": {"model": {"hidden": [12], "norm": {"kind": "weight", "mean_only": True}}},
    "no hidden layer": {"model": {"hidden": []}},
    "population statistics": {
        "model": {"hidden": [12], "norm": {"kind": "batch", "evaluation": "population"}}
    },
    "cnn": {"model": CNN},
    "centered pixels": {"model": {"hidden": [12]}, "data": {**COMMON["data"], "pixels": "centred"}},
    "book": {
        "model": {"hidden": [12], "norm": "batch"},
        "random": {"stream": "book"},
        "train": {**COMMON["train"], "precision": "float64", "sampling": "with_replacement"},
    },
}


def values_of(result, quantity, step, std):
    table = result.probes
    chosen = (table["quantity"] == quantity) & (table["step"] == step)
    chosen &= table["model.init.std"] == std
    np.testing.assert_array_equal(table["at"][chosen], np.arange(chosen.sum()))
    return table["value"][chosen]


def effective(parameters):
    if "W" in parameters:
        return parameters["W"]
    v = parameters["direction"]
    return np.array(
        [g * u / np.linalg.norm(u) for g, u in zip(parameters["length"][0], v.T, strict=True)]
    ).T


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("std", [0.1, 3.0])
def test_what_is_recorded_is_what_the_network_has_and_answers(case, std):
    experiment = {**COMMON, **CASES[case]}
    experiment["model"] = {**experiment["model"], "init": {"kind": "normal", "std": 1.0}}
    result = bnexp.run(experiment)
    data, last = load("synthetic"), int(result.metrics["step"].max())
    model = bnexp.fit(experiment, {"model.init.std": std})
    first = next(p for p in model.parameters if {"W", "direction"} & {*p})
    weights = effective(
        {name: array[0] if array.ndim == 3 else array for name, array in first.items()}
    )
    side = 4 if case == "cnn" else data.train_images.shape[1]
    filters = decode_filters(values_of(result, "filter", last, std))
    assert filters.shape == (min(weights.shape[1], 10), side, side, 1)
    for unit, image in enumerate(filters):
        for row in range(side):
            np.testing.assert_allclose(
                image[row, :, 0], weights[row * side : (row + 1) * side, unit], rtol=1e-6
            )
    rough = (result.probes["quantity"] == "roughness") & (result.probes["step"] == last)
    rough &= result.probes["model.init.std"] == std
    assert result.probes["value"][rough].item() == pytest.approx(roughness(filters), rel=1e-6)
    before = decode_filters(values_of(result, "filter", 0, std))
    assert not np.array_equal(before, filters)

    images, labels = data.test_images[:50], data.test_labels[:50]
    answers, probabilities = model.predict(images), model.probabilities(images)
    classes = probabilities.shape[1]
    table = values_of(result, "confusion", last, std).reshape(classes, classes)
    for c in range(classes):
        for d in range(classes):
            assert table[c, d] == sum(
                a == d for a, label in zip(answers, labels, strict=True) if label == c
            )
    is_last = (result.metrics["step"] == last) & (result.metrics["model.init.std"] == std)
    assert np.trace(table) / 50 == pytest.approx(result.metrics["test_accuracy"][is_last].item())

    mistakes = decode_mistakes(values_of(result, "mistake", last, std))
    wrong = [n for n in range(50) if answers[n] != labels[n]]
    assert len(mistakes) == min(4, len(wrong))
    for mistake in mistakes:
        same = [
            n
            for n in wrong
            if np.array_equal(
                images[n].reshape(side_of(data), side_of(data), 1) / 255, mistake.image
            )
        ]
        assert any(
            (labels[n], answers[n]) == (mistake.label, mistake.answer)
            and math.isclose(probabilities[n].max(), mistake.probability, rel_tol=1e-4)
            for n in same
        )
    confident = sorted((probabilities[n].max() for n in wrong), reverse=True)[:4]
    np.testing.assert_allclose([m.probability for m in mistakes], confident, rtol=1e-4)


def test_roughness_is_1_for_independent_weights_and_near_0_for_smooth_ones():
    noise = np.random.default_rng(3).normal(size=(400, 5, 6, 2))
    assert roughness(noise) == pytest.approx(1, abs=0.05)
    squares = [
        (f[i, j, c] - f[k, m, c]) ** 2
        for f in noise[:2]
        for c in range(2)
        for i, j, k, m in [(i, j, i + 1, j) for i in range(4) for j in range(6)]
        + [(i, j, i, j + 1) for i in range(5) for j in range(5)]
    ]
    variance = np.mean([np.var(f, ddof=1) for f in noise[:2]])
    assert roughness(noise[:2]) == pytest.approx(np.mean(squares) / (2 * variance))
    slope = np.arange(6.0) * np.ones((1, 5, 1))
    assert roughness(slope[..., None]) == pytest.approx(25 / 49 / (2 * np.var(slope, ddof=1)))
    assert math.isnan(roughness(noise[:, :1, :1]))


def side_of(data):
    return data.train_images.shape[1]


def test_a_network_that_is_right_everywhere_has_no_mistakes():
    experiment = {
        **COMMON,
        "model": {"hidden": [20]},
        "sweep": {},
        "data": {"name": "synthetic", "train": 800, "test": 3},
    }
    experiment["train"] = {**COMMON["train"], "epochs": 10}
    result = bnexp.run(experiment)
    last = result.probes["step"] == result.probes["step"].max()
    values = result.probes["value"][last & (result.probes["quantity"] == "mistake")]
    side = side_of(load("synthetic"))
    assert result.summary["final_test_accuracy"].item() == 1.0
    assert values[:3].tolist() == [side, side, 1]
    assert np.isnan(values[3:]).all()
    assert len(values) == 3 + 4 * (3 + side**2)
    assert decode_mistakes(values) == []


def test_networks_that_diverged_are_recorded_as_they_are():
    experiment = {**COMMON, "model": {"hidden": [5]}, "sweep": {}}
    experiment["train"] = {**COMMON["train"], "optimizer": {"kind": "sgd", "lr": 1e30}}
    probes = bnexp.run(experiment).probes
    table = probes["value"][(probes["quantity"] == "confusion") & (probes["step"] > 0)]
    table = table.reshape(10, 10)
    assert table[:, 0].sum() == table.sum() == 50  # as argmax of NaN is 0
    mistakes = probes["value"][(probes["quantity"] == "mistake") & (probes["step"] > 0)]
    assert all(math.isnan(m.probability) and m.answer == 0 for m in decode_mistakes(mistakes))


def test_a_confusion_without_test_images_is_refused():
    experiment = {
        **COMMON,
        "model": {"hidden": [5]},
        "sweep": {},
        "data": {"name": "synthetic", "train": 120, "test": 0},
    }
    with pytest.raises(ConfigError, match=r"read\[1\]: no test images, expected data.test above 0"):
        bnexp.load_config(experiment)
    validated = {
        **experiment,
        "data": {"name": "synthetic", "train": 120, "validation": 20, "test": 0},
    }
    probes = bnexp.run(validated).probes
    counts = (probes["quantity"] == "confusion") & (probes["step"] == 0)
    assert probes["value"][counts].sum() == 20


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([Dense(5, Normal(1.0))], (7, 6, 3)),
        ([Conv(5, 3, Normal(1.0))], (3, 3, 3)),
        ([MaxPool(2), Flatten(), Dense(5, Normal(1.0))], (3, 3, 3)),
        ([MaxPool(2), Conv(5, 2, Normal(1.0))], (2, 2, 3)),
        ([WeightNorm(mean_only=True).around(Conv(5, 2, Normal(1.0)))], (2, 2, 3)),
    ],
)
def test_what_a_unit_sees_and_how_many_numbers_that_is(layers, shape):
    network = Sequential((*layers, Dense(4, Normal(1.0))))
    first = len(layers) - 1
    assert seen_by(network, first, (7, 6, 3)) == shape
    assert Filters(units=9).numbers(network, (7, 6, 3), 4) == 4 + 5 * math.prod(shape)
    assert Confusion(mistakes=2).numbers(network, (7, 6, 3), 4) == 16 + 3 + 2 * (3 + 7 * 6 * 3)
