"""The table of data sets, and `load` and `info`, which look up a name there.

To add a data set, write a function that makes or reads its arrays, state its facts, and enter them
in a table: here with a line in GENERATED of the module `generated` (a set that is read from files
has a module of its own and a line below), elsewhere with

    from bnexp.data import DATASETS, DatasetFacts, make_dataset

    def load_rings(places):
        ...
        return make_dataset("rings", arrays, origin="made by rings.py")

    DATASETS.register("rings", DatasetFacts(
        train=800, test=200, image_shape=(8, 8, 1), classes=2, description="two rings",
        load=load_rings,
    ))

It is then a value of `data.name`, and `bnexp data info rings` describes it. Installed packages
enter theirs through the entry-point group `bnexp.data_set`.

Importing this module does not import numpy. The modules that make or read data sets are imported
when DATASETS is first read or their facts are looked up.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnexp.errors import BnexpError, DataError
from bnexp.registry import Registry
from bnexp.text import nearest_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bnexp.data.arrays import Dataset

CACHE_VARIABLE = "BNEXP_CACHE_DIR"
DATA_VARIABLE = "BNEXP_DATA_DIR"


@dataclass(frozen=True)
class Places:
    """Where a data set's function may find files.

    data_dir: the folder that the user points to with --data-dir or BNEXP_DATA_DIR, if any.
    cache: the folder for downloads and for what takes long to unpack, if the system has one.
    download: whether missing files may be downloaded.
    """

    data_dir: Path | None
    cache: Path | None
    download: bool = True


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a data set before it is loaded, and the function that loads it.

    train, test: how many images there are.
    image_shape: height, width and channels of an image.
    classes: how many classes there are, numbered from 0, `unused` included.
    description: what it is, in a line.
    load: returns the data set, or raises DataError.
    sha256: the `Dataset.sha256` of the original data.
    title: its name in texts and figures; default: the name that it is registered under.
    values: returns the 256 numbers that bytes stand for; without it a byte stands for byte / 255.
    fixed: whether `load` always returns the same data, so that a configuration can be checked
        against the facts before anything is loaded. What it returns must then be as the facts say,
        and the data set has `classes` classes; otherwise there are at least 10, and more if there
        are larger labels.
    unused: how many of the classes no image has: 1 where labels count from 1. A network has an
        output for each of them, but the accuracy of a guess is 1 / (classes - unused).
    """

    train: int
    test: int
    image_shape: tuple[int, int, int]
    classes: int
    description: str
    load: Callable[[Places], Dataset] = field(repr=False)
    sha256: str = ""
    values: Callable[[], NDArray[np.float32]] | None = field(default=None, repr=False)
    fixed: bool = False
    title: str = ""
    unused: int = 0


@dataclass(frozen=True)
class ImageCounts:
    """How many images a data set has, and of what size and classes, as in DatasetFacts."""

    train: int
    test: int
    image_shape: tuple[int, ...]
    classes: int


def count_images(data: DatasetFacts | Dataset) -> ImageCounts:
    """The counts of a data set that is loaded, or that its facts promise."""
    if isinstance(data, DatasetFacts):
        return ImageCounts(data.train, data.test, data.image_shape, data.classes)
    shape = data.train_images.shape[1:]
    return ImageCounts(len(data.train_labels), len(data.test_labels), shape, data.classes)


DATASETS: Registry[DatasetFacts] = Registry(
    "data set",
    {
        "mnist": "bnexp.data.mnist:MNIST",
        "mnist-5k": "bnexp.data.sample:MNIST_5K",
    },
    instance_of=DatasetFacts,
    tables=["bnexp.data.mnist:OTHERS", "bnexp.data.generated:GENERATED"],
)


def is_path(name: str) -> bool:
    """Whether a data set's name means a folder or an npz file rather than an entry of DATASETS.

    >>> is_path("./digits"), is_path("digits.npz"), is_path("mnist")
    (True, True, False)
    """
    return name.startswith((".", "~")) or "/" in name or os.sep in name or name.endswith(".npz")


ARRAYS = "arrays-"  # how the names of data sets begin that a Python program passes as arrays


def is_arrays(name: str) -> bool:
    """Whether a name is that of arrays from a Python program: ARRAYS and part of a SHA-256.

    >>> is_arrays("arrays-0123456789abcdef"), is_arrays("arrays-mine")
    (True, False)
    """
    return re.fullmatch(f"{ARRAYS}[0-9a-f]{{16}}", name) is not None


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    cache: str | Path | None = None,
    download: bool = True,
) -> Dataset:
    """The data set of this name: an entry of DATASETS, or what the path of a file or folder has.

    A path leads to an npz file, to a folder of four IDX files, or to one of CIFAR-10's binary files
    (see `bnexp.data.paths`).

    `data_dir` (else BNEXP_DATA_DIR) holds the files of `mnist`, `mnist-5k` or another set that is
    read from files, directly or in a folder of its name. Without one, `mnist`, `fashion-mnist` and
    `kmnist` lie in the cache and are downloaded if need be and `download` allows it. What the files
    are is found out from their content: see `Dataset.recognized`. `cache` (else
    BNEXP_CACHE_DIR, else the system's, if there is one) also keeps the unpacked arrays: a later
    load costs one hashing of the files and of the arrays (MNIST: some tens of milliseconds), so
    worker processes simply call `load` again.

    Raises DataError if the data are missing, damaged, or do not belong together.

    >>> digits = load("synthetic")
    >>> digits.train_images.shape, digits.train_images.dtype.name, digits.classes
    ((2000, 28, 28, 1), 'uint8', 10)
    >>> digits.sha256 == DATASETS["synthetic"].sha256
    True
    """
    cache = cache_folder(cache)
    if is_path(name):
        from bnexp.data.paths import load_path

        return load_path(name, expand(name), cache)
    if is_arrays(name):
        raise DataError(
            f"data {name}: the arrays are not at hand: a Python program passed them as `data`. "
            "Pass the same arrays again, or keep them: "
            "numpy.savez('mine.npz', x_train=x, y_train=y, x_test=..., y_test=...), and "
            "data: {name: ./mine.npz}."
        )
    if name not in DATASETS:
        nearest = nearest_name(name, DATASETS)
        hint = f" Did you mean {nearest}?" if nearest else ""
        raise DataError(
            f"data: no data set is called {name!r}.{hint} Known: {', '.join(DATASETS)}; "
            "for a folder of IDX files or an npz file write a path, such as ./my-digits."
        )
    facts = DATASETS[name]
    places = Places(data_folder(data_dir), cache, download)
    try:
        dataset = _checked(name, facts, facts.load(places))
    except Exception as error:
        if isinstance(error, BnexpError) or name in DATASETS.builtin:
            raise
        raise DataError(
            f"data {name}: the function that loads it raised {type(error).__name__}: {error}"
        ) from error
    if not dataset.recognized:
        dataset = replace(dataset, recognized=recognize_digest(name, dataset.sha256))
    return replace(dataset, values=facts.values()) if facts.values else dataset


def recognize_digest(name: str, sha256: str) -> str:
    """Which data set of the table has these contents, by `Dataset.sha256`; "" if none is known to.

    name: what the data set is called. One that was registered without a digest is what its function
    returns.
    """
    if name in DATASETS and not DATASETS[name].sha256 and name not in DATASETS.builtin:
        return name
    return next((known for known, facts in DATASETS.items() if facts.sha256 == sha256), "")


def _checked(name: str, facts: DatasetFacts, dataset: Dataset) -> Dataset:
    """The data set, with the classes of the facts if it is fixed.

    DataError if it is none, or a fixed one that is not as the facts say.
    """
    if not hasattr(dataset, "train_images"):
        kind = type(dataset).__name__
        raise DataError(f"data {name}: load: expected what make_dataset returns, got {kind}")
    if not facts.fixed:
        return dataset
    # A file of a built-in set may be another edition, which `bnexp data info` tells by its digest.
    sha256 = dataset.sha256 if facts.sha256 and name not in DATASETS.builtin else facts.sha256
    largest = int(max(dataset.train_labels.max(), dataset.test_labels.max(initial=0)))
    for fact, expected, got in (
        ("train", facts.train, len(dataset.train_labels)),
        ("test", facts.test, len(dataset.test_labels)),
        ("image_shape", tuple(facts.image_shape), dataset.train_images.shape[1:]),
        ("sha256", facts.sha256, sha256),
        ("classes", facts.classes, max(facts.classes, largest + 1)),
    ):
        if expected != got:
            raise DataError(
                f"data {name}: not as its DatasetFacts say: {fact}: expected {expected}, got {got}"
            )
    return replace(dataset, classes=facts.classes)


def info(name: str, *, data_dir: str | Path | None = None) -> dict[str, object]:
    """The facts of a data set, in plain types ready to print; arguments and errors as for `load`.

    Label counts are lists: entry k is how many images are of class k.
    """
    import numpy as np

    dataset = load(name, data_dir=data_dir)

    def counts(labels: Any) -> list[int]:
        per_class: list[int] = np.bincount(labels, minlength=dataset.classes).tolist()
        return per_class

    return {
        "name": dataset.name,
        "origin": dataset.origin,
        "train": len(dataset.train_labels),
        "test": len(dataset.test_labels),
        "image_shape": list(dataset.train_images.shape[1:]),
        "classes": dataset.classes,
        "train_label_counts": counts(dataset.train_labels),
        "test_label_counts": counts(dataset.test_labels),
        "sha256": dataset.sha256,
    }


def data_folder(data_dir: str | Path | None = None) -> Path | None:
    """The folder the user pointed to, by argument or else BNEXP_DATA_DIR; None if neither."""
    folder = data_dir or os.environ.get(DATA_VARIABLE)
    return expand(folder) if folder else None


def cache_folder(cache: str | Path | None = None) -> Path | None:
    """The cache: the argument, else BNEXP_CACHE_DIR, else the system's folder for caches.

    None if the system has none, as for a user without a home folder.
    """
    if folder := cache or os.environ.get(CACHE_VARIABLE):
        return expand(folder)
    from platformdirs import user_cache_dir

    try:
        return Path(user_cache_dir("bnexp")).expanduser()
    except RuntimeError:  # neither HOME nor an entry in the table of users
        return None


def expand(path: str | Path) -> Path:
    """The path with a leading ~ replaced by the home folder; DataError if there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(
            f"{path}: {str(error).rstrip('.')}; write the folder's full path instead"
        ) from error


def import_pooch() -> Any:
    """The library, imported late: it takes a while, and most calls have no need of it.

    In a notebook without widgets it would warn of a progress bar that is never shown.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pooch
        except ValueError as error:  # of tqdm, which it imports if there is one
            raise DataError(
                f"a variable TQDM_... of the environment is not as tqdm expects: {error}; unset it"
            ) from error
    return pooch
