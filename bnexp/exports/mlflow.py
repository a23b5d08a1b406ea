"""The mlflow export: networks as MLflow runs, in a local database or on a tracking server.

`open_store` finds or makes the store, `run_content` says what a network's run consists of, and
`write_mlflow` brings the runs of the store up to date. A run is known by its network's id, and has
a digest of its content: exporting again writes only what is new or has changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bnexp import files
from bnexp.config.experiment import explicit_values
from bnexp.config.load import resolved
from bnexp.config.yaml import flatten, unquoted
from bnexp.errors import StoreError
from bnexp.exports.common import (
    Export,
    ExportedNetwork,
    NetworkProgress,
    default_environment,
    exported_networks,
    require_libraries,
    silence_libraries,
    start_time,
    summary_line,
)
from bnexp.runs.data import RunData
from bnexp.text import counted, cut, shell_word

DATABASE = "mlflow.db"
CELL, DIGEST = "bnexp.cell", "bnexp.sha256"  # tags of a run
# MLflow's limits, the name's that of its databases.
MAX_PARAM, MAX_NAME = 6000, 250
# The most that MLflow takes in one call.
MAX_METRICS, MAX_PARAMS, MAX_RUNS = 900, 100, 1000  # of metrics and parameters 1000 together
# MLflow reports to its makers as soon as it is imported, and asks a dead address for minutes.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
_URI = re.compile(r"databricks|[a-zA-Z][a-zA-Z0-9+.-]+:.*", re.DOTALL)  # a drive has one letter


def write_mlflow(run: RunData, target: str, progress: NetworkProgress) -> Export:
    """Write an experiment of the config's name, with a run for each network.

    `target` is a folder, for a database and its artifacts, or a tracking URI. A run that is there
    with the same content stays, one with other content is replaced, one of another network stays.
    StoreError if MLflow cannot write.
    """
    started = round(1000 * start_time(run))
    with default_environment(ENVIRONMENT), silence_libraries():
        require_libraries("mlflow", "mlflow", "sqlalchemy", "alembic")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            store = open_store(target)
            client = MlflowClient(store.uri, registry_uri=store.uri)
            written, others = _update_runs(client, store, run, started, progress)
        except (MlflowException, SQLAlchemyError, ImportError) as error:
            reason = str(error).partition("\n")[0]
            raise StoreError(f"{target}: MLflow could not write, {reason}") from error
    lines = [f"{summary_line(run, target)}, experiment {run.config.name}"]
    if written < len(run.records):
        lines.append(f"  {len(run.records) - written} of them were there")
    if others:
        lines.append(f"  besides {counted(others, 'network')} of other settings")
    return Export(store.place, tuple(lines), store.view)


@dataclass(frozen=True)
class Store:
    """Where MLflow keeps experiments.

    place: the folder, or the URI as it was given. uri: how MLflow's client finds the store.
    artifacts: the URI at which a new experiment keeps its files, None for the server's choice.
    view: the command, or the address, to look at it.
    """

    place: Path | str
    uri: str
    artifacts: str | None
    view: str


def open_store(target: str) -> Store:
    """The store at a tracking URI, or in a folder, where it is made if it is not there.

    StoreError if the folder cannot have one.
    """
    if _URI.fullmatch(target):
        is_address = target.startswith("http")
        return Store(target, target, None, target if is_address else _view_command(target))
    folder = Path(target)
    with files.storage_errors("cannot write", folder):
        if folder.exists() and not folder.is_dir():
            raise StoreError(
                f"{target}: a file, expected a folder, or a tracking URI such as "
                "sqlite:///mlflow.db"
            )
        absolute = Path(os.path.realpath(folder))
        if any(mark in str(absolute) for mark in "?#%"):
            raise StoreError(
                f"{target}: expected a folder without ?, # and % in its whole path, which MLflow "
                f"reads as a URI's, got {str(absolute)!r}; give another folder"
            )
        files.system.make_folder(folder)
        _create_database(absolute / DATABASE)
    view = _view_command(_database_uri(folder / DATABASE))
    artifacts = (absolute / "artifacts").as_uri()
    return Store(folder, _database_uri(absolute / DATABASE), artifacts, view)


def _create_database(database: Path) -> None:
    """Create an empty database, unless there is one.

    It is made elsewhere first, because MLflow cannot go on with one that is half made.
    """
    files.check_file(database)
    if database.exists():
        return
    from mlflow import MlflowClient

    with TemporaryDirectory() as folder:
        temporary = Path(folder, DATABASE)
        uri = _database_uri(temporary)
        # Without a pool of connections the database is closed once it is made.
        with default_environment({"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}):
            MlflowClient(uri, registry_uri=uri)
        files.write_file(database, files.read_file(temporary) or b"")


def _database_uri(database: Path) -> str:
    return f"sqlite:///{database.as_posix()}"


def _view_command(uri: str) -> str:
    return f"mlflow ui --backend-store-uri {shell_word(uri)}"


class RunContent(NamedTuple):
    """What MLflow's run of a network consists of; `metrics` are (name, value, step)."""

    name: str
    params: dict[str, str]
    metrics: list[tuple[str, float, int]]
    tags: dict[str, str]


def run_content(exported: ExportedNetwork) -> RunContent:
    """The swept values, seed and whole setting as parameters, each evaluation as metrics.

    Texts are cut to what MLflow takes. Tags have the status, the data's SHA-256 and, where it
    applies, the step of divergence and the metrics with infinities.
    """
    record = exported.record
    values = {**dict(flatten(explicit_values(exported.network.setting))), **exported.values}
    params = {
        key: cut(repr(value) if isinstance(value, float) else unquoted(value), MAX_PARAM)
        for key, value in values.items()
    }
    metrics = [
        (name, value, step)
        for name, column in record.metrics.items()
        for step, value in zip(record.steps, column, strict=True)
    ]
    tags = {"bnexp.status": record.status, "bnexp.data_sha256": record.data_sha256}
    if record.diverged_at_step is not None:
        tags["bnexp.diverged_at_step"] = str(record.diverged_at_step)
    infinite = [name for name, column in record.metrics.items() if any(map(math.isinf, column))]
    if infinite:  # MLflow's databases hold the largest float in place of an infinity
        tags["bnexp.infinite"] = ", ".join(infinite)
    return RunContent(cut(exported.name, MAX_NAME), params, metrics, tags)


def _update_runs(
    client: Any, store: Store, run: RunData, started: int, progress: NetworkProgress
) -> tuple[int, int]:
    """Write what is new or has changed in the run's experiment, which is made if need be.

    `started` is in milliseconds since 1970. Returns how many runs were written, and how many
    networks the experiment has that are not of this run.
    """
    name, config = run.config.name, resolved(run.config)
    experiment = client.get_experiment_by_name(name)
    if experiment:
        experiment_id = experiment.experiment_id
    else:
        note = {"mlflow.note.content": run.tables.title}
        experiment_id = str(client.create_experiment(name, store.artifacts, note))
    stored_runs = _stored_runs(client, experiment_id)
    written = 0
    for exported in progress(exported_networks(run)):
        run_ids = stored_runs.pop(exported.network.id, {})
        content = run_content(exported)
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        if digest in run_ids:
            client.log_text(run_ids[digest], config, "config.yaml")
            continue
        for outdated in run_ids.values():
            client.delete_run(outdated)
        content.tags.update({CELL: exported.network.id, DIGEST: digest})
        run_id = _write_run(client, experiment_id, content, started)
        client.log_text(run_id, config, "config.yaml")
        ended = started + round(1000 * exported.record.seconds)
        client.set_terminated(run_id, "FINISHED", ended)
        written += 1
    return written, len(stored_runs)


def _stored_runs(client: Any, experiment_id: str) -> dict[str, dict[str, str]]:
    """The ids of the runs of each network, by the digest of their content.

    A run that was interrupted is found by its id in place of a digest, as its content is not known.
    """
    run_ids: defaultdict[str, dict[str, str]] = defaultdict(dict)
    query, token = f"tags.`{CELL}` != ''", None
    while True:
        page = client.search_runs([experiment_id], query, 1, MAX_RUNS, None, token)
        for stored in page:
            info, tags = stored.info, stored.data.tags
            digest = tags.get(DIGEST) if info.status == "FINISHED" else None
            run_ids[tags[CELL]][digest or info.run_id] = info.run_id
        token = page.token
        if not token:
            return run_ids


def _write_run(client: Any, experiment_id: str, content: RunContent, started: int) -> str:
    """Write a run that has not ended yet, and return its id.

    Metrics and parameters go together, in as few calls as MLflow allows.
    """
    from mlflow.entities import Metric, Param

    run_id = client.create_run(experiment_id, started, content.tags, content.name).info.run_id
    params = [Param(key, value) for key, value in content.params.items()]
    metrics = [Metric(name, value, started, step) for name, value, step in content.metrics]
    calls = max(math.ceil(len(metrics) / MAX_METRICS), math.ceil(len(params) / MAX_PARAMS))
    for i in range(calls):
        client.log_batch(
            run_id,
            metrics[i * MAX_METRICS : (i + 1) * MAX_METRICS],
            params[i * MAX_PARAMS : (i + 1) * MAX_PARAMS],
        )
    return str(run_id)
