"""Loading experiments: what is accepted, what is said of what is not, and where."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnexp
from bnexp.config import json_schema, load_config, resolved, shipped
from bnexp.config.yaml import block_style, flow, parse, parse_value
from bnexp.errors import ConfigError

GOOD = """\
name: good
model: {hidden: [10]}
train: {epochs: 1, batch_size: 10}
"""


def errors(path, assignments=()):
    with pytest.raises(ConfigError) as caught:
        load_config(path, assignments=assignments)
    return str(caught.value)


def test_defaults_go_through_validation(config_file):
    experiment = load_config(config_file(GOOD)).experiment
    assert experiment.model.activation.kind == "relu"
    assert experiment.model.norm is None
    assert experiment.model.init.kind == "he"
    assert experiment.train.optimizer.lr == 0.01
    assert experiment.random.seeds == (0,)


@pytest.mark.parametrize("name", shipped.experiment_names())
def test_shipped_experiments_are_valid_and_named_like_their_file(name):
    assert load_config(name).name == name


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
        ("name: good", "name: good\nrandom: {stream: book}", "train.sampling: not the book's"),
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
    text = errors(config_file(GOOD.replace(old, new)))
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
    ("norm", "size", "sampling", "expected"),
    [
        ("batch", 1, "shuffle", "too small, expected at least 2, got 1: batch norm of a single"),
        ("batch", 3, "shuffle", "leaves a last batch of one"),
        ("batch", 3, "with_replacement", None),
        ("none", 1, "shuffle", None),
    ],
)
def test_batch_norm_of_a_single_sample_is_refused(config_file, norm, size, sampling, expected):
    path = config_file(
        f"name: a\ndata: {{train: 100}}\nmodel: {{hidden: [5], norm: {norm}}}\n"
        f"train: {{epochs: 1, batch_size: {size}, sampling: {sampling}}}\n"
    )
    if expected is None:
        assert load_config(path).experiment.train.batch_size == size
    else:
        assert expected in errors(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ":1:1: empty document, expected a mapping"),
        (b"- a\n- b\n", ":1:1: list at the top, expected a mapping"),
        (b"name:\tgood\n\tmodel: 1\n", "indent and separate with spaces"),
        (b"name: a\0b\n", ":1:8: control character"),
        (b"a: &x [1]\nb: [*x, *x]\n", ":1:4: anchor"),
        (b"name: !!python/object/apply:os.system [true]\n", ":1:7: tag"),
        (b"a: " + b"[" * 10_000 + b"]" * 10_000, "nested too deep, expected at most 32 levels"),
        (b"name: a\nname: b\n", ":2:1: duplicate key 'name'"),
        (b"name: no\n", ":1:7: ambiguous text, expected true or false, got 'no'"),
        (b"name: a\n---\nname: b\n", "second document"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * 300_000, "too large, expected at most 262144 bytes"),
    ],
)
def test_texts_that_are_no_experiment(tmp_path, content, expected):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert expected in errors(path)


def test_a_missing_file_and_a_misspelt_name():
    assert "no such file" in errors("nowhere/to/be.yaml")
    assert "did you mean 'quickstart'?" in errors("quikstart")


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
    parent = config_file(GOOD.replace("epochs: 1", "epochs: 0"), "parent.yaml")
    child = config_file("extends: parent.yaml\nname: child\n")
    assert errors(child).startswith(f"{parent}:3:17: train.epochs: ")


def test_a_title_is_of_one_experiment_only(config_file):
    config_file("title: parent\ndescription: long\nsource: a book\n" + GOOD, "parent.yaml")
    experiment = load_config(config_file("extends: parent.yaml\nname: child\n")).experiment
    assert (experiment.title, experiment.description) == ("", "")
    assert experiment.source == "a book"


def test_steps_are_limited_as_soon_as_the_images_are_known(config_file):
    long = GOOD.replace("epochs: 1", "epochs: 2000000")
    text = errors(config_file("data: {name: synthetic, train: 95}\n" + long))
    assert (
        ":4:17: train.epochs: too long, expected at most 10,000,000 steps, got 20,000,000" in text
    )
    assert load_config(config_file(long)).experiment.train.epochs == 2_000_000


def test_the_weights_of_an_image_network_are_counted_layer_by_layer(config_file):
    blocks = "[{kind: conv, features: 30, size: 5}, {kind: max_pool}, {kind: dense, features: 100}]"
    path = config_file(GOOD.replace("hidden: [10]", f"kind: cnn, blocks: {blocks}"))
    assert (
        load_config(path).experiment.model.weight_count() == 30 * 25 + 30 * 12**2 * 100 + 100 * 10
    )
    path.write_text(path.read_text().replace("features: 100", "features: 20000"))
    assert "model.blocks: too large, expected at most 20,000,000 weights, got 86,600,750" in errors(
        path
    )


def test_sizes_of_mnist_are_those_of_the_folder_that_is_read(config_file):
    config = load_config(config_file("data: {train: 60001, test: 10001}\n" + GOOD))
    assert config.experiment.data.train == 60001


@pytest.mark.parametrize("given", ["", ", optimizer: sgd", ", optimizer: {kind: sgd, lr: 1.0}"])
def test_a_bare_or_default_kind_can_be_refined(config_file, given):
    path = config_file(GOOD.replace("batch_size: 10", f"batch_size: 10{given}"))
    config = load_config(path, assignments=["train.optimizer.lr=0.1"])
    assert config.experiment.train.optimizer.kind == "sgd"
    assert config.experiment.train.optimizer.lr == 0.1


def test_a_bare_norm_can_be_refined_but_not_none(config_file):
    path = config_file(GOOD.replace("[10]", "[10], norm: batch, layer_init: {output: normal}"))
    sets = ["model.norm.affine=false", "model.layer_init.output.std=2.0"]
    model = load_config(path, assignments=sets).experiment.model
    assert (model.norm.kind, model.norm.affine) == ("batch", False)
    assert model.layer_init["output"].std == 2
    assert "model.norm: no kind given" in errors(
        path, ["model.norm=none", "model.norm.affine=false"]
    )


def test_steps_over_inherited_epochs_say_how_to_drop_them(config_file):
    text = errors(config_file(GOOD), ["train.steps=5"])
    assert "got both; --set train.epochs=null or train.steps=null drops an inherited one" in text
    sets = ["train.steps=5", "train.epochs=null"]
    assert load_config(config_file(GOOD), assignments=sets).experiment.train.steps == 5


def test_long_assignments_are_not_repeated(config_file):
    text = errors(config_file(GOOD), ["title=" + "x" * 50_000, "train." + "y" * 5_000 + "=1"])
    assert text.count("x") < 100
    assert "--set title:1:7: title: not a valid value" in text
    assert len(errors(config_file(GOOD), ["z" * 50_000])) < 200


def test_overrides_from_python_are_called_so(config_file):
    with pytest.raises(
        ConfigError, match=r"^override train.epochs:1:14: train.epochs: not a valid"
    ):
        load_config(config_file(GOOD), {"train.epochs": 0})


def test_numpys_numbers_and_ranges_are_written_as_pythons(config_file):
    assert flow([np.float64(0.5), np.int64(3), np.bool_(True), np.arange(3)]) == (
        "[0.5, 3, true, [0, 1, 2]]"
    )
    overrides = {
        "random.seeds": range(3),
        "model.hidden": np.array([5, 6]),
        "train.l2": np.float32(1),
    }
    experiment = load_config(config_file(GOOD), overrides).experiment
    assert (experiment.random.seeds, experiment.model.hidden) == ((0, 1, 2), (5, 6))
    assert experiment.train.l2 == 1


def test_a_run_directory_is_its_experiment(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(GOOD)
    assert load_config(tmp_path / "run").name == "good"
    monkeypatch.chdir(tmp_path)
    assert load_config("run").name == "good"


@pytest.mark.parametrize(
    ("given", "meant"), [("s", "s.yaml"), ("./s", "s.yaml"), ("quickstart.yaml", "quickstart")]
)
def test_the_obvious_file_is_hinted_at(tmp_path, monkeypatch, given, meant):
    (tmp_path / "s.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    assert f"did you mean {meant!r}?" in errors(given)


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
    assert expected in errors(config_file(GOOD), [assignment])


def test_assignments_and_overrides_change_one_key(config_file):
    path = config_file(GOOD)
    config = load_config(path, {"train.epochs": 7}, ["train.optimizer={kind: sgd, lr: 1e-3}"])
    assert config.experiment.train.epochs == 7
    assert config.experiment.train.optimizer.lr == 0.001
    assert config.experiment.train.batch_size == 10


def test_a_swept_key_is_set_through_its_axis(small):
    assert "swept over" in errors(small, ["model.norm=none"])
    config = load_config(small, assignments=["sweep.model.init.std={geomspace: [1, 100, 3]}"])
    assert config.experiment.sweep.axes()["model.init.std"].geomspace == (1.0, 100.0, 3)


def test_a_data_folder_is_meant_from_where_the_text_stands(config_file, tmp_path):
    config = load_config(config_file("data: {name: ./digits}\n" + GOOD))
    assert config.experiment.data.name == str(tmp_path / "digits")
    config = load_config(config_file(GOOD), assignments=["data.name=./digits"])
    assert config.experiment.data.name == str(Path("digits").resolve())


@pytest.mark.parametrize("name", shipped.experiment_names())
def test_the_resolved_text_says_the_same(name, tmp_path):
    config = load_config(name)
    path = tmp_path / "config.yaml"
    path.write_text(resolved(config))
    again = load_config(path)
    told = config.experiment.model_copy(update={"seconds": None})  # not of a run
    assert again.experiment == told
    assert resolved(again) == resolved(config)


TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_written_values_read_back(value):
    assert repr(parse_value(flow(value), "here").value) == repr(value)


@given(st.dictionaries(TEXTS, PLAIN, min_size=1, max_size=4))
def test_written_mappings_read_back(mapping):
    assert repr(parse(block_style(mapping), "here").value) == repr(mapping)


def test_json_schema_names_every_key_with_its_meaning():
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert {"name", "extends", "model", "train", "sweep"} <= schema["properties"].keys()
    train = schema["$defs"]["Train"]["properties"]
    assert all(key.get("description") for key in train.values())


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


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("random: {seeds: 3}", "got 3; [0, 1, 2] are three seeds, [3] is seed 3 alone"),
        ("seeds: [1]", "got 'seeds'; did you mean 'random.seeds'?"),
        ("train: {lr: 1}", "got 'lr'; did you mean 'train.optimizer.lr'?"),
        ("train: {dropout: 1}", "got 'dropout'; did you mean 'model.dropout'?"),
        (
            "train: {optimizer: {kind: sgd, nesterov: 1}}",
            "expected one of kind, lr, got 'nesterov'",
        ),
        ("train: {batch: 3}", "got 'batch'; did you mean 'batch_size'?"),
        ("model: {activation: ReLU}", "got 'ReLU'; did you mean 'relu'?"),
        ("model: {norm: {kind: batch, dialect: torch}}", "got 'torch'; did you mean 'pytorch'?"),
        ("model: {dropout: 1.5}", "expected a mapping, got 1.5; write {ratio: 0.5}, or none"),
        ("model: {hidden: 100}", "expected a list, got 100; a list of one is [100]"),
        ("figures: [pannels]", "got 'pannels'; did you mean 'panels'?"),
        ("train: {l2: '1e-2'}", "expected a number, got '1e-2'; leave out the quotes"),
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
