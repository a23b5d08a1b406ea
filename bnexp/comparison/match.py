"""The numbers of a run's networks, and which network of one run is which network of another.

A network is known by its swept values and its seed (`NetworkKey`), because its id changes with any
part of its setting. `network_numbers` collects all numbers of each network of a run from its
tables; `match_networks` pairs the networks of two runs by the keys that both sweep.
"""

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
from bnexp.runs.manifest import manifest_facts
from bnexp.runs.tables import Table, Value, group_rows
from bnexp.sweep import Network
from bnexp.text import equations

# The swept values in the order of the axes, and the seed.
NetworkKey: TypeAlias = tuple[Value, ...]

PLACES = ("step", "layer", "at")


@dataclass(frozen=True)
class Series:
    """One quantity of one network: n numbers, and where each of them belongs.

    places: (n, 3), the step, the layer and the place within the quantity (`at`) of each number; 0
    where a quantity has none. values: (n,), the numbers.
    """

    places: NDArray[np.float64]
    values: NDArray[np.float64]


Numbers: TypeAlias = Mapping[str, Series]  # all quantities of one network, by name


def network_key(network: Network) -> NetworkKey:
    """The key of a network of the plan."""
    return (*network.point.values(), network.seed)


def axis_keys(run: RunData) -> tuple[str, ...]:
    """The swept keys of a run."""
    return tuple(axis.key for axis in run.axes)


def describe_network(keys: Sequence[str], network: NetworkKey) -> str:
    """A network for messages: 'model.norm = batch, model.init.std = 0.01, seed 0'."""
    point = equations(dict(zip(keys, network, strict=False)))
    return f"{point}, seed {network[-1]}" if point else f"seed {network[-1]}"


def network_numbers(run: RunData) -> dict[NetworkKey, Numbers]:
    """The numbers of each network that was evaluated: metrics, probe readings, divergence."""
    names = [*axis_keys(run), "seed"]
    numbers = {
        network: {
            name: _series(run.metrics, rows, name, "step")
            for name in run.metrics
            if metric_column(name)
        }
        for network, rows in group_rows(run.metrics, names).items()
    }
    for (*key, quantity), rows in group_rows(run.probes, [*names, "quantity"]).items():
        if series := numbers.get(tuple(key)):
            series[str(quantity)] = _series(run.probes, rows, "value", *PLACES)
    for network, rows in group_rows(run.summary, names).items():
        if series := numbers.get(network):
            series["diverged_at_step"] = _series(run.summary, rows, "diverged_at_step")
    return dict(numbers)


def _series(table: Table, rows: NDArray[np.intp], name: str, *places: str) -> Series:
    """The values of a column in these rows, at the places that the table has columns of."""
    columns = [table[place][rows] if place in places else np.zeros(len(rows)) for place in PLACES]
    return Series(np.column_stack(columns).astype(np.float64), table[name][rows].astype(np.float64))


def read_compared_run(path: Path) -> RunData:
    """As `read_run`; StoreError if the directory has neither results nor damaged cell files."""
    run = read_run(path)
    if not len(run.metrics["cell"]) and not run.damaged:
        raise StoreError(
            f"{path}: no finished network, expected cells or a metrics.csv with rows of its "
            "config.yaml's networks; run the experiment"
        )
    return run


def damaged_files(run: RunData) -> dict[NetworkKey, str]:
    """The networks whose cell file is damaged, with the file's path and what is wrong with it."""
    return {
        network_key(network): f"cells/{network.id}.json: {run.damaged[network.id]}"
        for network in run.plan.networks
        if network.id in run.damaged
    }


def run_facts(run: RunData) -> dict[str, str] | None:
    """Dotted keys of the environment and the data that a run was made with; None if unknown.

    They are the manifest's; the SHA-256 of the data are those that the records name.
    """
    if run.manifest is None and not run.records:
        return None
    entries = manifest_facts(run.manifest or {})
    for network in run.plan.networks:
        if network.id in run.records:
            entries[f"data.{network.setting.data.name}"] = run.records[network.id].data_sha256
    return entries


@dataclass(frozen=True)
class MatchedNetworks:
    """The networks of two runs, by the swept keys that both have and the seed.

    keys: these swept keys. pairs: the numbers of the networks that are in both runs, in the first
    run's order. only_first, only_second: the networks that only one run has. A network has the
    first run's values where the two runs write the same value differently.
    """

    keys: tuple[str, ...]
    pairs: dict[NetworkKey, tuple[Numbers, Numbers]]
    only_first: tuple[NetworkKey, ...]
    only_second: tuple[NetworkKey, ...]


def match_networks(first: RunData, second: RunData) -> MatchedNetworks:
    """Match the networks of two runs.

    Values match if tables write them alike. Of the networks that are left then, those match whose
    values mean the same, such as a dialect and the options that it stands for.

    Raises ConfigError if several networks of one run have the same values of the common keys.
    """
    keys = tuple(key for key in axis_keys(first) if key in axis_keys(second))
    a, b = _by_common_keys(first, second, keys), _by_common_keys(second, first, keys)
    if a.keys() - b.keys() and b.keys() - a.keys():
        meanings_a, meanings_b = _meanings(first, keys), _meanings(second, keys)
        unmatched = {meanings_a[key]: key for key in a if key not in b and key in meanings_a}
        b = {
            key if key in a else unmatched.pop(meanings_b.get(key, ""), key): numbers
            for key, numbers in b.items()
        }
    return MatchedNetworks(
        keys,
        {key: (a[key], b[key]) for key in a if key in b},
        tuple(key for key in a if key not in b),
        tuple(key for key in b if key not in a),
    )


def _by_common_keys(run: RunData, other: RunData, keys: Sequence[str]) -> dict[NetworkKey, Numbers]:
    """The numbers of a run's networks by the values of the common keys, and the seed."""
    columns = [axis_keys(run).index(key) for key in keys]
    by_common_keys: dict[NetworkKey, Numbers] = {}
    for network, numbers in network_numbers(run).items():
        common = (*(network[column] for column in columns), network[-1])
        if common in by_common_keys:
            others = ", ".join(key for key in axis_keys(run) if key not in keys)
            raise ConfigError(
                f"{others}: swept in {run.directory} only, expected one network of it for each "
                f"network of {other.directory}, got several with "
                f"{describe_network(keys, common)}; give the other experiment that axis too, of "
                "one value if need be"
            )
        by_common_keys[common] = numbers
    return by_common_keys


def _meanings(run: RunData, keys: Sequence[str]) -> dict[NetworkKey, str]:
    """What each network's swept values mean, with all options written out, as text.

    Values have the same meaning exactly if they make the same setting.
    """

    def child(value: Any, name: str) -> Any:
        return value.get(name) if isinstance(value, Mapping) else None

    meanings = {}
    for network in run.plan.networks:
        setting = identity(network.setting)
        values = [reduce(child, key.split("."), setting) for key in keys]
        common = (*(network.point[key] for key in keys), network.seed)
        meanings[common] = json.dumps([*values, network.seed], sort_keys=True)
    return meanings
