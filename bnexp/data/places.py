"""Where data lies: the user's cache and the folder the user pointed to."""

from __future__ import annotations

import os
from pathlib import Path

from bnexp.errors import DataError

CACHE_VARIABLE = "BNEXP_CACHE_DIR"
DATA_VARIABLE = "BNEXP_DATA_DIR"


def cache_folder(cache: str | Path | None = None) -> Path:
    """The cache: the argument, else BNEXP_CACHE_DIR, else the system's folder for caches."""
    chosen = cache or os.environ.get(CACHE_VARIABLE)
    return expand(chosen) if chosen else _system_cache()


def mnist_folder(cache: str | Path | None = None) -> Path:
    """Where the downloaded MNIST files lie."""
    return cache_folder(cache) / "mnist"


def data_folder(data_dir: str | Path | None = None) -> Path | None:
    """The folder the user pointed to, by argument or else BNEXP_DATA_DIR; None if neither."""
    chosen = data_dir or os.environ.get(DATA_VARIABLE)
    return expand(chosen) if chosen else None


def expand(path: str | Path) -> Path:
    """The path with a leading ~ replaced by the home folder; DataError if there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(f"{path}: {error}. Write the folder's full path instead.") from error


def _system_cache() -> Path:
    import pooch  # takes a while to import, and most calls have no need of it

    return Path(pooch.os_cache("bnexp"))
