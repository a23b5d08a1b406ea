"""The references of experiments as BibTeX.

A publication with an ISBN is a `@book`, any other one `@misc`, which needs no journal: with its
number at arXiv as `eprint`, with DOI and address as far as the experiment has them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, count

from bnexp.config.experiment import Reference

# What TeX does not print as it is, and what it prints as that.
_ESCAPED = {
    "\\": r"{\textbackslash}", "{": r"{\textbraceleft}", "}": r"{\textbraceright}",
    "~": r"{\textasciitilde}", "^": r"{\textasciicircum}",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
}  # fmt: skip
_SMALL_WORDS = {"a", "an", "the", "on", "of", "in", "how", "does"}
_PLACES = ("arxiv", "doi", "isbn", "url")
_PARTICLES = {"da", "de", "del", "della", "den", "der", "di", "du", "la", "le", "ten", "van", "von"}
# Words of organizations. A name with a comma and none of them is a person's: Last, First.
_ORGANIZATIONS = re.compile(
    r"\d|&|\b(and|association|authors|collaboration|company|consortium|department|foundation"
    r"|gmbh|group|inc|institute|laboratory|lab|labs|ltd|press|research|school|society|team"
    r"|university)\b",
    re.IGNORECASE,
)


def bibtex(references: Iterable[Reference]) -> str:
    """An entry for each publication, each once, with blank lines between them.

    Two references are the same publication if they have the same DOI, arXiv number, ISBN or
    address. The one that says more of it is printed.

    >>> print(bibtex([Reference(authors=["Kaiming He"], title="Deep", year=2015, url="http://a")]))
    @misc{he2015deep,
      author = {Kaiming He},
      title = {{Deep}},
      year = {2015},
      url = {http://a},
    }
    """
    publications: list[Reference] = []
    for reference in references:
        same = [i for i, each in enumerate(publications) if _places(each) & _places(reference)]
        if not same:
            publications.append(reference)
        elif _completeness(reference) > _completeness(publications[same[0]]):
            publications[same[0]] = reference
    entries: dict[str, str] = {}
    for reference in publications:
        name = citation_key(reference)
        names = chain([name], (f"{name}-{number}" for number in count(2)))
        key = next(key for key in names if key not in entries)
        entries[key] = "\n".join(_entry(key, reference))
    return "\n\n".join(entries.values())


def _places(reference: Reference) -> set[tuple[str, str]]:
    """Where the publication is to be found: two with a place in common are the same."""
    places = {name: (getattr(reference, name) or "").lower() for name in _PLACES}
    places["isbn"] = places["isbn"].replace("-", "")
    return {(name, place) for name, place in places.items() if place}


def _completeness(reference: Reference) -> tuple[int, int]:
    """How many of its fields a reference has, and how many authors it names."""
    fields = [reference.venue, *(getattr(reference, name) for name in _PLACES)]
    return sum(map(bool, fields)), len(reference.authors)


def citation_key(reference: Reference) -> str:
    """The first author's last name, the year, and the first word of the title that says something.

    Of an organization it is the first word of its name.

    >>> citation_key(Reference(authors=["Yann Le Cun"], title="On the Net", year=1998, url="http://a"))
    'lecun1998net'
    """
    words = re.findall(r"[a-z0-9]+", _ascii(reference.title)) or ["untitled"]
    word = next((word for word in words if word not in _SMALL_WORDS), words[0])
    author = reference.authors[0]
    family = author.partition(",")[0]
    names = re.findall(r"[a-z0-9-]+", _ascii(family).replace("'", "")) or ["anonymous"]
    if _ORGANIZATIONS.search(author):
        names = names[:1]
    elif family == author:  # First Last
        particles = 1
        while particles < len(names) - 1 and names[-particles - 1] in _PARTICLES:
            particles += 1
        names = names[-particles:]
    return f"{''.join(names)}{reference.year}{word}"


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
        yield f"  eprint = {{{_verbatim(reference.arxiv)}}},"
        yield "  archiveprefix = {arXiv},"
    for name in ("doi", "isbn", "url"):
        if value := getattr(reference, name):
            yield f"  {name} = {{{_verbatim(value)}}},"
    yield "}"


def _verbatim(text: str) -> str:
    """A number or an address, its braces, which would end the field, written as in URLs."""
    return text.replace("{", "%7B").replace("}", "%7D")


def _name(author: str) -> str:
    """A name as BibTeX takes it, First Last or Last, First; that of an organization is a whole."""
    if author.lower() in ("et al.", "others"):
        return "others"
    text = _tex(author)
    return f"{{{text}}}" if _ORGANIZATIONS.search(author) else text


def _tex(text: str) -> str:
    return "".join(_ESCAPED.get(letter, letter) for letter in " ".join(text.split()))
