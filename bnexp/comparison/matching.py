"""Which network of one run is which network of another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from bnexp.comparison.networks import Key, Numbers
from bnexp.comparison.stored import Stored
from bnexp.config.kinds import identity
from bnexp.errors import ConfigError
from bnexp.wording import equations


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
    for cell in run.plan.cells:
        setting = identity(cell.setting)
        values = [reduce(_inside, key.split("."), setting) for key in keys]
        place = (*(cell.point[key] for key in keys), cell.seed)
        found[place] = json.dumps([*values, cell.seed], sort_keys=True)
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
