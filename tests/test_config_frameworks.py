"""Names of other frameworks: each leads to ours wherever it is typed, and ours exist."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from bnexp.cli.main import cli
from bnexp.config import load_config
from bnexp.config.experiment import Experiment
from bnexp.config.frameworks import NAMES, name_hint, names_elsewhere
from bnexp.config.load import schema_problems
from bnexp.config.messages import dotted
from bnexp.config.reference import all_topics, find_topics
from bnexp.errors import ConfigError

TOPICS = {topic.name.replace("[]", ""): topic for topic in all_topics()}
EACH = [
    (row, framework, name)
    for row in NAMES
    for framework, names in row.names.items()
    for name in names.split()
]
IDS = [f"{row.key} {name} {framework}" for row, framework, name in EACH]


def experiment(changes):
    """The plain values of a small experiment with some parts replaced."""
    values = {
        "name": "small",
        "data": {"name": "synthetic"},
        "model": {"hidden": [8]},
        "train": {"epochs": 1, "batch_size": 10},
        "random": {"seeds": [0]},
    }
    for key, value in changes.items():
        *outer, last = key.split(".")
        mapping = values
        for part in outer:
            mapping = mapping.setdefault(part, {})
        mapping[last] = value
    return values


def kinds_at(place):
    """The mappings that can stand at a place, each with its kind and its required keys."""
    topic = TOPICS.get(place)
    if topic is None:
        return [{}]
    required = {"size": 3, "features": 4, "ratio": 0.5, "std": 0.1, "limit": 0.1, "value": 0.1}
    required["blocks"] = [{"kind": "conv", "features": 4}]
    mappings = [mapping for variant in topic.variants for mapping in variant.key.mappings]
    return [
        {
            **({"kind": mapping.label} if mapping.kinds else {}),
            **{key.last: required[key.last] for key in mapping.keys if key.default == "required"},
        }
        for mapping in mappings
    ]


def texts_at(place, name):
    """What is said of a name as a key of each mapping at a place, where it is no key of ours."""
    if place in ("", "data", "model", "train", "random"):
        outer = f"{place}." if place else ""
        changes = [{f"{outer}{name}": 1}]
    elif place == "model.blocks":
        changes = [
            {"model": {"kind": "cnn", "blocks": [{**mapping, name: 1}]}}
            for mapping in kinds_at(place)
        ]
    else:
        changes = [{place: {**mapping, name: 1}} for mapping in kinds_at(place)]
    for change in changes:
        values = experiment(change)
        try:
            Experiment.model_validate(values)
        except ValidationError as error:
            yield from (
                problem.text
                for problem in schema_problems(error, values)
                if "unknown key" in problem.text and dotted(problem.path).endswith(name)
            )


def test_the_table_is_large_and_of_every_framework():
    frameworks = {framework for _, framework, _ in EACH}
    assert {"PyTorch", "Keras", "flax", "optax", "CS231n", "Darknet", "the book"} <= frameworks
    assert len(EACH) > 150


@pytest.mark.parametrize("row", NAMES, ids=lambda row: f"{row.key} {row.how}")
def test_every_key_exists_and_is_called_otherwise(row):
    assert row.key in TOPICS
    last = re.split(r"[.=]", row.key)[-1]
    assert last not in {name for names in row.names.values() for name in names.split()} or row.how
    assert row.place in TOPICS


@pytest.mark.parametrize(("row", "framework", "name"), EACH, ids=IDS)
def test_each_name_leads_to_ours_wherever_it_is_typed(row, framework, name):
    if row.is_kind:
        is_block = row.place == "model.blocks"
        blocks = {"model": {"kind": "cnn", "blocks": [{"kind": name, "features": 4}]}}
        values = experiment(blocks if is_block else {row.place: name})
        with pytest.raises(ValidationError) as caught:
            Experiment.model_validate(values)
        (problem,) = schema_problems(caught.value, values)
        texts = {row.place: [problem.text]}
    else:
        parts = row.place.split(".")
        places = [".".join(parts[:i]) for i in range(len(parts) + 1)]
        texts = {place: list(texts_at(place, name)) for place in places}
    key = row.key.rpartition("=")[2]
    for text in texts[row.place]:
        assert f"{key!r} (" in text
        assert framework in text
        assert row.how in text
        assert len(text) < 900
    assert sum(map(len, texts.values())) >= 1, "a key of ours everywhere"
    for place, said in texts.items():
        for text in said:
            assert "; here " in text, (place, text)


@pytest.mark.parametrize(
    ("values", "end"),
    [
        (
            {"model.norm": {"momentum": 0.1}},
            "got a mapping; here momentum is called 'model.norm.stat_decay' (PyTorch: "
            "1 - momentum, so stat_decay: 0.9 for 0.1; Keras, flax, CS231n, the book: the same) or "
            "'model.norm.average' (PyTorch: average: cumulative for None)",
        ),
        ({"model.norm": {"kind": "layer", "num_features": 8}}, "it follows from the layer before"),
        (
            {"model.init": {"kind": "normal", "std": 1, "mean": 0}},
            "got 'mean'; PyTorch's mean has no key here: weights are drawn around 0",
        ),
        ({"model.init": {"kind": "normal", "std": 1, "scale": 1}}, "'model.init.std' (NumPy)"),
        ({"model.norm": {"kind": "batch", "rate": 0.9}}, "got 'rate'"),
        (
            {"train.optimizer": {"kind": "sgd", "decay": 1e-6}},
            "got 'decay'; here decay is called 'train.l2' (Darknet); Keras 2's decay has no key "
            "here: the rate lr / (1 + decay * t) cannot be had; `bnexp explain train.schedule` "
            "lists the schedules",
        ),
        ({"model.norm": True}, "got true; write norm: batch"),
        ({"model.norm": "False"}, "got 'False'; write norm: none"),
        (
            {
                "model": {
                    "kind": "cnn",
                    "blocks": [{"kind": "conv", "features": 4, "padding": "same"}],
                }
            },
            "got 'same'; write half of size, rounded down",
        ),
        (
            {"model.norm": {"kind": "batch", "Track-Running_Stats": False}},
            "'model.norm.evaluation' (PyTorch: evaluation: batch for False, running for True)",
        ),
        ({"model.norm": "ws"}, "here ws is called 'weight_standardization' (other programs)"),
        (
            {"model.norm": {"kind": "batch", "ghost_size": 8}},
            "here ghost_size is called 'model.norm.size' (other programs: norm: {kind: "
            "ghost_batch, size: NUMBER})",
        ),
        (
            {"model.normalisation": "batch"},
            "here normalisation is called 'model.norm' (CS231n: norm: batch, layer or none)",
        ),
        ({"model.norm": "BatchNorm2D"}, "here BatchNorm2D is called 'batch' (PyTorch)"),
        ({"model.init": "kaiming_normal"}, "here kaiming_normal is called 'he' (PyTorch)"),
        (
            {"train.optimizer": {"kind": "sgd", "momentum": 0.9}},
            "here another kind has 'train.optimizer.momentum' (PyTorch, Keras, optax, Darknet: "
            "optimizer: {kind: momentum, momentum: 0.9})",
        ),
        ({"learning_rate": 0.1}, "'train.optimizer.lr' (Keras, optax, CS231n, Darknet)"),
    ],
)
def test_whole_hints(values, end):
    plain = experiment(values)
    with pytest.raises(ValidationError) as caught:
        Experiment.model_validate(plain)
    assert any(problem.text.endswith(end) for problem in schema_problems(caught.value, plain))


@pytest.mark.parametrize(
    ("assignment", "end"),
    [
        ("model.norm.momentum=0.1", "(PyTorch: average: cumulative for None); set the values"),
        ("sweep.learning_rate=[0.1, 0.2]", "'train.optimizer.lr' (Keras, optax, CS231n, Darknet)"),
        ("train.num_epochs=5", "here num_epochs is called 'train.epochs' (CS231n)"),
        ("sweep.train.num_epochs=[5, 6]", "here num_epochs is called 'train.epochs' (CS231n)"),
    ],
)
def test_assignments_and_sweeps_say_the_same(assignment, end):
    from bnexp.running import prepare

    with pytest.raises(ConfigError) as caught:
        prepare(load_config("quickstart", assignments=[assignment]))
    assert end in str(caught.value)


@pytest.mark.parametrize(
    ("query", "end"),
    [
        ("track_running_stats", "'model.norm.evaluation' (PyTorch: "),
        ("model.norm.epsilon", "'model.norm.eps' (Keras, flax)"),
        ("norm.epss", "got 'epss'; did you mean 'model.norm.eps'?"),
        ("kaiming_normal_", "here kaiming_normal_ is called 'he' (PyTorch) in model.init"),
        ("model.norm=LayerNorm", "here LayerNorm is called 'layer' (PyTorch, flax, CS231n)"),
    ],
)
def test_explain_leads_from_their_names_to_ours(query, end):
    with pytest.raises(ConfigError) as caught:
        find_topics(query)
    assert end in str(caught.value)


@pytest.mark.parametrize("row", NAMES, ids=lambda row: f"{row.key} {row.how}")
def test_explain_says_what_others_call_it(row):
    lines = list(names_elsewhere(row.key))
    for framework, names in row.names.items():
        assert any(framework in line and row.how in line for line in lines)
        assert all(any(name in line for line in lines) for name in names.split())


def test_explain_prints_the_names():
    result = CliRunner().invoke(cli, ["explain", "model.norm.stat_decay"])
    text = " ".join(result.output.split())
    assert "called elsewhere: momentum in PyTorch: 1 - momentum, so stat_decay: 0.9 for 0.1" in text
    assert "momentum in Keras, flax, CS231n and the book; decay in tf.contrib" in text
    result = CliRunner().invoke(cli, ["explain", "model.init=he"])
    assert "called elsewhere:\n    kaiming_normal_ in PyTorch" in result.output


def test_our_own_key_in_another_place_is_named_too(config_file):
    path = config_file("extends: quickstart\ntrain: {decay: 0.9}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).endswith(
        "here decay is called 'train.l2' (Darknet); or did you mean 'train.optimizer.decay'?"
    )


def test_our_own_key_elsewhere_is_not_named():
    with pytest.raises(ConfigError) as caught:
        load_config(
            "quickstart",
            assignments=["sweep.model.norm=null", "model.norm={kind: batch, momentum: 0.1}"],
        )
    assert str(caught.value).endswith("(PyTorch: average: cumulative for None)")


def test_other_names_have_no_hint():
    assert {name_hint(name, "model") for name in ("color", "epochs", "eps", "")} == {""}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            "momentum",
            "In another framework's words: here momentum is called 'model.norm.stat_decay'",
        ),
        (
            "bn",
            "not the name of a key; here bn is called 'model.norm' (other programs: norm: batch)",
        ),
        ("decay", "'model.norm.stat_decay' (tf.contrib)"),
    ],
)
def test_explain_says_what_a_short_name_means_elsewhere(query, text):
    result = CliRunner().invoke(cli, ["explain", query])
    assert text in " ".join(result.output.split())
    assert result.exit_code == 0
