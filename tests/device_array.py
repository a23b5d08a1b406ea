"""`DeviceArray`: an array that follows NumPy's protocols as CuPy's does, with numbers in memory.

It is no ndarray, becomes one only where it is told to (`get`), and refuses what CuPy refuses: to be
mixed with ndarrays, functions that CuPy lacks, `where` with a condition that is no array. Its
numbers are NumPy's to the last bit. `DeviceArray.fetches` counts how often a program waited for
numbers; on a GPU each of these stops the stream.

What it allows is what bnexp uses, each checked in the sources of CuPy 13 and 14.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np

# fmt: off
UFUNCS = {
    "absolute", "add", "bitwise_and", "bitwise_or", "bitwise_xor", "divide", "equal", "exp",
    "expm1", "greater", "greater_equal", "invert", "isfinite", "isnan", "less", "less_equal",
    "log", "logical_and", "logical_not", "logical_or", "matmul", "maximum", "minimum", "multiply",
    "negative", "not_equal", "power", "reciprocal", "sign", "sqrt", "square", "subtract", "tanh",
}
# With the keywords that they have there.
FUNCTIONS = {
    "arange": {"dtype"}, "asarray": {"dtype", "order", "copy"}, "ascontiguousarray": {"dtype"},
    "broadcast_to": set(), "concatenate": {"axis", "dtype"}, "empty": {"dtype", "order"},
    "full": {"dtype", "order"}, "full_like": {"dtype", "order", "shape"}, "moveaxis": set(),
    "ones": {"dtype", "order"}, "ones_like": {"dtype", "order", "shape"},
    "pad": {"mode", "constant_values"}, "stack": {"axis", "dtype"}, "take_along_axis": {"axis"},
    "tile": set(), "where": set(), "zeros": {"dtype", "order"},
    "zeros_like": {"dtype", "order", "shape"},
}
METHODS = (
    "all", "any", "argmax", "astype", "copy", "max", "mean", "min", "ravel", "reshape", "std",
    "sum", "swapaxes", "transpose", "var", "view",
)
ATTRIBUTES = ("dtype", "itemsize", "nbytes", "ndim", "shape", "size")
# fmt: on
FROM_HOST = ("asarray", "ascontiguousarray")  # with like=, these take an ndarray to the device


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on a device that there is not; see the module."""

    fetches: ClassVar[int] = 0

    def __init__(self, numbers: Any) -> None:
        self._numbers = np.asarray(numbers)

    def get(self) -> np.ndarray:
        """The numbers as NumPy's array, a copy."""
        DeviceArray.fetches += 1
        return self._numbers.copy()

    def __array__(self, dtype=None, copy=None):
        raise TypeError("implicit conversion to a NumPy array")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        refused = method != "__call__" or ufunc.__name__ not in UFUNCS
        if refused or not options.keys() <= {"out", "dtype", "casting"}:
            return NotImplemented
        dtypes = {x.dtype for x in inputs if isinstance(x, DeviceArray)}
        for x in inputs:  # NumPy's scalars promote otherwise before CuPy 14
            if isinstance(x, np.floating) and x.dtype not in dtypes and "dtype" not in options:
                raise TypeError(f"{ufunc.__name__} of {dtypes} and a scalar of {x.dtype}")
        if "out" in options:
            options["out"] = tuple(map(_taken, options["out"]))
            ufunc(*map(_taken, inputs), **options)
            return inputs[0] if options["out"][0] is _taken(inputs[0]) else _given(options["out"])
        return _given(ufunc(*map(_taken, inputs), **options))

    def __array_function__(self, function, types, args, options):
        if function.__name__ not in FUNCTIONS or function.__module__ != "numpy":
            return NotImplemented
        if unknown := options.keys() - FUNCTIONS[function.__name__]:
            raise TypeError(f"{function.__name__}() got an unexpected keyword {min(unknown)}")
        if function is np.where and not isinstance(args[0], DeviceArray):
            raise TypeError("where: the condition is no array of the device")
        first = args[:1]
        if function.__name__ in FROM_HOST and isinstance(args[0], np.ndarray):
            first, args = (args[0].copy(),), args[1:]
            return _given(function(*first, *map(_taken, args), **options))
        return _given(function(*map(_taken, args), **{n: _taken(v) for n, v in options.items()}))

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(p, DeviceArray) and p.dtype == bool for p in parts):
            DeviceArray.fetches += 1  # only the numbers say how many there are
        views = parts if any(part is Ellipsis for part in parts) else (*parts, Ellipsis)
        return _given(self._numbers[tuple(map(_taken, views))])

    def __setitem__(self, index, value):
        parts = index if isinstance(index, tuple) else (index,)
        self._numbers[tuple(map(_taken, parts))] = _taken(value)

    def __len__(self):
        return len(self._numbers)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __bool__(self):
        return bool(self.get())

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    @property
    def flags(self):
        """As CuPy's: there is nothing that makes an array read-only."""
        return SimpleNamespace(c_contiguous=self._numbers.flags.c_contiguous)

    def __repr__(self):
        return f"DeviceArray({self._numbers!r})"


def _taken(value: Any) -> Any:
    """An argument as NumPy is given it; TypeError for an ndarray, which is not on the device."""
    if isinstance(value, DeviceArray):
        return value._numbers
    if isinstance(value, np.ndarray):
        raise TypeError("an ndarray among arrays of a device")
    if isinstance(value, list | tuple):
        return type(value)(map(_taken, value))
    return value


def _given(value: Any) -> Any:
    """What NumPy returned, as arrays of the device: a reduction's number, too."""
    if isinstance(value, tuple) and len(value) == 1:
        return _given(value[0])
    return DeviceArray(value) if isinstance(value, np.ndarray | np.generic) else value


def _method(name: str) -> Callable[..., Any]:
    def method(self, *args, **options):
        return _given(getattr(self._numbers, name)(*map(_taken, args), **options))

    return method


for _name in METHODS:
    setattr(DeviceArray, _name, _method(_name))
for _name in ATTRIBUTES:
    setattr(DeviceArray, _name, property(lambda self, name=_name: getattr(self._numbers, name)))

PROTOTYPE = DeviceArray(np.empty(0))


def fake_cupy(free: int = 10**9, devices: int = 1) -> ModuleType:
    """What `bnexp.device` uses of CuPy, with arrays of this module; `free` bytes on the device."""
    cupy: Any = ModuleType("cupy")
    cupy.__version__ = "14.2.0"
    cupy.empty = lambda shape: DeviceArray(np.empty(shape))
    cupy.ones = lambda shape: DeviceArray(np.ones(shape))
    cupy.matmul = np.matmul
    cupy.cuda = SimpleNamespace(
        runtime=SimpleNamespace(
            getDeviceCount=lambda: devices,
            getDevice=lambda: 0,
            getDeviceProperties=lambda device: {"name": b"NVIDIA Paper 1"},
            runtimeGetVersion=lambda: 12090,
            memGetInfo=lambda: (free, 2 * free),
        )
    )
    pool = SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=lambda: None)
    cupy.get_default_memory_pool = lambda: pool
    return cupy


def moved(tree: Any) -> Any:
    """A nest of mappings, sequences and arrays with its numbers on the device.

    Integers, keys and counts, stay; so do numbers without axes.
    """
    if isinstance(tree, np.ndarray):
        is_float = np.issubdtype(tree.dtype, np.floating)
        return np.asarray(tree, like=PROTOTYPE) if tree.ndim and is_float else tree
    return _mapped(tree, moved)


def fetched(tree: Any) -> Any:
    """The nest with NumPy's arrays again."""
    return tree.get() if isinstance(tree, DeviceArray) else _mapped(tree, fetched)


def _mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(tree, Mapping):
        return {name: change(value) for name, value in tree.items()}
    return tuple(map(change, tree)) if isinstance(tree, tuple | list) else tree
