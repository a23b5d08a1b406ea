"""What a path leads to decides how it is read."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from idx_folders import small_arrays, write_set

from bnexp.data import load
from bnexp.data.cifar import PYTHON_FOLDER
from bnexp.errors import DataError

DIGITS = small_arrays(1)


def test_idx_files_beside_the_pickles_of_another_set_are_read(tmp_path):
    write_set(tmp_path, DIGITS)
    (tmp_path / PYTHON_FOLDER).mkdir()
    (tmp_path / PYTHON_FOLDER / "data_batch_1").write_bytes(pickle.dumps(1))
    np.testing.assert_array_equal(load(str(tmp_path)).train_labels, DIGITS["train_labels"])


def test_a_folder_that_is_called_like_an_npz_file(tmp_path):
    folder = write_set(tmp_path / "digits.npz", DIGITS)
    with pytest.raises(DataError, match=r"digits\.npz: cannot read, Is a directory"):
        load(str(folder))


def test_a_folder_of_nothing_that_is_known(tmp_path):
    with pytest.raises(DataError, match=r"missing train-images-idx3-ubyte\.gz"):
        load(str(tmp_path))
