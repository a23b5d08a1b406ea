"""The trajectory figure: the paths of optimizers, against the book's formulas in plain numbers."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from figure_results import W, figure, notes, results, titles

import bnexp
from bnexp.config.load import resolved
from bnexp.errors import ConfigError
from bnexp.runs.tables import Axis

OPTIMIZER = "train.optimizer"


def path_of(axes):
    (line,) = [line for line in axes.lines if line.get_label() == "path"]
    return line.get_xydata()


def gradient(w):
    return [w[0] / 10, 2 * w[1]]


def sgd(w, lr, steps):
    for _ in range(steps):
        yield (w := [a - lr * g for a, g in zip(w, gradient(w), strict=True)])


def momentum(w, lr, steps):
    v = [0.0, 0.0]
    for _ in range(steps):
        v = [0.9 * b - lr * g for b, g in zip(v, gradient(w), strict=True)]
        yield (w := [a + b for a, b in zip(w, v, strict=True)])


def adagrad(w, lr, steps):
    h = [0.0, 0.0]
    for _ in range(steps):
        g = gradient(w)
        h = [b + c * c for b, c in zip(h, g, strict=True)]
        yield (w := [w[i] - lr * g[i] / (sqrt(h[i]) + 1e-7) for i in range(2)])


def adam(w, lr, steps):
    m, v = [0.0, 0.0], [0.0, 0.0]
    for t in range(1, steps + 1):
        g = gradient(w)
        m = [0.9 * m[i] + 0.1 * g[i] for i in range(2)]
        v = [0.999 * v[i] + 0.001 * g[i] ** 2 for i in range(2)]
        rate = lr * sqrt(1 - 0.999**t) / (1 - 0.9**t)
        yield (w := [w[i] - rate * m[i] / (sqrt(v[i]) + 1e-7) for i in range(2)])


OF_BOOK = [(sgd, 0.95), (momentum, 0.1), (adagrad, 1.5), (adam, 0.3)]


def test_the_books_figure_by_default():
    drawn = figure(results(()), "trajectory")
    assert titles(drawn) == [
        "SGD, learning rate 0.95",
        "momentum, learning rate 0.1",
        "AdaGrad, learning rate 1.5",
        "Adam, learning rate 0.3",
    ]
    assert notes(drawn) == ["30 steps over x²/20 + y² from (-7, 2); +: the minimum"]
    for axes, (rule, rate) in zip(drawn.axes, OF_BOOK, strict=True):
        path = path_of(axes)
        assert path[0].tolist() == [-7, 2]
        np.testing.assert_allclose(path[1:], list(rule([-7.0, 2.0], rate, 30)), rtol=1e-9)
        assert axes.get_xlim()[0] < -7
        assert axes.get_ylim()[1] > 2


def test_optimizers_start_and_steps_of_ones_own():
    options = {"optimizers": [{"kind": "momentum", "lr": 0.05}], "steps": 7, "start": [3, -1]}
    (axes,) = figure(results(()), "trajectory", **options).axes
    expected = [[3, -1], *momentum([3.0, -1.0], 0.05, 7)]
    np.testing.assert_allclose(path_of(axes), expected, rtol=1e-12)


def test_the_optimizers_of_the_sweep_with_their_rates():
    labels = ("sgd lr=0.3", "adam")
    axis = Axis(OPTIMIZER, labels, {labels[0]: {"kind": "sgd", "lr": 0.3}, "adam": "adam"})
    drawn = figure(results((axis,)), "trajectory", optimizers="swept")
    assert titles(drawn) == ["SGD, learning rate 0.3", "Adam, learning rate 0.001"]
    np.testing.assert_allclose(path_of(drawn.axes[0])[1:], list(sgd([-7.0, 2.0], 0.3, 30)))
    without = results((Axis(W, (1.0, 2.0)),))
    with pytest.raises(
        ConfigError, match=r"optimizers: not a swept key, expected model\.init\.std"
    ):
        figure(without, "trajectory", optimizers="swept")


def test_a_rate_that_diverges_leaves_the_axes_as_they_are():
    drawn = figure(results(()), "trajectory", optimizers=[{"kind": "sgd", "lr": 1e200}, "sgd"])
    assert max(*drawn.axes[0].get_xlim(), *drawn.axes[0].get_ylim()) <= 10


@pytest.mark.parametrize("start", [[0, 0], [10.5, 1]])
def test_a_start_that_shows_nothing_is_refused(start):
    with pytest.raises(ConfigError, match="start: not on the axes, expected numbers from -10 to"):
        figure(results(()), "trajectory", start=start)


def test_too_many_panels_are_refused():
    with pytest.raises(ConfigError, match="at most 12 optimizers, got 13"):
        figure(results(()), "trajectory", optimizers=["sgd"] * 13)


def test_an_experiment_may_ask_for_it_and_it_is_stated_as_it_was():
    asked = {"kind": "trajectory", "optimizers": [{"kind": "adam", "dialect": "book", "lr": 0.1}]}
    config = bnexp.load_config("quickstart", {"figures": [asked, "trajectory"]})
    own, default = config.experiment.figures
    assert own.optimizers[0].lr == 0.1
    assert default == replace(own, optimizers=None)
    assert bnexp.load_config(resolved(config)).experiment.figures == (own, default)
