"""Where data lies: the user's cache and the folder the user pointed to."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from bnexp.data.catalog import WAYS_TO_GET_DATA
from bnexp.errors import DataError

CACHE_VARIABLE = "BNEXP_CACHE_DIR"
DATA_VARIABLE = "BNEXP_DATA_DIR"


def cache_folder(cache: str | Path | None = None) -> Path | None:
    """The cache: the argument, else BNEXP_CACHE_DIR, else the system's folder for caches.

    None if the system has none, as for a user without a home folder.
    """
    chosen = cache or os.environ.get(CACHE_VARIABLE)
    return expand(chosen) if chosen else _system_cache()


def mnist_folder(cache: str | Path | None = None) -> Path:
    """Where the downloaded MNIST files lie; DataError if there is no cache."""
    folder = cache_folder(cache)
    if folder is None:
        raise DataError(
            "MNIST: expected a home folder to keep the downloaded files in, got none (is HOME "
            f"set?). Set {CACHE_VARIABLE} to a folder you may write to.\n{WAYS_TO_GET_DATA}"
        )
    return folder / "mnist"


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


def imported_pooch() -> Any:
    """The library, imported late: it takes a while, and most calls have no need of it.

    In a notebook without widgets it would warn of a progress bar that we never show.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pooch
    return pooch


def _system_cache() -> Path | None:
    try:
        return Path(imported_pooch().os_cache("bnexp")).expanduser()
    except RuntimeError:  # neither HOME nor an entry in the table of users
        return None
