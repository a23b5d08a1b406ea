"""The run directory: what a run keeps on disk, and the lock that keeps two runs apart.

    config.yaml      the resolved config
    manifest.json    what the numbers were made with (see `bnexp.runs.manifest`)
    cells/           one file for each finished network, `cells/ID.json`
    checkpoints/     networks whose training was stopped
    metrics.csv  summary.csv  probes.csv  claims.json  figures/  report.html
    .figures.json    what the figures were drawn from (see `bnexp.plots`)

A cell file has two lines of JSON: a head with the format's number and the SHA-256 of the body, and
the body, a `Record`. It appears whole or not at all, and what is not exactly what was written is
noticed: such a network is trained again.

A file cells/ID.json looks like this, with the metrics and probes of `Record`:

    {"bnexp_cell": 3, "sha256": "9f2c..."}
    {"cell":"ID","data_sha256":"...","status":"ok","diverged_at_step":null,"steps":[0,10],...}

The id is a hash of all that the network's numbers depend on (`bnexp.sweep`). So a run finds what it
need not train by name alone: after a change of the config, networks whose settings did not change
keep their ids and files. The digest of the data is compared separately.

The directory itself may be reached by a link. `cells`, `checkpoints` and `figures` in it may not be
links: nothing outside the directory is written or removed.

Several runs may share a directory one after the other, but not at a time: `writing` locks it with
the file `.lock`. Reading needs no lock, as every file appears whole (`bnexp.files`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bnexp import files
from bnexp.config.stored import Misfit
from bnexp.errors import StoreError
from bnexp.execution.checkpoints import Checkpoints
from bnexp.execution.task import Record, record_text
from bnexp.runs.records import check_record, decode_record
from bnexp.sweep import Network
from bnexp.text import MAX_NAME, cut

FORMAT = 3
MAX_BYTES = 250_000_000  # of a cell file
# What a file system says that has no locks.
CANNOT_LOCK = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
# What can be wrong with a cell file. A network can also have none for reasons that are no damage.
DAMAGES = ("damaged", "not a record", "another network's")


def kind_of(reason: str) -> str:
    """The reason without what follows it: one of DAMAGES, if it is damage."""
    return reason.partition(": ")[0]


class NoRecord(Exception):
    """A network has no record in the run directory; the text says why.

    The text is one of DAMAGES, "not trained yet", "trained on other data", or names a format. After
    "not a record: " comes the key that does not fit, with what was expected there.
    """


def encode_cell(record: Record) -> bytes:
    """The content of a network's cell file.

    Two lines, each ended by a line feed. NaN and infinite numbers are written as Python's json does
    (NaN, Infinity), which other readers of JSON may refuse.
    """
    body = record_text(record).encode()
    head = {"bnexp_cell": FORMAT, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n" + body + b"\n"


def decode_cell(content: bytes, network: str) -> Record:
    """The record of the network with this id, from the content of its cell file.

    Raises NoRecord unless the content is exactly what `encode_cell` made for this network.

    Lists become tuples again, so that the record equals the one that was encoded, NaN apart. A cell
    of another format is not converted: its network is trained again.
    """
    first_line, _, second_line = content.partition(b"\n")
    body = second_line.removesuffix(b"\n")
    try:
        head: Any = json.loads(first_line)
        version, digest = int(head["bnexp_cell"]), head["sha256"]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise NoRecord("damaged") from None
    if version != FORMAT:
        raise NoRecord(f"of format {cut(str(version), MAX_NAME)}, this bnexp writes {FORMAT}")
    if not second_line.endswith(b"\n") or hashlib.sha256(body).hexdigest() != digest:
        raise NoRecord("damaged")
    try:
        record = decode_record(json.loads(body))
    except Misfit as misfit:
        raise NoRecord(f"not a record: {misfit}") from None
    except (ValueError, RecursionError):
        raise NoRecord("not a record") from None
    if record.cell != network:
        raise NoRecord("another network's")
    return record


class RunDirectory:
    """The run directory at `path`, which need not exist: the first write makes it.

    All methods that write raise StoreError if the system refuses; the error names the path. Only
    the process that holds the lock (`writing`) should write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read_records(
        self, networks: Iterable[Network], data_sha256: str | None
    ) -> tuple[dict[str, Record], dict[str, str]]:
        """The records of the networks that have one, by id, and why the others have none.

        With `data_sha256`, a record of a network that was trained on other data is missing too.
        Raises StoreError if a file cannot be read.

        Arguments:
            networks: those of the plan; files of other networks are not looked at.
            data_sha256: the digest of the data set; None accepts records of any data, which is for
                directories whose data may not be at hand.
        """
        records: dict[str, Record] = {}
        missing: dict[str, str] = {}
        for network in networks:
            try:
                content = files.read_file(self._cell(network.id), MAX_BYTES)
                if content is None:
                    raise NoRecord("not trained yet")
                record = decode_cell(content, network.id)
                check_record(record, network)
                if data_sha256 is not None and record.data_sha256 != data_sha256:
                    raise NoRecord("trained on other data")
            except Misfit as misfit:
                missing[network.id] = f"not a record: {misfit}"
            except NoRecord as reason:
                missing[network.id] = str(reason)
            else:
                records[network.id] = record
        return records, missing

    def save_records(self, records: Iterable[Record]) -> None:
        """Write the cell files of finished networks.

        A failed network is no result: it has no file and is trained again by the next run.

        Each file is written whole before the next one, so a run that is stopped keeps what was
        finished. StoreError if the directory was removed meanwhile or cannot be written.
        """
        self.check_exists()
        self.folder("cells")
        for record in records:
            if record.status != "failed":
                files.write_file(self._cell(record.cell), encode_cell(record))

    def remove_records(self, networks: Iterable[Network]) -> None:
        """Remove the cell files and the checkpoints of the networks.

        Files that do not exist are ignored. `bnexp run --fresh` does this for all networks of the
        plan.
        """
        self.folder("cells")
        for network in networks:
            files.remove_file(self._cell(network.id))
            files.remove_file(self.checkpoints(0).path(network.id))

    def count_others(self, networks: Iterable[Network]) -> int:
        """How many cell files are of other networks, usually those of an earlier config."""
        ids = {network.id for network in networks}
        try:
            return sum(path.stem not in ids for path in (self.path / "cells").glob("*.json"))
        except OSError:
            return 0

    def check_exists(self) -> None:
        """StoreError if the directory was removed after its config.yaml was written."""
        if not (self.path / "config.yaml").exists():
            raise StoreError(
                f"{self.path}: was removed or renamed while it was written to; what was trained "
                "since is lost, run the same command again"
            )

    def folder(self, name: str) -> Path:
        """A folder in the directory; StoreError if a link or a file stands there or above it."""
        path = self.path
        for part in Path(name).parts:
            path /= part
            files.check_folder(path)
        return path

    def checkpoints(self, seconds: float, device: str = "cpu") -> Checkpoints:
        """The checkpoints of networks that train for longer than `seconds` on the device."""
        return Checkpoints(self.path / "checkpoints", seconds, device)

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a table, the manifest or a figure; `name` is its path in the directory.

        A file that has this content already is left as it is. A missing folder is made. Texts are
        encoded as UTF-8. Returns the path of the file.
        """
        path = self.folder(str(Path(name).parent)) / Path(name).name
        files.write_changed(path, content.encode() if isinstance(content, str) else content)
        return path

    @contextmanager
    def writing(self, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Lock the directory against other runs; wait while another run has locked it.

        `on_wait` is called once if it has to wait. The system frees the lock of a process that is
        gone. If the file system has no locks, runs go on side by side: results appear whole or not
        at all, and a network's result is the same whoever trains it.

        Leftovers of killed writers are removed when the lock is taken and when it is given back.
        StoreError if the folder cannot be made or the lock file cannot be opened.
        """
        lock = self._acquire_lock(on_wait)
        try:
            self._remove_leftovers()
            try:
                yield
            finally:  # a worker that was ended leaves half files as well
                with suppress(StoreError):
                    self._remove_leftovers()
        finally:
            if lock:
                lock.release()

    def _acquire_lock(self, on_wait: Callable[[], None]) -> FileLock | None:
        """Take the lock of the directory and return it; None if the file system has no locks."""
        path = self.path / ".lock"
        files.check_file(path)
        with files.storage_errors("cannot write", self.path):
            files.system.make_folder(self.path)
            if not _has_locks(path):
                return None
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                lock.acquire(poll_interval=0.2)
        return lock

    def _remove_leftovers(self) -> None:
        """Remove unfinished files of a killed run, and nothing else."""
        files.sweep(self.path)
        for name in ("cells", "figures", "checkpoints"):
            files.sweep(self.folder(name))

    def _cell(self, network: str) -> Path:
        return self.path / "cells" / f"{network}.json"


def _has_locks(path: Path) -> bool:
    """Whether the file system locks files; some network folders do not.

    A file is made at `path` if there is none. filelock is not asked, as its versions answer in
    different ways: by an error, by waiting for ever, or by a file that outlives a killed process.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows always has locks
        return True
    handle = os.open(path, os.O_RDWR | os.O_CREAT | files.NOFOLLOW | files.NONBLOCK, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # another run has it
        return True
    except OSError as error:
        if error.errno not in CANNOT_LOCK:
            raise  # filelock before 3.21 would try again for ever
        return False
    finally:
        os.close(handle)
    return True
