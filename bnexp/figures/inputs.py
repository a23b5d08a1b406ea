"""What the files of a figure depend on, as a digest: while it is the same, they are up to date.

    options and tables of the figure   names, axes, seeds and data sets; metrics, summary and, for
                                       a kind that draws them, what probes read
    bnexp's code                       all of it; of a kind or metric of the user's, its module
    versions                           of Python and of the libraries that draw
    font files                         those that write letters which DejaVu Sans lacks

Networks count by what they recorded, not by their ids or by how long they took. The digest is
made without matplotlib.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bnexp.config.figures import FIGURES, option_values
from bnexp.figures.kinds import FigureKind
from bnexp.metrics import METRICS
from bnexp.runs.tables import Table, Tables

LIBRARIES = ("matplotlib", "numpy", "pillow")
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]


def inputs_digest(options: FigureKind, tables: Tables, fonts: Iterable[str] = ()) -> str:
    """The SHA-256 of all that the files of a figure depend on.

    fonts: paths of the font files that it is drawn with besides DejaVu Sans, see
    `fonts.font_files`.
    """
    digest = hashlib.sha256()
    for part in _parts(options, tables, fonts):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _parts(options: FigureKind, tables: Tables, fonts: Iterable[str]) -> Iterator[bytes]:
    run = (tables.name, tables.title, tables.source, tables.axes, tables.seeds, tables.data)
    # `repr` of an axis has its labels only; a trajectory draws the optimizers that they stand for.
    swept = [(axis.key, list(axis.config_values.items())) for axis in tables.axes]
    yield repr((option_values(options), run, swept, sorted(tables.image_sets.items()))).encode()
    yield program_digest().encode()
    yield from map(_module_content, sorted(_user_modules()))
    yield repr([(path, _file_state(path)) for path in fonts]).encode()
    yield from _table_parts(tables.metrics)
    yield from _table_parts(tables.summary)
    if options.reads_probes:
        yield from _table_parts(tables.probes)


def _table_parts(table: Table) -> Iterator[bytes]:
    for name, column in table.items():
        if name != "seconds":
            yield name.encode()
            yield _column_content(name, column)


def _column_content(name: str, column: NDArray[Any]) -> bytes:
    """The values of a column; ids of networks as numbers, in the order in which they appear."""
    if name == "cell":
        numbers: dict[str, int] = {}
        return repr([numbers.setdefault(cell, len(numbers)) for cell in column.tolist()]).encode()
    if column.dtype == object:
        return repr(column.tolist()).encode()
    return f"{column.dtype}".encode() + column.tobytes()


@cache
def program_digest() -> str:
    """The SHA-256 of bnexp's own modules and of the versions of all else that draws."""
    versions = [platform.python_version(), *map(version, LIBRARIES)]
    digest = hashlib.sha256(repr(versions).encode())
    for path in sorted(PACKAGE_FOLDER.rglob("*.py")):
        content = path.read_bytes()
        head = f"{path.relative_to(PACKAGE_FOLDER).as_posix()} {len(content)}\n"
        digest.update(head.encode() + content)
    return digest.hexdigest()


def _user_modules() -> set[str]:
    """The modules of the figure kinds and metrics that are not bnexp's own."""
    modules = {cls.__module__ for registry in (FIGURES, METRICS) for cls in registry.values()}
    return {module for module in modules if module.partition(".")[0] != "bnexp"}


def _module_content(module: str) -> bytes:
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return f"{module}\n".encode() + Path(file or "").read_bytes()
    except OSError:
        return f"{module} {file}".encode()


def _file_state(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns
