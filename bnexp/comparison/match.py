"""The networks and numbers of two runs: which belong together, and how far apart they are.

A network is known by its swept values and its seed (`NetworkKey`), because its id changes with any
part of its setting. `network_numbers` collects all numbers of each network of a run from its
tables; `match_networks` pairs the networks of two runs by the keys that both sweep, `pair_series`
the numbers of two networks by their places.

Numbers are compared to the last bit (`identical`), and the size of a deviation is relative for
large numbers and absolute for small ones (`deviation_sizes`). What may explain a deviation is
compared as dotted keys with texts (`key_differences`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import inf
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bnexp.config.options import identity
from bnexp.errors import ConfigError, StoreError
from bnexp.metrics import metric_column
from bnexp.runs.data import RunData, read_run
from bnexp.runs.manifest import ABSENT, manifest_facts
from bnexp.runs.tables import Table, Value, axis_texts, group_rows
from bnexp.sweep import Network
from bnexp.text import Texts, equations

# The swept values in the order of the axes, and the seed.
NetworkKey: TypeAlias = tuple[Value, ...]

Floats: TypeAlias = NDArray[np.float64]

PLACES = ("step", "layer", "at")


@dataclass(frozen=True)
class Series:
    """One quantity of one network: n numbers, and where each of them belongs.

    places: (n, 3), the step, the layer and the place within the quantity (`at`) of each number; 0
    where a quantity has none. values: (n,), the numbers.
    """

    places: Floats
    values: Floats


Numbers: TypeAlias = Mapping[str, Series]  # all quantities of one network, by name


def network_key(network: Network) -> NetworkKey:
    """The key of a network of the plan, as `network_numbers` uses it."""
    return (*network.point.values(), network.seed)


def axis_keys(run: RunData) -> tuple[str, ...]:
    """The swept keys of a run."""
    return tuple(axis.key for axis in run.axes)


def describe_network(keys: Sequence[str], network: NetworkKey, texts: Texts) -> str:
    """A network for messages: 'model.norm = batch, model.init.std = 0.01, seed 0'.

    texts: those of the values of the axes, see `axis_texts`.
    """
    point = equations(dict(zip(keys, network, strict=False)), texts)
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
class Deviation:
    """Two numbers that should be the same and are not.

    name, step, layer, at: which number: of which quantity, after which step, of which layer (0: the
    whole network), and where in the quantity (0 or NaN for one number). first, second: the two
    numbers. size: how far they are apart; 0 if only the sign of a zero differs.
    """

    name: str
    step: int
    layer: int
    at: float
    first: float
    second: float
    size: float

    def __str__(self) -> str:
        layer = f" of layer {self.layer}" if self.layer else ""
        place = f" at {self.at:.4g}" if self.at and np.isfinite(self.at) else ""
        step = f", step {self.step}" if self.step or layer or place else ""
        return f"{self.name}{layer}{place}{step}"


def identical(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """Which numbers are the same to the last bit; any NaN is the same as any other.

    >>> identical(np.array([0.0, np.nan]), np.array([-0.0, np.nan])).tolist()
    [False, True]
    """
    same: NDArray[np.bool_] = a.view(np.int64) == b.view(np.int64)
    return same | (np.isnan(a) & np.isnan(b))


def deviation_sizes(a: Floats, b: Floats, relative: bool = True) -> Floats:
    """|a - b| / max(1, |a|, |b|): relative for large numbers, absolute for small ones.

    Infinite if only one of the two is a number, or if one is infinite and the other is not.

    relative: whether to divide; otherwise the size is |a - b|.

    >>> deviation_sizes(np.array([0.5, 100.0, 1.0]), np.array([0.25, 80.0, np.nan])).tolist()
    [0.25, 0.2, inf]
    """
    with np.errstate(all="ignore"):
        sizes = np.abs(a - b)
        if relative:
            sizes /= np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
    sizes = np.where(np.isnan(sizes), np.inf, sizes)
    return np.where(identical(a, b), 0.0, sizes)


@dataclass(frozen=True)
class PairedSeries:
    """The numbers of two series at their common places.

    places, first, second: (n, 3), (n,) and (n,). only_first, only_second: how many numbers of
    either series have no partner in the other.
    """

    places: Floats
    first: Floats
    second: Floats
    only_first: int = 0
    only_second: int = 0

    def largest_deviation(self, name: str) -> Deviation | None:
        """The first of the largest deviations; None if all numbers are identical."""
        different = ~identical(self.first, self.second)
        if not different.any():
            return None
        sizes = deviation_sizes(self.first, self.second)
        index = int(np.argmax(np.where(different, sizes, -1.0)))
        step, layer, place = self.places[index].tolist()
        numbers = float(self.first[index]), float(self.second[index])
        return Deviation(name, int(step), int(layer), place, *numbers, float(sizes[index]))


def pair_series(a: Series, b: Series) -> PairedSeries:
    """Pair the numbers of the same step, layer and place; several at one place in their order.

    Two runs may have been evaluated or probed at different steps: what has no partner is counted.
    """
    if np.array_equal(a.places, b.places, equal_nan=True):
        return PairedSeries(a.places, a.values, b.values)

    def index(series: Series) -> dict[tuple[object, ...], int]:
        """The row of each place, which is numbered among equal ones; NaN equals NaN."""
        counts: Counter[tuple[object, ...]] = Counter()
        rows = {}
        for row, numbers in enumerate(series.places.tolist()):
            place = tuple("nan" if number != number else number for number in numbers)
            counts[place] += 1
            rows[*place, counts[place]] = row
        return rows

    first, second = index(a), index(b)
    common = [(row, second[place]) for place, row in first.items() if place in second]
    rows = np.array(common, np.intp).reshape(-1, 2)
    return PairedSeries(
        a.places[rows[:, 0]],
        a.values[rows[:, 0]],
        b.values[rows[:, 1]],
        len(first) - len(common),
        len(second) - len(common),
    )


@dataclass(frozen=True)
class Difference:
    """A key, and what each of two sides has there, as text."""

    key: str
    first: str
    second: str


def key_differences(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[Difference, ...]:
    """The keys whose texts differ, in their order; a key that one side lacks is absent there.

    first, second: for example the environments of two runs (`run_facts`), or their configs.

    >>> key_differences({"numpy": "1.26", "blas": "OpenBLAS"}, {"numpy": "2.0", "blas": "OpenBLAS"})
    (Difference(key='numpy', first='1.26', second='2.0'),)
    """
    differences = (
        Difference(key, first.get(key, ABSENT), second.get(key, ABSENT))
        for key in dict.fromkeys([*first, *second])
    )
    return tuple(d for d in differences if d.first != d.second)


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
            name = describe_network(keys, common, axis_texts(run.axes))
            raise ConfigError(
                f"{others}: swept in {run.directory} only, expected one network of it for each "
                f"network of {other.directory}, got several with {name}; "
                "give the other experiment that axis too, of one value if need be"
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


def check_tolerance(tolerance: float) -> None:
    """ConfigError for a tolerance that is negative, infinite or NaN."""
    if not 0 <= tolerance < inf:
        raise ConfigError(f"tolerance: expected a number of at least 0, got {tolerance}")
