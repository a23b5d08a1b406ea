"""Dropout: its share, its scale, and masks that are a function of key and step."""

from __future__ import annotations

import numpy as np
import pytest

import bnexp
from bnexp.nn import Dropout


def state(*keys, steps=0):
    return {
        "key": np.array(keys, np.uint64)[:, None],
        "steps": np.full((len(keys), 1), steps, np.uint64),
    }


@pytest.mark.parametrize(("scale", "factor"), [("inverted", 1 / 0.7), ("evaluation", 1.0)])
def test_a_share_is_dropped_and_the_rest_scaled(scale, factor):
    layer, x = Dropout(0.3, scale), np.ones((2, 100, 50))
    y, cache, _ = layer.forward({}, state(1, 2), x, train=True)
    assert set(np.unique(y)) == {0.0, factor}
    assert np.mean(y == 0) == pytest.approx(0.3, abs=0.02)
    assert not np.array_equal(y[0], y[1])
    dy = np.random.default_rng(0).standard_normal(x.shape)
    np.testing.assert_array_equal(layer.backward({}, cache, dy)[0], dy * (y / x))


@pytest.mark.parametrize(("scale", "factor"), [("inverted", 1.0), ("evaluation", 0.7)])
def test_evaluation_drops_nothing(scale, factor):
    layer, x = Dropout(0.3, scale), np.random.default_rng(0).standard_normal((1, 4, 5))
    y, cache, _ = layer.forward({}, state(1), x, train=False)
    np.testing.assert_array_equal(y, x * factor)
    np.testing.assert_array_equal(layer.backward({}, cache, x)[0], x * factor)


def test_the_two_scales_agree_in_the_mean():
    x = np.full((1, 1000, 200), 3.0)
    for scale in ("inverted", "evaluation"):
        layer = Dropout(0.5, scale)
        trained = layer.forward({}, state(7), x, train=True)[0].mean()
        assert trained == pytest.approx(
            layer.forward({}, state(7), x, train=False)[0].mean(), rel=0.01
        )


def test_masks_are_a_function_of_key_and_step():
    layer, x = Dropout(0.5), np.ones((1, 20, 30), np.float32)
    first, _, after = layer.forward({}, state(5), x, train=True)
    second, _, _ = layer.forward({}, after, x, train=True)
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(layer.forward({}, state(5), x, train=True)[0], first)
    np.testing.assert_array_equal(layer.forward({}, state(5, steps=1), x, train=True)[0], second)
    both = layer.forward({}, state(9, 5), np.ones((2, 20, 30), np.float32), train=True)[0]
    np.testing.assert_array_equal(both[1], first[0])


def test_networks_of_a_seed_share_weights_with_and_without_dropout(small):
    config = bnexp.load_config(
        small,
        {
            "train.evaluate": [0, 4],
            "sweep.model.norm": None,
            "sweep.model.init.std": None,
            "sweep.model.dropout": [{"ratio": 0.5}, None],
        },
    )
    metrics = bnexp.run(config).metrics
    start = metrics["train_loss"][(metrics["step"] == 0) & (metrics["seed"] == 0)]
    later = metrics["train_loss"][(metrics["step"] == 4) & (metrics["seed"] == 0)]
    assert start[0] == start[1]
    assert later[0] != later[1]
