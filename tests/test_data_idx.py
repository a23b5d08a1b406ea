"""Folders of IDX files: what is read, and what is refused with which message.

The files' form, which labels they may have, and files and folders that may not be read.
"""

import errno
import gzip
import os
import re
import shutil
import socket
import struct
import tracemalloc
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli
from bnexp.data import load, verify
from bnexp.data.known import KNOWN_SETS, IdxFile
from bnexp.errors import DataError

pytestmark = pytest.mark.usefixtures("own_places")

REAL = os.environ.get("BNEXP_DATA_DIR")
NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def idx_bytes(array):
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def small_arrays(shape=(4, 3)):
    rng = np.random.default_rng(7)
    return {
        "train_images": rng.integers(0, 256, (20, *shape)),
        "train_labels": np.arange(20) % 10,
        "test_images": rng.integers(0, 256, (6, *shape)),
        "test_labels": np.arange(6),
    }


def write_folder(place):
    place.mkdir()
    for role, array in small_arrays().items():
        (place / NAMES[role]).write_bytes(idx_bytes(array))
    return place


@pytest.fixture
def folder(tmp_path):
    """A sound folder of four unpacked files; tests damage one of them."""
    return write_folder(tmp_path / "digits")


def complaint(folder):
    with pytest.raises(DataError) as caught:
        load(str(folder))
    return str(caught.value)


def test_images_get_one_channel_and_labels_int64(folder):
    expected = small_arrays()
    data = load(str(folder))
    assert data.train_images.shape == (20, 4, 3, 1)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == np.int64
    np.testing.assert_array_equal(data.train_images[..., 0], expected["train_images"])
    np.testing.assert_array_equal(data.test_images[..., 0], expected["test_images"])
    np.testing.assert_array_equal(data.train_labels, expected["train_labels"])
    np.testing.assert_array_equal(data.test_labels, expected["test_labels"])
    assert data.classes == 10
    assert (data.origin, data.recognized) == (
        f"unknown files, SHA-256 {data.sha256[:12]}..., folder digits, from {folder}",
        "",
    )


def test_arrays_are_read_only(folder):
    data = load(str(folder))
    for array in (data.train_images, data.train_labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_digest_is_that_of_the_four_unpacked_files(folder):
    digests = [sha256((folder / name).read_bytes()).hexdigest() for name in NAMES.values()]
    assert load(str(folder)).sha256 == sha256("".join(digests).encode()).hexdigest()


@pytest.mark.parametrize("dots", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_spelling_and_packing_do_not_matter(folder, packed, dots):
    before = load(str(folder)).sha256
    for name in NAMES.values():
        raw = (folder / name).read_bytes()
        (folder / name).unlink()
        spelt = name.replace("-idx", ".idx") if dots else name
        target = folder / (spelt + ".gz" * packed)
        target.write_bytes(gzip.compress(raw) if packed else raw)
    assert load(str(folder)).sha256 == before


def test_unpacked_content_under_a_gz_name_is_accepted(folder):
    name = NAMES["train_images"]
    (folder / name).rename(folder / f"{name}.gz")
    assert load(str(folder)).train_images.shape == (20, 4, 3, 1)


def test_color_images_of_four_dimensions(folder):
    for role, array in small_arrays((4, 3, 3)).items():
        (folder / NAMES[role]).write_bytes(idx_bytes(array))
    assert load(str(folder)).test_images.shape == (6, 4, 3, 3)


def test_shape_is_part_of_the_digest(folder):
    before = load(str(folder)).sha256
    for role in ("train_images", "test_images"):
        array = small_arrays()[role]
        (folder / NAMES[role]).write_bytes(idx_bytes(array.reshape(-1, 3, 4)))
    assert load(str(folder)).sha256 != before


def test_folders_relative_to_the_working_and_the_home_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert load("./digits").train_labels.shape == (20,)
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert load("~/digits").test_labels.shape == (6,)


def test_mnist_reads_any_set_of_that_form_from_a_data_dir(folder, monkeypatch):
    expected = load(str(folder)).sha256
    by_argument = load("mnist", data_dir=folder)
    monkeypatch.setenv("BNEXP_DATA_DIR", str(folder))
    assert by_argument.sha256 == load("mnist").sha256 == expected
    assert by_argument.origin.startswith(f"unknown files, SHA-256 {expected[:12]}..., ")


def test_missing_files_are_named_with_what_is_there(folder):
    (folder / NAMES["test_labels"]).rename(folder / "labels.bin")
    message = complaint(folder)
    assert f"{folder}: missing t10k-labels-idx1-ubyte.gz" in message
    assert "the folder holds labels.bin, t10k-images-idx3-ubyte, train-images" in message
    assert "--data-dir DIR or BNEXP_DATA_DIR" in message


def test_missing_folder(tmp_path):
    assert "there is no such folder" in complaint(tmp_path / "absent")


def test_a_file_in_place_of_the_folder(folder):
    assert "; it is a file, expected a folder." in complaint(folder / NAMES["test_labels"])


@pytest.mark.skipif(os.name != "posix", reason="needs pipes and links")
def test_what_is_no_file_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    path = folder.relative_to(tmp_path) / NAMES["test_labels"]
    for kind in ("a link that leads nowhere", "a pipe", "a socket"):
        for target in (path, Path("digits.npz"), Path("place")):
            target.unlink(missing_ok=True)
            if kind == "a pipe":
                os.mkfifo(target)
            elif kind == "a socket":
                with socket.socket(socket.AF_UNIX) as made:
                    made.bind(str(target))
            else:
                target.symlink_to("nowhere")
        message = f"{path}: expected a file, got {kind}; put the file in its place"
        assert complaint("./digits") == message
        with pytest.raises(DataError, match=re.escape(message)):
            verify(path.parent)
        assert f"expected a {'' if 'link' in kind else 'regular '}file, got {kind}; " in (
            complaint("digits.npz")
        )
        assert f"; it is {kind}, expected a folder." in complaint("./place")


def test_torchvisions_root_folder_is_read_by_its_path(folder, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(folder, root / "KMNIST" / "raw")
    assert load(str(root)).sha256 == load(str(folder)).sha256
    assert load("kmnist", data_dir=root).sha256 == load(str(folder)).sha256
    shutil.copytree(folder, root / "MNIST" / "raw")
    assert complaint(root) == (
        f"{root}: expected the folder of one data set, got {root / 'MNIST'}, {root / 'KMNIST'}; "
        "name one"
    )
    assert load(str(root / "MNIST")).sha256 == load(str(folder)).sha256


def test_the_folder_of_an_npz_file_leads_to_it(tmp_path):
    (tmp_path / "mnist.npz").touch()
    message = f"; for an npz file, data.name is its path: {tmp_path / 'mnist.npz'}."
    assert message in complaint(tmp_path)


def test_a_data_dir_that_is_no_folder_is_refused_where_no_data_are_needed(small, tmp_path):
    path = tmp_path / "digits.npz"
    for kind in ("no such folder", "a file"):
        with pytest.raises(DataError, match=kind):
            bnexp.run(small, data_dir=path)
        with pytest.raises(DataError, match=kind):
            bnexp.fit(small, {"model.init.std": 0.3, "model.norm": "none"}, seed=0, data_dir=path)
        for command in (["check", str(small)], ["data", "info", "synthetic"]):
            done = CliRunner().invoke(cli, [*command, "--data-dir", str(path)])
            assert done.exit_code == 3
            assert done.output.startswith(f"{path}: ")
            assert done.output.endswith("; an npz file is read by its path as data.name\n")
        path.touch()
    done = CliRunner().invoke(cli, ["check", str(small), "--data-dir", ""])
    assert (done.exit_code, "got an empty name" in done.output) == (2, True)


def test_a_path_no_system_can_have(tmp_path):
    message = complaint(f"{tmp_path}/a\0b")
    assert re.search(r"cannot read, (stat: )?embedded null", message)  # 3.13 says stat


@pytest.mark.parametrize("packed", [False, True])
def test_truncated_data_say_expected_and_got(folder, packed):
    path = folder / NAMES["train_images"]
    raw = path.read_bytes()[:-5]
    path.write_bytes(gzip.compress(raw) if packed else raw)
    message = complaint(folder)
    assert str(path) in message
    assert "promises 240 bytes of data, got 235" in message


@pytest.mark.parametrize("kept", [-3, 15])
def test_truncated_gzip_stream(folder, kept):
    path = folder / NAMES["train_images"]
    path.write_bytes(gzip.compress(path.read_bytes())[:kept])
    message = complaint(folder)
    assert f"{path}: the file is truncated: expected a complete gzip stream" in message


def test_damaged_gzip_stream(folder):
    path = folder / NAMES["train_images"]
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[-6] ^= 1  # in the checksum
    path.write_bytes(packed)
    assert f"{path}: damaged gzip data (CRC check failed" in complaint(folder)


def test_trailing_bytes_are_refused(folder):
    path = folder / NAMES["test_labels"]
    path.write_bytes(path.read_bytes() + b"x")
    assert "promises 6 bytes of data, but more follow" in complaint(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "got an empty file"),
        (b"<!DOCTYPE html>", "expected it to begin with 00 00 08, got 3c 21 44 4f"),
        (b"\0\0\x0d\3" + b"\0" * 12, "got 00 00 0d 03"),
        (b"\0\0\x08\3\0\0", "truncated in its header: expected 16 bytes"),
        (idx_bytes(np.zeros((0, 4, 3))), "promises 0 x 4 x 3 bytes; expected 1 to"),
        (b"\0\0\x08\3" + b"\xff" * 12, "promises 4294967295 x 4294967295 x 4294967295 bytes"),
        (idx_bytes(np.zeros((20, 12))), "expected an image file (3 or 4 dimensions)"),
    ],
)
def test_what_is_no_image_file(folder, content, words):
    path = folder / NAMES["train_images"]
    path.write_bytes(content)
    message = complaint(folder)
    assert message.startswith(str(path))
    assert words in message


def test_images_and_labels_swapped(folder):
    images, labels = folder / NAMES["train_images"], folder / NAMES["train_labels"]
    swapped = images.read_bytes(), labels.read_bytes()
    labels.write_bytes(swapped[0])
    images.write_bytes(swapped[1])
    message = complaint(folder)
    assert "got an IDX file of 1. Are the image and label files swapped?" in message


def test_counts_must_agree(folder):
    (folder / NAMES["train_labels"]).write_bytes(idx_bytes(np.arange(6)))
    assert "got 20 images and 6 labels" in complaint(folder)


def test_training_and_test_images_must_have_one_shape(folder):
    (folder / NAMES["test_images"]).write_bytes(idx_bytes(np.zeros((6, 3, 4))))
    assert "training images (4, 3, 1), got (3, 4, 1)" in complaint(folder)


def test_a_gzip_bomb_is_refused_before_it_unfolds(folder):
    path = folder / NAMES["train_images"]
    bomb = gzip.compress(path.read_bytes() + bytes(1 << 26), compresslevel=1)
    path.write_bytes(bomb)
    tracemalloc.start()
    message = complaint(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "promises 240 bytes of data, but more follow" in message
    assert peak < 8 * len(bomb) < 1 << 23


def test_mnist_with_training_and_test_files_swapped_is_recognized(folder, monkeypatch):
    files = []
    other = {"train": "test", "test": "train"}
    for file in KNOWN_SETS["mnist"].files:
        part, kind = file.role.split("_")
        content = sha256((folder / NAMES[f"{other[part]}_{kind}"]).read_bytes()).hexdigest()
        files.append(IdxFile(file.role, file.name, file.gzip_sha256, content))
    mnist = replace(KNOWN_SETS["mnist"], files=files)
    monkeypatch.setitem(KNOWN_SETS, "mnist", mnist)
    message = complaint(folder)
    assert "the training and test files are swapped" in message
    assert "expected MNIST's train images, got its test images. Rename the files." in message


def write_labels(folder, role, labels):
    (folder / NAMES[role]).write_bytes(idx_bytes(np.asarray(labels)))


def test_more_than_ten_classes(folder):
    write_labels(folder, "train_labels", range(20))
    assert load(str(folder)).classes == 20


def test_up_to_ten_classes_some_may_be_empty(folder):
    write_labels(folder, "train_labels", [3, 9] * 10)
    write_labels(folder, "test_labels", [0] * 6)
    assert load(str(folder)).classes == 10


@pytest.mark.parametrize("cached", [False, True])
def test_one_wrong_training_label_makes_no_new_classes(folder, cached, monkeypatch):
    write_labels(folder, "train_labels", [200, *range(1, 10), *range(10)])
    if cached:
        with monkeypatch.context() as unchecked:
            unchecked.setattr("bnexp.data.idx.refuse_labels", lambda arrays, files: None)
            load(str(folder))
    assert complaint(folder) == (
        f"{folder / NAMES['train_labels']}: the largest label is 200; expected an image of every "
        "class 0 to 200, got none of 10, 11, 12, 13, 14, 15, 16, 17, ...; "
        "is a label wrong? If not, number the classes from 0 or 1 without gaps."
    )


def test_beyond_ten_classes_a_gap_below_ten_is_refused_too(folder):
    labels = np.arange(20) % 10 + 1
    labels[labels == 4] = 5
    write_labels(folder, "train_labels", labels)
    assert "expected an image of every class 0 to 10, got none of 4; " in complaint(folder)


def test_a_set_may_count_from_one(folder):
    write_labels(folder, "train_labels", np.arange(20) % 10 + 1)
    assert load(str(folder)).classes == 11


def test_test_labels_must_be_of_training_classes(folder):
    write_labels(folder, "test_labels", [0, 1, 2, 3, 4, 10])
    assert complaint(folder) == (
        f"{folder / NAMES['test_labels']}: expected labels of the training set's classes, 0 to 9, "
        "got 10. Do the training and test files belong together?"
    )


@pytest.fixture
def close(monkeypatch):
    """close(method, place) denies that method of Path to `place` and all that lies in it.

    Tests may run as root, to whom no folder is closed.
    """

    def deny(method, place):
        allowed = getattr(Path, method)

        def guarded(self, *args, **kwargs):
            if self == place or place in self.parents:
                raise PermissionError(errno.EACCES, "Permission denied", str(self))
            return allowed(self, *args, **kwargs)

        monkeypatch.setattr(Path, method, guarded)

    return deny


def assert_closed(call, path):
    with pytest.raises(DataError) as caught:
        call()
    message = str(caught.value)
    assert message == f"{path}: no permission to read"
    assert caught.value.exit_status == 3


def test_a_closed_folder_is_named_with_the_cause(folder, close):
    close("stat", folder)
    first = folder / f"{NAMES['train_images']}.gz"
    assert_closed(lambda: load(str(folder)), first)
    assert_closed(lambda: load("mnist", data_dir=folder), first)
    assert_closed(lambda: load("mnist-5k", data_dir=folder), folder / "mnist_5k.csv.gz")
    assert_closed(lambda: verify(folder), first)


def test_a_list_that_is_cut_ends_with_three_stops(tmp_path):
    for name in "abcdefghi":
        (tmp_path / name).touch()
    assert "; the folder holds a, b, c, d, e, f, g, h, ...\n" in complaint(tmp_path)


def test_a_folder_that_cannot_be_listed(folder, close):
    (folder / NAMES["test_labels"]).unlink()
    close("iterdir", folder)
    assert "the folder cannot be read (Permission denied)" in complaint(folder)


def test_a_closed_file_is_named_with_the_cause(folder, monkeypatch):
    path = folder / NAMES["test_labels"]
    allowed = os.open

    def guarded(place, *flags):
        if place == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return allowed(place, *flags)

    monkeypatch.setattr(os, "open", guarded)
    assert complaint(folder) == f"{path}: no permission to read"


def test_each_file_may_lie_in_a_folder_of_its_name(folder):
    """As Kaggle's archives unpack, with the dot of older names or without."""
    expected = load(str(folder)).sha256
    for role, name in NAMES.items():
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        outer = folder / (name.replace("-idx", ".idx") if role.startswith("test") else name)
        outer.mkdir()
        (outer / name).write_bytes(content)
    assert load(str(folder)).sha256 == expected
    assert verify(folder)[0].path == folder / NAMES["train_images"] / NAMES["train_images"]


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist"])
def test_torchvisions_folders(tmp_path, name):
    """The data folder may be torchvision's root, the set's folder in it, or `raw` in that."""
    root = tmp_path / "root"
    outer = root / KNOWN_SETS[name].torchvision
    outer.mkdir(parents=True)
    raw = write_folder(outer / "raw")
    expected = load(str(raw)).sha256
    for place in (root, outer, raw):
        data = load(name, data_dir=place)
        assert data.sha256 == expected
        assert data.origin.endswith(f"from {raw}")
        assert {check.path.parent for check in verify(place, name=name)} == {raw}
    assert load(str(outer)).sha256 == expected
    other = {"mnist": "kmnist", "kmnist": "mnist"}.get(name, "mnist")
    with pytest.raises(DataError, match=f"{root}: missing train-images-idx3-ubyte.gz"):
        load(other, data_dir=root)


def test_files_of_the_data_folder_come_before_torchvisions(folder):
    (folder / "MNIST").mkdir()
    raw = write_folder(folder / "MNIST" / "raw")
    (raw / NAMES["test_labels"]).write_bytes(idx_bytes(np.zeros(6)))
    assert load("mnist", data_dir=folder).sha256 == load(str(folder)).sha256
    (folder / "mnist").mkdir()  # of a program that made it and left it empty
    assert load("mnist", data_dir=folder).sha256 == load(str(folder)).sha256


def qmnist_labels(classes):
    """The label file of QMNIST: the class, and seven numbers on where the image is from."""
    table = np.arange(len(classes) * 8).reshape(-1, 8) * 1000
    table[:, 0] = classes
    return struct.pack(">4B2I", 0, 0, 0x0C, 2, *table.shape) + table.astype(">i4").tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_qmnists_labels_are_named_with_how_to_convert_them(folder, packed, monkeypatch):
    path, expected = folder / NAMES["train_labels"], load(str(folder)).sha256
    content = qmnist_labels(small_arrays()["train_labels"])
    path.write_bytes(gzip.compress(content) if packed else content)
    message = complaint(folder)
    assert message.startswith(f"{path}: these are QMNIST's labels, expected a label file.\n")
    (folder / "qmnist-train-labels-idx2-int").write_bytes(content)
    monkeypatch.chdir(folder)
    code = [line.strip() for line in message.splitlines() if line.startswith("  ")]
    assert len(code) == 4
    exec("\n".join(code))
    assert load(str(folder)).sha256 == expected


def test_qmnists_own_names(folder):
    for role, name in NAMES.items():
        kind = "int" if role.endswith("labels") else "ubyte"
        (folder / name).rename(folder / f"qmnist-{name.replace('ubyte', kind)}")
    message = complaint(folder)
    assert "missing train-images-idx3-ubyte.gz" in message
    assert "QMNIST's label files have eight 32-bit numbers an image" in message


def test_other_whole_numbers_are_not_taken_for_qmnists(folder):
    content = qmnist_labels(np.arange(20))
    (folder / NAMES["train_labels"]).write_bytes(content[:8] + struct.pack(">I", 7) + content[12:])
    assert "expected it to begin with 00 00 08, got 00 00 0c 02" in complaint(folder)
    (folder / NAMES["train_labels"]).write_bytes(content[:9])
    assert "expected it to begin with 00 00 08, got 00 00 0c 02" in complaint(folder)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permissions(folder):
    folder.chmod(0)
    try:
        assert "no permission to read" in complaint(folder)
    finally:
        folder.chmod(0o700)


@pytest.mark.skipif(not REAL, reason="BNEXP_DATA_DIR does not point to the MNIST files")
def test_real_mnist():
    from bnexp.data import DATASETS

    data = load("mnist", data_dir=REAL)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    counts = np.bincount(data.train_labels[:1000]).tolist()
    assert counts == [97, 116, 99, 93, 105, 92, 94, 117, 87, 100]
    assert data.train_images.shape == (DATASETS["mnist"].train, 28, 28, 1)
    assert data.test_images.shape == (DATASETS["mnist"].test, 28, 28, 1)
    assert data.sha256 == DATASETS["mnist"].sha256
    assert (data.origin, data.recognized) == (f"MNIST, from {Path(REAL)}", "mnist")
