"""Four arrays as a data set: what is refused."""

import numpy as np
import pytest

from bnexp.data import make_dataset
from bnexp.errors import DataError

IMAGES, LABELS = np.zeros((4, 3, 3, 1), np.uint8), np.arange(4, dtype=np.uint8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_images": IMAGES / 255}, "train_images: expected unsigned bytes in 4 dimensions"),
        ({"test_labels": LABELS[:, None]}, r"test_labels: .* in 1 dimensions, got uint8 of shape"),
        ({"train_labels": LABELS[:0]}, r"got uint8 of shape \(0,\)"),
        ({"test_labels": LABELS[:0]}, "test: expected one label an image, got 4 images and 0"),
        ({"test_labels": LABELS[:3]}, "test: expected one label an image, got 4 images and 3"),
        ({"test_images": IMAGES[:, 1:]}, r"training images \(3, 3, 1\), got \(2, 3, 1\)"),
        ({"test_labels": LABELS + 9}, "training set's classes, 0 to 9, got 12"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, words):
    arrays = {
        "train_images": IMAGES,
        "train_labels": LABELS,
        "test_images": IMAGES,
        "test_labels": LABELS,
    }
    with pytest.raises(DataError, match=f"data mine: {words}|data mine: .*{words}"):
        make_dataset("mine", arrays | changes, "a test")
