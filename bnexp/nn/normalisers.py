"""The table of normalisers: what `norm: {kind: ...}` may name."""

from bnexp.nn.batchnorm import BatchNorm
from bnexp.nn.centring import Centre
from bnexp.nn.noisynorm import NoisyBatchNorm
from bnexp.nn.registry import Registry
from bnexp.nn.samplenorm import GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from bnexp.nn.weightnorm import WeightNorm

NORMALISERS = Registry(
    "normaliser",
    {
        "batch": BatchNorm,
        "layer": LayerNorm,
        "instance": InstanceNorm,
        "group": GroupNorm,
        "rms": RMSNorm,
        "weight": WeightNorm,
        "centre": Centre,
        "noisy_batch": NoisyBatchNorm,
    },
    methods=("init", "forward", "backward"),
)
