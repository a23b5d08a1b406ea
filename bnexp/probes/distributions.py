"""How activations are distributed: histograms of each layer, percentiles of one unit.

Both look at single numbers of the next batch, in training mode: a layer's activations, or its
preactivations, which are what the activation function is applied to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bnexp.nn import Array
from bnexp.probes.base import Grid, Reading, Site, TrainingStep, of_network
from bnexp.registry import option


@dataclass(frozen=True)
class Histogram:
    """The share of each layer's numbers in each of `bins` equal bins from `low` to `high`.

    Numbers outside are in no bin: the shares then add up to less than 1.
    """

    low: float = option(0.0, doc="the left end of the first bin")
    high: float = option(1.0, doc="the right end of the last bin")
    bins: int = option(30, doc="the number of bins", ge=1, le=1000)
    of: Literal["activation", "preactivation"] = option(
        "activation", doc="activation: its output; preactivation: its input"
    )

    @property
    def quantity_names(self) -> tuple[str, ...]:
        """The quantities that `read` returns."""
        return (f"{self.of}_density",)

    def grids(self, sites: Sequence[Site]) -> Sequence[Grid]:
        """The hidden layers of `sites`, and the left edges of the bins."""
        layers = tuple(site.number for site in sites if site.activation is not None)
        edges = np.linspace(self.low, self.high, self.bins + 1)
        return [Grid(f"{self.of}_density", layers, tuple(edges[:-1].tolist()))]

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """`activation_density` or `preactivation_density`, (K, layers, bins), at = left edges.

        NaN and infinite numbers are in no bin, and are counted in the total.
        """
        edges = np.linspace(self.low, self.high, self.bins + 1)
        sites = [site for site in step.sites if site.activation is not None]
        values = np.empty((step.networks, len(sites), self.bins))
        for i, site in enumerate(sites):
            stack = _activations(step, site, self.of)
            for k in range(step.networks):
                numbers = of_network(stack, k)
                finite = numbers[np.isfinite(numbers)]
                values[k, i] = np.histogram(finite, edges)[0] / numbers.size
        return [grid.reading(values) for grid in self.grids(sites)]


@dataclass(frozen=True)
class Percentiles:
    """Percentiles over the batch of one unit's preactivation.

    Ioffe & Szegedy, figure 1 (b, c): the 15th, 50th and 85th of a unit of the last hidden layer.
    """

    layer: int = option(doc="the number of the layer with weights, from 1", ge=1)
    unit: int = option(0, doc="the number of its unit, from 0", ge=0)
    percentiles: tuple[float, ...] = option(
        (15.0, 50.0, 85.0), doc="the percentiles, from 0 to 100"
    )

    quantity_names = ("percentile",)

    def grids(self, sites: Sequence[Site]) -> Sequence[Grid]:
        """The layer, and the percentiles."""
        return [Grid("percentile", (self.layer,), self.percentiles)]

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """`percentile`, (K, 1, percentiles), at = the percentile; of a channel over all pixels."""
        site = step.sites[self.layer - 1]
        stack = _activations(step, site, "preactivation")
        values = np.empty((step.networks, 1, len(self.percentiles)))
        for k in range(step.networks):
            unit = of_network(stack, k).reshape(-1, stack.shape[-1])[:, self.unit]
            values[k, 0] = np.percentile(unit, self.percentiles)
        return [grid.reading(values) for grid in self.grids(step.sites)]


def _activations(step: TrainingStep, site: Site, side: str) -> Array:
    """The output ("activation") or input ("preactivation") of the site's activation function,
    (K or 1, N, ...); the logits for the output layer, which has none."""
    if site.activation is None:
        return step.current.logits
    return step.current.inputs[site.activation + (side == "activation")]
