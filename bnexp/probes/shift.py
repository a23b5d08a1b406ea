"""Internal covariate shift by its definition in Santurkar et al. 2018, section 2.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnexp.probes.layers import WEIGHTS
from bnexp.probes.moment import Moment, Pass, Reading, Site, norm, of


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
