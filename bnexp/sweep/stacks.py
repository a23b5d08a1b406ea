"""Stacks: networks of one structure, trained together along the leading axis of their arrays.

How networks are grouped changes the time of a run, never a network's numbers.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnexp.config.architecture import Cnn
from bnexp.config.experiment import Setting
from bnexp.config.options import identity
from bnexp.sweep.networks import Network

# A stack's activations of one batch should stay in a core's second-level cache; more than 8
# networks side by side gain nothing more.
CACHE_BYTES = 1_700_000
MAX_STACK = 8
# One image network's activations are larger than the cache; side by side two of them are slower.
CNN_STACK = 1


StackSize = Callable[[Sequence[Network]], int]  # of networks of one structure


@dataclass(frozen=True)
class Stack:
    """Networks that differ only in seed, initial weights and learning rate."""

    networks: tuple[Network, ...]


def make_stacks(
    networks: Iterable[Network], workers: int = 1, size: int | StackSize | None = None
) -> list[Stack]:
    """Group networks by structure into stacks of at most `size`, the slowest ones first.

    workers: the number of stacks of each structure is a multiple of it, if there are enough
        networks, so that all workers are busy to the end. Stacks of a group are of nearly equal
        size.
    size: default: as many networks as fit the cache, see `stack_size`. A function is given all
        networks of one structure.
    """
    structures: dict[int, str] = {}  # by the `id` of settings, which seeds share
    options: dict[Any, Any] = {}
    groups: dict[tuple[str, int | None], list[Network]] = {}
    for network in sorted(networks, key=lambda network: network.seed):  # equal seeds share batches
        key = id(network.setting)
        if key not in structures:
            structures[key] = structure(network.setting, options)
        seed = network.seed if images_depend_on_seed(network) else None
        groups.setdefault((structures[key], seed), []).append(network)
    # With a normalizer first: these take longer.
    ordered = sorted(groups.values(), key=lambda group: group[0].setting.model.norm is None)
    return [stack for group in ordered for stack in _split(group, workers, size)]


def stacks_by_step(
    networks: Iterable[Network],
    steps: Mapping[str, int],
    workers: int = 1,
    size: int | StackSize | None = None,
) -> list[Stack]:
    """Stacks of networks that have been trained for equally many steps, the least trained first.

    `steps` has the number of steps by network id; `workers` and `size` are those of `make_stacks`.
    """
    groups: dict[int, list[Network]] = {}
    for network in networks:
        groups.setdefault(steps[network.id], []).append(network)
    return [stack for step in sorted(groups) for stack in make_stacks(groups[step], workers, size)]


def _split(group: Sequence[Network], workers: int, size: int | StackSize | None) -> list[Stack]:
    most = size(group) if callable(size) else size or stack_size(group[0].setting)
    number = math.ceil(len(group) / most)
    number = min(math.ceil(number / workers) * workers, len(group))
    ends = [len(group) * i // number for i in range(number + 1)]
    return [Stack(tuple(group[start:end])) for start, end in itertools.pairwise(ends)]


def images_depend_on_seed(network: Network) -> bool:
    """Whether networks of other seeds see other images, so that these cannot share a stack."""
    data = network.setting.data
    return data.draw == "seed" or (network.place is not None and data.name == "gaussian")


def stack_size(setting: Setting) -> int:
    """How many networks' activations of one batch fit the cache, from 1 to 8."""
    if isinstance(setting.model, Cnn):
        return CNN_STACK
    bytes_per_number = 8 if setting.train.precision == "float64" else 4
    network_bytes = setting.train.batch_size * sum(setting.model.hidden) * bytes_per_number
    return max(1, min(MAX_STACK, CACHE_BYTES // max(network_bytes, 1)))


def structure(setting: Setting, memo: dict[Any, Any] | None = None) -> str:
    """What networks of one stack share: all but seed, initial weights and learning rate.

    `memo` is that of `identity`.
    """
    shape = identity(setting, memo)
    for key in ("init", "layer_init"):
        del shape["model"][key]
    optimizer = shape["train"]["optimizer"]
    shape["train"]["optimizer"] = {key: optimizer[key] for key in optimizer if key != "lr"}
    return json.dumps(shape, sort_keys=True)
