"""What is set inside swept values, and what null and {} mean: by --set, overrides and `extends`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli
from bnexp.config import load_config, resolved
from bnexp.errors import ConfigError
from bnexp.sweep import make_plan

BASE = """\
name: base
data: {name: synthetic, train: 60}
model: {hidden: [6], init: {kind: normal, std: 0.1}}
train: {epochs: 1, batch_size: 10, l2: 0.5, optimizer: {kind: momentum, lr: 0.2}}
"""
NORMS = "model.norm: [{kind: batch, dialect: paper}, {kind: layer, eps: 0.1}, none, batch]"


def settings(config):
    return [network.setting for network in make_plan(config).networks]


def norms(config):
    """Kind, dialect and epsilon of each network's normalizer."""
    parts = [setting.model.norm for setting in settings(config)]
    return [norm and (norm.kind, getattr(norm, "dialect", None), norm.eps) for norm in parts]


def refusal(path, *assignments, **overrides):
    changes = {key.replace("__", "."): value for key, value in overrides.items()}
    with pytest.raises(bnexp.ConfigError) as caught:
        make_plan(load_config(path, changes, assignments))
    return str(caught.value)


@pytest.mark.parametrize("sweep", ["{%s}", "{zip: {%s, train.l2: [0.0, 1.0, 2.0, 3.0]}}"])
@pytest.mark.parametrize(
    ("overrides", "assignments"),
    [
        ({}, ["model.norm.eps=0.5"]),
        ({}, ["model.norm={eps: 0.5}"]),
        ({"model.norm.eps": 0.5}, []),
        ({"model": {"norm": {"eps": 0.5}}}, []),
        ({"model.norm.eps": 0.25}, ["model.norm.eps=0.5"]),
    ],
)
def test_an_option_is_set_in_each_swept_value_that_has_it(
    config_file, sweep, overrides, assignments
):
    path = config_file(f"{BASE}sweep: {sweep % NORMS}\n")
    assert norms(load_config(path, overrides, assignments)) == [
        ("batch", "paper", 0.5),
        ("layer", None, 0.5),
        None,
        ("batch", "book", 0.5),
    ]


def test_a_value_without_the_option_stays_as_it_is(config_file):
    path = config_file(f"{BASE}sweep: {{model.norm: [batch, layer, none]}}\n")
    config = load_config(path, assignments=["model.norm.dialect=keras"])
    kinds = [norm and norm[:2] for norm in norms(config)]
    assert kinds == [("batch", "keras"), ("layer", None), None]
    text = resolved(config)
    assert norms(load_config(config_file(text, "config.yaml"))) == norms(config)
    assert "dialect" not in text.partition("sweep:")[0]  # where it would change nothing


@pytest.mark.parametrize(
    ("axis", "assignment", "values"),
    [
        ("train.optimizer: [sgd, adam]", "train.optimizer.lr=0.5", [0.5, 0.5]),
        ("train.optimizer: [sgd, adam]", "train.optimizer.beta2=0.5", [None, 0.5]),
        ("train.schedule: [constant, {kind: step, every: 2}]", "train.schedule.every=3", [None, 3]),
        ("train.evaluate: [epoch, {every: 2}]", "train.evaluate.every=3", [None, 3]),
        ("model.dropout: [null, {ratio: 0.5}]", "model.dropout.ratio=0.25", [None, 0.25]),
        (
            "train: [{epochs: 1, batch_size: 10}, {steps: 5, batch_size: 20}]",
            "train.l2=2.0",
            [2, 2],
        ),
        (
            "model: [{kind: mlp, hidden: [4]}, {kind: mlp, hidden: [4], norm: batch}]",
            "model.norm.ddof=1",
            [None, 1],
        ),
    ],
)
def test_the_axis_may_be_of_any_mapping(config_file, axis, assignment, values):
    path = config_file(f"{BASE}sweep: {{{axis}}}\n")
    keys = assignment.partition("=")[0].split(".")
    found = []
    for part in settings(load_config(path, assignments=[assignment])):
        for key in keys:
            part = getattr(part, key, None)
        found.append(part)
    assert found == values


def test_assignments_reach_values_that_are_swept_by_a_later_one(config_file):
    sets = ["model.norm.dialect=keras", "sweep.model.norm=[batch, none]"]
    path = config_file(BASE)
    for assignments in (sets, sets[::-1]):
        assert norms(load_config(path, assignments=assignments))[0][1] == "keras"


def test_a_file_sets_an_option_of_the_axis_that_it_inherits(config_file):
    config_file(f"{BASE}sweep: {{{NORMS}}}\n", "parent.yaml")
    child = config_file("extends: parent.yaml\nmodel: {norm: {eps: 0.5}}\n", "child.yaml")
    assert [norm and norm[2] for norm in norms(load_config(child))] == [0.5, 0.5, None, 0.5]
    own = "extends: parent.yaml\nmodel: {norm: {kind: rms, eps: 0.5}}\nsweep: {model.norm: [batch]}"
    assert norms(load_config(config_file(own, "own.yaml"))) == [("batch", "book", None)]
    wrong = config_file("extends: parent.yaml\nmodel: {norm: {epss: 0.5}}\n", "wrong.yaml")
    assert "wrong.yaml:2:22: model.norm.epss: an option of no value that is swept" in refusal(wrong)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        (
            "model.norm.epss=0.5",
            "--set model.norm.epss:1:17: model.norm.epss: an option of no value that is swept over "
            "model.norm, expected one of kind, ",
        ),
        (
            "model.norm.epss=0.5",
            "; did you mean 'eps'?; set the values instead: --set sweep.model.",
        ),
        ("model.norm.eps=-1", "--set model.norm.eps:1:16: sweep.model.norm[0].eps: not a valid"),
        ("model.norm=rms", "model.norm: swept over, expected a key that the sweep leaves alone"),
        ("model.norm.kind=rms", "set the axis instead: --set sweep.model.norm=[...], or null to"),
        ("model={norm: {kind: rms}}", "--set model:1:1: model.norm: swept over"),
        ("train.l2=0.1", "--set train.l2:1:1: train.l2: swept over"),
        ("train={l2: 0.1}", "--set train:1:1: train.l2: swept over"),
        ("train=null", "--set train:1:1: train: swept over"),
        ("train={}", "--set train:1:1: train: swept over"),
        ("train.l2.x=0.1", "train.l2.x: an option of no value that is swept over train.l2"),
    ],
)
def test_what_no_swept_value_can_have_is_refused(config_file, assignment, expected):
    path = config_file(f"{BASE}sweep: {{{NORMS}, train.l2: {{linspace: [0, 1, 2]}}}}\n")
    assert expected in refusal(path, assignment)


ZIPPED = (
    "sweep: {train.weight_decay: [0, 1], zip: {train.clip_norm: [1, 2], "
    "model.layer_init.1: [he, xavier]}}\n"
)


@pytest.mark.parametrize(
    ("assignment", "hint"),
    [
        ("train.clip_norm=3", "set the axis instead: --set sweep.zip.train.clip_norm=[...], or"),
        ("train.weight_decay=3", "set the axis instead: --set sweep.train.weight_decay=[...], or"),
        ("model.layer_init.1=he", "--set sweep.zip.model.layer_init.1=[...], or null to drop it"),
        ("model.layer_init.1.x=2", "set the values instead: --set sweep.zip.model.layer_init.1=["),
        ("sweep.train.clip_norm=null", "; did you mean 'sweep.zip.train.clip_norm'?"),
        ("sweep={train.clip_norm: null}", "; did you mean 'sweep.zip.train.clip_norm'?"),
        ("sweep.zip.train.weight_decay=null", "; did you mean 'sweep.train.weight_decay'?"),
        ("sweep.train.clip_nrm=null", "; did you mean 'sweep.zip.train.clip_norm'?"),
    ],
)
def test_hints_name_the_axis_by_its_place_beside_zip_or_under_it(config_file, assignment, hint):
    assert hint in refusal(config_file(f"{BASE}{ZIPPED}"), assignment)


@pytest.mark.parametrize("option", ["std", "gain"])
def test_an_option_without_a_kind_around_it_is_not_suggested_again(config_file, option):
    path = config_file(f"{BASE}sweep: {{model.layer_init: [{{'1': he}}, {{'1': xavier}}]}}\n")
    text = refusal(path, f"model.layer_init.output.{option}=1")
    assert (
        f"expected values with model.layer_init.output of a kind that has it, got {option!r} "
        in text
    )
    assert "did you mean" not in text


@pytest.mark.parametrize(
    ("axis", "left"),
    [
        ("sweep.zip.train.clip_norm", {"train.weight_decay", "model.layer_init.1"}),
        ("sweep.train.weight_decay", {"train.clip_norm", "model.layer_init.1"}),
    ],
)
def test_null_at_the_place_of_an_axis_drops_it(config_file, axis, left):
    config = load_config(config_file(f"{BASE}{ZIPPED}"), assignments=[f"{axis}=null"])
    sweep = config.experiment.sweep
    assert {*sweep.axes(), *sweep.zip} == left


def test_a_file_that_drops_an_axis_at_the_wrong_place_is_refused(config_file):
    config_file(f"{BASE}{ZIPPED}", "parent.yaml")
    child = config_file("extends: parent.yaml\nsweep: {train.clip_norm: null}\n", "child.yaml")
    expected = "child.yaml:2:9: sweep.train.clip_norm: no such axis, expected one of sweep.train."
    assert expected in refusal(child)


def test_overrides_from_python_are_refused_in_their_own_words(config_file):
    path = config_file(f"{BASE}sweep: {{zip: {{model.norm: [none, none], train.l2: [0, 1]}}}}\n")
    text = refusal(path, model__norm__eps=0.5)
    assert text.startswith("model.norm.eps: an option of no value")
    assert text.endswith("set the values instead: override sweep.zip.model.norm=[...]")
    assert "train.l2: swept over" in refusal(path, train__l2=0.25)


def test_an_assignment_beside_a_swept_key_changes_the_rest_of_the_mapping(config_file):
    path = config_file(f"{BASE}sweep: {{train.l2: [0.0, 1.0]}}\n")
    config = load_config(path, assignments=["train={clip_norm: 3.0}"])
    assert [(s.train.l2, s.train.clip_norm) for s in settings(config)] == [(0, 3), (1, 3)]
    assert settings(config)[0].train.optimizer.lr == 0.2


# What null and {} mean


PARENT = f"""\
{BASE}random: {{seeds: [3, 4]}}
sweep: {{model.norm: [batch, none], zip: {{train.l2: [0, 1], train.clip_norm: [1, 2]}}}}
"""
# Key -> value, and what is left at a part of the experiment.
EMPTIED = [
    ("sweep", "{}", lambda e: (dict(e.sweep.axes()), e.sweep.zip), ({}, {})),
    ("sweep", "null", lambda e: (dict(e.sweep.axes()), e.sweep.zip), ({}, {})),
    ("sweep", "{model.norm: null}", lambda e: (len(e.sweep.axes()), len(e.sweep.zip)), (0, 2)),
    ("sweep.zip", "{}", lambda e: (len(e.sweep.axes()), e.sweep.zip), (1, {})),
    ("sweep.zip", "null", lambda e: (len(e.sweep.axes()), e.sweep.zip), (1, {})),
    ("sweep.model.bias", "null", lambda e: len(e.sweep.axes()), 1),  # not swept anyway
    ("random", "{}", lambda e: e.random.seeds, (0,)),
    ("random", "null", lambda e: e.random.seeds, (0,)),
    ("data", "{}", lambda e: (e.data.name, e.data.train), ("mnist", "all")),
    ("data", "null", lambda e: (e.data.name, e.data.train), ("mnist", "all")),
    ("data.train", "null", lambda e: (e.data.name, e.data.train), ("synthetic", "all")),
    ("model.init", "null", lambda e: e.model.init.kind, "he"),
    ("model.activation", "null", lambda e: e.model.activation.kind, "relu"),
    ("train.optimizer", "null", lambda e: e.train.optimizer.kind, "sgd"),
    ("train.optimizer.lr", "null", lambda e: e.train.optimizer.lr, 0.01),
    ("title", "null", lambda e: e.title, ""),
    ("model.layer_init", "{}", lambda e: e.model.layer_init, {}),
]


@pytest.mark.parametrize("way", ["--set", "override", "extends"])
@pytest.mark.parametrize(("key", "value", "part", "left"), EMPTIED)
def test_null_is_the_default_and_an_empty_mapping_replaces(
    config_file, way, key, value, part, left
):
    parent = config_file(PARENT, "parent.yaml")
    if way == "--set":
        config = load_config(parent, assignments=[f"{key}={value}"])
    elif way == "override":
        plain = {"{}": {}, "null": None}.get(value, {"model.norm": None})
        config = load_config(parent, {key: plain})
    else:
        outer, dot, inner = key.partition(".")
        if outer != "sweep":
            inner = inner.replace(".", ": {") + (": " + value if inner else "")
            inner += "}" * key.count(".")
        else:
            inner += f": {value}}}" if dot else ""
        text = f"{outer}: {{{inner}" if dot else f"{key}: {value}"
        config = load_config(config_file(f"extends: parent.yaml\n{text}\n", "child.yaml"))
    assert part(config.experiment) == left
    make_plan(config)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("train.batch_size=null", "train.batch_size: not a valid value, expected a whole number, "),
        ("train.batch_size=null", "got null"),
        ("train.optimizer={}", "train.optimizer: no kind given"),
        ("train.epoch=null", "--set train.epoch:1:1: train.epoch: unknown key"),
        ("data.nmae=null", "data.nmae: unknown key, expected one of name, "),
        (
            "sweep.model.nrom=null",
            "model.nrom: unknown key, expected one of sweep.model.norm, ",
        ),
        ("sweep.model.nrom=null", "did you mean 'sweep.model.norm'?"),
        (
            "sweep.zip.train.l3=null",
            "zip.train.l3: unknown key, expected one of sweep.model.norm",
        ),
        ("sweep.model.norm={}", "sweep.model.norm: not a valid value, expected a list of values"),
        ("random.seeds=[null]", "random.seeds[0]: not a valid value, expected a whole number"),
    ],
)
def test_null_of_what_is_required_or_unknown_is_refused(config_file, assignment, expected):
    assert expected in refusal(config_file(PARENT), assignment)


def test_an_empty_mapping_can_be_filled_again(config_file):
    path = config_file(PARENT)
    sets = ["sweep={}", "sweep.train.l2=[0.0, 1.0]", "train.optimizer=null", "train.optimizer.lr=2"]
    experiment = load_config(path, assignments=sets).experiment
    assert list(experiment.sweep.axes()) == ["train.l2"]
    assert (experiment.train.optimizer.kind, experiment.train.optimizer.lr) == ("sgd", 2)


def test_what_explain_recommends_is_heard(config_file):
    page = CliRunner().invoke(cli, ["explain", "model.norm.dialect"]).output
    assert "--set model.norm.dialect=VALUE" in page
    path = config_file(f"{BASE}sweep: {{model.norm: [batch, none]}}\n")
    before, after = (
        [n.id for n in make_plan(load_config(path, assignments=sets)).networks]
        for sets in ([], ["model.norm.dialect=keras"])
    )
    assert before[0] != after[0]
    assert before[1] == after[1]


@pytest.mark.parametrize("key", ["a" + ".a" * 900, "model." * 900 + "norm", "sweep.a" + ".a" * 900])
def test_a_key_of_too_many_levels_is_refused(key):
    with pytest.raises(
        ConfigError, match=r"nested too deeply, expected at most 32 levels, got 90\d"
    ):
        bnexp.load_config("quickstart", assignments=[f"{key}=[1]"])
    with pytest.raises(ConfigError, match="nested too deeply"):
        bnexp.load_config("quickstart", {key: [1]})
