"""What two runs were made with, and how that differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnexp import files
from bnexp.config.writing import flow
from bnexp.errors import StoreError

MAX_BYTES = 10_000_000
ABSENT = "(not set)"

# What can change a number, the likeliest first, in the user's words.
CAUSES = {
    "data": "data",
    "numerics": "bnexp's numerics",
    "packages.bnexp": "bnexp",
    "blas": "BLAS",
    "packages.numpy": "numpy",
    "cpu.model": "processor",
    "python": "python",
    "platform": "platform",
    "git_commit": "bnexp's commit",
}


@dataclass(frozen=True)
class Difference:
    """A key, and what each of two sides has there, as text."""

    key: str
    first: str
    second: str


def read_manifest(path: Path) -> Mapping[str, Any] | None:
    """A run directory's manifest, None where it has none; StoreError where it is damaged."""
    try:
        large = path.stat().st_size > MAX_BYTES
    except (OSError, ValueError):
        large = False
    content = None if large else files.read(path)
    if content is None and not large:
        return None
    try:
        manifest = json.loads(content or b"")
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict):
        raise StoreError(
            f"{path}: damaged, expected a manifest that bnexp wrote; remove it, or run the "
            "experiment again"
        )
    return manifest


def facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Dotted keys of what the numbers depend on: the environment, and the data's SHA-256."""
    environment = manifest.get("environment")
    found = dict(_flat("", environment)) if isinstance(environment, Mapping) else {}
    for name, digest in data_of(manifest).items():
        found[f"data.{name}"] = digest
    return found


def data_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of each data set that a run was made with."""
    data = manifest.get("data")
    entries = data.items() if isinstance(data, Mapping) else ()
    return {
        str(k): str(v["sha256"]) for k, v in entries if isinstance(v, Mapping) and "sha256" in v
    }


def failures(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The cells that failed when the run was made, and why."""
    failed = manifest.get("failed")
    entries = failed.items() if isinstance(failed, Mapping) else ()
    return {str(cell): str(reason) for cell, reason in entries}


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if key == "blas":
        yield key, _libraries(value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}" if key else str(name), inner)
    else:
        yield key, ABSENT if value is None else value if isinstance(value, str) else flow(value)


def _libraries(value: Any) -> str:
    """The BLAS libraries in words, whatever the order they were loaded in."""
    libraries = value if isinstance(value, list) else []
    texts = (
        " ".join(str(part) for part in one.values() if part is not None)
        for one in libraries
        if isinstance(one, Mapping)
    )
    return ", ".join(sorted(set(texts))) or ABSENT


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[Difference, ...]:
    """What differs, in the order of the keys; what only one side has is absent in the other."""
    keys = dict.fromkeys([*first, *second])
    both = (Difference(key, first.get(key, ABSENT), second.get(key, ABSENT)) for key in keys)
    return tuple(one for one in both if one.first != one.second)


def causes(stored: Mapping[str, str], here: Mapping[str, str]) -> tuple[Difference, ...]:
    """The differences that can change a number, the likeliest first, in words."""
    ranks = list(CAUSES)
    named = {rank: [d for d in differences(stored, here) if _rank(d.key) == rank] for rank in ranks}
    return tuple(
        Difference(
            d.key.replace(rank, CAUSES[rank], 1).replace("data.", "data "), d.first, d.second
        )
        for rank in ranks
        for d in named[rank]
    )


def _rank(key: str) -> str:
    return "data" if key.startswith("data.") else key
