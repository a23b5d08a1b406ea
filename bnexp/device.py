"""The device that networks are trained on: the CPU with NumPy, or an NVIDIA GPU with CuPy.

The numerics follow NumPy's protocols, so that a device is no more than the library whose arrays
they are given. `device_array` returns an empty array of it:

    np.asarray(x, like=device_array("cuda"))    x on the GPU, to compute with
    to_host(y)                                  y as NumPy's array; waits until the GPU has it

CuPy refuses to mix its arrays with NumPy's, so arrays are copied between CPU and GPU only by these
two calls. CuPy is imported here and nowhere else, on first use.
"""

from __future__ import annotations

import subprocess
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import ConfigError
from bnexp.text import choices

DEVICES = ("cpu", "cuda")
INSTALL = "pip install 'bnexp[gpu]'"


def to_host(array: Any) -> NDArray[Any]:
    """The array as NumPy's: itself, or a copy of what is on a device."""
    numbers: NDArray[Any] = array
    if not isinstance(array, np.ndarray | np.generic):
        numbers = array.get()
    return numbers


def check_device_name(device: str) -> None:
    """ConfigError if there is no device of this name."""
    if not isinstance(device, str):
        raise ConfigError(f"device: expected {' or '.join(DEVICES)}, got {device!r}")
    if device not in DEVICES:
        is_gpu = device.lower().startswith(("gpu", "cuda", "nvidia"))
        hint = "write cuda; the variable CUDA_VISIBLE_DEVICES chooses among GPUs" if is_gpu else ""
        text = choices(device, DEVICES, explained=hint)
        raise ConfigError(f"device: no such device, expected {text}")


def device_array(device: str) -> Any:
    """An empty array on the device, to be passed as `like=`.

    ConfigError if there is no such device, or it cannot be used here; it says what to install.
    """
    check_device_name(device)
    return np.empty(0) if device == "cpu" else _cupy().empty(0)


def device_facts(device: str) -> dict[str, Any]:
    """What a manifest says of the device: nothing of the CPU, which it describes anyway."""
    if device == "cpu":
        return {}
    cupy = _cupy()
    runtime = cupy.cuda.runtime
    name = runtime.getDeviceProperties(runtime.getDevice())["name"]
    return {
        "kind": device,
        "name": name.decode() if isinstance(name, bytes) else str(name),
        "driver": _driver(),
        "cuda": _version(runtime.runtimeGetVersion()),
        "cupy": str(cupy.__version__),
    }


def free_memory(device: str) -> int | None:
    """The bytes that arrays can still take on the device; None for the CPU."""
    if device == "cpu":
        return None
    cupy = _cupy()
    return int(cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes())


def release_memory(device: str) -> None:
    """Give the memory of arrays that are gone back to the device."""
    if device != "cpu":
        _cupy().get_default_memory_pool().free_all_blocks()


@lru_cache(maxsize=1)
def _cupy() -> Any:
    """CuPy, once it has computed a product; ConfigError otherwise."""
    instead = "; or train with device cpu"
    try:
        import cupy
    except ImportError as error:
        raise ConfigError(
            f"device: cuda needs CuPy, which cannot be imported ({error}); {INSTALL}{instead}"
        ) from None
    try:
        number = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # of CuPy's own kind: no driver, or none that fits
        raise ConfigError(
            f"device: cuda needs an NVIDIA GPU and its driver, got {error}; install the driver "
            f"that `nvidia-smi` belongs to{instead}"
        ) from None
    if number < 1:
        raise ConfigError(
            "device: cuda needs an NVIDIA GPU, found none; CUDA_VISIBLE_DEVICES may hide "
            f"them{instead}"
        )
    try:
        float(cupy.matmul(cupy.ones((2, 2)), cupy.ones((2, 2))).sum())
    except Exception as error:  # of several libraries
        text = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"device: CuPy found a GPU but cannot compute on it, {type(error).__name__}: {text}; "
            f"CUDA's libraries may be missing, which {INSTALL} installs{instead}"
        ) from None
    return cupy


def _driver() -> str | None:
    """The version of NVIDIA's driver; None where its program is not found."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(found.stdout.split()), None)


def _version(number: int) -> str:
    """CUDA's number as people write it.

    >>> _version(12040)
    '12.4'
    """
    return f"{number // 1000}.{number % 1000 // 10}"
