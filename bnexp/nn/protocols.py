"""The protocols of this package: what layers, initializers and optimizers must offer.

A class need not inherit from these protocols: having the methods is enough. Options are fields of a
frozen dataclass; parameters and state are passed in and returned, and nothing else is remembered.

One letter stands for one axis, here and in the whole package:

    K  networks of a stack      N  images of a batch     C  channels, or classes
    D  inputs of a layer        H  outputs of a layer    H, W  height and width of an image

Arrays between layers are (K, N, H), or images (K, N, H, W, C) with channels last. K may be 1 in an
operand that all networks share. Parameters are (K, ...) too: weights (K, D, H), and one number per
unit is a row (K, 1, H), which broadcasts over the batch. Nothing reduces over K.

Arrays are NumPy's, or those of a library that follows NumPy's protocols (`__array_ufunc__` and
`__array_function__`), as CuPy's on a GPU, which refuse to be mixed with NumPy's. So a new array is
made with `like=`, and a layer that draws while it trains moves what NumPy drew the same way:

    np.zeros(shape, x.dtype, like=x)    np.ones_like(x, shape=shape)    np.asarray(mask, like=x)

(Not `np.ones` or `np.full` with `like=`: NumPy passes an argument on that CuPy 14 does not know.)

Reductions of such a library are arrays, too: a Python number of one, as in `if x.max() > 0`, waits
until the GPU has finished. Integers in a state, keys and counts, stay NumPy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Shape = tuple[int, ...]  # of one sample, without K and N: (H,) or (H, W, C)
Parameters = Mapping[str, Array]
State = Mapping[str, NDArray[Any]]  # running statistics, keys and counts
Gradients = dict[str, Array]

# What the three methods of a layer return.
Initial = tuple[Shape, Parameters, State]
Forward = tuple[Array, Any, State]
Backward = tuple[Array, Gradients]


class Generator(Protocol):
    """A source of random numbers: `numpy.random.Generator`, or the book's `RandomState`.

    Layers and initializers may use these two methods only, which both sources have.
    """

    def standard_normal(self, size: Any = ...) -> Any: ...
    def uniform(self, low: Any = ..., high: Any = ..., size: Any = ...) -> Any: ...


class Initializer(Protocol):
    """Draws one weight array (fan_in, units) in float64.

    Fans count the connections into and out of a unit.

    An initializer that also has `fitted(weights, outputs)` adapts the drawn weights to data before
    training. `outputs(weights)` are the layer's outputs (1, N, H) for the first training images;
    the result has the shape of `weights`, (1, fan_in, units).
    """

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Weights of this shape, (fan_in, units)."""
        ...


class Layer(Protocol):
    """The protocol that the package's docstring states, for one network or a stack of them.

    `init` makes one network's arrays; from then on they have the axis K in front: x, y and dy are
    (K, N, H) or (K, N, H, W, C), and `backward` gives each parameter's gradient in its own shape.
    ValueError from `init` says that the layer does not fit what comes before it.
    """

    def init(self, generator: Generator, shape: Shape) -> Initial:
        """The shape of one output sample, the parameters and the state of one network."""
        ...

    def forward(self, parameters: Parameters, state: State, x: Array, train: bool) -> Forward:
        """The output y, a cache for `backward`, and the new state. Changes no argument."""
        ...

    def backward(self, parameters: Parameters, cache: Any, dy: Array) -> Backward:
        """dL/dx, and dL/dw for each parameter w by its name, given dy = dL/dy."""
        ...


@runtime_checkable
class Affine(Layer, Protocol):
    """A layer with weights: it can leave out its input's gradient, and be fitted to data."""

    @property
    def calibrates(self) -> bool:
        """Whether `calibrated` changes anything."""
        ...

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters:
        """The parameters fitted to the inputs x, (K, N, ...), before training."""
        ...

    def gradients(self, parameters: Parameters, cache: Any, dy: Array) -> Gradients:
        """What `backward` returns, but for dx."""
        ...


@runtime_checkable
class Normalizer(Layer, Protocol):
    """A layer that can be written, at evaluation, as y = scale * x + shift.

    x is (K, N, H) or (K, N, H, W, C), scale and shift are rows (K, 1, H) or (K, 1, C); None where
    they depend on x.
    """

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None:
        """scale and shift, which are then merged into the layer before this one."""
        ...


@runtime_checkable
class BatchStatistics(Layer, Protocol):
    """A layer that chooses, by `evaluation`, the statistics with which it is evaluated.

    "batch": those of the evaluated images themselves. `forward(..., train=False)` is then given all
    images at once, one network at a time.

    "population": averages over batches of the training images, the parameters being fixed (Ioffe &
    Szegedy 2015, Algorithm 2). The layer is then `PopulationStatistics` too.

    Any other value: the layer is evaluated with the state that training left.
    """

    @property
    def evaluation(self) -> str: ...


@runtime_checkable
class PopulationStatistics(Layer, Protocol):
    """A layer whose state can be averaged over batches that all count alike.

    Before an evaluation, all arrays of its state are set to 0, and batch after batch goes through
    `averaging(seen).forward(..., train=True)` with seen = 0, 1, 2, ... The layer that `averaging`
    returns weighs the state, from `seen` batches, by seen / (seen + 1), the new batch by
    1 / (seen + 1).
    """

    def averaging(self, seen: int) -> Layer:
        """A layer with the same parameters that averages the next batch into its state."""
        ...


class Optimizer(Protocol):
    """An update rule. It writes into the parameters and returns the new state.

    Parameters and gradients are (K, ...) of equal shapes; the gradients may be written over. The
    learning rate comes as (K, 1, 1), one a network: networks that differ in nothing else are
    trained as one stack.
    """

    def init(self, parameters: Parameters) -> State:
        """The state before the first update: arrays by name, one set for each parameter."""
        ...

    def update(
        self, parameters: Parameters, gradients: Gradients, state: State, lr: Array
    ) -> State:
        """One update of all parameters of a layer, in place; the new state."""
        ...
