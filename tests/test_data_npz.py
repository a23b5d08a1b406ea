"""Data sets in npz files, those of strangers included."""

from __future__ import annotations

import io
import os
import zipfile

import numpy as np
import pytest
from idx_folders import small_arrays, write_set

import bnexp
from bnexp.data import load, npz
from bnexp.data.arrays import ROLES
from bnexp.errors import DataError

KERAS = ("x_train", "y_train", "x_test", "y_test")
DIGITS = small_arrays(3)
NETWORK = {"model": {"hidden": [6]}, "train": {"epochs": 2, "batch_size": 20}, "figures": []}


def write_npz(path, names=KERAS, save=np.savez, **changes):
    arrays = {name: DIGITS[role] for name, role in zip(names, ROLES, strict=True)} | changes
    save(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("names", [KERAS, ROLES])
def test_it_is_the_data_set_of_the_same_idx_files(tmp_path, save, names):
    data = load(str(write_npz(tmp_path / "digits.npz", names, save)))
    assert data.sha256 == load(str(write_set(tmp_path / "idx", DIGITS))).sha256
    assert data.origin.startswith(f"unknown files, SHA-256 {data.sha256[:12]}..., file digits.npz")
    assert load(str(tmp_path / "digits.npz")).sha256 == data.sha256  # from the cache


def test_an_experiment_names_it_relative_to_its_folder(tmp_path, config_file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_npz(tmp_path / "digits.npz")
    path = config_file("name: a\ndata: {name: digits.npz, test: all}\nmodel: {hidden: [6]}\n"
                       "train: {epochs: 2, batch_size: 20}\nfigures: []\n")  # fmt: skip
    result = bnexp.run(path, tmp_path / "run")
    assert result.config.experiment.data.name == os.path.realpath("digits.npz")
    expected = bnexp.run(NETWORK, data=[DIGITS[role] for role in ROLES]).metrics
    for name in ("train_loss", "test_loss", "test_accuracy"):
        assert result.metrics[name].tolist() == expected[name].tolist()
    assert load("digits.npz").sha256 in (tmp_path / "run" / "manifest.json").read_text()
    assert bnexp.verify(tmp_path / "run").counts == {"identical": 1}


def test_test_images_may_be_missing(tmp_path):
    path = write_npz(tmp_path / "a.npz", x_test=None, y_test=None)
    assert load(str(path)).test_images.shape == (0, 5, 4, 1)
    with pytest.raises(bnexp.ConfigError, match="too few test images, expected at least 5"):
        bnexp.run({**NETWORK, "data": {"name": str(path), "test": 5}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": None}, "missing y_train, expected .*; the file holds x_train, x_test, y_test"),
        ({"x_train": None, "y_train": None}, "missing x_train and y_train"),
        ({"y_test": None}, "y_test: missing, expected test images and their labels, or neither"),
        ({"y_test": np.arange(3)}, "y_test: expected one label an image, got 20 images and 3"),
        ({"x_train": np.full((60, 5, 4), 0.123)}, "x_train: expected whole numbers from 0 to 255"),
        ({"y_train": np.full(60, 1.5)}, "y_train: expected whole numbers, got float64"),
        ({"y_train": np.array(["3"] * 60)}, "damaged.*expected an array of numbers, got <U1"),
    ],
)
def test_what_is_no_data_set(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        load(str(write_npz(tmp_path / "a.npz", **changes)))


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_is_unpickled(tmp_path):
    trap = np.array([Trap(tmp_path / "sprung")] * 60, object)
    write_npz(tmp_path / "a.npz", y_train=trap)
    with pytest.raises(DataError, match=r"damaged.*expected an array of numbers, got object"):
        load(str(tmp_path / "a.npz"))
    assert not (tmp_path / "sprung").exists()


def header_of(shape):
    """The head of an npy file that promises so many bytes."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def test_a_header_that_promises_more_than_there_is(tmp_path):
    path = write_npz(tmp_path / "a.npz", x_train=None)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("x_train.npy", header_of((10**12, 28, 28)) + b"abc")
    with pytest.raises(DataError, match="damaged, expected an npz file: cannot reshape"):
        load(str(path))


def test_an_array_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "LIMIT", 2000)
    path = write_npz(tmp_path / "a.npz", save=np.savez_compressed, x_train=np.zeros((60, 99), "u1"))
    with pytest.raises(DataError, match="expected at most 2000 bytes unpacked, got "):
        load(str(path))


def test_an_entry_that_says_less_than_it_unpacks_to(tmp_path):
    """Its checksum cannot be that of its beginning, which is all that is unpacked."""
    path = write_npz(
        tmp_path / "a.npz", save=np.savez_compressed, x_train=np.zeros((60, 5, 4), "u1")
    )
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        size = file.getinfo("x_train.npy").file_size.to_bytes(4, "little")
    place = content.rindex(size, 0, content.index(b"y_train.npy", content.index(b"PK\1\2")))
    content[place : place + 4] = (200).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged, expected an npz file"):
        load(str(path))


def test_a_rare_compression_is_refused(tmp_path):
    path = write_npz(tmp_path / "a.npz", x_train=None)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as file:
        file.writestr("x_train.npy", header_of((60, 5, 4)) + bytes(1200))
    with pytest.raises(DataError, match=r"x_train\.npy: expected no compression but deflate"):
        load(str(path))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"no zip at all", b"\x93NUMPY"])
def test_files_that_are_no_npz(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz: damaged, expected an npz file"):
        load(str(tmp_path / "a.npz"))


def test_no_file_and_a_pipe(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load(str(tmp_path / "a.npz"))
    os.mkfifo(tmp_path / "b.npz")
    with pytest.raises(DataError, match="expected a regular file, got a pipe"):
        load(str(tmp_path / "b.npz"))


def test_every_bit_that_is_flipped_is_noticed_or_harmless(tmp_path):
    """Each byte in turn: an error of this package, or a data set, never anything else."""
    path = write_npz(tmp_path / "a.npz", **{name: DIGITS[role][:2] for name, role in
                                            zip(KERAS, ROLES, strict=True)})  # fmt: skip
    content, outcomes = path.read_bytes(), set()
    for place in range(0, len(content), 5):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        try:
            npz.parse_npz(bytes(damaged), path)
            outcomes.add("read")
        except DataError:
            outcomes.add("refused")
    assert "refused" in outcomes
