"""What a manifest says a run was made with, as the reader of any manifest wants it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnexp import files
from bnexp.config.writing import bare, flat
from bnexp.errors import StoreError

MAX_BYTES = 10_000_000
ABSENT = "(not set)"


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
    environment = flat(_part(manifest, "environment"), lambda key: key == "blas")
    data = _part(manifest, "data").items()
    digests = {k: v["sha256"] for k, v in data if isinstance(v, Mapping) and "sha256" in v}
    return {
        **{key: _libraries(value) if key == "blas" else _text(value) for key, value in environment},
        **{f"data.{name}": str(digest) for name, digest in digests.items()},
    }


def failures(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The cells that failed when the run was made, and why."""
    return {str(cell): str(reason) for cell, reason in _part(manifest, "failed").items()}


def _part(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping within it, empty where that is no mapping: any text may stand there."""
    part = manifest.get(name)
    return part if isinstance(part, Mapping) else {}


def _text(value: Any) -> str:
    return ABSENT if value is None else bare(value)


def _libraries(value: Any) -> str:
    """The BLAS libraries in words, whatever the order they were loaded in."""
    libraries = value if isinstance(value, list) else []
    texts = (
        " ".join(str(part) for part in one.values() if part is not None)
        for one in libraries
        if isinstance(one, Mapping)
    )
    return ", ".join(sorted(set(texts))) or ABSENT
