"""Writing files whole or not at all. Every change on the disk is one of the calls of `System`."""

from __future__ import annotations

import errno
import os
import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

from bnexp.errors import StoreError

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
