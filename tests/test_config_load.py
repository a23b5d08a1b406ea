"""Loading experiments: defaults, validation, and the resolved text."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import yaml
from config_cases import SMALLEST

from bnexp.config import document, load_config, resolved
from bnexp.config.load import loaded_config, override, with_seeds
from bnexp.errors import ConfigError
from bnexp.sweep import make_plan


def test_defaults_go_through_validation(config_file):
    experiment = load_config(config_file(SMALLEST)).experiment
    assert experiment.model.activation.kind == "relu"
    assert experiment.model.norm is None
    assert experiment.model.init.kind == "he"
    assert experiment.train.optimizer.lr == 0.01
    assert experiment.random.seeds == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("name", document.experiment_names())
def test_the_resolved_text_says_the_same(name, tmp_path):
    config = load_config(name)
    path = tmp_path / "config.yaml"
    path.write_text(resolved(config))
    again = load_config(path)
    told = config.experiment.model_copy(update={"seconds": None})  # not of a run
    assert again.experiment == told
    assert resolved(again) == resolved(config)


@pytest.mark.parametrize("name", ["quickstart", "dialects", "book_weight_scale"])
def test_a_mapping_and_a_text_are_as_good_as_the_file(name):
    text = resolved(load_config(name))
    assert resolved(load_config(text)) == text
    assert resolved(load_config(yaml.safe_load(text))) == text


def test_a_mapping_that_extends_has_what_it_changes():
    config = load_config({"extends": "quickstart", "train": {"epochs": 3}})
    changed = load_config("quickstart", {"train.epochs": 3}).experiment
    for part in ("data", "model", "train", "random", "sweep", "figures"):
        assert getattr(config.experiment, part) == getattr(changed, part)
    assert config.name == "experiment"
    assert load_config({"extends": "quickstart", "name": "mine"}).name == "mine"
    assert load_config({"model": {"hidden": [3]}, "train": {"epochs": 1, "batch_size": 2}}).name


def test_values_of_numpy_are_those_of_python():
    sweep = {"model.init.std": np.logspace(-2, 0, 3), "train.batch_size": np.arange(1, 3) * 10}
    axes = load_config({"extends": "quickstart", "sweep": sweep}).experiment.sweep.axes()
    assert axes["model.init.std"] == (0.01, 0.1, 1.0)
    assert axes["train.batch_size"] == (10, 20)


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ({"extends": "quickstart", "train": {"epochs": 0}}, "train.epochs: not a valid value, exp"),
        ({"extends": "quickstart", "train": {"lrr": 0}}, "train.lrr: unknown key, expected one of"),
        ({"extends": "quickstrt"}, "extends: quickstrt: no experiment of that name, expected"),
        (
            {"extends": "quickstart", "train.epochs": 5},
            "train.epochs: unknown key, expected one of",
        ),
        ({"extends": "quickstart", "title": "x" * 300_000}, "the mapping: too large, expected at"),
        ("extends: quickstart\ntrain: {epochs: 0}", "<text>:2:17: train.epochs: not a valid value"),
        ("{extends: quickstart, train: {epochs: 0}}", "<text>:1:39: train.epochs: not a valid val"),
        ("quickstart\n", "<text>:1:1: single value at the top, expected a mapping"),
        ("quick start", "quick start: no experiment of that name"),
        (["quickstart"], "experiment: expected a shipped name, a path, a mapping of its keys or"),
        (None, "experiment: expected a shipped name, a path, a mapping of its keys or YAML text, "),
    ],
)
def test_messages_begin_with_the_key_where_there_is_no_file(experiment, message):
    with pytest.raises(ConfigError) as error:
        load_config(experiment)
    assert str(error.value).startswith(message)
    assert "mapping:1:" not in str(error.value)


def test_a_dotted_key_of_a_mapping_is_explained():
    with pytest.raises(ConfigError, match=r"write it as train: \{optimizer\.lr: \.\.\.\}"):
        load_config({"extends": "quickstart", "train.optimizer.lr": 5})


def test_a_mapping_that_contains_itself():
    endless = {"extends": "quickstart"}
    endless["model"] = endless
    with pytest.raises(ConfigError, match="the mapping: nested too deeply, expected at most 32"):
        load_config(endless)


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (3, (0, 1, 2)),
        ([4], (4,)),
        (np.int64(2), (0, 1)),
        (range(5, 7), (5, 6)),
        (np.array([9]), (9,)),
    ],
)
def test_seeds(seeds, expected):
    config = load_config("quickstart", seeds=seeds)
    assert config.experiment.random.seeds == expected
    assert resolved(with_seeds(load_config("quickstart"), seeds)) == resolved(config)
    text = f"random.seeds={[*expected]}"
    assert resolved(load_config("quickstart", assignments=[text])) == resolved(config)


def test_design_seeds():
    experiment = load_config("weight_scale", seeds="design").experiment
    assert experiment.random.seeds == experiment.random.design_seeds
    with pytest.raises(ConfigError, match=r"seeds: quickstart has no random\.design_seeds"):
        load_config("quickstart", seeds="design")


@pytest.mark.parametrize("seeds", [0, -1, 1001, True, 2.5, "3", "all"])
def test_what_are_no_seeds(seeds):
    with pytest.raises(ConfigError, match=r"^seeds: expected a number from 1 to 1000, a list"):
        load_config("quickstart", seeds=seeds)


def test_a_config_that_is_overridden_is_that_of_both_overrides():
    few = {"data.name": "synthetic", "data.test": 100}
    once = load_config("weight_scale", {**few, "train.epochs": 3})
    assert loaded_config(once) is once
    twice = override(load_config("weight_scale", few), {"train.epochs": 3})
    assert resolved(twice) == resolved(once)
    assert {claim.data for claim in once.experiment.claims} == {"mnist"}
    assert twice.experiment.claims == once.experiment.claims


def test_imports_are_named_and_never_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = "my_trap_module"
    (tmp_path / f"{module}.py").write_text("open('sprung', 'w').close()\n")
    text = f"{SMALLEST}imports: [{module}]\n"
    with pytest.raises(ConfigError) as error:
        load_config(text)
    line = len(text.splitlines())
    assert str(error.value).startswith(f"<text>:{line}:11: imports[0]: not imported, expected a mo")
    assert f"`bnexp --import {module} COMMAND ...`" in str(error.value)
    with pytest.raises(ConfigError, match=f"`bnexp --import {module} COMMAND"):
        load_config(f"{SMALLEST}imports: [{module}.py]\n")
    assert not (tmp_path / "sprung").exists()
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    assert load_config(text).experiment.imports == (module,)
    assert f"imports: [{module}]" in resolved(load_config(text))


@pytest.mark.parametrize("name", ["../evil", "a b", "ö;"])
def test_imports_are_names_of_modules(name):
    with pytest.raises(ConfigError, match=r"imports\[0\]: .*the name of a module such as my_norms"):
        load_config({**yaml.safe_load(SMALLEST), "imports": [name]})


@pytest.mark.slow
def test_only_the_kinds_that_an_experiment_names_are_imported():
    code = (
        "import sys, bnexp; bnexp.load_config('quickstart')\n"
        "kinds = 'bnexp.figures.kinds.'\n"
        "print(*sorted(n.removeprefix(kinds) for n in sys.modules if n.startswith(kinds)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["panels", "scale"]


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("model.dropout", {"ratio": 0.5}),
        ("model.residual", {"order": "pre"}),
        ("train.clip_norm", 1.0),
        ("train.early_stopping", {"patience": 3}),
    ],
)
def test_none_is_null_where_nothing_is_the_default(key, other):
    base = {
        "extends": "quickstart",
        "data": {"name": "synthetic", "train": 1000, "validation": 100},
        "model": {"hidden": [10, 10, 10]},
    }
    plain = load_config(base, {"sweep": None})
    assert load_config(base, {"sweep": None, key: "none"}).experiment == plain.experiment
    part, _, last = key.partition(".")
    inherited = load_config(base, {"sweep": None, key: other})
    assert getattr(getattr(inherited.experiment, part), last) is not None
    config = load_config(base, {"sweep": {key: ["none", other]}})
    with_null = load_config(base, {"sweep": {key: [None, other]}})
    plans = [make_plan(c) for c in (config, with_null)]
    ids, null_ids = ([network.id for network in plan.networks] for plan in plans)
    assert ids == null_ids
    assert len(set(ids)) == len(ids)


def test_none_is_no_list_where_the_default_is_everything():
    with pytest.raises(ConfigError, match="got 'none'; leave out the key for its default"):
        load_config("quickstart", {"train.only": "none"})


def test_a_key_that_is_swept_alone_is_missing_and_the_message_says_why():
    plain = {
        "name": "swept",
        "data": {"name": "synthetic"},
        "model": {"hidden": [8], "init": "normal"},
        "train": {"epochs": 1, "batch_size": 10},
        "random": {"seeds": [0]},
    }
    missing = "model.init.std: required key is missing, expected a value, got nothing; add it"
    with pytest.raises(ConfigError) as caught:
        load_config({**plain, "sweep": {"model.init.std": [0.1, 0.2]}})
    assert str(caught.value) == f"{missing}; a sweep varies a key that has a value outside it, too"
    with pytest.raises(ConfigError) as caught:
        load_config(plain)
    assert str(caught.value) == missing
