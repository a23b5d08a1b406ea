"""Characters that look like those of YAML and of numbers, but are others.

Word processors, web pages and input methods for Chinese, Japanese and Korean put them in: spaces
that do not separate, full-width punctuation, curly quotes, dashes for minus, digits of other
scripts, and characters that nobody sees. `ascii_form` says what was meant, `named` how a message
calls a character. Greek and Cyrillic letters that look like Latin ones are letters of their own,
and are named only in hints about names that are not known.
"""

from __future__ import annotations

import unicodedata

_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
_QUOTES = {'"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\u300e\u300f\u301d\u301e\u301f",
           "'": "\u2018\u2019\u201a\u201b\u2032"}  # fmt: skip
_FORMS = {
    **dict.fromkeys(_DASHES, "-"),
    **{letter: quote for quote, letters in _QUOTES.items() for letter in letters},
    **{"\u3001": ",", "\ufe50": ",", "\ufe55": ":", "\u3010": "[", "\u3011": "]", "\u3002": "."},
    "\u066b": ".",  # the decimal point of Arabic digits
    **{chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)},  # full-width forms
}
# Greek and Cyrillic letters that are drawn as Latin ones.
_LETTERS = dict(
    zip(
        "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγικνορτυχϲϳАВЕЅІЈКМНОРСТУХаеѕіјкорсухһԁԛԝ",
        "ABEZHIKMNOPTYXayikvoptuxcjABESIJKMHOPCTYXaesijkopcyxhdqw",
        strict=True,
    )
)
_JOINERS = "\u200c\u200d"  # parts of words and of emoji


def ascii_form(letter: str) -> str | None:
    """What was meant by a look-alike, empty if by nothing; None for any other character.

    >>> ascii_form("\u2212"), ascii_form("\uff1a"), ascii_form("\u3000"), ascii_form("\u200b")
    ('-', ':', ' ', '')
    >>> ascii_form("-"), ascii_form("\u00e9")
    (None, None)
    """
    if letter.isascii():
        return None
    if (category := unicodedata.category(letter)) == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(letter))
    return "" if category == "Cf" and letter not in _JOINERS else _FORMS.get(letter)


def is_unseen(letter: str) -> bool:
    """Whether a look-alike leaves no ink: a space that is no space, or nothing at all."""
    return ascii_form(letter) in ("", " ")


def in_ascii(text: str) -> str:
    """The text with each look-alike as what was meant.

    >>> in_ascii("\uff3b\u22124\uff0c\u30000\uff3d")
    '[-4, 0]'
    """
    if text.isascii():
        return text
    return "".join(letter if (form := ascii_form(letter)) is None else form for letter in text)


def named(letter: str) -> str:
    """The character's name and number.

    >>> named("\uff1a"), named("\ufeff")
    ('fullwidth colon (U+FF1A)', 'byte order mark (U+FEFF)')
    """
    name = "byte order mark" if letter == "\ufeff" else unicodedata.name(letter, "character")
    return f"{name.lower()} (U+{ord(letter):04X})"


def instead(letter: str) -> str:
    """What to do about a look-alike.

    >>> instead("\uff0c"), instead("\u200b"), instead("\u00a0"), instead("\uff1a")
    ("write ','", 'remove it', 'write a space', "write ':' and a space")
    """
    texts = {"": "remove it", " ": "write a space", ":": "write ':' and a space"}
    form = _LETTERS.get(letter) or ascii_form(letter) or ""
    return texts.get(form, f"write {form!r}")


def look_alike_hint(text: str) -> str:
    """What to do about the first look-alike in a text that is not valid; empty if it has none.

    Greek and Cyrillic letters count if the text is in ASCII once they are replaced.

    >>> look_alike_hint("\u22124")
    "the first character is a minus sign (U+2212), write '-'"
    >>> look_alike_hint("batch")
    ''
    >>> look_alike_hint("m\u043edel")
    "character 2 is a cyrillic small letter o (U+043E), write 'o'"
    """
    is_latin = in_ascii("".join(_LETTERS.get(letter, letter) for letter in text)).isascii()
    for i, letter in enumerate(text):
        if ascii_form(letter) is not None or (is_latin and letter in _LETTERS):
            place = "the first character" if i == 0 else f"character {i + 1}"
            article = "an" if named(letter)[0] in "aeiou" else "a"
            return f"{place} is {article} {named(letter)}, {instead(letter)}"
    return ""
