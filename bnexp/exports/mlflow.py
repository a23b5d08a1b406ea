"""Networks as MLflow runs, in a local database or on a tracking server."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

from bnexp import files
from bnexp.config.experiment import explicit_values
from bnexp.config.load import resolved
from bnexp.config.yaml import flatten, unquoted
from bnexp.errors import StoreError
from bnexp.exports.base import (
    Each,
    Exported,
    ExportedNetwork,
    environment,
    exported_networks,
    quiet,
    require,
    start_time,
)
from bnexp.runs.data import RunData
from bnexp.text import counted, cut

_URI = re.compile(r"databricks|[a-zA-Z][a-zA-Z0-9+.-]+:.*", re.DOTALL)  # a drive has one letter


DATABASE = "mlflow.db"


@dataclass(frozen=True)
class Store:
    """`place` is a folder, or the URI that was given; `artifacts` is where a new experiment keeps
    files, None for the server's choice."""

    place: Path | str
    uri: str
    artifacts: str | None
    look: str


def store(place: str) -> Store:
    """The store at a folder, which is made, or at a tracking URI."""
    if _URI.fullmatch(place):
        served = place.startswith("http")
        look = place if served else _command(place)
        return Store(place, place, None, look)
    folder = Path(place)
    try:
        _check(place, folder)
        files.system.make_folder(folder)
        whole = folder.resolve()
        _make(whole / DATABASE)
    except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
        raise files.storage_error("cannot write", folder, error) from error
    look = _command(_uri(folder / DATABASE))
    return Store(folder, _uri(whole / DATABASE), (whole / "artifacts").as_uri(), look)


def _check(place: str, folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StoreError(
            f"{place}: a file, expected a folder, or a tracking URI such as sqlite:///mlflow.db"
        )
    if any(mark in str(folder.resolve()) for mark in "?#%"):
        raise StoreError(
            f"{place}: expected a folder without ?, # and % in its whole path, which MLflow reads "
            f"as a URI's, got {str(folder.resolve())!r}; give another folder"
        )


def _make(database: Path) -> None:
    """Make an empty database elsewhere first: MLflow cannot go on with one that is half made."""
    if database.exists():
        return
    from mlflow import MlflowClient

    with TemporaryDirectory() as folder:
        made = Path(folder, DATABASE)
        with environment({"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}):  # closed when made
            MlflowClient(_uri(made), registry_uri=_uri(made))
        files.write_file(database, made.read_bytes())


def _uri(database: Path) -> str:
    return f"sqlite:///{database.as_posix()}"


def _command(uri: str) -> str:
    return f"mlflow ui --backend-store-uri {shlex.quote(uri)}"


# MLflow's limits, the name's that of its databases.
MAX_PARAM, MAX_NAME = 6000, 250


class Content(NamedTuple):
    """`metrics` are of (name, value, step)."""

    name: str
    params: dict[str, str]
    metrics: list[tuple[str, float, int]]
    tags: dict[str, str]


def content(network: ExportedNetwork) -> Content:
    """The swept values, seed and whole setting as parameters, each evaluation as metrics."""
    record = network.record
    metrics = [
        (name, value, step)
        for name, values in record.metrics.items()
        for step, value in zip(record.steps, values, strict=True)
    ]
    return Content(cut(network.name, MAX_NAME), _params(network), metrics, _tags(network))


def _params(network: ExportedNetwork) -> dict[str, str]:
    values = {**dict(flatten(explicit_values(network.cell.setting))), **network.point}
    return {key: cut(_text(value), MAX_PARAM) for key, value in values.items()}


def _tags(network: ExportedNetwork) -> dict[str, str]:
    record = network.record
    at = record.diverged_at_step
    infinite = [name for name, values in record.metrics.items() if any(map(math.isinf, values))]
    return {
        "bnexp.status": record.status,
        "bnexp.data_sha256": record.data_sha256,
        **({} if at is None else {"bnexp.diverged_at_step": str(at)}),
        # MLflow's databases hold the largest float in place of an infinity.
        **({"bnexp.infinite": ", ".join(infinite)} if infinite else {}),
    }


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else unquoted(value)


T = TypeVar("T")

# The most that MLflow takes in one call.
MAX_METRICS, MAX_PARAMS, MAX_RUNS = 900, 100, 1000  # of metrics and parameters 1000 together
CELL, DIGEST = "bnexp.cell", "bnexp.sha256"
# MLflow reports to its makers as soon as it is imported, and asks a dead address for minutes.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


def write(data: RunData, place: str, each: Each) -> Exported:
    """An experiment of the config's name, with a run for each network.

    `place` is a folder, for a database and its artifacts, or a tracking URI. A run is known by its
    cell: one that is there with the same content stays, one with other content is replaced.
    """
    started = start_time(data)
    with environment(ENVIRONMENT), quiet():
        require("mlflow", "mlflow", "sqlalchemy", "alembic")
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            target = store(place)
            written, others = _Experiment(data, target, started).write(each)
        except (MlflowException, SQLAlchemyError, ImportError) as error:
            reason = str(error).partition("\n")[0]
            raise StoreError(f"{place}: MLflow could not write, {reason}") from error
    number = len(data.records)
    lines = [f"{counted(number, 'network')} in {place}, experiment {data.config.name}"]
    lines += [f"  {number - written} of them were there"] * (written < number)
    lines += [f"  besides {counted(others, 'network')} of other settings"] * bool(others)
    return Exported(target.place, tuple(lines), target.look)


class _Experiment:
    """The experiment of the run's name in a store; made if it is not there."""

    def __init__(self, data: RunData, target: Store, started: float) -> None:
        from mlflow import MlflowClient

        self._data, self._config, self._started = data, resolved(data.config), started
        self._client: Any = MlflowClient(target.uri, registry_uri=target.uri)
        found = self._client.get_experiment_by_name(data.config.name)
        self._id = found.experiment_id if found else self._made(target)

    def _made(self, target: Store) -> str:
        note = {"mlflow.note.content": self._data.tables.title}
        made = self._client.create_experiment(self._data.config.name, target.artifacts, note)
        return str(made)

    def write(self, each: Each) -> tuple[int, int]:
        """How many runs were written now, and how many of other cells there are besides."""
        there = self._there()
        written = 0
        for network in each(exported_networks(self._data)):
            known = there.pop(network.cell.id, {})
            made = content(network)
            digest = hashlib.sha256(json.dumps(made).encode()).hexdigest()
            if digest in known:
                self._client.log_text(known[digest], self._config, "config.yaml")
                continue
            for old in known.values():
                self._client.delete_run(old)
            self._log(network, made, digest)
            written += 1
        return written, len(there)

    def _there(self) -> dict[str, dict[str, str]]:
        """Ids of the runs of each cell, by the digest of their content."""
        found: dict[str, dict[str, str]] = {}
        filtered, token = f"tags.`{CELL}` != ''", None
        while True:
            page = self._client.search_runs([self._id], filtered, 1, MAX_RUNS, None, token)
            for one in page:
                info, tags = one.info, one.data.tags
                whole = info.status == "FINISHED"  # or else it was interrupted
                digest = tags.get(DIGEST) if whole else None
                found.setdefault(tags[CELL], {})[digest or info.run_id] = info.run_id
            token = page.token
            if not token:
                return found

    def _log(self, network: ExportedNetwork, made: Content, digest: str) -> None:
        from mlflow.entities import Metric, Param

        client, start = self._client, round(1000 * self._started)
        tags = {CELL: network.cell.id, DIGEST: digest, **made.tags}
        run_id = client.create_run(self._id, start, tags, made.name).info.run_id
        params = _parts([Param(*one) for one in made.params.items()], MAX_PARAMS)
        numbers = [Metric(name, value, start, step) for name, value, step in made.metrics]
        for some, more in zip_longest(_parts(numbers, MAX_METRICS), params, fillvalue=()):
            client.log_batch(run_id, some, more)
        client.log_text(run_id, self._config, "config.yaml")
        client.set_terminated(run_id, "FINISHED", start + round(1000 * network.record.seconds))


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[i : i + size] for i in range(0, len(items), size))
