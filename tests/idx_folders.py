"""Folders of IDX files, and known data sets that such folders can be."""

from __future__ import annotations

import gzip
from dataclasses import replace
from hashlib import sha256

import numpy as np

from bnexp.data.arrays import idx_header
from bnexp.data.known import KNOWN_SETS, STEMS


def small_arrays(seed, shape=(5, 4), train=60, test=20):
    """Images whose class shows in their brightness, so that networks learn them."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        labels = (np.arange(count) + seed) % 10
        noise = rng.integers(0, 20, (count, *shape))
        arrays[f"{part}_images"] = (labels[:, None, None] * 23 + noise).astype(np.uint8)
        arrays[f"{part}_labels"] = labels.astype(np.uint8)
    return arrays


def idx_content(array):
    return idx_header(array.shape) + np.ascontiguousarray(array).tobytes()


def write_set(folder, arrays, stems=STEMS, packed=True):
    """The four files, under the names that a set's files have."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, stem in stems.items():
        content = idx_content(arrays[role])
        name = f"{stem}-idx{arrays[role].ndim}-ubyte"
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return folder


def as_known(name, arrays, images_known=False):
    """The known set of this name as if these were its files."""
    files = []
    for file in KNOWN_SETS[name].files:
        content = idx_content(arrays[file.role])
        known = images_known or file.role.endswith("labels")
        files.append(
            replace(
                file,
                gzip_sha256=sha256(gzip.compress(content, mtime=0)).hexdigest(),
                content_sha256=sha256(content).hexdigest() if known else "",
            )
        )
    return replace(KNOWN_SETS[name], files=tuple(files))
