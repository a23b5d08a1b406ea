"""Whatever stands in a file: it is read, or a BnexpError says why not, within little memory."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
from pathlib import Path

import pytest
from fuzzing import damages, forgeries, little_memory, read_or_refused, sometimes
from hypothesis import strategies as st
from test_config_fuzz import examples

import bnexp
from bnexp import files
from bnexp.comparison.text import compare_lines, verify_lines
from bnexp.data.idx import parse_set
from bnexp.errors import DataError, StoreError
from bnexp.execution.checkpoints import FORMAT as CHECKPOINT
from bnexp.execution.checkpoints import KIND, Checkpoints
from bnexp.execution.task import Task, dataset, train_task
from bnexp.model import KIND as NETWORK
from bnexp.runs.csv import read_table
from bnexp.runs.directory import FORMAT, NoRecord, decode_cell
from bnexp.sweep import make_plan

TINY = """\
name: tiny
data: {name: synthetic, train: 40}
model: {hidden: [3], norm: batch}
train: {steps: 4, batch_size: 20, optimizer: {kind: momentum, lr: 0.1}}
sweep: {model.init: [he, xavier]}
probes: {at: [0, 2], read: [layers]}
figures: []
"""
HUGE = [0, 1, 2, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1]
ROLES = ("train_images", "train_labels", "test_images", "test_labels")
PATHS = {role: Path(role) for role in ROLES}


@pytest.fixture(scope="module")
def made(run_of):
    """A finished run of two networks."""
    return run_of(TINY, "tiny.yaml")


def idx(shape, content):
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + content


WHOLE = {
    "train_images": idx((6, 2, 2), bytes(24)),
    "train_labels": idx((6,), bytes(range(6))),
    "test_images": idx((3, 2, 2), bytes(12)),
    "test_labels": idx((3,), bytes(3)),
}
HEADERS = st.builds(
    lambda mark, rank, sizes, rest: (
        mark + bytes([rank]) + struct.pack(f">{len(sizes)}I", *sizes) + rest
    ),
    st.sampled_from([b"\0\0\x08", b"\0\0\x0d", b"\1\0\x08"]),
    st.integers(0, 255),
    st.lists(st.sampled_from(HUGE), max_size=5),
    st.binary(max_size=30),
)
PACKED = [bytes, gzip.compress, lambda raw: gzip.compress(raw + bytes(2**24), 1)]


@pytest.mark.slow
@sometimes(100, 1500)
def test_data_files(number):
    """Huge sizes promised, packed data that unfold to 16 MB, damaged streams."""

    def check(given):
        role, header, pack, damage = given
        raw = pack(WHOLE[role] if header is None else header)
        raw = {**WHOLE, role: raw if damage is None else damage(raw)}
        with little_memory(4):
            arrays = read_or_refused(lambda: parse_set(raw, PATHS), DataError)
        if arrays is not None:
            assert len(arrays["train_images"]) == len(arrays["train_labels"]) <= 24

    parts = st.none() | HEADERS, st.sampled_from(PACKED), st.none() | damages()
    examples(number, st.tuples(st.sampled_from(ROLES), *parts), check)


@sometimes(100, 1500)
def test_cell_files(number, made):
    path = sorted((made[1] / "cells").iterdir())[0]
    whole = path.read_bytes()
    fields = json.loads(whole.splitlines()[1])

    def check(given):
        damage, change = given
        body = json.dumps(change(fields)).encode()
        head = {"bnexp_cell": FORMAT, "sha256": hashlib.sha256(body).hexdigest()}
        forged = json.dumps(head).encode() + b"\n" + body + b"\n"
        record = read_or_refused(lambda: decode_cell(forged, path.stem), NoRecord)
        assert record is None or record.cell == path.stem
        damaged = read_or_refused(lambda: decode_cell(damage(whole), path.stem), NoRecord)
        assert damaged in (None, decode_cell(whole, path.stem))

    examples(number, st.tuples(damages(), forgeries()), check)


@sometimes(30, 500)
def test_networks(number, made, tmp_path):
    model = bnexp.fit(made[0], {"model.init": "he"})
    path = bnexp.save_model(model, tmp_path / "net.npz")
    whole = path.read_bytes()
    header, arrays = files.decode_npz(NETWORK, 1, whole, path)

    def check(given):
        damage, change = given
        forged = change(header)
        for content in (damage(whole), files.encode_npz(NETWORK, forged, arrays)):
            path.write_bytes(content)
            with little_memory(400):
                found = read_or_refused(lambda: bnexp.load_model(path))
            assert found is None or found.classes == model.classes

    examples(number, st.tuples(damages(), forgeries()), check)


@sometimes(30, 500)
def test_checkpoints(number, made, tmp_path):
    network, sha256 = make_plan(made[0]).networks[0], dataset("synthetic", None).sha256
    folder = Checkpoints(tmp_path, 0.0)
    train_task(Task((network,), None, folder))
    path = folder.path(network.id)
    whole = path.read_bytes()
    header, arrays = files.decode_npz(KIND, CHECKPOINT, whole, path)

    def check(given):
        damage, change = given
        forged = change({name: header[name] for name in header if name not in ("step", "layers")})
        forged = {**header, **forged} if isinstance(forged, dict) else forged
        for content in (damage(whole), files.encode_npz(KIND, forged, arrays)):
            path.write_bytes(content)
            with little_memory(4):
                snapshot = folder.load([network], sha256)
            assert snapshot is None or len(snapshot.parameters) == header["layers"]

    examples(number, st.tuples(damages(), forgeries()), check)


@pytest.mark.parametrize(("name", "value"), [("step", [1]), ("step", -1), ("layers", 200_000)])
def test_a_checkpoint_of_no_such_step_or_layers(name, value, made, tmp_path):
    network, sha256 = make_plan(made[0]).networks[0], dataset("synthetic", None).sha256
    folder = Checkpoints(tmp_path, 0.0)
    train_task(Task((network,), None, folder))
    path = folder.path(network.id)
    header, arrays = files.decode_npz(KIND, CHECKPOINT, path.read_bytes(), path)
    path.write_bytes(files.encode_npz(KIND, {**header, name: value}, arrays))
    with little_memory(4):
        assert folder.load([network], sha256) is None


@sometimes(60, 800)
def test_tables(number, made, tmp_path):
    def check(given):
        name, damage, field, at = given
        whole = (made[1] / f"{name}.csv").read_bytes()
        path = tmp_path / f"{name}.csv"
        fields = whole.decode().split(",")
        fields[int(at * len(fields))] = field
        for content in (damage(whole), ",".join(fields).encode("utf-8", "replace")):
            path.write_bytes(content)
            with little_memory(4):
                table = read_or_refused(lambda: read_table(path), StoreError)
            assert table is None or len({len(column) for column in table.values()}) == 1

    odd = st.sampled_from(
        ["", '"', "nan", "-inf", "1e999", "9" * 30, "\n", "x" * 999, "-0.0", "0x1"]
    )
    fields = odd | st.text(max_size=5)
    given = st.tuples(
        st.sampled_from(["metrics", "summary", "probes"]), damages(), fields, st.floats(0, 0.999)
    )
    examples(number, given, check)


@sometimes(20, 200)
def test_manifests(number, made):
    """Of a run that is compared with itself; the networks are the same whatever it says."""
    out = made[1]
    path = out / "manifest.json"
    whole = path.read_bytes()

    def check(given):
        damage, change = given
        for content in (damage(whole), json.dumps(change(json.loads(whole))).encode()):
            path.write_bytes(content)
            found = read_or_refused(lambda: bnexp.compare(out, out), StoreError)
            if found is not None:
                assert found.paired == 2
                assert "identical" in "\n".join(compare_lines(found))

    try:
        examples(number, st.tuples(damages(), forgeries()), check)
    finally:
        path.write_bytes(whole)


def test_verify_with_a_manifest_that_says_odd_things(made):
    out = made[1]
    path = out / "manifest.json"
    whole = path.read_bytes()

    def check(change):
        path.write_bytes(json.dumps(change(json.loads(whole))).encode())
        found = read_or_refused(lambda: bnexp.verify(out, sample=1), StoreError)
        if found is not None:
            assert found.counts == {"identical": 1}
            assert "\n".join(verify_lines(found))

    try:
        examples(15, forgeries(), check)
    finally:
        path.write_bytes(whole)
