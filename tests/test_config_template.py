"""What `bnexp new` writes loads, runs and teaches."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.config import document, json_schema, template
from bnexp.config.yaml import parse
from bnexp.errors import StoreError
from bnexp.sweep import make_plan

MODELINE = "# yaml-language-server: $schema=bnexp.schema.json\n"
TINY = {
    "data.name": "synthetic",
    "data.train": 100,
    "data.test": 20,
    "train.epochs": 1,
    "sweep.model.init.std": [0.1, 0.01],
    "random.seeds": [0],
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def new(*words):
    return CliRunner().invoke(cli, ["new", *words])


def test_a_new_experiment_is_what_its_schema_says_and_runs(tmp_path):
    result = new("my_scales")
    assert result.exit_code == 0
    assert "  bnexp check my_scales.yaml\n  bnexp run my_scales.yaml\n" in result.output
    text = (tmp_path / "my_scales.yaml").read_text()
    assert text.startswith(MODELINE)
    schema = json.loads((tmp_path / "bnexp.schema.json").read_text())
    assert schema == json_schema()
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))
    config = bnexp.load_config("my_scales.yaml")
    assert config.name == "my_scales"
    assert len(make_plan(config).networks) == 5 * 4 * 3
    made = bnexp.run(bnexp.load_config("my_scales.yaml", TINY), jobs=1)
    assert list(made.summary["status"]) == ["ok"] * 8


def test_it_teaches_each_key_that_it_shows(tmp_path):
    new("my")
    text = (tmp_path / "my.yaml").read_text()
    assert "  # widths of the hidden layers\n  hidden: [50, 50, 50]\n" in text
    assert (
        "# the seeds; each combination is trained with each of them\nrandom: {seeds: [0, 1, 2]}\n"
        in text
    )
    assert "#:" not in text
    shown = set(parse(text, "my.yaml").value)
    assert shown >= {"data", "model", "train", "random", "sweep", "figures", "claims"}
    assert max(map(len, text.splitlines())) <= 90


@pytest.mark.parametrize(
    ("asked", "path"),
    [("a", "a.yaml"), ("a.yaml", "a.yaml"), ("a.yml", "a.yml"), ("b/c/a", "b/c/a.yaml"),
     ("a.b", "a.b.yaml"), ("./a", "a.yaml")],
)  # fmt: skip
def test_a_name_or_a_path_will_do(asked, path, tmp_path):
    assert new(asked).exit_code == 0
    stem = (tmp_path / path).stem
    assert parse((tmp_path / path).read_text(), path).value["name"] == stem
    assert (tmp_path / path).with_name("bnexp.schema.json").is_file()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("", "not an experiment's name, expected letters"),
        ("a b", "got 'a b'"),
        ("dir/", "not an experiment's name"),
        ("..", "not an experiment's name"),
        ("x" * 65, "at most 64"),
        ("a\0b", "not an experiment's name"),
        ("quickstart", "a shipped experiment's name, expected another"),
    ],
)
def test_what_is_no_name_is_refused(asked, said, tmp_path):
    result = new(asked)
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "my.yaml").write_text("mine")
    (tmp_path / "link.yaml").symlink_to("nowhere")
    for name in ("my", "my.yaml", "link"):
        result = new(name)
        assert result.exit_code == 2
        assert "there already, expected a new name" in result.output
    assert (tmp_path / "my.yaml").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "my.yaml"]


def test_an_old_schema_is_brought_up_to_date(tmp_path):
    schema = tmp_path / "bnexp.schema.json"
    schema.write_text("{}")
    assert "bnexp.schema.json: written" in new("a").output
    assert json.loads(schema.read_text()) == json_schema()
    assert "bnexp.schema.json" not in new("b").output


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    def full(path, content):
        path.write_bytes(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.system, "write", full)
    result = new("a")
    assert result.exit_code == StoreError.exit_status
    assert "cannot write, No space left on device" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", document.experiment_names())
def test_a_copy_is_the_experiment_under_another_name(name):
    made, text = (
        template.copy_of_experiment("mine", name),
        (document.experiments_folder() / f"{name}.yaml").read_text(),
    )
    values = document.read_document(document.find_experiment(name)).value
    assert made.startswith(MODELINE)
    assert parse(made, "mine.yaml").value == {**values, "name": "mine"}
    if "\nextends:" not in text:
        assert made == text.replace(f"\nname: {name}\n", "\nname: mine\n")


@pytest.mark.slow
def test_a_copy_runs(tmp_path):
    assert new("mine", "--from", "quickstart").exit_code == 0
    config, origin = bnexp.load_config("mine.yaml"), bnexp.load_config("quickstart")
    assert "\nextends" not in (tmp_path / "mine.yaml").read_text()
    ids = [[network.id for network in make_plan(one).networks] for one in (config, origin)]
    assert ids[0] == ids[1]
    made = bnexp.run(bnexp.load_config("mine.yaml", {**TINY, "train.batch_size": 50}), jobs=1)
    assert list(made.summary["status"]) == ["ok"] * 4


def test_a_copy_of_a_users_file_means_the_same_data(tmp_path, small):
    text = small.read_text().replace("name: synthetic, train: 200", "name: ./images")
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "own.yaml").write_text(text)
    assert new("mine", "--from", "there/own.yaml").exit_code == 0
    data = bnexp.load_config("mine.yaml").experiment.data
    assert data.name == str(folder / "images")


@pytest.mark.parametrize(
    ("experiment", "said"),
    [("quikstart", "did you mean 'quickstart'?"), ("bad.yaml", "bad.yaml:2:1: modle: unknown key")],
)
def test_what_cannot_be_copied_is_said(experiment, said, tmp_path):
    (tmp_path / "bad.yaml").write_text("name: bad\nmodle: {}\n")
    result = new("mine", "--from", experiment)
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert not (tmp_path / "mine.yaml").exists()
