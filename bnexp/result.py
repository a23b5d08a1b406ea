"""`Result`, what a run returns: its tables, verdicts and figures, and how notebooks show them.

`Result` wraps a `RunData` of `bnexp.runs.data` with what only the run itself knows: how many
networks it trained, what failed, and which files it wrote. `bnexp.run` makes it after training and
`load_run` from a run directory. Tables are `Columns`, dictionaries of NumPy arrays; figures are
drawn when they are asked for, and matplotlib is imported only then.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnexp.claims import VERDICT_TEXTS, Verdict, by_kind, counts_text, judge_run, remarks
from bnexp.config import Config
from bnexp.config.figures import figure_options
from bnexp.errors import BnexpError, ConfigError
from bnexp.runs.columns import Columns
from bnexp.runs.data import RunData, read_finished_run
from bnexp.runs.manifest import failed_networks
from bnexp.runs.references import find_run
from bnexp.runs.tables import Tables
from bnexp.summary import FORMATS, SPREADS, Overview, has_scores, overview
from bnexp.summary.formats import caption, entry_text
from bnexp.summary.overview import MAX_ROWS
from bnexp.text import choices, counted, notebook_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Result:
    """What `run` and `load_run` return: tables as columns, verdicts, figures on demand.

    data: all that is known about the run. trained: how many networks were trained now; the others
    were up to date. failed: by id, the networks that could not be trained, with the error. claims:
    the verdicts on the experiment's claims. files: what was written. left_out: for each figure that
    does not fit the overridden settings and was left out, the reason. undrawn: for each figure that
    could not be drawn, the reason.
    """

    data: RunData
    trained: int
    failed: Mapping[str, str]
    claims: tuple[Verdict, ...] = ()
    files: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()
    undrawn: tuple[str, ...] = ()

    @property
    def results(self) -> Tables:
        """All tables, with the axes of the sweep and the seeds.

        `bnexp.figures` and `bnexp.summary` take this. See `bnexp.runs.tables.Tables` for the
        columns.
        """
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
        """A row for each evaluation.

        Columns are cell, seed, the swept keys, epoch, step, train_loss, train_accuracy, test_loss,
        test_accuracy (NaN without test images) and those of other metrics.
        """
        return Columns(self.data.metrics, self._swept)

    @property
    def summary(self) -> Columns:
        """A row for each network.

        Columns are cell, seed, the swept keys, status, diverged_at_step (-1 for none), the final
        and the best value of each metric, and seconds.
        """
        return Columns(self.data.summary, self._swept)

    @property
    def probes(self) -> Columns:
        """A row for each number that a probe recorded.

        Columns are cell, seed, the swept keys, step, layer, quantity, at and value. All of them are
        empty if no probe recorded anything.
        """
        return Columns(self.data.probes, self._swept)

    @property
    def _swept(self) -> frozenset[str]:
        return frozenset(axis.key for axis in self.data.axes)

    def figure(
        self,
        kind: str = "panels",
        *,
        style: str = "light",
        width: float | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> Figure:
        """Draw a figure kind with its options and return it; nothing is shown or saved.

        kind: a name in `bnexp.figures.FIGURES`, such as "panels" or "scale"; options: the keys that
        the kind has in YAML. If there are too many lines without an axis, the one that `bnexp run`
        would choose is taken. style: light, dark, slide or print; width, or figsize=(width,
        height), in inches; ax: matplotlib's Axes, for a figure with a single panel. See
        `bnexp.figures.draw`. Raises ConfigError for an unknown kind or option, or if the figure
        cannot be drawn from these results. The figure is a matplotlib figure with a method
        `savefig`.
        """
        from bnexp import figures

        drawn = figures.drawable(figure_options(kind, **options), self.results)
        return figures.draw(drawn, self.results, style, width, figsize, ax)

    def table(
        self,
        metric: str | None = None,
        sort: str | None = None,
        spread: str = "std",
        to: str = "text",
    ) -> str:
        """A number for each point of the sweep, over the seeds, as text that is ready to paste.

        Arguments:
            metric: a column of the metrics table or of the summary, such as `train_loss` or
                `best_test_accuracy`, a metric alone, such as `loss`, or `seconds`. Default: the
                accuracy on test images, if any are scored.
            sort: rows as in the `sweep` or the `best` first; default: `best` in a random search.
            spread: what is shown of several seeds beside their mean: `std`, `range`, `interval` (of
                95 % confidence) or `none`.
            to: `text`, `markdown`, `latex` or `csv`.

        Raises ConfigError for any other word, BnexpError if no network was scored.
        """
        for name, word, words in (("spread", spread, SPREADS), ("format", to, FORMATS)):
            if word not in words:
                raise ConfigError(f"{name} of a table: expected {choices(word, [*words])}")
        return "\n".join(FORMATS[to](self.overview(metric, sort, None), spread))

    def overview(
        self, metric: str | None = None, sort: str | None = None, limit: int | None = MAX_ROWS
    ) -> Overview:
        """The numbers of `table`, in rows and columns.

        limit: if there were more rows, only the ten best are in it; None for all rows.

        Raises BnexpError if no network was scored, ConfigError for an unknown metric or order.
        """
        if not has_scores(self.results):
            raise BnexpError(f"{self.results.name}: no network was scored after an update")
        default = "best" if any(axis.drawn for axis in self.data.plan.axes) else "sweep"
        return overview(self.results, metric, sort or default, limit)

    def __repr__(self) -> str:
        place = f"; {self.directory}" if self.directory else ""
        return f"Result({self.config.name}: {self._counts()}{place})"

    def _counts(self) -> str:
        """'32 networks, 1 diverged; published: 2 supported, 0 do not hold, 1 undecided'."""
        statuses = Counter(self.data.summary["status"].tolist())
        parts = [counted(statuses.total(), "network")]
        parts += [f"{statuses[word]} {word}" for word in ("diverged", "failed") if statuses[word]]
        claims = [
            f"{kind}: {counts_text(verdict.verdict for verdict in verdicts)}"
            for kind, verdicts in by_kind(self.claims).items()
        ]
        return "; ".join([", ".join(parts), *claims])

    def _picture(self) -> str:
        """The first figure of the experiment that can be drawn, as PNG in base64; "" for none."""
        from bnexp import figures

        if not len(self.data.metrics["cell"]):
            return ""
        requested = self.config.experiment.figures
        for options in figures.requested_figures(requested, self.results):
            try:
                files = figures.render_files(options, self.results, ["png"])
            except figures.DrawingFailed:
                continue
            return b64encode(files["png"]).decode()
        return ""

    def _repr_html_(self) -> str:
        """Title, the first figure, final accuracies, verdicts, what failed, the place on disk."""
        tables = self.results
        table = self.overview() if has_scores(tables) else None
        return notebook_html(
            "result.html",
            results=tables,
            picture=self._picture(),
            facts=self._counts(),
            directory=self.directory,
            table=table,
            caption=caption(table, "std") if table else "",
            entry_text=entry_text,
            claims=by_kind(self.claims),
            readable=VERDICT_TEXTS,
            remarks=remarks,
            failed=Counter(self.failed.values()).items(),
        )


def load_run(directory: str | Path) -> Result:
    """The result of a run directory, or the shipped result of an experiment by its name.

    Nothing is trained or written. Raises ConfigError if `directory` is neither, StoreError if a
    table that is needed is damaged, BnexpError if no network is finished.

    The claims are judged anew; `trained` is 0 and `files` is empty. `failed` is what the manifest
    says.
    """
    data = read_finished_run(find_run(directory).directory)
    return Result(data, 0, failed_networks(data.manifest or {}), judge_run(data))
