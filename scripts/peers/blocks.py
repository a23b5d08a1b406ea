"""The sweep's scales with one normalizer each time, or with skip connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from peers.sweep import QUICK, Sweep

# The name of a row -> what differs from the plain network.
BLOCKS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "batch": {"model.norm": "batch"},
    "ghost": {"model.norm": {"kind": "ghost_batch", "size": 50}},
    "renorm": {"model.norm": "batch_renorm"},
    "noisy": {"model.norm": "noisy_batch"},
    "centre": {"model.norm": "centre"},
    "layer": {"model.norm": "layer"},
    "rms": {"model.norm": "rms"},
    "scale": {"model.norm": "scale"},
    "weight": {"model.norm": "weight"},
    "meanonly": {"model.norm": {"kind": "weight", "mean_only": True}},
    "spectral": {"model.norm": "spectral"},
    "wstd": {"model.norm": "weight_standardization"},
    "residual": {"model.residual": {"layers": 2}},
}


@dataclass(frozen=True)
class Scales(Sweep):
    """A network for each weight scale, all with the same change."""

    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def networks(self) -> int:
        return len(self.scales)

    def overrides(self) -> dict[str, Any]:
        plain = {"sweep.model.norm": None, "random.stream": "independent"}
        return {**super().overrides(), **plain, **self.changes}

    def small(self) -> Sweep:
        return replace(self, exponents=QUICK.exponents, epochs=QUICK.epochs)
