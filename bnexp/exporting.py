"""A run directory's exports, from its own config, cells and manifest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from bnexp.errors import ConfigError
from bnexp.exports import EXPORTS, writer
from bnexp.exports.run import Each, Exported, run_of
from bnexp.opening import finished
from bnexp.store import RunDirectory


def export(directory: str | Path, to: str, out: str | Path | None = None) -> Path | str:
    """Write a run directory for other programs, and return where: `export/FORMAT` in it, or `out`.

    `to` is parquet, tensorboard or mlflow. `out` is a folder, for mlflow also a tracking URI,
    which is then returned as it is. Raises ConfigError, StoreError, and BnexpError where the
    format's library is not installed.
    """
    return exported(Path(directory), to, None if out is None else str(out)).place


def exported(
    directory: Path,
    to: str,
    out: str | None = None,
    each: Each = iter,
    waiting: Callable[[], None] = lambda: None,
) -> Exported:
    """As `export`, and what was written. `each` hands on the networks, and may show how far it is.

    `waiting` is called where another run has the directory first.
    """
    if to not in EXPORTS:
        raise ConfigError(f"no such export, expected one of {', '.join(EXPORTS)}, got {to!r}")
    made = finished(directory)
    store = RunDirectory(directory)
    run = run_of(made, store.manifest())
    place = str(directory / "export" / to) if out is None else out
    own = store.writing(waiting) if out is None else nullcontext()
    with own:
        return writer(to)(run, place, each)
