"""What a run returns: its tables, its verdicts, its figures on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnexp.claims import Verdict, judge_run
from bnexp.config import Config
from bnexp.config.claims import WORDS
from bnexp.config.figures import figure_options
from bnexp.errors import BnexpError
from bnexp.runs.csv import empty_fields
from bnexp.runs.data import RunData, read_finished_run
from bnexp.runs.manifest import failed_networks
from bnexp.runs.summary import overview, spread, trained
from bnexp.runs.tables import Table, Tables
from bnexp.text import counted, short, templates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent / "report" / "templates"
MAX_ROWS = 5


def counts(results: Tables, claims: Sequence[Verdict]) -> str:
    """'32 networks, 1 diverged, claims: 2 supported, 1 refuted'."""
    states = Counter(results.summary["status"].tolist())
    words = Counter(claim.verdict for claim in claims)
    made = [counted(states.total(), "network")]
    made += [f"{states[state]} {state}" for state in ("diverged", "failed") if states[state]]
    judged = [f"{words[word]} {word}" for word in WORDS if words[word]]
    return ", ".join([*made, *([f"claims: {', '.join(judged)}"] if judged else [])])


def result_html(
    results: Tables,
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


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Result:
    """What `run` returns: tables as columns, figures on demand.

    `metrics` has a row for each evaluation, `summary` one for each network, `probes` one for each
    number that a probe read; `trained` is how many networks were trained now, the others were up to
    date; `failed` maps cells to errors; `left_out` says which figures no longer fit what was
    overridden.
    """

    data: RunData
    trained: int
    failed: Mapping[str, str]
    claims: tuple[Verdict, ...] = ()
    files: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def results(self) -> Tables:
        """All tables, with the axes of the sweep and the seeds."""
        return self.data.tables

    @property
    def config(self) -> Config:
        """The experiment."""
        return self.data.config

    @property
    def directory(self) -> Path | None:
        """The run directory; None if nothing is kept on disk."""
        return self.data.directory

    @property
    def metrics(self) -> Columns:
        return Columns(self.results.metrics)

    @property
    def summary(self) -> Columns:
        return Columns(self.results.summary)

    @property
    def probes(self) -> Columns:
        return Columns(self.results.probes)

    def figure(self, kind: str = "panels", **options: Any) -> Figure:
        """Draw a figure kind with its options and return it; nothing is shown or saved."""
        from bnexp import figures

        return figures.draw(figure_options(kind, **options), self.results)

    def __repr__(self) -> str:
        place = f"; {self.directory}" if self.directory else ""
        return f"Result({self.config.name}: {counts(self.results, self.claims)}{place})"

    def _repr_html_(self) -> str:
        return result_html(self.results, self.claims, self.failed, self.directory)


def load_run(directory: str | Path) -> Result:
    """The result of a run directory, or of a reference such as results/reference/dialects.

    Nothing is trained or written. Raises ConfigError where it is none, StoreError where a table
    that is needed is damaged, BnexpError where no network is finished.
    """
    data = read_finished_run(Path(directory))
    return Result(data, 0, failed_networks(data.manifest or {}), judge_run(data))


class Columns(dict[str, Any]):
    """A table as column name -> array."""

    def __repr__(self) -> str:
        return columns_text(self)

    def _repr_html_(self) -> str:
        return columns_html(self)

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame, NaN where the CSV is empty; needs the extra `pandas`."""
        try:
            import pandas
        except ModuleNotFoundError:
            raise BnexpError("to_pandas: needs pandas; pip install 'bnexp[pandas]'") from None
        frame = pandas.DataFrame(dict(self))
        for name in frame:
            if (empty := empty_fields(name, self)).any():
                frame[name] = frame[name].mask(empty)
        return frame
