"""A run directory as it stands: its own config, its plan, and the results that it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bnexp.config import Config, load_config
from bnexp.config.messages import UNKNOWN_KIND
from bnexp.errors import BnexpError, ConfigError, StoreError
from bnexp.plan import Plan, make_plan
from bnexp.store import RunDirectory
from bnexp.store.directory import Found
from bnexp.tables import Results, results
from bnexp.tables.filling import filled, with_failed

# Reasons for which a cell has no file to read; any other is a file that is not what it should be.
ABSENT = ("not trained yet", "of format")


@dataclass(frozen=True)
class Opened:
    """What `opened` found.

    found: what the cells' files say. tables: of the networks with such a file and of those that
    failed; or, where no network has one, as in a reference, of the CSV files. unread: CSV files
    that would say more and are not there. renamed: whether the CSV files' cells are not those of
    the config.yaml, as after a change of bnexp or of the config.
    """

    config: Config
    plan: Plan
    found: Found
    tables: Results
    unread: tuple[str, ...] = ()
    renamed: bool = False

    @property
    def missing(self) -> Mapping[str, str]:
        """The cells that are in no table, and why."""
        there = set(self.tables.summary["cell"].tolist())
        return {cell: why for cell, why in self.found.missing.items() if cell not in there}

    @property
    def damaged(self) -> Mapping[str, str]:
        """The cells whose file is not what it should be, and what is wrong with it."""
        return {cell: why for cell, why in self.found.missing.items() if not why.startswith(ABSENT)}


def opened(directory: Path) -> Opened:
    """Read a run directory, or a reference without cells; trains and writes nothing.

    ConfigError where it is none, StoreError where a table that is needed is damaged.
    """
    path = directory / "config.yaml"
    if not path.is_file():
        places = [Path(folder, directory.name) for folder in ("results", "results/reference")]
        known = [place for place in places if (place / "config.yaml").is_file()]
        hint = f"did you mean {known[0]}?" if known else "`bnexp run` makes one"
        raise ConfigError(f"{directory}: not a run directory, expected a config.yaml in it; {hint}")
    config = _config(path)
    plan = make_plan(config)
    found = RunDirectory(directory).find(plan.cells, None)
    made = Opened(config, plan, found, results(config.experiment, plan, found.records))
    if found.records or made.damaged:  # of a run, not a reference
        absent = [cell for cell in found.missing if cell not in made.damaged]
        tables = with_failed(made.tables, plan, absent, directory) if absent else made.tables
        return replace(made, tables=tables)
    more = filled(made.tables, plan, directory)
    expected = ("summary.csv", *(() if config.experiment.probes is None else ("probes.csv",)))
    unread = tuple(name for name in expected if name in more.absent)
    return replace(made, tables=more.tables, unread=unread, renamed=more.renamed)


def _config(path: Path) -> Config:
    try:
        return load_config(path)
    except ConfigError as error:
        if UNKNOWN_KIND not in str(error):
            raise
        raise ConfigError(
            f"{error}\nif that is a class of your own: bnexp --import MODULE COMMAND ..."
        ) from None


def finished(directory: Path) -> Opened:
    """As `opened`; BnexpError where no network is finished or the tables are not the config's."""
    made = opened(directory)
    if made.renamed:
        raise StoreError(
            f"{directory}: metrics.csv is of other cells than config.yaml's: made by another "
            "bnexp, or of another config; run the experiment again"
        )
    if made.unread:
        raise StoreError(
            f"{directory}: no {' and no '.join(made.unread)}, expected with the metrics.csv of a "
            "run without cells; run the experiment again"
        )
    if not len(made.tables.summary["cell"]):
        lost = f", {len(made.damaged)} files in cells/ are damaged" if made.damaged else ""
        raise BnexpError(
            f"{directory}: no finished network, expected some{lost}; run the experiment"
        )
    return made
