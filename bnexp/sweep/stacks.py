"""Stacks: cells of one structure, trained together along a leading axis."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Stack:
    """Cells that differ only in seed, initial weights and learning rate."""

    networks: tuple[Network, ...]


def make_stacks(
    networks: Iterable[Network], workers: int = 1, size: int | None = None
) -> list[Stack]:
    """Group cells by structure into stacks of at most `size`, the costliest first.

    How cells are grouped changes the time, never the numbers. Stacks of a group are of nearly equal
    size and, where there are enough cells, as many as keep all workers busy.
    """
    groups: dict[str, list[Network]] = {}
    for network in sorted(
        networks, key=lambda network: network.seed
    ):  # a seed's cells share their batches
        groups.setdefault(structure(network), []).append(network)
    ordered = sorted(groups.values(), key=lambda group: group[0].setting.model.norm is None)
    return [stack for group in ordered for stack in _split(group, workers, size)]


def stacks_by_step(
    networks: Iterable[Network], made: Mapping[str, int], workers: int = 1
) -> list[Stack]:
    """Stacks of cells that have made the same number of steps; the least trained ones first."""
    groups: dict[int, list[Network]] = {}
    for network in networks:
        groups.setdefault(made[network.id], []).append(network)
    return [stack for step in sorted(groups) for stack in make_stacks(groups[step], workers)]


def _split(group: Sequence[Network], workers: int, size: int | None) -> list[Stack]:
    size = size or stack_size(group[0].setting)
    number = math.ceil(len(group) / size)
    number = min(math.ceil(number / workers) * workers, len(group))
    ends = [len(group) * i // number for i in range(number + 1)]
    return [Stack(tuple(group[a:b])) for a, b in itertools.pairwise(ends)]


def stack_size(setting: Setting) -> int:
    """How many networks' activations fit the cache; 1 to 8."""
    if isinstance(setting.model, Cnn):
        return CNN_STACK
    number = 8 if setting.train.precision == "float64" else 4
    widest = setting.train.batch_size * sum(setting.model.hidden) * number
    return max(1, min(MAX_STACK, CACHE_BYTES // max(widest, 1)))


def structure(network: Network) -> str:
    """What cells of one stack must share: everything but seed, initial weights, learning rate."""
    shape = identity(network.setting)
    for key in ("init", "layer_init"):
        del shape["model"][key]
    del shape["train"]["optimizer"]["lr"]
    return json.dumps(shape, sort_keys=True)
