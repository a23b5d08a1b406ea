"""`check` and `run` agree: the same is refused in the same words, and what is valid trains."""

from __future__ import annotations

import contextlib
import itertools
import random

import pytest
from config_cases import CASES, GOOD, RICH
from idx_folders import small_arrays, write_set

from bnexp import running
from bnexp.cli.arguments import load_experiment
from bnexp.cli.output import print_plan
from bnexp.config.document import experiment_names
from bnexp.errors import BnexpError, ConfigError
from bnexp.execution import task


class TrainingBegins(Exception):
    """All is built, and the first step would be made."""


class UntilTraining:
    """An executor that builds each stack, and ends the run where training would begin."""

    workers = 1

    def records(self, tasks, on_step):
        for each in tasks:
            with pytest.raises(TrainingBegins):
                task.train_task(each)
        raise TrainingBegins


@pytest.fixture(autouse=True)
def _no_training(monkeypatch):
    def train(*arguments, **options):
        raise TrainingBegins

    monkeypatch.setattr(task, "train", train)


def refusal_of_run(experiment, assignments, out):
    """Why the run ends before training; None if it comes so far."""
    try:
        config = load_experiment(str(experiment), tuple(assignments), None)
        running.run(config, out, executor=UntilTraining())
    except TrainingBegins:
        return None
    except BnexpError as error:
        return f"{type(error).__name__}: {error}"
    return None


def refusal_of_check(experiment, assignments, out):
    try:
        print_plan(load_experiment(str(experiment), tuple(assignments), None), out, None)
    except BnexpError as error:
        return f"{type(error).__name__}: {error}"
    return None


def agreed(experiment, assignments, tmp_path):
    """What both say; None if the experiment is valid."""
    out = tmp_path / "out"
    check = refusal_of_check(experiment, assignments, out)
    assert refusal_of_run(experiment, assignments, out) == check
    return check


@pytest.mark.slow
def test_a_mistake_is_refused_by_both(config_file, tmp_path):
    """Most of the cases cannot be loaded; these are refused before `check` and `run` begin."""
    texts = [text for text, _ in CASES.values() if isinstance(text, str)]
    begun = []
    for text in texts:
        path = config_file(text, "case.yaml")
        with contextlib.suppress(ConfigError):
            begun.append(load_experiment(str(path), (), None))
            assert agreed(path, [], tmp_path).startswith("ConfigError: ")
    assert len(begun) > 10


# Each changes something, and may or may not fit an experiment.
CHANGES = [
    "train.evaluate=[0]",
    "train.evaluate=[1, 1000000]",
    "train.evaluate={every: 7}",
    "train.evaluate=cs231n",
    "train.epochs=1",
    "train.steps=3",
    "train.epochs=null",
    "train.batch_size=1",
    "train.batch_size=77",
    "train.sampling=all",
    "train.sampling=with_replacement",
    "train.metrics=[confidence]",
    "train.optimizer=adam",
    "train.precision=float64",
    "data.train=20",
    "data.train=all",
    "data.test=2000",
    "data.test=0",
    "data.validation=50",
    "data.validation=5000",
    "data.draw=seed",
    "data.pixels=centred",
    "data.name=gaussian",
    "probes={read: [layers]}",
    "probes={at: [0, 1, 400], read: [layers]}",
    "probes={read: [{kind: histogram, low: 0, high: 1, layer: 9}]}",
    "probes={read: [{kind: percentiles, layer: 1, unit: 99}]}",
    "probes={read: [landscape]}",
    "probes=null",
    "model.norm=layer",
    "model.norm={kind: group, groups: 7}",
    "model.norm=instance",
    "model.norm.dialect=keras",
    "model.init=orthogonal",
    "model.init=lsuv",
    "model.hidden=[5]",
    "model.dropout={ratio: 0.5}",
    "model={kind: cnn, blocks: [{kind: conv, features: 2}, {kind: max_pool, size: 40}]}",
    "random.seeds=[0, 1]",
    "random.stream=book",
    "random.restart=true",
    "sweep={}",
    "sweep.model.init.std=null",
    "sweep.train.optimizer.lr=[0.1, 0.2]",
    "sweep.train.l2={loguniform: [0.1, 1, 3]}",
    "sweep.data.train=[20, 100000]",
    "sweep.model.norm=[batch, none]",
    "figures=[panels, heatmap]",
    "figures=[{kind: curves, quantity: gradient_norm}]",
    "figures=[{kind: scale, axis: train.l2}]",
    "figures=[{kind: depth, quantity: nothing}]",
    "figures=[{kind: depth, quantity: activation_std, step: 3}]",
    "figures=[{kind: depth, quantity: activation_std, layers: [2, 1]}]",
    "figures=[{kind: curves, quantity: activation_density, at: 0.5}]",
    "figures=[{kind: panels, metric: test_loss}]",
    "figures=[{kind: panels, where: {model.norm: btach}}]",
    "figures=null",
    "claims=[{says: x, measure: final_train_loss, where: {model.norm: none}, at_most: 1}]",
    "claims=[{says: x, measure: {metric: train_loss, at: {step: 3}}, at_most: 1}]",
    "claims=[{says: x, measure: {quantity: gradient_norm, layer: 1}, at_most: 1}]",
    "claims=[{says: x, measure: final_test_loss, at_most: 1}]",
]
SMALL = ["data.name=synthetic", "data.train=100", "train.evaluate_train=20"]


def changes(seed, number):
    return random.Random(seed).sample(CHANGES, number)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_changes_of_small_experiments(config_file, tmp_path, seed):
    path = config_file(RICH if seed % 3 else GOOD)
    agreed(path, changes(seed, 1 + seed % 4), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_each_change_alone(config_file, tmp_path, change):
    agreed(config_file(RICH), [change], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", experiment_names())
def test_changes_of_shipped_experiments(tmp_path, name):
    for seed in range(4):
        agreed(name, [*SMALL, *changes(f"{name} {seed}", 2)], tmp_path)


@pytest.mark.slow
def test_both_kinds_occur(config_file, tmp_path):
    """The changes above are no test if all of them are refused, or none."""
    path = config_file(RICH)
    refused = [change for change in CHANGES if agreed(path, [change], tmp_path)]
    assert 10 < len(refused) < len(CHANGES) - 10


DEPTH = "figures=[{kind: depth, quantity: gradient_norm, step: %d}]"
FOLDER = """\
name: folder
data: {name: ./images, test: 5}
model: {hidden: [4]}
train: {epochs: 2, batch_size: 10}
"""


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ([], None),
        (["data.train=25", "data.validation=5", "data.test=0"], None),
        (
            ["data.train=26", "data.validation=5", "data.test=0"],
            "too few training images, expected",
        ),
        (["data.train=31"], "too few training images, expected at least 31"),
        (["train.batch_size=31"], "too few training images, expected at least 31"),
        (
            ["data.test=13"],
            "data.test: too few test images, expected at least 13 in ",
        ),
        (["data.validation=30", "data.test=0"], "data.validation: no image is left to train on"),
        (["data.validation=99", "data.test=0"], "data.validation: no image is left to train on"),
        (["train.sampling=all"], "train.batch_size: not all images, expected 30 with sampling"),
        (["train.sampling=all", "train.batch_size=30"], None),
        (["train.evaluate=[1, 7]"], "train.evaluate: after the end, expected at most step 6"),
        (["data.validation=10", "data.test=0", "train.evaluate=[4]"], None),
        (["data.validation=10", "data.test=0", "train.evaluate=[5]"], "expected at most step 4"),
        (["probes={at: [7], read: [layers]}"], "probes.at: after the end"),
        (["probes={read: [layers]}", DEPTH % 6], None),
        (["probes={read: [layers]}", DEPTH % 7], "figures[0].step: no such reading, expected one"),
        (["sweep.data.test=[1, 13]"], "too few test images"),
        (
            ["claims=[{says: x, measure: {metric: train_loss, at: {step: 4}}, at_most: 1}]"],
            "claims[0].measure.at.step: not a step that is scored",
        ),
    ],
)
def test_data_of_a_folder(config_file, tmp_path, assignments, expected):
    """How many images it has is known when it is read; both do that before training."""
    write_set(tmp_path / "images", small_arrays(1, train=30, test=12))
    said = agreed(config_file(FOLDER), assignments, tmp_path)
    assert said is None if expected is None else expected in said


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["train.evaluate=[1, 601]"], "train.evaluate: after the end, expected at most step 600"),
        (["data.train=60001"], "too few training images, expected at least 60001"),
        (["probes={read: [layers]}", DEPTH % 601], "expected 600, got 601; the nearest is 600"),
        (
            ["claims=[{says: x, measure: {metric: train_loss, at: {step: 4}}, at_most: 1}]"],
            "not a step that is scored",
        ),
    ],
)
@pytest.mark.usefixtures("own_places")
def test_data_that_are_not_at_hand_are_counted_by_what_is_known(
    config_file, tmp_path, assignments, expected, capsys
):
    sets = [
        "data={name: mnist, train: all}",
        "model.norm=none",
        "train={epochs: 1, batch_size: 100, evaluate: epoch}",
    ]
    path = config_file(GOOD)
    assert refusal_of_check(path, sets, tmp_path / "out") is None
    assert "data: not at hand" in capsys.readouterr().out
    assert expected in refusal_of_check(path, [*sets, *assignments], tmp_path / "out")


def test_fixed_data_are_counted_before_they_are_loaded(config_file, monkeypatch):
    path = config_file(GOOD)
    monkeypatch.setattr(running, "dataset", lambda *names: pytest.fail("data were loaded"))
    config = load_experiment(str(path), ("train.evaluate=[1, 900]",), None)
    with pytest.raises(ConfigError, match=r"train\.evaluate: after the end"):
        running.prepare(config)


def test_what_is_left_out_is_said_before_training(config_file, tmp_path, capsys):
    path = config_file(RICH)
    assignments = ("sweep.model.init.std=null", "claims=null")
    config = load_experiment(str(path), assignments, None)
    print_plan(config, tmp_path / "out", None)
    assert "left out: figure panels: " in " ".join(capsys.readouterr().out.split())
    (text,) = running.prepare(config).left_out
    assert text.startswith("figure panels: ")


def test_every_change_is_tried():
    tried = set(itertools.chain(*(changes(seed, 1 + seed % 4) for seed in range(24))))
    assert len(tried) > len(CHANGES) / 3
