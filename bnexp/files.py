"""Writing files whole or not at all. Every write of the store goes through here."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bnexp.errors import StoreError

TEMPORARY = ".bnexp-tmp-"


def is_temporary(path: Path) -> bool:
    """Whether `path` is a file that `write_whole` left behind."""
    return path.is_file() and re.match(rf"{re.escape(TEMPORARY)}\d+-", path.name) is not None


def write_whole(path: Path, content: bytes) -> None:
    """Write to a temporary file beside `path`, flush it to the disk, and move it into place."""
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise storage_error("cannot write", path, error) from error


def read(path: Path) -> bytes | None:
    """The file's content, None if there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error("cannot read", path, error) from error


def remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error("cannot remove", path, error) from error


def storage_error(what: str, path: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    advice = "; give another folder with --out, or make room" if "write" in what else ""
    return StoreError(f"{path}: {what}, {reason}{advice}")


def _sync_folder(folder: Path) -> None:
    """Make the move itself durable, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
