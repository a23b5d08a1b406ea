"""Run directories to report, and how a page is read back."""

from __future__ import annotations

import atexit
import json
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from unittest import mock

import numpy as np
import pytest

import bnexp
from bnexp import report
from bnexp.execution.task import train_task
from bnexp.runs.data import RunData, read_finished_run
from bnexp.text import printable

# Everything that could end an element, an attribute or a string of JavaScript.
HOSTILE = (
    "<script>document.body.id='bad'</script></script>]]>-->\"'<img src=x onerror=alert(1)>&\u2028"
)
SHOWN = printable(HOSTILE)  # what is not for reading stands there as its code
QUOTED = json.dumps(HOSTILE)

SMALL = f"""\
name: small
title: {QUOTED}
description: {QUOTED}
source: {QUOTED}
data: {{name: synthetic, train: 200, test: 100}}
model: {{hidden: [12, 12], init: {{kind: normal, std: 0.1}}}}
train: {{epochs: 3, batch_size: 50, optimizer: {{kind: sgd, lr: 0.1}}}}
random: {{seeds: [0, 1]}}
sweep:
  model.init.std: [1.0e+20, 0.29286445646252374, 0.01]
  model.norm: [batch, none]
claims:
  - says: {QUOTED}
    source: {QUOTED}
    measure: final_train_accuracy
    where: {{model.norm: batch}}
    above: {{where: {{model.norm: none}}}}
"""
# Another learning rate, and a seed more.
FASTER = SMALL.replace("lr: 0.1", "lr: 0.2").replace("seeds: [0, 1]", "seeds: [0, 1, 2]")
# Most tests need no drawing.
PLAIN = SMALL.replace("claims:", "figures: []\nclaims:")
LEAST = """\
name: least
data: {name: synthetic, train: 100, test: 0}
model: {hidden: [8]}
train: {epochs: 1, batch_size: 50}
"""
STRUCTURES = """\
name: structures
data: {name: synthetic, train: 100}
model: {hidden: [8]}
train: {epochs: 2, batch_size: 50}
sweep:
  model.norm: [{kind: batch, dialect: book}, {kind: batch, dialect: keras}, none]
  train.optimizer: [{kind: sgd, lr: 0.1}, {kind: adam, lr: 0.001}]
"""


def folder_of(text: str) -> Path:
    """A folder of its own with this experiment.yaml."""
    folder = Path(mkdtemp(prefix="report"))
    atexit.register(rmtree, folder, ignore_errors=True)
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    return folder


@cache
def made(text: str) -> Path:
    """The run directory of an experiment, trained once; not to be changed."""
    folder = folder_of(text)
    bnexp.run(str(folder / "experiment.yaml"), out=folder / "run")
    return folder / "run"


@cache
def made_with_failures() -> Path:
    """A run directory whose networks without a norm have failed; not to be changed."""

    def fails(task, on_step):
        if task.networks[0].setting.model.norm is None:
            raise MemoryError(f"out of {HOSTILE}")
        return train_task(task, on_step)

    folder = folder_of(PLAIN.replace(QUOTED, "words"))
    patched = mock.patch("bnexp.execution.processes.train_task", fails)
    with patched, pytest.raises(bnexp.NetworksFailed):
        bnexp.run(str(folder / "experiment.yaml"), out=folder / "run")
    return folder / "run"


@cache
def run(text: str):
    return read_finished_run(made(text))


@cache
def whole() -> str:
    """The small run's page with its figures."""
    return report.run_page(run(SMALL))


def hostile_labels() -> RunData:
    """The plain run with a norm's label and a manifest that are hostile too."""
    tables = run(PLAIN).tables
    renamed = {
        name: {**table, "model.norm": np.where(norm == "batch", HOSTILE, norm)}
        for name, table in (("metrics", tables.metrics), ("summary", tables.summary))
        for norm in [table["model.norm"].astype(object)]
    }
    axes = (tables.axes[0], replace(tables.axes[1], values=(HOSTILE, "none")))
    folder = folder_of(PLAIN)
    path = folder / "manifest.json"
    facts = {"name": HOSTILE, "started": "2026-01-02", "seconds": 1.0, "jobs": 1, "trained": 1}
    facts |= {"command": ["bnexp", HOSTILE], "environment": {HOSTILE: HOSTILE}, "data": {}}
    manifest = {"bnexp_manifest": 1, **facts}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    tables = replace(tables, axes=axes, **renamed)
    return replace(run(PLAIN), tables=tables, directory=folder)


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and the text within."""

    VOID = ("meta", "input", "img", "br", "link", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in self.VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        while self._open and self.elements[self._open.pop()][0] != tag:
            pass

    def handle_data(self, data):
        for number in self._open:
            self.elements[number][2].append(data)

    def all(self, tag, **wanted):
        return [
            (attributes, "".join(parts))
            for name, attributes, parts in self.elements
            if name == tag and wanted.items() <= attributes.items()
        ]

    def text(self, tag, **wanted):
        """The same with one space for any white space."""
        return [" ".join(text.split()) for _, text in self.all(tag, **wanted)]

    def cells(self, name):
        """The rows of the tables within the element of this id, as texts."""
        at = next(i for i, e in enumerate(self.elements) if e[1].get("id") == name)
        rows: list[list[str]] = []
        for tag, _, text in self.elements[at + 1 :]:
            if tag == "section":
                break
            if tag == "tr":
                rows.append([])
            elif tag in ("td", "th"):
                rows[-1].append("".join(text))
        return rows

    @property
    def table(self):
        """The rows of all tables, as texts."""
        rows: list[list[str]] = []
        for tag, _, text in self.elements:
            if tag == "tr":
                rows.append([])
            elif tag in ("td", "th"):
                rows[-1].append("".join(text))
        return rows

    @property
    def data(self):
        """What the explorer is given."""
        ((_, text),) = self.all("script", type="application/json")
        return json.loads(text)

    @property
    def rows(self):
        """Head and rows of the table of networks."""
        table = next(i for i, e in enumerate(self.elements) if e[1].get("class") == "sortable")
        parts = self.elements[table:]
        parts = parts[: next(i for i, e in enumerate(parts) if e[1].get("id") == "setting")]
        rows: list[list[tuple[str, dict[str, str | None]]]] = []
        for tag, attributes, text in parts:
            if tag == "tr":
                rows.append([])
            elif tag in ("td", "th"):
                rows[-1].append(("".join(text), attributes))
        return rows
