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

from bnexp.config.options import identity
from bnexp.errors import ConfigError, StoreError
from bnexp.metrics import metric_column
from bnexp.runs.data import RunData, read_run
from bnexp.runs.manifest import facts
from bnexp.runs.tables import Table, Value
from bnexp.sweep import Network
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


def network_numbers(data: RunData) -> dict[Key, Numbers]:
    """The numbers of each network that was evaluated: metrics, probe readings, divergence."""
    keys = axis_keys(data)
    numbers = {
        key: {
            name: _series(data.metrics, rows, name, "step")
            for name in data.metrics
            if metric_column(name)
        }
        for key, rows in _rows(data.metrics, [*keys, "seed"])
    }
    for (*key, quantity), rows in _rows(data.probes, [*keys, "seed", "quantity"]):
        if series := numbers.get(tuple(key)):
            series[str(quantity)] = _series(data.probes, rows, "value", "step", "layer", "at")
    for network, rows in _rows(data.summary, [*keys, "seed"]):
        if series := numbers.get(network):
            series["diverged_at_step"] = _series(data.summary, rows, "diverged_at_step")
    return dict(numbers)


def axis_keys(data: RunData) -> tuple[str, ...]:
    """The swept keys of a run."""
    return tuple(axis.key for axis in data.axes)


def _rows(table: Table, names: Sequence[str]) -> list[tuple[Key, NDArray[np.intp]]]:
    """The rows of each combination of the named columns' values, in the table's order."""
    if not len(next(iter(table.values()))):
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


def read_compared_run(path: Path) -> RunData:
    """As `read_run`; StoreError if the directory has neither results nor damaged cell files."""
    data = read_run(path)
    if not len(data.metrics["cell"]) and not data.damaged:
        raise StoreError(
            f"{path}: no finished network, expected cells or a metrics.csv with rows of its "
            "config.yaml's networks; run the experiment"
        )
    return data


def damaged_files(data: RunData) -> dict[Key, str]:
    """The networks whose cell file is damaged, with the file's path and what is wrong with it."""
    return {
        key_of(network): f"cells/{network.id}.json: {data.damaged[network.id]}"
        for network in data.plan.networks
        if network.id in data.damaged
    }


def run_facts(data: RunData) -> dict[str, str] | None:
    """Dotted keys of the environment and the data that a run was made with; None if unknown.

    They are the manifest's; the SHA-256 of the data are those that the records name.
    """
    if data.manifest is None and not data.records:
        return None
    known = facts(data.manifest or {})
    for network in data.plan.networks:
        if network.id in data.records:
            known[f"data.{network.setting.data.name}"] = data.records[network.id].data_sha256
    return known


@dataclass(frozen=True)
class Matched:
    """Networks of both runs by the swept keys that both have and the seed, in the first's order.

    A network is named by the first run where the two call the same value differently.
    """

    keys: tuple[str, ...]
    both: dict[Key, tuple[Numbers, Numbers]]
    only_first: tuple[Key, ...]
    only_second: tuple[Key, ...]


def matched(first: RunData, second: RunData) -> Matched:
    """ConfigError where several networks of one run have the same place among the common keys."""
    keys = tuple(key for key in axis_keys(first) if key in axis_keys(second))
    ours, theirs = _by(first, second, keys), _by(second, first, keys)
    if theirs.keys() - ours.keys() and ours.keys() - theirs.keys():
        theirs = _renamed(theirs, ours, _meanings(second, keys), _meanings(first, keys))
    return Matched(
        keys,
        {key: (ours[key], theirs[key]) for key in ours if key in theirs},
        tuple(key for key in ours if key not in theirs),
        tuple(key for key in theirs if key not in ours),
    )


def _meanings(run: RunData, keys: Sequence[str]) -> dict[Key, str]:
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


def _by(run: RunData, other: RunData, keys: Sequence[str]) -> dict[Key, Numbers]:
    places = [axis_keys(run).index(key) for key in keys]
    found: dict[Key, Numbers] = {}
    for key, numbers in network_numbers(run).items():
        short = (*(key[place] for place in places), key[-1])
        if short in found:
            raise _ambiguous(run, other, keys, short)
        found[short] = numbers
    return found


def _ambiguous(run: RunData, other: RunData, keys: Sequence[str], key: Key) -> ConfigError:
    own = ", ".join(name for name in axis_keys(run) if name not in keys)
    return ConfigError(
        f"{own}: swept in {run.directory} only, expected one network of it for each network of "
        f"{other.directory}, got several with {shown(keys, key)}; give the other experiment "
        "that axis too, of one value if need be"
    )


def shown(keys: Sequence[str], key: Key) -> str:
    """A network for messages: model.norm = batch, model.init.std = 0.01, seed 0."""
    point = equations(dict(zip(keys, key, strict=False)))
    return f"{point}, seed {key[-1]}" if point else f"seed {key[-1]}"
