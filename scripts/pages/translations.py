"""Translations of pages: their code is copied, and checksums say which text they translate.

The checksums stand in a comment at the end of a translation, one for each section of the original
that is translated. They do not depend on code, which is copied from the original.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pages.markdown import ROOT

LANGUAGES = {"ko": "한국어", "ja": "日本語", "zh": "中文"}
ORIGINALS = (ROOT / "README.md", ROOT / "docs" / "tutorial.md")
CODE = re.compile(r"^```\w*\n.*?^```$", re.DOTALL | re.MULTILINE)
_CHECKSUMS = "<!-- checksums of the original's sections"


def pages() -> Iterator[tuple[Path, Path, str]]:
    """Each translation, its original and its language."""
    for original in ORIGINALS:
        for language in LANGUAGES:
            path = ROOT / "docs" / language / original.name
            if path.is_file():
                yield path, original, language


def sections(text: str) -> list[str]:
    """The sections of a page, each with its heading."""
    parts: list[str] = []
    in_code = False
    for line in text.partition(_CHECKSUMS)[0].splitlines(keepends=True):
        in_code ^= line.startswith("```")
        if not in_code and re.match("##? ", line):
            parts.append("")
        parts[-1] += line
    return parts


def checksum(section: str) -> str:
    """Eight hexadecimal digits and the heading; code and line breaks change nothing."""
    words = " ".join(CODE.sub("", section).split())
    heading = section.splitlines()[0].lstrip("# ")
    return f"{hashlib.sha256(words.encode()).hexdigest()[:8]} {heading}"


def outdated(translation: str, original: str) -> list[str]:
    """The headings of the original's sections that changed since they were translated."""
    known = translation.partition(_CHECKSUMS)[2].splitlines()
    translated = sections(original)[: len(sections(translation))]
    return [line[9:] for line in map(checksum, translated) if line not in known]


def with_code(translation: str, original: str) -> str:
    """The translation with the code of its original, in each section that has as many blocks."""
    for section, source in zip(sections(translation), sections(original), strict=False):
        codes = CODE.findall(source)
        if len(codes) == len(CODE.findall(section)):
            texts = CODE.split(section)
            copied = "".join(a + b for a, b in zip(texts, [*codes, ""], strict=True))
            translation = translation.replace(section, copied)
    return translation


def up_to_date(translation: str, original: str) -> str:
    """The translation with the checksums of what its original says now."""
    translated = sections(original)[: len(sections(translation))]
    lines = "\n".join(map(checksum, translated))
    return f"{translation.partition(_CHECKSUMS)[0].rstrip()}\n\n{_CHECKSUMS}\n{lines}\n-->\n"


def page(path: Path, original: Path) -> str:
    return with_code(_read(path), _read(original))


def confirm(languages: Sequence[str]) -> None:
    """Note that the translations into these languages say what their originals say now."""
    if not languages or set(languages) - LANGUAGES.keys():
        sys.exit(
            f"expected languages: {', '.join(LANGUAGES)}; got: {', '.join(languages) or 'none'}"
        )
    for path, original, language in pages():
        if language in languages:
            path.write_text(up_to_date(_read(path), _read(original)), encoding="utf-8")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
