"""How figures look: the styles, and a color, a dash and a marker for each line.

A line looks the same in every panel and in the legend. The dash pattern tells the normalization
(solid: batch norm, dashed: none), and the color tells the rest, together with a marker where there
are more than two lines: figures can be read in gray print. `looks` gives the lines of a selection
their looks, `counted_looks` any others; marks.py draws them.

`house_style` is active while a figure is drawn and while it is rendered, as matplotlib reads some
parameters only then. The colors can be told apart with the common forms of color blindness.

A style is an entry of STYLES: what sets it apart from `light`, which figures in run directories
have. Fonts have the same size in all of them: a page that is less wide has larger letters where it
is shown.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bnexp.errors import ConfigError
from bnexp.figures.fonts import DEJAVU, add_dejavu
from bnexp.figures.labels import NORM
from bnexp.figures.select import Selection
from bnexp.text import choices, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Dash = Literal["solid"] | tuple[int, Sequence[float]]

# Okabe and Ito's colors without yellow, which does not show on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")
DASHES: tuple[Dash, ...] = (
    "solid",
    (0, (4, 1.6)),
    (0, (1, 1.7)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (8, 2)),
    (0, (5, 1.2, 1, 1.2, 1, 1.2)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

PARAMETERS: dict[str, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.titlepad": 4,
    "axes.titley": 1.0,  # no ticks are above axes: matplotlib need not look for them
    "axes.labelsize": 9.5,
    "axes.labelpad": 2.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.handlelength": 3,
    "axes.edgecolor": "0.35",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "lines.scale_dashes": True,
    "text.parse_math": False,  # a title may hold a dollar sign
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "bnexp",
}


@dataclass(frozen=True)
class Style:
    """What sets a style apart.

    width: of the page, in inches. colors: of lines. is_dark: whether the paper is black.
    parameters: of matplotlib, beside PARAMETERS. has_header: whether title and notes are written.
    axes: what a caller has made for the figure's only panel; None for a page of its own.
    """

    width: float = 7.2
    colors: tuple[str, ...] = COLORS
    is_dark: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    has_header: bool = True
    axes: Axes | None = field(default=None, compare=False)

    def gray(self, lightness: float) -> str:
        """A gray for ink on white paper, from 0 (black) to 1; as light on dark paper."""
        return f"{1 - lightness if self.is_dark else lightness:.2f}"


DARK = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), "0.92"),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "#121212"),
    "axes.edgecolor": "0.65",
    "grid.color": "0.25",
}
LIGHT = Style()
STYLES = {
    "light": LIGHT,
    "dark": Style(
        colors=("#56B4E9", "#FF8C42", "#2FC99B", "#F0E442", "#E79BC7", "#8C9EFF", "#FFFFFF"),
        is_dark=True,
        parameters=DARK,
    ),
    "slide": Style(width=5.4, parameters={"lines.linewidth": 2.0, "savefig.dpi": 300}),
    "print": Style(width=6.3, parameters={"lines.linewidth": 1.3, "savefig.dpi": 600}),
}
NARROWEST, WIDEST = 3.0, 30.0  # inches


def chosen_style(name: str, width: float | None = None) -> Style:
    """The style of this name, with another width if one is given; ConfigError for a wrong one."""
    if name not in STYLES:
        raise ConfigError(f"style: not a style, expected {choices(name, list(STYLES))}")
    if width is None:
        return STYLES[name]
    if not NARROWEST <= width <= WIDEST:
        raise ConfigError(f"width: expected {NARROWEST:g} to {WIDEST:g} inches, got {width!r}")
    return replace(STYLES[name], width=width)


def page_style(
    name: str,
    width: float | None = None,
    figsize: tuple[float, float] | None = None,
    axes: Axes | None = None,
) -> Style:
    """The style of this name for a page of this width or size, or for axes that a caller has made.

    ConfigError if more than one of them is given, or for sizes that no page has.
    """
    given = [n for n, v in (("width", width), ("figsize", figsize), ("ax", axes)) if v is not None]
    if len(given) > 1:
        raise ConfigError(
            f"{given[0]}: expected one of width, figsize and ax, got {listed(given, 'and')}"
        )
    if figsize is not None:
        sides = isinstance(figsize, Sequence) and len(figsize) == 2
        if not sides or not all(isinstance(side, int | float) for side in figsize):
            raise ConfigError(f"figsize: expected (width, height) in inches, got {figsize!r}")
        width = figsize[0]
        if not NARROWEST / 2 <= figsize[1] <= 2 * WIDEST:
            least, most = NARROWEST / 2, 2 * WIDEST
            raise ConfigError(
                f"figsize: expected a height from {least:g} to {most:g} inches, got {figsize[1]!r}"
            )
    if axes is None:
        return chosen_style(name, width)
    if not hasattr(axes, "transAxes"):
        raise ConfigError(f"ax: expected matplotlib's Axes, got {type(axes).__name__}")
    inches = axes.get_window_extent().width / axes.figure.dpi
    return replace(chosen_style(name), axes=axes, width=min(max(inches, NARROWEST), WIDEST))


# For people who edit or read the file: letters stay letters, in SVG and in PDF.
TEXT_AS_TEXT = {"svg.fonttype": "none", "pdf.fonttype": 42}

# `fonts_for` has warned of letters that no font has.
GLYPH_WARNINGS = r"Glyph .* missing from|Matplotlib currently does not support"


# Matplotlib's parameters and Python's warnings belong to the process: one thread draws at a time.
_styling = threading.RLock()
_styles = [LIGHT]  # the last one is active


def active() -> Style:
    """The style of the block that is run, `light` outside of one."""
    return _styles[-1]


@contextmanager
def house_style(fonts: Sequence[str] = (DEJAVU,), style: Style = LIGHT) -> Iterator[None]:
    """Use matplotlib's defaults and ours inside the block, whatever the user's matplotlibrc says.

    Neither letters without a glyph nor numbers too large for a page are warned about.

    fonts: families in order of preference; matplotlib takes each letter from the first that has it.
    """
    import matplotlib.style

    add_dejavu()
    parameters = {**PARAMETERS, **style.parameters, "font.family": list(fonts)}
    with (
        _styling,
        matplotlib.style.context(["default", parameters]),
        np.errstate(over="ignore", invalid="ignore"),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", GLYPH_WARNINGS, UserWarning)
        _styles.append(style)
        try:
            yield
        finally:
            _styles.pop()


@dataclass(frozen=True)
class Look:
    """How one line is drawn, in every panel and in the legend, and what it is called.

    color: as #RRGGBB. dash: matplotlib's `linestyle`. marker: its code of one letter, for figures
    that mark points. label: empty for a lone line, which needs no name.
    """

    color: str
    dash: Dash
    marker: str = ""
    label: str = ""


def looks(selection: Selection) -> tuple[Look, ...]:
    """A look for each line of the selection.

    Where the normalization is swept, it decides the dash, and the values of the other axes decide
    the color; if that gave two lines the same look, colors and dashes are counted through instead.

    Colors and dashes repeat after the end of COLORS and DASHES. The result is in the order of
    `selection.lines`.
    """
    keys = [axis.key for axis in selection.line_axes]
    if NORM not in keys:
        return counted_looks(selection.labels)
    position = keys.index(NORM)
    norms = [line[position] for line in selection.lines]
    # Solid for the first batch norm, dashed for none; the others follow.
    batch = next((norm for norm in norms if str(norm).startswith("batch")), "batch")
    numbers = {norm: i for i, norm in enumerate(dict.fromkeys([batch, "none", *norms]))}
    dashes = [numbers[norm] for norm in norms]
    combinations = [line[:position] + line[position + 1 :] for line in selection.lines]
    order = list(dict.fromkeys(combinations))
    others = [order.index(combination) for combination in combinations]
    colors = others if 1 < len(set(others)) <= len(COLORS) else dashes
    pairs = list(zip(colors, dashes, strict=True))
    if len(set(pairs)) < len(pairs):
        return counted_looks(selection.labels)
    named = zip(pairs, selection.labels, strict=True)
    return tuple(_look(color, dash, label) for (color, dash), label in named)


def counted_looks(labels: Sequence[str]) -> tuple[Look, ...]:
    """Looks for lines with these labels, each with another color, dash and marker."""
    return tuple(_look(number, number, label) for number, label in enumerate(labels))


def _look(color: int, dash: int, label: str) -> Look:
    colors, marker = active().colors, MARKERS[color % len(MARKERS)]
    return Look(colors[color % len(colors)], DASHES[dash % len(DASHES)], marker, label)
