"""The JSON Schema accepts what the loader accepts, and refuses what it refuses."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from bnexp.config import json_schema, load_config, resolved, shipped
from bnexp.errors import ConfigError

BASE = {"name": "a", "model": {"hidden": [10]}, "train": {"epochs": 1, "batch_size": 10}}


def refused(value):
    """The places of the mistakes that the schema finds."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    errors = jsonschema.Draft202012Validator(schema).iter_errors(value)
    return sorted({".".join(map(str, error.absolute_path)) for error in errors})


def changed(**parts):
    made = dict(BASE)
    for key, value in parts.items():
        old = made.get(key)
        made[key] = {**old, **value} if isinstance(old, dict) else value
    return made


@pytest.mark.parametrize("name", shipped.names())
def test_shipped_experiments_fit(name):
    text = (shipped.folder() / f"{name}.yaml").read_text()
    assert refused(yaml.safe_load(text)) == []


@pytest.mark.parametrize("name", shipped.names())
def test_written_out_experiments_fit(name):
    assert refused(yaml.safe_load(resolved(load_config(name)))) == []


FITTING = [
    {"model": {"activation": "relu", "norm": "none", "init": "he"}},
    {"model": {"norm": "batch", "layer_init": {"output": "he", "1": {"kind": "normal", "std": 1}}}},
    {"model": {"norm": {"kind": "batch", "dialect": "book", "eps": 1e-3}}},
    {"train": {"optimizer": "sgd", "schedule": "cosine", "evaluate": {"every": 3}}},
    {"sweep": {"model.norm": ["batch", "none"], "model.init.std": {"logspace": [0, -4, 3]}}},
    {"figures": [{"kind": "panels"}]},
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
    ({"colour": "red"}, ""),
    ({"sweep": {"model.norm": None}}, "sweep.model.norm"),
]


@pytest.mark.parametrize(("parts", "place"), UNFIT)
def test_what_does_not_load_does_not_fit(parts, place, config_file):
    assert place in refused(changed(**parts))
    with pytest.raises(ConfigError):
        load_config(config_file(yaml.safe_dump(changed(**parts), sort_keys=False)))


def test_a_whole_experiment_needs_its_required_keys():
    assert refused({"name": "a"}) == [""]
    assert refused({**BASE, "train": {"epochs": 1}}) == ["train"]
