"""Data sets: what there is (`catalog`), `load`, and `fetch`, `verify`, `info` for the files.

Names are imported on first use, so that `bnexp.data.catalog` costs no import of numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnexp.data.arrays import Dataset
    from bnexp.data.catalog import DATASETS, DatasetFacts, is_folder
    from bnexp.data.datasets import FileCheck, info, load, verify
    from bnexp.data.mnist import data_folder, fetch

_HOMES = {
    "DATASETS": "catalog",
    "DatasetFacts": "catalog",
    "is_folder": "catalog",
    "FileCheck": "datasets",
    "info": "datasets",
    "verify": "datasets",
    "Dataset": "arrays",
    "fetch": "mnist",
    "load": "datasets",
    "data_folder": "mnist",
}

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetFacts",
    "FileCheck",
    "data_folder",
    "fetch",
    "info",
    "is_folder",
    "load",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
