"""What `bnexp list` prints: the shipped experiments by source, or one of them in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from textwrap import indent, wrap
from typing import Any

from bnexp.cli.text import WIDTH, beside
from bnexp.config import document, shipped
from bnexp.config.writing import block
from bnexp.wording import counted

COLUMN = 26


def by_source() -> Iterator[str]:
    """A line for each experiment under the source that it is from."""
    groups: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for name in shipped.names():
        values = document.read(shipped.folder() / f"{name}.yaml").value
        groups.setdefault(origin(str(values.get("source", ""))), []).append((name, values))
    for source in sorted(groups, key=lambda source: (source == "bnexp", source)):
        yield f"{source}:"
        for name, values in groups[source]:
            yield from _entry(name, values)
        yield ""


def origin(source: str) -> str:
    """The work that a source is a part of: its text up to a comma, a bracket or a colon."""
    return re.split(r"[,(:;]", source.removeprefix("after "))[0].strip() or "bnexp"


def _entry(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    kinds = [str(figure.get("kind")) for figure in values.get("figures") or []]
    facts = [cost(values), ", ".join(dict.fromkeys(kinds)) or "panels, scale"]
    claims = len(values.get("claims") or [])
    facts += [counted(claims, "claim")] if claims else []
    title = wrap(str(values.get("title", "")), WIDTH - COLUMN) or [""]
    yield from beside(name, [*title, "; ".join(fact for fact in facts if fact)], COLUMN)


def cost(values: Mapping[str, Any]) -> str:
    """How long a run takes, as the experiment says."""
    seconds = values.get("seconds")
    if not isinstance(seconds, int | float):
        return ""
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def description(experiment: str) -> Iterator[str]:
    """The question, the set-up and the claims of one experiment."""
    values = document.read(shipped.find(experiment)).value
    yield f"{values['name']}: {values.get('title', '')}"
    yield from wrap(f"source: {values.get('source', 'bnexp')}", WIDTH, subsequent_indent="  ")
    yield f"{cost(values) or 'of unknown length'} on two cores"
    yield from ["", *wrap(" ".join(str(values.get("description", "")).split()), WIDTH), ""]
    setup = {
        key: values[key]
        for key in ("data", "model", "train", "random", "sweep", "probes", "figures")
        if values.get(key)
    }
    yield indent(block(setup).rstrip(), "  ")
    for number, claim in enumerate(values.get("claims") or [], 1):
        yield from ["", *wrap(f"claim {number}: {claim['says']}", WIDTH, subsequent_indent="  ")]
        if "source" in claim:
            yield from wrap(claim["source"], WIDTH, initial_indent="  ", subsequent_indent="  ")
