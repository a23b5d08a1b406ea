"""Layers, losses and optimisers in plain NumPy, for one network or a stack of K.

Every layer is a frozen dataclass of hyper-parameters with three methods:

    init(generator, shape)                   -> shape, parameters, state
    forward(parameters, state, x, train)     -> y, cache, state
    backward(parameters, cache, dy)          -> dx, gradients

`init` makes one network, without the stack axis; `stack` puts K of them side by side. `shape` is
one sample's shape, without stack and batch. `forward` returns a new state and never changes its
arguments; only what `parameters` holds is trained; running statistics are `state`.

Shapes: K networks, N batch, D inputs, H outputs, C classes. Activations (K, N, D), weights
(K, D, H); a vector of H numbers is a row (K, 1, H), so that it broadcasts over the batch. K may be
1 in an operand that all networks share. Nothing reduces over K: a network's numbers do not depend
on its neighbours, not in the last bit.
"""

from bnexp.nn.activations import ACTIVATIONS, Relu, Sigmoid, Tanh
from bnexp.nn.batchnorm import BatchNorm
from bnexp.nn.conv import Conv
from bnexp.nn.dense import Dense
from bnexp.nn.dropout import Dropout
from bnexp.nn.gradients import gradient_errors
from bnexp.nn.initialisers import INITIALISERS, Glorot, He, Normal, Xavier
from bnexp.nn.layer import Array, Initialiser, Layer, Normaliser, Optimiser, Parameters, State
from bnexp.nn.loss import SoftmaxCrossEntropy
from bnexp.nn.network import Network, block, mlp, stack
from bnexp.nn.normalisers import NORMALISERS
from bnexp.nn.optimisers import OPTIMISERS, SGD, Momentum
from bnexp.nn.pooling import AveragePool, Flatten, GlobalAveragePool, MaxPool
from bnexp.nn.registry import Registry, knob
from bnexp.nn.samplenorm import GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from bnexp.nn.weightnorm import WeightNorm

__all__ = [
    "ACTIVATIONS",
    "INITIALISERS",
    "NORMALISERS",
    "OPTIMISERS",
    "SGD",
    "Array",
    "AveragePool",
    "BatchNorm",
    "Conv",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "Glorot",
    "GroupNorm",
    "He",
    "Initialiser",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "MaxPool",
    "Momentum",
    "Network",
    "Normal",
    "Normaliser",
    "Optimiser",
    "Parameters",
    "RMSNorm",
    "Registry",
    "Relu",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "State",
    "Tanh",
    "WeightNorm",
    "Xavier",
    "block",
    "gradient_errors",
    "knob",
    "mlp",
    "stack",
]
