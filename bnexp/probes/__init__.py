"""Probes: what can be recorded during training besides loss and accuracy.

A probe is a frozen dataclass of options with one method, `read(step)`, which computes readings of a
stack of networks before their next step. It changes nothing: with and without probes a network's
numbers are the same to the last bit. A new one is one class and one line in PROBES.
"""

from bnexp.probes.base import Grid, HeldOut, Probe, Reading, Site, TrainingStep, sites
from bnexp.probes.distributions import Histogram, Percentiles
from bnexp.probes.images import Confusion, Filters
from bnexp.probes.landscape import Landscape
from bnexp.probes.layers import CovariateShift, Layers
from bnexp.probes.robustness import Robustness
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

Moment = TrainingStep  # its name in version 0.1

__all__ = [
    "PROBES",
    "Grid",
    "HeldOut",
    "Moment",
    "Probe",
    "Reading",
    "Site",
    "TrainingStep",
    "sites",
]
