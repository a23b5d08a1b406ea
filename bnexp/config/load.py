"""Load an experiment: from a file and overrides to a validated `Experiment`, or to its errors.

`load_config` reads the file with all that it extends (bnexp.config.document), sets the overrides,
validates the values by the schema (bnexp.config.experiment) and by the rules between keys
(bnexp.config.rules), and returns a `Config`. `resolved` writes a `Config` as text again.

The order of precedence, from low to high: the defaults of the schema, the file that is extended,
the file itself, `overrides`, `assignments` (`--set` on the command line). Everything is merged as
plain values first and validated at the end, so a file may extend one that is incomplete. What is
set inside a swept key, such as model.norm.dialect where model.norm is swept, is put into each of
the swept values that has such an option.

    path or name -> Document (plain values with places) -> Experiment (validated) -> Config
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from bnexp.config.descriptions import allowed_keys
from bnexp.config.document import (
    OVERRIDE,
    Assignment,
    ExperimentText,
    SweptOption,
    axis_paths,
    mapping_at,
    merge_layers,
    parse_assignment,
    put_option,
    python_experiment,
    read_layers,
    value_at,
    with_value,
    without_key,
)
from bnexp.config.experiment import (
    MAX_SEEDS,
    MODULE_NAME,
    Data,
    Experiment,
    experiment_schema,
    explicit_values,
)
from bnexp.config.frameworks import name_hint
from bnexp.config.messages import Problem, place_of, problems_error, real_path, schema_problem
from bnexp.config.reference import is_known_key, keys_ending_in
from bnexp.config.rules import experiment_problems
from bnexp.config.yaml import Document, KeyPath, block_style, flow, unquoted
from bnexp.data.arrays import Dataset
from bnexp.data.memory import memory_dataset
from bnexp.errors import ConfigError
from bnexp.text import choices, counted, cut, integers, nearest_name, notebook_html


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

    def _repr_html_(self) -> str:
        """Title, source and question, the swept keys with their values, and all settings."""
        axes = []
        for key, path in axis_paths(self.document).items():
            values = value_at(self.document.value, path)
            is_list = isinstance(values, list)
            axes.append((key, ", ".join(map(unquoted, values)) if is_list else flow(values)))
        experiment = self.experiment
        return notebook_html(
            "config.html",
            experiment=experiment,
            axes=axes,
            seeds=integers(experiment.random.seeds),
            claims=counted(len(experiment.claims or ()), "claim"),
            text=resolved(self),
        )

    @property
    def name(self) -> str:
        """The name of the experiment, and of its default run directory."""
        return self.experiment.name


# What an experiment may be in Python, see `python_experiment`.
ExperimentSource: TypeAlias = str | Path | Mapping[str, Any] | ExperimentText


def load_config(
    experiment: ExperimentSource,
    overrides: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
    *,
    seeds: int | Iterable[int] | str | None = None,
) -> Config:
    """Load an experiment: a shipped one by name, a YAML file by path, a mapping, or YAML text.

    `overrides` maps dotted keys to values; `assignments` are texts KEY=VALUE, the value in YAML.
    Raises ConfigError with every problem found, as `file:line:column: key: what, expected, got`;
    a problem of a mapping or an override begins with its key.

    >>> config = load_config("quickstart", {"train.epochs": 5}, ["train.optimizer.lr=0.1"])
    >>> config.name, config.experiment.train.epochs, config.experiment.train.optimizer.lr
    ('quickstart', 5, 0.1)
    >>> load_config({"extends": "quickstart", "train": {"epochs": 5}}, seeds=3)
    Config(experiment)

    Arguments:
        experiment: a shipped name such as "quickstart"; the path of a .yaml file or of a pipe; "-",
            standard input; a run directory, whose config.yaml is read; a mapping with the keys of
            an experiment; or YAML. A text is YAML if it has a line break or ": ", or begins with
            "{"; a path that looks like this is passed as a `pathlib.Path`.
        overrides: dotted key -> plain value, such as {"train.epochs": 5}; None as a value is null.
        assignments: are applied in order, after `overrides`.
        seeds: 3 for the seeds 0, 1 and 2; a list of seeds; or "design" for random.design_seeds.
            They take the place of random.seeds, whatever that is.

    An experiment of a mapping or of YAML text may lack a name, and is called `experiment` then; it
    may extend a shipped experiment or a file. Files and folders that it names are relative to the
    current folder.

    Claims of an overridden experiment that the remaining sweep cannot decide are undecided, not
    wrong, unless the claims themselves are overridden. They stay claims about the data set of the
    text if another one is set.

    The values of the sweep, and how they go together, are not validated here: each of them is
    valid or not together with the others of its network and with the data. `bnexp.run` and
    `bnexp check` do that before anything is trained, with the same kind of message.
    """
    layers = read_layers(python_experiment(experiment))
    config = _merged(layers, [*_parsed(overrides or {}), *map(parse_assignment, assignments)])
    return config if seeds is None else with_seeds(config, seeds)


def loaded_config(
    config: Config | ExperimentSource, seeds: int | Iterable[int] | str | None = None
) -> Config:
    """A `Config` as it is, or with other seeds; anything else as `load_config` takes it."""
    if isinstance(config, Config):
        return config if seeds is None else with_seeds(config, seeds)
    return load_config(config, seeds=seeds)


def override(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with dotted keys set to other values, as by `load_config`'s `overrides`.

    What was said of the claims of an overridden config before still holds.
    """
    new = _merged([config.document], _parsed(values))
    before, after = config.experiment.claims, new.experiment.claims
    if before is None or after is None or len(before) != len(after):
        return new
    claims = tuple(
        claim.model_copy(update={"data": earlier.data or claim.data})
        for earlier, claim in zip(before, after, strict=True)
    )
    return replace(new, experiment=new.experiment.model_copy(update={"claims": claims}))


def with_seeds(config: Config, seeds: int | Iterable[int] | str) -> Config:
    """The config with other seeds, see `load_config`; ConfigError if they are none."""
    expected = f'expected a number from 1 to {MAX_SEEDS}, a list of seeds, or "design"'
    if isinstance(seeds, str):
        if seeds != "design":
            raise ConfigError(f"seeds: {expected}, got {seeds!r}")
        design = config.experiment.random.design_seeds
        if design is None:
            raise ConfigError(
                f"seeds: {config.name} has no random.design_seeds, expected a list of them there"
            )
        return override(config, {"random.seeds": design})
    if isinstance(seeds, Integral):
        number = int(seeds)
        if isinstance(seeds, bool) or not 1 <= number <= MAX_SEEDS:
            raise ConfigError(f"seeds: {expected}, got {seeds!r}")
        return override(config, {"random.seeds": range(number)})
    if not isinstance(seeds, Iterable):
        raise ConfigError(f"seeds: {expected}, got {seeds!r}")
    return override(config, {"random.seeds": [*seeds]})


def with_arrays(config: Config, data: Any) -> tuple[Config, Dataset]:
    """The config with arrays in place of its data set, and these arrays as a data set.

    data: (x, y) or (x, y, x_test, y_test), see `bnexp.data.memory.memory_dataset`. Test images are
    scored, all of them, unless the experiment says how many, or holds out training images.

    ConfigError if the experiment sweeps over data sets, DataError if the arrays are not fit.
    """
    swept = axis_paths(config.document)
    if swept.keys() & {"data", "data.name"}:
        raise ConfigError("data: data.name is swept, expected an experiment of one data set")
    dataset = memory_dataset(data)
    values: dict[str, Any] = {"data.name": dataset.name}
    of_text = config.experiment.data
    if "data.test" not in swept and "data.validation" not in swept and not of_text.validation:
        if not len(dataset.test_labels):
            values["data.test"] = 0
        elif of_text.test == 0:
            values["data.test"] = "all"
    return override(config, values), dataset


def _parsed(overrides: Mapping[str, Any]) -> list[Assignment]:
    return [parse_assignment(f"{key}={flow(value)}", OVERRIDE) for key, value in overrides.items()]


def _merged(layers: Sequence[Document], changes: Sequence[Assignment]) -> Config:
    """The config of these texts, later ones over earlier ones, with changes from outside."""
    document, options = merge_layers(layers, changes)
    _check_imports(document)
    config = validate_document(_without_null_axes(document, layers[0]))
    if options:
        document = config.document
        for option in options:
            document = _set_in_axis(document, option)
        config = validate_document(document)
    if not changes:
        return config
    # What was overridden may lack what a claim is about: that is no mistake of the text, unless the
    # claims are of the overrides too.
    claims = config.experiment.claims
    if not any(str(change.path[0]).startswith("claims") for change in changes):
        about = _data_name(merge_layers(layers, [])[0], config)
        claims = claims and tuple(
            claim.model_copy(update={"absent": "undecided", "data": claim.data or about})
            for claim in claims
        )
    validated = config.experiment.model_copy(update={"claims": claims})
    return Config(validated, config.document, overridden=True)


def _check_imports(document: Document) -> None:
    """ConfigError for modules that the experiment needs and nobody has imported.

    They are not imported here: an experiment may come from a stranger.
    """
    names = document.value.get("imports")
    modules = {
        i: name.removesuffix(".py")
        for i, name in enumerate(names if isinstance(names, list) else ())
        if isinstance(name, str) and MODULE_NAME.fullmatch(name)
    }
    problems = [
        Problem(
            ("imports", i),
            "not imported, expected a module that you have imported, as a file never loads code, "
            f"got {cut(name, 60)!r}; if you trust it: `bnexp --import {cut(name, 60)} COMMAND "
            "...`, or `import` it in Python",
        )
        for i, name in modules.items()
        if name not in sys.modules
    ]
    if problems:
        raise problems_error(problems, document)


def _set_in_axis(document: Document, option: SweptOption) -> Document:
    """The document with an option set in each value of its axis that has such an option.

    ConfigError, with the options that the values have, if no value has it.
    """
    path = axis_paths(document)[option.axis]
    outer, values = tuple(option.axis.split(".")), value_at(document.value, path)
    changed, places = [], dict(document.values)
    names: dict[str, None] = {}
    for i, value in enumerate(values if isinstance(values, list) else ()):
        new = put_option(option, value)
        if new is None:
            changed.append(value)
            continue
        experiment = with_value(document.value, outer, new)
        if not _has_key(experiment, option.path):
            names |= dict.fromkeys(_keys_beside(with_value(document.value, outer, value), option))
            changed.append(value)
            continue
        inner = option.path[len(outer) :]
        places |= {(*path, i, *inner[:depth]): option.place for depth in range(len(inner) + 1)}
        changed.append(new if option.value is not None else _without(new, inner))
    if all(new is old for new, old in zip(changed, values, strict=False)):
        key, last = ".".join(map(str, option.path)), str(option.path[-1])
        if last in names:  # of some kind, but the mapping around it has none
            around = ".".join(map(str, option.path[:-1]))
            expected = f"values with {around} of a kind that has it, got {last!r} without a kind"
        elif names:
            place = place_of(option.path[:-1])
            expected = choices(last, list(names), (), name_hint(last, place))
        else:
            expected = f"a value that has options, got {last!r}"
        axis = f"{option.word} {'.'.join(path)}".strip()
        raise ConfigError(
            f"{option.place.prefix}{key}: an option of no value that is swept over {option.axis}, "
            f"expected {expected}; set the values instead: {axis}=[...]"
        )
    return replace(document, value=with_value(document.value, path, changed), values=places)


def _has_key(experiment: Any, path: KeyPath) -> bool:
    """Whether the schema has the key at this path of an experiment, whatever its value is."""
    try:
        Experiment.model_validate(experiment)
    except ValidationError as error:
        for entry in error.errors():
            place = real_path(entry["loc"], experiment, entry["type"])
            is_around = len(place) < len(path) and place == path[: len(place)]
            if is_around or (place == path and entry["type"] == "extra_forbidden"):
                return False
    return True


def _keys_beside(experiment: Any, option: SweptOption) -> list[str]:
    """The keys that the mapping around an option can have; empty if there is no such mapping."""
    path = option.path[:-1]
    around = mapping_at(path, value_at(experiment, path))
    if not isinstance(around, Mapping):
        return []
    return allowed_keys(experiment_schema(), with_value(experiment, path, around), path)


def _without(value: Any, path: KeyPath) -> Any:
    """The mapping without the key at this path."""
    if len(path) == 1:
        return without_key(value, str(path[0]))
    return {**value, path[0]: _without(value[path[0]], path[1:])}


def _data_name(text: Document, config: Config) -> str | None:
    """The data set of the text if the config has another one; None if its claims need none.

    They need none either if the text sweeps over data sets.
    """
    keys = {"data", "data.name"}
    data = text.value.get("data")
    name = data.get("name") if isinstance(data, Mapping) else None
    name = name if isinstance(name, str) else str(Data().name)
    is_same = config.experiment.data.name == name and keys.isdisjoint(axis_paths(config.document))
    return None if is_same or not keys.isdisjoint(axis_paths(text)) else name


def validate_document(document: Document) -> Config:
    """The document as a Config; ConfigError with everything that is wrong with it.

    A key whose value is null is removed where the schema takes no null, so that its default holds.

    The sweep's points are not validated here: `bnexp.sweep.make_plan` does that.
    """
    try:
        experiment = Experiment.model_validate(document.value)
    except ValidationError as error:
        document, experiment = _without_nulls(document, error)
    if problems := experiment_problems(experiment):
        raise problems_error(problems, document)
    return Config(experiment, document)


def _without_nulls(document: Document, error: ValidationError) -> tuple[Document, Experiment]:
    """The document without the null values that pydantic refuses, and its experiment.

    ConfigError for all else that is refused, also for the null of a required key, of an axis and in
    a list.
    """
    nulls, value = [], document.value
    for entry in error.errors():
        path = real_path(entry["loc"], document.value, entry["type"])
        is_key = bool(path) and all(isinstance(part, str) for part in path)
        is_axis = path[:1] == ("sweep",) and path not in (("sweep",), ("sweep", "zip"))
        if is_key and not is_axis and entry["input"] is None and entry["type"] != "extra_forbidden":
            nulls.append(path)
            value = _without(value, path)
    try:
        return replace(document, value=value), Experiment.model_validate(value)
    except ValidationError as remaining:
        refused = {p.path: p for p in schema_problems(error, document.value) if p.path in nulls}
        problems = [refused.get(p.path, p) for p in schema_problems(remaining, value)]
        raise problems_error([_swept(p, document) for p in problems], document) from None


def _swept(problem: Problem, document: Document) -> Problem:
    """The problem; of a missing key that is swept, it says that a sweep alone does not give it."""
    axis = axis_paths(document).get(".".join(map(str, problem.path)))
    if axis is None or not problem.text.startswith("required key is missing"):
        return problem
    text = "a sweep varies a key that has a value outside it, too"
    return replace(problem, text=f"{problem.text}; {text}")


def _without_null_axes(document: Document, root: Document) -> Document:
    """The document without the axes that are null in a text which inherits or overrides.

    A null that takes an axis away has done so already. Those that are left are of keys that are
    not swept: ConfigError if one is no key at all, as it may be misspelt, or if it is swept in the
    other place, under `zip` or beside it.

    root: the first text, which has nothing to take away; a null axis there is left, as a mistake.
    """
    value, problems = document.value, []
    swept = {key: ".".join(path) for key, path in axis_paths(document).items()}
    for path in (("sweep",), ("sweep", "zip")):
        axes = value_at(value, path)
        for key in [k for k, v in axes.items() if v is None] if isinstance(axes, Mapping) else ():
            is_zip = (*path, key) == ("sweep", "zip")
            if is_zip or document.values[*path, key] == root.values.get((*path, key)):
                continue
            if key in swept or not is_known_key(key):
                nearest = swept.get(key) or swept.get(nearest_name(key, swept) or "")
                allowed = "one of " * (len(swept) > 1) + ", ".join(swept.values())
                text = "no such axis, expected " if key in swept else "unknown key, expected "
                text += f"{allowed or 'no axis to remove'}, got {'.'.join((*path, key))!r}"
                text += f"; did you mean {nearest!r}?" if nearest else ""
                problems.append(Problem((*path, key), text, at_key=True))
            value = _without(value, (*path, key))
    if problems:
        raise problems_error(problems, document)
    return replace(document, value=value)


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
            schema = schema or experiment_schema()
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
