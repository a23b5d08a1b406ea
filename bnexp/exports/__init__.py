"""Run directories for other programs, through those programs' own libraries.

A format is a module here with `write(run, place, each) -> Exported`, a line in EXPORTS, and an
extra of its name in pyproject.toml.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnexp.exports.base import Format

# Modules by name: the command line lists the formats without importing any.
EXPORTS = {
    "parquet": "bnexp.exports.parquet",
    "tensorboard": "bnexp.exports.tensorboard",
    "mlflow": "bnexp.exports.mlflow",
}


def writer(name: str) -> Format:
    """The function that writes the format of this name; KeyError where there is none."""
    write: Format = import_module(EXPORTS[name]).write
    return write
