"""From the text of an experiment to a frozen, validated object."""

from bnexp.config.jsonschema import json_schema
from bnexp.config.loading import Config, load_config
from bnexp.config.schema import Experiment, Setting
from bnexp.config.writing import resolved

__all__ = ["Config", "Experiment", "Setting", "json_schema", "load_config", "resolved"]
