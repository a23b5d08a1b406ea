"""Which fonts a text needs: matplotlib's own, and others only if that lacks a letter."""

from __future__ import annotations

from functools import cache

from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

DEJAVU = "DejaVu Sans"  # ships with matplotlib: the same glyphs everywhere
OTHERS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Source Han Sans",
    "Source Han Sans JP",
    "Hiragino Sans",
    "Yu Gothic",
    "Meiryo",
    "IPAexGothic",
    "TakaoGothic",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
)


def families(text: str) -> tuple[str, ...]:
    """DejaVu Sans, and behind it the installed `OTHERS` if it lacks a letter of `text`."""
    if all(ord(letter) in _letters() or letter.isspace() for letter in text):
        return (DEJAVU,)
    installed = {font.name for font in fontManager.ttflist}
    return (DEJAVU, *(name for name in OTHERS if name in installed))


@cache
def _letters() -> frozenset[int]:
    path = findfont(FontProperties(family=[DEJAVU]), fallback_to_default=False)
    return frozenset(FT2Font(path).get_charmap())
