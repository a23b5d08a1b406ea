"""A folder of four IDX files: training and test images and labels that agree with each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bnexp.data.catalog import MNIST_FILES, ROLES, WAYS_TO_GET_DATA
from bnexp.data.dataset import FEWEST_CLASSES, Bytes, class_count
from bnexp.data.idx import parse_images, parse_labels
from bnexp.data.unpack import is_file
from bnexp.errors import DataError

STEMS = {
    "train_images": "train-images",
    "train_labels": "train-labels",
    "test_images": "t10k-images",
    "test_labels": "t10k-labels",
}
PARTNERS = {"train_images": "test_images", "test_images": "train_images"}


def find_files(folder: Path) -> dict[str, Path]:
    """The four files of `folder` by role; DataError says which are missing and what is there."""
    found = {role: find_file(folder, role) for role in ROLES}
    missing = [spellings(role)[0] for role, path in found.items() if path is None]
    if missing:
        raise DataError(_missing(folder, missing))
    return {role: path for role, path in found.items() if path is not None}


def find_file(folder: Path, role: str) -> Path | None:
    """The first file of `folder` that has one of the role's spellings, packed before unpacked.

    None if there is none; DataError if the folder cannot be searched.
    """
    candidates = (folder / name for name in spellings(role))
    return next((path for path in candidates if is_file(path)), None)


def spellings(role: str) -> list[str]:
    """The names a file of this role may have, the canonical one first."""
    ranks = ("1",) if role.endswith("labels") else ("3", "4")
    names = [f"{STEMS[role]}{mark}idx{rank}-ubyte" for rank in ranks for mark in "-."]
    return [name + ending for ending in (".gz", "") for name in names]


def parse_set(raw: Mapping[str, bytes], files: Mapping[str, Path]) -> dict[str, Bytes]:
    """The four arrays by role, from the bytes of the four files.

    Raises DataError if a file is damaged or the four do not belong together.
    """
    arrays = {
        role: (parse_labels if role.endswith("labels") else parse_images)(raw[role], files[role])
        for role in ROLES
    }
    for part in ("train", "test"):
        _check_counts(arrays, files, part)
    _check_shapes(arrays, files)
    return arrays


def refuse_swapped(digests: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """DataError if MNIST's own training file stands under the test file's name, or the reverse."""
    canonical = {file.role: file.content_sha256 for file in MNIST_FILES}
    for role, partner in PARTNERS.items():
        if digests[role] == canonical[partner]:
            raise DataError(
                f"{files[role]}: the training and test files are swapped: expected MNIST's "
                f"{role.replace('_', ' ')}, got its {partner.replace('_', ' ')}. Rename the files."
            )


def refuse_labels(arrays: Mapping[str, Bytes], files: Mapping[str, Path]) -> None:
    """DataError if a class has no training image, or a test label is of no training class.

    Up to FEWEST_CLASSES classes some may be empty: a folder may hold only some of the digits. Class
    0 may always be: some sets, EMNIST's letters among them, count from 1.
    """
    classes = class_count(arrays["train_labels"])
    empty = np.setdiff1d(np.arange(1, classes), arrays["train_labels"]).tolist()
    if classes > FEWEST_CLASSES and empty:
        raise DataError(_gaps(files["train_labels"], classes, empty))
    largest = int(arrays["test_labels"].max())
    if largest >= classes:
        raise DataError(
            f"{files['test_labels']}: expected labels of the training set's classes, 0 to "
            f"{classes - 1}, got {largest}. Do the training and test files belong together?"
        )


def _gaps(path: Path, classes: int, empty: list[int]) -> str:
    some = ", ".join(map(str, empty[:8])) + ", ..." * (len(empty) > 8)
    return (
        f"{path}: the largest label is {classes - 1}; expected an image of every class 0 to "
        f"{classes - 1}, got none of {some}. Is a label wrong? If not, number the classes from "
        "0 or 1 without gaps."
    )


def _check_counts(arrays: Mapping[str, Bytes], files: Mapping[str, Path], part: str) -> None:
    images, labels = f"{part}_images", f"{part}_labels"
    if len(arrays[images]) != len(arrays[labels]):
        raise DataError(
            f"{files[images]} and {files[labels]}: expected one label an image, "
            f"got {len(arrays[images])} images and {len(arrays[labels])} labels. "
            "Do the two files belong together?"
        )


def _check_shapes(arrays: Mapping[str, Bytes], files: Mapping[str, Path]) -> None:
    train, test = (arrays[role].shape[1:] for role in ("train_images", "test_images"))
    if train != test:
        raise DataError(
            f"{files['test_images']}: expected images of the shape of the training images {train}, "
            f"got {test}. Do the files belong together?"
        )


def _missing(folder: Path, names: list[str]) -> str:
    there = _listing(folder)
    return f"{folder}: missing {', '.join(names)}; {there}.\n{WAYS_TO_GET_DATA}"


def _listing(folder: Path) -> str:
    try:
        if not folder.is_dir():
            return "there is no such folder"
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return f"the folder cannot be read ({error.strerror})"
    return f"the folder holds {', '.join(names[:8]) or 'nothing'}" + (", ..." * (len(names) > 8))
