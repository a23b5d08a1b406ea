"""What lies on this machine: are the MNIST files the real ones, and what is in a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from bnexp.data.catalog import MNIST_FILES, IdxFile
from bnexp.data.dataset import Labels
from bnexp.data.idxset import find_file
from bnexp.data.loading import load
from bnexp.data.places import data_folder, mnist_folder
from bnexp.data.unpack import GZIP_MARK, read_file


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
