"""Numbers about each layer with weights: one line a quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bnexp.probes.probe import Moment, Numbers, Pass, Reading, Site, each, norm, of
from bnexp.registry import option

Quantity = Literal[
    "preactivation_mean", "preactivation_std", "mean_ratio", "activation_mean", "activation_std",
    "activation_square", "dead", "similarity", "rank", "signal_square", "gradient_norm",
    "weight_norm", "bias_norm", "update_ratio",
]  # fmt: skip


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
    gradient_norm, weight_norm, bias_norm: Euclidean, of the weights' gradient, weights and biases.
    update_ratio: norm of the change of the weights in the next step over their norm.
    """

    quantities: tuple[Quantity, ...] = option(
        ("activation_mean", "activation_std", "gradient_norm", "weight_norm", "update_ratio"),
        doc="which statistics",
    )

    def read(self, moment: Moment) -> Sequence[Reading]:
        return [_reading(moment, name) for name in self.quantities]


def _reading(moment: Moment, quantity: str) -> Reading:
    wanted = [s for s in moment.sites if quantity in OF_WEIGHTS or s.activation is not None]
    compute = OF_WEIGHTS.get(quantity) or OF_ACTIVATIONS[quantity]
    values = np.empty((moment.networks, len(wanted), 1))
    for i, site in enumerate(wanted):
        values[:, i, 0] = compute(moment, site)
    return Reading(quantity, values, tuple(site.number for site in wanted))


def _given(number: Callable[[Numbers], float]) -> Callable[[Moment, Site], Numbers]:
    """A number of what the activation is given: (N, units), one row an image."""
    return lambda moment, site: _over(moment, moment.here.inputs[site.activation or 0], number)


def _made(number: Callable[[Numbers], float]) -> Callable[[Moment, Site], Numbers]:
    """A number of what the activation makes."""
    return lambda moment, site: _over(
        moment, moment.here.inputs[(site.activation or 0) + 1], number
    )


def _sent_back(number: Callable[[Numbers], float]) -> Callable[[Moment, Site], Numbers]:
    """A number of the loss's gradient with respect to what the activation makes."""
    return lambda moment, site: _over(moment, moment.here.signals[site.activation or 0], number)


def _over(moment: Moment, array: Any, number: Callable[[Numbers], float]) -> Numbers:
    return each(moment.networks, lambda k: number(of(array, k).reshape(array.shape[1], -1)))


def _mean_ratio(rows: Numbers) -> float:
    """Units that do not vary have no ratio and are left out."""
    std = rows.std(axis=0)
    varying = std > 0
    if not varying.any():
        return math.nan
    return float(np.mean(np.abs(rows.mean(axis=0)[varying]) / std[varying]))


def _dead(rows: Numbers) -> float:
    return float(np.mean(rows.max(axis=0) == rows.min(axis=0)))


def _similarity(rows: Numbers) -> float:
    """Of unit vectors u: (|sum u|^2 - n) / (n (n - 1)); a single image has no other."""
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    total, n = (rows / lengths).sum(axis=0), len(rows)
    return math.nan if n == 1 else float((total @ total - n) / (n * (n - 1)))


def _rank(rows: Numbers) -> float:
    squares = np.square(np.linalg.svd(rows, compute_uv=False)) if np.isfinite(rows).all() else rows
    return float(squares.sum() ** 2 / np.square(squares).sum())


def _gradient_norm(moment: Moment, site: Site) -> Numbers:
    return _norms(moment, moment.here.gradients, site, WEIGHTS)


def _weight_norm(moment: Moment, site: Site) -> Numbers:
    return _norms(moment, moment.parameters, site, WEIGHTS)


def _bias_norm(moment: Moment, site: Site) -> Numbers:
    return _norms(moment, moment.parameters, site, ("b",))


def _norms(
    moment: Moment, layers: Sequence[Mapping[str, Any]], site: Site, names: Sequence[str]
) -> Numbers:
    arrays = [layers[site.weights][name] for name in names if name in layers[site.weights]]
    return each(moment.networks, lambda k: norm([of(a, k) for a in arrays]))


def _update_ratio(moment: Moment, site: Site) -> Numbers:
    before, after = moment.parameters[site.weights], moment.advanced[site.weights]
    names = [name for name in WEIGHTS if name in before]

    def ratio(k: int) -> float:
        change = norm([of(after[name], k) - of(before[name], k) for name in names])
        return float(np.divide(change, norm([of(before[name], k) for name in names])))

    return each(moment.networks, ratio)


WEIGHTS = ("W", "direction", "length")

OF_ACTIVATIONS: Mapping[str, Callable[[Moment, Site], Numbers]] = {
    "preactivation_mean": _given(lambda rows: float(rows.mean())),
    "preactivation_std": _given(lambda rows: float(rows.std())),
    "mean_ratio": _given(_mean_ratio),
    "activation_mean": _made(lambda rows: float(rows.mean())),
    "activation_std": _made(lambda rows: float(rows.std())),
    "activation_square": _made(lambda rows: float(np.square(rows).mean())),
    "dead": _made(_dead),
    "similarity": _made(_similarity),
    "rank": _made(_rank),
    "signal_square": _sent_back(lambda rows: float(np.square(rows).mean())),
}
OF_WEIGHTS: Mapping[str, Callable[[Moment, Site], Numbers]] = {
    "gradient_norm": _gradient_norm,
    "weight_norm": _weight_norm,
    "bias_norm": _bias_norm,
    "update_ratio": _update_ratio,
}


@dataclass(frozen=True)
class CovariateShift:
    """How much a layer's gradient changes when the layers before it are updated; one batch.

    G = dL/dW_i at W^t; G' = dL/dW_i where the layers before i are already those of step t + 1.

    shift: |G - G'|; shift_relative: |G - G'| / |G|; shift_cosine: <G, G'> / |G| |G'|. The first
    layer has none before it and is left out.
    """

    def read(self, moment: Moment) -> Sequence[Reading]:
        places = moment.sites[1:]
        values = np.empty((3, moment.networks, len(places), 1))
        for i, site in enumerate(places):
            before = moment.with_parameters(
                [*moment.advanced[: site.weights], *moment.parameters[site.weights :]]
            )
            for k in range(moment.networks):
                values[:, k, i, 0] = _compared(moment.here, before, site, k)
        names = ("shift", "shift_relative", "shift_cosine")
        layers = tuple(site.number for site in places)
        return [Reading(name, own, layers) for name, own in zip(names, values, strict=True)]


def _compared(here: Pass, before: Pass, site: Site, k: int) -> tuple[float, float, float]:
    g, moved = (
        np.concatenate(
            [of(a, k).ravel() for name, a in p.gradients[site.weights].items() if name in WEIGHTS]
        )
        for p in (here, before)
    )
    apart, length = norm([g - moved]), norm([g])
    cosine = np.divide(g @ moved, length * norm([moved]))
    return apart, float(np.divide(apart, length)), float(cosine)
