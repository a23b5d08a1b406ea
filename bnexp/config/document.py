"""Experiments made of several texts: inheritance by `extends`, and `--set KEY=VALUE`.

Each text is a `Document`, plain values with their places. `merge_documents` lays one over another
and keeps the place of each value that is left, so that a message points at the file or argument
that has it. Nothing is validated here but `extends` and the form of KEY=VALUE.

The shipped experiments are found here too, by name (`find_experiment`). Nothing heavy is imported,
because `bnexp list` reads them.

How a file refers to others and to data:

    extends: base.yaml         a file, relative to this one or to the current folder
    extends: quickstart        a shipped experiment
    data: {name: ./digits}     a folder of data files, relative to the folder of the YAML file

A chain may have MAX_EXTENDS files and no circle. Title, description, seconds and claims
are not inherited (OWN), as they say something of one experiment only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os.path import isfile
from pathlib import Path
from typing import Any

from bnexp.config.yaml import Document, KeyPath, Position, parse_file, parse_value
from bnexp.data.datasets import is_folder
from bnexp.errors import ConfigError
from bnexp.text import nearest_name

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
    path = Path(experiment)
    is_path = path.suffix in (".yaml", ".yml") or len(path.parts) > 1
    if is_path and isfile(path):
        return path
    if not is_path and experiment in experiment_names():
        return experiments_folder() / f"{experiment}.yaml"
    if isfile(path / "config.yaml"):  # a run directory: its resolved experiment
        return path / "config.yaml"
    endings = (".yaml", ".yml") if path.name else ()
    siblings = [path.parent / (path.name + ending) for ending in endings]
    meant = [str(sibling) for sibling in siblings if isfile(sibling)]
    meant += [path.stem] if path.stem in experiment_names() else []
    problem = "no such file" if is_path else "no experiment of that name"
    nearest = meant[0] if meant else nearest_name(path.stem, experiment_names())
    hint = f"did you mean {nearest!r}?" if nearest else "`bnexp list` shows those"
    raise ConfigError(
        f"{experiment}: {problem}, expected a shipped experiment or the path of a YAML file; {hint}"
    )


MAX_EXTENDS = 16
MAX_SHOWN = 80
OVERRIDES = ("--set", "override")  # how the places of values from outside begin
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


def read_document(path: Path, children: tuple[Path, ...] = ()) -> Document:
    """The file merged with everything that it extends; the file's own values win.

    children: the files that extend this one, nearest last; a file among them may not come again.

    The name of an experiment that extends another is its file's, unless it gives one. ConfigError,
    with the place of `extends`, if that file does not exist, comes twice or the chain is too long;
    also if any of the files is no valid YAML.
    """
    document = _absolute_folders(parse_file(path), path.parent)
    if "extends" not in document.value:
        return document
    position, name = document.values[("extends",)], document.value["extends"]
    if not isinstance(name, str):
        raise ConfigError(f"{position}: extends: not a file name, expected text, got {name!r}")
    try:
        sibling = path.parent / name
        parent = sibling if isfile(sibling) else find_experiment(name)
    except ConfigError as error:
        raise ConfigError(f"{position}: extends: {error}") from None
    files = (*children, path.resolve())
    if parent.resolve() in files:
        problem = "goes in a circle, expected another file"
        raise ConfigError(f"{position}: extends: {problem}, got {name!r}")
    if len(files) >= MAX_EXTENDS:
        expected = f"expected at most {MAX_EXTENDS} files"
        raise ConfigError(f"{position}: extends: too long a chain, {expected}")
    is_shipped = parent.resolve().parent == experiments_folder()
    child = Document(
        {"name": path.stem, **without_key(document.value, "extends")},
        document.keys,
        {("name",): position, **document.values},
        parent.stem if is_shipped else "",
    )
    return merge_documents(inherited_part(read_document(parent, files)), child)


def inherited_part(parent: Document) -> Document:
    """What an experiment takes over from the one that it extends."""
    return replace(parent, value={k: v for k, v in parent.value.items() if k not in OWN})


def merge_documents(base: Document, child: Document) -> Document:
    """Mappings are merged key by key; any other value, and another `kind`, replaces the old one.

    A bare name is a mapping with that `kind` where the child has options for it. A sweep's axis is
    one value; null takes an inherited axis away.

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
        if not is_merged or new.get("kind", old.get("kind")) != old.get("kind"):
            take_places(path)
            return new
        merged = dict(old)
        for key, value in new.items():
            inner = (*path, key)
            before = mapping_at(inner, old.get(key)) if isinstance(value, dict) else old.get(key)
            if key not in old:
                take_places(inner)
            merged[key] = value if before is None else merge(before, value, inner)
        return {k: v for k, v in merged.items() if v is not None or not _is_axis((*path, k))}

    return Document(merge(base.value, child.value, ()), keys, values, child.extends or base.extends)


def mapping_at(path: KeyPath, value: Any) -> Any:
    """A key's value as a mapping to set more keys in, if it can be one.

    Only at keys whose value is a kind, such as model.norm, a name becomes {kind: NAME}; "none" has
    no options and stays as it is. null becomes the default kind where there is one, else an empty
    mapping.
    """
    if value is None:
        value = _DEFAULTS.get(path, {})
    is_kind = path in _KINDS or (path[:2] == ("model", "layer_init") and len(path) == 3)
    return {"kind": value} if is_kind and isinstance(value, str) and value != "none" else value


def _is_axis(path: KeyPath) -> bool:
    """Whether this is the path of an axis of the sweep, inside `zip` or not."""
    return path[:1] == ("sweep",) and (len(path) > 2 or (len(path) == 2 and path[1] != "zip"))


def override(document: Document, argument: str, word: str = "--set") -> Document:
    """The document with one KEY=VALUE; the value is YAML and is validated like a file's.

    `word` is what the messages call it. ConfigError if it is no assignment, or if KEY is swept.

    Arguments:
        document: the experiment so far; it is not changed.
        argument: such as "train.optimizer.lr=0.1" or "sweep.model.init.std=[0.1, 0.2]"; the first
            "=" ends the key.

    Unknown keys are accepted here; validation refuses them.
    """
    key, equals, value = argument.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"{word}: not an assignment, expected KEY=VALUE, got {argument[:MAX_SHOWN]!r}; "
            f"for example {word} train.epochs=5"
        )
    source = f"{word} {key.strip()[:MAX_SHOWN]}"
    path = tuple(key.strip().split("."))
    if path[0] == "sweep":  # an axis is one part, dots and all
        path = tuple(key.strip().split(".", 2 if path[1:2] == ("zip",) else 1))
    text = parse_value(" " * (len(key) + 1) + value, source)  # columns are those of the argument
    position = Position(source, 1, 1)
    sweep = document.value.get("sweep")
    axes = sweep if isinstance(sweep, dict) else {}
    zipped = axes.get("zip")
    name = ".".join(path)
    for axis in [*axes, *(zipped if isinstance(zipped, dict) else {})]:
        if f"{axis}.".startswith(f"{name}."):  # the sweep would set the key again
            raise ConfigError(
                f"{position}: {name}: swept over, expected a key that the sweep leaves alone; "
                f"set the axis instead: {word} sweep.{axis}=[...], or null to drop it"
            )
    nested = text.value
    for part in reversed(path):
        nested = {part: nested}
    outer: dict[KeyPath, Position] = {path[:i]: position for i in range(len(path) + 1)}
    keys = {(*path, *inner): place for inner, place in text.keys.items()}
    values = {(*path, *inner): place for inner, place in text.values.items()}
    assignment = Document(nested, outer | keys, outer | values)
    return merge_documents(document, _absolute_folders(assignment, Path()))


def _absolute_folders(document: Document, folder: Path) -> Document:
    """The document with data folders made absolute: they are relative to where the text stands."""

    def walk(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*path, i)) for i, inner in enumerate(value)]
        key = "." + ".".join(part for part in path if isinstance(part, str))
        if not (key.endswith(".data.name") and isinstance(value, str) and is_folder(value)):
            return value
        try:
            return str((folder / Path(value).expanduser()).resolve())
        except (OSError, RuntimeError, ValueError) as error:  # no such user, links in a circle
            problem = "no such folder, expected a folder's path"
            place = document.values[path]
            raise ConfigError(f"{place}: data.name: {problem}, got {value!r}: {error}") from None

    return Document(walk(document.value, ()), document.keys, document.values)


def without_key(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The mapping without one of its keys."""
    return {name: value for name, value in mapping.items() if name != key}
