"""Run directories, and what can happen to them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

import bnexp
from bnexp.metrics import metric_column
from bnexp.runs.csv import csv_text, read_table
from bnexp.runs.directory import decode_cell, encode_cell
from bnexp.sweep import make_plan


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder: its bytes and when it was changed."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def cells(directory: Path):
    """The plan's cells in the sweep's order, of the directory's own config."""
    return make_plan(bnexp.load_config(directory / "config.yaml")).networks


def change(directory: Path, number: int, **columns) -> Path:
    """Change metrics of one cell, by functions of their values; its checksum is right again."""
    network = cells(directory)[number]
    path = directory / "cells" / f"{network.id}.json"
    record = decode_cell(path.read_bytes(), network.id)
    made = {
        name: tuple(make(values))
        for name, make in columns.items()
        for values in [record.metrics[name]]
    }
    path.write_bytes(encode_cell(replace(record, metrics={**record.metrics, **made})))
    return path


def reference(directory: Path, to: Path) -> Path:
    """A copy without cells."""
    shutil.copytree(directory, to, ignore=shutil.ignore_patterns("cells", "checkpoints", ".lock"))
    return to


def agree(directory: Path) -> None:
    """Write the final and best values of summary.csv again, as metrics.csv has them."""
    metrics, summary = (dict(read_table(directory / f"{n}.csv")) for n in ("metrics", "summary"))
    for name in summary:
        if column := metric_column(name):
            best = np.fmin if column.metric.better == "lower" else np.fmax
            values = metrics[f"{column.images}_{column.name}"]
            for row, network in enumerate(summary["cell"]):
                own = values[metrics["cell"] == network]
                summary[name][row] = own[-1] if column.summary == "final" else best.reduce(own)
    (directory / "summary.csv").write_text(csv_text(summary))


def manifest(directory: Path, **environment) -> None:
    """Change what the manifest says of the environment."""
    path = directory / "manifest.json"
    made = json.loads(path.read_text())
    made["environment"].update(environment)
    path.write_text(json.dumps(made))
