"""Checkpoints: the state of a long training, one file for each network, saved at intervals.

A network's file holds all that the rest of its training depends on, so that it goes on with the
same bits as without a stop. The files are the networks', not the stack's: what is trained beside a
network after the stop may be other networks than before.

A file is `checkpoints/ID.npz` in the run directory, in the format of `bnexp.files.encode_npz`. Its
JSON header has `format`, `cell` (the network's id), `data_sha256`, `step`, `layers` (their number),
`counts` (how many readings each probed step has), `readings` (step, quantity, layers and places of
each) and, if it was not trained on the CPU, its `device`. Its arrays, with a leading axis of length
1 unless they have no axes at all, are

    parameters/I/NAME  state/I/NAME  moments/I/NAME   those of layer I; moments: the optimizer's
    metrics/NAME                                      one number for each evaluation so far
    diverged_at                                       the step of divergence, -1 for none
    readings/I/J                                      reading J of the I-th probed step

Batches are not stored. The training loop draws them again up to `step`, from the same seed.

A checkpoint can only save time. If a file is missing, damaged, of another format, network or data,
or if its arrays are not those of the network (`fits`), the network starts at step 0. Files are
removed as soon as the network's cell file is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bnexp import files
from bnexp.config.stored import is_name
from bnexp.errors import StoreError
from bnexp.execution import stopping
from bnexp.files import read_file, remove_file, write_file
from bnexp.probes import Reading
from bnexp.sweep import Network
from bnexp.training import Snapshot

FORMAT = 1
KIND = "bnexp_checkpoint"
MAX_LAYERS = 10_000
MAX_INTEGER = 2**53  # up to here a float holds every integer
# Names of a snapshot's layers in a file; "moments" is what files call the optimizer's state.
LAYERS = {"parameters": "parameters", "state": "state", "moments": "opt_state"}


@dataclass(frozen=True)
class Checkpoints:
    """The folder of the files, and after how many seconds of training new ones are written.

    folder: `checkpoints/` of a run directory; it is made when the first file is written. seconds:
    the least time between two savings of a stack; training that takes less leaves no file, unless
    it is asked to stop (`bnexp.execution.stopping`). device: what the networks are trained on.
    """

    folder: Path
    seconds: float
    device: str = "cpu"

    def path(self, network: str) -> Path:
        """The file of the network with this id, whether it exists or not."""
        return self.folder / f"{network}.npz"

    def step(self, network: Network, data_sha256: str) -> int:
        """How many steps the network has made; 0 without a whole file for it and these data.

        data_sha256: the digest of the data set that the network is to be trained on. The run uses
        the step for its progress display, and stacks networks that stand at the same step.
        StoreError if the file exists and cannot be read.
        """
        snapshot = self.load([network], data_sha256)
        return snapshot.step if snapshot else 0

    def made_on(self, network: Network) -> str:
        """The device on which the network made its steps so far."""
        try:
            header, _ = files.decode_npz(
                KIND, FORMAT, read_file(self.path(network.id)) or b"", self.path(network.id)
            )
        except StoreError:
            return self.device
        return str(header.get("device", "cpu"))

    def load(self, networks: Sequence[Network], data_sha256: str) -> Snapshot | None:
        """Where a stack stands; None unless all its networks have made the same steps.

        The snapshot's arrays are (K, ...), in the order of `networks`. The networks need not have
        been saved from one stack. A file that is damaged, or of another network or data, counts as
        missing. StoreError if a file exists and cannot be read.
        """
        headers, stored = [], []
        for network in networks:
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
            headers.append(header)
            stored.append(arrays)
        try:
            if any(header["step"] != headers[0]["step"] for header in headers):
                return None
            joined = {
                name: np.concatenate([arrays[name] for arrays in stored]) if array.ndim else array
                for name, array in stored[0].items()
            }
            return _decode(headers[0], joined)
        except Exception:  # not what `save` wrote, whatever is wrong with it
            return None

    def save(self, networks: Sequence[Network], data_sha256: str, snapshot: Snapshot) -> None:
        """Write a file for each network of the stack.

        `snapshot` has K networks in the order of `networks`. Each file is written whole or not at
        all, but the files of a stack are not written together: after a kill in between, networks
        may stand at different steps. StoreError if a file cannot be written.
        """
        facts, arrays = _encode(snapshot)
        facts |= {} if self.device == "cpu" else {"device": self.device}
        files.check_folder(self.folder)
        for k, network in enumerate(networks):
            header = {"format": FORMAT, "cell": network.id, "data_sha256": data_sha256, **facts}
            # Arrays without axes are the same for all networks.
            part = {name: a[k : k + 1] if a.ndim else a for name, a in arrays.items()}
            write_file(self.path(network.id), files.encode_npz(KIND, header, part))

    def clear(self, networks: Sequence[str]) -> None:
        """Remove the files of finished networks."""
        files.check_folder(self.folder)
        for network in networks:
            remove_file(self.path(network))

    def saver(
        self, networks: Sequence[Network], data_sha256: str
    ) -> Callable[[Callable[[], Snapshot]], None]:
        """What the training loop calls after each step: saves when it is time to, or to stop.

        The clock starts with this call. What is returned takes a function that makes the snapshot,
        so that a step at which nothing is saved costs no copy.
        """
        last = time.monotonic()

        def save(snapshot: Callable[[], Snapshot]) -> None:
            nonlocal last
            if time.monotonic() - last >= self.seconds or stopping.requested():
                self.save(networks, data_sha256, snapshot())
                last = time.monotonic()

        return save


def _encode(snapshot: Snapshot) -> tuple[dict[str, Any], files.Arrays]:
    """The snapshot of a stack as the facts of a header and as arrays by the names of a file."""
    arrays: files.Arrays = {f"metrics/{n}": values for n, values in snapshot.metrics.items()}
    arrays["diverged_at"] = snapshot.diverged_at
    layers = {name: getattr(snapshot, field) for name, field in LAYERS.items()}
    arrays |= files.flatten_layers(**layers)
    readings = []
    for i, (step, read) in enumerate(snapshot.readings):
        for j, reading in enumerate(read):
            readings.append([step, reading.quantity, reading.layers, reading.at])
            arrays[f"readings/{i}/{j}"] = reading.values
    counts = [len(read) for _, read in snapshot.readings]
    facts = {"step": snapshot.step, "layers": len(snapshot.parameters), "counts": counts}
    return {**facts, "readings": readings}, arrays


def _decode(header: Mapping[str, Any], arrays: files.Arrays) -> Snapshot:
    """What `_encode` was given; any error where it is something else."""
    step, number = header["step"], header["layers"]
    if type(step) is not int or step < 0 or not 0 <= number <= MAX_LAYERS:
        raise ValueError("no such step, or too many layers")
    layers: dict[str, list[dict[str, Any]]] = {
        field: [{} for _ in range(number)] for field in LAYERS.values()
    }
    metrics = {}
    for path, array in arrays.items():
        part, _, name = path.partition("/")
        if part in LAYERS:
            layer, _, name = name.partition("/")
            layers[LAYERS[part]][int(layer)][name] = array
        elif part == "metrics":
            metrics[name] = array
    facts, readings = iter(header["readings"]), []
    for i, count in enumerate(header["counts"]):
        steps, read = [], []
        for j in range(count):
            step_read, quantity, numbers, places = next(facts)
            steps.append(step_read)
            values = arrays[f"readings/{i}/{j}"]
            read.append(Reading(quantity, values, tuple(numbers), tuple(places)))
        (only,) = {*steps}  # all readings of a probed step name it
        readings.append((only, tuple(read)))
    return Snapshot(
        step,
        **{field: tuple(each) for field, each in layers.items()},
        metrics=metrics,
        diverged_at=arrays["diverged_at"],
        readings=tuple(readings),
    )


def fits(snapshot: Snapshot, fresh: Snapshot, points: Sequence[int], probed: Sequence[int]) -> bool:
    """Whether a training that starts from `fresh` can have left the snapshot.

    Its step is one of this training; all arrays have the names, shapes and types of the fresh ones;
    the metrics have a number for each of the `points` so far, and what was read are the steps of
    `probed` so far, each quantity of the same layers once a step and at the same places. The
    numbers themselves cannot be told from others of that form.

    Arguments:
        snapshot: from a file. fresh: the stack before training, with metrics of no evaluation.
        points, probed: the steps that are evaluated and probed in the whole training.
    """
    if not 0 <= snapshot.step <= points[-1]:
        return False
    for field in LAYERS.values():
        layers, expected = getattr(snapshot, field), getattr(fresh, field)
        if len(layers) != len(expected) or not all(map(_same_form, layers, expected)):
            return False
    networks = len(fresh.diverged_at)
    shape = (networks, sum(point <= snapshot.step for point in points))
    if snapshot.metrics.keys() != (fresh.metrics.keys() if shape[1] else set()):
        return False
    if any(a.shape != shape or a.dtype != np.float64 for a in snapshot.metrics.values()):
        return False
    diverged_at = snapshot.diverged_at
    if diverged_at.shape != (networks,) or diverged_at.dtype != fresh.diverged_at.dtype:
        return False
    if ((diverged_at < -1) | (diverged_at > snapshot.step)).any():
        return False
    if [step for step, _ in snapshot.readings] != [s for s in probed if s <= snapshot.step]:
        return False
    places: dict[tuple[str, tuple[int, ...]], tuple[float, ...]] = {}
    for _, read in snapshot.readings:
        if not all(_is_reading(reading, networks, len(expected)) for reading in read):
            return False
        if len({(reading.quantity, reading.layers) for reading in read}) < len(read):
            return False
        for reading in read:
            at = places.setdefault((reading.quantity, reading.layers), reading.at)
            if not np.array_equal(at, reading.at, equal_nan=True):
                return False
    return True


def _same_form(layer: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Whether the arrays have the same names, shapes and types."""
    if layer.keys() != expected.keys():
        return False
    forms = [
        {n: (np.shape(a), np.asarray(a).dtype) for n, a in arrays.items()}
        for arrays in (layer, expected)
    ]
    return forms[0] == forms[1]


def _is_reading(reading: Reading, networks: int, layers: int) -> bool:
    """Whether a probe of so many networks, of at most so many layers with weights, can read it."""
    shape = (networks, len(reading.layers), len(reading.at))
    return (
        is_name(reading.quantity)
        and all(type(layer) is int and 0 <= layer <= layers for layer in reading.layers)
        and all(_is_place(place) for place in reading.at)
        and reading.values.shape == shape
        and reading.values.dtype.kind in "fiu"
    )


def _is_place(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= MAX_INTEGER)
