"""Which network of one run is which network of another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bnexp.config import Config
from bnexp.config.options import identity
from bnexp.errors import ConfigError, StoreError
from bnexp.metrics import metric_column
from bnexp.runs.data import RunData, read_run
from bnexp.runs.manifest import facts
from bnexp.runs.tables import Table, Value
from bnexp.sweep import Network, Plan
from bnexp.text import equations

Key: TypeAlias = tuple[Value, ...]  # a network: its swept values in the axes' order, and its seed


@dataclass(frozen=True)
class Series:
    """One quantity of one network: `places` (n, 3) are step, layer and at of the n `values`."""

    places: NDArray[np.float64]
    values: NDArray[np.float64]


Numbers: TypeAlias = Mapping[str, Series]


def key_of(network: Network) -> Key:
    """The cell among the networks of a table."""
    return (*network.point.values(), network.seed)


def networks(
    keys: Sequence[str], metrics: Table, summary: Table | None, probes: Table | None
) -> dict[Key, Numbers]:
    """The numbers of each network that was evaluated: metrics, probe readings, divergence."""
    found = {
        key: {name: _series(metrics, rows, name, "step") for name in metrics if metric_column(name)}
        for key, rows in _rows(metrics, [*keys, "seed"])
    }
    for (*key, quantity), rows in _rows(probes, [*keys, "seed", "quantity"]):
        if numbers := found.get(tuple(key)):
            numbers[str(quantity)] = _series(probes, rows, "value", "step", "layer", "at")
    for point, rows in _rows(summary, [*keys, "seed"]):
        if numbers := found.get(point):
            numbers["diverged_at_step"] = _series(summary, rows, "diverged_at_step")
    return dict(found)


def _rows(table: Table | None, names: Sequence[str]) -> list[tuple[Key, NDArray[np.intp]]]:
    """The rows of each combination of the named columns' values, in the table's order."""
    if table is None or not len(next(iter(table.values()))):
        return []
    index: dict[Key, int] = {}
    values = zip(*(table[name].tolist() for name in names), strict=True)
    which = np.array([index.setdefault(key, len(index)) for key in values])
    ends = np.cumsum(np.bincount(which))[:-1]
    return list(zip(index, np.split(np.argsort(which, kind="stable"), ends), strict=True))


def _series(table: Any, rows: NDArray[np.intp], name: str, *places: str) -> Series:
    columns = [table[place][rows] if place in places else np.zeros(len(rows)) for place in PLACES]
    return Series(np.column_stack(columns).astype(np.float64), table[name][rows].astype(np.float64))


PLACES = ("step", "layer", "at")


@dataclass(frozen=True)
class Stored:
    """A run directory. `damaged` maps networks to what is wrong with their files.

    facts: dotted key to text of the environment and the data that it was made with; None where
        nothing says so. unread: tables that would say more and are not there. renamed: whether the
        tables' cells are not those of its config.yaml, as after a change of bnexp or of the config.
    """

    path: Path
    config: Config
    plan: Plan
    networks: Mapping[Key, Numbers]
    damaged: Mapping[Key, str]
    facts: Mapping[str, str] | None
    unread: tuple[str, ...] = ()
    renamed: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(axis.key for axis in self.plan.axes)


def stored(path: Path) -> Stored:
    """Read a run directory, or a reference without cells; trains and writes nothing."""
    run = read_run(path)
    plan, tables = run.plan, run.tables
    known = networks(
        [axis.key for axis in plan.axes], tables.metrics, tables.summary, tables.probes
    )
    damaged = {
        key_of(network): f"cells/{network.id}.json: {run.damaged[network.id]}"
        for network in plan.networks
        if network.id in run.damaged
    }
    if not known and not damaged:
        raise StoreError(
            f"{path}: no finished network, expected cells or a metrics.csv with rows of its "
            "config.yaml's networks; run the experiment"
        )
    unread, renamed = run.missing_files, run.matched_by_values
    return Stored(path, run.config, plan, known, damaged, _facts(run), unread, renamed)


def _facts(run: RunData) -> dict[str, str] | None:
    """The manifest's, with the data that the cells themselves say they were trained on."""
    if run.manifest is None and not run.records:
        return None
    made = facts(run.manifest or {})
    for network in run.plan.networks:
        if network.id in run.records:
            made[f"data.{network.setting.data.name}"] = run.records[network.id].data_sha256
    return made


@dataclass(frozen=True)
class Matched:
    """Networks of both runs by the swept keys that both have and the seed, in the first's order.

    A network is named by the first run where the two call the same value differently.
    """

    keys: tuple[str, ...]
    both: dict[Key, tuple[Numbers, Numbers]]
    only_first: tuple[Key, ...]
    only_second: tuple[Key, ...]


def matched(first: Stored, second: Stored) -> Matched:
    """ConfigError where several networks of one run have the same place among the common keys."""
    keys = tuple(key for key in first.keys if key in second.keys)
    ours, theirs = _by(first, second, keys), _by(second, first, keys)
    if theirs.keys() - ours.keys() and ours.keys() - theirs.keys():
        theirs = _renamed(theirs, ours, _meanings(second, keys), _meanings(first, keys))
    return Matched(
        keys,
        {key: (ours[key], theirs[key]) for key in ours if key in theirs},
        tuple(key for key in ours if key not in theirs),
        tuple(key for key in theirs if key not in ours),
    )


def _meanings(run: Stored, keys: Sequence[str]) -> dict[Key, str]:
    """What each network's swept values come to, dialects written out: equal for equal settings."""
    found = {}
    for network in run.plan.networks:
        setting = identity(network.setting)
        values = [reduce(_inside, key.split("."), setting) for key in keys]
        place = (*(network.point[key] for key in keys), network.seed)
        found[place] = json.dumps([*values, network.seed], sort_keys=True)
    return found


def _inside(value: Any, part: str) -> Any:
    return value.get(part) if isinstance(value, Mapping) else None


def _renamed(
    theirs: Mapping[Key, Numbers],
    ours: Mapping[Key, Numbers],
    meant: Mapping[Key, str],
    known: Mapping[Key, str],
) -> dict[Key, Numbers]:
    """Their networks by our name for the same values, where we have none of their own name."""
    free = {known[key]: key for key in ours if key not in theirs and key in known}
    return {
        key if key in ours else free.pop(meant.get(key, ""), key): numbers
        for key, numbers in theirs.items()
    }


def _by(run: Stored, other: Stored, keys: Sequence[str]) -> dict[Key, Numbers]:
    places = [run.keys.index(key) for key in keys]
    found: dict[Key, Numbers] = {}
    for key, numbers in run.networks.items():
        short = (*(key[place] for place in places), key[-1])
        if short in found:
            raise _ambiguous(run, other, keys, short)
        found[short] = numbers
    return found


def _ambiguous(run: Stored, other: Stored, keys: Sequence[str], key: Key) -> ConfigError:
    own = ", ".join(name for name in run.keys if name not in keys)
    return ConfigError(
        f"{own}: swept in {run.path} only, expected one network of it for each network of "
        f"{other.path}, got several with {shown(keys, key)}; give the other experiment that axis "
        "too, of one value if need be"
    )


def shown(keys: Sequence[str], key: Key) -> str:
    """A network for messages: model.norm = batch, model.init.std = 0.01, seed 0."""
    point = equations(dict(zip(keys, key, strict=False)))
    return f"{point}, seed {key[-1]}" if point else f"seed {key[-1]}"
