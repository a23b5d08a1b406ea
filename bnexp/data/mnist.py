"""MNIST from its mirrors into the user's cache: hash-checked, whole or not at all (by pooch)."""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from bnexp.data.catalog import MIRRORS, MNIST_FILES, WAYS_TO_GET_DATA, IdxFile
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


PORTS = {"http": 80, "https": 443}


def answering(urls: Sequence[str], seconds: float) -> list[str]:
    """Those URLs whose host (or proxy) accepts a connection within `seconds`, in their order."""
    accepted: set[str] = set()
    # No timeout bounds a look-up of a name, so it happens in threads that can be left behind.
    threads = [Thread(target=_knock, args=(url, seconds, accepted), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [url for url in urls if url in accepted]


def _knock(url: str, seconds: float, accepted: set[str]) -> None:
    with suppress(OSError, ValueError):
        socket.create_connection(_endpoint(url), timeout=seconds).close()
        accepted.add(url)


def _endpoint(url: str) -> tuple[str, int]:
    target = _through_proxy(urlsplit(url))
    return target.hostname or "", target.port or PORTS.get(target.scheme, 80)


def _through_proxy(target: SplitResult) -> SplitResult:
    proxies = getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(target.hostname or ""):
        return target
    return urlsplit(proxy if "//" in proxy else f"http://{proxy}")


CHUNK = 1 << 16


def fetch(
    cache: str | Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    known: Sequence[IdxFile] = MNIST_FILES,
    *,
    timeout: float = 10.0,
) -> list[Path]:
    """Download the files that are not yet in the cache with the right SHA-256; return all paths.

    Mirrors are tried in turn, each once a file. `timeout` bounds, in seconds, each wait for a
    server; before that at most `timeout` or 3 are spent on finding out whether one answers at all.
    Raises DataError, and leaves nothing half-done, if a file is to be had from no mirror.
    """
    folder = mnist_folder(cache)
    wanted = [file for file in known if not is_good(folder / file.name, file)]
    if wanted:
        _make(folder)
        reached = _reached(mirrors, min(timeout, 3.0), folder)
        for file in wanted:
            _download(file, folder, reached, timeout)
    return [folder / file.name for file in known]


def is_good(path: Path, file: IdxFile) -> bool:
    """Whether `path` is there and has the packed file's SHA-256."""
    try:
        return sha256(path.read_bytes()).hexdigest() == file.gzip_sha256
    except OSError:
        return False


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot make this folder for MNIST ({error.strerror}). "
            f"Set BNEXP_CACHE_DIR to a folder you may write to.\n{WAYS_TO_GET_DATA}"
        ) from error


def _reached(mirrors: Sequence[str], seconds: float, folder: Path) -> list[str]:
    reached = answering(mirrors, seconds)
    if not reached:
        raise DataError(
            f"MNIST is missing or damaged in {folder} and cannot be downloaded: no "
            f"network, or no answer within {seconds:g} s from\n{' or '.join(mirrors)}.\n"
            f"{WAYS_TO_GET_DATA}"
        )
    return reached


def _download(file: IdxFile, folder: Path, mirrors: Sequence[str], timeout: float) -> None:
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}"
        try:
            _retrieve(url, file, folder, timeout)
            return
        except (OSError, ValueError) as error:
            failures.append(f"  {url}: {_reason(error)}")
    lines = [f"{file.name} could not be downloaded:", *failures, WAYS_TO_GET_DATA]
    raise DataError("\n".join(lines))


def _retrieve(url: str, file: IdxFile, folder: Path, timeout: float) -> None:
    pooch = imported_pooch()
    # A server that packs on the fly would change the bytes, and with them the hash.
    headers = {"Accept-Encoding": "identity"}
    get = pooch.HTTPDownloader(timeout=timeout, chunk_size=CHUNK, headers=headers)
    pooch.get_logger().setLevel(logging.WARNING)
    pooch.retrieve(url, f"sha256:{file.gzip_sha256}", file.name, folder, downloader=get)


def _reason(error: Exception) -> str:
    first_line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line[:300]}"
