"""Load an experiment: from a file and overrides to a validated `Experiment`, or to its errors.

`load_config` reads the file with all that it extends (bnexp.config.document), sets the overrides,
validates the values by the schema (bnexp.config.experiment) and by the rules between keys
(bnexp.config.rules), and returns a `Config`. `resolved` writes a `Config` as text again.

The order of precedence, from low to high: the defaults of the schema, the file that is extended,
the file itself, `overrides`, `assignments` (`--set` on the command line). Everything is merged as
plain values first and validated once at the end, so a file may extend one that is incomplete.

    path or name -> Document (plain values with places) -> Experiment (validated) -> Config
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bnexp.config.descriptions import allowed_keys
from bnexp.config.document import find_experiment, override, read_document
from bnexp.config.experiment import Experiment, explicit_values, refresh
from bnexp.config.messages import Problem, problems_error, real_path, schema_problem
from bnexp.config.reference import keys_ending_in
from bnexp.config.rules import experiment_problems
from bnexp.config.yaml import Document, block_style, flow


@dataclass(frozen=True)
class Config:
    """A validated experiment, with its values as its text has them.

    experiment: the validated experiment.
    document: its plain values, and where in which text each of them stands.
    overridden: whether some values were set from outside, so that its figures may not fit any more.
    """

    experiment: Experiment
    document: Document
    overridden: bool = False

    def __repr__(self) -> str:
        return f"Config({self.name})"

    @property
    def name(self) -> str:
        """The name of the experiment, and of its default run directory."""
        return self.experiment.name


def load_config(
    experiment: str | Path,
    overrides: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
) -> Config:
    """Load a shipped experiment by name, or a YAML file by path.

    `overrides` maps dotted keys to values; `assignments` are texts KEY=VALUE, the value in YAML.
    Raises ConfigError with every problem found, as `file:line:column: key: what, expected, got`.

    >>> config = load_config("quickstart", {"train.epochs": 5}, ["train.optimizer.lr=0.1"])
    >>> config.name, config.experiment.train.epochs, config.experiment.train.optimizer.lr
    ('quickstart', 5, 0.1)

    Arguments:
        experiment: a shipped name such as "quickstart", the path of a .yaml file, or a run
            directory, whose config.yaml is read.
        overrides: dotted key -> plain value, such as {"train.epochs": 5}; None as a value is null.
        assignments: are applied in order, after `overrides`.

    Claims of an overridden experiment that the remaining sweep cannot decide are undecided, not
    wrong, unless the claims themselves are overridden.
    """
    refresh()
    document = read_document(find_experiment(str(experiment)))
    for key, value in (overrides or {}).items():
        document = override(document, f"{key}={flow(value)}", "override")
    assignments = tuple(assignments)
    for assignment in assignments:
        document = override(document, assignment)
    config = validate_document(document)
    if not (overrides or assignments):
        return config
    # What was overridden may lack what a claim is about: that is no mistake of the text, unless the
    # claims are of the overrides too.
    claims = config.experiment.claims
    keys = [*(overrides or {}), *(assignment.partition("=")[0] for assignment in assignments)]
    if not any(re.match(r"\s*claims\b", key) for key in keys):
        claims = claims and tuple(c.model_copy(update={"absent": "undecided"}) for c in claims)
    validated = config.experiment.model_copy(update={"claims": claims})
    return Config(validated, document, overridden=True)


def validate_document(document: Document) -> Config:
    """The document as a Config; ConfigError with everything that is wrong with it.

    The sweep's points are not validated here: `bnexp.sweep.make_plan` does that.
    """
    try:
        experiment = Experiment.model_validate(document.value)
    except ValidationError as error:
        raise problems_error(schema_problems(error, document.value), document) from None
    if problems := experiment_problems(experiment):
        raise problems_error(problems, document)
    return Config(experiment, document)


def schema_problems(error: ValidationError, data: Any) -> list[Problem]:
    """pydantic's errors about an experiment, or about a setting, as problems.

    A list that is too short only because some of its values are not valid is no problem of its own.

    error: what pydantic raised. data: the plain values that were validated. For an unknown key the
    text names the keys that are allowed in its place, and keys elsewhere that end in the same word.
    """
    schema: Mapping[str, Any] = {}
    problems = []
    for entry in error.errors():
        if entry["type"] == "too_short" and len(entry["input"]) >= entry["ctx"]["min_length"]:
            continue
        path = real_path(entry["loc"], data, entry["type"])
        if entry["type"] == "extra_forbidden":
            schema = schema or Experiment.model_json_schema()
            names = allowed_keys(schema, data, path[:-1])
            problems.append(schema_problem(entry, path, names, keys_ending_in(str(path[-1]))))
        else:
            problems.append(schema_problem(entry, path))
    return problems


# Keys of an experiment that are written behind the others, and the order of these groups.
_GROUPS = {"data": 1, "model": 1, "train": 1, "random": 1, "sweep": 1, "figures": 2, "claims": 3}


def resolved(config: Config) -> str:
    """The experiment as YAML text that extends nothing and states every default.

    This is the config.yaml of a run directory. Loading it gives an equal experiment. Figures and
    claims stand behind the settings.
    """
    values = explicit_values(config.experiment)
    values.pop("seconds", None)  # of the shipped experiment, not of this run
    keys = sorted(values, key=lambda key: _GROUPS.get(key, 0))
    return block_style({key: values[key] for key in keys})
