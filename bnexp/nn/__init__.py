"""Layers, losses and optimizers in plain NumPy, for one network or a stack of K.

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
on its neighbors, not in the last bit.
"""

from bnexp.nn.activations import ACTIVATIONS, Relu, Sigmoid, Tanh
from bnexp.nn.batchnorm import BatchNorm
from bnexp.nn.dropout import Dropout
from bnexp.nn.gradcheck import gradient_errors
from bnexp.nn.initializers import INITIALIZERS, Glorot, He, Normal, Xavier
from bnexp.nn.linear import Conv, Dense
from bnexp.nn.loss import SoftmaxCrossEntropy
from bnexp.nn.normalizers import NORMALIZERS, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from bnexp.nn.optimizers import OPTIMIZERS, SGD, Momentum
from bnexp.nn.pooling import AveragePool, Flatten, GlobalAveragePool, MaxPool
from bnexp.nn.protocols import Array, Initializer, Layer, Normalizer, Optimizer, Parameters, State
from bnexp.nn.residual import Add, Fork, Shortcuts
from bnexp.nn.sequential import Sequential, block, mlp, stack
from bnexp.nn.weightnorm import WeightNorm, WeightStandardization
from bnexp.registry import Registry, option

# Names of version 0.1.
INITIALISERS, NORMALISERS, OPTIMISERS = INITIALIZERS, NORMALIZERS, OPTIMIZERS
Initialiser, Normaliser, Optimiser = Initializer, Normalizer, Optimizer
Network, knob = Sequential, option

__all__ = [
    "ACTIVATIONS", "INITIALISERS", "INITIALIZERS", "NORMALISERS", "NORMALIZERS", "OPTIMISERS",
    "OPTIMIZERS", "SGD", "Add", "Array", "AveragePool", "BatchNorm", "Conv", "Dense", "Dropout",
    "Flatten", "Fork", "GlobalAveragePool", "Glorot", "GroupNorm", "He", "Initialiser",
    "Initializer", "InstanceNorm", "Layer", "LayerNorm", "MaxPool", "Momentum", "Network",
    "Normal", "Normaliser", "Normalizer", "Optimiser", "Optimizer", "Parameters", "RMSNorm",
    "Registry", "Relu", "Sequential", "Shortcuts", "Sigmoid", "SoftmaxCrossEntropy", "State",
    "Tanh", "WeightNorm", "WeightStandardization", "Xavier", "block", "gradient_errors", "knob",
    "mlp", "option", "stack",
]  # fmt: skip
