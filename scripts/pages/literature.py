"""docs/literature.md: what holds of each publication, from the claims of results/reference/."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bnexp.claims import counts_text
from bnexp.text import counted
from pages.gallery import MARKUP, experiments, gallery_q_values, kind_of, replication
from pages.markdown import table

HEADINGS = {
    "supported": "Holds on MNIST",
    "refuted": "Does not hold in this setting",
    "undecided": "Undecided",
}
SURNAME = re.compile(r"(?:\b[a-z]+ )*\S+$")  # of Twan van Laarhoven "van Laarhoven"
# What sources call a work otherwise than by its authors and its year.
OTHER_NAMES = {
    "Koki Saitoh": "Deep Learning from Scratch|book's repository",
    "Silviu Pitis": "R2RT",
    "CS231n, Stanford University": "CS231n",
}
INTRODUCTION = """\
# The literature on MNIST

Publication by publication: what holds in the small networks of this program, what does not, and
how sure that is. Only claims of the sources are here, none of the observations of the experiments'
authors. "Does not hold" concerns the setting of the experiment, which is smaller than that of most
papers and has other images; each experiment in the [gallery](gallery.md) says what differs. This
page is written by `scripts/docs.py`.

In brackets stand the place in the source, what in the claim is not the source's, and how sure the
verdict is:

- **sure**: decided on seeds that were drawn after the claim was written, with a q-value of at most
  0.05 over all claims of the gallery, and with the same verdict on a second set of new seeds
- **less sure**: decided, but one of these is missing
- **a replay**: a number that a script of the book prints for its one seed; other seeds say nothing
  about it
- **open**: the 95 % interval reaches over the limit

A name in code is the experiment, with its figures. On a page of its own is
[every claim with its numbers](../results/reference/README.md).
"""


class Judged(NamedTuple):
    """A claim of a source, with what is known about it."""

    experiment: str
    claim: Mapping[str, Any]
    certainty: str

    def line(self) -> str:
        """An item of a list."""
        says, source = (str(self.claim[key]).translate(MARKUP) for key in ("says", "source"))
        link = f"[`{self.experiment}`](gallery.md#{self.experiment})"
        return f"- {says} ({source}; **{self.certainty}**; {link})"


def page() -> str:
    """The page."""
    works = by_work()
    rows = [
        [f"[{work.split(': ')[0]}](#{anchor(work)})", *numbers(group)]
        for work, group in works.items()
    ]
    heads = ["publication", "holds", "does not hold here", "undecided", "sure"]
    every = [judged for group in works.values() for judged in group]
    total = (
        f"{counted(len(works), 'publication')} with {counted(len(every), 'claim')}: "
        f"{counts_text(judged.claim['verdict'] for judged in every)}."
    )
    sections = [line for work, group in works.items() for line in section(work, group)]
    return "\n".join([INTRODUCTION, table(heads, rows), "", total, "", *sections]).rstrip() + "\n"


def by_work() -> dict[str, list[Judged]]:
    """The claims of each publication, by the headings of the publications."""
    works: dict[str, list[Judged]] = {}
    q_values = iter(gallery_q_values())
    for name, values, claims in experiments():
        outcomes = {c["says"]: c["outcome"] for c in replication(name).get("claims", ())}
        for claim in claims:
            q = next(q_values)
            if kind_of(claim) != "measured":
                certainty = certainty_of(claim, q, outcomes.get(claim["says"]))
                work = heading(claim, values)
                works.setdefault(work, []).append(Judged(name, claim, certainty))
    return dict(sorted(works.items(), key=lambda item: item[0].lower()))


def certainty_of(claim: Mapping[str, Any], q: float, outcome: str | None) -> str:
    """How sure a verdict is, in the words of the page."""
    if claim["verdict"] == "undecided":
        return "open"
    if outcome in (None, "not replicable"):
        return "a replay" if claim["kind"] == "published" else "less sure"
    return "sure" if outcome == "same" and q <= 0.05 else "less sure"


def heading(claim: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The publication whose claim it is: that of the experiment's references named first.

    A source that names none of them is derived from the one that the experiment is about.
    """
    references: Sequence[Mapping[str, Any]] = values.get("references", ())
    for source in (str(claim["source"]), str(values.get("source", ""))):
        places = [(place(reference, source), title(reference)) for reference in references]
        named = [(start, text) for start, text in places if start >= 0]
        if named:
            return min(named)[1]
    return title(references[0]) if references else str(values.get("source", "bnexp"))


def place(reference: Mapping[str, Any], source: str) -> int:
    """Where a source names a reference, by its author and year or by a name of its own, or -1."""
    author = str(reference["authors"][0])
    name = rf"{re.escape(author.split()[-1])}\b[^;,()]*{reference['year']}"
    found = re.search(OTHER_NAMES.get(author, name), source)
    return found.start() if found else -1


def title(reference: Mapping[str, Any]) -> str:
    """'Santurkar et al. 2018: How Does Batch Normalization Help Optimization?', or a book's."""
    authors = [str(author) for author in reference["authors"]]
    names = [SURNAME.findall(author.split(",")[0])[0] for author in authors]
    short = f"{names[0]} et al." if len(names) > 2 else " & ".join(names)
    return f"{short} {reference['year']}: {reference['title']}"


def numbers(group: Sequence[Judged]) -> list[str]:
    """The cells of a publication's row after its name."""
    verdicts = [judged.claim["verdict"] for judged in group]
    sure = sum(judged.certainty == "sure" for judged in group)
    return [str(verdicts.count(word)) for word in HEADINGS] + [str(sure)]


def section(work: str, group: Sequence[Judged]) -> Iterator[str]:
    """A publication's claims, by verdict."""
    yield from (f"## {work}", "")
    for word, text in HEADINGS.items():
        lines = [judged.line() for judged in group if judged.claim["verdict"] == word]
        if lines:
            yield from (f"**{text}**", "", *lines, "")


def anchor(text: str) -> str:
    """The anchor of a heading on GitHub."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
