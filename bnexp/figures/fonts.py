"""Which fonts write a figure's text: DejaVu Sans, and installed ones for the letters that it lacks.

Fonts are chosen by the letters that they have, not by their names, so that any script can be
written for which a font is installed. matplotlib takes each letter from the first family of a list
that has it. Nothing is searched while DejaVu Sans, which comes with matplotlib, has all letters:
such a figure looks the same on every machine.

The choice among the installed fonts depends on nothing but these: the one with the most letters;
of those the upright, regular, sans-serif ones; of those the ones for the region whose letters these
are; of those the first by name.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bnexp.errors import BnexpWarning

if TYPE_CHECKING:
    from matplotlib.font_manager import FontEntry
    from matplotlib.ft2font import FT2Font

DEJAVU = "DejaVu Sans"  # ships with matplotlib: the same glyphs everywhere
MAX_NAMED = 8  # letters in a warning
# No character: only fonts of placeholders, such as Last Resort, have a glyph for it.
NO_CHARACTER = "\u0378"
# The word in the names of fonts for a region -> an encoding of the letters that are used there. Han
# characters are drawn a little differently in each region.
REGIONS = {"JP": "shift_jis", "SC": "gb2312", "TC": "big5", "KR": "euc_kr"}
# The script of a letter, the first word of its name in Unicode -> a font to install.
_CJK = ("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH", "FULLWIDTH", "HANGUL", "BOPOMOFO")
ADVICE = dict.fromkeys(_CJK, "Noto Sans CJK (Debian and Ubuntu: fonts-noto-cjk)")
SYMBOLS = "Symbola (Debian and Ubuntu: fonts-symbola; matplotlib cannot draw fonts in color)"
OTHER_SCRIPTS = "Noto Sans (Debian and Ubuntu: fonts-noto-core)"

_warned: set[frozenset[str]] = set()


class Candidate(NamedTuple):
    """An installed family that has some of the letters; low ranks are preferred."""

    rank: tuple[Any, ...]
    name: str
    letters: frozenset[str]


def fonts_for(text: str) -> tuple[str, ...]:
    """DejaVu Sans, and as few installed families after it as have the letters that it lacks.

    BnexpWarning, once in a process, about letters that no installed font has, and about scripts
    that this version of matplotlib cannot set.
    """
    if unset := _unset(text):
        _warn_once(unset, _layout_text(unset))
    families, missing = _chosen(text)
    if missing:
        _warn_once(missing, _missing_text(missing))
    return (DEJAVU, *families)


def font_files(text: str) -> list[str] | None:
    """The files of the installed fonts that write letters of a text which DejaVu Sans lacks.

    None if no font has all of them, or matplotlib cannot set their script: what is installed next
    may.
    """
    from matplotlib.font_manager import FontProperties, findfont

    families, missing = _chosen(text)
    if missing or _unset(text):
        return None
    return [str(findfont(FontProperties(family=[name]))) for name in families]


def _unset(text: str) -> frozenset[str]:
    return frozenset(filter(_needs_layout, text))


def _chosen(text: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The families that have the letters which DejaVu Sans lacks, and the letters that none has."""
    lacking = frozenset(filter(_has_picture, text)) - dejavu_letters()
    if not lacking:
        return (), lacking
    families, missing = _families(lacking, _number_of_fonts())
    if missing:
        add_new_fonts()
        families, missing = _families(lacking, _number_of_fonts())
    return families, missing


def _warn_once(letters: frozenset[str], text: str) -> None:
    if letters not in _warned:
        _warned.add(letters)
        warnings.warn(text, BnexpWarning, stacklevel=3)


def _needs_layout(letter: str) -> bool:
    """Whether it belongs to a script that this matplotlib cannot set, as it has no libraqm."""
    if (
        unicodedata.bidirectional(letter) not in ("R", "AL")
        and unicodedata.category(letter) != "Mc"
    ):
        return False
    from matplotlib import ft2font

    return not hasattr(ft2font, "__libraqm_version__")


def _has_picture(letter: str) -> bool:
    """Whether a font needs a glyph for it: not for spaces, joiners and selectors of variants."""
    is_selector = "\ufe00" <= letter <= "\ufe0f"
    return letter.isprintable() and not letter.isspace() and not is_selector


def _number_of_fonts() -> int:
    from matplotlib.font_manager import fontManager

    return len(fontManager.ttflist)


@cache
def _families(letters: frozenset[str], number: int) -> tuple[tuple[str, ...], frozenset[str]]:
    """Families that have the letters together, and the letters that none has.

    number: of the fonts that matplotlib knows; the cached answer holds for these.
    """
    candidates, families = [*_candidates(letters)], []
    while best := min(
        (each for each in candidates if each.letters & letters),
        key=lambda each: (-len(each.letters & letters), each.rank, each.name),
        default=None,
    ):
        families.append(best.name)
        letters -= best.letters
    return tuple(families), letters


def _candidates(letters: frozenset[str]) -> Iterator[Candidate]:
    """The installed families that have some of the letters."""
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    region = _region(letters)
    entries: dict[str, FontEntry] = {}
    for entry in fontManager.ttflist:
        # matplotlib draws a family by the first of its files that is nearest to this.
        entries[entry.name] = min(entries.get(entry.name, entry), entry, key=_strangeness)
    for name, entry in entries.items():
        index = getattr(entry, "index", 0)  # in a collection; matplotlib < 3.11 reads its first
        try:
            font = FT2Font(entry.fname, face_index=index) if index else FT2Font(entry.fname)
        except (OSError, RuntimeError):  # removed since matplotlib listed it, or damaged
            continue
        present = frozenset(letter for letter in letters if font.get_char_index(ord(letter)))
        if present and not font.get_char_index(ord(NO_CHARACTER)):
            rank = (*_strangeness(entry), _form(font), region not in name.split())
            yield Candidate(rank, name, present)


def _strangeness(entry: FontEntry) -> tuple[bool, int, bool]:
    """How far a font is from an upright, regular one of normal width."""
    from matplotlib.font_manager import weight_dict

    weight = entry.weight if isinstance(entry.weight, int) else weight_dict[entry.weight]
    return entry.style != "normal", abs(weight - 400), entry.stretch != "normal"


def _form(font: FT2Font) -> int:
    """0 for a sans-serif font for text, 1 if the font does not say, 2 for any other, by PANOSE."""
    table = font.get_sfnt_table("OS/2")
    family, serifs = table["panose"][:2] if table else (0, 0)
    if family == 0 or (family == 2 and serifs < 2):
        return 1
    return 0 if family == 2 and serifs >= 11 else 2


def _region(letters: Iterable[str]) -> str:
    """The word of the first region whose encoding has all letters; empty if none has.

    >>> _region("初期値"), _region("归一化"), _region("批次正規化與值"), _region("정규화")
    ('JP', 'SC', 'TC', 'KR')
    """
    for word, encoding in REGIONS.items():
        with suppress(UnicodeEncodeError):
            "".join(letters).encode(encoding)
            return word
    return ""


def _missing_text(letters: frozenset[str]) -> str:
    """The warning about letters that no installed font has."""
    fonts = " and ".join(dict.fromkeys(map(_advised_font, sorted(letters))))
    return (
        f"figures lack letters, expected an installed font with each, got none with "
        f"{_named(letters)}: placeholders are drawn; install {fonts}, then draw again with "
        "`bnexp plot`"
    )


def _layout_text(letters: frozenset[str]) -> str:
    """The warning about scripts that are drawn letter by letter."""
    return (
        "figures have unjoined letters, expected a script that is written from left to right, "
        f"letter by letter, got {_named(letters)}; matplotlib 3.11 or later sets other scripts"
    )


def _named(letters: frozenset[str]) -> str:
    """The first of the letters, with their code points."""
    ordered = sorted(letters)
    named = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in ordered[:MAX_NAMED])
    return f"{named} and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else named


def _advised_font(letter: str) -> str:
    """A font that has such letters, and how to install it."""
    if unicodedata.category(letter) == "So":
        return SYMBOLS
    return ADVICE.get(unicodedata.name(letter, "").partition(" ")[0], OTHER_SCRIPTS)


@cache
def add_new_fonts() -> None:
    """Have matplotlib know fonts that were installed after it made its list, once for all.

    Files that it cannot use, such as fonts in color, are left out.
    """
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        with suppress(Exception):  # whatever is wrong with somebody's font
            fontManager.addfont(path)


def add_dejavu() -> None:
    """Have matplotlib know the font that it comes with.

    Its list of fonts lacks it if it was made, once for all, when files could not be opened.
    """
    import matplotlib
    from matplotlib.font_manager import fontManager

    if not any(font.name == DEJAVU for font in fontManager.ttflist):
        for path in sorted(Path(matplotlib.get_data_path(), "fonts/ttf").glob("DejaVuSans*.ttf")):
            fontManager.addfont(path)


@cache
def dejavu_letters() -> frozenset[str]:
    """The letters that DejaVu Sans has."""
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    add_dejavu()
    path = findfont(FontProperties(family=[DEJAVU]), fallback_to_default=False)
    return frozenset(map(chr, FT2Font(path).get_charmap()))
