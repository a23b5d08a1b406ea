"""The figures of a run as elements of a page: for screens and phones, on light and dark paper.

A figure is drawn twice, on a wide page and on a narrow one, where its letters are larger, for
phones. Both have their colors from the page's style: `recolored` puts a variable in the place of
each, and `paper_style` gives the variables their values on light and on dark paper. A figure with
colors that are no style's, such as those of a map, is drawn in the style `dark` as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bnexp import figures
from bnexp.figures.captions import caption_of
from bnexp.figures.style import DARK, PARAMETERS, STYLES
from bnexp.runs.data import RunData
from bnexp.runs.tables import Tables

NARROW = 4.2  # inches: a phone shows a page of this width in about the size of its letters


@dataclass(frozen=True)
class Picture:
    """A figure on a page: its kind, its caption, its drawings, or why it could not be drawn.

    drawings: the classes of each, which say where it is shown (style.css), and its SVG element.
    """

    kind: str
    caption: str
    drawings: tuple[tuple[str, Markup], ...] = ()
    failure: str = ""


def draw_pictures(run: RunData, prefix: str = "") -> list[Picture]:
    """The figures that the run's experiment asks for.

    prefix: what the ids within the elements begin with, so that those of two runs differ.
    """
    if not len(run.metrics["cell"]):
        return []
    requested = figures.requested_figures(run.config.experiment.figures, run.tables)
    return pictures_of(requested, run.tables, prefix)


def pictures_of(
    requested: Sequence[figures.FigureKind], tables: Tables, prefix: str = ""
) -> list[Picture]:
    """These figures; one that cannot be drawn says why."""
    return [
        _picture(options, tables, f"{prefix}figure{number}")
        for number, options in enumerate(requested, start=1)
    ]


def _picture(options: figures.FigureKind, tables: Tables, name: str) -> Picture:
    """One figure; `name` begins the ids within it."""

    def svg(style: str, width: float | None, ending: str) -> str:
        content = figures.render_files(options, tables, ["svg"], style, width)["svg"].decode()
        # Letters are drawn as paths: nothing of the experiment's text is in it.
        return inline_svg(content, f"{name}{ending}-")

    drawings: list[tuple[str, Markup]] = []
    try:
        for size, width, ending in (("broad", None, ""), ("narrow", NARROW, "n")):
            drawing, has_other_colors = recolored(svg("light", width, ending))
            drawings.append((f"{size} light" if has_other_colors else size, Markup(drawing)))
            if has_other_colors:
                dark = svg("dark", width, f"{ending}d")
                drawings.append((f"{size} dark", Markup(dark)))
    except figures.DrawingFailed as error:
        return Picture(options.kind, caption_of(options), failure=str(error))
    return Picture(options.kind, caption_of(options), tuple(drawings))


_COLOR = re.compile(r'\b(fill|stroke)="#([0-9a-f]{6})"')
_VARIABLE = re.compile(r"var\(--ink-([0-9a-f]{6})\)")
INK, PAPER = 0.92, 0.07  # the lightness of black and white on dark paper
_LIGHT_COLORS = [color[1:].lower() for color in STYLES["light"].colors]
_DARK_COLORS = [color.lower() for color in STYLES["dark"].colors]


def _gray(lightness: float) -> str:
    return f"{round(255 * lightness):02x}" * 3


# Grays that the style `dark` states itself.
_STATED_GRAYS = {
    _gray(float(PARAMETERS[key])): f"#{_gray(float(DARK[key]))}"
    for key in DARK
    if key in PARAMETERS
}


def dark_color(color: str) -> str | None:
    """The color of dark paper for one of light paper; None if it is no style's.

    >>> dark_color("0072b2"), dark_color("ffffff"), dark_color("123456")
    ('#56b4e9', '#121212', None)
    """
    if color in _STATED_GRAYS:
        return _STATED_GRAYS[color]
    if color[:2] == color[2:4] == color[4:]:
        return f"#{_gray(INK - (INK - PAPER) * int(color[:2], 16) / 255)}"
    if color in _LIGHT_COLORS:
        return _DARK_COLORS[_LIGHT_COLORS.index(color)]
    return None


def recolored(svg: str) -> tuple[str, bool]:
    """The element with a variable for each color, and whether it has colors that are no style's.

    If it has, it stays as it is.

    >>> recolored('<path fill="#ffffff"/>')
    ('<path fill="var(--ink-ffffff)"/>', False)
    >>> recolored('<path fill="#123456"/>')
    ('<path fill="#123456"/>', True)
    """
    if "<image" in svg or any(dark_color(color) is None for _, color in _COLOR.findall(svg)):
        return svg, True
    return _COLOR.sub(r'\1="var(--ink-\2)"', svg), False


def paper_style(pictures: Iterable[Picture]) -> str:
    """The values of the variables in the pictures: on light paper, and on dark screens."""
    colors = {"000000", "ffffff"}
    for picture in pictures:
        for _, drawing in picture.drawings:
            colors.update(_VARIABLE.findall(drawing))
    light = " ".join(f"--ink-{color}: #{color};" for color in sorted(colors))
    dark = " ".join(f"--ink-{color}: {dark_color(color)};" for color in sorted(colors))
    return (
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


# Glyphs are drawn in units of 1/64 of a letter's height or less, everything else in points.
DECIMALS = 2
_LEFT_OUT = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL
)
_STYLE = re.compile(r'\sstyle="([^"]*)"')
_GEOMETRY = re.compile(r'\b(d|x|y|width|height|points)="([^"]*)"')
_LONG = re.compile(r"-?\d+\.\d{3,}")
_ID = re.compile(r'\sid="([^"]*)"')
_REFERENCE = re.compile(r'(href="#|url\(#)([^")]*)')


def inline_svg(svg: str, prefix: str) -> str:
    """An SVG file as an element of an HTML page; its ids start with `prefix`.

    Styles become attributes, so that the page can forbid styles that are not its own. Numbers of
    the geometry are rounded, and ids that nothing refers to are left out.

    >>> inline_svg('<svg version="1.1"><path id="a" style="fill: none" d="M 1 2.346"/></svg>', "b")
    '<svg><path fill="none" d="M 1 2.35"/></svg>'
    """

    def attributes(style: re.Match[str]) -> str:
        """'fill: none; stroke: #fff' as attributes of the same meaning."""
        pairs = (part.partition(":") for part in style[1].split(";") if part.strip())
        return "".join(f' {name.strip()}="{value.strip()}"' for name, _, value in pairs)

    def short(number: re.Match[str]) -> str:
        """A number rounded to DECIMALS decimals, without zeros at its end."""
        return f"{float(number[0]):.{DECIMALS}f}".rstrip("0").rstrip(".")

    def rounded(geometry: re.Match[str]) -> str:
        """One attribute of the geometry with its numbers shortened."""
        return f'{geometry[1]}="{" ".join(_LONG.sub(short, geometry[2]).split())}"'

    text = _LEFT_OUT.sub("", svg)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"|\sversion="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    text = _GEOMETRY.sub(rounded, _STYLE.sub(attributes, text))
    ids = {match[1] for match in _REFERENCE.findall(text)}
    text = _ID.sub(lambda match: f' id="{prefix}{match[1]}"' if match[1] in ids else "", text)
    text = _REFERENCE.sub(rf"\g<1>{prefix}\g<2>", text)
    return re.sub(r">\s+<", "><", text).strip()
