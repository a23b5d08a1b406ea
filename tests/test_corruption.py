"""Damaged files are noticed, named, made again, and never unpickled or silently used."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
from dataclasses import dataclass

import numpy as np
import pytest
from click.testing import CliRunner
from threadpoolctl import threadpool_limits

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.errors import StoreError
from bnexp.execution import checkpoints as module
from bnexp.execution.checkpoints import KIND, Checkpoints
from bnexp.execution.task import Task, dataset, train_task
from bnexp.runs import RunDirectory
from bnexp.runs.directory import FORMAT, kind_of
from bnexp.sweep import make_plan

SMALL = """\
name: small
data: {name: synthetic, train: 100}
model: {hidden: [6], init: {kind: normal, std: 0.1}}
train: {steps: 8, batch_size: 20, optimizer: {kind: adam, lr: 0.1}}
random: {seeds: [0, 1]}
sweep: {model.norm: [batch, none]}
figures: []
"""
TABLES = ("config.yaml", "metrics.csv")


class Trap:
    """Leaves a file where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def flipped(content, part):
    """One bit another, at a fraction of the whole."""
    at = min(int(part * len(content)), len(content) - 1)
    return content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]


def forged(content, change):
    """A cell file whose checksum is right and whose record is not."""
    fields = json.loads(content.split(b"\n")[1])
    body = json.dumps(change(fields)).encode()
    head = {"bnexp_cell": FORMAT, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n" + body + b"\n"


DAMAGES = {
    "emptied": lambda content: b"",
    "one byte": lambda content: content[:1],
    "cut in half": lambda content: content[: len(content) // 2],
    "last byte gone": lambda content: content[:-1],
    "zeroed": lambda content: bytes(len(content)),
    "zeroed at its end": lambda content: content[:-64] + bytes(64),
    "a bit at its start": lambda content: flipped(content, 0.0),
    "a bit in the middle": lambda content: flipped(content, 0.5),
    "a bit near its end": lambda content: flipped(content, 0.9),
    "a pickle": lambda content: pickle.dumps(Trap()),
    "text": lambda content: b"not what was written\n",
    "deep": lambda content: b"[" * 100_000,
}
CELLS = {
    **DAMAGES,
    "twice": lambda content: content + content,
    "no record": lambda content: forged(content, lambda fields: []),
    "less than a record": lambda content: forged(content, lambda fields: {"cell": "x"}),
    "more than a record": lambda content: forged(content, lambda fields: {**fields, "more": 1}),
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """An empty current folder, and the BLAS threads that runs have."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="module")
def made(run_of):
    """An experiment and its finished directory."""
    return run_of(SMALL, "small.yaml")


@pytest.fixture
def finished(made, tmp_path):
    """A copy of it."""
    config, out = made
    return config, shutil.copytree(out, tmp_path / "out")


def tables(out):
    return [(out / name).read_bytes() for name in TABLES]


def cell_paths(out):
    return sorted((out / "cells").iterdir())


def bnexp_cli(*words):
    """Status and output of a command."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    return result.exit_code, result.output


@pytest.mark.parametrize("damage", CELLS.values(), ids=CELLS)
def test_a_damaged_cell_file_is_made_again(finished, damage, tmp_path):
    config, out = finished
    before, path = tables(out), cell_paths(out)[1]
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    missing = RunDirectory(out).read_records(make_plan(config).networks, None)[1]
    assert list(missing) == [path.stem]
    assert kind_of(missing[path.stem]) in ("damaged", "not a record")
    assert bnexp.run(config, out).trained == 1
    assert tables(out) == before
    assert not (tmp_path / "here" / "unpickled").exists()


def test_check_says_how_many_are_damaged_and_plot_draws_the_others(finished, made):
    _, out = finished
    first, second, third, _ = cell_paths(out)
    first.write_bytes(b"")
    second.write_bytes(third.read_bytes())
    later = f'"bnexp_cell": {FORMAT + 1}'.encode()
    third.write_bytes(third.read_bytes().replace(f'"bnexp_cell": {FORMAT}'.encode(), later))
    status, text = bnexp_cli("check", made[1].parent / "small.yaml", "--out", out)
    assert status == 0
    assert f"{out}: 1 up to date, 3 to train" in text
    assert "1 damaged" in text
    assert "1 another network's" in text
    assert f"1 of format {FORMAT + 1}, this bnexp writes {FORMAT}" in text


def test_a_folder_in_a_cell_files_place_is_named(finished):
    config, out = finished
    path = cell_paths(out)[0]
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match=rf"{path.name}: cannot read, Is a directory"):
        bnexp.run(config, out)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_manifest_is_made_again_and_costs_nothing(finished, damage):
    config, out = finished
    before, path = tables(out), out / "manifest.json"
    path.write_bytes(damage(path.read_bytes()))
    assert bnexp.run(config, out).trained == 0
    assert tables(out) == before
    if damage is not DAMAGES["a bit in the middle"] and damage is not DAMAGES["a bit near its end"]:
        assert json.loads(path.read_text())["name"] == "small"


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_tables_and_config_are_written_again(finished, damage):
    config, out = finished
    before = tables(out)
    for name in TABLES:
        (out / name).write_bytes(damage((out / name).read_bytes()))
    assert bnexp.run(config, out).trained == 0
    assert tables(out) == before


@pytest.mark.parametrize("name", ["emptied", "cut in half", "zeroed", "a pickle", "deep"])
def test_a_damaged_config_is_one_message(finished, name, tmp_path):
    _, out = finished
    path = out / "config.yaml"
    path.write_bytes(DAMAGES[name](path.read_bytes()))
    status, text = bnexp_cli("plot", out)
    assert status == 2
    assert str(path) in text
    assert "Traceback" not in text
    assert not (tmp_path / "here" / "unpickled").exists()


class Stopped(Exception):
    """Stands for whatever ends a process."""


@dataclass(frozen=True)
class Stopping(Checkpoints):
    """Saves after five steps, and stops there."""

    def saver(self, networks, data_sha256):
        def keep(snapshot):
            if snapshot().step == 5:
                self.save(networks, data_sha256, snapshot())
                raise Stopped

        return keep


@pytest.fixture
def stopped(made, tmp_path):
    """The same experiment, its networks stopped after five of eight steps."""
    config, _ = made
    out = tmp_path / "stopped"
    networks = make_plan(config).networks
    for stack in (networks[:2], networks[2:]):
        with pytest.raises(Stopped):
            train_task(Task(stack, None, Stopping(out / "checkpoints", 1e9)))
    return config, out, networks


def first_checkpoint(out, networks):
    folder = Checkpoints(out / "checkpoints", 1e9)
    sha256 = dataset("synthetic", None).sha256
    return folder.path(networks[0].id), lambda: folder.step(networks[0], sha256)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_not_used(stopped, made, damage, tmp_path):
    config, out, networks = stopped
    path, step = first_checkpoint(out, networks)
    assert step() == 5
    path.write_bytes(damage(path.read_bytes()))
    assert step() in (0, 5)  # 5: a bit that means nothing, such as one of a date
    assert bnexp.run(config, out).trained == 4
    assert tables(out) == tables(made[1])
    assert not list((out / "checkpoints").iterdir())
    assert not (tmp_path / "here" / "unpickled").exists()


def test_no_bit_of_a_checkpoint_changes_a_number(stopped):
    """Either it is refused, or what it says is the same."""
    _, out, networks = stopped
    path, _ = first_checkpoint(out, networks)
    folder, sha256 = Checkpoints(out / "checkpoints", 1e9), dataset("synthetic", None).sha256
    content, seen = path.read_bytes(), []
    whole = repr(folder.load(networks[:1], sha256))
    for at in range(0, len(content), 211):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        snapshot = folder.load(networks[:1], sha256)
        seen.append(snapshot is None)
        assert snapshot is None or repr(snapshot) == whole
    assert sum(seen) > 0.9 * len(seen) > 50


def test_arrays_of_objects_are_not_unpickled(stopped, tmp_path):
    _, out, networks = stopped
    path, step = first_checkpoint(out, networks)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, **{KIND: np.array([Trap()], dtype=object)})
    assert step() == 0
    assert not (tmp_path / "here" / "unpickled").exists()


@pytest.mark.parametrize("change", ["format", "cell", "layers", "counts", "step", "arrays"])
def test_a_checkpoint_that_says_something_else_is_not_used(stopped, made, change):
    """Whole files that no version of this program would have written."""
    config, out, networks = stopped
    path, step = first_checkpoint(out, networks)
    header, arrays = files.decode_npz(KIND, module.FORMAT, path.read_bytes(), path)
    wrong = {"format": module.FORMAT + 1, "cell": "c0ffee", "layers": 1, "counts": [1]}
    if change in wrong:
        header[change] = wrong[change]
    elif change == "step":
        del header["step"]
    else:
        del arrays["diverged_at"]
    path.write_bytes(files.encode_npz(KIND, header, arrays))
    assert step() == 0
    assert bnexp.run(config, out).trained == 4
    assert tables(out) == tables(made[1])


def test_a_checkpoint_of_another_format_says_what_to_do(stopped):
    _, out, networks = stopped
    path, _ = first_checkpoint(out, networks)
    message = f"of format {module.FORMAT}, this bnexp reads 99; make it again, or use the bnexp"
    with pytest.raises(StoreError, match=message):
        files.decode_npz(KIND, 99, path.read_bytes(), path)


ROLES = ("train_images", "train_labels", "test_images", "test_labels")


def idx(array):
    """An array of bytes in MNIST's own format."""
    array = array[..., 0] if array.ndim == 4 else array
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder of IDX files."""
    folder, loaded = tmp_path_factory.mktemp("digits"), dataset("synthetic", None)
    for role in ROLES:
        which, _, what = role.partition("_")
        kind = "images-idx3" if what == "images" else "labels-idx1"
        name = f"{'t10k' if which == 'test' else 'train'}-{kind}-ubyte"
        (folder / name).write_bytes(idx(getattr(loaded, role)))
    return folder


@pytest.fixture
def cached(digits, made, tmp_path, monkeypatch):
    """Losses of a run on these files, made anew at each call, and the cache's one entry."""
    monkeypatch.setenv("BNEXP_CACHE_DIR", str(tmp_path / "cache"))
    config = bnexp.load_config(made[1].parent / "small.yaml", {"data.name": str(digits)})

    def losses():
        dataset.cache_clear()
        made_now = bnexp.run(config, tmp_path / "cached", fresh=True)
        dataset.cache_clear()  # memory-mapped files are let go
        return made_now.metrics["train_loss"].tolist()

    expected = losses()
    (entry,) = (tmp_path / "cache" / "arrays").iterdir()
    return losses, expected, entry


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_cached_data_are_made_again(cached, damage, tmp_path):
    losses, expected, entry = cached
    for path in sorted(entry.iterdir()):
        whole = path.read_bytes()
        path.unlink()  # it may be mapped still
        path.write_bytes(damage(whole))
    assert losses() == expected
    digests = json.loads((entry / "digests.json").read_text())
    assert sorted(digests) == sorted(ROLES)
    assert not (tmp_path / "here" / "unpickled").exists()


def test_cached_arrays_that_changed_places_are_noticed(cached):
    losses, expected, entry = cached
    images, labels = (entry / f"{which}_images.npy" for which in ("train", "test"))
    first, second = images.read_bytes(), labels.read_bytes()
    for path, content in ((images, second), (labels, first)):
        path.unlink()
        path.write_bytes(content)
    assert losses() == expected
    assert images.read_bytes() == first


def test_a_source_file_that_is_damaged_is_named(digits, made, tmp_path):
    folder = shutil.copytree(digits, tmp_path / "copy")
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    status, text = bnexp_cli(
        "run", made[1].parent / "small.yaml", "--set", f"data.name={folder}", "-j", "1",
        "--out", tmp_path / "cut",
    )  # fmt: skip
    assert status == 3
    assert str(path) in text
    assert not (tmp_path / "cut").exists()


def test_other_source_files_are_other_data(digits, made, tmp_path):
    """Results are not taken for those of a file that was changed meanwhile."""
    folder = shutil.copytree(digits, tmp_path / "copy")
    config = bnexp.load_config(made[1].parent / "small.yaml", {"data.name": str(folder)})
    assert bnexp.run(config, tmp_path / "cut").trained == 4
    path = folder / "train-labels-idx1-ubyte"
    content = path.read_bytes()
    path.write_bytes(content[:8] + content[8:][::-1])
    dataset.cache_clear()
    result = bnexp.run(config, tmp_path / "cut")
    dataset.cache_clear()
    assert result.trained == 4
