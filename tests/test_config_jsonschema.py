"""The JSON Schema accepts what the loader accepts, and refuses what it refuses."""

from __future__ import annotations

import json
from functools import cache

import jsonschema
import pytest
import yaml

from bnexp.config import document, json_schema, load_config, resolved
from bnexp.config.reference import SWEPT, experiment_keys, walk_keys
from bnexp.errors import ConfigError
from bnexp.sweep import make_plan

BASE = {"name": "a", "model": {"hidden": [10]}, "train": {"epochs": 1, "batch_size": 10}}


@cache
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def refused(value):
    """The places of the mistakes that the schema finds."""
    errors = validator().iter_errors(value)
    return sorted({".".join(map(str, error.absolute_path)) for error in errors})


def changed(**parts):
    made = dict(BASE)
    for key, value in parts.items():
        old = made.get(key)
        made[key] = {**old, **value} if isinstance(old, dict) else value
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", document.experiment_names())
def test_shipped_experiments_fit(name):
    text = (document.experiments_folder() / f"{name}.yaml").read_text()
    assert refused(yaml.safe_load(text)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", document.experiment_names())
def test_written_out_experiments_fit(name):
    assert refused(yaml.safe_load(resolved(load_config(name)))) == []


FITTING = [
    {"model": {"activation": "relu", "norm": "none", "init": "he"}},
    {"model": {"norm": "batch", "layer_init": {"output": "he", "1": {"kind": "normal", "std": 1}}}},
    {"model": {"norm": {"kind": "batch", "dialect": "book", "eps": 1e-3}}},
    {"train": {"optimizer": "sgd", "schedule": "cosine", "evaluate": {"every": 3}}},
    {"sweep": {"model.norm": ["batch", "none"], "model.init.std": {"logspace": [0, -4, 3]}}},
    {"figures": [{"kind": "panels"}]},
    {"sweep": {"zip": {"train.optimizer.lr": [0.1, 1], "model.hidden": [[3], [4, 4]]}}},
    {"sweep": {"train.clip_norm": [None, 1], "train.batch_size": {"linspace": [5, 10, 2]}}},
    {"sweep": {"model.layer_init.1": ["he", {"kind": "normal", "std": 1}]}},
]


@pytest.mark.parametrize("parts", FITTING)
def test_what_loads_fits(parts):
    assert refused(changed(**parts)) == []


def test_what_extends_may_leave_anything_out():
    child = {"extends": "x.yaml", "name": "b", "sweep": {"model.norm": None}}
    assert refused(child) == []
    assert refused({**child, "train": {"optimizer": {"lr": 0.1}}, "model": {"norm": {}}}) == []
    assert refused({**child, "train": {"epoch": 3}}) == ["train"]
    assert refused({**child, "sweep": {"model.norm": 3}}) == ["sweep.model.norm"]


UNFIT = [
    ({"train": {"epoch": 3}}, "train"),
    ({"train": {"optimizer": "sdg"}}, "train.optimizer"),
    ({"train": {"optimizer": {"kind": ""}}}, "train.optimizer"),
    ({"model": {"init": "normal"}}, "model"),
    ({"model": {"norm": {"kind": "none"}}}, "model"),
    ({"model": {"activation": "none"}}, "model"),
    ({"color": "red"}, ""),
    ({"sweep": {"model.norm": None}}, "sweep.model.norm"),
    ({"sweep": {"zip": {"model.norm": None}}}, "sweep.zip.model.norm"),
]

# What is only found when the sweep is expanded.
UNFIT_SWEEPS = [
    {"model.norm": ["btach"]},
    {"model.norm": {"linspace": [0, 1, 2]}},
    {"model.init.std": [-1]},
    {"model.init": ["normal"]},
    {"train.optimizer.dialect": ["bok"]},
    {"model.activation": [{"kind": "relu", "alpha": 1}]},
]


@pytest.mark.parametrize("sweep", UNFIT_SWEEPS)
def test_swept_values_are_those_of_their_key(sweep, config_file):
    (key,) = sweep
    place = f"sweep.{key}"
    assert place in refused(changed(sweep=sweep))
    assert f"sweep.zip.{key}" in refused(changed(sweep={"zip": sweep}))
    text = yaml.safe_dump(changed(sweep=sweep), sort_keys=False)
    with pytest.raises(ConfigError):
        make_plan(load_config(config_file(text)))


def test_every_key_that_can_be_swept_is_offered():
    offered = json_schema()["$defs"]["Axes"]["properties"]
    dotted = {key.name.removesuffix("[]") for key in walk_keys(experiment_keys())}
    dotted = {name.replace("LAYER", "output") for name in dotted if "[]." not in name}
    assert set(offered) == {name for name in dotted if name.split(".")[0] in SWEPT}
    assert len(offered) > 70


def test_each_kind_is_offered_by_name_and_as_a_mapping_where_both_will_do():
    definitions = json_schema()["$defs"]
    batch, normal = definitions["normalizer_batch"], definitions["initializer_normal"]
    assert batch["anyOf"][0]["const"] == "batch"
    assert batch["anyOf"][1]["title"] == "batch"
    assert normal["title"] == "normal"
    assert "anyOf" not in normal  # its std is required
    eps = batch["anyOf"][1]["properties"]["eps"]["description"]
    assert eps.startswith("added to keep the division finite. Default: 1e-06; 1e-05 with cs231n")


@pytest.mark.parametrize(("parts", "place"), UNFIT)
def test_what_does_not_load_does_not_fit(parts, place, config_file):
    assert place in refused(changed(**parts))
    with pytest.raises(ConfigError):
        load_config(config_file(yaml.safe_dump(changed(**parts), sort_keys=False)))


def test_a_whole_experiment_needs_its_required_keys():
    assert refused({"name": "a"}) == [""]
    assert refused({**BASE, "train": {"epochs": 1}}) == ["train"]


def test_json_schema_names_every_key_with_its_meaning():
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert {"name", "extends", "model", "train", "sweep"} <= schema["properties"].keys()
    train = schema["$defs"]["Train"]["properties"]
    assert all(key.get("description") for key in train.values())
