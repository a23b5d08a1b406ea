"""Where MLflow keeps runs: a folder with a database, or a tracking URI."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bnexp import files
from bnexp.errors import StoreError
from bnexp.exports.libraries import environment

_URI = re.compile(r"databricks|[a-zA-Z][a-zA-Z0-9+.-]+:.*", re.DOTALL)  # a drive has one letter


DATABASE = "mlflow.db"


@dataclass(frozen=True)
class Store:
    """`place` is a folder, or the URI that was given; `artifacts` is where a new experiment keeps
    files, None for the server's choice."""

    place: Path | str
    uri: str
    artifacts: str | None
    look: str


def store(place: str) -> Store:
    """The store at a folder, which is made, or at a tracking URI."""
    if _URI.fullmatch(place):
        served = place.startswith("http")
        look = place if served else _command(place)
        return Store(place, place, None, look)
    folder = Path(place)
    try:
        _check(place, folder)
        files.system.make_folder(folder)
        whole = folder.resolve()
        _make(whole / DATABASE)
    except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
        raise files.storage_error("cannot write", folder, error) from error
    look = _command(_uri(folder / DATABASE))
    return Store(folder, _uri(whole / DATABASE), (whole / "artifacts").as_uri(), look)


def _check(place: str, folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StoreError(
            f"{place}: a file, expected a folder, or a tracking URI such as sqlite:///mlflow.db"
        )
    if any(mark in str(folder.resolve()) for mark in "?#%"):
        raise StoreError(
            f"{place}: expected a folder without ?, # and % in its whole path, which MLflow reads "
            f"as a URI's, got {str(folder.resolve())!r}; give another folder"
        )


def _make(database: Path) -> None:
    """Make an empty database elsewhere first: MLflow cannot go on with one that is half made."""
    if database.exists():
        return
    from mlflow import MlflowClient

    with TemporaryDirectory() as folder:
        made = Path(folder, DATABASE)
        with environment({"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}):  # closed when made
            MlflowClient(_uri(made), registry_uri=_uri(made))
        files.write_whole(database, made.read_bytes())


def _uri(database: Path) -> str:
    return f"sqlite:///{database.as_posix()}"


def _command(uri: str) -> str:
    return f"mlflow ui --backend-store-uri {shlex.quote(uri)}"
