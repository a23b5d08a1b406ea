"""The libraries below NumPy: one BLAS thread for all products, and freed memory that is kept.

The last bits of a matrix product depend on the number of BLAS threads. For most libraries that
number belongs to the process, not to a thread of it: if each run set it at its start and reset it
at its end, the first run to end would change the numbers of those that are still training. So the
number is 1 from the moment when the first block of `one_blas_thread` is entered, in whatever
thread, until the last block is left. OpenBLAS on OpenMP has a number for each thread, which each
thread sets and resets for itself.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import threadpoolctl

_lock = threading.Lock()
_blocks = 0  # that are entered now, in all threads
_before: list[tuple[Any, int]] = []  # libraries with one number for the process, and that number


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Compute products with one BLAS thread inside the block; blocks may overlap in any way."""
    global _blocks
    with _lock:
        blas = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
        numbers = [(library, library.num_threads) for library in blas]
        own = [pair for pair in numbers if _is_of_thread(pair[0])]
        if not _blocks:
            _before[:] = [pair for pair in numbers if not _is_of_thread(pair[0])]
        _set([(library, 1) for library in blas])
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                _set([*own, *_before])
                _let_go()
            elif own:
                _set(own)


def _is_of_thread(library: Any) -> bool:
    """Whether each thread has a number of its own."""
    openmp = getattr(library, "threading_layer", None) == "openmp"
    return openmp and library.internal_api == "openblas"


def _set(numbers: Sequence[tuple[Any, int]]) -> None:
    """Set each library's number of threads.

    As of 3.8, threadpoolctl heeds one thread only, the one that set a number last, until it lets
    go. So no other thread changes the number while this one computes.
    """
    _let_go()
    for library, number in numbers:
        library.set_num_threads(number)


def _let_go() -> None:
    """Have threadpoolctl heed all threads again."""
    if clear := getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None):
        clear(force=True)


def keep_freed_memory() -> None:
    """Have glibc keep freed memory instead of giving it back to the system after each step.

    A step frees and asks for the same few megabytes; the page faults cost a quarter of a sweep.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return  # not glibc
    mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD, at its largest
    mallopt(-1, 512 * 2**20)  # M_TRIM_THRESHOLD
