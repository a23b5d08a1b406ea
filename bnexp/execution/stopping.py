"""Stop a run gracefully: finish the current step, then save a checkpoint of each network.

A signal may come in the middle of a step, when parameters are half updated. So its handler only
asks the run to stop (`request`). Training looks after each step whether it was asked to (`check`)
and, where there is a run directory, saves a checkpoint first. In worker processes the question is
answered by a flag that they share with their parent (`watch`).

Elsewhere a handler raises Interrupted at once (`interrupt`). Libraries that call Python from C may
turn what is raised there into errors of their own, or drop it: so it is remembered, and whoever
takes any error for a mistake asks first whether it was an interruption (`check`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from bnexp.errors import Interrupted

_runs = 0  # that stop gracefully when they are asked to
_requested = False
_interrupted = False


def _was_asked() -> bool:
    return _requested


_is_requested: Callable[[], bool] = _was_asked


def request() -> bool:
    """Ask the runs that are training to stop; False if there is none, or all were asked before."""
    global _requested
    if not _runs or _requested:
        return False
    _requested = True
    return True


def interrupt() -> NoReturn:
    """Raise Interrupted, and again from every `check` that follows."""
    global _interrupted
    _interrupted = True
    raise Interrupted


def requested() -> bool:
    """Whether training is to stop after the step that is being made."""
    return _interrupted or _is_requested()


def check() -> None:
    """Raise Interrupted if training is to stop, or if an earlier Interrupted was lost."""
    if requested():
        raise Interrupted


def watch(is_requested: Callable[[], bool]) -> None:
    """In a worker process: ask this function whether training is to stop."""
    global _is_requested
    _is_requested = is_requested


@contextmanager
def gracefully() -> Iterator[None]:
    """Within the block the process trains, and stops gracefully if it is asked to.

    Where SIGINT still has Python's own handler, as in a script or a notebook, it asks the run to
    stop; a second one raises KeyboardInterrupt at once. Interrupted, which the block raises when it
    has stopped, becomes a KeyboardInterrupt there, with the same text.
    """
    global _runs, _requested
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's to answer
        return
    before = signal.getsignal(signal.SIGINT)

    def answer(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        if not request():
            raise KeyboardInterrupt

    is_script = before is signal.default_int_handler
    if is_script:
        signal.signal(signal.SIGINT, answer)
    _runs += 1
    try:
        try:
            yield
        finally:
            _runs -= 1
        check()  # the signal may have come after the run's own last look
    except Interrupted as error:
        if is_script:
            raise KeyboardInterrupt(*error.args) from None
        raise
    finally:
        _requested = _requested and _runs > 0
        if is_script:
            signal.signal(signal.SIGINT, before)
