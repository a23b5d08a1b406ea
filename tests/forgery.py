"""Forged files of a run: right ones, changed at random, with the checksums that belong to them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import warnings
from contextlib import suppress
from copy import deepcopy

import numpy as np
import yaml

from bnexp import files
from bnexp.execution import checkpoints
from bnexp.model import FORMAT as MODEL
from bnexp.model import KIND as NETWORK
from bnexp.runs.directory import FORMAT as CELL

ODD = (
    None, True, False, -1, 0, 1, 2, 7, 0.5, -0.0, 1e-320, 1e308, math.inf, -math.inf, math.nan,
    2**31, 2**63, 10**30, "", "x", "\x1b[31m", "two\nlines", "\ud800", "../../etc", "/dev/zero",
    "ok", "nan", "none", [], {}, [[]], [None], {"kind": "x"}, {"": ""}, "x" * 5000, [0] * 1000,
)  # fmt: skip
FIELDS = (
    "", "nan", "inf", "-inf", "-1", "0", "1", "2", "1.5", "0.25", "1e400", "0x10", "1_000",
    "\u0661", "9" * 30, "\x1b[31m", "two\nlines", "ok", "failed", "diverged", "x" * 5000, "true",
    " 1", "\"",
)  # fmt: skip


def places(value, path=()):
    """The paths of everything in plain values."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def change_values(value, draw):
    """Plain values with one to three of them gone, another, twice, or under another name."""
    value = deepcopy(value)
    for _ in range(draw.randint(1, 3)):
        path = draw.choice([*places(value)])
        if not path:
            return deepcopy(draw.choice(ODD))
        (*above, last), holder = path, value
        for key in above:
            holder = holder[key]
        old = holder[last]
        how = draw.choice(("odd", "odd", "gone", "near", "swap", "add", "deep"))
        if how == "odd":
            holder[last] = deepcopy(draw.choice(ODD))
        elif how == "gone":
            del holder[last]
        elif how == "near" and isinstance(old, int | float) and not isinstance(old, bool):
            holder[last] = draw.choice((old + 1, old - 1, -old, old * 2, float(old), str(old)))
        elif how == "swap":
            other = (
                draw.choice([*holder]) if isinstance(holder, dict) else draw.randrange(len(holder))
            )
            holder[last], holder[other] = holder[other], old
        elif how == "add" and isinstance(holder, dict):
            holder[draw.choice(("extra", "\x1b[2J", "", "kind", "cell"))] = deepcopy(old)
        elif how == "add":
            holder.insert(draw.randrange(len(holder) + 1), deepcopy(old))
        elif how == "deep":
            for _ in range(draw.choice((1, 40, 400))):
                old = [old]
            holder[last] = old
            break
    return value


def change_bytes(content, draw):
    """Bytes flipped, cut out, doubled or put in."""
    content = bytearray(content)
    for _ in range(draw.randint(1, 3)):
        i = draw.randrange(len(content) + 1)
        j = min(len(content), i + draw.randrange(40))
        part = draw.choice((b"", b"\0" * 9, draw.randbytes(5), bytes(content[i:j]) * 2))
        content[i:j] = part
    return bytes(content)


def forge_cell(content, draw):
    fields = change_values(json.loads(content.split(b"\n")[1]), draw)
    body = json.dumps(fields).encode()
    head = {"bnexp_cell": CELL, "sha256": hashlib.sha256(body).hexdigest()}
    if draw.random() < 0.1:
        head = change_values(head, draw)
    return json.dumps(head).encode() + b"\n" + body + b"\n"


def forge_json(content, draw):
    return json.dumps(change_values(json.loads(content), draw)).encode()


def forge_config(content, draw):
    values = change_values(yaml.safe_load(content), draw)
    return json.dumps(values).encode()  # which is YAML, too


def forge_csv(content, draw):
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    for _ in range(draw.randint(1, 3)):
        i = draw.randrange(len(rows))
        if not rows[i]:
            continue
        j = draw.randrange(len(rows[i]))
        how = draw.choice(("field", "field", "field", "swap", "twice", "gone", "column", "short"))
        other = draw.randrange(len(rows))
        if how == "field":
            rows[i][j] = draw.choice((*FIELDS, rows[other][j % len(rows[other])]))
        elif how == "swap":
            rows[i], rows[other] = rows[other], rows[i]
        elif how == "twice":
            rows.insert(other, [*rows[i]])
        elif how == "gone":
            del rows[i]
        elif how == "column":
            name = draw.choice(("extra", "\x1b[2J", "cell", "train_loss"))
            rows = [[*row[:j], name if n == 0 else "1", *row[j:]] for n, row in enumerate(rows)]
        else:
            del rows[i][j]
        rows = rows or [[]]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="surrogatepass")


def change_arrays(arrays, draw):
    arrays = dict(arrays)
    for _ in range(draw.randint(0, 2)):
        name = draw.choice([*arrays])
        array = arrays.pop(name)
        changes = (
            lambda a: a[..., :0], lambda a: a[None], lambda a: np.asarray(a).astype(np.float64),
            lambda a: np.asarray(a).astype(np.int8), lambda a: np.full_like(a, 0),
            lambda a: a.ravel(),
            lambda a: np.full(a.shape, np.nan), lambda a: -np.asarray(a), lambda a: a.astype("U8"),
            lambda a: np.asarray(a).astype(np.complex64), lambda a: np.zeros((0, 10**9), np.int8),
        )  # fmt: skip
        if draw.random() < 0.8:
            name = draw.choice((name, name, name, f"{name}x", "offset", "readings/9/9"))
            # An array that was made text before has no number to change: it is gone.
            with (
                warnings.catch_warnings(action="ignore"),
                np.errstate(all="ignore"),
                suppress(TypeError, ValueError),
            ):
                arrays[name] = draw.choice(changes)(array)
    return arrays


def forge_npz(kind, version):
    def forge(content, draw):
        header, arrays = files.decode_npz(kind, version, content, None)
        if draw.random() < 0.7:
            header = change_values(header, draw)
        return files.encode_npz(kind, header, change_arrays(arrays, draw))

    return forge


FORGE = {
    "cell": forge_cell,
    "checkpoint": forge_npz(checkpoints.KIND, checkpoints.FORMAT),
    "manifest": forge_json,
    "claims": forge_json,
    "model": forge_npz(NETWORK, MODEL),
    "metrics": forge_csv,
    "summary": forge_csv,
    "probes": forge_csv,
    "config": forge_config,
}


def forge(kind, content, draw):
    """A forged file of this kind; one in ten is damaged besides."""
    forged = FORGE[kind](content, draw)
    return change_bytes(forged, draw) if draw.random() < 0.1 else forged
