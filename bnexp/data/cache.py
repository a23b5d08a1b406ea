"""Unpacked arrays on disk: named by the content they were made from, checked at each reading.

An entry `arrays/KEY/` holds one .npy a role and `digests.json`. Its key is a digest of the source
files' bytes, so it cannot be stale; its arrays are hashed as they are read, so damage is seen. The
cache only saves time: whatever goes wrong with it, the caller gets the right arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np

from bnexp.data.arrays import ROLES, Bytes, Content
from bnexp.errors import StoreError
from bnexp.files import open_file, read_file, write_folder

FORMAT = "bnexp arrays 1"
DIGESTS = "digests.json"
MAX_DIGESTS = 100_000


def entry_key(sources: Iterable[bytes]) -> str:
    """The name of the entry made from these files' bytes by this version of the format."""
    parts = [FORMAT, *(sha256(source).hexdigest() for source in sources)]
    return sha256("\n".join(parts).encode()).hexdigest()


def cached(cache: Path | None, key: str, build: Callable[[], dict[str, Bytes]]) -> Content:
    """The arrays of an entry, memory-mapped; made by `build` and stored if not there and sound.

    cache: the cache's folder, None for none.
    key: the entry's name, from `entry_key`.
    build: returns the four arrays by role.

    Raises what `build` raises, nothing else: without a usable cache the arrays stay in memory.
    """
    if cache is None:
        return Content.of(build())
    entry = cache / "arrays" / key
    stored = _read(entry)
    if stored is None:
        built = Content.of(build())
        stored = _read(entry)  # another process may have been quicker
    if stored is None:
        with suppress(StoreError):  # an unwritable or full cache is no reason to fail
            write_folder(entry, _contents(built))
        stored = _read(entry)
    return stored or built


def _read(entry: Path) -> Content | None:
    """The entry's arrays if it is complete and every digest is right, else None."""
    arrays = {}
    try:
        digests = json.loads(read_file(entry / DIGESTS, MAX_DIGESTS) or b"")
        for role in ROLES:
            with open_file(entry / f"{role}.npy"):  # or np.load might wait for a pipe's writer
                pass
            arrays[role] = np.load(entry / f"{role}.npy", mmap_mode="r", allow_pickle=False)
            if arrays[role].dtype != np.uint8:
                return None
        content = Content.of(arrays)
    except Exception:  # damage can surface as nearly anything; the cure is always to rebuild
        return None
    return content if content.digests == digests else None


def _contents(content: Content) -> Iterator[tuple[str, bytes]]:
    """The files of an entry: one `.npy` for each array, and their digests."""
    for role in ROLES:
        file = BytesIO()
        np.save(file, content.arrays[role], allow_pickle=False)
        yield f"{role}.npy", file.getvalue()
    yield DIGESTS, json.dumps(content.digests, indent=1).encode()
