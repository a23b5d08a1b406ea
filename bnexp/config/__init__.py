"""From the text of an experiment to a frozen, validated object."""

from bnexp.config.experiment import Experiment, Setting
from bnexp.config.jsonschema import json_schema
from bnexp.config.load import Config, load_config, resolved

__all__ = ["Config", "Experiment", "Setting", "json_schema", "load_config", "resolved"]
