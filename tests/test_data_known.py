"""Which data set files are, by their content, and the sets that have names of their own."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest
from click.testing import CliRunner
from idx_folders import as_known, idx_content, small_arrays, write_set

from bnexp.cli.main import cli
from bnexp.data import DATASETS, load, verify
from bnexp.data.known import KNOWN_SETS, STEMS, recognize
from bnexp.errors import DataError

pytestmark = pytest.mark.usefixtures("own_places")

EMNIST = [name for name in KNOWN_SETS if name.startswith("emnist-")]


@pytest.fixture
def fashion(monkeypatch):
    """Arrays that count as Fashion-MNIST's; the images are known packed only."""
    arrays = small_arrays(3)
    monkeypatch.setitem(KNOWN_SETS, "fashion-mnist", as_known("fashion-mnist", arrays))
    return arrays


def test_each_known_set_has_four_files_of_four_digests():
    digests = [
        digest
        for known in KNOWN_SETS.values()
        for file in known.files
        for digest in (file.gzip_sha256, file.content_sha256)
        if digest
    ]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    assert len(set(digests)) == len(digests)
    for known in KNOWN_SETS.values():
        assert [file.role for file in known.files] == [*STEMS]
        assert DATASETS[known.name].title == known.title
        assert (DATASETS[known.name].train, DATASETS[known.name].test) == (known.train, known.test)
        for file in known.files:
            assert file.gzip_sha256


def test_a_set_is_known_by_packed_files_whatever_the_content_is_known_for():
    packed = {file.role: file.gzip_sha256 for file in KNOWN_SETS["kmnist"].files}
    contents = dict.fromkeys(STEMS, "0" * 64)
    assert recognize(packed, contents) == ("kmnist", "KMNIST")
    assert recognize({**packed, "test_images": "1" * 64}, contents) == (
        "",
        "KMNIST with unknown test images",
    )
    letters = {file.role: file.gzip_sha256 for file in KNOWN_SETS["emnist-letters"].files}
    assert recognize({**packed, "train_images": letters["train_images"]}, contents) == (
        "",
        "KMNIST with unknown train images",
    )


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist"])
def test_files_are_named_by_their_content_not_by_the_data_name(tmp_path, fashion, name):
    data = load(name, data_dir=write_set(tmp_path / "d", fashion))
    assert (data.name, data.recognized) == (name, "fashion-mnist")
    assert data.origin == f"Fashion-MNIST, from {tmp_path / 'd'}"
    by_path = load(str(tmp_path / "d"))
    assert (by_path.sha256, by_path.recognized) == (data.sha256, "fashion-mnist")


def test_unpacked_files_are_known_as_far_as_their_digests_are(tmp_path, fashion):
    data = load("fashion-mnist", data_dir=write_set(tmp_path / "d", fashion, packed=False))
    assert data.recognized == ""
    assert data.origin == (
        "Fashion-MNIST with unknown train images and test images, "
        f"SHA-256 {data.sha256[:12]}..., folder d, from {tmp_path / 'd'}"
    )
    checks = verify(tmp_path / "d", name="fashion-mnist")
    assert [check.status for check in checks] == ["unknown", "ok", "unknown", "ok"]


def test_one_other_file_makes_another_set(tmp_path, fashion):
    folder = write_set(tmp_path / "d", fashion)
    labels = fashion["test_labels"].copy()
    labels[0] = 9
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_content(labels)))
    data = load("fashion-mnist", data_dir=folder)
    assert data.recognized == ""
    assert data.origin.startswith("Fashion-MNIST with other test labels, SHA-256 ")


def test_a_folder_of_the_sets_name_is_preferred(tmp_path, fashion):
    write_set(tmp_path, small_arrays(1))
    write_set(tmp_path / "fashion-mnist", fashion)
    assert load("fashion-mnist", data_dir=tmp_path).recognized == "fashion-mnist"
    assert load("kmnist", data_dir=tmp_path).recognized == ""
    checks = verify(tmp_path, name="fashion-mnist")
    assert {check.path.parent.name for check in checks} == {"fashion-mnist"}


@pytest.mark.parametrize("name", EMNIST)
def test_emnist_is_read_under_its_own_names_and_turned_upright(tmp_path, name, monkeypatch):
    arrays = small_arrays(9)
    write_set(tmp_path, arrays, stems=KNOWN_SETS[name].stems)
    monkeypatch.setitem(KNOWN_SETS, name, as_known(name, arrays))
    assert (tmp_path / f"{name}-train-images-idx3-ubyte.gz").is_file()
    assert (tmp_path / f"{name}-test-labels-idx1-ubyte.gz").is_file()
    for _ in range(2):  # the second time from the cache of unpacked arrays
        data = load(name, data_dir=tmp_path)
        assert data.train_images.shape == (60, 4, 5, 1)
        turned = arrays["train_images"].swapaxes(1, 2)
        np.testing.assert_array_equal(data.train_images[..., 0], turned)
        np.testing.assert_array_equal(data.test_labels, arrays["test_labels"])
        assert (data.recognized, data.origin) == (
            name,
            f"{KNOWN_SETS[name].title}, from {tmp_path}",
        )


def test_emnist_under_mnists_names_stays_as_it_lies_and_says_so(tmp_path, monkeypatch):
    arrays = small_arrays(9)
    monkeypatch.setitem(KNOWN_SETS, "emnist-digits", as_known("emnist-digits", arrays))
    data = load("mnist", data_dir=write_set(tmp_path / "d", arrays))
    np.testing.assert_array_equal(data.train_images[..., 0], arrays["train_images"])
    assert data.recognized == "emnist-digits"
    assert data.origin.startswith("EMNIST digits with rows and columns exchanged, from ")


def test_letters_count_from_one(tmp_path):
    arrays = small_arrays(2, train=78, test=26)
    for part in ("train", "test"):
        labels = arrays[f"{part}_labels"]
        arrays[f"{part}_labels"] = (np.arange(len(labels)) % 26 + 1).astype(np.uint8)
    write_set(tmp_path, arrays, stems=KNOWN_SETS["emnist-letters"].stems)
    assert load("emnist-letters", data_dir=tmp_path).classes == 27


def test_a_folder_of_emnist_without_its_name_gets_a_hint(tmp_path):
    write_set(tmp_path, small_arrays(2), stems=KNOWN_SETS["emnist-letters"].stems)
    with pytest.raises(DataError) as caught:
        load("mnist", data_dir=tmp_path)
    assert "for EMNIST, data.name is one of emnist-balanced, " in str(caught.value)


def test_what_cannot_be_downloaded_says_where_it_is():
    with pytest.raises(DataError) as caught:
        load("emnist-letters")
    message = str(caught.value)
    assert message.startswith("EMNIST letters is not in ")
    assert "bnexp does not download EMNIST" in message
    assert "emnist-letters-train-images-idx3-ubyte.gz and the other three files" in message
    with pytest.raises(
        DataError, match="'mnist-5k' has no files of known SHA-256, expected one of"
    ):
        verify(name="mnist-5k")


def test_the_commands_take_a_name(tmp_path, fashion):
    write_set(tmp_path / "d", fashion)
    call = CliRunner().invoke
    done = call(cli, ["data", "verify", "fashion-mnist", "--data-dir", str(tmp_path / "d")])
    assert (done.exit_code, done.output.count("ok  ")) == (0, 4)
    done = call(cli, ["data", "verify", "kmnist", "--data-dir", str(tmp_path / "d")])
    assert done.exit_code == 3
    assert done.output.count("wrong") == 4
    assert "not all files are KMNIST's; `bnexp data fetch kmnist` downloads them" in done.output
    done = call(cli, ["data", "info", "kmnist", "--data-dir", str(tmp_path / "d")])
    assert "Fashion-MNIST, from" in done.output
