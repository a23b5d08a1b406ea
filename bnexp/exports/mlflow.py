"""Networks as MLflow runs, in a local database or on a tracking server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, TypeVar

from bnexp.config.writing import resolved
from bnexp.errors import StoreError
from bnexp.exports.libraries import environment, quiet, require
from bnexp.exports.mlflowplace import Store, store
from bnexp.exports.mlflowrun import Content, content
from bnexp.exports.run import Each, Exported, Network, Run
from bnexp.wording import counted

T = TypeVar("T")

# The most that MLflow takes in one call.
MAX_METRICS, MAX_PARAMS, MAX_RUNS = 900, 100, 1000  # of metrics and parameters 1000 together
CELL, DIGEST = "bnexp.cell", "bnexp.sha256"
# MLflow reports to its makers as soon as it is imported, and asks a dead address for minutes.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


def write(run: Run, place: str, each: Each) -> Exported:
    """An experiment of the config's name, with a run for each network.

    `place` is a folder, for a database and its artifacts, or a tracking URI. A run is known by its
    cell: one that is there with the same content stays, one with other content is replaced.
    """
    with environment(ENVIRONMENT), quiet():
        require("mlflow", "mlflow", "sqlalchemy", "alembic")
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            target = store(place)
            written, others = _Experiment(run, target).write(each)
        except (MlflowException, SQLAlchemyError, ImportError) as error:
            reason = str(error).partition("\n")[0]
            raise StoreError(f"{place}: MLflow could not write, {reason}") from error
    lines = [f"{run.size} in {place}, experiment {run.config.name}"]
    lines += [f"  {len(run.networks) - written} of them were there"] * (written < len(run.networks))
    lines += [f"  besides {counted(others, 'network')} of other settings"] * bool(others)
    return Exported(target.place, tuple(lines), target.look)


class _Experiment:
    """The experiment of the run's name in a store; made if it is not there."""

    def __init__(self, run: Run, target: Store) -> None:
        from mlflow import MlflowClient

        self._run, self._config = run, resolved(run.config)
        self._client: Any = MlflowClient(target.uri, registry_uri=target.uri)
        found = self._client.get_experiment_by_name(run.config.name)
        self._id = found.experiment_id if found else self._made(target)

    def _made(self, target: Store) -> str:
        note = {"mlflow.note.content": self._run.tables.title}
        made = self._client.create_experiment(self._run.config.name, target.artifacts, note)
        return str(made)

    def write(self, each: Each) -> tuple[int, int]:
        """How many runs were written now, and how many of other cells there are besides."""
        there = self._there()
        written = 0
        for network in each(self._run.networks):
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

    def _log(self, network: Network, made: Content, digest: str) -> None:
        from mlflow.entities import Metric, Param

        client, start = self._client, round(1000 * self._run.started)
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
