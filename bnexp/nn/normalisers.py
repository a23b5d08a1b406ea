"""The table of normalisers."""

from bnexp.nn.batchnorm import BatchNorm
from bnexp.nn.registry import Registry

NORMALISERS = Registry("normaliser", {"batch": BatchNorm})
