"""A run directory as it stands: its own config, its plan, and the results that it has."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.config import Config, load_config
from bnexp.config.messages import UNKNOWN_KIND
from bnexp.errors import BnexpError, ConfigError, StoreError
from bnexp.runs import RunDirectory
from bnexp.runs.csv import read_metrics, read_probes, read_summary
from bnexp.runs.directory import Found
from bnexp.runs.tables import Results, Table, column, results
from bnexp.sweep import Network, Plan, make_plan

READERS = {"metrics": read_metrics, "summary": read_summary, "probes": read_probes}


@dataclass(frozen=True)
class Filled:
    """Tables with what CSV files add to them; `absent` names the files that are not there.

    renamed: whether the rows are of cells that the plan does not have, found by swept values.
    """

    tables: Results
    absent: tuple[str, ...] = ()
    renamed: bool = False


def filled(own: Results, plan: Plan, directory: Path) -> Filled:
    """With the rows of the plan's networks, none of which has a file; found by cell.

    Where the files know none of the plan's cells, they are found by swept values and seed.
    StoreError where a file is damaged.
    """
    files = {name: read(directory / f"{name}.csv") for name, read in READERS.items()}
    if files["metrics"] is None:
        return Filled(own)
    there = {network for table in files.values() if table for network in table["cell"].tolist()}
    renamed = there.isdisjoint(network.id for network in plan.networks)
    wanted = {_key(network, renamed): i for i, network in enumerate(plan.networks)}
    names = [*_swept(plan), "seed"] if renamed else ["cell"]
    rows = {name: _places(table, names, wanted) for name, table in files.items()}
    if not any((row >= 0).any() for row in rows.values()):
        return Filled(own)
    metrics, summary, probes = (
        _joined(table, files[name], rows[name], plan)
        for name, table in zip(READERS, (own.metrics, own.summary, own.probes), strict=True)
    )
    absent = tuple(f"{name}.csv" for name, table in files.items() if table is None)
    made = replace(own, metrics=metrics, summary=summary, probes=probes)
    return Filled(made, absent, renamed)


def with_failed(own: Results, plan: Plan, wanted: Collection[str], directory: Path) -> Results:
    """With the rows of summary.csv for those of the `wanted` cells that failed: they have no file.

    StoreError where it is damaged.
    """
    summary = read_summary(directory / "summary.csv")
    if summary is None:
        return own
    rows = zip(summary["cell"].tolist(), summary["status"].tolist(), strict=True)
    failed = {network for network, status in rows if status == "failed"}.intersection(wanted)
    places = {
        _key(network, False): i for i, network in enumerate(plan.networks) if network.id in failed
    }
    made = _joined(own.summary, summary, _places(summary, ["cell"], places), plan)
    return replace(own, summary=made)


def _swept(plan: Plan) -> list[str]:
    return [axis.key for axis in plan.axes]


def _key(network: Network, by_values: bool) -> Hashable:
    return (*network.point.values(), network.seed) if by_values else (network.id,)


def _places(
    table: Table | None, names: Sequence[str], places: Mapping[Hashable, int]
) -> NDArray[np.int64]:
    """Where in the plan each row's network stands, -1 where nowhere."""
    if table is None or not set(names) <= set(table):
        return np.empty(0, np.int64)
    rows = zip(*(table[name].tolist() for name in names), strict=True)
    return np.array([places.get(row, -1) for row in rows], np.int64)


def _joined(own: Table, read: Table | None, places: NDArray[np.int64], plan: Plan) -> Table:
    """Both tables' rows in the plan's order; cell, seed and swept values are its own, exactly."""
    if read is None or not (places >= 0).any():
        return own
    order = {network.id: i for i, network in enumerate(plan.networks)}
    before = np.array([order[network] for network in own["cell"].tolist()], np.int64)
    at = np.concatenate([before, places[places >= 0]])
    sort = np.argsort(at, kind="stable")
    of = [plan.networks[i] for i in at[sort].tolist()]
    made: dict[str, Any] = {
        "cell": column("cell", [network.id for network in of]),
        "seed": column("seed", [network.seed for network in of]),
        **{key: column(key, [network.point[key] for network in of]) for key in _swept(plan)},
    }
    for name in own:
        if name not in made:
            made[name] = np.concatenate([own[name], read[name][places >= 0]])[sort]
    return made


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
        return {network: why for network, why in self.found.missing.items() if network not in there}

    @property
    def damaged(self) -> Mapping[str, str]:
        """The cells whose file is not what it should be, and what is wrong with it."""
        return {
            network: why
            for network, why in self.found.missing.items()
            if not why.startswith(ABSENT)
        }


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
    found = RunDirectory(directory).find(plan.networks, None)
    made = Opened(config, plan, found, results(config.experiment, plan, found.records))
    if found.records or made.damaged:  # of a run, not a reference
        absent = [network for network in found.missing if network not in made.damaged]
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
