"""Mistakes in an experiment: each is answered with its place and what was expected."""

from __future__ import annotations

import re

import pytest
from config_cases import CASES, GOOD, SMALLEST, errors

import bnexp
from bnexp.errors import ConfigError
from bnexp.running import prepare


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epochs: 1", "epoch: 1", "3:9: train.epoch: unknown key, expected one of epochs, steps, "),
        ("epochs: 1", "epoch: 1", "got 'epoch'; did you mean 'epochs'?"),
        ("epochs: 1, ", "", "3:8: train: no single length, expected either epochs or steps, got"),
        ("epochs: 1", "epochs: 1, steps: 5", "expected either epochs or steps, got both"),
        (", batch_size: 10", "", "3:8: train.batch_size: required key is missing"),
        ("epochs: 1", "epochs: 0", "3:17: train.epochs: not a valid value, expected a number >= 1"),
        ("epochs: 1", "epochs: 1.5", "train.epochs: not a valid value, expected a whole number"),
        ("epochs: 1", "epochs: true", "train.epochs: not a valid value, expected a whole number"),
        ("epochs: 1", 'epochs: "1"', "expected a whole number, got '1'"),
        (
            "name: good",
            "data: {train: 9}\nname: good",
            "4:32: train.batch_size: larger than the data",
        ),
        ("batch_size: 10", "batch_size: 10, evaluate: [2, 1]", "train.evaluate: not in order"),
        ("batch_size: 10", "batch_size: 10, evaluate: often", "train.evaluate: not a valid value"),
        ("epochs: 1", "steps: 5, evaluate: [6]", "train.evaluate: after the end, expected at most"),
        ("[10]", "[10, 0]", "2:22: model.hidden[1]: not a valid value, expected a number >= 1"),
        ("[10]", "[10], init: {kind: normal, std: -1}", "2:49: model.init.std: not a valid value"),
        ("[10]", "[10], init: {kind: normal, std: .nan}", "expected a finite number, got nan"),
        ("[10]", "[10], init: {kind: normal, std: 1e400}", "expected a finite number, got inf"),
        ("[10]", "[10], init: normal", "2:29: model.init.std: required key is missing"),
        ("[10]", "[10], init: {kind: norml}", "kind, expected one of normal, ... , got 'norml'"),
        ("[10]", "[10], init: {std: 1.0}", "model.init: no kind given, expected a name or {kind"),
        ("[10]", "[10], norm: batchnorm", "kind, expected one of batch, ... , none, got '"),
        ("[10]", "[10], norm: {kind: batch, dialect: torch}", "model.norm.dialect: not a valid"),
        ("[10]", "[10], norm: {kind: batch, epsilon: 1}", "model.norm.epsilon: unknown key"),
        ("[10]", "[10], layer_init: {last: he}", "2:36: model.layer_init.last: no such layer, exp"),
        ("name: good", "name: ../x", "1:7: name: not a valid value, expected letters, digits"),
        ("name: good\n", "", "1:1: name: required key is missing"),
        ("name: good", "name: good\ncolor: red", "2:1: color: unknown key, expected one of"),
        ("name: good", "name: good\ndata: {name: mnits}", "unknown data set, expected one of"),
        ("name: good", "name: good\ndata: {train: 0}", "expected a number from 1, or all, got 0"),
        (
            "name: good",
            "data: {name: synthetic, train: 2001}\nname: good",
            "1:32: data.train: more than",
        ),
        ("name: good", "name: good\nfigures: [{kind: pie}]", "figures[0].kind: unknown kind, exp"),
        (
            "name: good",
            "name: good\nrandom: {stream: book}",
            "train.sampling: not in the book's code",
        ),
        ("name: good", "name: good\nrandom: {seeds: []}", "expected a list of at least 1, got"),
        ("name: good", "name: good\nsweep: {model.norm: []}", "sweep.model.norm: not a valid val"),
        (
            "name: good",
            "name: good\nrandom: {seeds: [1, 1]}",
            "random.seeds: a seed twice, expected",
        ),
        (
            "name: good",
            "data: {name: ~nouser/x}\nname: good",
            "1:14: data.name: no such folder, exp",
        ),
        (
            "name: good",
            f"name: good\ntitle: {'x' * 301}",
            "title: not a valid value, expected at most",
        ),
        (
            "name: good",
            "name: good\nsweep: {model.bias: {linspace: [0, 1]}}",
            "got {linspace: [0, 1]}",
        ),
        (
            "batch_size: 10",
            "batch_size: 10, evaluate: {every: 0}",
            "or a list of steps, got {every: 0}",
        ),
        ("batch_size: 10", "batch_size: 10, evaluate: [1.5]", "or a list of steps, got [1.5]"),
        (
            "[10]",
            "[20000, 20000]",
            "2:17: model.hidden: too large, expected at most 20,000,000 weights",
        ),
        (
            "[10]",
            "[10], norm: {kind: batch, ddof: true}",
            "model.norm.ddof: not a valid value, expected 0",
        ),
        ("[10]", "[10], norm: {kind: batch, ddof: 1.0}", "expected 0 or 1, got 1.0"),
    ],
)
def test_one_mistake(config_file, old, new, expected):
    """Three dots stand for the rest of a list that grows."""
    text = errors(config_file(SMALLEST.replace(old, new)))
    assert re.search(".*".join(re.escape(part) for part in expected.split(" ... ")), text)
    assert "\n" not in text


def test_all_mistakes_at_once_in_the_order_of_the_file(config_file):
    path = config_file(
        "name: a b\nmodel: {hidden: [0], init: {kind: normal, std: x}}\ntrain: {epochs: -1}\n"
    )
    lines = errors(path).splitlines()
    assert [line.removeprefix(f"{path}:").split(": ")[0] for line in lines] == [
        "1:7",
        "2:18",
        "2:48",
        "3:8",
        "3:17",
    ]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("random: {seeds: 3}", "got 3; [0, 1, 2] are three seeds, [3] is seed 3 alone"),
        ("seeds: [1]", "got 'seeds'; did you mean 'random.seeds'?"),
        ("train: {lr: 1}", "got 'lr'; did you mean 'train.optimizer.lr'?"),
        ("train: {dropout: 1}", "got 'dropout'; did you mean 'model.dropout'?"),
        (
            "train: {optimizer: {kind: sgd, nesterov: 1}}",
            "got 'nesterov'; here nesterov is called 'train.optimizer' (PyTorch, Keras, optax: "
            "optimizer: nesterov for True)",
        ),
        ("train: {batch: 3}", "got 'batch'; here batch is called 'train.batch_size' (Darknet)"),
        ("model: {activation: ReLU}", "got 'ReLU'; did you mean 'relu'?"),
        ("model: {norm: {kind: batch, dialect: torch}}", "got 'torch'; did you mean 'pytorch'?"),
        ("model: {dropout: 1.5}", "expected a mapping, got 1.5; write {ratio: 0.5}, or none"),
        ("model: {residual: pre}", "got 'pre'; write {order: pre}, or none"),
        ("model: {residual: false}", "got false; write none"),
        ("train: {early_stopping: 3}", "got 3; write {patience: 3}, or none"),
        ("train: {schedule: none}", "got 'none'; here none is called 'constant' (other programs)"),
        (
            "data: {validation: 100}\n"
            "train: {early_stopping: {patience: 3, metric: top2_accuracy}}",
            "got 'top2_accuracy'; add top2_accuracy to train.metrics",
        ),
        (
            "probes: {read: [layers, {robustness: {to: inverted}}]}",
            "got a mapping; write {kind: robustness, to: inverted}",
        ),
        ("model: {hidden: 100}", "expected a list, got 100; a list of one is [100]"),
        ("figures: [pannels]", "got 'pannels'; did you mean 'panels'?"),
        ("train: {l2: '1e-2'}", "expected a number, got '1e-2'; leave out the quotes"),
        (
            "model: {norm: \u201cbatch\u201d}",
            "got '\u201cbatch\u201d'; the first character is a left double quotation mark "
            "(U+201C), write '\"'",
        ),
        (
            "probes: {read: \u3010layers\u3011}",
            "the first character is a left black lenticular bracket (U+3010), write '['",
        ),
        (
            "train: {precision: float\uff16\uff14}",
            "got 'float\uff16\uff14'; character 6 is a fullwidth digit six (U+FF16), write '6'",
        ),
        ("train:{epochs: 2}", "got 'train:{epochs'; put a space behind ':'"),
        (
            "claims: [{says: a, measure: test_accuracy, where: {}, at_least: 1}]",
            "got 'test_accuracy'; did you mean 'final_test_accuracy'?",
        ),
    ],
)
def test_beginners_mistakes_are_answered_with_what_to_write(config_file, text, end):
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.load_config(config_file(f"extends: quickstart\n{text}\n"))
    assert str(caught.value).splitlines()[0].endswith(end)


def test_without_the_mistake_it_is_an_experiment(config_file):
    assert len(prepare(bnexp.load_config(config_file(GOOD))).plan.networks) == 1
    assert len(CASES) >= 60


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_mistake_is_answered_with_its_place(tmp_path, text, expected):
    path = tmp_path / "bad.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(bnexp.ConfigError) as caught:
        prepare(bnexp.load_config(path))
    said = str(caught.value)
    parts = (re.escape(part) for part in f"{path}:{expected}".split("..."))
    assert re.match(".*".join(parts), said)
    assert "\n" not in said
    assert len(said) < 1000


def test_a_missing_key_beside_one_that_is_named_like_its_kind(config_file):
    path = config_file(f"{GOOD}probes: {{read: [{{kind: percentiles, percentiles: [50]}}]}}\n")
    with pytest.raises(bnexp.ConfigError, match=r":5:17: probes\.read\[0\]\.layer: required key"):
        bnexp.load_config(path)


@pytest.mark.parametrize("options", ["{kind: none}", "{kind: none, eps: 1}"])
def test_none_is_no_mapping_and_not_a_misspelling_of_itself(options):
    with pytest.raises(ConfigError) as caught:
        bnexp.load_config(
            "quickstart", assignments=["sweep.model.norm=null", f"model.norm={options}"]
        )
    expected = f"expected none alone, got {options}; write norm: none"
    assert expected in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_a_long_text_is_cut_in_every_part_of_a_message(config_file):
    text = f"name: long\ntrain: {{epochs: 1, batch_size: 5}}\nmodel: {{hidden: {'x' * 5000}}}\n"
    with pytest.raises(ConfigError, match=r"a list of one is \[x") as caught:
        bnexp.load_config(config_file(text))
    assert len(str(caught.value)) < 500
