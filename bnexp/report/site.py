"""A static site of many runs: an index with thumbnails, search and verdicts, and a page for each.

The pages are those of `bnexp report`. The index holds its thumbnails itself, so that the folder can
be opened from a disk, or copied to any web server, and needs nothing else.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnexp import figures
from bnexp.claims import Verdict, judge_run
from bnexp.config.claims import VERDICT_WORDS
from bnexp.errors import ConfigError
from bnexp.files import write_export
from bnexp.report.html import render_page, run_page
from bnexp.runs.data import RunData, read_finished_run
from bnexp.runs.references import find_run
from bnexp.text import cut

INDEX = "index.html"
THUMBNAIL_WIDTH = 320  # pixels
MAX_DESCRIPTION = 240  # characters of an entry; the page has all


@dataclass(frozen=True)
class Entry:
    """A run in the index.

    page: the name of its file. thumbnails: its first figure as data URIs, on light and on dark
    paper; none without a figure.
    search: all text by which it is found, in lower case.
    """

    page: str
    title: str
    name: str
    description: str
    networks: int
    seeds: int
    data: str
    verdicts: tuple[Verdict, ...]
    thumbnails: tuple[str, ...]
    search: str

    @property
    def kinds(self) -> str:
        """The verdicts that there are, and whether one is surprising, as words for a filter."""
        words: set[str] = {verdict.verdict for verdict in self.verdicts}
        if any(verdict.surprising for verdict in self.verdicts):
            words.add("surprising")
        return " ".join(sorted(words))


def write_site(
    directories: Sequence[str | Path],
    out: str | Path,
    progress: Callable[[Sequence[str | Path]], Iterable[str | Path]] = iter,
) -> Path:
    """Write the site of these run directories, and return the path of its index.

    A name of a shipped experiment stands for its shipped result. The folder `out` is new, or that
    of an earlier site, which is replaced as a whole; if a run cannot be read it stays as it was.
    Errors are those of `write_report`; ConfigError without a directory.

    progress: what is called with the directories and gives them one by one, such as a bar.
    """
    if not directories:
        raise ConfigError("site: expected at least one run directory, got none")
    target = os.path.expanduser(out)

    def contents() -> Iterator[tuple[str, bytes]]:
        entries: list[Entry] = []
        for directory in progress(directories):
            run = read_finished_run(find_run(directory).directory)
            page = _page_name(run.config.name, [entry.page for entry in entries])
            entries.append(_entry(run, page))
            yield page, run_page(run, home=INDEX).encode()
        yield INDEX, index_page(entries).encode()

    write_export(target, contents())
    return Path(target, INDEX)


def index_page(entries: Sequence[Entry]) -> str:
    """The page that lists the runs, in their order."""
    counts = Counter(verdict.verdict for entry in entries for verdict in entry.verdicts)
    return render_page(
        "site.html",
        (),
        title="Batch normalization: experiments and what they found",
        name="site",
        entries=entries,
        networks=sum(entry.networks for entry in entries),
        words=[(word, counts[word]) for word in VERDICT_WORDS],
        surprising=sum(verdict.surprising for entry in entries for verdict in entry.verdicts),
    )


def _page_name(name: str, taken: Sequence[str]) -> str:
    """The file of a run's page: its experiment's name, with a number if that is taken."""
    page, number = f"{name}.html", 1
    while page.lower() in {INDEX, *(other.lower() for other in taken)}:
        number += 1
        page = f"{name}-{number}.html"
    return page


def _entry(run: RunData, page: str) -> Entry:
    experiment, verdicts = run.config.experiment, judge_run(run)
    data = ", ".join(map(str, run.tables.data))
    texts: list[Any] = [run.tables.title, run.config.name, experiment.description, data]
    texts += [run.tables.source, *(verdict.says for verdict in verdicts)]
    return Entry(
        page=page,
        title=run.tables.title,
        name=run.config.name,
        description=_beginning(" ".join(experiment.description.split())),
        networks=len(run.summary["cell"]),
        seeds=len(run.tables.seeds),
        data=data,
        verdicts=verdicts,
        thumbnails=_thumbnails(run),
        search=" ".join(" ".join(texts).lower().split()),
    )


def _beginning(description: str) -> str:
    """A description, or its first words and three dots if it is longer than MAX_DESCRIPTION."""
    shown = cut(description, MAX_DESCRIPTION)
    words = shown.rpartition(" ")[0]
    has_words = len(words) > MAX_DESCRIPTION / 2  # texts of East Asia have few spaces or none
    return f"{words}..." if shown != description and has_words else shown


def _thumbnails(run: RunData) -> tuple[str, ...]:
    """The first figure that can be drawn, as small pictures, light and dark, in data URIs."""
    if not len(run.metrics["cell"]):
        return ()
    for options in figures.requested_figures(run.config.experiment.figures, run.tables):
        try:
            contents = [
                figures.thumbnail(options, run.tables, THUMBNAIL_WIDTH, style)
                for style in ("light", "dark")
            ]
        except figures.DrawingFailed:
            continue
        encoded = [base64.b64encode(content).decode() for content in contents]
        return tuple(f"data:image/webp;base64,{text}" for text in encoded)
    return ()
