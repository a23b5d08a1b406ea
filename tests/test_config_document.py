"""Experiments made of several texts: `extends`, `--set` and overrides."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner
from config_cases import SMALLEST, errors

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.config import load_config
from bnexp.config.template import copy_of_experiment
from bnexp.errors import ConfigError

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")


def test_extends_merges_deeply_and_nearer_values_win(config_file):
    config_file(
        "name: parent\nmodel: {hidden: [10], init: {kind: normal, std: 1.0}}\n"
        "train: {epochs: 5, batch_size: 10}\nsweep: {model.norm: [batch, none]}\n",
        "parent.yaml",
    )
    child = config_file(
        "extends: parent.yaml\nname: child\nmodel: {init: {kind: he}}\ntrain: {epochs: 2}\n"
        "sweep: {model.norm: null, model.init: [he, xavier]}\n"
    )
    experiment = load_config(child).experiment
    assert experiment.train.epochs == 2
    assert experiment.train.batch_size == 10
    assert experiment.model.init.kind == "he"  # another kind replaces: no stray std
    assert list(experiment.sweep.axes()) == ["model.init"]


def test_an_inherited_mistake_is_shown_in_the_file_it_stands_in(config_file):
    parent = config_file(SMALLEST.replace("epochs: 1", "epochs: 0"), "parent.yaml")
    child = config_file("extends: parent.yaml\nname: child\n")
    assert errors(child).startswith(f"{parent}:3:17: train.epochs: ")


def test_a_title_is_of_one_experiment_only(config_file):
    config_file("title: parent\ndescription: long\nsource: a book\n" + SMALLEST, "parent.yaml")
    experiment = load_config(config_file("extends: parent.yaml\nname: child\n")).experiment
    assert (experiment.title, experiment.description) == ("", "")
    assert experiment.source == "a book"


@pytest.mark.parametrize("given", ["", ", optimizer: sgd", ", optimizer: {kind: sgd, lr: 1.0}"])
def test_a_bare_or_default_kind_can_be_refined(config_file, given):
    path = config_file(SMALLEST.replace("batch_size: 10", f"batch_size: 10{given}"))
    config = load_config(path, assignments=["train.optimizer.lr=0.1"])
    assert config.experiment.train.optimizer.kind == "sgd"
    assert config.experiment.train.optimizer.lr == 0.1


def test_a_bare_norm_can_be_refined_but_not_none(config_file):
    path = config_file(SMALLEST.replace("[10]", "[10], norm: batch, layer_init: {output: normal}"))
    sets = ["model.norm.affine=false", "model.layer_init.output.std=2.0"]
    model = load_config(path, assignments=sets).experiment.model
    assert (model.norm.kind, model.norm.affine) == ("batch", False)
    assert model.layer_init["output"].std == 2
    assert "model.norm: no kind given" in errors(
        path, ["model.norm=none", "model.norm.affine=false"]
    )


def test_steps_over_inherited_epochs_say_how_to_drop_them(config_file):
    text = errors(config_file(SMALLEST), ["train.steps=5"])
    assert "got both; --set train.epochs=null or train.steps=null drops an inherited one" in text
    sets = ["train.steps=5", "train.epochs=null"]
    assert load_config(config_file(SMALLEST), assignments=sets).experiment.train.steps == 5


def test_long_assignments_are_not_repeated(config_file):
    text = errors(config_file(SMALLEST), ["title=" + "x" * 50_000, "train." + "y" * 5_000 + "=1"])
    assert text.count("x") < 100
    assert "--set title:1:7: title: not a valid value" in text
    assert len(errors(config_file(SMALLEST), ["z" * 50_000])) < 200


def test_overrides_from_python_are_called_so(config_file):
    with pytest.raises(ConfigError, match=r"^train.epochs: not a valid value, expected"):
        load_config(config_file(SMALLEST), {"train.epochs": 0})


def test_extends_in_a_circle_and_nowhere(config_file):
    a = config_file("extends: b.yaml\n", "a.yaml")
    config_file("extends: a.yaml\n", "b.yaml")
    assert ":1:10: extends: goes in a circle" in errors(a)
    assert "extends: " in errors(config_file("extends: nothing_there\n"))
    assert "extends: not a file name" in errors(config_file("extends: 3\n"))


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("train.epochs", "--set: not an assignment, expected KEY=VALUE, got 'train.epochs'"),
        ("=3", "--set: not an assignment"),
        ("train.epochs=0", "--set train.epochs:1:14: train.epochs: not a valid value"),
        ("train.epoch=1", "--set train.epoch:1:1: train.epoch: unknown key"),
        ("train.epochs=[1", "--set train.epochs:1:16: not valid, expected valid YAML"),
        ("train.epochs=yes", "--set train.epochs:1:14: ambiguous text"),
        ("name=../../etc", "name: not a valid value"),
    ],
)
def test_assignments_are_checked_like_a_file(config_file, assignment, expected):
    assert expected in errors(config_file(SMALLEST), [assignment])


def test_assignments_and_overrides_change_one_key(config_file):
    path = config_file(SMALLEST)
    config = load_config(path, {"train.epochs": 7}, ["train.optimizer={kind: sgd, lr: 1e-3}"])
    assert config.experiment.train.epochs == 7
    assert config.experiment.train.optimizer.lr == 0.001
    assert config.experiment.train.batch_size == 10


def test_a_swept_key_is_set_through_its_axis(small):
    assert "swept over" in errors(small, ["model.norm=none"])
    config = load_config(small, assignments=["sweep.model.init.std={geomspace: [1, 100, 3]}"])
    assert config.experiment.sweep.axes()["model.init.std"].geomspace == (1.0, 100.0, 3)


def test_a_data_folder_is_meant_from_where_the_text_stands(config_file, tmp_path):
    config = load_config(config_file("data: {name: ./digits}\n" + SMALLEST))
    assert config.experiment.data.name == str(tmp_path / "digits")
    config = load_config(config_file(SMALLEST), assignments=["data.name=./digits"])
    assert config.experiment.data.name == str(Path("digits").resolve())


def test_an_experiment_that_extends_another_is_named_after_its_file(config_file):
    own = config_file("extends: quickstart\ntrain: {epochs: 1}\n", "mine.yaml")
    assert bnexp.load_config(own).name == "mine"
    above = config_file("name: parent\nextends: quickstart\n", "parent.yaml")
    assert bnexp.load_config(above).name == "parent"
    config_file("extends: parent.yaml\n", "child.yaml")
    assert bnexp.load_config(above.parent / "child.yaml").name == "child"
    odd = config_file("extends: quickstart\n", "my scales.yaml")
    with pytest.raises(bnexp.ConfigError, match=r"scales\.yaml:1:10: name: .* got 'my scales'"):
        bnexp.load_config(odd)


def written_to(pipe, content, pause=0.0):
    """A process that writes to a pipe, as the command in `<(...)` does."""
    code = "import sys, time; out = open(sys.argv[1], 'w'); time.sleep(float(sys.argv[2]))"
    code += "; out.write(sys.argv[3])"
    return subprocess.Popen([sys.executable, "-c", code, str(pipe), str(pause), content])


@pytest.mark.slow
@needs_pipes
@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_pipe_is_read_until_its_writer_closes_it(config_file, tmp_path, monkeypatch, pause):
    monkeypatch.chdir(tmp_path)
    config_file(SMALLEST, "parent.yaml")
    os.mkfifo("child")
    with written_to("child", "extends: parent.yaml\ntrain: {epochs: 7}\n", pause):
        config = load_config("child")
    assert (config.name, config.experiment.train.epochs) == ("child", 7)


@needs_pipes
def test_a_pipe_is_read_once_for_all_that_a_command_asks_of_it(tmp_path):
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    with written_to(pipe, SMALLEST + "random: {seeds: [0], design_seeds: [5]}\n"):
        done = CliRunner().invoke(cli, ["check", str(pipe), "--seeds", "design"])
    assert done.exit_code == 0, done.output
    with written_to(pipe, f"# mine\n{SMALLEST}"):
        text = copy_of_experiment("copy", str(pipe))
    assert "# mine" in text
    assert "name: copy" in text


@needs_pipes
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PIPE_PATIENCE", 0.1)
    os.mkfifo(tmp_path / "pipe.yaml")
    assert errors(tmp_path / "pipe.yaml") == (
        f"{tmp_path}/pipe.yaml: a pipe to which no process writes, expected a regular file, or a "
        "pipe that a process writes to; start that first, and see whether it fails"
    )


@needs_pipes
def test_a_pipe_has_the_limit_of_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    code = "import sys\nwith open(sys.argv[1], 'w') as out:\n while True: out.write('a' * 9999)"
    command = [sys.executable, "-c", code, str(tmp_path / "pipe.yaml")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL):  # it ends when nobody reads
        assert "pipe.yaml:1:1: too large, expected at most 262144 bytes" in errors(
            tmp_path / "pipe.yaml"
        )


@needs_pipes
def test_only_the_experiment_that_is_named_may_be_a_pipe(config_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "parent.yaml")
    child = config_file("extends: parent.yaml\n")
    assert "parent.yaml: cannot read, expected a regular file, got a pipe" in errors(child)


def test_standard_input(config_file, tmp_path, monkeypatch):
    """Names in it are relative to the current folder, and a mistake has its place."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    config_file(SMALLEST, "folder/parent.yaml")
    text = "extends: parent.yaml\ndata: {name: ./digits, train: 70}\n"

    def reading(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return "-"

    config = load_config(reading(text.encode()))
    assert config.name == "stdin"
    assert config.experiment.data.name == str(folder / "digits")
    assert config.experiment.data.train == 70
    wrong = SMALLEST.replace("epochs: 1", "epochs: 0").encode()
    assert errors(reading(wrong)).startswith("<stdin>:3:17: train.epochs: ")
    assert errors(reading(b"\xff")).startswith("<stdin>:1:1: not UTF-8")
    assert "<stdin>:1:1: too large" in errors(reading(b"a" * 300_000))
    monkeypatch.setattr(sys, "stdin", io.StringIO(SMALLEST))  # as in a notebook
    assert load_config("-").experiment.train.epochs == 1
    monkeypatch.setattr(sys, "stdin", None)
    assert errors("-") == "<stdin>: closed, expected the text of an experiment"


def test_the_home_folder_of_an_experiment(config_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config_file(SMALLEST, "mine.yaml")
    assert load_config("~/mine.yaml").experiment.train.epochs == 1
    child = config_file("extends: ~/mine.yaml\nname: child\n", "child.yaml")
    assert load_config(child).name == "child"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "\u201cquickstart\u201d",
            "the first character is a left double quotation mark (U+201C)",
        ),
        ("qui\u0441kstart", "character 4 is a cyrillic small letter es (U+0441), write 'c'"),
        (
            "./l\u2019eau.yaml",
            '4 is a right single quotation mark (U+2019), write "\'", if that is',
        ),
    ],
)
def test_look_alikes_in_what_is_extended_are_named(name, hint):
    with pytest.raises(ConfigError) as caught:
        load_config(f"extends: {name}\ntitle: x")
    assert hint in str(caught.value)
    assert str(caught.value).startswith("<text>:1:10: extends: ")


@pytest.mark.parametrize(
    ("key", "place"),
    [("m\u043edel.norm", 2), ("train.\u0435pochs", 1), ("train.op\u03c4imizer", 3)],
)
def test_letters_of_other_scripts_in_keys_are_named(key, place):
    name = next(part for part in key.split(".") if not part.isascii())
    letter = unicodedata.name(name[place - 1]).lower()
    for assign in (
        lambda: load_config("quickstart", {key: 1}),
        lambda: load_config("quickstart", assignments=[f"{key}=1"]),
    ):
        with pytest.raises(ConfigError, match=f"is a {letter} "):
            assign()
