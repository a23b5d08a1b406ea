"""One run's data: its config, its networks and their results, in memory or read from a directory.

Figures, claims, comparison, report, export and Python's `Result` all work on a `RunData`. It is
made in two ways: from the records of networks that were trained just now (`run_data`), or from
a run directory or a reference without cell files (`read_run`, `read_finished_run`).

A network's results are looked for in this order: its cell file; if it has none, its row of
summary.csv if it failed there; if no network of the run has a cell file, its rows of the CSV files.
The CSV files of a run with cell files are otherwise not read: they can be made again from the
cells.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.config import Config, load_config
from bnexp.config.document import experiment_names
from bnexp.errors import BnexpError, BnexpWarning, ConfigError, StoreError
from bnexp.execution.task import Record
from bnexp.files import is_file, open_file, storage_errors
from bnexp.runs.agreement import check_tables
from bnexp.runs.csv import read_table
from bnexp.runs.directory import DAMAGES, RunDirectory, kind_of
from bnexp.runs.manifest import read_manifest
from bnexp.runs.origins import DataOrigin, stored_origins, used_origins
from bnexp.runs.references import FOLDER, find_shipped, is_run
from bnexp.runs.tables import Axis, Table, Tables, Value, leading_columns, make_tables
from bnexp.sweep import Plan, make_plan
from bnexp.text import counted

TABLES = ("metrics", "summary", "probes")


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class RunData:
    """The data of a run.

    config, plan: the experiment, and the networks of its sweep.
    tables: metrics, summary and probe readings of the networks that have results.
    records: by id, the records of trained networks; empty for a reference, which has tables only.
    missing: by id, the networks that are in no table, with the reason.
    directory: the run directory; None if nothing is kept on disk.
    missing_files: CSV files of a reference that should be there and are not.
    matched_by_values: whether the CSV files have other cell ids than the plan, so that their rows
        were found by swept values and seed: they were written by another version of bnexp, or
        for another config.
    """

    config: Config
    plan: Plan
    tables: Tables
    records: Mapping[str, Record] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    missing_files: tuple[str, ...] = ()
    matched_by_values: bool = False

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The swept keys with their values, as tables show them."""
        return self.tables.axes

    @property
    def metrics(self) -> Table:
        """A row for each evaluation."""
        return self.tables.metrics

    @property
    def summary(self) -> Table:
        """A row for each network."""
        return self.tables.summary

    @property
    def probes(self) -> Table:
        """A row for each number that a probe recorded."""
        return self.tables.probes

    @property
    def damaged(self) -> dict[str, str]:
        """By id, the networks whose cell file is damaged, with what is wrong with it."""
        return {n: why for n, why in self.missing.items() if kind_of(why) in DAMAGES}

    @cached_property
    def manifest(self) -> Mapping[str, Any] | None:
        """The directory's manifest, read on first use; None if there is none.

        StoreError if it is damaged: only what needs the manifest fails then.
        """
        return read_manifest(self.directory / "manifest.json") if self.directory else None


def run_data(
    config: Config,
    plan: Plan,
    records: Mapping[str, Record],
    directory: Path | None = None,
    origins: Mapping[str, DataOrigin] | None = None,
) -> RunData:
    """The data of a run from the records of its networks, by id.

    Arguments:
        config, plan: the experiment, and its networks as `make_plan` lists them.
        records: may lack networks, which then have no rows, and may have failed ones, which have a
            row in the summary only.
        directory: where the run is kept; None if it is not.
        origins: by name of a data set, which images it is; as far as that is known.
    """
    tables = make_tables(config.experiment, plan, records)
    # A network without a record may have rows in CSV files; its images are those of the manifest.
    digests = [
        (network.setting.data.name, records[network.id].data_sha256 if records else "")
        for network in plan.networks
        if not records or (network.id in records and records[network.id].data_sha256)
    ]
    tables = replace(tables, data=used_origins(digests, origins or {}))
    return RunData(config, plan, tables, records, directory=directory)


def read_run(directory: Path) -> RunData:
    """Read a run directory, or a reference without cell files; nothing is trained or written.

    Networks that failed have no cell file: their rows are those of summary.csv. If no network has
    a cell file, all tables are read from the CSV files.

    Raises ConfigError if the directory has no config.yaml or a wrong one, StoreError if a table
    that is needed is damaged.

    Reasons in `missing` are, for example, "not trained yet" or "damaged". A reference is a run
    directory from which cells/ was removed to save space; its numbers are those of the CSV files.
    """
    config = _read_config(directory)
    plan = make_plan(config)
    records, missing = RunDirectory(directory).read_records(plan.networks, None)
    try:
        origins = stored_origins(read_manifest(directory / "manifest.json"))
    except StoreError:  # it is damaged; cells say themselves which images they are of
        if not records:
            raise
        origins = {}
    data = replace(run_data(config, plan, records, directory, origins), missing=missing)
    if records or data.damaged:
        absent = missing.keys() - data.damaged.keys()
        return _without_tabled(_with_failed_rows(data, absent)) if absent else data
    return _without_tabled(_with_csv_rows(data))


def read_finished_run(directory: Path) -> RunData:
    """As `read_run`, with an error unless some network is finished and the tables are complete.

    Raises BnexpError if no network is finished, StoreError if CSV files are of another config or
    incomplete.

    Figures, claims, reports and exports are made of this. A run that is only partly finished is
    accepted; the networks that it lacks are in `missing`. BnexpWarning if cell files are damaged.
    """
    data = read_run(directory)
    if data.matched_by_values:
        raise StoreError(
            f"{directory}: metrics.csv is of other cells than config.yaml's: made by another "
            "bnexp, or of another config; run the experiment again"
        )
    if data.missing_files:
        raise StoreError(
            f"{directory}: no {' and no '.join(data.missing_files)}, expected with the metrics.csv "
            "of a run without cells; run the experiment again"
        )
    if not len(data.summary["cell"]):
        verb = "is" if len(data.damaged) == 1 else "are"
        files = f"{counted(len(data.damaged), 'file')} in cells/ {verb} damaged"
        lost = f", {files}" if data.damaged else ""
        raise BnexpError(
            f"{directory}: no finished network, expected some{lost}; run the experiment"
        )
    if data.damaged:
        warnings.warn(_damage_text(directory, data.damaged), BnexpWarning, stacklevel=2)
    return data


def _damage_text(directory: Path, damaged: Mapping[str, str]) -> str:
    """Which cell files of a run are left out, and why; the first of many."""
    number = counted(len(damaged), "damaged file")
    network, reason = next(iter(damaged.items()))
    more = ", ..." if len(damaged) > 1 else ""
    return (
        f"{directory}: {number} in cells/ left out ({network}.json: {reason}{more}); "
        f"`bnexp run {directory / 'config.yaml'}` trains their networks again"
    )


def _read_config(directory: Path) -> Config:
    """The config of a run directory; ConfigError, with what was probably meant, without one."""
    path = directory / "config.yaml"
    if not is_file(path):
        own = Path("results", directory.name)
        names = [str(own)] if is_run(own) else []
        if directory.name in experiment_names() and find_shipped(directory.name):
            names.append(f"{FOLDER / directory.name}, which is shipped with bnexp")
        hint = f"did you mean {' or '.join(names)}?" if names else "`bnexp run` makes one"
        raise ConfigError(f"{directory}: not a run directory, expected a config.yaml in it; {hint}")
    with storage_errors("cannot read", path), open_file(path):
        pass  # what follows is about its content
    try:
        return load_config(path)
    except ConfigError as error:  # it was valid when the run wrote it
        text, *more = error.args
        more.append("if that is something of your own: bnexp --import MODULE COMMAND ...")
        raise ConfigError(text, "\n".join(more)) from None


def _without_tabled(data: RunData) -> RunData:
    """Networks that have a row in the summary are not missing."""
    tabled = set(data.summary["cell"].tolist())
    missing = {network: why for network, why in data.missing.items() if network not in tabled}
    return replace(data, missing=missing)


def _with_failed_rows(data: RunData, absent: Collection[str]) -> RunData:
    """Add the rows of summary.csv for those of the absent networks that failed."""
    assert data.directory is not None
    summary = read_table(data.directory / "summary.csv")
    if summary is None:
        return data
    statuses = zip(summary["cell"].tolist(), summary["status"].tolist(), strict=True)
    failed = {network for network, status in statuses if status == "failed"}.intersection(absent)
    places: dict[tuple[Value, ...], int] = {
        (n.id,): i for i, n in enumerate(data.plan.networks) if n.id in failed
    }
    joined = _joined(data.summary, summary, _places(summary, ["cell"], places), data.plan)
    return replace(data, tables=replace(data.tables, summary=joined))


def _with_csv_rows(data: RunData) -> RunData:
    """Add the rows of the CSV files for networks of the plan, of which none has a cell file.

    Rows are found by cell id or, if the files have none of the plan's ids, by swept values and
    seed.
    """
    assert data.directory is not None
    files = {name: read_table(data.directory / f"{name}.csv") for name in TABLES}
    if files["metrics"] is None:
        return data
    ids = {network for table in files.values() if table for network in table["cell"].tolist()}
    by_values = ids.isdisjoint(network.id for network in data.plan.networks)
    names = [*(axis.key for axis in data.plan.axes), "seed"] if by_values else ["cell"]
    keys = [(*n.point.values(), n.seed) if by_values else (n.id,) for n in data.plan.networks]
    places = {key: i for i, key in enumerate(keys)}
    rows = {name: _places(table, names, places) for name, table in files.items()}
    if not any((row >= 0).any() for row in rows.values()):
        return data
    check_tables(data.directory, files, rows, data.plan)
    metrics, summary, probes = (
        _joined(getattr(data.tables, name), files[name], rows[name], data.plan) for name in TABLES
    )
    expected = ("summary", *(() if data.config.experiment.probes is None else ("probes",)))
    return replace(
        data,
        tables=replace(data.tables, metrics=metrics, summary=summary, probes=probes),
        missing_files=tuple(f"{name}.csv" for name in expected if files[name] is None),
        matched_by_values=by_values,
    )


def _places(
    table: Table | None, names: list[str], places: Mapping[tuple[Value, ...], int]
) -> NDArray[np.int64]:
    """For each row of the table the position of its network in the plan, -1 if it has none."""
    if table is None or not set(names) <= set(table):
        return np.empty(0, np.int64)
    keys = zip(*(table[name].tolist() for name in names), strict=True)
    return np.array([places.get(key, -1) for key in keys], np.int64)


def _joined(table: Table, csv_table: Table | None, places: NDArray[np.int64], plan: Plan) -> Table:
    """The rows of both tables in the plan's order.

    places: for each row of `csv_table` the position of its network in the plan; rows with -1 are
    left out. Cell, seed and swept values are those of the plan, exactly.
    """
    chosen = places >= 0
    if csv_table is None or not chosen.any():
        return table
    order = {network.id: i for i, network in enumerate(plan.networks)}
    own_places = np.array([order[network] for network in table["cell"].tolist()], np.int64)
    all_places = np.concatenate([own_places, places[chosen]])
    sort = np.argsort(all_places, kind="stable")
    networks = [plan.networks[i] for i in all_places[sort].tolist()]
    joined = leading_columns(networks, [axis.key for axis in plan.axes])
    for name in table:
        if name not in joined:
            # NaN where the file was written before the column, that of a metric, existed.
            values = csv_table.get(name, np.full(len(places), np.nan))[chosen]
            joined[name] = np.concatenate([table[name], values])[sort]
    return joined
