"""A figure to bytes that are the same every time, and bytes to a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from uuid import uuid4

from matplotlib.figure import Figure

from bnexp.errors import StoreError
from bnexp.figures.style import house_style

# A date or a version would make every file differ from the last.
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


def save_with(
    write: Callable[[Path, bytes], None], figure: Figure, folder: Path, stem: str
) -> list[Path]:
    """Render all formats, then write all: a figure that cannot be drawn leaves no file."""
    files = {folder / f"{stem}.{kind}": render(figure, kind) for kind in METADATA}
    for path, content in files.items():
        write(path, content)
    return list(files)


def render(figure: Figure, kind: str) -> bytes:
    """The figure as a file of this kind, png or svg."""
    buffer = BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, metadata=METADATA[kind])
    return buffer.getvalue()


def replace_file(path: Path, content: bytes) -> None:
    """Write under a temporary name, then move. Raises StoreError if the disk refuses."""
    temporary = path.with_name(f".tmp-{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"cannot write the figure {path}: {reason}. Nothing there was changed."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
