"""A run directory's figures, from its tables."""

from __future__ import annotations

import re
from pathlib import Path

from bnexp.config import Config
from bnexp.files import remove, write_whole
from bnexp.opening import finished
from bnexp.store import RunDirectory
from bnexp.tables import Results


def write_figures(tables: Results, config: Config, directory: RunDirectory) -> list[Path]:
    """Draw what the experiment asks for into the run directory, as PNG and SVG."""
    from bnexp import figures

    if not len(tables.metrics["cell"]):
        return []
    wanted = figures.wanted(config.experiment.figures, tables)
    kinds = [options.kind for options in wanted]
    written: list[Path] = []
    for i, options in enumerate(wanted):
        number = kinds[:i].count(options.kind)
        stem = f"{options.kind}{number + 1 if number else ''}"
        folder = directory.path / "figures"
        written += figures.save(figures.draw(options, tables), folder, stem, write_whole)
    _remove_others(directory.path / "figures", written)
    return written


def _remove_others(folder: Path, written: list[Path]) -> None:
    """Figures that an earlier configuration asked for would be taken for this one's."""
    from bnexp.figures.kinds import KINDS

    for path in folder.glob("*"):
        ours = re.fullmatch(rf"({'|'.join(KINDS)})\d*\.(png|svg)", path.name)
        if ours and path not in written:
            remove(path)


def replot(directory: Path) -> list[Path]:
    """Draw a run directory's figures again, from its own config and results."""
    made, store = finished(directory), RunDirectory(directory)
    with store.writing():
        return write_figures(made.tables, made.config, store)
