"""From an experiment's file and overrides to a validated `Experiment`, or all errors at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bnexp.config import descriptions, messages, rules, shipped
from bnexp.config.document import override, read_document
from bnexp.config.experiment import Experiment, explicit_values, refresh
from bnexp.config.messages import Problem
from bnexp.config.reference import keys_ending_in
from bnexp.config.yaml import Document, block_style, flow
from bnexp.errors import ConfigError
from bnexp.text import omitted

MAX_PROBLEMS = 20


@dataclass(frozen=True)
class Config:
    """A validated experiment, its plain values, and where in which text each of them stands.

    overridden: whether some values were set from outside, so that figures may not fit any more.
    """

    experiment: Experiment
    document: Document
    overridden: bool = False

    def __repr__(self) -> str:
        return f"Config({self.name})"

    @property
    def name(self) -> str:
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
    """
    refresh()
    path = shipped.find_experiment(str(experiment))
    document = read_document(path)
    for key, value in (overrides or {}).items():
        document = override(document, f"{key}={flow(value)}", "override")
    assignments = tuple(assignments)
    for assignment in assignments:
        document = override(document, assignment)
    config = validate_document(document)
    return _lenient(config) if overrides or assignments else config


def _lenient(config: Config) -> Config:
    """What was overridden can lack what a claim is about, which is no mistake of the text then."""
    claims = config.experiment.claims
    undecided = claims and tuple(c.model_copy(update={"absent": "undecided"}) for c in claims)
    experiment = config.experiment.model_copy(update={"claims": undecided})
    return Config(experiment, config.document, overridden=True)


def validate_document(document: Document) -> Config:
    """The document as a Config; ConfigError with everything that is wrong with it."""
    try:
        experiment = Experiment.model_validate(document.value)
    except ValidationError as error:
        raise problems_error(schema_problems(error, document.value), document) from None
    broken = rules.setting_problems(experiment, experiment.random.stream)
    broken += rules.repeated_seeds(experiment.random.seeds) + rules.claim_contradictions(
        experiment.claims
    )
    if broken:
        raise problems_error(broken, document)
    return Config(experiment, document)


def schema_problems(error: ValidationError, data: Any) -> list[Problem]:
    """pydantic's errors about `data` in our words."""
    entries = [entry for entry in error.errors() if not _follows(entry)]
    unknown = any(entry["type"] == "extra_forbidden" for entry in entries)
    schema = Experiment.model_json_schema() if unknown else {}
    problems = []
    for entry in entries:
        path = messages.real_path(entry["loc"], data, entry["type"])
        near: tuple[list[str], ...] = ()
        if entry["type"] == "extra_forbidden":
            near = descriptions.allowed_keys(schema, data, path[:-1]), keys_ending_in(str(path[-1]))
        problems.append(messages.problem(entry, path, *near))
    return problems


def _follows(entry: ErrorDetails) -> bool:
    """Whether a list is only called too short because some of its values are not valid."""
    short = entry["type"] == "too_short"
    return short and len(entry["input"]) >= entry["ctx"]["min_length"]


def resolved(config: Config) -> str:
    """The whole experiment as one text that extends nothing and says every default."""
    values = explicit_values(config.experiment)
    values.pop("seconds", None)  # of the shipped experiment, not of this run
    order = sorted(values, key=lambda key: key in ("data", "model", "train", "random", "sweep"))
    order.sort(key=lambda key: (key == "claims", key == "figures"))
    return block_style({key: values[key] for key in order})


def problems_error(problems: Iterable[Problem], document: Document) -> ConfigError:
    """All problems, each with its place in the document's texts, as one error."""
    lines = messages.lines(problems, document)
    return ConfigError("\n".join([*lines[:MAX_PROBLEMS], *omitted(len(lines) - MAX_PROBLEMS)]))
