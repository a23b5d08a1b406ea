"""The data sets in IDX files that are known by the SHA-256 of their files.

MNIST, Fashion-MNIST and KMNIST have the same file names, so that only their content tells them
apart. Each file has the SHA-256 of what is distributed, packed by gzip, and of what is in it, as
far as that is known: unpacked images of the other sets than MNIST are not recognized.

Where the digests come from: of MNIST, from its files. Of Fashion-MNIST and KMNIST, the packed files
as in TensorFlow Datasets, torchvision and (Fashion-MNIST) Hugging Face's datasets, which agree; the
content of Fashion-MNIST's labels, from the files in its repository. Of EMNIST, the packed files in
NIST's archive `gzip.zip`, from two independent public lists, but one for `byclass` and `bymerge`.

EMNIST's images lie transposed in its files, with rows and columns exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

STEMS = {
    "train_images": "train-images",
    "train_labels": "train-labels",
    "test_images": "t10k-images",
    "test_labels": "t10k-labels",
}


@dataclass(frozen=True)
class IdxFile:
    """One of the four files of a set: its role, canonical name, and SHA-256 packed and unpacked.

    An empty `content_sha256` is one that is not known.
    """

    role: str
    name: str
    gzip_sha256: str
    content_sha256: str = ""


@dataclass(frozen=True)
class KnownSet:
    """A data set in four IDX files.

    name: its name in YAML. title: its name in texts. description: what it is, in a line.
    train, test: how many images it has. classes: how many classes, counted from label 0.
    first_label: the smallest label that images have, 0 or 1.
    files: the four files. mirrors: where they can be downloaded; none if they are only to be had in
    an archive. stems: how the files' names begin, by role. transposed: whether rows and columns of
    the images are exchanged in the files. torchvision: the folder in which torchvision keeps them,
    in a folder `raw`.
    """

    name: str
    title: str
    description: str
    train: int
    test: int
    classes: int
    files: Sequence[IdxFile]
    mirrors: Sequence[str] = ()
    stems: Mapping[str, str] = field(default_factory=lambda: STEMS)
    transposed: bool = False
    torchvision: str = ""
    first_label: int = 0


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


def _packed_name(role: str, stem: str) -> str:
    return f"{stem}-idx{3 if 'images' in role else 1}-ubyte.gz"


def _files(digests: Sequence[tuple[str, str]]) -> tuple[IdxFile, ...]:
    """Files of MNIST's names, with SHA-256 packed and unpacked of each, in the order of STEMS."""
    return tuple(
        IdxFile(role, _packed_name(role, stem), *pair)
        for (role, stem), pair in zip(STEMS.items(), digests, strict=True)
    )


def _emnist(
    part: str, train: int, test: int, classes: int, digests: Sequence[str], first_label: int = 0
) -> KnownSet:
    """A part of EMNIST, whose files have names of their own."""
    stems = {role: f"emnist-{part}-{role.replace('_', '-')}" for role in STEMS}
    files = [
        IdxFile(role, _packed_name(role, stem), digest)
        for (role, stem), digest in zip(stems.items(), digests, strict=True)
    ]
    return KnownSet(
        f"emnist-{part}",
        f"EMNIST {part}",
        f"EMNIST {part}: {train + test:,} handwritten characters or digits (Cohen et al. 2017); "
        "read from a folder",
        train,
        test,
        classes,
        files,
        stems=stems,
        transposed=True,
        torchvision="EMNIST",
        first_label=first_label,
    )


_SETS = (
    KnownSet(
        "mnist",
        "MNIST",
        "MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges)",
        60000,
        10000,
        10,
        MNIST_FILES,
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        torchvision="MNIST",
    ),
    KnownSet(
        "fashion-mnist",
        "Fashion-MNIST",
        "Fashion-MNIST: 70,000 pictures of clothes (Xiao, Rasul, Vollgraf)",
        60000,
        10000,
        10,
        _files(
            [
                ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", ""),
                (
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                ),
                ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", ""),
                (
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                ),
            ]
        ),
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        torchvision="FashionMNIST",
    ),
    KnownSet(
        "kmnist",
        "KMNIST",
        "KMNIST (Kuzushiji-MNIST): 70,000 cursive Japanese characters (Clanuwat et al. 2018)",
        60000,
        10000,
        10,
        _files(
            [
                ("51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4", ""),
                ("e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17", ""),
                ("edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5", ""),
                ("20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c", ""),
            ]
        ),
        (
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
        torchvision="KMNIST",
    ),
    _emnist(
        "balanced",
        112800,
        18800,
        47,
        (
            "74295e75e4e9fa2c102147460ee7eb763653d5132d883a84fb88932bfb8d2db4",
            "b46d41e5156a0a8aaaa4d18979fdd1588850fa8571018acffd5d93b325a7d6ed",
            "117fc12b015e37ea98bfb2cbba3f77c3782c056cdbd219b87abfc8661d7135db",
            "a67cac948379b67270b9a4d0a01c8ec661598accf2f2b1964340b7c83cb175cd",
        ),
    ),
    _emnist(
        "byclass",
        697932,
        116323,
        62,
        (
            "9e21987f03a6eb8b870187e785883ddad96947299587908f1a7ec2ca0f4be5f0",
            "f7ef403d48dc18a89dae0d83d11ee69cecb6e1c12c3a961d03712e495c02a8fa",
            "5ec835bd5d5b1a66378a132e727fef20fe994b3cc666899befcca5ac766f50cd",
            "501e305eeeacb093b162592d80e8a2632040872360fa6d85cfcb2200d91ca92a",
        ),
    ),
    _emnist(
        "bymerge",
        697932,
        116323,
        47,
        (
            "39bf8c68037dad40db35348895f7e4e056e8c0a005ab78869c9fbc2c96e947be",
            "2c47293b9e62d6abf6ad05fbf67e40baa32adfd380b8d7b44dcc35534b64e1f1",
            "5e5815ec1b522089134435f7c55e75a00960b58414793593ffff23efc0821683",
            "8bda1516255683ba9071e141947ca0c91a911176065cdd6259b0b4d8dc5b5f35",
        ),
    ),
    _emnist(
        "digits",
        240000,
        40000,
        10,
        (
            "f7c95004d14d81af89522e67d8f0c781dfb3bd544181c81bfe1eb6b41c35b726",
            "6638a6ff5fe2eefd9cca2471995b46c82986b8e4b2a70d2f5ce8e05d7edb319e",
            "20ebe43509264f7639d37c835a3f0b009e90b29e00a099a03101abe1644a3f63",
            "bad1834c45d5988e270b99d43b13edc3fd898f658ffbc2caf2846ef27f7b05b0",
        ),
    ),
    _emnist(
        "letters",
        124800,
        20800,
        27,
        (
            "6288f418a917e007bf5fddb823a2dc7a5c6a35031401b93292a539cb12bd881f",
            "9759af91ea6bccdf07a6040fd085861f2ec88e37f7c3f5760f6feb57106fbe5c",
            "50f0e93d75b99b463e9760b8345866f22587fa2c2fba472730a5ba09c693412d",
            "924955c31fe7fd809b7303b5c0141282955f4b8390c74cdfd5d80435e0f4b4cb",
        ),
        first_label=1,
    ),
    _emnist(
        "mnist",
        60000,
        10000,
        10,
        (
            "5f9942f441031c0f1f2e4d162059fd6e19ea808b34c328b6d16cab0ed24c78f2",
            "00c6d3c2342fdffb1711e0b5656cac4ce5862d2826399d383a9bac07d612e9f8",
            "b25640fa9e356c618132f5df347c95ef5bae6d9c2596be1de40f7e0ae1c3eac6",
            "bcc5385d38f083dba046f5f756e99b32f5ea7fad122c6243c71c2239873065ca",
        ),
    ),
)
KNOWN_SETS: dict[str, KnownSet] = {known.name: known for known in _SETS}


def recognize(packed: Mapping[str, str], contents: Mapping[str, str]) -> tuple[str, str]:
    """Which known set four files are, and the same in words; the first is "" if they are none.

    packed: by role, the SHA-256 of each file as it lies on disk, if it is packed. contents: by
    role, that of each file's content.

    >>> mnist = {file.role: file.content_sha256 for file in MNIST_FILES}
    >>> recognize({}, mnist)
    ('mnist', 'MNIST')
    >>> recognize({}, {**mnist, "test_labels": "0" * 64})
    ('', 'MNIST with other test labels')
    >>> recognize({}, dict.fromkeys(mnist, "0" * 64))
    ('', 'unknown files')
    """
    best: KnownSet | None = None
    others = tuple(STEMS)
    for name, known in KNOWN_SETS.items():
        different = tuple(
            file.role
            for file in known.files
            if packed.get(file.role) != file.gzip_sha256
            and contents[file.role] != (file.content_sha256 or None)
        )
        if not different:
            return name, known.title
        if len(different) < len(others):
            best, others = known, different
    if best is None:
        return "", "unknown files"
    unchecked = any(not file.content_sha256 for file in best.files if file.role in others)
    word = "unknown" if unchecked else "other"
    return "", f"{best.title} with {word} {' and '.join(others).replace('_', ' ')}"
