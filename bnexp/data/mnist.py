"""MNIST: downloaded from its mirrors into the user's cache, or read from a folder of its files.

`fetch` downloads what is missing: each file is there whole and with the right SHA-256, or not at
all (pooch sees to that). `verify` compares the files that `load("mnist")` would read.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bnexp.data.arrays import Dataset
from bnexp.data.datasets import (
    CACHE_VARIABLE,
    DatasetFacts,
    Places,
    cache_folder,
    data_folder,
    import_pooch,
)
from bnexp.data.idx import (
    GZIP_MARK,
    LIMIT,
    MNIST_FILES,
    WAYS_TO_GET_DATA,
    IdxFile,
    find_file,
    load_folder,
    read_limited,
)
from bnexp.errors import DataError, StoreError
from bnexp.files import read_file

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
PATIENCE = 1.5  # seconds a wait; one look and two mirrors then stay below five without a network
PORTS = {"http": 80, "https": 443}
CHUNK = 1 << 16  # bytes of a download that are written at a time


def load_mnist(places: Places) -> Dataset:
    """MNIST, or what lies in its place in the user's folder; downloaded first if need be."""
    folder = places.data_dir
    if folder is None:
        folder = mnist_folder(places.cache)
        if places.download:
            fetch(places.cache, MIRRORS, MNIST_FILES, timeout=PATIENCE)
        elif not all(is_good(folder / file.name, file) for file in MNIST_FILES):
            raise DataError(f"MNIST is not in {folder}.\n{WAYS_TO_GET_DATA}")
    return load_folder("mnist", folder, places.cache)


MNIST = DatasetFacts(
    train=60000,
    test=10000,
    image_shape=(28, 28, 1),
    classes=10,
    description="MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges)",
    load=load_mnist,
    sha256="c65580678af93f1ea48c2c0d01d543ec89307c6b8a0eb7ca542d7c18c5f4c681",
)


def mnist_folder(cache: str | Path | None = None) -> Path:
    """Where the downloaded MNIST files lie; DataError if there is no cache."""
    folder = cache_folder(cache)
    if folder is None:
        raise DataError(
            "MNIST: expected a home folder to keep the downloaded files in, got none (is HOME "
            f"set?). Set {CACHE_VARIABLE} to a folder you may write to.\n{WAYS_TO_GET_DATA}"
        )
    return folder / "mnist"


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
    missing = [file for file in known if not is_good(folder / file.name, file)]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{folder}: cannot make this folder for MNIST ({error.strerror}). "
                f"Set {CACHE_VARIABLE} to a folder you may write to.\n{WAYS_TO_GET_DATA}"
            ) from error
        seconds = min(timeout, 3.0)
        reachable = answering(mirrors, seconds)
        if not reachable:
            raise DataError(
                f"MNIST is missing or damaged in {folder} and cannot be downloaded: no "
                f"network, or no answer within {seconds:g} s from\n{' or '.join(mirrors)}.\n"
                f"{WAYS_TO_GET_DATA}"
            )
        for file in missing:
            _download(file, folder, reachable, timeout)
    return [folder / file.name for file in known]


def is_good(path: Path, file: IdxFile) -> bool:
    """Whether `path` is there and has the packed file's SHA-256."""
    try:
        return sha256(read_file(path, LIMIT) or b"").hexdigest() == file.gzip_sha256
    except StoreError:
        return False


def answering(urls: Sequence[str], seconds: float) -> list[str]:
    """Those URLs whose host (or proxy) accepts a connection within `seconds`, in their order.

    All are tried at the same time, so that a machine without a network is told so soon.
    """
    accepted: set[str] = set()

    def connect(url: str) -> None:
        with suppress(OSError, ValueError):
            socket.create_connection(_address(url), timeout=seconds).close()
            accepted.add(url)

    # No timeout bounds a look-up of a name, so it happens in threads that can be left behind.
    threads = [Thread(target=connect, args=(url,), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [url for url in urls if url in accepted]


def _address(url: str) -> tuple[str, int]:
    """Host and port of a connection to the URL, or to the proxy that is set for it."""
    target, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if proxy is not None and not proxy_bypass(target.hostname or ""):
        target = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    return target.hostname or "", target.port or PORTS.get(target.scheme, 80)


def _download(file: IdxFile, folder: Path, mirrors: Sequence[str], timeout: float) -> None:
    """Download a file from the first mirror that has it.

    DataError, with what went wrong at each mirror, if none has it.
    """
    pooch = import_pooch()
    pooch.get_logger().setLevel(logging.WARNING)
    # A server that packs on the fly would change the bytes, and with them the hash.
    headers = {"Accept-Encoding": "identity"}
    downloader = pooch.HTTPDownloader(timeout=timeout, chunk_size=CHUNK, headers=headers)
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}"
        try:
            digest = f"sha256:{file.gzip_sha256}"
            pooch.retrieve(url, digest, file.name, folder, downloader=downloader)
            return
        except (OSError, ValueError) as error:
            reason = (str(error).splitlines() or [""])[0][:300]
            failures.append(f"  {url}: {type(error).__name__}: {reason}")
    lines = [f"{file.name} could not be downloaded:", *failures, WAYS_TO_GET_DATA]
    raise DataError("\n".join(lines))


@dataclass(frozen=True)
class FileCheck:
    """One file's verdict: `status` is ok, missing or wrong; `got` is empty for a missing file."""

    path: Path
    status: str
    expected: str
    got: str

    def __str__(self) -> str:
        if self.status == "wrong":
            return f"wrong    {self.path}: expected SHA-256 {self.expected}, got {self.got}"
        return f"{self.status:<8} {self.path}"


def verify(
    data_dir: str | Path | None = None,
    cache: str | Path | None = None,
    known: Sequence[IdxFile] = MNIST_FILES,
) -> list[FileCheck]:
    """Compare each MNIST file's SHA-256 with the known one, where `load("mnist")` would look.

    A file may be packed or not. Raises DataError if one is there but cannot be read.
    """
    folder, checks = data_folder(data_dir) or mnist_folder(cache), []
    for file in known:
        path = find_file(folder, file.role)
        if path is None:
            checks.append(FileCheck(folder / file.name, "missing", file.gzip_sha256, ""))
            continue
        raw = read_limited(path)
        expected = file.gzip_sha256 if raw.startswith(GZIP_MARK) else file.content_sha256
        got = sha256(raw).hexdigest()
        checks.append(FileCheck(path, "ok" if got == expected else "wrong", expected, got))
    if data_folder(data_dir) and not folder.is_dir():
        raise DataError(f"{folder}: no such folder, expected the folder of the MNIST files")
    return checks
