"""MNIST and sets of its form: downloaded into the user's cache, or read from a folder.

`fetch` downloads what is missing: each file is there whole and with the right SHA-256, or not at
all (pooch sees to that). `verify` compares the files that `load` would read. What a folder holds is
named by its content (`bnexp.data.known`), whatever it is called.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from os.path import isdir
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
    RAW,
    WAYS_TO_GET_DATA,
    find_file,
    find_place,
    load_folder,
    possible_paths,
    read_limited,
    refuse_no_file,
)
from bnexp.data.known import KNOWN_SETS, IdxFile, KnownSet
from bnexp.errors import DataError, StoreError
from bnexp.files import read_file

PATIENCE = 1.5  # seconds a wait; one look and two mirrors then stay below five without a network
PORTS = {"http": 80, "https": 443}
CHUNK = 1 << 16  # bytes of a download that are written at a time


def load_known(name: str, places: Places) -> Dataset:
    """The known set of this name, or what lies in its place; downloaded first if need be.

    In the user's folder the files lie in a folder of the set's name, or directly.
    """
    known = KNOWN_SETS[name]
    folder = _user_folder(name, places.data_dir)
    if folder is None:
        folder = set_folder(name, places.cache)
        if places.download and known.mirrors:
            fetch(places.cache, name=name, timeout=PATIENCE)
        elif not all(is_good(folder / file.name, file) for file in known.files):
            raise DataError(f"{known.title} is not in {folder}.", ways_to_get(known))
    return load_folder(name, folder, places.cache, known)


def _user_folder(name: str, data_dir: Path | None) -> Path | None:
    """The folder with the set's files in the user's folder; None if there is none.

    The files lie in a folder of the set's name, directly, or where torchvision puts them.
    """
    if data_dir is None or not isdir(data_dir):
        return data_dir
    known = KNOWN_SETS[name]
    folders = [data_dir / name, data_dir, data_dir / known.torchvision]
    return find_place([*folders, *(folder / RAW for folder in folders)], known)


def _facts(known: KnownSet, sha256: str = "") -> DatasetFacts:
    return DatasetFacts(
        train=known.train,
        test=known.test,
        image_shape=(28, 28, 1),
        classes=known.classes,
        description=known.description,
        load=partial(load_known, known.name),
        sha256=sha256,
        title=known.title,
        unused=known.first_label,
    )


MNIST = _facts(
    KNOWN_SETS["mnist"], "c65580678af93f1ea48c2c0d01d543ec89307c6b8a0eb7ca542d7c18c5f4c681"
)
OTHERS = {name: _facts(known) for name, known in KNOWN_SETS.items() if name != "mnist"}


def ways_to_get(known: KnownSet) -> str:
    """How to get the files of a set: what a message about their absence ends with."""
    if known.name == "mnist":
        return WAYS_TO_GET_DATA
    folder = f"  --data-dir DIR or BNEXP_DATA_DIR  a folder that holds {known.files[0].name} and "
    folder += "the other three files"
    if known.mirrors:
        fetching = f"  bnexp data fetch {known.name}  downloads it once, where there is a network"
        return "\n".join(["Ways to get it:", fetching, folder])
    return (
        "bnexp does not download EMNIST, whose one archive, gzip.zip, has 562 MB. Get it from\n"
        "https://www.nist.gov/itl/products-and-services/emnist-dataset, unpack it, and give\n"
        f"{folder}"
    )


def set_folder(name: str, cache: str | Path | None = None) -> Path:
    """Where the downloaded files of a known set lie; DataError if there is no cache."""
    folder = cache_folder(cache)
    known = KNOWN_SETS[name]
    if folder is None:
        raise DataError(
            f"{known.title}: expected a home folder to keep the downloaded files in, got none (is "
            f"HOME set?). Set {CACHE_VARIABLE} to a folder you may write to.",
            ways_to_get(known),
        )
    return folder / name


def fetch(
    cache: str | Path | None = None,
    mirrors: Sequence[str] | None = None,
    known: Sequence[IdxFile] | None = None,
    *,
    name: str = "mnist",
    timeout: float = 10.0,
) -> list[Path]:
    """Download the files that are not yet in the cache with the right SHA-256; return all paths.

    name: of the data set; `mirrors` and `known` replace its addresses and files.

    Mirrors are tried in turn, each once a file. `timeout` bounds, in seconds, each wait for a
    server; before that at most `timeout` or 3 are spent on finding out whether one answers at all.
    Raises DataError, and leaves nothing half-done, if a file is to be had from no mirror.
    """
    wanted = find_known(name)
    mirrors = wanted.mirrors if mirrors is None else mirrors
    known = wanted.files if known is None else known
    folder, ways = set_folder(name, cache), ways_to_get(wanted)
    missing = [file for file in known if not is_good(folder / file.name, file)]
    if missing and not mirrors:
        raise DataError(f"{wanted.title} is not in {folder}.", ways)
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{folder}: cannot make this folder for {wanted.title} ({error.strerror}). "
                f"Set {CACHE_VARIABLE} to a folder you may write to.",
                ways,
            ) from error
        seconds = min(timeout, 3.0)
        reachable = answering(mirrors, seconds)
        if not reachable:
            raise DataError(
                f"{wanted.title} is missing or damaged in {folder} and cannot be downloaded: no "
                f"network, or no answer within {seconds:g} s from",
                f"{' or '.join(mirrors)}.\n{ways}",
            )
        for file in missing:
            _download(file, folder, reachable, timeout, ways)
    return [folder / file.name for file in known]


def find_known(name: str) -> KnownSet:
    """The known set of this name; DataError, with those that there are, if there is none."""
    if name not in KNOWN_SETS:
        raise DataError(
            f"data: {name!r} has no files of known SHA-256, expected one of {', '.join(KNOWN_SETS)}"
        )
    return KNOWN_SETS[name]


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


def _download(
    file: IdxFile, folder: Path, mirrors: Sequence[str], timeout: float, ways: str
) -> None:
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
    raise DataError(f"{file.name} could not be downloaded:", "\n".join([*failures, ways]))


@dataclass(frozen=True)
class FileCheck:
    """One file's verdict: `status` is ok, missing, wrong or unknown.

    `got` is empty for a missing file, `expected` for one whose SHA-256 is known packed only.
    """

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
    known: Sequence[IdxFile] | None = None,
    *,
    name: str = "mnist",
) -> list[FileCheck]:
    """Compare the SHA-256 of each file of a known set with the known one, where `load` would look.

    A file may be packed or not; unpacked files whose SHA-256 is not known are `unknown`. Raises
    DataError if one is there but cannot be read.
    """
    form, checks = find_known(name), []
    folder = _user_folder(name, data_folder(data_dir)) or set_folder(name, cache)
    for file in form.files if known is None else known:
        path = find_file(folder, file.role, form)
        if path is None:
            refuse_no_file(possible_paths(folder, file.role, form))
            checks.append(FileCheck(folder / file.name, "missing", file.gzip_sha256, ""))
            continue
        raw = read_limited(path)
        expected = file.gzip_sha256 if raw.startswith(GZIP_MARK) else file.content_sha256
        got = sha256(raw).hexdigest()
        status = "ok" if got == expected else "wrong" if expected else "unknown"
        checks.append(FileCheck(path, status, expected, got))
    if data_folder(data_dir) and not folder.is_dir():
        raise DataError(f"{folder}: no such folder, expected the folder of the {form.title} files")
    return checks
