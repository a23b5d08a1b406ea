"""The functions of CS231n's assignment 2, checked as its notebook checks them."""

from __future__ import annotations

import numpy as np
import pytest

from bnexp.nn import functional as F


def numeric_gradient(f, x, df, h=1e-5):
    """The notebook's eval_numerical_gradient_array: central differences, number by number."""
    gradient = np.empty_like(x)
    for at in np.ndindex(x.shape):
        before = x[at]
        x[at] = before + h
        above = f()
        x[at] = before - h
        below = f()
        x[at] = before
        gradient[at] = np.sum((above - below) * df) / (2 * h)
    return gradient


def rel_error(x, y):
    """The notebook's: the largest |x - y| / (|x| + |y|) of any number."""
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


def check(forward, backward, x, gamma, beta, dout, limit=1e-6):
    """The three gradients of one pair of functions; `forward()` reads the three arrays.

    The notebook accepts 1e-8 in most numbers; of the smallest, differences lose more digits.
    """
    made = backward(dout, forward()[1])
    for gradient, at in zip(made, (x, gamma, beta), strict=True):
        assert gradient.shape == at.shape
        assert rel_error(numeric_gradient(lambda: forward()[0], at, dout), gradient) < limit


def rows(scale=5, shift=12):
    """x (4, 5), gamma, beta and dout as the notebook draws them."""
    random = np.random.RandomState(231)
    x = scale * random.randn(4, 5) + shift
    return x, random.randn(5), random.randn(5), random.randn(4, 5)


def images(channels=3, affine=None):
    random = np.random.RandomState(231)
    x = 5 * random.randn(2, channels, 4, 5) + 12
    gamma, beta = random.randn(2, channels)
    return x, gamma.reshape(affine or -1), beta.reshape(affine or -1), random.randn(*x.shape)


@pytest.mark.parametrize("backward", [F.batchnorm_backward, F.batchnorm_backward_alt])
def test_batchnorm_gradients(backward):
    x, gamma, beta, dout = rows()
    check(
        lambda: F.batchnorm_forward(x, gamma, beta, {"mode": "train"}),
        backward,
        *(x, gamma, beta, dout),
    )


def test_batchnorm_gradients_at_test_time():
    x, gamma, beta, dout = rows()
    statistics = {"running_mean": x.mean(axis=0) + 1, "running_var": 2 * x.var(axis=0)}
    check(
        lambda: F.batchnorm_forward(x, gamma, beta, {"mode": "test", **statistics}),
        F.batchnorm_backward,
        *(x, gamma, beta, dout),
    )


def test_layernorm_gradients():
    x, gamma, beta, dout = rows()
    check(
        lambda: F.layernorm_forward(x, gamma, beta, {}),
        F.layernorm_backward,
        *(x, gamma, beta, dout),
    )


def test_spatial_batchnorm_gradients():
    x, gamma, beta, dout = images()
    check(
        lambda: F.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"}),
        F.spatial_batchnorm_backward,
        *(x, gamma, beta, dout),
    )


@pytest.mark.parametrize("affine", [(6,), (1, 6, 1, 1)])
def test_spatial_groupnorm_gradients(affine):
    x, gamma, beta, dout = images(6, affine)
    check(
        lambda: F.spatial_groupnorm_forward(x, gamma, beta, 2, {}),
        F.spatial_groupnorm_backward,
        *(x, gamma, beta, dout),
    )


def test_gradients_have_each_their_own_given_shape():
    x, gamma, beta, dout = images(6)
    _, cache = F.spatial_groupnorm_forward(x, gamma, beta.reshape(1, 6, 1, 1), 3, {})
    shapes = [g.shape for g in F.spatial_groupnorm_backward(dout, cache)]
    assert shapes == [(2, 6, 4, 5), (6,), (1, 6, 1, 1)]


def test_the_two_backward_passes_agree_and_are_two():
    """The notebook's comparison cell: a difference of rounding, which is not nothing."""
    random = np.random.RandomState(231)
    x, dout = 5 * random.randn(100, 500) + 12, random.randn(100, 500)
    gamma, beta = random.randn(500), random.randn(500)
    _, cache = F.batchnorm_forward(x, gamma, beta, {"mode": "train"})
    graph, closed = F.batchnorm_backward(dout, cache), F.batchnorm_backward_alt(dout, cache)
    for ours, theirs in zip(graph, closed, strict=True):
        assert rel_error(ours, theirs) < 1e-8
    assert (graph[0] != closed[0]).mean() > 0.5


@pytest.mark.parametrize(
    "x",
    [
        [[1, 2], [3, 5], [8, 1]],
        np.array([[1, 2], [3, 5], [8, 1]]),
        [[1.0, 2.0], [3.0, 5.0], [8.0, 1.0]],
    ],
    ids=["list", "integers", "floats"],
)
@pytest.mark.parametrize("backward", [F.batchnorm_backward, F.batchnorm_backward_alt])
def test_lists_and_integers_are_floats(x, backward):
    array = np.array(x, dtype=np.float64)
    settings = {"mode": "train", "running_mean": [1, 2], "running_var": None}
    out, cache = F.batchnorm_forward(x, [2, 3], [1, 0], settings)
    std = np.sqrt(array.var(axis=0) + 1e-5)
    expected = np.array([2, 3]) * (array - array.mean(axis=0)) / std + np.array([1, 0])
    np.testing.assert_allclose(out, expected, rtol=1e-13)
    np.testing.assert_allclose(settings["running_mean"], [0.9 + 0.4, 1.8 + 0.8 / 3])
    np.testing.assert_allclose(settings["running_var"], 0.1 * array.var(axis=0))
    dout = [[1, 0], [0, 2], [1, 1]]
    dx, dgamma, dbeta = backward(dout, cache)
    xhat = (array - array.mean(axis=0)) / std
    np.testing.assert_allclose(dgamma, (np.array(dout) * xhat).sum(axis=0), rtol=1e-13)
    np.testing.assert_array_equal(dbeta, [2, 3])
    assert (dx.dtype, dx.shape) == (np.float64, (3, 2))


@pytest.mark.parametrize("forward", ["batchnorm", "layernorm", "groupnorm"])
def test_gamma_and_beta_can_be_numbers_or_none(forward):
    """A number serves all features and has a gradient of each; None is no parameter."""
    x, dout = images(6)[0], images(6)[3]
    rows, drows = x.reshape(2, -1)[:, :5], dout.reshape(2, -1)[:, :5]

    def both(gamma, beta):
        if forward == "groupnorm":
            out, cache = F.spatial_groupnorm_forward(x, gamma, beta, 2, None)
            return out, F.spatial_groupnorm_backward(dout, cache)
        if forward == "layernorm":
            out, cache = F.layernorm_forward(rows, gamma, beta, None)
            return out, F.layernorm_backward(drows, cache)
        out, cache = F.batchnorm_forward(rows, gamma, beta, {"mode": "train"})
        return out, F.batchnorm_backward(drows, cache)

    number = 6 if forward == "groupnorm" else 5
    expected = both(np.full(number, 2.0), np.full(number, 3.0))
    made = both(2, 3)
    np.testing.assert_array_equal(made[0], expected[0])
    for ours, theirs in zip(made[1], expected[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    out, (dx, dgamma, dbeta) = both(None, None)
    plain, (expected_dx, *_) = both(np.ones(number), np.zeros(number))
    np.testing.assert_array_equal(out, plain)
    np.testing.assert_array_equal(dx, expected_dx)
    assert dgamma is dbeta is None


def test_batchnorm_backward_is_the_closed_form():
    """dx = gamma / sqrt(var + eps) (dout - mean(dout) - xhat mean(dout xhat))."""
    x, gamma, beta, dout = rows()
    _, cache = F.batchnorm_forward(x, gamma, beta, {"mode": "train"})
    std = np.sqrt(x.var(axis=0) + 1e-5)
    xhat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (dout - dout.mean(axis=0) - xhat * (dout * xhat).mean(axis=0))
    expected = dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)
    for ours, theirs in zip(F.batchnorm_backward_alt(dout, cache), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def hidden(random, w1, w2):
    return np.maximum(0, random.randn(200, 50) @ w1) @ w2


def test_batchnorm_forward():
    """The notebook's cell: means and deviations before, as it prints them, and after."""
    random = np.random.RandomState(231)
    x, w1, w2 = (random.randn(*shape) for shape in ((200, 50), (50, 60), (60, 3)))
    a = np.maximum(0, x @ w1) @ w2
    assert [f"{v:.3f}" for v in a.mean(axis=0)] == ["-2.381", "-13.180", "1.918"]
    assert [f"{v:.3f}" for v in a.std(axis=0)] == ["27.185", "34.215", "37.686"]
    for gamma, beta in ((np.ones(3), np.zeros(3)), (np.arange(1.0, 4), np.arange(11.0, 14))):
        out, _ = F.batchnorm_forward(a, gamma, beta, {"mode": "train"})
        np.testing.assert_allclose(out.mean(axis=0), beta, atol=1e-13)
        np.testing.assert_allclose(out.std(axis=0), gamma, rtol=1e-7)


def test_batchnorm_at_test_time_after_fifty_training_passes():
    """The notebook's cell, and the running statistics of its text, one update after another."""
    random = np.random.RandomState(231)
    w1, w2 = random.randn(50, 60), random.randn(60, 3)
    settings = {"mode": "train"}
    gamma, beta = np.ones(3), np.zeros(3)
    mean, var = np.zeros(3), np.zeros(3)
    for _ in range(50):
        a = hidden(random, w1, w2)
        F.batchnorm_forward(a, gamma, beta, settings)
        mean, var = 0.9 * mean + 0.1 * a.mean(axis=0), 0.9 * var + 0.1 * a.var(axis=0)
    np.testing.assert_allclose(settings["running_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(settings["running_var"], var, rtol=1e-12)
    settings["mode"] = "test"
    a = hidden(random, w1, w2)
    out, _ = F.batchnorm_forward(a, gamma, beta, settings)
    np.testing.assert_allclose(out, (a - mean) / np.sqrt(var + 1e-5), rtol=1e-11, atol=1e-13)
    assert np.abs(out.mean(axis=0)).max() < 0.25  # "close to zero", and noisier than in training
    assert np.abs(out.std(axis=0) - 1).max() < 0.15


def test_settings():
    x, gamma, beta, _ = rows()
    mean, var = np.arange(5.0), np.arange(1.0, 6.0)
    settings = {"mode": "train", "eps": 0.3, "momentum": 0.6}
    settings |= {"running_mean": mean, "running_var": var}
    out, _ = F.batchnorm_forward(x, gamma, beta, settings)
    expected = gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.3) + beta
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    np.testing.assert_allclose(settings["running_mean"], 0.6 * mean + 0.4 * x.mean(axis=0))
    np.testing.assert_allclose(settings["running_var"], 0.6 * var + 0.4 * x.var(axis=0))
    np.testing.assert_array_equal(mean, np.arange(5.0))  # the caller's array is left


def test_testing_leaves_the_running_statistics():
    x, gamma, beta, _ = rows()
    settings = {"mode": "test", "running_mean": np.arange(5.0), "running_var": np.ones(5)}
    F.batchnorm_forward(x, gamma, beta, settings)
    np.testing.assert_array_equal(settings["running_mean"], np.arange(5.0))
    np.testing.assert_array_equal(settings["running_var"], np.ones(5))


@pytest.mark.parametrize("forward", [F.batchnorm_forward, F.spatial_batchnorm_forward])
def test_any_other_mode_is_refused(forward):
    x, gamma, beta, _ = images() if forward is F.spatial_batchnorm_forward else rows()
    with pytest.raises(ValueError, match=r'^Invalid forward batchnorm mode "eval"$'):
        forward(x, gamma, beta, {"mode": "eval"})


def test_spatial_batchnorm_forward():
    """The notebook's cell: means and deviations of each channel over N, H and W."""
    random = np.random.RandomState(231)
    x = 4 * random.randn(2, 3, 4, 5) + 10
    for gamma, beta in ((np.ones(3), np.zeros(3)), (np.array([3.0, 4, 5]), np.array([6.0, 7, 8]))):
        settings = {"mode": "train"}
        out, _ = F.spatial_batchnorm_forward(x, gamma, beta, settings)
        assert out.shape == x.shape
        np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), beta, atol=1e-14)
        np.testing.assert_allclose(out.std(axis=(0, 2, 3)), gamma, rtol=1e-6)
        np.testing.assert_allclose(settings["running_mean"], 0.1 * x.mean(axis=(0, 2, 3)))
        np.testing.assert_allclose(settings["running_var"], 0.1 * x.var(axis=(0, 2, 3)))


def test_spatial_groupnorm_forward():
    """The notebook's cell: means and deviations of each group of a sample."""
    x = 4 * np.random.RandomState(231).randn(2, 6, 4, 5) + 10
    out, _ = F.spatial_groupnorm_forward(x, np.ones((1, 6, 1, 1)), np.zeros((1, 6, 1, 1)), 2, {})
    groups = out.reshape(4, -1)
    np.testing.assert_allclose(groups.mean(axis=1), 0, atol=1e-14)
    np.testing.assert_allclose(groups.std(axis=1), 1, rtol=1e-6)
    of_x = x.reshape(4, -1)
    expected = (of_x - of_x.mean(axis=1)[:, None]) / np.sqrt(of_x.var(axis=1)[:, None] + 1e-5)
    np.testing.assert_allclose(out, expected.reshape(x.shape), rtol=1e-11, atol=1e-13)


def test_layernorm_forward():
    """The notebook's cell: each row has mean 0 and deviation 1, or 5 and 3."""
    random = np.random.RandomState(231)
    a = hidden(random, random.randn(50, 60), random.randn(60, 3))[:4]
    for gamma, beta in ((np.ones(3), np.zeros(3)), (3 * np.ones(3), 5 * np.ones(3))):
        out, _ = F.layernorm_forward(a, gamma, beta, {})
        np.testing.assert_allclose(out.mean(axis=1), beta[0], atol=1e-13)
        np.testing.assert_allclose(out.std(axis=1), gamma[0], rtol=1e-6)


def test_the_epsilon_of_a_sample_is_a_setting():
    x, gamma, beta, _ = rows()
    out, _ = F.layernorm_forward(x, gamma, beta, {"eps": 3.0})
    std = np.sqrt(x.var(axis=1, keepdims=True) + 3)
    np.testing.assert_allclose(out, gamma * (x - x.mean(axis=1, keepdims=True)) / std + beta)
    x, gamma, beta, _ = images(6, (1, 6, 1, 1))
    out, _ = F.spatial_groupnorm_forward(x, gamma, beta, 1, {"eps": 3.0})
    mean, var = (f(axis=(1, 2, 3), keepdims=True) for f in (x.mean, x.var))
    np.testing.assert_allclose(out, gamma * (x - mean) / np.sqrt(var + 3) + beta)


def test_groups_that_do_not_divide_the_channels():
    x, gamma, beta, _ = images(6)
    with pytest.raises(ValueError, match="group norm: 6 channels do not split into 4 equal groups"):
        F.spatial_groupnorm_forward(x, gamma, beta, 4, {})
