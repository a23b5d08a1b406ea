"""Experiments made of several texts: inheritance by `extends`, and `--set KEY=VALUE`.

Each text is a `Document`, plain values with their places. `merge_documents` lays one over another
and keeps the place of each value that is left, so that a message points at the file or argument
that has it. `merge_layers` merges all texts of an experiment, and finds what they set inside swept
values. Nothing is validated here but `extends`, the form of KEY=VALUE, and that no key is set that
the sweep sets again.

In all texts, null and {} mean the same: `KEY: null` takes an inherited value away, so that the
key's default holds, and `KEY: {}` replaces an inherited mapping by an empty one.

The shipped experiments are found here too, by name (`find_experiment`), and a text may come from
standard input or a pipe (`experiment_text`). Nothing heavy is imported, because `bnexp list` reads
them.

How a file refers to others and to data:

    extends: base.yaml         a file, relative to this one or to the current folder
    extends: quickstart        a shipped experiment
    data: {name: ./digits}     a folder of data files or an npz file, relative to the folder of the
                               YAML file

For standard input and `<(...)`, that folder is the current one.

A chain may have MAX_EXTENDS files and no circle. Title, description, seconds and claims
are not inherited (OWN), as they say something of one experiment only.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from os.path import exists, isdir, isfile, islink
from pathlib import Path
from typing import Any

from bnexp.config.yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    Document,
    KeyPath,
    Position,
    PythonValues,
    decode,
    flow,
    parse,
    parse_value,
    read_text,
)
from bnexp.data.datasets import is_path
from bnexp.errors import ConfigError
from bnexp.files import is_closed, is_pipe
from bnexp.text import cut, nearest_name
from bnexp.typography import look_alike_hint

PACKAGE = Path(__file__).resolve().parents[1]


def experiments_folder() -> Path:
    """Inside the installed package, or beside it in a checkout."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def experiment_names() -> list[str]:
    """The names of the shipped experiments, sorted."""
    return sorted(path.stem for path in experiments_folder().glob("*.yaml"))


def find_experiment(experiment: str) -> Path:
    """The file of an experiment: a path, the name of a shipped one, or a run directory.

    ConfigError, with what was probably meant, if there is none.

    A text with an ending of YAML or with several parts is a path. A run directory stands for its
    config.yaml, unless a shipped experiment has the same name.
    """
    path = Path(os.path.expanduser(experiment))
    is_path = path.suffix in (".yaml", ".yml") or len(path.parts) > 1 or is_pipe(path)
    if is_path and exists(path) and not isdir(path):
        return path
    if not is_path and experiment in experiment_names():
        return experiments_folder() / f"{experiment}.yaml"
    if isfile(path / "config.yaml"):  # a run directory: its resolved experiment
        return path / "config.yaml"
    if closed := next(filter(is_closed, (path, path / "config.yaml")), None):
        raise ConfigError(f"{closed}: no permission to read")
    endings = (".yaml", ".yml") if path.name else ()
    siblings = [path.parent / (path.name + ending) for ending in endings]
    meant = [str(sibling) for sibling in siblings if isfile(sibling)]
    meant += [path.stem] if path.stem in experiment_names() else []
    problem = "no such file" if is_path else "no experiment of that name"
    problem = "a link that leads nowhere" if is_path and islink(path) else problem
    nearest = meant[0] if meant else nearest_name(path.stem, experiment_names())
    hint = f"did you mean {nearest!r}?" if nearest else "`bnexp list` shows those"
    if look_alike := look_alike_hint(experiment):
        hint = look_alike if nearest or not is_path else f"{look_alike}, if that is meant"
    raise ConfigError(
        f"{experiment}: {problem}, expected a shipped experiment or the path of a YAML file; {hint}"
    )


STDIN = "-"
# The folders, and the file, by which shells and scripts name what a process has open.
DESCRIPTORS = re.compile(r"/dev/fd/\d+|/dev/stdin|/proc/(self|\d+)/fd/\d+")


@dataclass(frozen=True)
class ExperimentText:
    """The text of an experiment, which is read once, as standard input and pipes can be.

    text: YAML, not parsed. source: what messages call it. path: where it stands. Names of other
    files in it are relative to this path's folder, and an experiment that states no name takes that
    of this file. name: what it is called instead of that.
    """

    text: str
    source: str
    path: Path
    name: str = ""

    def __str__(self) -> str:
        return self.source


UNNAMED = "experiment"  # the name of an experiment in Python that has none


def python_experiment(experiment: object) -> ExperimentText:
    """The text of what an experiment may be in Python, where it needs no file.

    A mapping has the keys of an experiment. A text with a line break, with ": " or with "{" at its
    beginning is YAML; any other text, and each `Path`, is a name or a path as for
    `experiment_text`. An experiment of a mapping or of YAML is called UNNAMED if it has no name,
    and files that it names are relative to the current folder.

    ConfigError for anything else, and for a mapping that contains itself.

    >>> python_experiment({"extends": "quickstart", "train": {"epochs": 5}}).text
    '{extends: quickstart, train: {epochs: 5}}'
    >>> python_experiment("extends: quickstart").source
    '<text>'
    """
    if isinstance(experiment, ExperimentText):
        return experiment
    if isinstance(experiment, Mapping):
        source = PythonValues("the mapping")
        try:
            return ExperimentText(flow(experiment), source, Path(UNNAMED), UNNAMED)
        except RecursionError:
            problem = f"{source}: nested too deeply, expected at most {MAX_DEPTH} levels"
            raise ConfigError(f"{problem}, got more") from None
    if isinstance(experiment, str) and is_yaml(experiment):
        return ExperimentText(experiment, "<text>", Path(UNNAMED), UNNAMED)
    if isinstance(experiment, str | Path):
        return experiment_text(str(experiment))
    raise ConfigError(
        "experiment: expected a shipped name, a path, a mapping of its keys or YAML text, got "
        f"{type(experiment).__name__} {cut(repr(experiment), 60)}"
    )


def is_yaml(text: str) -> bool:
    """Whether a text is YAML rather than a name or a path.

    >>> is_yaml("train: {epochs: 5}"), is_yaml("C:/experiments/mine.yaml")
    (True, False)
    """
    return "\n" in text or ": " in text or text.lstrip().startswith("{")


def experiment_text(experiment: str) -> ExperimentText:
    """The text of an experiment: "-" is standard input, all else is as for `find_experiment`.

    The file may be a pipe, such as `<(command)`. ConfigError if it cannot be read.
    """
    if experiment == STDIN:
        source = "<stdin>"
        if sys.stdin is None:
            raise ConfigError(f"{source}: closed, expected the text of an experiment")
        return ExperimentText(decode(_read_stdin(), source), source, Path("stdin"))
    path = find_experiment(experiment)
    is_descriptor = DESCRIPTORS.fullmatch(path.as_posix())
    place = Path("pipe") if is_descriptor else path
    return ExperimentText(read_text(path, pipes=True), str(path), place)


def _read_stdin() -> bytes:
    """What is on standard input, one byte more than MAX_BYTES at most."""
    if hasattr(sys.stdin, "buffer"):
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    return sys.stdin.read(MAX_BYTES + 1).encode("utf-8", "surrogatepass")  # as in a notebook


MAX_EXTENDS = 16
MAX_SHOWN = 80
OVERRIDE = "override"  # what messages call a value that Python code sets
OVERRIDES = ("--set", OVERRIDE)  # how the places of values from outside begin
# What says something of one experiment, not of those that extend it.
OWN = ("title", "description", "seconds", "claims")
# The keys whose value is a kind, `layer_init` apart, which has one for each layer.
_KINDS: set[KeyPath] = {
    ("model", "activation"),
    ("model", "norm"),
    ("model", "init"),
    ("train", "optimizer"),
    ("train", "schedule"),
}
# The kind to which options are added where none is given: the schema's default, if it has options.
_DEFAULTS: dict[KeyPath, str] = {("train", "optimizer"): "sgd", ("train", "schedule"): "constant"}


def read_document(experiment: Path | ExperimentText) -> Document:
    """An experiment merged with everything that it extends; its own values win.

    Raises the errors of `read_layers`.
    """
    return reduce(merge_documents, read_layers(experiment))


def read_layers(
    experiment: Path | ExperimentText, children: tuple[Path, ...] = ()
) -> list[Document]:
    """Everything that an experiment extends, and last the experiment, each as a document.

    experiment: a file, or its text. children: the files that extend it, nearest last; a file among
    them may not come again.

    The name of an experiment that extends another is its file's, unless it gives one. ConfigError,
    with the place of `extends`, if that file does not exist, comes twice or the chain is too long;
    also if any of the files is no valid YAML.
    """
    if isinstance(experiment, Path):
        experiment = ExperimentText(read_text(experiment), str(experiment), experiment)
    path = experiment.path
    document = _absolute_folders(parse(experiment.text, experiment.source), path.parent)
    if experiment.name and document.value.get("name") is None:
        document = replace(document, value={**document.value, "name": experiment.name})
    if "extends" not in document.value:
        return [document]
    position, name = document.values[("extends",)], document.value["extends"]
    if name is None:
        return [replace(document, value=without_key(document.value, "extends"))]
    if not isinstance(name, str):
        raise ConfigError(f"{position.prefix}extends: not a file name, expected text, got {name!r}")
    try:
        sibling = path.parent / name
        parent = sibling if isfile(sibling) or is_closed(sibling) else find_experiment(name)
        base = ExperimentText(read_text(parent), str(parent), parent)
    except ConfigError as error:
        raise ConfigError(f"{position.prefix}extends: {error}") from None
    files = (*children, Path(os.path.realpath(path)))
    if Path(os.path.realpath(parent)) in files:
        problem = "goes in a circle, expected another file"
        raise ConfigError(f"{position.prefix}extends: {problem}, got {name!r}")
    if len(files) >= MAX_EXTENDS:
        expected = f"expected at most {MAX_EXTENDS} files"
        raise ConfigError(f"{position.prefix}extends: too long a chain, {expected}")
    is_shipped = Path(os.path.realpath(parent)).parent == experiments_folder()
    child = Document(
        {"name": path.stem, **without_key(document.value, "extends")},
        document.keys,
        {("name",): position, **document.values},
        parent.stem if is_shipped else "",
    )
    return [*map(inherited_part, read_layers(base, files)), child]


def inherited_part(parent: Document) -> Document:
    """What an experiment takes over from the one that it extends."""
    return replace(parent, value={k: v for k, v in parent.value.items() if k not in OWN})


def merge_documents(base: Document, child: Document) -> Document:
    """Mappings are merged key by key; any other value, and another `kind`, replaces the old one.

    An empty mapping replaces the old one, too. A bare name is a mapping with that `kind` where the
    child has options for it. A sweep's axis is one value; null takes an inherited axis away. Any
    other null stays for `bnexp.config.load` to remove, as only the schema tells whether it may be.

    For example, the base {norm: {kind: batch, eps: 1e-5}} and the child {norm: {eps: 1e-3}} give
    {norm: {kind: batch, eps: 1e-3}}; the child {norm: {kind: layer}} gives {norm: {kind: layer}}.
    """
    keys, values = dict(base.keys), dict(base.values)

    def take_places(path: KeyPath) -> None:
        """The places of the child for everything at the path."""
        for merged, new in ((keys, child.keys), (values, child.values)):
            for old in [p for p in merged if len(p) > len(path) and p[: len(path)] == path]:
                del merged[old]
            merged.update({p: place for p, place in new.items() if p[: len(path)] == path})

    def merge(old: Any, new: Any, path: KeyPath) -> Any:
        """The new value over the old one at this path."""
        is_merged = isinstance(old, dict) and isinstance(new, dict) and not _is_axis(path)
        if (
            not is_merged
            or (path and not new)
            or new.get("kind", old.get("kind")) != old.get("kind")
        ):
            take_places(path)
            return new
        merged = dict(old)
        for key, value in new.items():
            inner = (*path, key)
            before = mapping_at(inner, old.get(key)) if isinstance(value, dict) else old.get(key)
            if key not in old:
                take_places(inner)
            merged[key] = value if before is None else merge(before, value, inner)
        return {
            key: value
            for key, value in merged.items()
            if value is not None or key not in old or not _is_axis((*path, key))
        }

    return Document(merge(base.value, child.value, ()), keys, values, child.extends or base.extends)


def mapping_at(path: KeyPath, value: Any) -> Any:
    """A key's value as a mapping to set more keys in, if it can be one.

    Only at keys whose value is a kind, such as model.norm, a name becomes {kind: NAME}; "none" has
    no options and stays as it is. null becomes the default kind where there is one, else an empty
    mapping.
    """
    if value is None:
        value = _DEFAULTS.get(path, {})
    is_name = isinstance(value, str) and value != "none"
    return {"kind": value} if is_name and _is_kind(path) else value


def _is_kind(path: KeyPath) -> bool:
    """Whether the value at this path is a kind: a name, or a mapping with the key `kind`."""
    return path in _KINDS or (path[:2] == ("model", "layer_init") and len(path) == 3)


def _is_axis(path: KeyPath) -> bool:
    """Whether this is the path of an axis of the sweep, inside `zip` or not."""
    return path[:1] == ("sweep",) and (len(path) > 2 or (len(path) == 2 and path[1] != "zip"))


@dataclass(frozen=True)
class Assignment:
    """One KEY=VALUE from outside, as a document to be merged.

    path: the key's. word: what messages call it, `--set` or `override`.
    """

    document: Document
    path: KeyPath
    word: str


def parse_assignment(argument: str, word: str = "--set") -> Assignment:
    """The assignment that a text means; the value is YAML and is validated like a file's.

    `word` is what the messages call it. ConfigError if it is no assignment.

    Arguments:
        argument: such as "train.optimizer.lr=0.1" or "sweep.model.init.std=[0.1, 0.2]"; the first
            "=" ends the key.

    Unknown keys are accepted here; validation refuses them.
    """
    key, equals, right_side = argument.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"{word}: not an assignment, expected KEY=VALUE, got {argument[:MAX_SHOWN]!r}; "
            f"{look_alike_hint(argument) or f'for example {word} train.epochs=5'}"
        )
    source = f"{word} {key.strip()[:MAX_SHOWN]}"
    if word == OVERRIDE:
        source = PythonValues(source)
    if key.count(".") >= MAX_DEPTH:
        raise ConfigError(
            f"{source}: nested too deeply, expected at most {MAX_DEPTH} levels, got "
            f"{key.count('.') + 1:,}; `bnexp explain` lists the keys"
        )
    path = tuple(key.strip().split("."))
    if path[0] == "sweep":  # an axis is one part, dots and all
        path = tuple(key.strip().split(".", 2 if path[1:2] == ("zip",) else 1))
    text = parse_value(
        " " * (len(key) + 1) + right_side, source
    )  # columns are those of the argument
    position = Position(source, 1, 1)
    outer: dict[KeyPath, Position] = {path[:i]: position for i in range(len(path) + 1)}
    keys = {(*path, *inner): place for inner, place in text.keys.items()}
    values = {(*path, *inner): place for inner, place in text.values.items()}
    value = nested(path, text.value)
    document = _absolute_folders(Document(value, outer | keys, outer | values), Path())
    return Assignment(document, path, word)


def assigned(arguments: Iterable[str]) -> Any:
    """The mapping that some assignments make together, the later ones over the earlier."""
    whole = Document({}, {}, {})
    for argument in arguments:
        whole = merge_documents(whole, parse_assignment(argument).document)
    return whole.value


@dataclass(frozen=True)
class SweptOption:
    """A value that a text sets inside the values of a swept key, such as `model.norm.dialect`.

    axis: the swept key. path: the option's. place: where the value stands. word: `--set` or
    `override`; empty if a file has it.
    """

    axis: str
    path: KeyPath
    value: Any
    place: Position
    word: str = ""


def merge_layers(
    layers: Sequence[Document], assignments: Sequence[Assignment] = ()
) -> tuple[Document, list[SweptOption]]:
    """All texts merged, later ones over earlier ones, and what they set inside swept values.

    What is set inside a swept key has no place in the merged document: the sweep would put each of
    its own values over it. It is returned instead, in order, to be put into those values. A file
    sets something inside an axis only if it inherits the axis; an assignment does in any order.

    Raises ConfigError if an assignment sets a swept key itself, or a value around a key that was
    swept before it.
    """
    axes = axis_paths(reduce(merge_documents, [*layers, *(a.document for a in assignments)]))
    origins = {axis: i for i, layer in enumerate(layers) for axis in axis_paths(layer)}
    reset = {axis for a in assignments for axis in axis_paths(a.document)}
    options: list[SweptOption] = []
    parts: list[Document] = []
    for i, layer in enumerate(layers):
        inherited = {
            axis: path for axis, path in axes.items() if axis not in reset and origins[axis] < i
        }
        parts.append(_split_swept(layer, inherited, options))
    earlier = {*origins}
    for a in assignments:
        parts.append(_split_swept(a.document, axes, options, a, earlier))
        earlier |= axis_paths(a.document).keys()
    return reduce(merge_documents, parts), options


def axis_paths(document: Document) -> dict[str, tuple[str, ...]]:
    """The paths of a document's axes by their keys, those in `zip` included; null is none."""
    sweep = document.value.get("sweep")
    axes = sweep if isinstance(sweep, dict) else {}
    zipped = axes.get("zip")
    paths: dict[str, tuple[str, ...]] = {
        key: ("sweep", key) for key, value in axes.items() if key != "zip" and value is not None
    }
    for key, value in zipped.items() if isinstance(zipped, dict) else ():
        if value is not None:
            paths[key] = ("sweep", "zip", key)
    return paths


def _split_swept(
    document: Document,
    axes: Mapping[str, tuple[str, ...]],
    options: list[SweptOption],
    assignment: Assignment | None = None,
    earlier: Collection[str] = (),
) -> Document:
    """The document without what it sets inside the values of `axes`, which is added to `options`.

    A mapping without a kind is inside a key whose values are kinds. Any other value is the key's
    own: a file states it for the experiment without its sweep, an assignment is refused. `earlier`
    are the axes that there were before the assignment. `axes` are swept keys with their paths.
    """
    swept: dict[KeyPath, str] = {tuple(axis.split(".")): axis for axis in axes}
    word = assignment.word if assignment else ""

    def take(value: Any, path: KeyPath, axis: str) -> None:
        """Note everything that is inside an axis."""
        if isinstance(value, dict) and value and not (_is_kind(path) and "kind" in value):
            for name, inner in value.items():
                take(inner, (*path, name), axis)
        else:
            options.append(SweptOption(axis, path, value, document.values[path], word))

    def walk(mapping: Mapping[str, Any], outer: KeyPath) -> dict[str, Any]:
        """The mapping without what is inside an axis."""
        left = {}
        for name, value in mapping.items():
            path = (*outer, name)
            covered = [axis for parts, axis in swept.items() if parts[: len(path)] == path]
            if not covered:
                left[name] = value
                continue
            is_mapping = isinstance(value, dict) and bool(value)
            is_partial = is_mapping and "kind" not in value
            is_longer = assignment is not None and len(assignment.path) > len(path)
            if path in swept and is_partial and (_is_kind(path) or is_longer):
                take(value, path, swept[path])
            elif path not in swept and is_mapping and (is_partial or not _is_kind(path)):
                if inner := walk(value, path):
                    left[name] = inner
            elif assignment and (path in swept or any(axis in earlier for axis in covered)):
                raise ConfigError(
                    f"{document.values[()].prefix}{'.'.join(map(str, path))}: swept over, expected "
                    f"a key that the sweep leaves alone; set the axis instead: {word} "
                    f"{'.'.join(axes[covered[0]])}=[...], or null to drop it"
                )
            else:
                left[name] = value
        return left

    return replace(document, value=walk(document.value, ()))


def put_option(option: SweptOption, value: Any) -> Any:
    """A value of the option's axis with the option set; None if the value is no mapping.

    Whether a mapping of its kind has such an option is not checked here.
    """
    outer: KeyPath = tuple(option.axis.split("."))
    mapping = None if value is None else mapping_at(outer, value)
    if not isinstance(mapping, dict) or not mapping:
        return None
    base, change = (
        Document(nested(path, inner), {}, {})
        for path, inner in ((outer, mapping), (option.path, option.value))
    )
    return value_at(merge_documents(base, change).value, outer)


def nested(path: KeyPath, value: Any) -> Any:
    """The mapping that has only this value, at this path."""
    for part in reversed(path):
        value = {part: value}
    return value


def value_at(value: Any, path: KeyPath) -> Any:
    """The value at a path inside another one; None if there is nothing."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        else:
            value = value[part] if isinstance(value, list) and isinstance(part, int) else None
    return value


def with_value(mapping: Any, path: KeyPath, new: Any, outer: KeyPath = ()) -> Any:
    """The mapping, which stands at the path `outer`, with a new value at the path inside it.

    A name where a kind is expected, or nothing, becomes a mapping. Nothing is changed in place.
    """
    if not path:
        return new
    before = mapping_at(outer, mapping)
    before = before if isinstance(before, Mapping) else {}
    inner = with_value(before.get(path[0]), path[1:], new, (*outer, path[0]))
    return {**before, path[0]: inner}


def _absolute_folders(document: Document, folder: Path) -> Document:
    """The document with data folders made absolute: they are relative to where the text stands."""

    def walk(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*path, i)) for i, inner in enumerate(value)]
        key = "." + ".".join(part for part in path if isinstance(part, str))
        if not (key.endswith(".data.name") and isinstance(value, str) and is_path(value)):
            return value
        try:
            return os.path.realpath(folder / Path(value).expanduser())
        except (OSError, RuntimeError, ValueError) as error:  # no such user, links in a circle
            problem = "no such folder, expected a folder's path"
            place = document.values[path].prefix
            raise ConfigError(f"{place}data.name: {problem}, got {value!r}: {error}") from None

    return Document(walk(document.value, ()), document.keys, document.values)


def without_key(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The mapping without one of its keys."""
    return {name: value for name, value in mapping.items() if name != key}
