"""Data sets by path: what a path leads to decides how it is read."""

from __future__ import annotations

from pathlib import Path

from bnexp.data.arrays import Dataset
from bnexp.data.cifar import find_cifar, load_cifar, refuse_pickles
from bnexp.data.idx import load_folder
from bnexp.data.npz import load_npz
from bnexp.errors import DataError


def load_path(name: str, path: Path, cache: Path | None) -> Dataset:
    """The data set at a path: an npz file, a folder of CIFAR-10's binary version, or of IDX files.

    name: what the data set is called. cache: where unpacked arrays are kept, None for nowhere.

    Raises DataError if the data are missing, damaged, or do not belong together.
    """
    if path.suffix == ".npz":
        return load_npz(name, path, cache)
    if folder := find_cifar(path):
        return load_cifar(name, folder, cache)
    try:
        return load_folder(name, path, cache)
    except DataError:
        refuse_pickles(path)  # a better reason, if it is one
        raise
