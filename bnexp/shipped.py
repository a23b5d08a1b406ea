"""The shipped experiments as a table: what `bnexp list` prints, for Python and notebooks."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnexp.config.document import experiment_names, experiments_folder, read_document
from bnexp.runs.columns import Columns
from bnexp.text import aligned, notebook_html, printable, short

NAMES = ("name", "title", "source", "seconds", "claims")


def experiments() -> ExperimentTable:
    """The shipped experiments: columns name, title, source, seconds and claims, a row for each.

    seconds is about how long a run takes on two cores, NaN if that is not known; claims is how many
    claims it has. Prompts and notebooks show all rows; `.to_pandas()` makes it a DataFrame.

    >>> table = experiments()
    >>> "quickstart" in table["name"], list(table)
    (True, ['name', 'title', 'source', 'seconds', 'claims'])
    """
    folder = experiments_folder()
    rows = []
    for name in experiment_names():
        values = read_document(folder / f"{name}.yaml").value
        rows.append(
            (
                name,
                str(values.get("title", "")),
                str(values.get("source", "")),
                float(values.get("seconds") or np.nan),
                len(values.get("claims") or ()),
            )
        )
    types = (object, object, object, np.float64, np.int64)
    columns = zip(*rows, strict=True)
    return ExperimentTable(
        {
            name: np.array(column, dtype)
            for name, column, dtype in zip(NAMES, columns, types, strict=True)
        }
    )


class ExperimentTable(Columns):
    """A table of experiments, of which all rows are shown."""

    def __repr__(self) -> str:
        """A line or more for each experiment: its name and its title."""
        rows = [[name, printable(self["title"][i])] for i, name in enumerate(self["name"])]
        return "\n".join(aligned([["name", "title"], *rows], wrap_last=True))

    def _repr_html_(self) -> str:
        """All rows and columns."""
        rows = [list(map(_shown, row)) for row in zip(*self.values(), strict=True)]
        return notebook_html("experiments.html", names=list(self), rows=rows)


def _shown(value: Any) -> str:
    """A field of the table; empty where a number is not known."""
    return "" if value != value else short(value)
