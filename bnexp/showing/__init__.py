"""What a notebook or an interpreter shows of a run: a few lines, in the notebook's own colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bnexp.claims import Verdict
from bnexp.config.claims import WORDS
from bnexp.tables.overview import overview, trained
from bnexp.tables.overviewlines import spread
from bnexp.tables.results import Results, Table
from bnexp.templates import templates
from bnexp.wording import counted, short

FOLDER = Path(__file__).parent
MAX_ROWS = 5


def counts(results: Results, claims: Sequence[Verdict]) -> str:
    """'32 networks, 1 diverged, claims: 2 supported, 1 refuted'."""
    states = Counter(results.summary["status"].tolist())
    words = Counter(claim.verdict for claim in claims)
    made = [counted(states.total(), "network")]
    made += [f"{states[state]} {state}" for state in ("diverged", "failed") if states[state]]
    judged = [f"{words[word]} {word}" for word in WORDS if words[word]]
    return ", ".join([*made, *([f"claims: {', '.join(judged)}"] if judged else [])])


def result_html(
    results: Results,
    claims: Sequence[Verdict],
    failed: Mapping[str, str],
    directory: Path | None,
) -> str:
    """Title, final accuracies, verdicts, what failed, and where it is on disk."""
    return _html(
        "result.html",
        results=results,
        facts=counts(results, claims),
        directory=directory,
        table=overview(results) if trained(results) else None,
        spread=spread,
        several=len(results.seeds) > 1,
        seeds=counted(len(results.seeds), "seed"),
        stars="diverged" in results.summary["status"],
        claims=claims,
        failed=Counter(failed.values()).items(),
    )


def columns_html(table: Table) -> str:
    """The first rows, and how many there are."""
    rows = [[short(value) for value in row] for row in _rows(table)]
    return _html("columns.html", names=list(table), rows=rows, count=_count(table))


def columns_text(table: Table) -> str:
    """A line for each column with its first values."""
    width = max((len(name) for name in table), default=0)
    rows = list(_rows(table))
    more = ", ..." if _length(table) > len(rows) else ""
    lines = [
        f"  {name:<{width}}  {', '.join(short(row[i]) for row in rows)}{more}"
        for i, name in enumerate(table)
    ]
    return "\n".join([_count(table), *lines])


def _rows(table: Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name][:MAX_ROWS].tolist() for name in table), strict=True)


def _length(table: Table) -> int:
    return len(next(iter(table.values()), ()))


def _count(table: Table) -> str:
    return f"{counted(_length(table), 'row')} x {counted(len(table), 'column')}"


def _html(template: str, **values: Any) -> str:
    return templates(FOLDER).get_template(template).render(**values)
