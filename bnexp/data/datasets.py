"""From a data set's name to its arrays: a table of loaders, one a name, and folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

import numpy as np

from bnexp.data import catalog
from bnexp.data.arrays import Content, Dataset, Labels, assemble
from bnexp.data.cache import cached, entry_key
from bnexp.data.catalog import MNIST_FILES, IdxFile
from bnexp.data.generated import make_gaussian, make_synthetic, normal_values
from bnexp.data.idx import (
    GZIP_MARK,
    find_file,
    find_files,
    parse_set,
    read_file,
    refuse_labels,
    refuse_swapped,
)
from bnexp.data.mnist import cache_folder, data_folder, expand, fetch, is_good, mnist_folder
from bnexp.data.sample import find_sample, parse_sample
from bnexp.errors import DataError

PATIENCE = 1.5  # seconds a wait; one look and two mirrors then stay below five without a network


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    cache: str | Path | None = None,
    download: bool = True,
) -> Dataset:
    """The data set of this name: one of `catalog.DATASETS`, or a folder of four IDX files.

    `data_dir` (else BNEXP_DATA_DIR) holds the files of `mnist` or `mnist-5k`; without one, `mnist`
    lies in the cache and is downloaded if need be and `download` allows it. `cache` (else
    BNEXP_CACHE_DIR, else the system's, if there is one) also keeps the unpacked arrays: a later
    load costs one hashing of the files and of the arrays (MNIST: some tens of milliseconds), so
    worker processes simply call `load` again.

    Raises DataError if the data are missing, damaged, or do not belong together.

    >>> digits = load("synthetic")
    >>> digits.train_images.shape, digits.train_images.dtype.name, digits.classes
    ((2000, 28, 28, 1), 'uint8', 10)
    >>> digits.sha256 == catalog.DATASETS["synthetic"].sha256
    True
    """
    store = cache_folder(cache)
    if name == "mnist" and not download and not _at_hand(data_folder(data_dir), store):
        raise DataError(f"MNIST is not in {mnist_folder(store)}.\n{catalog.WAYS_TO_GET_DATA}")
    if catalog.is_folder(name):
        return _load_idx(name, expand(name), store)
    if name not in LOADERS:
        raise DataError(_unknown(name))
    return LOADERS[name](data_folder(data_dir), store)


def _at_hand(folder: Path | None, cache: Path | None) -> bool:
    files = catalog.MNIST_FILES
    return folder is not None or all(is_good(mnist_folder(cache) / f.name, f) for f in files)


def _load_mnist(folder: Path | None, cache: Path | None) -> Dataset:
    if folder is None:
        fetch(cache, catalog.MIRRORS, catalog.MNIST_FILES, timeout=PATIENCE)
        folder = mnist_folder(cache)
    return _load_idx("mnist", folder, cache)


def _load_sample(folder: Path | None, cache: Path | None) -> Dataset:
    path = find_sample(folder)
    raw = read_file(path)
    content = cached(cache, entry_key([b"sample 1", raw]), lambda: parse_sample(raw, path))
    return assemble("mnist-5k", content, f"5,000 MNIST images from {path}")


def _load_synthetic(folder: Path | None, cache: Path | None) -> Dataset:
    return assemble("synthetic", Content.of(make_synthetic()), "made by bnexp")


def _load_gaussian(folder: Path | None, cache: Path | None) -> Dataset:
    made = assemble("gaussian", Content.of(make_gaussian()), "made by bnexp")
    return replace(made, values=normal_values())


LOADERS = {
    "mnist": _load_mnist,
    "mnist-5k": _load_sample,
    "synthetic": _load_synthetic,
    "gaussian": _load_gaussian,
}


def _load_idx(name: str, folder: Path, cache: Path | None) -> Dataset:
    files = find_files(folder)
    raw = {role: read_file(path) for role, path in files.items()}
    content = cached(cache, entry_key(raw.values()), lambda: parse_set(raw, files))
    refuse_swapped(content.digests, files)
    refuse_labels(content.arrays, files)
    return assemble(name, content, f"{_likeness(content.digests)}, from {folder}")


def _likeness(digests: Mapping[str, str]) -> str:
    """In words, how many of the four arrays are MNIST's own."""
    foreign = [
        file.role for file in catalog.MNIST_FILES if digests[file.role] != file.content_sha256
    ]
    if not foreign:
        return "canonical MNIST"
    if len(foreign) == len(catalog.ROLES):
        return "IDX files other than MNIST"
    return f"MNIST with other {' and '.join(foreign).replace('_', ' ')}"


def _unknown(name: str) -> str:
    near = get_close_matches(name, LOADERS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return (
        f"data: no data set is called {name!r}.{hint} Known: {', '.join(LOADERS)}; "
        "for a folder of IDX files write a path, such as ./my-digits."
    )


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
    folder = data_folder(data_dir) or mnist_folder(cache)
    return [_check(folder, file) for file in known]


def info(name: str, *, data_dir: str | Path | None = None) -> dict[str, object]:
    """The facts of a data set, in plain types ready to print; arguments and errors as for `load`.

    Label counts are lists: entry k is how many images are of class k.
    """
    data = load(name, data_dir=data_dir)
    return {
        "name": data.name,
        "origin": data.origin,
        "train": len(data.train_labels),
        "test": len(data.test_labels),
        "image_shape": list(data.train_images.shape[1:]),
        "classes": data.classes,
        "train_label_counts": _counts(data.train_labels, data.classes),
        "test_label_counts": _counts(data.test_labels, data.classes),
        "sha256": data.sha256,
    }


def _check(folder: Path, file: IdxFile) -> FileCheck:
    path = find_file(folder, file.role)
    if path is None:
        return FileCheck(folder / file.name, "missing", file.gzip_sha256, "")
    raw = read_file(path)
    expected = file.gzip_sha256 if raw.startswith(GZIP_MARK) else file.content_sha256
    got = sha256(raw).hexdigest()
    return FileCheck(path, "ok" if got == expected else "wrong", expected, got)


def _counts(labels: Labels, classes: int) -> list[int]:
    counts: list[int] = np.bincount(labels, minlength=classes).tolist()
    return counts
