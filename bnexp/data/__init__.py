"""Data sets: images and labels by name, from the table DATASETS, or by the path of files.

`load` returns a data set's arrays and `info` describes it; `fetch` downloads MNIST's files and
`verify` checks them. `datasets` has the table and says how to add a data set.

Names are imported on first use, so that `bnexp.data.datasets` costs no import of numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnexp.data.arrays import Dataset as Dataset
    from bnexp.data.arrays import make_dataset as make_dataset
    from bnexp.data.datasets import DATASETS as DATASETS
    from bnexp.data.datasets import DatasetFacts as DatasetFacts
    from bnexp.data.datasets import Places as Places
    from bnexp.data.datasets import data_folder as data_folder
    from bnexp.data.datasets import info as info
    from bnexp.data.datasets import is_path as is_path
    from bnexp.data.datasets import load as load
    from bnexp.data.mnist import FileCheck as FileCheck
    from bnexp.data.mnist import fetch as fetch
    from bnexp.data.mnist import verify as verify

_MODULES = {
    **dict.fromkeys(("Dataset", "make_dataset"), "arrays"),
    **dict.fromkeys(("DATASETS", "DatasetFacts", "Places"), "datasets"),
    **dict.fromkeys(("data_folder", "info", "is_path", "load"), "datasets"),
    **dict.fromkeys(("FileCheck", "fetch", "verify"), "mnist"),
}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
