"""A data set of the user's own: registered, used from YAML and the command line, and in workers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

import bnexp
from bnexp import registry
from bnexp.data import DATASETS, DatasetFacts, info, load, make_dataset
from bnexp.errors import DataError

pytestmark = pytest.mark.usefixtures("own_places")

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
    return make_dataset("stripes", arrays, "made by stripes.py")


DATASETS.register(
    "stripes",
    DatasetFacts(
        train=40, test=20, image_shape=(6, 5, 1), classes=4, description="stripes",
        load=load_stripes, fixed=True,
    ),
)
'''
EXPERIMENT = """\
name: striped
data: {name: stripes, test: 20}
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
    data = load("stripes")
    assert data.train_images.shape == (40, 6, 5, 1)
    assert (data.test_labels.tolist(), data.classes) == (list(range(4)) * 5, 10)
    assert info("stripes")["origin"] == "made by stripes.py"
    assert list(DATASETS)[-1] == "stripes"


def test_it_is_named_where_data_sets_are_listed(stripes, config_file):
    key = bnexp.config.json_schema()["$defs"]["Data"]["properties"]["name"]
    assert "gaussian, stripes, or a folder of IDX files" in key["description"]
    with pytest.raises(bnexp.ConfigError, match="did you mean 'stripes'"):
        bnexp.load_config(config_file(EXPERIMENT), {"data.name": "stripe"})
    with pytest.raises(DataError, match=r"Did you mean stripes\?"):
        load("stripe")


def test_fixed_sizes_are_checked_before_anything_is_loaded(stripes, config_file):
    with pytest.raises(bnexp.ConfigError, match="more than there are, expected at most 40, got 41"):
        bnexp.load_config(config_file(EXPERIMENT), {"data.train": 41})


def test_built_in_sets_cannot_be_replaced(stripes):
    with pytest.raises(ValueError, match="data set 'synthetic' is built in"):
        DATASETS.register("synthetic", DATASETS["stripes"])
    with pytest.raises(TypeError, match="data set 'other': expected DatasetFacts, got load"):
        DATASETS.register("other", load)


def test_values_are_those_of_the_facts(stripes):
    values = np.linspace(-1, 1, 256, dtype=np.float32)
    DATASETS.register("signed", replace(DATASETS["stripes"], values=lambda: values))
    assert load("signed").values is values
    assert load("stripes").values is None


@pytest.mark.slow
def test_workers_train_on_it_as_this_process_does(stripes, config_file):
    config = bnexp.load_config(config_file(EXPERIMENT))
    networks, workers = bnexp.run(config, jobs=1), bnexp.run(config, jobs=2)
    np.testing.assert_array_equal(networks.metrics["test_loss"], workers.metrics["test_loss"])


@pytest.mark.slow
def test_the_command_line_imports_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(bnexp.__file__).parents[1]))
    (tmp_path / "stripes.py").write_text(MODULE)
    (tmp_path / "striped.yaml").write_text(EXPERIMENT)

    def call(*words):
        command = [sys.executable, "-m", "bnexp", "--import", "stripes", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "made by stripes.py" in call("data", "info", "stripes")
    assert "stripes, or a folder" in call("explain", "data.name")
    assert "2 networks: 0 up to date, 2 to train" in call("run", "striped.yaml", "-j", "2")
    assert "2 identical" in call("verify", "results/striped", "-j", "2")


def test_an_installed_package_enters_its_own(monkeypatch, tmp_path):
    (tmp_path / "my_stripes.py").write_text(MODULE.split("DATASETS.register")[0] + "FACTS = 3")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("striped", "my_stripes:FACTS", "bnexp.data_set")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] * ("data_set" in group))
    own = registry.Registry("data set", {}, instance_of=DatasetFacts)
    assert list(own) == ["striped"]
    with pytest.raises(TypeError, match="data set 'striped': expected DatasetFacts, got int"):
        own["striped"]


IMAGES, LABELS = np.zeros((4, 3, 3, 1), np.uint8), np.arange(4, dtype=np.uint8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_images": IMAGES / 255}, "train_images: expected unsigned bytes in 4 dimensions"),
        ({"test_labels": LABELS[:, None]}, r"test_labels: .* in 1 dimensions, got uint8 of shape"),
        ({"test_labels": LABELS[:0]}, r"got uint8 of shape \(0,\)"),
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
