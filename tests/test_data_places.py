"""Where data lies: which folder is chosen, and what happens where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bnexp.data import DATASETS, data_folder, fetch, load, verify
from bnexp.data.datasets import cache_folder, expand
from bnexp.data.mnist import mnist_folder
from bnexp.errors import DataError

pytestmark = pytest.mark.usefixtures("own_places")

NO_CACHE = r"MNIST: expected a home folder .* got none .* Set BNEXP_CACHE_DIR to a folder"


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    """No HOME, and a user the system does not know, in a working directory of its own."""
    pwd = pytest.importorskip("pwd")

    def unknown(user):
        raise KeyError(user)

    for variable in ("HOME", "XDG_CACHE_HOME", "BNEXP_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_data_folder_is_the_argument_else_the_variable_else_none(monkeypatch):
    assert data_folder() is None
    assert data_folder(None) is None
    monkeypatch.setenv("BNEXP_DATA_DIR", "/by/variable")
    assert data_folder() == Path("/by/variable")
    assert data_folder("/by/argument") == Path("/by/argument")


def test_the_cache_is_the_argument_else_the_variable(tmp_path):
    assert cache_folder() == tmp_path / "cache"
    assert cache_folder("/by/argument") == Path("/by/argument")
    assert mnist_folder() == tmp_path / "cache" / "mnist"


def test_the_systems_cache_is_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("BNEXP_CACHE_DIR")
    monkeypatch.setattr("pooch.os_cache", lambda name: Path("~/caches") / name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert cache_folder() == tmp_path / "caches" / "bnexp"


def test_without_a_home_sets_that_need_no_cache_load_and_nothing_is_written(homeless):
    assert cache_folder() is None
    assert load("synthetic").sha256 == DATASETS["synthetic"].sha256
    assert os.listdir(homeless) == []


@pytest.mark.parametrize(
    "call",
    [lambda: load("mnist"), lambda: load("mnist", download=False), fetch, verify],
    ids=["load", "load without download", "fetch", "verify"],
)
def test_without_a_home_mnist_says_what_to_set(homeless, call):
    with pytest.raises(DataError, match=NO_CACHE):
        call()


@pytest.mark.parametrize("call", [expand, load, data_folder, cache_folder])
def test_the_home_of_an_unknown_user(call):
    with pytest.raises(DataError, match=r"^~no-such-user/x: .*Write the folder's full path"):
        call("~no-such-user/x")


def test_a_notebook_without_widgets_is_not_warned():
    """What tqdm says on the import of pooch is about a bar that is never shown."""
    code = (
        "import sys, warnings\n"
        "from bnexp.data.datasets import cache_folder\n"
        "class Warner:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tqdm.auto': warnings.warn('IProgress not found')\n"
        "sys.meta_path.insert(0, Warner())\n"
        "print(cache_folder().name, 'tqdm.auto' in sys.modules)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "BNEXP_CACHE_DIR"}
    words = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("bnexp True\n", "")
