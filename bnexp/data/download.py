"""MNIST from its mirrors into the user's cache: hash-checked, whole or not at all (by pooch)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from bnexp.data.catalog import MIRRORS, MNIST_FILES, WAYS_TO_GET_DATA, IdxFile
from bnexp.data.network import answering
from bnexp.data.places import imported_pooch, mnist_folder
from bnexp.errors import DataError

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
