"""The connection to a dask scheduler: its address, a client, its workers; quiet libraries."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bnexp.errors import ConfigError, StoreError
from bnexp.files import read_file

MAX_SCHEDULER_FILE = 10_000_000  # bytes
CONNECT = 10.0  # seconds to reach the scheduler
LIBRARIES = ("distributed", "dask", "tornado", "asyncio", "concurrent")


async def list_workers(
    silent_seconds: float, hung: Sequence[str], dask_scheduler: Any
) -> dict[str, str]:
    """The workers' addresses, and what tells a process from an earlier one at its address.

    Workers that are `hung`, and those that have said nothing for so many seconds (they report to
    the scheduler all the time, whatever they compute), are removed: others get their stacks.
    """
    from distributed.metrics import time as now

    for worker in list(dask_scheduler.workers.values()):
        if worker.address in hung or now() - worker.last_seen > silent_seconds:
            await dask_scheduler.remove_worker(address=worker.address, stimulus_id="bnexp")
    return {worker.address: str(worker.server_id) for worker in dask_scheduler.workers.values()}


@contextmanager
def connect(scheduler: str | Path) -> Iterator[Any]:
    """A client of the scheduler; ConfigError, after at most CONNECT seconds, if there is none."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ConfigError("a cluster needs distributed; pip install 'bnexp[cluster]'") from None
    address = _address(scheduler)
    with _silence_libraries():
        client = Client.__new__(Client)
        try:
            client.__init__(address, timeout=CONNECT, set_as_default=False, name="bnexp")
        except Exception as error:  # another server's answer can be read as anything
            client.status = "closed"  # or it would try to say goodbye when it is deleted
            raise ConfigError(
                f"{address}: no dask scheduler answered within {CONNECT:g} seconds, expected the "
                f"address that `dask scheduler` prints ({type(error).__name__})"
            ) from None
        try:
            yield client
        finally:
            client.close(timeout=CONNECT)


def _address(scheduler: str | Path) -> str:
    """The address itself, or what stands in the scheduler's file."""
    path = Path(os.path.expanduser(scheduler))
    if not path.is_file():
        if ":" in str(scheduler):
            return str(scheduler)
        raise ConfigError(f"{scheduler}: expected HOST:PORT or a scheduler's file, got neither")
    try:
        return str(json.loads(read_file(path, MAX_SCHEDULER_FILE) or b"")["address"])
    except (StoreError, ValueError, LookupError, TypeError, RecursionError):
        raise ConfigError(f"{path}: not what `dask scheduler` writes") from None


@contextmanager
def _silence_libraries() -> Iterator[None]:
    """Keep the libraries' log lines, tracebacks among them, and warnings from the terminal.

    What matters of them is in our own messages.
    """
    names = [n for n in logging.root.manager.loggerDict if n.partition(".")[0] in LIBRARIES]
    before = {logger: logger.disabled for logger in map(logging.getLogger, names)}
    for logger in before:
        logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed|dask|tornado")
            yield
    finally:
        for logger, disabled in before.items():
            logger.disabled = disabled
