"""Each quantity of `layers` against its textbook formula, gradients by differences of the loss."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np
import pytest
from numeric_cases import bits
from test_probes_base import alone, convolutional, rows, step_of

from bnexp.nn import BatchNorm, Dropout
from bnexp.nn.weightnorm import WeightNorm
from bnexp.probes import PROBES
from bnexp.probes.layers import Layers, Quantity

EPS = 1e-3
OF_WEIGHTS = ("gradient_norm", "weight_norm", "bias_norm", "update_ratio")
OF_ACTIVATIONS = tuple(q for q in get_args(Quantity) if q not in OF_WEIGHTS)


def normed(u, norm):
    axes = tuple(range(u.ndim - 1))
    spread = np.sqrt(u.var(axis=axes) + EPS)
    return norm["gamma"][0] * (u - u.mean(axis=axes)) / spread + norm["beta"][0]


def affine(x, layer):
    w, b = layer["W"], layer["b"][0]
    if x.ndim == 2:
        return x @ w + b
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return np.einsum("nhwcij,ijcf->nhwf", windows, w.reshape(3, 3, x.shape[3], -1)) + b


def pooled(a):
    """Of equal numbers the first counts: by differences each would count for a part."""
    if a.ndim == 2:
        return a
    n, h, w, c = a.shape
    places = np.arange(h)[:, None] % 2 * 2 + np.arange(w) % 2
    a = a - 3e-6 * places[..., None]
    return a.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4)).reshape(n, -1)


def textbook(weights, norms, x, labels, after, added=()):
    """What activations are given, what they make, and the loss; `added` moves what one makes."""
    given, made = [], []
    for i, layer in enumerate(weights[:-1]):
        u = affine(x, layer)
        given.append(normed(u, norms[i]) if norms and not after else u)
        made.append(np.maximum(given[-1], 0))
        if added and added[0] == i:
            made[-1] = made[-1] + added[1]
        x = pooled(normed(made[-1], norms[i]) if norms and after else made[-1])
    z = affine(x, weights[-1])
    picked = z[np.arange(len(z)), labels]
    return given, made, np.mean(np.log(np.exp(z).sum(axis=1)) - picked)


def slopes(value, at, step=1e-6):
    """The gradient of value(delta), delta like `at`, by central differences."""
    found = np.empty(at.shape)
    for place in np.ndindex(at.shape):
        delta = np.zeros(at.shape)
        delta[place] = step
        found[place] = (value(delta) - value(-delta)) / (2 * step)
    return found


def mean_cosine(flat):
    unit = [row / np.linalg.norm(row) for row in flat]
    return np.mean([a @ b for (i, a), (j, b) in product(enumerate(unit), repeat=2) if i != j])


def mean_class_cosine(flat, labels):
    pairs = [(i, j) for i, j in product(range(len(flat)), repeat=2) if i != j]
    cosines = [
        flat[i] @ flat[j] / np.linalg.norm(flat[i]) / np.linalg.norm(flat[j])
        for i, j in pairs
        if labels[i] == labels[j]
    ]
    return np.mean(cosines)


def spectrum_rank(flat):
    eigenvalues = np.linalg.eigvalsh(flat @ flat.T)  # the squares of the singular values
    return eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)


def expected(step, after):
    """Every quantity, as a list with one number a layer."""
    own = [{name: a[0] for name, a in layer.items()} for layer in step.parameters]
    weights = [layer for layer in own if "W" in layer]
    norms = [layer for layer in own if "gamma" in layer]
    x, labels = step.x[0], step.labels[0]
    given, made, _ = textbook(weights, norms, x, labels, after)
    flat = [a.reshape(len(a), -1) for a in made]
    before = [u.reshape(len(u), -1) for u in given]

    def moved(i, delta):
        changed = {**weights[i], "W": weights[i]["W"] + delta}
        return textbook([*weights[:i], changed, *weights[i + 1 :]], norms, x, labels, after)[2]

    signals = [
        slopes(lambda d, i=i: textbook(weights, norms, x, labels, after, (i, d))[2], a)
        for i, a in enumerate(made)
    ]
    gradients = [
        np.linalg.norm(slopes(lambda d, i=i: moved(i, d), layer["W"]))
        for i, layer in enumerate(weights)
    ]
    lengths = [np.sqrt(np.sum(layer["W"] ** 2)) for layer in weights]
    rate = step.lr.item()
    ratios = [np.abs(u.mean(axis=0)) / u.std(axis=0) for u in before]
    return {
        "preactivation_mean": [np.mean(u) for u in given],
        "preactivation_std": [np.std(u) for u in given],
        "mean_ratio": [np.mean(r) for r in ratios],
        "activation_mean": [np.mean(a) for a in made],
        "activation_std": [np.std(a) for a in made],
        "activation_square": [np.mean(a**2) for a in made],
        "dead": [np.mean([len(set(unit)) == 1 for unit in a.T]) for a in flat],
        "similarity": [mean_cosine(a) for a in flat],
        "rank": [spectrum_rank(a) for a in flat],
        "signal_square": [np.mean(s**2) for s in signals],
        "signal_similarity": [mean_class_cosine(s.reshape(len(s), -1), labels) for s in signals],
        "gradient_norm": gradients,
        "weight_norm": lengths,
        "bias_norm": [np.sqrt(np.sum(layer["b"] ** 2)) for layer in weights],
        "update_ratio": [rate * g / w for g, w in zip(gradients, lengths, strict=True)],
    }


CASES = {
    "plain": (rows(), (5,), False),
    "norm before": (rows(BatchNorm(eps=EPS)), (5,), False),
    "norm after": (rows(BatchNorm(eps=EPS), after=True), (5,), True),
    "convolution": (convolutional(), (6, 6, 2), False),
    "convolution, norm": (convolutional(BatchNorm(eps=EPS, spatial="channel")), (6, 6, 2), False),
}


@pytest.mark.parametrize("case", CASES)
def test_every_quantity_is_the_textbooks(case):
    network, shape, after = CASES[case]
    step = step_of(network, 1, shape, n=6)
    if case == "plain":  # a unit that never fires, and one that always does
        step.parameters[0]["b"][0, 0, 2] = -50
        step.parameters[0]["b"][0, 0, 0] = step.parameters[2]["b"][0, 0, 0] = 9
    want = expected(step, after)
    readings = Layers((*OF_WEIGHTS, *OF_ACTIVATIONS)).read(step)
    assert {r.quantity for r in readings} == set(want) == set(get_args(Quantity))
    for reading in readings:
        hidden = reading.quantity in OF_ACTIVATIONS
        assert reading.layers == ((1, 2) if hidden else (1, 2, 3))
        assert np.isnan(reading.at).tolist() == [True]
        made = reading.values[0, :, 0]
        rtol = 1e-4 if reading.quantity == "signal_similarity" else 2e-5  # of breaking ties
        np.testing.assert_allclose(made, want[reading.quantity], rtol=rtol, atol=1e-9)
    if case == "plain":
        assert want["dead"][0] >= 1 / 7


def test_a_normed_weights_numbers_are_those_of_its_direction_and_length():
    step = step_of(rows(around=WeightNorm().around))
    direction, length = (step.parameters[0][name] for name in ("direction", "length"))
    here, ahead = step.current.gradients[0], step.advanced[0]
    readings = Layers(("weight_norm", "gradient_norm", "update_ratio")).read(step)
    made = [reading.values[0, 0, 0] for reading in readings]
    size = np.sqrt(np.sum(direction**2) + np.sum(length**2))
    slope = np.sqrt(np.sum(here["direction"] ** 2) + np.sum(here["length"] ** 2))
    change = np.sum((ahead["direction"] - direction) ** 2) + np.sum((ahead["length"] - length) ** 2)
    np.testing.assert_allclose(made, [size, slope, np.sqrt(change) / size], rtol=1e-12)


def test_batch_norms_outputs_have_mean_beta_and_square_one_half_behind_a_relu():
    step = step_of(rows(BatchNorm(eps=0.0), widths=(300, 300, 4)), n=400)
    for layer in step.parameters:
        if "gamma" in layer:
            layer["gamma"][:], layer["beta"][:] = 1, 0
    wanted = ("preactivation_mean", "preactivation_std", "mean_ratio", "activation_square")
    mean, std, ratio, square = (r.values[0, :, 0] for r in Layers(wanted).read(step))
    np.testing.assert_allclose(mean, 0, atol=1e-13)
    np.testing.assert_allclose(std, 1, rtol=1e-12)
    np.testing.assert_allclose(ratio, 0, atol=1e-12)
    np.testing.assert_allclose(square, 0.5, rtol=0.02)


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf])
def test_activations_without_variation_or_number_are_no_warning(fill):
    step = step_of(rows())
    step.parameters[0]["W"][:] = fill
    step.parameters[0]["b"][:] = 0
    with np.errstate(all="ignore"):
        readings = {r.quantity: r.values[0, 0, 0] for r in Layers(OF_ACTIVATIONS).read(step)}
    assert np.isnan(readings["mean_ratio"])
    assert np.isnan(readings["similarity"])
    assert np.isnan(readings["rank"])
    if fill == 0:
        assert (readings["dead"], readings["activation_std"]) == (1, 0)
    else:
        assert np.isnan(readings["preactivation_std"])


OPTIONS = {
    "percentiles": {"layer": 2},
    "layers": {"quantities": get_args(Quantity)},
    "robustness": {"to": "blur", "strengths": (1,)},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (rows(BatchNorm(), dropout=Dropout(0.3)), (5,)),
        (rows(around=WeightNorm().around), (5,)),
        (convolutional(BatchNorm(spatial="channel")), (6, 6, 2)),
    ],
)
def test_a_stack_reads_what_its_networks_read_alone(network, shape, dtype):
    image_shape = shape if len(shape) == 3 else (1, *shape, 1)
    step = replace(step_of(network, 3, shape, dtype=dtype), image_shape=image_shape)
    step.parameters[0][next(iter(step.parameters[0]))][1, 0, 0] = np.nan
    for name, probe in PROBES.items():
        with np.errstate(all="ignore"):
            together = probe(**OPTIONS.get(name, {})).read(step)
            each = [probe(**OPTIONS.get(name, {})).read(alone(step, k)) for k in range(3)]
        for i, reading in enumerate(together):
            assert reading.values.dtype == np.float64
            assert reading.values.shape == (3, len(reading.layers), len(reading.at))
            made = [own[i].values for own in each]
            assert bits(list(reading.values)) == bits([own[0] for own in made])
