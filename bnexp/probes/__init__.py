"""Probes: what can be recorded during training besides loss and accuracy.

A probe is a frozen dataclass of options with one method, `read(step)`, which computes readings of a
stack of networks before their next step. It changes nothing: with and without probes a network's
numbers are the same to the last bit. A new one is one class and one line in PROBES.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from bnexp.probes.base import Grid, HeldOut, Probe, Reading, Site, TrainingStep, sites
from bnexp.probes.distributions import Histogram, Percentiles
from bnexp.probes.images import Confusion, Filters
from bnexp.probes.landscape import Landscape
from bnexp.probes.layers import CovariateShift, Layers
from bnexp.probes.robustness import CHANGES, Robustness
from bnexp.registry import Registry

PROBES: Registry[type] = Registry(
    "probe",
    {
        "layers": Layers,
        "histogram": Histogram,
        "percentiles": Percentiles,
        "landscape": Landscape,
        "covariate_shift": CovariateShift,
        "filters": Filters,
        "confusion": Confusion,
        "robustness": Robustness,
    },
    methods=("read",),
)

# Where the numbers of a quantity lie. Those that are not here, such as users' own, have no limits.
QUANTITY_LIMITS: Mapping[str, tuple[float, float]] = {
    "activation_density": (0.0, 1.0),
    "preactivation_density": (0.0, 1.0),
    "dead": (0.0, 1.0),
    **{f"accuracy_{change}": (0.0, 1.0) for change in (*CHANGES, "fgsm")},
    "similarity": (-1.0, 1.0),
    "signal_similarity": (-1.0, 1.0),
    "shift_cosine": (-1.0, 1.0),
    **dict.fromkeys(Landscape.quantity_names, (0.0, inf)),
    "preactivation_std": (0.0, inf),
    "mean_ratio": (0.0, inf),
    "activation_std": (0.0, inf),
    "activation_square": (0.0, inf),
    "rank": (0.0, inf),
    "signal_square": (0.0, inf),
    "gradient_norm": (0.0, inf),
    "weight_norm": (0.0, inf),
    "bias_norm": (0.0, inf),
    "update_ratio": (0.0, inf),
    "shift": (0.0, inf),
    "shift_relative": (0.0, inf),
    "roughness": (0.0, inf),
    "confusion": (0.0, inf),
}

Moment = TrainingStep  # its name in version 0.1

__all__ = [
    "PROBES",
    "QUANTITY_LIMITS",
    "Grid",
    "HeldOut",
    "Moment",
    "Probe",
    "Reading",
    "Site",
    "TrainingStep",
    "sites",
]
