"""One trained network: kept in a file and loaded."""

from __future__ import annotations

import io
import json
import pickle
import resource
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from model_cases import NORMS
from numeric_cases import bits

import bnexp
from bnexp.data import DATASETS, load
from bnexp.nn import INITIALIZERS, BatchNorm

TESTS = load("synthetic")


def same(one, other):
    """The parts that a loaded network has from its file, equal to the last bit."""
    assert bits(one.parameters + one.state) == bits(other.parameters + other.state)
    for name in ("setting", "seed", "shape", "classes"):
        assert getattr(one, name) == getattr(other, name)
    images = TESTS.test_images[:20]
    return one.logits(images).tobytes() == other.logits(images).tobytes()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *(("mlp", {"model__norm": norm}) for norm in NORMS.values()),
        *(("cnn", {"model__norm": norm}) for norm in ("none", "batch", "weight")),
        ("mlp", {"train__precision": "float64", "model__dropout": {"ratio": 0.3}}),
        ("mlp", {"model__init": "lsuv", "train__evaluate": {"every": 2}, "train__clip_norm": 1.0}),
    ],
)
def test_it_is_loaded_as_it_was_kept(tmp_path, fit, kind, changes):
    model = fit(kind, **changes)
    path = bnexp.save_model(model, str(tmp_path / "new" / "model.npz"))
    assert [file.name for file in path.parent.iterdir()] == ["model.npz"]
    assert same(bnexp.load_model(path), model)


@dataclass(frozen=True)
class Halves:
    def draw(self, generator, shape, fan_in, fan_out):
        return generator.standard_normal(shape) / 2


def test_an_own_class_must_be_there_again(tmp_path, fit, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(INITIALIZERS, "_entries", dict(INITIALIZERS))
        INITIALIZERS.register("halves")(Halves)
        model = fit(model__init="halves")
        path = bnexp.save_model(model, tmp_path / "own.npz")
        assert same(bnexp.load_model(path), model)
    message = (
        r"own\.npz: setting: model\.init\.kind: unknown kind, expected one of .*, got 'halves'"
        "; if it is your own, import the module that registers it first$"
    )
    with pytest.raises(bnexp.ConfigError, match=message):
        bnexp.load_model(path)


def test_an_own_dialect_or_data_set_must_be_there_again(tmp_path, fit, monkeypatch):
    with monkeypatch.context() as patch:
        dialects = BatchNorm.DIALECTS
        patch.setattr(dialects, "_entries", dict(dialects))
        dialects.register("slow", {"stat_decay": 0.99})
        path = bnexp.save_model(
            fit(model__norm={"kind": "batch", "dialect": "slow"}), tmp_path / "d"
        )
    with pytest.raises(
        bnexp.ConfigError, match=r"model\.norm\.dialect: .*'slow'; if it is your own"
    ):
        bnexp.load_model(path)
    with monkeypatch.context() as patch:
        patch.setattr(DATASETS, "_entries", dict(DATASETS._all()))
        DATASETS.register("other", DATASETS["synthetic"])
        path = bnexp.save_model(fit(data__name="other"), tmp_path / "s")
    with pytest.raises(
        bnexp.ConfigError, match=r"data\.name: unknown .*'other'.*; if it is your own"
    ):
        bnexp.load_model(path)


@pytest.fixture
def kept(tmp_path, fit):
    """A network's file, its path and arrays, and a check that another content is refused."""
    path = bnexp.save_model(fit(model__norm="batch"), tmp_path / "net.npz")
    with np.load(path) as file:
        arrays = dict(file)

    def refused(content, message=None):
        path.write_bytes(content if isinstance(content, bytes) else npz(content))
        with pytest.raises(bnexp.BnexpError, match=message) as caught:
            bnexp.load_model(path)
        assert str(caught.value).startswith(f"{path}: ")

    return path, arrays, refused


def npz(arrays, save=np.savez):
    content = io.BytesIO()
    save(content, **arrays)
    return content.getvalue()


def repacked(content, name, entry):
    """The npz file with one entry's bytes replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for item in old.namelist():
            new.writestr(item, entry if item == f"{name}.npy" else old.read(item))
    return made.getvalue()


def test_files_that_are_no_network(tmp_path, kept):
    _, arrays, refused = kept
    for place, message in ((tmp_path, "cannot read"), (tmp_path / "no.npz", "no such file")):
        with pytest.raises(bnexp.StoreError, match=f"^{place}: {message}"):
            bnexp.load_model(place)
    one = io.BytesIO()
    np.save(one, np.zeros(3))
    for content in (b"", b"text\n", pickle.dumps([1]), one.getvalue()):
        refused(content, "damaged")
    refused({"a": np.zeros(3)}, "of another kind, expected a bnexp_network file")
    whole = npz(arrays)
    for length in range(0, len(whole), len(whole) // 30):
        refused(whole[:length])


W = "parameters/0/W"


def test_arrays_that_do_not_fit(kept):
    _, arrays, refused = kept
    w = arrays[W]
    refused({name: a for name, a in arrays.items() if name != W}, f"{W}: missing")
    refused({**arrays, "extra": w}, "extra: expected no array of this name")
    refused({**arrays, W: w[:, :5]}, rf"{W}: does not fit, .* got \(1, 5, 6\) float32")
    refused({**arrays, W: w.astype(float)}, "got .* float64")
    refused({**arrays, W: np.array([{}])}, "damaged.*allow_pickle")
    whole = npz(arrays)
    shape = b"'shape': (9000000000000,), }"
    for entry in (
        b"",
        b"abc",
        b"\x93NUMPY\x01\x00\x40\x00{'descr': '<f4', 'fortran_order': False, " + shape,
    ):
        refused(repacked(whole, W, entry), "damaged")
    refused(npz({**arrays, W: np.zeros(10**7)}, np.savez_compressed))


@pytest.mark.slow
def test_a_flipped_bit_is_refused_or_changes_nothing(kept):
    """In the first entries' headers, where their arrays' lengths stand, and in the directory."""
    path, _, _ = kept
    whole, model = path.read_bytes(), bnexp.load_model(path)
    starts = [entry.header_offset for entry in zipfile.ZipFile(path).infolist()]
    places = [p for start in starts[:2] for p in range(start, start + 140, 3)]
    refusals = 0
    for place in [starts[1] + 76, *places, *range(len(whole) - 300, len(whole), 2)]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert same(bnexp.load_model(path), model)
        except bnexp.BnexpError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            refusals += 1
    assert refusals > 100


WIDE = {"kind": "mlp", "hidden": [20_000] * 50}
HEADERS = [
    *({"shape": s} for s in ([28, 28, -1], [-28, -28, 1], [10**5, 10**5], [2**64], [2**32] * 2)),
    *({"shape": s} for s in (None, 784, "784", [None], [[784]], {}, [784.5], [True, 784], [])),
    *({"classes": c} for c in (0, -1, 10**9, 10**30, None, "10", [10], 1e999, True)),
    *({"seed": s} for s in (None, -1, "x", 1e999, 10**40)),
    *({"setting": s} for s in (None, 5, [], "x", {}, {"model": WIDE, "train": {"batch_size": 1}})),
    *({"format": f} for f in (2, None, [1], "2")),
]


@pytest.fixture
def _little_memory():
    """1 GiB more than there is now; what asks for more gets a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="says how much memory is used")
@pytest.mark.usefixtures("_little_memory")
def test_hostile_headers(kept):
    """Only BnexpErrors, and within little memory."""
    _, arrays, refused = kept
    about = json.loads(str(arrays["bnexp_network"]))
    unknown = {**about["setting"], "nonsense": 1}
    for changes in [*HEADERS, {"setting": unknown}]:
        refused({**arrays, "bnexp_network": np.array(json.dumps({**about, **changes}))})
    for text in ("", "no JSON", "[1]", "5", "null", '"text"', "[" * 10**5, "{}"):
        refused({**arrays, "bnexp_network": np.array(text)})
    refused(
        {**arrays, "bnexp_network": np.array(json.dumps({**about, "format": 2}))}, "of format 2, "
    )
