"""The page: title and notes at the top, panels in rows, one legend below.

A kind of figure describes its page (`Page`) and gets the figure with empty panels (`build`), on
which it draws. Widths are fixed and heights follow from them, so that figures of different sizes
have the same type and line widths. All lengths are in inches.

From top to bottom: title and notes (centered), for each row of panels a head and the titles of its
panels, the panels, the label of the x axis, and the legend. `build` computes the height of the
figure from these; nothing is moved afterwards, so matplotlib's own layout engines are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from textwrap import wrap
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from bnexp.errors import ConfigError
from bnexp.figures.style import active

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from bnexp.figures.canvas import Figure


TICKS = 0.24  # of BOTTOM, for the numbers at the ticks
WIDER = 1.0  # what each column past the fourth adds to the style's width
LEFT, RIGHT, TOP, BOTTOM, EDGE = 0.72, 0.16, 0.12, 0.45, 0.06
COLUMN_GAP, ROW_GAP = 0.13, 0.13
TITLE_SIZE, NOTE_SIZE, HEAD_SIZE, PANEL_TITLE_SIZE = 12.5, 9.5, 9.5, 9.5
TITLE_LINE, NOTE_LINE, PANEL_TITLE_LINE = 0.25, 0.17, 0.17
HEAD_LINE, HEAD_GAP = 0.11, 0.06
TITLE_LETTER, NOTE_LETTER, DIGIT = 0.107, 0.07, 0.079  # generous mean widths
LEAST_SIZE = 0.6  # of the usual size of a text that is written smaller
LEAST_STRETCH = 0.2  # of a panel's usual height
LONGEST_WORD = 40  # letters: longer ones are broken to fit, shorter ones are written smaller
TITLE_LENGTH = 200  # a longer title is cut: it would be no title, and takes seconds to set


def square(panels: int) -> int:
    """The number of columns that makes about as many rows."""
    return ceil(sqrt(panels))


@dataclass(frozen=True, kw_only=True)
class Page:
    """What stands on a page, and where.

    title, notes: the lines at the top; empty notes are left out.
    titles: of the panels, row by row; columns: how many stand side by side.
    aspect: a panel's height over its width.
    heads: texts above the rows, at the left.
    x_label: below the lowest panels. y_label: of all panels together, at the page's left edge.
    y_labels: one for each panel, where it has numbers on its y axis.
    own_y: whether each panel has numbers on its y axis, not only those in the first column.
    below: room for more between the panels and the legend; extra_left: for long numbers.
    """

    title: str
    notes: tuple[str, ...]
    titles: tuple[str, ...]
    columns: int
    aspect: float
    heads: tuple[str, ...] = ()
    x_label: str = ""
    y_label: str = ""
    y_labels: tuple[str, ...] = ()
    own_y: bool = False
    below: float = 0.0
    extra_left: float = 0.0

    @property
    def rows(self) -> int:
        """How many rows of panels there are."""
        return ceil(len(self.titles) / self.columns)

    @property
    def width(self) -> float:
        """Of the whole page."""
        return active().width + WIDER * max(0, self.columns - 4)

    @property
    def y_lines(self) -> str:
        """The label of all panels, folded to their height."""
        height = self.rows * (active().width - LEFT) / self.columns * self.aspect
        return _fold(self.y_label, height, DIGIT) if self.y_label else ""

    @property
    def left(self) -> float:
        """Where the first column begins."""
        return LEFT + self.extra_left + NOTE_LINE * self.y_lines.count("\n")

    @property
    def gap(self) -> float:
        """Between two columns."""
        return LEFT if self.own_y else COLUMN_GAP

    @property
    def panel_width(self) -> float:
        """Of the axes alone."""
        free = self.width - self.left - RIGHT - self.gap * (self.columns - 1)
        return free / self.columns

    @property
    def panel_height(self) -> float:
        """Of the axes alone."""
        return self.panel_width * self.aspect

    @property
    def has_common_x_label(self) -> bool:
        """Whether the label of the x axes is too long to stand below each panel."""
        longest = self.panel_width + self.gap
        return self.columns > 1 and len(self.x_label) * NOTE_LETTER > longest

    @property
    def crowded(self) -> bool:
        """Whether panels are so small that they need fewer ticks."""
        return self.columns > 2

    def is_lowest(self, number: int) -> bool:
        """Whether no panel stands below this one, also if the last row is not full."""
        return number + self.columns >= len(self.titles)

    def is_first(self, number: int) -> bool:
        """Whether the panel stands in the first column."""
        return number % self.columns == 0


def build(page: Page, handles: Sequence[Artist]) -> tuple[Figure, list[Axes]]:
    """Make the figure with all that is around the panels.

    Arguments:
        page: what stands on it. handles: the entries of the legend; without any it has none.

    Returns the figure with header, heads and legend, and the axes of its panels in order, which
    have titles and labels and wait for limits and lines. Axes that a caller has made take the place
    of the only panel, without the page's title; the notes are under the label of the x axis.
    """
    from bnexp.figures.canvas import new_figure

    if (given := active().axes) is not None:
        return _on_axes(page, handles, given)

    figure = new_figure(page.width)
    titles = [_fold(title, page.panel_width, DIGIT) for title in page.titles]
    head = PANEL_TITLE_LINE + HEAD_LINE if page.heads else 0.0
    heads = []  # the height above each row of panels
    for start in range(0, len(titles), page.columns):
        in_row = titles[start : start + page.columns]
        lines = max(title.count("\n") + 1 if title else 0 for title in in_row)
        heads.append(lines * PANEL_TITLE_LINE + head + HEAD_GAP)
    header = _header_lines(page)
    top = TOP + sum(height for _, _, height in header)
    bottom = BOTTOM + page.below + _add_legend(figure, handles)
    panels = sum(heads) + page.rows * page.panel_height + (page.rows - 1) * ROW_GAP
    figure.set_size_inches(page.width, top + panels + bottom)
    width, height = figure.get_size_inches()

    y = height - TOP
    for text, size, step in header:
        color = active().gray(0 if size == TITLE_SIZE else 0.25)
        figure.text(0.5, y / height, text, ha="center", va="top", fontsize=size, color=color)
        y -= step
    row_tops = [top + sum(heads[:r]) + r * (page.panel_height + ROW_GAP) for r in range(page.rows)]
    for text, row_top in zip(page.heads, row_tops, strict=False):
        y = 1 - (row_top + HEAD_LINE) / height
        figure.text(page.left / width, y, text, ha="left", va="top", fontsize=HEAD_SIZE)
    if page.y_label:
        x, y = EDGE / width, (bottom + panels / 2) / height
        label = figure.text(x, y, page.y_lines, rotation=90, fontsize=HEAD_SIZE)
        label.set(ha="left", va="center", ma="center")
    if page.has_common_x_label:
        middle, y = (page.left + page.width - RIGHT) / 2 / width, (bottom - TICKS) / height
        figure.text(middle, y, page.x_label, ha="center", va="top", fontsize=HEAD_SIZE)
    return figure, [_panel(figure, page, top, heads, n, title) for n, title in enumerate(titles)]


def _on_axes(page: Page, handles: Sequence[Artist], axes: Axes) -> tuple[Figure, list[Axes]]:
    """Prepare axes that a caller has made; ConfigError if the page has several panels."""
    if len(page.titles) != 1:
        text = f"expected a figure with one panel, got {len(page.titles)}; omit ax, or name fewer "
        raise ConfigError(f"ax: {text}metrics, layers, values or images")
    axes.set_autoscale_on(False)
    axes.set_xlabel(page.x_label)
    axes.set_ylabel(" ".join([page.y_label, *page.y_labels]).strip())
    if page.titles[0]:
        axes.set_title(page.titles[0])
    if handles:
        axes.legend(handles=list(handles), frameon=False)
    figure: Figure = axes.figure  # type: ignore[assignment]
    width = axes.bbox.width / figure.dpi
    texts = [line for note in page.notes for line in _lines(note, width, NOTE_LETTER)]
    axes.annotate(
        "\n".join(texts),
        xy=(0.5, 0),
        xycoords=axes.xaxis.label,  # under it, however high the ticks are
        xytext=(0, -2),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=NOTE_SIZE - 1.5,
        color=active().gray(0.25),
    )
    return figure, [axes]


def stretch(figure: Figure, height: float) -> None:
    """Make the page so many inches high: panels grow or shrink, all else keeps its size.

    ConfigError if there is no room for panels.
    """
    width, before = figure.get_size_inches()
    boxes = [axes.get_position() for axes in figure.axes if axes.get_label() != "_bar"]
    rows = sorted({(round(box.y0 * before, 6), round(box.y1 * before, 6)) for box in boxes})
    panels = sum(top - bottom for bottom, top in rows)
    factor = 1 + (height - before) / panels
    if factor < LEAST_STRETCH:
        least = before - (1 - LEAST_STRETCH) * panels
        raise ConfigError(f"figsize: too low, expected at least {least:.2f} inches, got {height:g}")

    def moved(y: float) -> float:
        """Where what was at y, a fraction of the page, is now."""
        inches = y * before
        below = sum(min(max(inches - bottom, 0.0), top - bottom) for bottom, top in rows)
        return float((inches + (factor - 1) * below) / height)

    for axes in figure.axes:
        box = axes.get_position()
        y0, y1 = moved(box.y0), moved(box.y1)
        axes.set_position((box.x0, y0, box.width, y1 - y0))
    for text in figure.texts:
        x, y = text.get_position()
        text.set_position((x, moved(y)))
    for legend in figure.legends:
        anchor = legend.get_bbox_to_anchor().transformed(figure.transFigure.inverted())
        legend.set_bbox_to_anchor((anchor.x0, moved(anchor.y0)), transform=figure.transFigure)
    figure.set_size_inches(width, height)


def _header_lines(page: Page) -> list[tuple[str, float, float]]:
    """Text, font size and height of each line at the top."""
    if not active().has_header:
        return []
    free = page.width - 2 * RIGHT
    title = " ".join(page.title.split())
    if len(title) > TITLE_LENGTH:
        title = f"{title[: TITLE_LENGTH - 1].rstrip()}…"
    lines = [(line, TITLE_SIZE, TITLE_LINE) for line in _lines(title, free, TITLE_LETTER)]
    for note in page.notes:
        lines += [(line, NOTE_SIZE, NOTE_LINE) for line in _lines(note, free, NOTE_LETTER)]
    return lines


def _panel(
    figure: Figure, page: Page, top: float, heads: list[float], number: int, title: str
) -> Axes:
    """Add the axes of one panel, with its title, labels and ticks, but without limits.

    Arguments:
        top: the height of title and notes.
        heads: the height above each row of panels.
        number: counts the panels row by row, from 0.
    """
    row, column = divmod(number, page.columns)
    width, height = figure.get_size_inches()
    left = page.left + column * (page.panel_width + page.gap)
    lower_edge = top + sum(heads[: row + 1]) + (row + 1) * page.panel_height + row * ROW_GAP
    lower_left = (left / width, (height - lower_edge) / height)
    size = (page.panel_width / width, page.panel_height / height)
    axes = figure.add_axes((*lower_left, *size), title=title)
    _shrink(axes.title, page.panel_width + page.gap)
    axes.set_autoscale_on(False)  # limits are set, and a loss of 1e300 would overflow them
    has_x, has_y = page.is_lowest(number), page.own_y or page.is_first(number)
    axes.tick_params(length=2.5, labelleft=has_y, labelbottom=has_x)
    axes.set_xlabel(page.x_label if has_x and not page.has_common_x_label else "")
    axes.set_ylabel(page.y_labels[number] if page.y_labels and has_y else "")
    _shrink(axes.yaxis.label, page.panel_height + ROW_GAP)
    return axes


def _shrink(text: Text, room: float) -> None:
    """Make the text smaller if its longest line needs more inches, but not below LEAST_SIZE."""
    longest = DIGIT * max(map(len, text.get_text().split("\n")))
    if longest > room:
        text.set_fontsize(max(LEAST_SIZE, room / longest) * float(text.get_fontsize()))


def _add_legend(figure: Figure, handles: Sequence[Artist]) -> float:
    """Put the legend at the bottom, in as few rows as fit the page.

    Returns the height that it takes, or the margin of a page without legend.
    """
    if not handles:
        return EDGE
    for rows in range(ceil(len(handles) / 4), len(handles) + 1):
        legend = figure.legend(
            handles=list(handles),
            loc="lower center",
            bbox_to_anchor=(0.5, 0),
            ncols=ceil(len(handles) / rows),
            borderaxespad=0.2,
            columnspacing=1.6,
        )
        extent = legend.get_window_extent()
        if extent.width <= figure.bbox.width or rows == len(handles):
            break
        legend.remove()
    if extent.width > figure.bbox.width:  # in a single column
        texts = legend.get_texts()
        beside = extent.width - max(text.get_window_extent().width for text in texts)
        for text in texts:
            free = (figure.bbox.width - beside) / figure.dpi
            text.set_text(_fold(text.get_text(), free, DIGIT))
        extent = legend.get_window_extent()
    return float(extent.height) / figure.dpi + EDGE


def lower(figure: Figure, height: float) -> None:
    """Take so many inches from the bottom of the page, below its panels."""
    width, before = figure.get_size_inches()
    after = before - height
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position(
            (box.x0, (box.y0 * before - height) / after, box.width, box.height * before / after)
        )
    for text in figure.texts:
        x, y = text.get_position()
        text.set_position((x, (y * before - height) / after))
    figure.set_size_inches(width, after)


def _fold(text: str, width: float, letter: float) -> str:
    """The text in lines, see `_lines`."""
    return "\n".join(_lines(text, width, letter, LONGEST_WORD))


def _lines(text: str, width: float, letter: float, unbroken: int = 0) -> list[str]:
    """Break a text into as few lines as fit, all of about equal length.

    `letter` is a letter's width. East Asian wide letters count for two. Words of up to `unbroken`
    letters stay whole even if they are longer than a line.
    """
    words = " ".join(text.split())
    wide = sum(east_asian_width(character) in "WF" for character in words)
    widest = max(6, int(width / (letter * (1 + wide / max(1, len(words))))))
    # East Asian texts have no spaces, and a word that is longer than the page has to be broken.
    breaks = wide > 0 or max(map(len, words.split()), default=0) > max(widest, unbroken)

    def wrapped(n: int) -> list[str]:
        return wrap(words, n, break_on_hyphens=False, break_long_words=breaks)

    fewest = len(wrapped(widest))
    foldings = map(wrapped, range(6, widest + 1))
    return next(lines for lines in foldings if len(lines) <= fewest)
