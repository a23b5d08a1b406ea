"""Unpacked arrays on disk: named by the content they were made from, checked at each reading.

An entry `arrays/KEY/` holds one .npy a role and `digests.json`. Its key is a digest of the source
files' bytes, so it cannot be stale; its arrays are hashed as they are read, so damage is seen. The
cache only saves time: whatever goes wrong with it, the caller gets the right arrays.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np

from bnexp.data.arrays import Bytes, Content
from bnexp.data.catalog import ROLES

FORMAT = "bnexp arrays 1"
DIGESTS = "digests.json"
TEMPORARY = ".tmp-"
ABANDONED_AFTER = 24 * 3600  # seconds


def entry_key(sources: Iterable[bytes]) -> str:
    """The name of the entry made from these files' bytes by this version of the format."""
    parts = [FORMAT, *(sha256(source).hexdigest() for source in sources)]
    return sha256("\n".join(parts).encode()).hexdigest()


def cached(cache: Path | None, key: str, build: Callable[[], dict[str, Bytes]]) -> Content:
    """The arrays of entry `key`, memory-mapped; made by `build` and stored if not there and sound.

    Raises what `build` raises, nothing else: without a usable cache the arrays stay in memory.
    """
    if cache is None:
        return Content.of(build())
    entry = cache / "arrays" / key
    found = _read(entry)
    if found is not None:
        return found
    fresh = Content.of(build())
    with suppress(OSError):  # an unwritable or full cache is no reason to fail
        _write(entry, fresh)
    return _read(entry) or fresh


def _read(entry: Path) -> Content | None:
    """The entry's arrays if it is complete and every digest is right, else None."""
    try:
        promised = json.loads((entry / DIGESTS).read_text())
        content = Content.of({role: _map(entry / f"{role}.npy") for role in ROLES})
    except Exception:  # damage can surface as nearly anything; the cure is always to rebuild
        return None
    return content if content.digests == promised else None


def _map(path: Path) -> Bytes:
    array: Bytes = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != np.uint8:
        raise ValueError(f"{path}: expected unsigned bytes, got {array.dtype}")
    return array


def _write(entry: Path, content: Content) -> None:
    """Write the entry under a temporary name, then give it its own: it is there whole or not."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(entry.parent)
    temporary = entry.parent / f"{TEMPORARY}{uuid4().hex}"
    try:
        _fill(temporary, content)
        _replace(temporary, entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, content: Content) -> None:
    folder.mkdir()
    for role in ROLES:
        np.save(folder / f"{role}.npy", content.arrays[role], allow_pickle=False)
    (folder / DIGESTS).write_text(json.dumps(content.digests, indent=1))


def _replace(temporary: Path, entry: Path) -> None:
    try:
        temporary.rename(entry)
    except OSError:
        if _read(entry) is not None:  # another process was quicker
            return
        damaged = entry.parent / f"{TEMPORARY}{uuid4().hex}"
        entry.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
        temporary.rename(entry)


def _remove_abandoned(folder: Path) -> None:
    """Remove what a killed process left behind, but not what a live one may still be writing."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(leftover, ignore_errors=True)
