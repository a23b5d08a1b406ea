"""The page: title and notes at the top, panels in rows, one legend below. Lengths are in inches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from pathlib import Path
from textwrap import wrap
from unicodedata import east_asian_width

from matplotlib import figure as plain
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.legend import Legend

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


WIDTH, WIDER = 7.2, 1.0  # a page's text width; and what each column past the fourth adds
LEFT, RIGHT, TOP, BOTTOM, EDGE = 0.72, 0.16, 0.12, 0.45, 0.06
COLUMN_GAP, ROW_GAP = 0.13, 0.13
TITLE_SIZE, NOTE_SIZE, HEAD_SIZE = 12.5, 9.5, 9.5
TITLE_LINE, NOTE_LINE, PANEL_TITLE_LINE = 0.25, 0.17, 0.17
TITLE_LETTER, NOTE_LETTER, DIGIT = 0.107, 0.07, 0.079  # generous mean widths
TITLE_LENGTH = 200  # a longer title is cut: it would be no title, and takes seconds to set


@dataclass(frozen=True)
class Page:
    """What stands on a page: `titles` are the panels', row by row; aspect is height over width.

    `heads` stand above rows, at the left. With `own_y` each panel has numbers on its y axis.
    `below` is room for more between the panels and the legend. `y_label` is that of all panels.
    """

    title: str
    notes: tuple[str, ...]
    titles: tuple[str, ...]
    columns: int
    aspect: float
    heads: tuple[str, ...] = ()
    own_y: bool = False
    below: float = 0.0
    y_label: str = ""
    extra_left: float = 0.0

    @property
    def rows(self) -> int:
        return ceil(len(self.titles) / self.columns)

    @property
    def width(self) -> float:
        return WIDTH + WIDER * max(0, self.columns - 4)

    @property
    def panel_width(self) -> float:
        free = self.width - self.left - RIGHT - self.gap * (self.columns - 1)
        return free / self.columns

    @property
    def y_lines(self) -> str:
        """The label of all panels, folded to their height."""
        height = self.rows * (WIDTH - LEFT) / self.columns * self.aspect
        return _fold(self.y_label, height, DIGIT) if self.y_label else ""

    @property
    def left(self) -> float:
        return LEFT + self.extra_left + NOTE_LINE * self.y_lines.count("\n")

    @property
    def gap(self) -> float:
        return LEFT if self.own_y else COLUMN_GAP

    @property
    def panel_height(self) -> float:
        return self.panel_width * self.aspect

    def is_lowest(self, number: int) -> bool:
        """Whether no panel stands below this one, also if the last row is not full."""
        return number + self.columns >= len(self.titles)

    def is_first(self, number: int) -> bool:
        """Whether the panel stands in the first column."""
        return number % self.columns == 0

    def has_y(self, number: int) -> bool:
        """Whether the panel has numbers on its y axis."""
        return self.own_y or self.is_first(number)


def build(page: Page, handles: Sequence[Artist]) -> tuple[Figure, list[Axes]]:
    """The figure with its header and legend, and the empty panels with their titles."""
    figure = Figure(figsize=(page.width, 1))
    FigureCanvasAgg(figure)
    titles = [_fold(title, page.panel_width, DIGIT) for title in page.titles]
    heads = [_head(page, titles, row) for row in range(page.rows)]
    header = _header_lines(page)
    top = TOP + sum(height for _, _, height in header)
    legend = _legend_height(figure, handles)
    bottom = BOTTOM + page.below + legend
    panels = sum(heads) + page.rows * page.panel_height + (page.rows - 1) * ROW_GAP
    figure.set_size_inches(page.width, top + panels + bottom)
    _write_header(figure, header)
    _write_heads(figure, page, top, heads)
    _write_y_label(figure, page, bottom + panels / 2)
    return figure, [_panel(figure, page, top, heads, n, title) for n, title in enumerate(titles)]


def _header_lines(page: Page) -> list[tuple[str, float, float]]:
    """Text, font size and height of each line at the top."""
    free = page.width - 2 * RIGHT
    title = _fold(_cut(page.title), free, TITLE_LETTER).split("\n")
    notes = [line for note in page.notes for line in _fold(note, free, NOTE_LETTER).split("\n")]
    small = [(line, NOTE_SIZE, NOTE_LINE) for line in notes if line]
    return [(line, TITLE_SIZE, TITLE_LINE) for line in title if line] + small


def _write_header(figure: Figure, lines: list[tuple[str, float, float]]) -> None:
    height = figure.get_figheight()
    y = height - TOP
    for text, size, step in lines:
        grey = "black" if size == TITLE_SIZE else "0.25"
        figure.text(0.5, y / height, text, ha="center", va="top", fontsize=size, color=grey)
        y -= step


def _head(page: Page, titles: Sequence[str], row: int) -> float:
    own = titles[row * page.columns :][: page.columns]
    lines = max(title.count("\n") + 1 if title else 0 for title in own)
    head = PANEL_TITLE_LINE + 0.11 if page.heads else 0.0
    return lines * PANEL_TITLE_LINE + head + 0.06


def _write_heads(figure: Figure, page: Page, top: float, heads: list[float]) -> None:
    width, height = figure.get_size_inches()
    for row, text in enumerate(page.heads):
        above = top + sum(heads[:row]) + row * (page.panel_height + ROW_GAP)
        y = 1 - (above + 0.11) / height
        figure.text(page.left / width, y, text, ha="left", va="top", fontsize=HEAD_SIZE)


def _write_y_label(figure: Figure, page: Page, middle: float) -> None:
    if page.y_label:
        x, y = EDGE / figure.get_figwidth(), middle / figure.get_figheight()
        figure.text(
            x, y, page.y_lines, rotation=90, ha="left", va="center", ma="center", fontsize=HEAD_SIZE
        )


def _panel(
    figure: Figure, page: Page, top: float, heads: list[float], number: int, title: str
) -> Axes:
    row, column = divmod(number, page.columns)
    width, height = figure.get_size_inches()
    left = page.left + column * (page.panel_width + page.gap)
    below = top + sum(heads[: row + 1]) + (row + 1) * page.panel_height + row * ROW_GAP
    box = (left, height - below, page.panel_width, page.panel_height)
    axes = figure.add_axes(
        (box[0] / width, box[1] / height, box[2] / width, box[3] / height), title=title
    )
    axes.set_autoscale_on(False)  # limits are set, and a loss of 1e300 would overflow them
    axes.tick_params(length=2.5, labelleft=page.has_y(number), labelbottom=page.is_lowest(number))
    return axes


def _legend_height(figure: Figure, handles: Sequence[Artist]) -> float:
    """Put the legend at the bottom in as few rows as fit; its height, 0 without handles."""
    if not handles:
        return EDGE
    for rows in range(ceil(len(handles) / 4), len(handles) + 1):
        legend = _legend(figure, handles, ceil(len(handles) / rows))
        extent = legend.get_window_extent()
        if extent.width <= figure.bbox.width or rows == len(handles):
            break
        legend.remove()
    return float(extent.height) / figure.dpi + EDGE


def _legend(figure: Figure, handles: Sequence[Artist], columns: int) -> Legend:
    return figure.legend(
        handles=list(handles),
        loc="lower center",
        bbox_to_anchor=(0.5, 0),
        ncols=columns,
        borderaxespad=0.2,
        columnspacing=1.6,
    )


def _cut(title: str) -> str:
    title = " ".join(title.split())
    return title if len(title) <= TITLE_LENGTH else f"{title[: TITLE_LENGTH - 1].rstrip()}…"


def _fold(text: str, width: float, letter: float) -> str:
    """Break into as few lines as fit, and those of about equal length."""
    words = " ".join(text.split())
    wide = sum(east_asian_width(one) in "WF" for one in words)  # such count for two letters
    widest = max(6, int(width / (letter * (1 + wide / max(1, len(words))))))
    fewest = len(wrap(words, widest, break_on_hyphens=False))
    tries = (wrap(words, n, break_on_hyphens=False) for n in range(6, widest + 1))
    return "\n".join(next(lines for lines in tries if len(lines) <= fewest))
