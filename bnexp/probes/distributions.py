"""How activations are distributed: histograms of each layer, percentiles of one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bnexp.nn import Array
from bnexp.probes.probe import Moment, Reading, Site, of
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

    def read(self, moment: Moment) -> Sequence[Reading]:
        edges = np.linspace(self.low, self.high, self.bins + 1)
        places = [site for site in moment.sites if site.activation is not None]
        values = np.empty((moment.networks, len(places), self.bins))
        for i, site in enumerate(places):
            numbers = _numbers(moment, site, self.of)
            for k in range(moment.networks):
                own = of(numbers, k)
                finite = own[np.isfinite(own)]
                values[k, i] = np.histogram(finite, edges)[0] / own.size
        layers = tuple(site.number for site in places)
        return [Reading(f"{self.of}_density", values, layers, tuple(edges[:-1].tolist()))]


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

    def read(self, moment: Moment) -> Sequence[Reading]:
        site = moment.sites[self.layer - 1]
        numbers = _numbers(moment, site, "preactivation")
        values = np.empty((moment.networks, 1, len(self.percentiles)))
        for k in range(moment.networks):
            own = of(numbers, k).reshape(-1, numbers.shape[-1])[:, self.unit]
            values[k, 0] = np.percentile(own, self.percentiles)
        return [Reading("percentile", values, (self.layer,), self.percentiles)]


def _numbers(moment: Moment, site: Site, which: str) -> Array:
    """What the site's activation makes or is given; the output layer's logits are both."""
    if site.activation is None:
        return moment.here.logits
    return moment.here.inputs[site.activation + (which == "activation")]
