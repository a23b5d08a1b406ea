"""Reading regular files only, writing whole or not at all, and the content of `.npz` files.

Every file that bnexp reads goes through `open_file`, which neither hangs on a pipe nor reads a
device, and whose content has a limit. Only an experiment that the user names may be a pipe, for
which there is `read_pipe`.

Everything that bnexp writes appears under its name only when it is complete: `write_file` and
`write_folder` write beside it under a temporary name, flush that to the disk, and move it into
place. A temporary name cannot be guessed, and nothing that is already there is opened under it.
It says which process writes what, so that `sweep` can remove what a killed process left and nothing
that a live one is still writing. Only regular files are replaced: no link, device or pipe.
`write_export` is `write_folder` for a folder that the user names: it refuses to replace anything
but an earlier export.

What the system refuses is a `StoreError` that names the path. Every change on the disk is one of
the calls of `System`, so that a test can have any of them fail.

Stored networks (`model`, `execution.checkpoints`) are `.npz` files with a header in JSON:
`encode_npz` makes their content, `decode_npz` reads and checks it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import socket
import stat
import time
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import BnexpError, StoreError
from bnexp.machine import IS_WINDOWS
from bnexp.text import MAX_NAME, cut

Arrays = dict[str, NDArray[Any]]

TEMPORARY = ".bnexp-tmp-"
FORGOTTEN = 24 * 3600  # seconds after which a temporary file is abandoned, whatever its name says
STARTED = time.time()  # of this process; a file that is older than it is of another process

# The file in an export's folder that lists the names of the others: see `write_export`.
LISTED = ".bnexp-export"
CHUNK = 1 << 20
MAX_BYTES = 1_000_000_000  # of a file, unless its reader has a lower limit
PIPE_PATIENCE = 3.0  # seconds that a pipe is waited for which no process writes to
PIPE_PAUSE = 0.05  # seconds between two looks at it
# POSIX has these flags. Opening a pipe with NONBLOCK does not wait for its writer.
NONBLOCK = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
# What a file system says that cannot flush, as some network folders do.
CANNOT_FLUSH = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
# What it may say of a folder besides. The files are in place by then.
CANNOT_FLUSH_FOLDER = {*CANNOT_FLUSH, errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR}
# On Windows nothing replaces or removes a file that a program has open, and virus scanners open new
# ones. Seconds to wait between two tries:
WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
LONGEST_PATH = 259  # characters, on Windows as it is set up
PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)}
RESERVED = {"con", "prn", "aux", "nul", *PORTS}  # names of devices there, with any ending
IGNORED = (".DS_Store",)  # left by a desktop that only displayed the folder


class System:
    """The system's calls that write, one method each, so that a test can have any of them fail."""

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, content: bytes) -> None:
        """Write a new file; an error if there is anything of this name, a link included."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(content)

    def sync(self, path: Path) -> None:
        """Have the file's content on the disk before it is moved into place."""
        handle = os.open(path, os.O_RDWR | NOFOLLOW)  # Windows flushes only what may be written
        with _ignored(CANNOT_FLUSH):
            _flush(handle)

    def move(self, source: Path, target: Path) -> None:
        _patiently(lambda: os.replace(source, target))

    def sync_folder(self, folder: Path) -> None:
        """Make the move itself durable, where the system can."""
        with _ignored(CANNOT_FLUSH_FOLDER):
            if hasattr(os, "O_DIRECTORY"):
                _flush(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))

    def remove(self, path: Path) -> None:
        _patiently(lambda: path.unlink(missing_ok=True))


def _patiently(change: Callable[[], None]) -> None:
    """Change something on the disk; on Windows try again while a program has the file open."""
    for seconds in WAITS if IS_WINDOWS else ():
        try:
            return change()
        except PermissionError:
            time.sleep(seconds)
    change()


@contextmanager
def _ignored(numbers: Collection[int]) -> Iterator[None]:
    """Suppress the system's errors of these numbers."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise


def _flush(handle: int) -> None:
    """Flush an open file or folder to the disk, and close it."""
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


system = System()


@contextmanager
def open_file(path: Path, limit: int = MAX_BYTES) -> Iterator[BinaryIO]:
    """A regular file of at most `limit` bytes, open for reading; links are followed.

    Raises StoreError for a pipe, a device, or a larger file, and OSError for what the system
    refuses. Opening neither waits for a pipe's writer nor has any effect on a device. What is read
    beyond `limit` bytes, as of a file that grows, is the caller's to refuse (see `read_file`).
    """
    try:
        handle = os.open(path, os.O_RDONLY | NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:  # as of a socket
            raise _irregular(path, path.stat().st_mode) from None
        raise
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise _irregular(path, status.st_mode)
        if status.st_size > limit:
            raise _too_large(path, limit, status.st_size)
    except BaseException:
        os.close(handle)
        raise
    with os.fdopen(handle, "rb") as file:
        yield file


def read_file(path: Path, limit: int = MAX_BYTES) -> bytes | None:
    """The content of a regular file of at most `limit` bytes, None if there is no such file.

    StoreError if it cannot be read.
    """
    with (
        storage_errors("cannot read", path),
        suppress(FileNotFoundError),
        open_file(path, limit) as file,
    ):
        content = file.read(os.fstat(file.fileno()).st_size + 1)
        while len(content) <= limit and (part := file.read(CHUNK)):  # it grows meanwhile
            content += part
        if len(content) > limit:
            raise _too_large(path, limit, len(content))
        return content
    return None


def read_pipe(path: Path, limit: int = MAX_BYTES) -> bytes:
    """What is written to a pipe until its writer closes it; one byte more than `limit` at most.

    A process that has opened the pipe is waited for; without one, StoreError after PIPE_PATIENCE
    seconds, so that a pipe which somebody left in a folder is no trap.
    """
    content, has_writer = bytearray(), False
    deadline = time.monotonic() + PIPE_PATIENCE
    handle = os.open(path, os.O_RDONLY | NONBLOCK)
    try:
        while len(content) <= limit:
            try:
                part = os.read(handle, min(CHUNK, limit + 1 - len(content)))
            except BlockingIOError:  # a process has opened it, and has not written yet
                has_writer = True
                time.sleep(PIPE_PAUSE)
                continue
            content += part
            if part:
                continue
            if content or has_writer:
                break
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{path}: a pipe to which no process writes, expected a regular file, or a "
                    "pipe that a process writes to; start that first, and see whether it fails"
                )
            time.sleep(PIPE_PAUSE)
    finally:
        os.close(handle)
    return bytes(content)


def is_pipe(path: Path) -> bool:
    """Whether a path leads to a pipe; False for what the system refuses to look up."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _irregular(path: Path, mode: int) -> StoreError:
    return StoreError(
        f"{path}: cannot read, expected a regular file, got {_kind(mode)}; give another file, or "
        "remove it"
    )


def _too_large(path: Path, limit: int, size: int) -> StoreError:
    return StoreError(
        f"{path}: too large to read, expected at most {limit / 1e6:,.0f} MB, got "
        f"{size / 1e6:,.0f} MB; give another file, or remove it"
    )


def is_file(path: Path) -> bool:
    """Whether a path leads to a regular file; StoreError if the system does not let us look."""
    with (
        storage_errors("cannot read", path),
        suppress(FileNotFoundError, NotADirectoryError),
    ):
        return stat.S_ISREG(path.stat().st_mode)
    return False


def is_closed(path: Path) -> bool:
    """Whether we have no permission to look up what a path leads to."""
    try:
        path.stat()
    except PermissionError:
        return True
    except (OSError, ValueError):
        pass
    return False


def kind_at(path: Path) -> str:
    """What stands at a path, in words; "" for nothing. StoreError if we may not look."""
    with storage_errors("cannot read", path), suppress(FileNotFoundError, NotADirectoryError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            return _kind(mode)
        try:
            return _kind(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return "a link that leads nowhere"
    return ""


def _kind(mode: int) -> str:
    """What a path leads to, by its mode, in words."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "something else")


def check_folder(folder: Path) -> None:
    """StoreError if `folder` exists and is no folder itself: a link to one leads elsewhere."""
    with storage_errors("cannot write", folder), suppress(FileNotFoundError):
        mode = folder.lstat().st_mode
        if not stat.S_ISDIR(mode):
            raise StoreError(
                f"{folder}: expected a folder within the run directory, got {_kind(mode)}; nothing "
                "outside is changed: remove it, or put a folder in its place"
            )


def check_file(path: Path) -> None:
    """StoreError if something other than a regular file stands at `path`, a link included."""
    with storage_errors("cannot write", path), suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise StoreError(
                f"{path}: cannot write, expected a regular file or none, got {_kind(mode)}; "
                "remove it, or give another place"
            )


def write_file(path: Path, content: bytes) -> None:
    """Replace the file as a whole; its folder is made if need be. StoreError if that fails.

    What stands at `path` must be a regular file: anything else would be lost.
    """
    check_file(path)
    with storage_errors("cannot write", path), _replacing(path) as temporary:
        system.write(temporary, content)
        system.sync(temporary)


def write_changed(path: Path, content: bytes) -> None:
    """`write_file`, unless the file has this content already."""
    check_file(path)
    with suppress(OSError, StoreError), open_file(path, len(content)) as file:
        if file.read(len(content) + 1) == content:
            return
    write_file(path, content)


def write_folder(place: str | Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Replace a folder as a whole by new files; if `place` is a link, the folder that it leads to.

    contents: the path of each file within the folder, such as "tables/metrics.csv", and its
    content, in the order of writing. If this iterator raises, the folder stays as it was.

    StoreError if the folder cannot be written.
    """
    with storage_errors("cannot write", place):
        target = Path(os.path.realpath(place))
        sweep(target.parent, target.name)
        with _replacing(target) as temporary:
            temporary.mkdir()
            for name, content in contents:
                path = temporary / name
                system.make_folder(path.parent)
                system.write(path, content)
                system.sync(path)


def write_export(place: str, contents: Iterable[tuple[str, bytes]]) -> None:
    """As `write_folder`, but replace nothing except an earlier export.

    An export lists its own files in one that is called LISTED. StoreError if `place` is a file, or
    a folder with any file that is not in that list.
    """

    def listed() -> Iterator[tuple[str, bytes]]:
        names = []
        for name, content in contents:
            yield name, content
            names.append(name)
        yield LISTED, "".join(f"{name}\n" for name in names).encode()

    with storage_errors("cannot write", place):
        _check_replaceable(place, Path(os.path.realpath(place)))
    write_folder(place, listed())


def _check_replaceable(place: str, target: Path) -> None:
    if target.is_symlink():  # after os.path.realpath
        raise StoreError(f"{place}: a link that leads to itself, expected a folder to export to")
    if not target.exists():
        return
    if not target.is_dir():
        raise StoreError(f"{place}: a file, expected a folder to export to")
    names = (read_file(target / LISTED) or b"").decode(errors="replace").splitlines()
    exported = {LISTED, *IGNORED, *names}
    for path, folders, files in os.walk(target):
        links = [name for name in folders if Path(path, name).is_symlink()]
        for name in sorted(files + links):
            foreign = Path(path, name).relative_to(target).as_posix()
            if foreign not in exported:
                raise StoreError(
                    f"{place}: expected a new folder or an earlier export, got one with "
                    f"{foreign!r}, which no export wrote; give another folder, or move that away"
                )


def is_portable(name: str) -> bool:
    """Whether every system allows a file of this name, as far as its ending and devices go.

    >>> is_portable("scales"), is_portable("nul"), is_portable("con.yaml"), is_portable("scales.")
    (True, False, False, False)
    """
    return name.partition(".")[0].lower() not in RESERVED and not name.endswith((".", " "))


def remove_file(path: Path) -> None:
    """Remove the file if it exists; StoreError if that fails."""
    with storage_errors("cannot remove", path):
        system.remove(path)


def sweep(folder: Path, name: str = "") -> None:
    """Remove the temporary files and folders that processes which are gone left in `folder`.

    name: only those that were to become the file or folder of this name; default: all.
    """
    ending = f"-{short_name(name)}" if name else ""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        if leftover.name.endswith(ending) and _is_abandoned(leftover):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                remove_file(leftover)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` for a new file or folder, which is then moved to `target`.

    An old folder is moved away first, and back if the new one cannot take its place. Whatever
    fails, nothing temporary is left.
    """
    system.make_folder(target.parent)
    temporary = _temporary_path(target)
    try:
        yield temporary
        if temporary.is_dir():
            _swap(temporary, target)
        else:
            system.move(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    system.sync_folder(target.parent)


def _swap(folder: Path, target: Path) -> None:
    old = _temporary_path(target)
    with suppress(FileNotFoundError):
        system.move(target, old)
    try:
        system.move(folder, target)
    except BaseException:
        if old.exists():
            system.move(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _temporary_path(path: Path) -> Path:
    """Where to write what is to stand at `path`: in its folder, under a name nobody can guess.

    The name has about 50 characters, whatever the host and the file are called: with longer ones it
    could be too long for the file system.
    """
    writer = f"{HOST}-{os.getpid()}-{secrets.token_hex(8)}"
    return path.with_name(f"{TEMPORARY}{writer}-{short_name(path.name)}")


def short_name(name: str) -> str:
    """Eight characters that stand for a name."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


HOST = short_name(socket.gethostname())


def _is_abandoned(temporary: Path) -> bool:
    """Whether the process that wrote a temporary file or folder, by its name, is gone."""
    writer = re.match(rf"{re.escape(TEMPORARY)}(\w+)-(\d+)-", temporary.name)
    if not writer:
        return False
    try:
        written = temporary.lstat().st_mtime
    except OSError:  # it is gone meanwhile
        return False
    if time.time() - written > FORGOTTEN:  # another process may have the number by now
        return True
    host, pid = writer[1], int(writer[2])
    if host != HOST:
        return False
    return written < STARTED if pid == os.getpid() else not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    """Whether a process of this machine has that number and has not ended.

    On Windows this is not known, and asking by `os.kill` would send Ctrl-C.
    """
    if IS_WINDOWS:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    try:  # a process that has ended keeps its number until its parent asks for its status
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return True
    return status[:1] not in (["Z"], ["X"])


@contextmanager
def storage_errors(action: str, path: str | Path) -> Iterator[None]:
    """Turn what the system refuses within the block into a StoreError that a user can read.

    It names the path, and says what failed and why, and what to do.

    action: "cannot read", "cannot write" or "cannot remove".
    """
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a path that no system has, as with a NUL
        failure = f"{action}, {getattr(error, 'strerror', None) or error}"
        length = len(os.path.abspath(path)) if IS_WINDOWS else 0
        if isinstance(error, FileNotFoundError) and length > LONGEST_PATH:
            allowed = f"and Windows allows {LONGEST_PATH}"
            failure = f"{action}, its full path has {length} characters, {allowed}"
        remedy = ""
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            remedy = "make room, or "
        elif IS_WINDOWS and isinstance(error, PermissionError):
            remedy = "close the program that has it open, or "
        elif isinstance(error, PermissionError):
            failure = action.replace("cannot", "no permission to")
        advice = f"; {remedy}give another place" if "write" in action else ""
        raise StoreError(f"{Path(path)}: {failure}{advice}") from error


def encode_npz(kind: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of an `.npz` file: the arrays by name, and the header as JSON.

    kind: the name of the header's entry, and so of what the file is, such as "bnexp_checkpoint".
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        # As np.savez does, which in NumPy 2.0 pickles arrays of objects and cannot be told not to.
        for name, array in {kind: np.array(json.dumps(header)), **arrays}.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
    return content.getvalue()


def decode_npz(
    kind: str, version: int, content: bytes, path: Path
) -> tuple[dict[str, Any], Arrays]:
    """The header and the arrays of what `encode_npz` made.

    StoreError, naming `path`, if the content is damaged, or of another kind, or if its header's
    `format` is not `version`. Nothing is unpickled, and compressed entries are refused, so that the
    arrays take no more memory than `content`.
    """
    try:
        arrays = _decode_arrays(content)
        if kind not in arrays:
            raise StoreError(f"{path}: of another kind, expected a {kind} file that bnexp wrote")
        header = json.loads(str(arrays.pop(kind)))
        if type(header) is not dict:
            raise ValueError("its header is no mapping")
        if header["format"] != version:
            got = cut(str(header["format"]), MAX_NAME)
            raise StoreError(
                f"{path}: of format {got}, this bnexp reads {version}; make it again, or use the "
                "bnexp that wrote it"
            )
    except BnexpError:
        raise
    except Exception as error:  # zipfile, numpy, its tokenizer and json raise of many kinds
        raise StoreError(f"{path}: damaged, expected a whole {kind} file: {error}") from None
    return header, arrays


def _decode_arrays(content: bytes) -> Arrays:
    """The arrays by name. Each entry is read to its end, where zipfile compares its checksum."""
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        entries = file.infolist()
        compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if compressed or sum(entry.file_size for entry in entries) > len(content):
            raise ValueError("larger unpacked than packed")
        for entry in entries:
            stream = io.BytesIO(file.read(entry))
            array = np.lib.format.read_array(stream, allow_pickle=False)
            if stream.read(1):
                raise ValueError(f"{entry.filename}: longer than its shape")
            arrays[entry.filename.removesuffix(".npy")] = array
    return arrays


def flatten_layers(**parts: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    """The arrays of all layers, each under the name of its part, layer and array.

    >>> list(flatten_layers(parameters=[{"W": np.zeros(2)}, {"gamma": np.ones(2)}]))
    ['parameters/0/W', 'parameters/1/gamma']
    """
    return {
        f"{part}/{i}/{name}": array
        for part, layers in parts.items()
        for i, layer in enumerate(layers)
        for name, array in layer.items()
    }
