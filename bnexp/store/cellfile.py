"""A cell's file: one line with format and SHA-256, one line of JSON with the record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from bnexp.execution import Record
from bnexp.execution.task import Probed

FORMAT = 3


class Damaged(Exception):
    """The file is not a whole cell file of this format; the text says why."""


def encode(record: Record) -> bytes:
    body = json.dumps(asdict(record), separators=(",", ":")).encode()
    head = {"bnexp_cell": FORMAT, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n" + body + b"\n"


def decode(content: bytes, cell: str) -> Record:
    """The record of `cell`; Damaged if the content is anything but what `encode` wrote for it."""
    head, _, rest = content.partition(b"\n")
    body = rest.removesuffix(b"\n")
    try:
        about: Any = json.loads(head)
        version, digest = about["bnexp_cell"], about["sha256"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Damaged("damaged") from None
    if version != FORMAT:
        raise Damaged(f"of format {version}, this bnexp writes {FORMAT}")
    if not rest.endswith(b"\n") or hashlib.sha256(body).hexdigest() != digest:
        raise Damaged("damaged")
    try:
        record = _record(json.loads(body))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Damaged("not a record") from None
    if record.cell != cell:
        raise Damaged("another network's")
    return record


def _record(fields: dict[str, Any]) -> Record:
    for name in ("steps", "epochs"):
        fields[name] = tuple(fields[name])
    fields["metrics"] = {name: tuple(values) for name, values in fields["metrics"].items()}
    fields["probes"] = tuple(
        Probed(read.pop("quantity"), **{name: tuple(values) for name, values in read.items()})
        for read in fields["probes"]
    )
    return Record(**fields)
