"""Data sets: images and labels by name, from the table DATASETS or a folder of IDX files.

`load` returns a data set's arrays and `info` describes it; `fetch` downloads MNIST's files and
`verify` checks them. `datasets` has the table and says how to add a data set.

Names are imported on first use, so that `bnexp.data.datasets` costs no import of numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnexp.data.arrays import Dataset, make_dataset
    from bnexp.data.datasets import (
        DATASETS,
        DatasetFacts,
        Places,
        data_folder,
        info,
        is_folder,
        load,
    )
    from bnexp.data.mnist import FileCheck, fetch, verify

_NAMES = {
    "arrays": ("Dataset", "make_dataset"),
    "datasets": (
        "DATASETS",
        "DatasetFacts",
        "Places",
        "data_folder",
        "info",
        "is_folder",
        "load",
    ),
    "mnist": ("FileCheck", "fetch", "verify"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetFacts",
    "FileCheck",
    "Places",
    "data_folder",
    "fetch",
    "info",
    "is_folder",
    "load",
    "make_dataset",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
