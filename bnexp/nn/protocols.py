"""The protocols: what a layer, an initializer and an optimizer must offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Shape = tuple[int, ...]
Parameters = Mapping[str, Array]
State = Mapping[str, NDArray[Any]]  # numbers, keys and counts


class Generator(Protocol):
    """What is drawn from: `numpy.random.Generator`, or the book's `RandomState`."""

    def standard_normal(self, size: Any = ...) -> Any: ...
    def uniform(self, low: Any = ..., high: Any = ..., size: Any = ...) -> Any: ...


class Initializer(Protocol):
    """Draws one weight array (fan_in, units) in float64.

    Fans count the connections into and out of a unit.
    """

    def draw(self, generator: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array: ...


class Layer(Protocol):
    """The protocol that the package's docstring states, for one network or a stack of them.

    `init` makes one network's arrays; from then on they have the axis K in front: x, y and dy are
    (K, N, H) or (K, N, H, W, C), and `backward` gives each parameter's gradient in its own shape.
    ValueError from `init` says that the layer does not fit what comes before it.
    """

    def init(self, generator: Generator, shape: Shape) -> tuple[Shape, Parameters, State]: ...

    def forward(
        self, parameters: Parameters, state: State, x: Array, train: bool
    ) -> tuple[Array, Any, State]: ...

    def backward(
        self, parameters: Parameters, cache: Any, dy: Array
    ) -> tuple[Array, dict[str, Array]]: ...


@runtime_checkable
class Affine(Layer, Protocol):
    """A layer with weights: it can leave out its input's gradient, and be fitted to data."""

    @property
    def calibrates(self) -> bool: ...

    def calibrated(self, parameters: Parameters, x: Array) -> Parameters: ...

    def gradients(self, parameters: Parameters, cache: Any, dy: Array) -> dict[str, Array]: ...


@runtime_checkable
class Normalizer(Layer, Protocol):
    """A layer that can be written, at evaluation, as y = scale * x + shift.

    x is (K, N, H) or (K, N, H, W, C), scale and shift are rows (K, 1, H) or (K, 1, C); None where
    they depend on x.
    """

    def evaluated(self, parameters: Parameters, state: State) -> tuple[Array, Array] | None: ...


class Optimizer(Protocol):
    """An update rule. It writes into the parameters and returns the new state.

    Parameters and gradients are (K, ...) of equal shapes; the gradients may be written over. The
    learning rate comes as (K, 1, 1), one a network: networks that differ in nothing else are
    trained as one stack.
    """

    def init(self, parameters: Parameters) -> State: ...

    def update(
        self, parameters: Parameters, gradients: dict[str, Array], state: State, lr: Array
    ) -> State: ...
