"""One experiment's run directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bnexp import files
from bnexp.errors import StoreError
from bnexp.execution import Record
from bnexp.execution.checkpoints import Checkpoints
from bnexp.plan import Cell
from bnexp.store.cellfile import Damaged, decode, encode


@dataclass(frozen=True)
class Found:
    """What a run directory has of a plan's cells: records by cell, and why the rest is missing."""

    records: dict[str, Record]
    missing: dict[str, str]


class RunDirectory:
    """`path` need not exist; it is made by the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, cells: Iterable[Cell], data_sha256: str | None) -> Found:
        """Records of `cells` that are whole and, if `data_sha256` is given, of these data."""
        found = Found({}, {})
        for cell in cells:
            try:
                found.records[cell.id] = self._load(cell, data_sha256)
            except Damaged as reason:
                found.missing[cell.id] = str(reason)
        return found

    def save(self, records: Iterable[Record]) -> None:
        """Keep finished records; a failed one is not a result and is tried again next time."""
        for record in records:
            if record.status != "failed":
                files.write_whole(self._cell(record.cell), encode(record))

    def checkpoints(self, seconds: float) -> Checkpoints:
        """Where networks that train for longer than `seconds` leave how far they are."""
        return Checkpoints(self.path / "checkpoints", seconds)

    def clear(self, cells: Iterable[Cell]) -> None:
        """Forget the records of `cells`."""
        for cell in cells:
            files.remove(self._cell(cell.id))
            files.remove(self.checkpoints(0).path(cell.id))

    def write(self, name: str, content: bytes | str) -> Path:
        """A table, the manifest or a figure, by its path in the directory."""
        path = self.path / name
        files.write_whole(path, content.encode() if isinstance(content, str) else content)
        return path

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the directory against other runs; StoreError if another one is writing to it."""
        lock = self._acquired()
        try:
            self._sweep()
            yield
        finally:
            lock.release()

    def _acquired(self) -> FileLock:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=1)
            lock.acquire()
        except Timeout:
            raise StoreError(
                f"{self.path}: in use, another bnexp is writing to it; wait for it, or give "
                "another folder with --out"
            ) from None
        except OSError as error:
            raise files.storage_error("cannot write", self.path, error) from error
        return lock

    def _cell(self, cell: str) -> Path:
        return self.path / "cells" / f"{cell}.json"

    def _load(self, cell: Cell, data_sha256: str | None) -> Record:
        content = files.read(self._cell(cell.id))
        if content is None:
            raise Damaged("not trained yet")
        record = decode(content, cell.id)
        if data_sha256 is not None and record.data_sha256 != data_sha256:
            raise Damaged("trained on other data")
        return record

    def _sweep(self) -> None:
        """Remove what a killed run left of files that it had not finished, and nothing else."""
        parts = ("", "cells", "figures", "checkpoints")
        for folder in (self.path / part for part in parts):
            for leftover in folder.glob(f"{files.TEMPORARY}*"):
                if files.is_temporary(leftover):
                    files.remove(leftover)
