"""Several texts as one document: inheritance by `extends`, and `--set KEY=VALUE`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bnexp.config import shipped
from bnexp.config.yaml import Document, KeyPath, Position, parse_file, parse_value
from bnexp.data.datasets import is_folder
from bnexp.errors import ConfigError

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
# What is refined where nothing is given: the schema's default, where that has options.
_DEFAULTS: dict[KeyPath, str] = {("train", "optimizer"): "sgd", ("train", "schedule"): "constant"}


def read_document(path: Path) -> Document:
    """The file with everything that it extends, deep-merged: nearer values win."""
    return _read(path, ())


def _read(path: Path, children: tuple[Path, ...]) -> Document:
    document = _anchored(parse_file(path), path.parent)
    if "extends" not in document.value:
        return document
    at, name = document.values[("extends",)], document.value["extends"]
    if not isinstance(name, str):
        raise ConfigError(f"{at}: extends: not a file name, expected text, got {name!r}")
    chain = (*children, path.resolve())
    parent = _parent(name, path, at)
    if parent.resolve() in chain:
        raise ConfigError(f"{at}: extends: goes in a circle, expected another file, got {name!r}")
    if len(chain) >= MAX_EXTENDS:
        raise ConfigError(f"{at}: extends: too long a chain, expected at most {MAX_EXTENDS} files")
    nearest = parent.stem if parent.resolve().parent == shipped.experiments_folder() else ""
    own = {"name": path.stem, **without_key(document.value, "extends")}  # not its parent's folder
    values = {("name",): at, **document.values}
    child = Document(own, document.keys, values, nearest)
    return merge_documents(inherited_part(_read(parent, chain)), child)


def inherited_part(parent: Document) -> Document:
    """What an experiment takes over from the one that it extends."""
    value = {key: inner for key, inner in parent.value.items() if key not in OWN}
    return replace(parent, value=value)


def _parent(name: str, path: Path, at: Position) -> Path:
    beside = path.parent / name
    if shipped.file_exists(beside):
        return beside
    try:
        return shipped.find_experiment(name)
    except ConfigError as error:
        raise ConfigError(f"{at}: extends: {error}") from None


def merge_documents(base: Document, child: Document) -> Document:
    """Mappings are merged key by key; any other value, and another `kind`, replaces the old one.

    A bare name is a mapping with that `kind` where the child has options for it. A sweep's axis is
    one value; null takes an inherited axis away.
    """
    keys, values = dict(base.keys), dict(base.values)

    def take(path: KeyPath) -> None:
        for own, new in ((keys, child.keys), (values, child.values)):
            for old in [p for p in own if p[: len(path)] == path and (len(p) > len(path))]:
                del own[old]
            own.update({p: at for p, at in new.items() if p[: len(path)] == path})

    def walk(old: Any, new: Any, path: KeyPath) -> Any:
        if not _mergeable(old, new, path):
            take(path)
            return new
        merged = dict(old)
        for key, value in new.items():
            inner = (*path, key)
            before = mapping_at(inner, old.get(key)) if isinstance(value, dict) else old.get(key)
            if key not in old:
                take(inner)
            merged[key] = value if before is None else walk(before, value, inner)
        return {k: v for k, v in merged.items() if not (_is_axis((*path, k)) and v is None)}

    return Document(walk(base.value, child.value, ()), keys, values, child.extends or base.extends)


def mapping_at(path: KeyPath, value: Any) -> Any:
    """A key's value as a mapping to set more keys in, where it can be one."""
    if value is None:
        value = _DEFAULTS.get(path, {})
    own = path[:2] == ("model", "layer_init") and len(path) == 3
    named = isinstance(value, str) and value != "none" and (own or path in _KINDS)
    return {"kind": value} if named else value


def _mergeable(old: Any, new: Any, path: KeyPath) -> bool:
    both = isinstance(old, dict) and isinstance(new, dict)
    return both and not _is_axis(path) and new.get("kind", old.get("kind")) == old.get("kind")


def _is_axis(path: KeyPath) -> bool:
    inside = path[:1] == ("sweep",) and len(path) > 1
    return inside and (len(path) > 2 or path[1] != "zip")


def override(document: Document, argument: str, word: str = "--set") -> Document:
    """The document with one `KEY=VALUE`; the value is YAML and goes through the same validation.

    `word` is what the messages call it.
    """
    key, equals, value = argument.partition("=")
    source = f"{word} {key.strip()[:MAX_SHOWN]}"
    if not equals or not key.strip():
        raise ConfigError(
            f"{word}: not an assignment, expected KEY=VALUE, got {argument[:MAX_SHOWN]!r}; "
            f"for example {word} train.epochs=5"
        )
    path = _split(key.strip())
    text = parse_value(" " * (len(key) + 1) + value, source)
    _refuse_swept(document, path, Position(source, 1, 1), word)
    return merge_documents(document, _anchored(_nested(path, text), Path()))


def _anchored(document: Document, folder: Path) -> Document:
    """Relative data folders made absolute: they are meant from where the text stands."""

    def walk(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*path, i)) for i, inner in enumerate(value)]
        keys = ".".join(part for part in path if isinstance(part, str))
        named = f".{keys}".endswith(".data.name") and isinstance(value, str) and is_folder(value)
        return _absolute(value, folder, document.values[path]) if named else value

    return Document(walk(document.value, ()), document.keys, document.values)


def _absolute(name: str, folder: Path, at: Position) -> str:
    try:
        return str((folder / Path(name).expanduser()).resolve())
    except (OSError, RuntimeError, ValueError) as error:  # no such user, links in a circle
        raise ConfigError(
            f"{at}: data.name: no such folder, expected a folder's path, got {name!r}: {error}"
        ) from None


def _split(key: str) -> tuple[str, ...]:
    """A dotted key's parts; an axis of the sweep is one part, dots and all."""
    for prefix in ("sweep.zip.", "sweep."):
        if key.startswith(prefix) and key != "sweep.zip":
            return (*prefix.rstrip(".").split("."), key.removeprefix(prefix))
    return tuple(key.split("."))


def _refuse_swept(document: Document, path: tuple[str, ...], at: Position, word: str) -> None:
    key, sweep = ".".join(path), document.value.get("sweep")
    axes = sweep if isinstance(sweep, dict) else {}
    inner = axes.get("zip")
    for axis in [*axes, *(inner if isinstance(inner, dict) else {})]:
        if axis == key or axis.startswith(f"{key}."):
            raise ConfigError(
                f"{at}: {key}: swept over, expected a key that the sweep leaves alone; "
                f"set the axis instead: {word} sweep.{axis}=[...], or null to drop it"
            )


def _nested(path: tuple[str, ...], text: Document) -> Document:
    value = text.value
    for key in reversed(path):
        value = {key: value}
    at = Position(text.values[()].source, 1, 1)
    outer: dict[KeyPath, Position] = {path[:i]: at for i in range(len(path) + 1)}
    inner = [{(*path, *p): at for p, at in own.items()} for own in (text.keys, text.values)]
    return Document(value, outer | inner[0], outer | inner[1])


def without_key(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in mapping.items() if k != key}
