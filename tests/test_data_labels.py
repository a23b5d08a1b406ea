"""Which labels a folder of IDX files may have."""

import numpy as np
import pytest
from test_data_idx import NAMES, complaint, idx_bytes, write_folder

from bnexp.data import load

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.fixture
def folder(tmp_path):
    """A sound folder of four unpacked files; tests replace its labels."""
    return write_folder(tmp_path / "digits")


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
        "class 0 to 200, got none of 10, 11, 12, 13, 14, 15, 16, 17, .... "
        "Is a label wrong? If not, number the classes from 0 or 1 without gaps."
    )


def test_beyond_ten_classes_a_gap_below_ten_is_refused_too(folder):
    labels = np.arange(20) % 10 + 1
    labels[labels == 4] = 5
    write_labels(folder, "train_labels", labels)
    assert "expected an image of every class 0 to 10, got none of 4. " in complaint(folder)


def test_a_set_may_count_from_one(folder):
    write_labels(folder, "train_labels", np.arange(20) % 10 + 1)
    assert load(str(folder)).classes == 11


def test_test_labels_must_be_of_training_classes(folder):
    write_labels(folder, "test_labels", [0, 1, 2, 3, 4, 10])
    assert complaint(folder) == (
        f"{folder / NAMES['test_labels']}: expected labels of the training set's classes, 0 to 9, "
        "got 10. Do the training and test files belong together?"
    )
