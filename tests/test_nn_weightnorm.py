"""Weight normalization: the paper's formulas, gradients, and what follows from them."""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck import layer_errors, network_errors
from numeric_cases import Case, bits, float_types, images, layer_start, one, stacked

from bnexp.nn import (
    SGD,
    Conv,
    Dense,
    Flatten,
    Normal,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
    WeightNorm,
    WeightStandardization,
)
from bnexp.nn.initializers import Orthogonal
from bnexp.nn.weightnorm import SpectralNorm
from bnexp.training import train
from bnexp.training.update import Adjustments, update

LIMIT = 1e-7


def normed(layer):
    return WeightNorm().around(layer)


CASES = {
    "dense": (normed(Dense(4, Normal(0.5))), (6,)),
    "dense without bias": (normed(Dense(4, Normal(0.5), bias=False)), (6,)),
    "conv": (normed(Conv(4, 3, Normal(0.5), padding=1)), (5, 6, 2)),
    "conv without bias": (normed(Conv(3, 2, Normal(0.5), stride=2, bias=False)), (5, 6, 2)),
}
cases = pytest.mark.parametrize("name", CASES)
K = pytest.mark.parametrize("k", [1, 3])


def effective(parameters, k):
    """w = g v / ||v|| for each unit of network k."""
    v, g = parameters["direction"][k], parameters["length"][k, 0]
    columns = [g[j] * v[:, j] / np.sqrt(sum(v[:, j] ** 2)) for j in range(v.shape[1])]
    return np.stack(columns, axis=1)


@K
@cases
def test_against_the_papers_formulas(name, k):
    """Equations 2 and 3: the plain layer with w, and its dL/dw turned into dg and dv."""
    layer, shape = CASES[name]
    parameters, state = layer_start(layer, k, shape)
    x = np.random.default_rng(0).standard_normal((k, 5, *shape))
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, gradients = layer.backward(parameters, cache, dy)
    plain = layer.layer
    assert set(gradients) == {"direction", "length", *(["b"] if plain.bias else [])}
    for i in range(k):
        own = one(parameters, i)
        own["W"] = effective(parameters, i)[None]
        expected, inner, _ = plain.forward(own, {}, x[i : i + 1], train=True)
        dx_i, plain_gradients = plain.backward(own, inner, dy[i : i + 1])
        np.testing.assert_allclose(y[i], expected[0], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(dx[i], dx_i[0], rtol=1e-12, atol=1e-13)
        for j in range(plain.features):
            dw, v = plain_gradients["W"][0, :, j], parameters["direction"][i, :, j]
            norm, g = np.sqrt(sum(v**2)), parameters["length"][i, 0, j]
            dg = sum(dw * v) / norm
            dv = g / norm * dw - g * dg / norm**2 * v
            assert gradients["length"][i, 0, j] == pytest.approx(dg, rel=1e-11)
            np.testing.assert_allclose(gradients["direction"][i, :, j], dv, rtol=1e-10, atol=1e-12)
        if plain.bias:
            np.testing.assert_allclose(gradients["b"][i], plain_gradients["b"][0], rtol=1e-12)


@K
@cases
def test_gradients(name, k):
    layer, shape = CASES[name]
    parameters, state = layer_start(layer, k, shape)
    x = np.random.default_rng(k).standard_normal((k, 5, *shape))
    errors = layer_errors(layer, parameters, state, x, np.random.default_rng(k))
    assert set(errors) == {"x", *parameters}
    assert max(errors.values()) < LIMIT


@K
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_gradients_of_networks(kind, bias, k):
    """As the first layer, whose own gradients are all that is asked for, and inside."""
    if kind == "mlp":
        first, shape = (normed(Dense(7, Normal(0.7), bias)),), (6,)
    else:
        first, shape = (normed(Conv(3, 3, Normal(0.5), bias=bias)), Flatten()), (4, 5, 2)
    inner = normed(Dense(5, Normal(0.7), bias))
    network = Sequential((*first, Tanh(), inner, Tanh(), Dense(4, Normal(0.7))))
    parameters, state = stacked(network, k, shape)
    random = np.random.default_rng(k)
    x, labels = random.standard_normal((k, 9, *shape)), random.integers(0, 4, (k, 9))
    errors = network_errors(network, SoftmaxCrossEntropy(), parameters, state, x, labels, random)
    assert len(errors) == 2 * (3 if bias else 2) + 2
    assert max(errors.values()) < LIMIT


@cases
def test_the_gradient_of_a_direction_is_orthogonal_to_it(name):
    layer, shape = CASES[name]
    case = Case(layer, 3, 5, shape, np.float64)
    dv, v = case.step()["direction"], case.parameters["direction"]
    assert np.abs((v * dv).sum(axis=1)).max() < 1e-13 * np.abs(v * dv).sum(axis=1).max()


@cases
def test_the_length_of_a_direction_changes_nothing(name):
    """Outputs and dg stay, dv is divided: a doubled v to the last bit."""
    layer, shape = CASES[name]
    case = Case(layer, 2, 5, shape, np.float64)
    before = case.step()
    case.parameters = {**case.parameters, "direction": 2 * case.parameters["direction"]}
    after = case.step()
    for part in ("y", "dx", "length", "eval"):
        np.testing.assert_array_equal(after[part], before[part])
    np.testing.assert_array_equal(after["direction"], before["direction"] / 2)


@cases
def test_a_start_from_the_drawn_weights(name):
    """The same draws as the plain layer's, and its outputs."""
    layer, shape = CASES[name]
    parameters, state = stacked(Sequential((layer,)), 2, shape)
    plain, _ = stacked(Sequential((layer.layer,)), 2, shape)
    assert not layer.calibrates
    np.testing.assert_array_equal(parameters[0]["direction"], plain[0]["W"])
    x = np.random.default_rng(0).standard_normal((2, 5, *shape))
    y, _, _ = layer.forward(parameters[0], state[0], x, train=True)
    expected, _, _ = layer.layer.forward(plain[0], {}, x, train=True)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@cases
def test_stacked_is_alone_and_keeps_its_type(name, dtype):
    layer, shape = CASES[name]
    case = Case(layer, 3, 5, shape, dtype)
    whole = case.step()
    assert float_types(whole) == {np.dtype(dtype)}
    for k in range(3):
        alone = case.step(k)
        for part in ("y", "dx", "eval", *case.parameters):
            assert bits(whole[part][k : k + 1]) == bits(alone[part])


def test_l2_acts_on_the_lengths():
    """lr * l2 * length less, and no step of a direction or a bias."""
    parameters, _ = layer_start(CASES["dense"][0], 2, (6,))
    made = {n: a.copy() for n, a in parameters.items()}
    zeros = {n: np.zeros_like(a) for n, a in parameters.items()}
    lr = np.array([0.1, 0.5])[:, None, None]
    for adjustments in (Adjustments(l2=0.2), Adjustments(weight_decay=0.2)):
        made = {n: a.copy() for n, a in parameters.items()}
        gradients = [{n: a.copy() for n, a in zeros.items()}]
        update(adjustments, SGD(), lr, [made], gradients, [SGD().init(made)], (1, 9))
        np.testing.assert_allclose(
            made["length"], parameters["length"] * (1 - 0.2 * lr), rtol=1e-14
        )
        for name in ("direction", "b"):
            np.testing.assert_array_equal(made[name], parameters[name])


def test_plain_descent_only_lengthens_the_directions():
    """As dv is orthogonal to v, each step's square is added to that of the length."""
    network = Sequential((normed(Dense(8, Normal(0.4))), Tanh(), Dense(4, Normal(0.4))))
    set_ = images()
    parameters, state = stacked(network, 2, (16,))
    batches = iter(np.random.default_rng(1).integers(0, 40, (5, 2, 12)))
    rates = np.full((2, 1, 1), 0.5)
    history = train(network, SGD(), rates, parameters, state, batches, range(6), set_)
    before, after = (
        np.square(p[0]["direction"]).sum(axis=1) for p in (parameters, history.parameters)
    )
    assert (after > before).all()
    assert (history.metrics["train_loss"][:, 5] < history.metrics["train_loss"][:, 0]).all()


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_against_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer, shape = CASES[name]
    parameters, state = layer_start(layer, 2, shape)
    x = np.random.default_rng(0).standard_normal((2, 5, *shape))
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, gradients = layer.backward(parameters, cache, dy)
    images_ = name == "conv"
    for k in range(2):
        peer = torch.nn.Conv2d(2, 4, 3, padding=1) if images_ else torch.nn.Linear(6, 4)
        peer = torch.nn.utils.parametrizations.weight_norm(peer.double(), dim=0)
        g, v = peer.parametrizations.weight.original0, peer.parametrizations.weight.original1
        last = (3, 3, 2, 4) if images_ else (6, 4)

        def theirs(array, last=last):
            return torch.tensor(array.reshape(last)).movedim(-1, 0).movedim(-1, 1)

        with torch.no_grad():
            v.copy_(theirs(parameters["direction"][k]))
            g.copy_(torch.tensor(parameters["length"][k, 0]).reshape(g.shape))
            peer.bias.copy_(torch.tensor(parameters["b"][k, 0]))
        input_ = torch.tensor(x[k]).requires_grad_()
        output = peer(input_.movedim(-1, 1)).movedim(1, -1)
        output.backward(torch.tensor(dy[k]))
        for ours, other in (
            (y[k], output.detach()),
            (dx[k], input_.grad),
            (theirs(gradients["direction"][k]), v.grad),
            (gradients["length"][k, 0], g.grad.reshape(-1)),
            (gradients["b"][k, 0], peer.bias.grad),
        ):
            np.testing.assert_allclose(ours, other, rtol=1e-10, atol=1e-10)


# Weight standardization


def standard(layer, **options):
    return WeightStandardization(**options).around(layer)


STANDARD = {
    "dense": (standard(Dense(4, Normal(0.5))), (6,)),
    "as it was first": (standard(Dense(4, Normal(0.5)), divide=False, gain=1.7), (6,)),
    "conv": (standard(Conv(4, 3, Normal(0.5), padding=1), eps=0.01), (5, 6, 2)),
}


@K
@pytest.mark.parametrize("name", STANDARD)
def test_standardized_weights_unit_by_unit(name, k):
    layer, shape = STANDARD[name]
    parameters, state = layer_start(layer, k, shape)
    x = np.random.default_rng().standard_normal((k, 5, *shape))
    y, _, _ = layer.forward(parameters, state, x, train=True)
    norm = layer.norm
    for i in range(k):
        columns = []
        for w in parameters["W"][i].T:
            d = len(w) if norm.divide else 1
            centered = w - sum(w) / len(w)
            variance = sum(centered**2) / len(w)
            columns.append(norm.gain * centered / np.sqrt(d * (variance + norm.eps)))
        effective = {"W": np.stack(columns, axis=1)[None], "b": parameters["b"][i : i + 1]}
        expected = layer.layer.forward(effective, {}, x[i : i + 1], train=True)[0]
        np.testing.assert_allclose(y[i : i + 1], expected, rtol=1e-12, atol=1e-12)


@K
@pytest.mark.parametrize("name", STANDARD)
def test_gradients_of_standardized_weights(name, k):
    layer, shape = STANDARD[name]
    parameters, state = layer_start(layer, k, shape)
    random = np.random.default_rng()
    x = random.standard_normal((k, 5, *shape))
    assert max(layer_errors(layer, parameters, state, x, random).values()) < LIMIT
    y, cache, _ = layer.forward(parameters, state, x, train=True)
    dy = random.standard_normal(y.shape)
    assert bits(layer.gradients(parameters, cache, dy)) == bits(
        layer.backward(parameters, cache, dy)[1]
    )


def test_a_unit_of_equal_weights_is_its_bias():
    layer = standard(Dense(2, Normal(1.0)), eps=0.0)
    parameters, state = layer_start(layer, 1, (5,))
    parameters["W"][..., 0] = 0.3
    y, _, _ = layer.forward(parameters, state, np.ones((1, 4, 5)), train=True)
    np.testing.assert_array_equal(y[0, :, 0], parameters["b"][0, 0, 0])


# Mean-only batch norm


def mean_only(layer, **options):
    return WeightNorm(mean_only=True, **options).around(layer)


MEAN_ONLY = {
    "dense": (mean_only(Dense(4, Normal(0.5))), (6,)),
    "dense without bias": (mean_only(Dense(4, Normal(0.5), bias=False)), (6,)),
    "conv": (mean_only(Conv(4, 3, Normal(0.5), padding=1)), (5, 6, 2)),
}
mean_only_cases = pytest.mark.parametrize("name", MEAN_ONLY)


@K
@mean_only_cases
def test_outputs_have_the_mean_of_the_bias_and_the_scale_of_the_length(name, k):
    """Number by number: what weight norm gives without a bias, less its mean, and the bias."""
    layer, shape = MEAN_ONLY[name]
    parameters, state = layer_start(layer, k, shape)
    running = 0.0
    for _ in range(3):
        x = np.random.default_rng().standard_normal((k, 5, *shape)) + 1
        y, _, state = layer.forward(parameters, state, x, train=True)
        plain = [
            layer.layer.layer.forward({"W": effective(parameters, i)[None]}, {}, x[i : i + 1], True)
            for i in range(k)
        ]
        rows = np.stack([made[0].reshape(-1, 4) for made, *_ in plain])
        mean = np.array([[sum(column) / len(column) for column in unit.T] for unit in rows])
        running = 0.9 * running + 0.1 * mean
        b = parameters["b"][:, 0] if layer.bias else np.zeros((k, 4))
        expected = rows - mean[:, None] + b[:, None]
        np.testing.assert_allclose(y.reshape(k, -1, 4), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(state["mean"][:, 0], running, rtol=1e-12)
    evaluated, _, _ = layer.forward(parameters, state, x, train=False)
    expected = rows - running[:, None] + b[:, None]
    np.testing.assert_allclose(evaluated.reshape(k, -1, 4), expected, rtol=1e-10, atol=1e-12)


@K
@pytest.mark.parametrize("train", [True, False])
@mean_only_cases
def test_gradients_of_mean_only_batch_norm(name, train, k):
    layer, shape = MEAN_ONLY[name]
    parameters, state = layer_start(layer, k, shape)
    random = np.random.default_rng()
    x = random.standard_normal((k, 5, *shape))
    errors = layer_errors(layer, parameters, state, x, random, train=train)
    assert set(errors) == {"x", *parameters}
    assert max(errors.values()) < LIMIT
    y, cache, _ = layer.forward(parameters, state, x, train=train)
    dy = random.standard_normal(y.shape)
    assert bits(layer.gradients(parameters, cache, dy)) == bits(
        layer.backward(parameters, cache, dy)[1]
    )


def test_a_start_from_data_leaves_the_bias_at_0():
    """The outputs for the data have mean 0 by the norm, and variance 1 by the length."""
    layer = mean_only(Dense(4, Normal(0.5)), start="data")
    parameters, state = stacked(Sequential((layer,)), 2, (6,))
    x = 3 * np.random.default_rng().standard_normal((1, 50, 6)) + 2
    fitted = layer.calibrated(parameters[0], x)
    assert layer.calibrates
    assert not fitted["b"].any()
    y, _, _ = layer.forward(fitted, state[0], x, train=True)
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=1), 1, rtol=1e-12)


# Spectral norm


def spectral(layer, **options):
    return SpectralNorm(**options).around(layer)


SPECTRAL = {
    "dense": (spectral(Dense(4, Normal(0.5))), (6,)),
    "three iterations": (spectral(Dense(7, Normal(0.5), bias=False), iterations=3), (6,)),
    "conv": (spectral(Conv(4, 3, Normal(0.5), padding=1)), (5, 6, 2)),
}
spectral_cases = pytest.mark.parametrize("name", SPECTRAL)


@K
@spectral_cases
def test_the_largest_singular_value_becomes_1(name, k):
    """From the first step on, with the weights as they were drawn; and any weights in the end."""
    layer, shape = SPECTRAL[name]
    (drawn,), (state,) = stacked(Sequential((layer,)), k, shape)
    x = np.random.default_rng().standard_normal((k, 5, *shape))
    parameters, _ = layer_start(layer, k, shape, seed=int(np.random.default_rng().integers(2**31)))
    left, values, right = np.linalg.svd(parameters["W"], full_matrices=False)
    apart = values[:, :1] * 0.8 ** np.arange(values.shape[1])  # equal ones are never told apart
    parameters = {**parameters, "W": left * apart[:, None, :] @ right}
    for weights, steps, error in ((drawn, 1, 0.02), (parameters, 200, 1e-6)):
        for _ in range(steps):
            _, cache, state = layer.forward(weights, state, x, train=True)
        for w, divided in zip(weights["W"], cache.effective["W"], strict=True):
            largest = np.linalg.svd(w, compute_uv=False)[0]
            np.testing.assert_allclose(divided * largest, w, rtol=error)


@K
@spectral_cases
def test_gradients_of_divided_weights(name, k):
    """At evaluation, when nothing else depends on the weights; in training they are the same."""
    layer, shape = SPECTRAL[name]
    parameters, state = layer_start(layer, k, shape)
    random = np.random.default_rng()
    x = random.standard_normal((k, 5, *shape))
    y, cache, state = layer.forward(parameters, state, x, train=True)
    assert max(layer_errors(layer, parameters, state, x, random, train=False).values()) < LIMIT
    dy = random.standard_normal(y.shape)
    trained = bits(layer.backward(parameters, cache, dy)[1])
    evaluated, cache, _ = layer.forward(parameters, state, x, train=False)
    assert bits(evaluated) == bits(y)
    assert bits(layer.backward(parameters, cache, dy)[1]) == trained
    assert bits(layer.gradients(parameters, cache, dy)) == trained


def test_weights_of_orthogonal_units_stay_as_they_are():
    layer = spectral(Dense(4, Orthogonal()))
    (parameters,), (state,) = stacked(Sequential((layer,)), 1, (6,))
    x = np.random.default_rng().standard_normal((1, 5, 6))
    _, cache, _ = layer.forward(parameters, state, x, train=True)
    np.testing.assert_allclose(cache.effective["W"], parameters["W"], rtol=1e-12, atol=1e-14)


def test_weights_of_0_are_0_and_can_be_trained():
    layer = spectral(Dense(4, Normal(0.0)))
    (parameters,), (state,) = stacked(Sequential((layer,)), 1, (6,))
    x = np.random.default_rng().standard_normal((1, 5, 6))
    y, cache, state = layer.forward(parameters, state, x, train=True)
    assert not y.any()
    _, gradients = layer.backward(parameters, cache, np.ones(y.shape))
    parameters = {**parameters, "W": -0.1 * gradients["W"]}
    _, cache, _ = layer.forward(parameters, state, x, train=True)
    assert np.linalg.svd(cache.effective["W"][0], compute_uv=False)[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [case for table in (STANDARD, MEAN_ONLY, SPECTRAL) for case in table.values()],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.usefixtures("one_blas_thread")
def test_layers_of_a_stack_are_those_alone(layer, shape, dtype):
    case = Case(layer, 3, 7, shape, dtype, seed=int(np.random.default_rng().integers(2**31)))
    together = case.step()
    assert float_types(together) == {np.dtype(dtype)}
    for i in range(3):
        assert bits(one(together, i)) == bits(case.step(i))


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_spectral_norm_is_pytorchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer, shape = SPECTRAL[name]
    parameters, state = layer_start(layer, 2, shape)
    images_ = name == "conv"
    last = (3, 3, 2, 4) if images_ else (6, 4)

    def theirs(array):
        return torch.tensor(array.reshape(last)).movedim(-1, 0).movedim(-1, 1)

    peers = []
    for k in range(2):
        peer = (torch.nn.Conv2d(2, 4, 3, padding=1) if images_ else torch.nn.Linear(6, 4)).double()
        with torch.no_grad():
            peer.weight.copy_(theirs(parameters["W"][k]))
            peer.bias.copy_(torch.tensor(parameters["b"][k, 0]))
        # The older function, which makes the two halves of an iteration in the paper's order.
        torch.nn.utils.spectral_norm(peer)
        peer.weight_u.copy_(torch.tensor(state["right"][k, 0]))
        left = theirs(np.repeat(state["left"][k, 0][:, None], 4, axis=1))[0]
        peer.weight_v.copy_(left.flatten())
        peers.append(peer)
    for is_training in (True, True, False):
        x = np.random.default_rng().standard_normal((2, 5, *shape))
        y, cache, state = layer.forward(parameters, state, x, train=is_training)
        dy = np.random.default_rng().standard_normal(y.shape)
        dx, gradients = layer.backward(parameters, cache, dy)
        for k, peer in enumerate(peers):
            peer.train(is_training)
            peer.zero_grad()
            input_ = torch.tensor(x[k]).requires_grad_()
            output = peer(input_.movedim(-1, 1)).movedim(1, -1)
            output.backward(torch.tensor(dy[k]))
            for ours, other in (
                (y[k], output.detach()),
                (dx[k], input_.grad),
                (theirs(gradients["W"][k]), peer.weight_orig.grad),
                (gradients["b"][k, 0], peer.bias.grad),
            ):
                np.testing.assert_allclose(ours, other, rtol=1e-9, atol=1e-10)
