"""Numbers about each layer with weights: one line a quantity.

`Layers` records quantities of three kinds, each kind a table from a name to a function:

    OF_ACTIVATIONS   of one array of the pass over the next batch: the activation's input, its
                     output, or the loss's gradient with respect to its output
    OF_WEIGHTS       of the weights, their gradients and their next change

A new quantity is one entry of a table, and one line in the docstring of `Layers` that says what it
is. `CovariateShift` compares the gradients of a layer before and after the layers below it change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bnexp.device import to_host
from bnexp.probes.base import (
    Grid,
    Numbers,
    Pass,
    Reading,
    Site,
    TrainingStep,
    norm,
    of_network,
    per_network,
)
from bnexp.registry import option

LayerQuantity = Callable[[TrainingStep, Site], Numbers]  # (K,)

# The names of what weights are: W, or the direction and length of weight norm.
WEIGHTS = ("W", "direction", "length")


def of_input(number: Callable[[Numbers], float]) -> LayerQuantity:
    """A number of the activation's input, as (N, units): one row an image."""
    return lambda step, site: _over_rows(step, step.current.inputs[site.activation or 0], number)


def of_output(number: Callable[[Numbers], float]) -> LayerQuantity:
    """A number of the activation's output, as (N, units)."""
    return lambda step, site: _over_rows(
        step, step.current.inputs[(site.activation or 0) + 1], number
    )


def of_signal(number: Callable[[Numbers], float]) -> LayerQuantity:
    """A number of the loss's gradient with respect to the activation's output, as (N, units)."""
    return lambda step, site: _over_rows(step, step.current.signals[site.activation or 0], number)


def _over_rows(step: TrainingStep, array: Any, number: Callable[[Numbers], float]) -> Numbers:
    return per_network(
        step.networks, lambda k: number(of_network(array, k).reshape(array.shape[1], -1))
    )


def mean(rows: Numbers) -> float:
    """The mean of all numbers."""
    return float(rows.mean())


def std(rows: Numbers) -> float:
    """The standard deviation of all numbers."""
    return float(rows.std())


def mean_square(rows: Numbers) -> float:
    """The mean of all squares."""
    return float(np.square(rows).mean())


def mean_ratio(rows: Numbers) -> float:
    """|mean| / std of each unit, averaged over units; those that do not vary are left out."""
    deviations = rows.std(axis=0)
    varying = deviations > 0
    if not varying.any():
        return math.nan
    return float(np.mean(np.abs(rows.mean(axis=0)[varying]) / deviations[varying]))


def dead(rows: Numbers) -> float:
    """The share of units that are the same for every image."""
    return float(np.mean(rows.max(axis=0) == rows.min(axis=0)))


def similarity(rows: Numbers) -> float:
    """The mean cosine of two images: (|sum u|^2 - n) / (n (n - 1)), u the rows as unit vectors.

    NaN for a single image.
    """
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    total, n = (rows / lengths).sum(axis=0), len(rows)
    return math.nan if n == 1 else float((total @ total - n) / (n * (n - 1)))


def participation_ratio(rows: Numbers) -> float:
    """(sum s^2)^2 / sum s^4, s the singular values; NaN if a number is not finite."""
    squares = np.square(np.linalg.svd(rows, compute_uv=False)) if np.isfinite(rows).all() else rows
    return float(squares.sum() ** 2 / np.square(squares).sum())


def signal_similarity(step: TrainingStep, site: Site) -> Numbers:
    """The mean cosine of the signals of two different images of one class: (K,).

    Only images of one class, because the loss's gradient with respect to the logits has another
    direction for each class. NaN if no two images of the batch have one class.
    """
    array = step.current.signals[site.activation or 0]

    def of(k: int) -> float:
        rows = of_network(array, k).reshape(array.shape[1], -1)
        unit = rows / np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
        labels = to_host(step.labels[k if len(step.labels) > 1 else 0])
        same = labels[:, None] == labels
        np.fill_diagonal(same, False)
        return float((unit @ unit.T)[same].mean()) if same.any() else math.nan

    return per_network(step.networks, of)


OF_ACTIVATIONS: Mapping[str, LayerQuantity] = {
    "preactivation_mean": of_input(mean),
    "preactivation_std": of_input(std),
    "mean_ratio": of_input(mean_ratio),
    "activation_mean": of_output(mean),
    "activation_std": of_output(std),
    "activation_square": of_output(mean_square),
    "dead": of_output(dead),
    "similarity": of_output(similarity),
    "rank": of_output(participation_ratio),
    "signal_square": of_signal(mean_square),
    "signal_similarity": signal_similarity,
}


def layer_norm(
    step: TrainingStep, layers: Sequence[Mapping[str, Any]], site: Site, names: Sequence[str]
) -> Numbers:
    """The Euclidean norm of a layer's arrays of these names, 0 if it has none: (K,)."""
    arrays = [layers[site.weights][name] for name in names if name in layers[site.weights]]
    return per_network(step.networks, lambda k: norm([of_network(a, k) for a in arrays]))


def update_ratio(step: TrainingStep, site: Site) -> Numbers:
    """The norm of the change of the weights in the next step over their norm: (K,)."""
    before, after = step.parameters[site.weights], step.advanced[site.weights]
    names = [name for name in WEIGHTS if name in before]

    def ratio(k: int) -> float:
        change = norm([of_network(after[name], k) - of_network(before[name], k) for name in names])
        return float(np.divide(change, norm([of_network(before[name], k) for name in names])))

    return per_network(step.networks, ratio)


OF_WEIGHTS: Mapping[str, LayerQuantity] = {
    "gradient_norm": lambda step, site: layer_norm(step, step.current.gradients, site, WEIGHTS),
    "weight_norm": lambda step, site: layer_norm(step, step.parameters, site, WEIGHTS),
    "bias_norm": lambda step, site: layer_norm(step, step.parameters, site, ("b",)),
    "update_ratio": update_ratio,
}

if TYPE_CHECKING:
    Quantity = str
else:
    Quantity = Literal[(*OF_ACTIVATIONS, *OF_WEIGHTS)]


@dataclass(frozen=True)
class Layers:
    """Statistics of each layer with weights, on the batch of the next step, in training mode.

    preactivation_mean, preactivation_std: of the activation's input, over images and units.
    mean_ratio: its |mean over the batch| / std over the batch, averaged over units.
    activation_mean, activation_std, activation_square: of its output; the last is the mean square.
    dead: share of units whose activation is the same for every image.
    similarity: mean cosine between the activations of two different images.
    rank: participation ratio of the activations' singular values, (sum s^2)^2 / sum s^4.
    signal_square: mean square of the loss's gradient with respect to the activations.
    signal_similarity: mean cosine between that gradient of two different images of one class.
    gradient_norm, weight_norm, bias_norm: Euclidean, of the weights' gradient, weights and biases.
    update_ratio: norm of the change of the weights in the next step over their norm.
    """

    quantities: tuple[Quantity, ...] = option(
        ("activation_mean", "activation_std", "gradient_norm", "weight_norm", "update_ratio"),
        doc="which statistics",
    )

    @property
    def quantity_names(self) -> tuple[str, ...]:
        """The quantities that `read` returns."""
        return self.quantities

    def grids(self, sites: Sequence[Site]) -> Sequence[Grid]:
        """One number for each layer: of activations the hidden layers, of weights all."""
        every = tuple(site.number for site in sites)
        hidden = tuple(site.number for site in sites if site.activation is not None)
        return [Grid(name, hidden if name in OF_ACTIVATIONS else every) for name in self.quantities]

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """A reading (K, layers, 1) for each quantity."""
        sites = {site.number: site for site in step.sites}
        readings = []
        for grid in self.grids(step.sites):
            compute = OF_WEIGHTS.get(grid.quantity) or OF_ACTIVATIONS[grid.quantity]
            values = np.empty((step.networks, len(grid.layers), 1))
            for i, layer in enumerate(grid.layers):
                values[:, i, 0] = compute(step, sites[layer])
            readings.append(grid.reading(values))
        return readings


@dataclass(frozen=True)
class CovariateShift:
    """How much a layer's gradient changes when the layers before it are updated; one batch.

    G = dL/dW_i at W^t; G' = dL/dW_i where the layers before i are already those of step t + 1.

    shift: |G - G'|; shift_relative: |G - G'| / |G|; shift_cosine: <G, G'> / |G| |G'|. The first
    layer has none before it and is left out.

    Source:
        Santurkar et al. 2018, definition 2.1, there called internal covariate shift.
    """

    quantity_names = ("shift", "shift_relative", "shift_cosine")

    def grids(self, sites: Sequence[Site]) -> Sequence[Grid]:
        """One number for each layer but the first."""
        layers = tuple(site.number for site in sites[1:])
        return [Grid(name, layers) for name in self.quantity_names]

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """The three quantities, (K, layers - 1, 1) each."""
        sites = step.sites[1:]
        values = np.empty((3, step.networks, len(sites), 1))
        for i, site in enumerate(sites):
            shifted = step.with_parameters(
                [*step.advanced[: site.weights], *step.parameters[site.weights :]]
            )
            for k in range(step.networks):
                g, moved = (_weight_gradient(p, site, k) for p in (step.current, shifted))
                shift, length = norm([g - moved]), norm([g])
                cosine = np.divide(g @ moved, length * norm([moved]))
                values[:, k, i, 0] = shift, np.divide(shift, length), cosine
        return [grid.reading(values[i]) for i, grid in enumerate(self.grids(step.sites))]


def _weight_gradient(pass_: Pass, site: Site, k: int) -> Numbers:
    """Network k's gradient of the site's weights, as a vector."""
    gradients = pass_.gradients[site.weights]
    return np.concatenate(
        [of_network(g, k).ravel() for name, g in gradients.items() if name in WEIGHTS]
    )
