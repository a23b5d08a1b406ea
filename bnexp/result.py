"""What a run returns: its tables, its verdicts, its figures on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnexp.claims import Verdict, verdicts
from bnexp.config import Config
from bnexp.config.figures import figure_options
from bnexp.errors import BnexpError
from bnexp.opening import finished
from bnexp.showing import columns_html, columns_text, counts, result_html
from bnexp.store import RunDirectory
from bnexp.tables import Results, absent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Result:
    """What `run` returns: tables as columns, figures on demand.

    `metrics` has a row for each evaluation, `summary` one for each network, `probes` one for each
    number that a probe read; `trained` is how many networks were trained now, the others were up to
    date; `failed` maps cells to errors; `left_out` says which figures no longer fit what was
    overridden.
    """

    results: Results
    config: Config
    trained: int
    directory: Path | None
    failed: Mapping[str, str]
    claims: tuple[Verdict, ...] = ()
    files: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()

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
    made = finished(Path(directory))
    judged = verdicts(made.config, made.plan, made.tables)
    manifest = RunDirectory(Path(directory)).manifest() or {}
    return Result(made.tables, made.config, 0, Path(directory), manifest.get("failed", {}), judged)


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
            if (empty := absent(name, self)).any():
                frame[name] = frame[name].mask(empty)
        return frame
