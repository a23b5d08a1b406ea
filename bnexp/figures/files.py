"""A figure to bytes that are the same every time."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from matplotlib import figure as plain

from bnexp.figures.style import house_style

# A date or a version would make every file differ from the last.
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


class Figure(plain.Figure):
    """A figure that a notebook shows, whether it has loaded pyplot or not."""

    def _repr_png_(self) -> bytes:
        return render(self, "png")


def save_with(
    write: Callable[[Path, bytes], None], figure: plain.Figure, folder: Path, stem: str
) -> list[Path]:
    """Render all formats, then write all: a figure that cannot be drawn leaves no file."""
    files = {folder / f"{stem}.{kind}": render(figure, kind) for kind in METADATA}
    for path, content in files.items():
        write(path, content)
    return list(files)


def render(figure: plain.Figure, kind: str) -> bytes:
    """The figure as a file of this kind, png or svg."""
    buffer = BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, metadata=METADATA[kind])
    return buffer.getvalue()
