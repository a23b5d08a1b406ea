"""The table of data sets: its names, a user's own, and where their files are looked for."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bnexp
from bnexp import registry
from bnexp.cli.main import cli
from bnexp.data import DATASETS, DatasetFacts, data_folder, fetch, info, is_path, load, verify
from bnexp.data.datasets import cache_folder, expand
from bnexp.data.mnist import set_folder
from bnexp.errors import DataError

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.mark.parametrize("name", ["./digits", "a/b", "/a", "~/a", "..", ".", "~", "a.npz"])
def test_paths_are_folders(name):
    assert is_path(name)


@pytest.mark.parametrize("name", [*sorted(DATASETS.builtin), "digits"])
def test_plain_names_are_not_folders(name):
    assert not is_path(name)


def test_sizes_in_the_table():
    sizes = {
        "mnist": (60000, 10000),
        "mnist-5k": (4000, 1000),
        "synthetic": (2000, 500),
        "gaussian": (2000, 500),
    }
    assert {name: (DATASETS[name].train, DATASETS[name].test) for name in sizes} == sizes


def test_the_help_of_info_names_every_data_set():
    text = CliRunner().invoke(cli, ["data", "info", "--help"]).output
    names = f"NAME is {', '.join(DATASETS)} or the path of a folder or of an npz file."
    assert names.replace(" ", "") in "".join(text.split())  # lines may end within a name


def test_the_table_does_not_import_numpy():
    code = "import sys, bnexp.data.datasets; print('numpy' in sys.modules, 'pooch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_unknown_names_get_a_hint():
    with pytest.raises(DataError, match=r"called 'mnits'\. Did you mean mnist\? Known: mnist, "):
        load("mnits")


MODULE = '''\
import numpy as np

from bnexp.data import DATASETS, DatasetFacts, make_dataset


def load_stripes(places):
    """Images of class k have k bright rows."""
    arrays = {}
    for part, count in (("train", 40), ("test", 20)):
        labels = np.arange(count, dtype=np.uint8) % 4
        rows = np.arange(6) < labels[:, None]
        arrays[f"{part}_labels"] = labels
        arrays[f"{part}_images"] = np.uint8(200) * rows[:, :, None, None].repeat(5, axis=2)
    return make_dataset("my_stripes", arrays, "made by my_stripes.py")


DATASETS.register(
    "my_stripes",
    DatasetFacts(
        train=40, test=20, image_shape=(6, 5, 1), classes=4, description="my_stripes",
        load=load_stripes, fixed=True,
    ),
)
'''
EXPERIMENT = """\
name: striped
data: {name: my_stripes, test: 20}
model: {hidden: [6]}
train: {epochs: 2, batch_size: 10, optimizer: {kind: sgd, lr: 0.5}}
random: {seeds: [0, 1]}
figures: []
"""


@pytest.fixture
def stripes(monkeypatch):
    """Registers the data set for one test."""
    monkeypatch.setattr(DATASETS, "_entries", dict(DATASETS._all()))
    exec(MODULE, {})


def test_a_registered_set_is_loaded_and_described(stripes):
    data = load("my_stripes")
    assert data.train_images.shape == (40, 6, 5, 1)
    assert (data.test_labels.tolist(), data.classes) == (list(range(4)) * 5, 4)
    assert info("my_stripes")["origin"] == "made by my_stripes.py"
    assert list(DATASETS)[-1] == "my_stripes"


def test_it_is_named_where_data_sets_are_listed(stripes, config_file):
    key = bnexp.config.json_schema()["$defs"]["Data"]["properties"]["name"]
    assert f"{', '.join(DATASETS)}, or a folder of IDX files" in key["description"]
    assert "my_stripes" in DATASETS
    with pytest.raises(bnexp.ConfigError, match="did you mean 'my_stripes'"):
        bnexp.load_config(config_file(EXPERIMENT), {"data.name": "my_stripe"})
    with pytest.raises(DataError, match=r"Did you mean my_stripes\?"):
        load("my_stripe")


def test_fixed_sizes_are_checked_before_anything_is_loaded(stripes, config_file):
    with pytest.raises(bnexp.ConfigError, match="more than there are, expected at most 40, got 41"):
        bnexp.load_config(config_file(EXPERIMENT), {"data.train": 41})


def test_built_in_sets_cannot_be_replaced(stripes):
    with pytest.raises(ValueError, match="data set 'synthetic' is built in"):
        DATASETS.register("synthetic", DATASETS["my_stripes"])
    with pytest.raises(TypeError, match="data set 'other': expected DatasetFacts, got load"):
        DATASETS.register("other", load)


def test_values_are_those_of_the_facts(stripes):
    values = np.linspace(-1, 1, 256, dtype=np.float32)
    DATASETS.register("signed", replace(DATASETS["my_stripes"], values=lambda: values))
    assert load("signed").values is values
    assert load("my_stripes").values is None


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"train": 41}, "train: expected 41, got 40"),
        ({"test": 10}, "test: expected 10, got 20"),
        ({"image_shape": (5, 6, 1)}, r"image_shape: expected \(5, 6, 1\), got \(6, 5, 1\)"),
        ({"classes": 3}, "classes: expected 3, got 4"),
        ({"sha256": "0" * 64}, "sha256: expected 0{64}, got [0-9a-f]{64}"),
    ],
)
def test_a_fixed_set_that_is_not_as_its_facts_say_is_refused(stripes, facts, message):
    DATASETS.register("odd", replace(DATASETS["my_stripes"], **facts))
    with pytest.raises(DataError, match=f"data odd: not as its DatasetFacts say: {message}$"):
        load("odd")
    DATASETS.register("odd", replace(DATASETS["my_stripes"], **facts, fixed=False))
    assert load("odd").classes == 10


def test_a_function_that_fails_or_returns_something_else_is_named(stripes):
    facts = DATASETS["my_stripes"]
    DATASETS.register("failing", replace(facts, load=lambda places: 1 / 0))
    with pytest.raises(DataError, match=r"data failing: .* raised ZeroDivisionError: division by"):
        load("failing")
    DATASETS.register("empty", replace(facts, load=lambda places: None))
    with pytest.raises(DataError, match="data empty: load: expected what make_dataset returns"):
        load("empty")


@pytest.mark.slow
def test_workers_train_on_it_as_this_process_does(stripes, config_file):
    config = bnexp.load_config(config_file(EXPERIMENT))
    networks, workers = bnexp.run(config, jobs=1), bnexp.run(config, jobs=2)
    np.testing.assert_array_equal(networks.metrics["test_loss"], workers.metrics["test_loss"])


@pytest.mark.slow
def test_the_command_line_imports_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(bnexp.__file__).parents[1]))
    (tmp_path / "my_stripes.py").write_text(MODULE)
    (tmp_path / "striped.yaml").write_text(EXPERIMENT)

    def call(*words):
        command = [sys.executable, "-m", "bnexp", "--import", "my_stripes", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "made by my_stripes.py" in call("data", "info", "my_stripes")
    assert "my_stripes, or a folder" in call("explain", "data.name")
    assert "2 networks: 0 up to date, 2 to train" in call("run", "striped.yaml", "-j", "2")
    assert "2 identical" in call("verify", "results/striped", "-j", "2")


def test_an_installed_package_enters_its_own(monkeypatch, tmp_path):
    (tmp_path / "my_stripes.py").write_text(MODULE.split("DATASETS.register")[0] + "FACTS = 3")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("striped", "my_stripes:FACTS", "bnexp.data_set")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] * ("data_set" in group))
    own = registry.Registry("data set", {}, instance_of=DatasetFacts)
    assert list(own) == ["striped"]
    with pytest.raises(bnexp.ConfigError, match="'striped': expected DatasetFacts, got int"):
        own["striped"]


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
    assert set_folder("mnist") == tmp_path / "cache" / "mnist"


def test_the_systems_cache_is_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("BNEXP_CACHE_DIR")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/caches/{name}")
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
    with pytest.raises(DataError, match=r"^~no-such-user/x: [^.]*; write the folder's full path"):
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
        "print(cache_folder().name)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "BNEXP_CACHE_DIR"}
    words = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("bnexp\n", "")
