"""A folder of files that appears whole, in place of the one that was exported before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from bnexp import files
from bnexp.errors import StoreError

# The names of the files that we wrote: a folder that holds others is not ours to replace.
LISTED = ".bnexp-export"
FOREIGN = (".DS_Store",)  # left by a desktop that only looked


def write_folder(place: str, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write files, by their path within the folder, beside `place`, and move them there together.

    StoreError where `place` holds anything that an export did not write, or cannot be written.
    """
    try:
        target = Path(place).resolve()  # a link stays a link
        _check_ours(place, target)
        files.system.make_folder(target.parent)
        _sweep(target)
        made = files.beside(target)
        try:
            _fill(made, contents)
            _swap(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
        raise files.storage_error("cannot write", Path(place), error) from error


def _sweep(target: Path) -> None:
    """Remove what exports to this folder left behind when they were killed."""
    for leftover in target.parent.glob(f"{files.TEMPORARY}*"):
        if leftover.name.endswith(f"-{target.name}") and files.is_abandoned(leftover):
            shutil.rmtree(leftover, ignore_errors=True)


def _check_ours(place: str, target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise StoreError(f"{place}: a file, expected a folder to export to")
    listed = files.read(target / LISTED)
    ours = {LISTED, *FOREIGN, *(listed or b"").decode(errors="replace").splitlines()}
    other = next((path for path in _files(target) if path not in ours), None)
    if other is not None:
        raise StoreError(
            f"{place}: expected a new folder or an earlier export, got one with {other!r}, which "
            "no export wrote; give another folder, or move that away"
        )


def _files(folder: Path) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        links = [name for name in folders if Path(path, name).is_symlink()]
        for name in sorted(names + links):
            yield Path(path, name).relative_to(folder).as_posix()


def _fill(folder: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    names = []
    for name, content in contents:
        _write(folder / name, content)
        names.append(name)
    _write(folder / LISTED, "".join(f"{name}\n" for name in names).encode())


def _write(path: Path, content: bytes) -> None:
    files.system.make_folder(path.parent)
    files.system.write(path, content)
    files.system.sync(path)


def _swap(made: Path, target: Path) -> None:
    """Move the new folder into place; the old one goes back if that fails."""
    old = files.beside(target.with_name(f"old-{target.name}"))
    with suppress(FileNotFoundError):
        files.system.move(target, old)
    try:
        files.system.move(made, target)
    except BaseException:
        if old.exists():
            files.system.move(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    files.system.sync_folder(target.parent)
