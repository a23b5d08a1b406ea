"""Who works for a run on a cluster: workers are checked and given the data sets as they come."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from bnexp import __version__
from bnexp.data import Dataset
from bnexp.errors import BnexpError, ConfigError
from bnexp.execution import remote

LOOK = 0.5  # seconds between two looks at who is there


class ClusterLost(BnexpError):
    """The scheduler or all workers are gone; what was finished before is kept."""


class Crew:
    """The workers that `client`'s scheduler has.

    sets: the run's data sets by sha256, sent to each worker once, as many workers at a time as have
    come; classes: modules and names of users' own classes that workers must have as they are here;
    patience: seconds without any worker until it is ClusterLost.
    """

    def __init__(
        self,
        client: Any,
        sets: Mapping[str, Dataset],
        classes: Sequence[tuple[str, str]],
        patience: float,
    ) -> None:
        self._client = client
        self._sets = sets
        self._classes = classes
        self._patience = patience
        self._expected = remote.facts(classes)
        self._known: dict[str, str] = {}  # by address, the id of the process that was there
        self._seen = self._looked = time.monotonic()
        self._check("the scheduler", self._on_scheduler(remote.facts, classes))

    def __len__(self) -> int:
        return len(self._known)

    @property
    def lost(self) -> bool:
        """Whether the connection to the scheduler is gone for good."""
        return self._client.status in ("closing", "closed")

    def wait(self) -> Crew:
        """Look until there is a worker."""
        while not self._known:
            self._look()
            if not self._known:
                time.sleep(0.1)
        return self

    def look(self) -> None:
        """Look who is there, if the last look was a while ago."""
        if time.monotonic() - self._looked >= LOOK:
            self._look()

    def _look(self) -> None:
        if self.lost:
            raise ClusterLost(f"lost the connection to the scheduler; {self._rest()}")
        with suppress(OSError):  # the connection is being made again, or it will be closed
            there = self._there()
            new = [address for address, process in there.items() if self._is_new(address, process)]
            greeted = self._greet(new) if new else []
            self._known = {a: there[a] for a in there if a in greeted or a not in new}
        self._looked = time.monotonic()
        if self._known:
            self._seen = self._looked
        elif self._looked - self._seen > self._patience:
            raise ClusterLost(f"no worker for {self._patience:g} seconds; {self._rest()}")

    def _there(self) -> dict[str, str]:
        if self._client.status != "running":
            return {}
        return dict(self._on_scheduler(_processes))

    def _is_new(self, address: str, process: str) -> bool:
        return self._known.get(address) != process

    def _greet(self, new: Sequence[str]) -> list[str]:
        """Check who has come and send them the data that they lack; who is gone is left out."""
        told = self._ask(new, remote.facts, self._classes)
        for address, facts in told.items():
            self._check(f"worker {address}", facts)
        lacking = self._ask(list(told), remote.lacking, list(self._sets))
        for digest, data in self._sets.items():
            lack = [address for address, digests in lacking.items() if digest in digests]
            kept = self._ask(lack, remote.keep, data, list(self._sets)) if lack else {}
            lacking = {a: d for a, d in lacking.items() if a in kept or a not in lack}
        return list(lacking)

    def _ask(self, workers: Sequence[str], function: Any, *args: Any) -> dict[str, Any]:
        """Workers' answers, or their mistakes; without those that are gone."""
        answers = self._client.run(function, *args, workers=list(workers), on_error="return")
        return {a: answer for a, answer in answers.items() if not isinstance(answer, OSError)}

    def _on_scheduler(self, function: Any, *args: Any) -> Any:
        try:
            return self._client.run_on_scheduler(function, *args)
        except OSError:
            raise
        except Exception as error:
            return error

    def _check(self, who: str, facts: Any) -> None:
        """ConfigError where a process would not compute the same numbers."""
        if isinstance(facts, Exception):
            raise ConfigError(
                f"{who}: cannot use bnexp there, expected version {__version__} as here, got "
                f"{type(facts).__name__}: {facts}"
            )
        for name, expected in self._expected.items():
            if facts[name] != expected:
                raise ConfigError(
                    f"{who}: another {name} than here, expected {expected}, got {facts[name]}; "
                    "install the same versions on all machines"
                )

    def _rest(self) -> str:
        return "what is finished is kept, and the same command goes on from there"


def _processes(dask_scheduler: Any) -> dict[str, str]:
    """On the scheduler: its workers' addresses, and what tells a process from one before it."""
    workers = dask_scheduler.workers.values()
    return {worker.address: str(worker.server_id) for worker in workers}
