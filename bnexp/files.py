"""Writing files whole or not at all. Every change on the disk is one of the calls of `System`."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import BnexpError, StoreError

Arrays = dict[str, NDArray[Any]]


def encode(kind: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The file's content. `kind` names the header's entry, and so what the file is."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{kind: np.array(json.dumps(header))}, **arrays)
    return content.getvalue()


def decode(kind: str, version: int, content: bytes, path: Path) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays; StoreError where the content is not whole, or of another kind or format.

    Its size in memory is that of the content: packed entries are refused.
    """
    try:
        arrays = _arrays(content)
        header = _header(kind, arrays.pop(kind, None), path)
        if header["format"] != version:
            raise StoreError(
                f"{path}: of format {header['format']}, this bnexp reads {version}; make it again, "
                "or use the bnexp that wrote it"
            )
    except BnexpError:
        raise
    except Exception as error:  # zipfile, numpy, its tokenizer and json raise of many kinds
        raise StoreError(f"{path}: damaged, expected a whole {kind} file: {error}") from None
    return header, arrays


def named(**parts: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    """Arrays of layers under one flat name each: `parameters/3/gamma`."""
    return {
        f"{part}/{i}/{name}": array
        for part, layers in parts.items()
        for i, own in enumerate(layers)
        for name, array in own.items()
    }


def _arrays(content: bytes) -> Arrays:
    """The arrays by name. Each is read whole, which is what compares its checksum."""
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        entries = file.infolist()
        packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if packed or sum(entry.file_size for entry in entries) > len(content):
            raise ValueError("larger unpacked than packed")
        for entry in entries:
            raw = io.BytesIO(file.read(entry))
            array = np.lib.format.read_array(raw, allow_pickle=False)
            if raw.read(1):
                raise ValueError(f"{entry.filename}: longer than its shape")
            arrays[entry.filename.removesuffix(".npy")] = array
    return arrays


def _header(kind: str, text: NDArray[Any] | None, path: Path) -> dict[str, Any]:
    if text is None:
        raise StoreError(f"{path}: of another kind, expected a {kind} file that bnexp wrote")
    header = json.loads(str(text))
    if type(header) is not dict:
        raise ValueError("its header is no mapping")
    return header


TEMPORARY = ".bnexp-tmp-"
HOST = re.sub(r"\W", "_", socket.gethostname()) or "host"
FORGOTTEN = 24 * 3600  # seconds after which a half file is nobody's, whatever its name says


class System:
    """The system's calls that write, one method each, so that a test can have any of them fail."""

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content)

    def sync(self, path: Path) -> None:
        """Have the file's content on the disk before it is moved into place."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def move(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        """Make the move itself durable, where the system can."""
        if hasattr(os, "O_DIRECTORY"):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)


system = System()


def write_whole(path: Path, content: bytes) -> None:
    """Write to a temporary file beside `path`, flush it to the disk, and move it into place."""
    temporary = beside(path)
    try:
        system.make_folder(path.parent)
        try:
            system.write(temporary, content)
            system.sync(temporary)
            system.move(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        system.sync_folder(path.parent)
    except OSError as error:
        raise storage_error("cannot write", path, error) from error


def beside(path: Path) -> Path:
    """The temporary path of this writer, in the same folder."""
    writer = f"{HOST}-{os.getpid()}-{threading.get_native_id()}"
    return path.with_name(f"{TEMPORARY}{writer}-{path.name}")


def is_leftover(path: Path) -> bool:
    """Whether `path` is a half file of a process that is gone."""
    try:
        return path.is_file() and is_abandoned(path)
    except OSError:  # gone meanwhile
        return False


def is_abandoned(path: Path) -> bool:
    """Whether a temporary file or folder, by its name, is of a process that is gone."""
    name = re.match(rf"{re.escape(TEMPORARY)}(\w+)-(\d+)-", path.name)
    if not name:
        return False
    if name[1] == HOST and not _alive(int(name[2])):
        return True
    try:
        return time.time() - path.stat().st_mtime > FORGOTTEN  # its number may be another's by now
    except OSError:  # gone meanwhile
        return False


def read(path: Path) -> bytes | None:
    """The file's content, None if there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
        raise storage_error("cannot read", path, error) from error


def remove(path: Path) -> None:
    try:
        system.remove(path)
    except OSError as error:
        raise storage_error("cannot remove", path, error) from error


def storage_error(what: str, path: Path, error: OSError | ValueError) -> StoreError:
    reason = getattr(error, "strerror", None) or str(error)
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    advice = f"; {'make room, or ' * full}give another place" if "write" in what else ""
    return StoreError(f"{path}: {what}, {reason}{advice}")


def _alive(pid: int) -> bool:
    """Whether a process of this machine, other than this one, has that number."""
    if pid == os.getpid():
        return False  # ours are removed by whoever wrote them: this one is of an earlier process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return not _ended(pid)


def _ended(pid: int) -> bool:
    """Whether a process has ended and only waits to be asked how; false where one cannot tell."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return state[:1] in (["Z"], ["X"])


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
        system.make_folder(target.parent)
        _sweep(target)
        made = beside(target)
        try:
            _fill(made, contents)
            _swap(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
        raise storage_error("cannot write", Path(place), error) from error


def _sweep(target: Path) -> None:
    """Remove what exports to this folder left behind when they were killed."""
    for leftover in target.parent.glob(f"{TEMPORARY}*"):
        if leftover.name.endswith(f"-{target.name}") and is_abandoned(leftover):
            shutil.rmtree(leftover, ignore_errors=True)


def _check_ours(place: str, target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise StoreError(f"{place}: a file, expected a folder to export to")
    listed = read(target / LISTED)
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
    system.make_folder(path.parent)
    system.write(path, content)
    system.sync(path)


def _swap(made: Path, target: Path) -> None:
    """Move the new folder into place; the old one goes back if that fails."""
    old = beside(target.with_name(f"old-{target.name}"))
    with suppress(FileNotFoundError):
        system.move(target, old)
    try:
        system.move(made, target)
    except BaseException:
        if old.exists():
            system.move(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    system.sync_folder(target.parent)
