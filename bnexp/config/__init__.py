"""From the text of an experiment to a frozen, validated object."""

from bnexp.config.loading import Config, json_schema, load_config
from bnexp.config.schema import Experiment, Setting

__all__ = ["Config", "Experiment", "Setting", "json_schema", "load_config"]
