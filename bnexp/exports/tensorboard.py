"""Learning curves as TensorBoard's event files: a folder, there called a run, for each network."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from bnexp.config.load import resolved
from bnexp.exports.base import (
    Each,
    Exported,
    ExportedNetwork,
    exported_networks,
    quiet,
    require,
    start_time,
)
from bnexp.files import write_export
from bnexp.runs.data import RunData
from bnexp.text import counted

MAX_NAME = 120


def write(data: RunData, place: str, each: Each) -> Exported:
    """Every evaluation as a scalar, and the swept values as hyper-parameters.

    Scalars are the nearest float32: float64 tensors can be written, but TensorBoard's server does
    not show them (2.21). All have the time at which the run started.
    """
    started = start_time(data)
    with quiet():
        require("tensorboard", "tensorboard.summary.writer.record_writer")
        write_export(place, _contents(data, started, each))
    return Exported(
        Path(place),
        (
            f"{counted(len(data.records), 'network')} in {place}",
            "  one run each; the HPARAMS tab filters",
        ),
        f"tensorboard --logdir {shlex.quote(place)}",
    )


def _contents(data: RunData, started: float, each: Each) -> Iterator[tuple[str, bytes]]:
    networks = exported_networks(data)
    folders = names(networks)
    yield "config.yaml", resolved(data.config).encode()
    for network in each(networks):
        # With the cell in its name a file of other numbers is another file to who reads on.
        name = f"events.out.tfevents.{int(started)}.{network.cell.id}"
        yield f"{folders[network.cell.id]}/{name}", _file(network, started)


def names(networks: Sequence[ExportedNetwork]) -> dict[str, str]:
    """A folder's name for each cell: safe on every file system, and each only once."""
    short = {network.cell.id: _safe(network.name) for network in networks}
    shared = Counter(name.casefold() for name in short.values())
    return {
        cell: f"{name[:MAX_NAME]}_{cell}"
        if shared[name.casefold()] > 1 or len(name) > MAX_NAME
        else name
        for cell, name in short.items()
    }


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.,=+-]+", "_", name.replace(", ", ","))


def _file(network: ExportedNetwork, time: float) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = BytesIO()
    writer = RecordWriter(buffer)
    for event in [
        Event(wall_time=time, file_version="brain.Event:2"),
        *_events(network, time),
    ]:
        writer.write(event.SerializeToString(deterministic=True))
    return buffer.getvalue()


def _events(network: ExportedNetwork, time: float) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    record = network.record
    start, end = _hyperparameters(network, time)
    yield Event(wall_time=time, summary=Summary(value=[start]))
    for i, step in enumerate(record.steps):
        scalars = [
            Summary.Value(tag=name.replace("_", "/", 1), simple_value=values[i])
            for name, values in record.metrics.items()
        ]
        yield Event(wall_time=time, step=step, summary=Summary(value=scalars))
    yield Event(wall_time=time, summary=Summary(value=[end]))


def _hyperparameters(network: ExportedNetwork, time: float) -> tuple[Any, Any]:
    """The HParams plugin's two summaries around a run."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    start = plugin_data_pb2.SessionStartInfo(group_name=network.cell.id, start_time_secs=time)
    for key, value in network.point.items():
        field = "string_value" if isinstance(value, str) else "number_value"
        setattr(start.hparams[key], field, value)
    seconds = network.record.seconds
    end = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_SUCCESS, end_time_secs=time + seconds
    )
    return (
        _plugin_value(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        _plugin_value(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    )


def _plugin_value(tag: str, **content: Any) -> Any:
    """As the plugin's own `create_summary_metadata`, whose bytes are not the same every time."""
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    plugin = summary_pb2.SummaryMetadata.PluginData(
        plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString(deterministic=True)
    )
    return summary_pb2.Summary.Value(
        tag=tag,
        metadata=summary_pb2.SummaryMetadata(plugin_data=plugin),
        tensor=metadata.NULL_TENSOR,
    )
