"""The references of experiments as BibTeX.

A publication with an ISBN is a `@book`, any other one `@misc`, which needs no journal: with its
number at arXiv as `eprint`, with DOI and address as far as the experiment has them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from string import ascii_lowercase

from bnexp.config.experiment import Reference

# What TeX does not print as it is, and what it prints as that.
_ESCAPED = {
    "\\": r"{\textbackslash}", "{": r"{\textbraceleft}", "}": r"{\textbraceright}",
    "~": r"{\textasciitilde}", "^": r"{\textasciicircum}",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
}  # fmt: skip
_SMALL_WORDS = {"a", "an", "the", "on", "of", "in", "how", "does"}


def bibtex(references: Iterable[Reference]) -> str:
    """An entry for each publication, each once, with blank lines between them.

    >>> print(bibtex([Reference(authors=["Kaiming He"], title="Deep", year=2015, url="http://a")]))
    @misc{he2015deep,
      author = {Kaiming He},
      title = {{Deep}},
      year = {2015},
      url = {http://a},
    }
    """
    publications: dict[str, Reference] = {}
    for reference in references:
        publications.setdefault(_place(reference), reference)
    entries: dict[str, str] = {}
    for reference in publications.values():
        name = citation_key(reference)
        names = (name, *(name + letter for letter in ascii_lowercase), *map(str, range(10_000)))
        key = next(key for key in names if key not in entries)
        entries[key] = "\n".join(_entry(key, reference))
    return "\n\n".join(entries.values())


def _place(reference: Reference) -> str:
    """Where the publication is: two with the same place are the same."""
    return (reference.arxiv or reference.doi or reference.isbn or reference.url or "").lower()


def citation_key(reference: Reference) -> str:
    """The first author's last name, the year, and the first word of the title that says something.

    >>> citation_key(Reference(authors=["Yann Le Cun"], title="On the Net", year=1998, url="http://a"))
    'cun1998net'
    """
    words = re.findall(r"[a-z0-9]+", _ascii(reference.title)) or ["untitled"]
    word = next((word for word in words if word not in _SMALL_WORDS), words[0])
    names = re.findall(r"[a-z0-9-]+", _ascii(reference.authors[0])) or ["anonymous"]
    return f"{names[-1]}{reference.year}{word}"


def _ascii(text: str) -> str:
    """In small letters, without accents and letters of other alphabets."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def _entry(key: str, reference: Reference) -> Iterator[str]:
    """The lines of an entry."""
    kind = "book" if reference.isbn else "misc"
    yield f"@{kind}{{{key},"
    yield f"  author = {{{' and '.join(map(_name, reference.authors))}}},"
    yield f"  title = {{{{{_tex(reference.title)}}}}},"  # inner braces keep its capitals
    yield f"  year = {{{reference.year}}},"
    if reference.venue:
        name = "publisher" if reference.isbn else "howpublished"
        yield f"  {name} = {{{_tex(reference.venue)}}},"
    if reference.arxiv:
        yield f"  eprint = {{{reference.arxiv}}},"
        yield "  archiveprefix = {arXiv},"
    for name in ("doi", "isbn", "url"):
        if value := getattr(reference, name):
            yield f"  {name} = {{{value}}},"
    yield "}"


def _name(author: str) -> str:
    """A name as BibTeX takes it; one with a comma or the word `and` in it is a whole."""
    if author.lower() in ("et al.", "others"):
        return "others"
    text = _tex(author)
    return f"{{{text}}}" if "," in author or re.search(r"\band\b", author, re.IGNORECASE) else text


def _tex(text: str) -> str:
    return "".join(_ESCAPED.get(letter, letter) for letter in " ".join(text.split()))
