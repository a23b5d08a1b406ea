"""Exports: run directories for other programs, written through those programs' own libraries.

A format is a function

    write(run: RunData, target: str, progress: NetworkProgress) -> Export

that writes the run to `target`, a folder or an address, and says what it wrote. It iterates over
`progress(networks)` if it writes network by network, so that the command line can show a bar. The
table EXPORTS has all formats; a module and its libraries are imported only when its format is used.
`bnexp.exports.common` has what formats share.

A format of your own is entered under a name, which `export` and `bnexp export --to` then know, or
offered by an installed package as an entry point in the group `bnexp.export`:

    from bnexp.exports import EXPORTS

    @EXPORTS.register("pickle")
    def write_pickle(run, target, progress): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bnexp.registry import Registry

EXPORTS: Registry[Callable[..., Any]] = Registry(
    "export",
    {
        "parquet": "bnexp.exports.parquet:write_parquet",
        "tensorboard": "bnexp.exports.tensorboard:write_tensorboard",
        "mlflow": "bnexp.exports.mlflow:write_mlflow",
    },
    instance_of=Callable,
)
