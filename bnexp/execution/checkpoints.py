"""Checkpoints: where a long training stands, one file a network, written every so many seconds.

A network's file holds all that its further course depends on, so that it goes on with the same bits
as without a stop. The files are the network's, not the stack's: what is trained beside it after the
stop may be other networks than before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bnexp import files
from bnexp.errors import StoreError
from bnexp.files import read_file, remove_file, write_file
from bnexp.probes import Reading
from bnexp.sweep import Network
from bnexp.training import Snapshot

FORMAT = 1
KIND = "bnexp_checkpoint"
MAX_LAYERS = 10_000
Layers = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Checkpoints:
    """The folder of the files, and after how many seconds of training new ones are written."""

    folder: Path
    seconds: float

    def path(self, network: str) -> Path:
        return self.folder / f"{network}.npz"

    def step(self, network: Network, data_sha256: str) -> int:
        """How many steps the network has made; 0 without a whole file for it and these data."""
        made = self._load(network, data_sha256)
        return made.step if made else 0

    def load(self, networks: Sequence[Network], data_sha256: str) -> Snapshot | None:
        """Where a stack stands; None unless all its networks have made the same steps."""
        alone = [self._load(network, data_sha256) for network in networks]
        found = [snapshot for snapshot in alone if snapshot is not None]
        if len(found) < len(networks) or len({snapshot.step for snapshot in found}) > 1:
            return None
        return joined(found)

    def save(self, networks: Sequence[Network], data_sha256: str, snapshot: Snapshot) -> None:
        for k, network in enumerate(networks):
            about = {"format": FORMAT, "cell": network.id, "data_sha256": data_sha256}
            write_file(self.path(network.id), _encoded(about, alone(snapshot, k)))

    def clear(self, networks: Sequence[str]) -> None:
        """Forget finished networks' files."""
        for network in networks:
            remove_file(self.path(network))

    def keeper(
        self, networks: Sequence[Network], data_sha256: str
    ) -> Callable[[Callable[[], Snapshot]], None]:
        """What the training loop calls after each step: saves where it is time to."""
        last = time.monotonic()

        def keep(snapshot: Callable[[], Snapshot]) -> None:
            nonlocal last
            if time.monotonic() - last >= self.seconds:
                self.save(networks, data_sha256, snapshot())
                last = time.monotonic()

        return keep

    def _load(self, network: Network, data_sha256: str) -> Snapshot | None:
        """The network's snapshot; a file that is damaged or another's is none."""
        path = self.path(network.id)
        content = read_file(path)
        if content is None:
            return None
        try:
            header, arrays = files.decode_npz(KIND, FORMAT, content, path)
        except StoreError:
            return None
        if (header.get("cell"), header.get("data_sha256")) != (network.id, data_sha256):
            return None
        try:
            return _decoded(header, arrays)
        except Exception:  # whole, but not what `save` wrote: whatever is amiss, it is none
            return None


def alone(snapshot: Snapshot, k: int) -> Snapshot:
    """Network k of a stack's snapshot, its arrays (1, ...)."""

    def own(layers: Sequence[Mapping[str, Any]]) -> Layers:
        return tuple({n: a[k : k + 1] if a.ndim else a for n, a in p.items()} for p in layers)

    return Snapshot(
        snapshot.step,
        own(snapshot.parameters),
        own(snapshot.state),
        own(snapshot.moments),
        {name: values[k : k + 1] for name, values in snapshot.metrics.items()},
        snapshot.diverged_at[k : k + 1],
        tuple(
            (step, tuple(Reading(r.quantity, r.values[k : k + 1], r.layers, r.at) for r in read))
            for step, read in snapshot.readings
        ),
    )


def joined(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Networks at the same step side by side."""

    def together(parts: Sequence[Sequence[Mapping[str, Any]]]) -> Layers:
        return tuple(_layer(layer) for layer in zip(*parts, strict=True))

    first = snapshots[0]
    return Snapshot(
        first.step,
        together([s.parameters for s in snapshots]),
        together([s.state for s in snapshots]),
        together([s.moments for s in snapshots]),
        {n: np.concatenate([s.metrics[n] for s in snapshots]) for n in first.metrics},
        np.concatenate([s.diverged_at for s in snapshots]),
        tuple(
            (moments[0][0], tuple(map(_side_by_side, zip(*(r for _, r in moments), strict=True))))
            for moments in zip(*(s.readings for s in snapshots), strict=True)
        ),
    )


def _layer(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One layer's arrays side by side; an array without axes is the same for all networks."""
    first = parts[0]
    return {n: np.concatenate([p[n] for p in parts]) if a.ndim else a for n, a in first.items()}


def _side_by_side(readings: Sequence[Reading]) -> Reading:
    first = readings[0]
    values = np.concatenate([reading.values for reading in readings])
    return Reading(first.quantity, values, first.layers, first.at)


def _encoded(about: Mapping[str, Any], snapshot: Snapshot) -> bytes:
    arrays: files.Arrays = {f"metrics/{n}": values for n, values in snapshot.metrics.items()}
    arrays["diverged_at"] = snapshot.diverged_at
    arrays |= files.flatten_layers(
        parameters=snapshot.parameters, state=snapshot.state, moments=snapshot.moments
    )
    readings = []
    for i, (step, read_then) in enumerate(snapshot.readings):
        for j, reading in enumerate(read_then):
            readings.append([step, reading.quantity, reading.layers, reading.at])
            arrays[f"readings/{i}/{j}"] = reading.values
    counts = [len(read_then) for _, read_then in snapshot.readings]
    header = {"step": snapshot.step, "layers": len(snapshot.parameters), "counts": counts}
    return files.encode_npz(KIND, {**about, **header, "readings": readings}, arrays)


def _decoded(header: Mapping[str, Any], arrays: files.Arrays) -> Snapshot:
    step, layers = header["step"], header["layers"]
    if type(step) is not int or step < 0 or not 0 <= layers <= MAX_LAYERS:
        raise ValueError("no such step, or too many layers")
    parts: dict[str, list[dict[str, Any]]] = {
        part: [{} for _ in range(layers)] for part in ("parameters", "state", "moments")
    }
    for name, array in arrays.items():
        part, _, rest = name.partition("/")
        if part in parts:
            layer, _, own = rest.partition("/")
            parts[part][int(layer)][own] = array
    metrics = {n.partition("/")[2]: a for n, a in arrays.items() if n.startswith("metrics/")}
    about = iter(header["readings"])
    readings = tuple(
        _moment([(next(about), arrays[f"readings/{i}/{j}"]) for j in range(count)])
        for i, count in enumerate(header["counts"])
    )
    return Snapshot(
        step,
        tuple(parts["parameters"]),
        tuple(parts["state"]),
        tuple(parts["moments"]),
        metrics,
        arrays["diverged_at"],
        readings,
    )


def _moment(read_then: Sequence[tuple[Any, Any]]) -> tuple[int, tuple[Reading, ...]]:
    """One moment's step and readings."""
    made = tuple(
        Reading(quantity, values, tuple(layers), tuple(at))
        for (_, quantity, layers, at), values in read_then
    )
    return read_then[0][0][0], made
