"""The cache of unpacked arrays: whole or not at all, checked, never needed."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from bnexp.data.arrays import ROLES, Content
from bnexp.data.cache import cached, entry_key
from bnexp.files import HOST, TEMPORARY, short_name

KEY = entry_key([b"source"])


def arrays(shift=0):
    images = (np.arange(2 * 3 * 3) + shift).astype(np.uint8).reshape(2, 3, 3, 1)
    labels = np.array([3, 4], np.uint8)
    return dict(zip(ROLES, (images, labels, images[:1], labels[:1]), strict=True))


def must_not_build():
    raise AssertionError("the entry is sound, so nothing is to be built")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_right(content):
    assert content.digests == Content.of(arrays()).digests
    for role, array in arrays().items():
        np.testing.assert_array_equal(content.arrays[role], array)


def test_second_reading_is_memory_mapped_and_does_not_build(tmp_path):
    assert_right(cached(tmp_path, KEY, arrays))
    again = cached(tmp_path, KEY, must_not_build)
    assert_right(again)
    assert isinstance(again.arrays["train_images"], np.memmap)


def test_an_entry_holds_plain_arrays_and_nothing_is_left_beside_it(tmp_path):
    cached(tmp_path, KEY, arrays)
    assert names(tmp_path / "arrays") == [KEY]
    assert names(tmp_path / "arrays" / KEY) == sorted(
        ["digests.json", *(f"{role}.npy" for role in ROLES)]
    )


def test_key_depends_on_every_source():
    keys = {entry_key(sources) for sources in ([b"a", b"b"], [b"b", b"a"], [b"ab"], [b"a"])}
    assert len(keys) == 4


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


def pickle_instead(path):
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


DAMAGES = {
    "one bit of an array": lambda entry: flip(entry / "train_images.npy"),
    "array cut short": lambda entry: shorten(entry / "test_images.npy"),
    "array emptied": lambda entry: (entry / "train_labels.npy").write_bytes(b""),
    "array gone": lambda entry: (entry / "test_labels.npy").unlink(),
    "another type": lambda entry: np.save(entry / "train_labels.npy", np.array([3, 4])),
    "another shape": lambda entry: np.save(
        entry / "train_images.npy", arrays()["train_images"].reshape(2, 9, 1, 1)
    ),
    "a pickle": lambda entry: pickle_instead(entry / "train_labels.npy"),
    "digests gone": lambda entry: (entry / "digests.json").unlink(),
    "digests cut short": lambda entry: shorten(entry / "digests.json"),
    "other digests": lambda entry: (entry / "digests.json").write_text(json.dumps({"a": "b"})),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_entry_is_rebuilt(tmp_path, damage):
    cached(tmp_path, KEY, arrays)
    damage(tmp_path / "arrays" / KEY)
    assert_right(cached(tmp_path, KEY, arrays))
    assert_right(cached(tmp_path, KEY, must_not_build))
    assert names(tmp_path / "arrays") == [KEY]


def test_without_a_writable_cache_the_arrays_stay_in_memory(tmp_path):
    (tmp_path / "file").write_text("in the way")
    content = cached(tmp_path / "file", KEY, arrays)
    assert_right(content)
    assert not isinstance(content.arrays["train_images"], np.memmap)


def test_without_a_cache_the_arrays_stay_in_memory():
    content = cached(None, KEY, arrays)
    assert_right(content)
    assert not isinstance(content.arrays["train_images"], np.memmap)


def test_an_entry_that_appears_meanwhile_is_used(tmp_path):
    def build():
        cached(tmp_path, KEY, arrays)
        mark = tmp_path / "arrays" / KEY / "mark"
        mark.touch()
        return arrays()

    assert_right(cached(tmp_path, KEY, build))
    assert (tmp_path / "arrays" / KEY / "mark").exists()
    assert names(tmp_path / "arrays") == [KEY]


def test_a_failing_build_leaves_nothing(tmp_path):
    def build():
        raise RuntimeError("no source")

    with pytest.raises(RuntimeError, match="no source"):
        cached(tmp_path, KEY, build)
    assert list(tmp_path.iterdir()) == []


def test_only_leftovers_of_ended_processes_are_removed(tmp_path):
    old, young, dead = (
        tmp_path / "arrays" / f"{TEMPORARY}{writer}-{short_name(KEY)}"
        for writer in ("elsewhere-1-1", "elsewhere-2-1", f"{HOST}-4194305-1")
    )
    for folder in (old, young, dead):
        folder.mkdir(parents=True)
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    cached(tmp_path, KEY, arrays)
    assert names(tmp_path / "arrays") == [young.name, KEY]


FILL = """
import sys, numpy as np
from pathlib import Path
from bnexp.data.cache import cached
from bnexp.data.arrays import ROLES
def build():
    return {r: np.full((300, 9, 9, 1) if "images" in r else 300, 7, np.uint8) for r in ROLES}
sys.stdin.read(1)
for number in range(20):
    print(cached(Path(sys.argv[1]), f"entry{number}", build).sha256)
"""


@pytest.mark.slow
def test_processes_that_fill_the_cache_at_once_all_succeed(tmp_path):
    command = [sys.executable, "-c", FILL, str(tmp_path)]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for process in running:
        process.stdin.write("g")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert [len(output) for output in outputs] == [20, 20, 20]
    assert len(set().union(*outputs)) == 1
    assert names(tmp_path / "arrays") == sorted(f"entry{number}" for number in range(20))
