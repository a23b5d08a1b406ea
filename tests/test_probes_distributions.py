"""Histograms of a layer's numbers and percentiles of one unit's."""

from __future__ import annotations

import numpy as np
import pytest
from test_probes_base import convolutional, rows, step_of

from bnexp.nn import BatchNorm, Dropout, Sigmoid, block
from bnexp.nn.sequential import Dense, Sequential
from bnexp.probes.distributions import Histogram, Percentiles


def counted(numbers, low, high, bins):
    """Shares of half-open bins, the last closed."""
    width = (high - low) / bins
    shares = np.zeros(bins)
    for number in numbers.ravel():
        if low <= number <= high:
            shares[min(int((number - low) / width), bins - 1)] += 1 / numbers.size
    return shares


@pytest.mark.parametrize("of", ["activation", "preactivation"])
@pytest.mark.parametrize(("network", "shape"), [(rows(), (5,)), (convolutional(), (6, 6, 1))])
def test_shares_are_counted_and_what_is_outside_is_in_no_bin(network, shape, of):
    step = step_of(network, 2, shape)
    (reading,) = Histogram(-0.5, 1.5, 8, of).read(step)
    assert reading.quantity == f"{of}_density"
    assert reading.layers == (1, 2)
    assert reading.at == tuple(np.arange(8) * 0.25 - 0.5)
    for k in range(2):
        for i, site in enumerate(step.sites[:2]):
            numbers = step.current.inputs[site.activation + (of == "activation")][k]
            want = counted(numbers, -0.5, 1.5, 8)
            np.testing.assert_allclose(reading.values[k, i], want, atol=1e-12)
            outside = np.mean((numbers < -0.5) | (numbers > 1.5))
            assert reading.values[k, i].sum() == pytest.approx(1 - outside, abs=1e-12)
            assert outside > 0


def test_the_ends_belong_to_the_first_and_the_last_bin():
    step = step_of(rows())
    step.current.inputs[2][0, :, :] = 0.5
    step.current.inputs[2][0, :3, 0] = [0.0, 1.0, 1.0000001]
    (reading,) = Histogram(bins=4).read(step)
    assert (reading.values[0, 0] * 84).round(9).tolist() == [1, 0, 81, 1]


def test_a_sigmoids_numbers_are_all_between_0_and_1():
    layers = [Dense(30, rows().layers[0].initializer), *block(Sigmoid(), BatchNorm())]
    step = step_of(Sequential((*layers, rows().layers[-1])))
    (reading,) = Histogram().read(step)
    assert reading.values.shape == (1, 1, 30)
    assert reading.values.sum() == pytest.approx(1, abs=1e-12)


def test_what_is_no_number_counts_as_outside():
    step = step_of(rows(), 2)
    step.current.inputs[2][1, :6] = np.nan
    step.current.inputs[2][1, 6:9] = np.inf
    (reading,) = Histogram(-100, 100, 1).read(step)
    assert reading.values[:, 0, 0].tolist() == [1, 0.25]


def test_dropout_comes_after_what_is_counted():
    plain, dropped = step_of(rows()), step_of(rows(dropout=Dropout(0.5)))
    first, second = (Histogram().read(step)[0].values[0, 0] for step in (plain, dropped))
    np.testing.assert_array_equal(first, second)


def interpolated(numbers, percentile):
    """Between the two order statistics around (n - 1) * p / 100."""
    ordered, place = sorted(numbers.ravel().tolist()), (numbers.size - 1) * percentile / 100
    low = min(int(place), numbers.size - 2)
    return ordered[low] + (place - low) * (ordered[low + 1] - ordered[low])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("layer", [1, 2])
def test_percentiles_are_of_what_the_units_activation_is_given(layer, after):
    step = step_of(rows(BatchNorm(), after), 2)
    (reading,) = Percentiles(layer, 3).read(step)
    assert reading.quantity == "percentile"
    assert (reading.layers, reading.at) == ((layer,), (15, 50, 85))
    given = step.current.inputs[step.sites[layer - 1].activation][:, :, 3]
    want = [[interpolated(own, p) for p in (15, 50, 85)] for own in given]
    np.testing.assert_allclose(reading.values[:, 0], want, rtol=1e-12)


def test_percentiles_of_a_channel_are_over_images_and_places():
    step = step_of(convolutional(), n=5, shape=(6, 6, 2))
    (reading,) = Percentiles(1, 2, (0.0, 30.0, 100.0)).read(step)
    channel = step.current.inputs[1][0, ..., 2]
    assert channel.shape == (5, 4, 4)
    want = [channel.min(), interpolated(channel, 30), channel.max()]
    np.testing.assert_allclose(reading.values[0, 0], want, rtol=1e-12)


def test_the_output_layers_are_the_logits():
    step = step_of(rows())
    (reading,) = Percentiles(3, 1, (0.0, 100.0)).read(step)
    logits = step.current.logits[0, :, 1]
    assert reading.values[0, 0].tolist() == [logits.min(), logits.max()]


def test_percentiles_of_what_is_no_number_are_none():
    step = step_of(rows(), 2)
    step.current.inputs[3][1, 4, 0] = np.nan
    (reading,) = Percentiles(2).read(step)
    assert np.isnan(reading.values[1]).all()
    assert np.isfinite(reading.values[0]).all()
