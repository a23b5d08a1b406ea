"""The tensorboard export: learning curves as event files, which TensorBoard shows as runs.

Each network has a folder with one event file. Its first and last events hold the swept values for
the HPARAMS tab, in the protocol buffers of TensorBoard's plugin; the events between them are the
evaluations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from bnexp.config.load import resolved
from bnexp.exports.common import (
    Export,
    ExportedNetwork,
    NetworkProgress,
    exported_networks,
    require_libraries,
    silence_libraries,
    start_time,
    summary_line,
)
from bnexp.files import write_export
from bnexp.runs.data import RunData
from bnexp.text import shell_word

MAX_NAME = 120


def write_tensorboard(run: RunData, target: str, progress: NetworkProgress) -> Export:
    """Write every evaluation as a scalar, and the swept values as hyper-parameters.

    Scalars are the nearest float32: float64 tensors can be written, but TensorBoard's server does
    not show them (2.21). All have the time at which the run started.
    """
    started = start_time(run)
    networks = exported_networks(run)
    folders = folder_names(networks)

    def contents() -> Iterator[tuple[str, bytes]]:
        yield "config.yaml", resolved(run.config).encode()
        for exported in progress(networks):
            # With the id in its name, a file of other numbers is a new file to a running server.
            network = exported.network.id
            name = f"events.out.tfevents.{int(started)}.{network}"
            yield f"{folders[network]}/{name}", _event_file(exported, started)

    with silence_libraries():
        require_libraries("tensorboard", "tensorboard.summary.writer.record_writer")
        write_export(target, contents())
    lines = (summary_line(run, target), "  one run each; the HPARAMS tab filters")
    return Export(Path(target), lines, f"tensorboard --logdir {shell_word(target)}")


def folder_names(networks: Sequence[ExportedNetwork]) -> dict[str, str]:
    """The name of each network's folder, by the network's id.

    Names have only letters, digits and .,=+-_ and differ even where case is ignored: a long name is
    cut, and the network's id is added to a name that was cut or that several networks share.
    """
    names = {
        exported.network.id: re.sub(r"[^A-Za-z0-9.,=+-]+", "_", exported.name.replace(", ", ","))
        for exported in networks
    }
    counts = Counter(name.casefold() for name in names.values())
    return {
        network: f"{name[:MAX_NAME]}_{network}"
        if counts[name.casefold()] > 1 or len(name) > MAX_NAME
        else name
        for network, name in names.items()
    }


def _event_file(exported: ExportedNetwork, started: float) -> bytes:
    """The bytes of a network's event file: version, session start, evaluations, session end."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    record = exported.record
    start = plugin_data_pb2.SessionStartInfo(
        group_name=exported.network.id, start_time_secs=started
    )
    for key, value in exported.values.items():
        field = "string_value" if isinstance(value, str) else "number_value"
        setattr(start.hparams[key], field, value)
    end = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_SUCCESS, end_time_secs=started + record.seconds
    )
    first = _plugin_value(metadata.SESSION_START_INFO_TAG, session_start_info=start)
    last = _plugin_value(metadata.SESSION_END_INFO_TAG, session_end_info=end)

    buffer = BytesIO()
    writer = RecordWriter(buffer)

    def write_event(**fields: Any) -> None:
        event = Event(wall_time=started, **fields)
        writer.write(event.SerializeToString(deterministic=True))

    write_event(file_version="brain.Event:2")
    write_event(summary=Summary(value=[first]))
    for index, step in enumerate(record.steps):
        scalars = [  # train_loss is shown as train/loss: tags are grouped by their first part
            Summary.Value(tag=name.replace("_", "/", 1), simple_value=values[index])
            for name, values in record.metrics.items()
        ]
        write_event(step=step, summary=Summary(value=scalars))
    write_event(summary=Summary(value=[last]))
    return buffer.getvalue()


def _plugin_value(tag: str, **content: Any) -> Any:
    """A summary of the HParams plugin.

    The plugin's own `create_summary_metadata` does the same, but not always with the same bytes.
    """
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
