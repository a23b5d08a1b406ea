"""The figures of a run directory: which have to be drawn, and their files.

A figure is drawn again only if something has changed that it depends on (`bnexp.figures.inputs`),
or one of its files. What the files were drawn from stands in `.figures.json`, by their names:

    {"panels": {"inputs": DIGEST, "fonts": [PATH, ...], "png": SHA-256, "svg": SHA-256}, ...}

A figure without an entry, as in a run directory of an older bnexp, is drawn. One that could not be
drawn has none, and neither has one whose letters no font has: the next run warns of them again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bnexp import figures
from bnexp.config.document import assigned
from bnexp.config.figures import figure_options
from bnexp.errors import ConfigError
from bnexp.figures.fonts import font_files
from bnexp.figures.inputs import inputs_digest
from bnexp.figures.labels import chosen_text
from bnexp.files import check_file, read_file, remove_file, write_changed, write_file
from bnexp.runs import RunDirectory
from bnexp.runs.data import RunData, read_finished_run
from bnexp.runs.references import find_run
from bnexp.runs.tables import Tables
from bnexp.text import choices


@dataclass(frozen=True)
class Drawn:
    """The files of a run's figures, and why some figures could not be drawn."""

    files: tuple[Path, ...] = ()
    failures: tuple[str, ...] = ()


FORMATS = ("png", "svg")
ENTRIES = ".figures.json"
MAX_BYTES = 10_000_000  # of it


def write_figures(data: RunData, directory: RunDirectory, again: bool = True) -> Drawn:
    """Draw the experiment's figures into the run directory, as PNG and SVG.

    again: whether also those are drawn that are up to date.

    A figure that cannot be drawn costs only its own files. Remove figures of an earlier config:
    they would be mistaken for this one's.
    """
    if not len(data.metrics["cell"]):
        return Drawn()
    folder = directory.folder("figures")
    before = {} if again else read_entries(directory.path / ENTRIES)
    entries: dict[str, Any] = {}
    written: list[Path] = []
    failures: list[str] = []
    for stem, options in named_figures(data).items():
        paths = {name: folder / f"{stem}.{name}" for name in FORMATS}
        if is_current(before.get(stem), options, data.tables, paths):
            entries[stem] = before[stem]
        else:
            try:
                contents = figures.render_files(options, data.tables, FORMATS)
            except figures.DrawingFailed as error:
                failures.append(str(error))
                continue
            for name, content in contents.items():
                write_changed(paths[name], content)
            if (fonts := font_files(chosen_text(data.tables, options))) is not None:
                entries[stem] = entry(options, data.tables, fonts, contents)
        written += paths.values()
    for path in folder.glob("*"):
        is_figure = re.fullmatch(rf"({'|'.join(figures.FIGURES)})\d*\.(png|svg)", path.name)
        if is_figure and path not in written:
            remove_file(path)
    if entries:
        directory.write(ENTRIES, json.dumps(entries, indent=1) + "\n")
    return Drawn(tuple(written), tuple(failures))


def named_figures(data: RunData) -> dict[str, figures.FigureKind]:
    """The figures of a run, by the names of their files: their own, or curves, panels, panels2.

    Figures with a name of their own do not count, so that one more changes no other's file.
    """
    numbers: Counter[str] = Counter()
    named = {}
    for options in figures.requested_figures(data.config.experiment.figures, data.tables):
        if options.name:
            named[options.name] = options
            continue
        numbers[options.kind] += 1
        number = numbers[options.kind]
        named[options.kind if number == 1 else f"{options.kind}{number}"] = options
    return named


def read_entries(path: Path) -> Mapping[str, Any]:
    """What figures were drawn from, by their names; nothing if the file is none of bnexp's."""
    try:
        entries = json.loads(read_file(path, MAX_BYTES) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}


def entry(
    options: figures.FigureKind,
    tables: Tables,
    fonts: Sequence[str],
    contents: Mapping[str, bytes],
) -> dict[str, Any]:
    """What files with these contents were drawn from, with these fonts besides DejaVu Sans."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return {"inputs": inputs_digest(options, tables, fonts), "fonts": [*fonts], **digests}


def is_current(
    before: Any, options: figures.FigureKind, tables: Tables, paths: Mapping[str, Path]
) -> bool:
    """Whether the files are those that were drawn before, and would be drawn now.

    before: the entry of the figure, which may be anything.
    """
    fonts = before.get("fonts") if isinstance(before, dict) else None
    if not isinstance(fonts, list) or not all(isinstance(font, str) for font in fonts):
        return False
    for path in paths.values():
        check_file(path)
    contents = {name: read_file(path) or b"" for name, path in paths.items()}
    return bool(before == entry(options, tables, fonts, contents))


def replot(directory: Path) -> Drawn:
    """Draw the figures of a run directory again, from its own config and results.

    Those of a shipped result, which is not written to, go to `RunPlace.output`.
    """
    place = find_run(directory)
    data, store = read_finished_run(place.directory), RunDirectory(place.output)
    with store.writing():
        return write_figures(data, store)


@dataclass(frozen=True)
class Picture:
    """How one figure is drawn for a file of its own; None: as in run directories.

    title: in the place of the experiment's. style: light, dark, slide or print. width: of the page,
    in inches. dpi: pixels in an inch. format: of the file, png, svg or pdf.
    """

    title: str | None = None
    style: str = "light"
    width: float | None = None
    dpi: float | None = None
    format: str | None = None


def drawn_kinds(directory: Path) -> list[str]:
    """The kinds of the figures that a run's experiment asks for, each once."""
    data = read_finished_run(find_run(directory).directory)
    return list(dict.fromkeys(options.kind for options in named_figures(data).values()))


def plot_one(
    directory: Path,
    kind: str,
    assignments: Sequence[str] = (),
    picture: Picture = Picture(),
    out: Path | None = None,
) -> Path:
    """Draw one figure of a run directory into a file of its own; nothing else is written.

    Arguments:
        kind: a name in `bnexp.figures.FIGURES`.
        assignments: its options, as texts such as "axis=model.norm". If there are too many lines
            without an axis, the one that `bnexp run` would choose is taken.
        out: the file, whose ending says the format, and gets that of `picture.format` if it has no
            format's; default: NAME-KIND.png in the current folder.

    Returns where the file is. ConfigError if the figure cannot be drawn, or if the ending is of
    another format.
    """
    from bnexp.figures.canvas import FORMATS, render

    data = read_finished_run(find_run(directory).directory)
    ending = out.suffix[1:].lower() if out else ""
    name = picture.format or ending or FORMATS[0]
    if name not in FORMATS:
        raise ConfigError(f"{out or 'format'}: no format, expected {choices(name, FORMATS)}")
    if out is not None and ending != name:
        if ending in FORMATS:
            text = f"expected a file that ends with .{name}, as format is {name}, got .{ending}"
            raise ConfigError(f"{out}: {text}; omit format, or rename the file")
        out = out.with_name(f"{out.name}.{name}")
    if picture.dpi is not None and not 10 <= picture.dpi <= 2400:
        raise ConfigError(f"dpi: expected 10 to 2400 pixels in an inch, got {picture.dpi:g}")
    tables = replace(data.tables, title=picture.title or data.tables.title)
    options = figures.drawable(figure_options(kind, **assigned(assignments)), tables)
    figure = figures.draw(options, tables, picture.style, picture.width)
    path = out or Path(f"{data.config.name}-{kind}.{name}")
    write_file(path, render(figure, name, picture.dpi, has_text=True))
    return path
