"""The catalogue of keys: all that an experiment's file can say, read off its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bnexp.config import words
from bnexp.config.schema import Experiment, refresh
from bnexp.config.words import Schema

# What stands for any name in a mapping whose names are free; KEY is dotted, a swept key.
LAYER, KEY = "LAYER", "KEY"
FREE = {LAYER: r"(\d+|output)", KEY: "[^=]+"}
# Under which keys one can be swept.
SWEPT = ("data", "model", "train")
EXTENDS: Schema = {
    "type": "string",
    "description": "a shipped experiment or a file; values here take precedence. default: none",
}


@dataclass(frozen=True)
class Key:
    """One key as one mapping has it. `name` is dotted: `model.norm.eps`, `figures[].kind`."""

    name: str
    meaning: str
    type: str
    default: str
    node: Schema = field(repr=False)
    shapes: tuple[Shape, ...] = field(default=(), repr=False)

    @property
    def last(self) -> str:
        return self.name.rpartition(".")[2].removesuffix("[]")

    def said(self) -> tuple[str, str, str]:
        """What a reader is told of it."""
        return self.meaning, self.type, self.default


@dataclass(frozen=True)
class Shape:
    """A mapping that a key's value, or each value of its list, can be.

    `kinds` are the names that choose it; without any, `label` is the key that tells it from the
    others. `bare` says that the name alone stands for it. `dialects` are its presets.
    """

    kinds: tuple[str, ...]
    label: str
    text: str
    bare: bool
    keys: tuple[Key, ...]
    node: Schema = field(repr=False)

    @property
    def line(self) -> str:
        return words.line(self.text)

    @property
    def dialects(self) -> Mapping[str, Mapping[str, Any]]:
        """Of each dialect the value of each key; the first is the default."""
        presets: dict[str, dict[str, Any]] = {}
        for key in self.keys:
            for dialect, value in key.node.get("dialects", ()):
                presets.setdefault(dialect, {})[key.last] = value
        return presets


def catalogue() -> tuple[Key, ...]:
    """The keys of an experiment, each with those inside it, with all kinds that are registered."""
    refresh()
    schema = Experiment.model_json_schema()
    definitions = schema.get("$defs", {})
    extends = Key("extends", *_said(EXTENDS, False, definitions), EXTENDS)
    keys = (extends, *_keys(schema, "", definitions))
    return tuple(sorted(keys, key=lambda key: place(key.last)))


# The order in which an experiment is written.
_ORDER = (
    "name", "extends", "title", "source", "description", "seconds",
    "data", "model", "train", "probes", "random", "sweep", "figures", "claims",
)  # fmt: skip


def place(key: str) -> int:
    """Where a key of an experiment stands among the others."""
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)


def every(keys: tuple[Key, ...]) -> Iterator[Key]:
    """The keys and all inside them; a name comes again where several kinds have it."""
    for key in keys:
        yield key
        for shape in key.shapes:
            yield from every(shape.keys)


def _keys(node: Schema, around: str, definitions: Schema) -> tuple[Key, ...]:
    """The keys of a mapping, `kind` apart, which is its shape's."""
    required = node.get("required", ())
    return tuple(
        _key(inner, f"{around}{name}", name in required, definitions)
        for name, inner in node.get("properties", {}).items()
        if name != "kind" or not words.kinds_of(node)
    )


def _key(node: Schema, name: str, required: bool, definitions: Schema) -> Key:
    shapes = tuple(_shapes(node, name, definitions))
    of_mappings = any(
        "properties" in inner
        for one in words.alternatives(node, definitions)
        for inner in words.alternatives(one.get("items", {}), definitions)
    )
    name = f"{name}[]" if of_mappings else name
    return Key(name, *_said(node, required, definitions), node, shapes)


def _said(node: Schema, required: bool, definitions: Schema) -> tuple[str, str, str]:
    kind = words.type_of(node, definitions)
    return words.meaning(node), kind, words.default(node, required)


def _shapes(node: Schema, name: str, definitions: Schema) -> Iterator[Shape]:
    choices = list(words.alternatives(node, definitions))
    bare = {one["const"] for one in choices if "const" in one}
    for one in choices:
        if "items" in one:
            yield from _shapes(one["items"], f"{name}[]", definitions)
        elif "properties" in one or isinstance(one.get("additionalProperties"), Mapping):
            yield _shape(one, name, bare, definitions)


def _shape(node: Schema, name: str, bare: set[str], definitions: Schema) -> Shape:
    kinds, required = words.kinds_of(node), [*node.get("required", ()), ""]
    keys = _keys(node, f"{name}.", definitions)
    if isinstance(values := node.get("additionalProperties"), Mapping):
        free = LAYER if name.endswith("layer_init") else KEY
        keys = (_free(values, f"{name}.{free}", node, definitions), *keys)
    text, own = node.get("description", ""), bool(set(kinds) & bare)
    return Shape(kinds, kinds[0] if kinds else required[0], text, own, keys, node)


def _free(node: Schema, name: str, around: Schema, definitions: Schema) -> Key:
    made = _key(node, name, False, definitions)
    return Key(name, words.meaning(around), made.type, "not set", node, made.shapes)


def elsewhere(name: str) -> list[str]:
    """The dotted keys, if there are no more than two, whose last part is `name`."""
    named = {key.name for key in every(catalogue()) if key.last == name}
    found = sorted(key for key in named if not re.search(r"[A-Z\[]", key))
    return found if len(found) <= 2 else []
