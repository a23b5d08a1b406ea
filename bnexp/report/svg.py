"""A drawn figure as part of a page: nothing that names another file, ids of its own, and small."""

from __future__ import annotations

import re

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


def inline(svg: str, prefix: str) -> str:
    """An SVG file as an element of an HTML page; its ids start with `prefix`.

    Styles become attributes, so that the page can forbid styles that are not its own.
    """
    text = _LEFT_OUT.sub("", svg)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"|\sversion="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    text = _STYLE.sub(lambda found: _attributes(found[1]), text)
    text = _GEOMETRY.sub(lambda found: f'{found[1]}="{_rounded(found[2])}"', text)
    used = {found[1] for found in _REFERENCE.findall(text)}
    text = _ID.sub(lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", text)
    text = _REFERENCE.sub(rf"\g<1>{prefix}\g<2>", text)
    return re.sub(r">\s+<", "><", text).strip()


def _attributes(style: str) -> str:
    """'fill: none; stroke: #fff' as attributes of the same meaning."""
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return "".join(f' {name.strip()}="{value.strip()}"' for name, _, value in pairs)


def _rounded(numbers: str) -> str:
    """The same numbers, to a hundredth; white space made one space."""
    short = _LONG.sub(
        lambda found: f"{float(found[0]):.{DECIMALS}f}".rstrip("0").rstrip("."), numbers
    )
    return " ".join(short.split())
