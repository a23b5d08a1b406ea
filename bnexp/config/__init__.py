"""From the text of an experiment to a frozen, validated object.

Each module imports only those before it:

    yaml          text to values with their places, and values to text
    messages      problems, and the error that lists them with their places
    descriptions  a part of the JSON schema in words
    options       from registries of classes to the schema; the identity of a setting
    where, architecture, figures, claims, experiment
                  the schema
    rules         what must hold between keys
    shipped       the experiments that come with bnexp
    document      `extends` and `--set`: several texts as one
    reference     all keys with their meanings, for `bnexp explain` and the docs
    load          from a file and overrides to a `Config`
    jsonschema, template
                  the JSON Schema for editors; the text of a new experiment
"""

from bnexp.config.experiment import Experiment, Setting
from bnexp.config.jsonschema import json_schema
from bnexp.config.load import Config, load_config, resolved

__all__ = ["Config", "Experiment", "Setting", "json_schema", "load_config", "resolved"]
