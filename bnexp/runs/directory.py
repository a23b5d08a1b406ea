"""One run directory: what is read from it and written into it, and its lock."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bnexp import files
from bnexp.errors import StoreError
from bnexp.execution.checkpoints import Checkpoints
from bnexp.execution.task import Probed, Record
from bnexp.runs.manifest import read_manifest
from bnexp.sweep import Network

FORMAT = 3
# What can be wrong with a cell file; any other reason for a missing record is no damage.
DAMAGES = ("damaged", "not a record", "another network's")


class Damaged(Exception):
    """The file is not a whole cell file of this format; the text says why."""


def encode(record: Record) -> bytes:
    body = json.dumps(asdict(record), separators=(",", ":")).encode()
    head = {"bnexp_cell": FORMAT, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n" + body + b"\n"


def decode(content: bytes, network: str) -> Record:
    """The record of `cell`; Damaged if the content is anything but what `encode` wrote for it."""
    head, _, rest = content.partition(b"\n")
    body = rest.removesuffix(b"\n")
    try:
        about: Any = json.loads(head)
        version, digest = about["bnexp_cell"], about["sha256"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Damaged("damaged") from None
    if version != FORMAT:
        raise Damaged(f"of format {version}, this bnexp writes {FORMAT}")
    if not rest.endswith(b"\n") or hashlib.sha256(body).hexdigest() != digest:
        raise Damaged("damaged")
    try:
        record = _record(json.loads(body))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Damaged("not a record") from None
    if record.cell != network:
        raise Damaged("another network's")
    return record


def _record(fields: dict[str, Any]) -> Record:
    for name in ("steps", "epochs"):
        fields[name] = tuple(fields[name])
    fields["metrics"] = {name: tuple(values) for name, values in fields["metrics"].items()}
    fields["probes"] = tuple(
        Probed(read.pop("quantity"), **{name: tuple(values) for name, values in read.items()})
        for read in fields["probes"]
    )
    return Record(**fields)


class RunDirectory:
    """`path` need not exist; it is made by the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read_records(
        self, networks: Iterable[Network], data_sha256: str | None
    ) -> tuple[dict[str, Record], dict[str, str]]:
        """The records of the networks that have one, by id, and why the others have none.

        With `data_sha256`, a record of a network that was trained on other data is missing too.
        """
        records: dict[str, Record] = {}
        missing: dict[str, str] = {}
        for network in networks:
            try:
                records[network.id] = self._load(network, data_sha256)
            except Damaged as reason:
                missing[network.id] = str(reason)
        return records, missing

    def save(self, records: Iterable[Record]) -> None:
        """Keep finished records; a failed one is not a result and is tried again next time."""
        self.check_there()
        for record in records:
            if record.status != "failed":
                files.write_file(self._cell(record.cell), encode(record))

    def others(self, networks: Iterable[Network]) -> int:
        """How many networks of other settings are kept here: of an earlier config, as a rule."""
        own = {network.id for network in networks}
        try:
            return sum(path.stem not in own for path in (self.path / "cells").glob("*.json"))
        except OSError:
            return 0

    def check_there(self) -> None:
        """StoreError where the directory was taken away after its config.yaml was written."""
        if not (self.path / "config.yaml").exists():
            raise StoreError(
                f"{self.path}: was removed or renamed while it was written to; what was trained "
                "since is lost, run the same command again"
            )

    def checkpoints(self, seconds: float) -> Checkpoints:
        """Where networks that train for longer than `seconds` leave how far they are."""
        return Checkpoints(self.path / "checkpoints", seconds)

    def clear(self, networks: Iterable[Network]) -> None:
        """Forget the records of `cells`."""
        for network in networks:
            files.remove_file(self._cell(network.id))
            files.remove_file(self.checkpoints(0).path(network.id))

    def write(self, name: str, content: bytes | str) -> Path:
        """A table, the manifest or a figure, by its path in the directory."""
        path = self.path / name
        files.write_file(path, content.encode() if isinstance(content, str) else content)
        return path

    def manifest(self) -> Mapping[str, Any] | None:
        """What the run was made with, None where nothing says so; StoreError where damaged."""
        return read_manifest(self.path / "manifest.json")

    @contextmanager
    def writing(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the directory against other runs; where another one has it, wait until it is done.

        `waiting` is called once if so. The system frees the lock of a process that is gone. Where
        it has no locks, runs go on side by side: results appear whole or not at all, and the same
        network gives the same result, whoever trains it.
        """
        lock = self._acquired(waiting)
        try:
            self._sweep()
            try:
                yield
            finally:  # a worker that was ended leaves half files as well
                with suppress(StoreError):
                    self._sweep()
        finally:
            lock.release()

    def _acquired(self, waiting: Callable[[], None]) -> FileLock:
        lock = FileLock(self.path / ".lock")
        try:
            files.system.make_folder(self.path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if _can_be_locked(self.path / ".lock"):
                    waiting()
                    lock.acquire(poll_interval=0.2)
        except NotImplementedError:
            pass  # the system has no locks, and says so
        except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
            raise files.storage_error("cannot write", self.path, error) from error
        return lock

    def _cell(self, network: str) -> Path:
        return self.path / "cells" / f"{network}.json"

    def _load(self, network: Network, data_sha256: str | None) -> Record:
        content = files.read_file(self._cell(network.id))
        if content is None:
            raise Damaged("not trained yet")
        record = decode(content, network.id)
        if data_sha256 is not None and record.data_sha256 != data_sha256:
            raise Damaged("trained on other data")
        return record

    def _sweep(self) -> None:
        """Remove what a killed run left of files that it had not finished, and nothing else."""
        parts = ("", "cells", "figures", "checkpoints")
        for folder in (self.path / part for part in parts):
            files.sweep(folder)


def _can_be_locked(path: Path) -> bool:
    """Whether a lock that was refused is held by somebody; network folders may have none at all."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return True
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)
    finally:
        os.close(handle)
    return True
