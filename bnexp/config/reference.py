"""What one can ask about, a key, a kind or a dialect, and finding it by what a user calls it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from bnexp.config import descriptions, shipped
from bnexp.config.descriptions import Schema
from bnexp.config.document import inherited_part, merge_documents, without_key
from bnexp.config.experiment import Experiment, refresh
from bnexp.config.messages import UNKNOWN_KIND
from bnexp.config.yaml import Document
from bnexp.errors import ConfigError
from bnexp.text import choices, listed

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
        return descriptions.line(self.text)

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
    extends = Key("extends", *_said_keys(EXTENDS, False, definitions), EXTENDS)
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
        if name != "kind" or not descriptions.kinds_of(node)
    )


def _key(node: Schema, name: str, required: bool, definitions: Schema) -> Key:
    shapes = tuple(_shapes(node, name, definitions))
    of_mappings = any(
        "properties" in inner
        for one in descriptions.alternatives(node, definitions)
        for inner in descriptions.alternatives(one.get("items", {}), definitions)
    )
    name = f"{name}[]" if of_mappings else name
    return Key(name, *_said_keys(node, required, definitions), node, shapes)


def _said_keys(node: Schema, required: bool, definitions: Schema) -> tuple[str, str, str]:
    kind = descriptions.type_of(node, definitions)
    return descriptions.meaning(node), kind, descriptions.default(node, required)


def _shapes(node: Schema, name: str, definitions: Schema) -> Iterator[Shape]:
    choices = list(descriptions.alternatives(node, definitions))
    bare = {one["const"] for one in choices if "const" in one}
    for one in choices:
        if "items" in one:
            yield from _shapes(one["items"], f"{name}[]", definitions)
        elif "properties" in one or isinstance(one.get("additionalProperties"), Mapping):
            yield _shape(one, name, bare, definitions)


def _shape(node: Schema, name: str, bare: set[str], definitions: Schema) -> Shape:
    kinds, required = descriptions.kinds_of(node), [*node.get("required", ()), ""]
    keys = _keys(node, f"{name}.", definitions)
    if isinstance(values := node.get("additionalProperties"), Mapping):
        free = LAYER if name.endswith("layer_init") else KEY
        keys = (_free(values, f"{name}.{free}", node, definitions), *keys)
    text, own = node.get("description", ""), bool(set(kinds) & bare)
    return Shape(kinds, kinds[0] if kinds else required[0], text, own, keys, node)


def _free(node: Schema, name: str, around: Schema, definitions: Schema) -> Key:
    made = _key(node, name, False, definitions)
    return Key(name, descriptions.meaning(around), made.type, "not set", node, made.shapes)


def elsewhere(name: str) -> list[str]:
    """The dotted keys, if there are no more than two, whose last part is `name`."""
    named = {key.name for key in every(catalogue()) if key.last == name}
    found = sorted(key for key in named if not re.search(r"[A-Z\[]", key))
    return found if len(found) <= 2 else []


@dataclass(frozen=True)
class Variant:
    """A key as some of the mappings around it have it: `owners`, or all of `among`."""

    key: Key
    owners: tuple[str, ...]
    among: tuple[str, ...]

    @property
    def common(self) -> bool:
        return set(self.owners) == set(self.among)

    @property
    def of(self) -> tuple[str, ...]:
        """The kinds to name: none where all have it so, or where the key itself is the label."""
        return () if self.common or self.owners == (self.key.last,) else self.owners


@dataclass(frozen=True)
class Topic:
    """A key with its variants; or one of its kinds, `shape`; or a dialect of that kind."""

    name: str  # as `model.norm.eps`, `model.norm=batch`, `model.norm=batch dialect=keras`
    called: tuple[str, ...]  # what stands for it, in dots alone
    variants: tuple[Variant, ...] = ()
    shape: Shape | None = None
    dialect: str = ""

    @property
    def inside(self) -> str:
        """The key that it is in, empty at the top."""
        return self.name.partition("=")[0] if self.shape else self.name.rpartition(".")[0]

    @property
    def free(self) -> bool:
        """Whether a part of its name stands for any."""
        return any(part in FREE for part in self.called[0].split("."))

    def answers(self, asked: str) -> bool:
        return asked in self.called or (
            self.free and any(_pattern_lookup(name).fullmatch(asked) for name in self.called)
        )

    def ends(self, asked: str) -> bool:
        """Whether `asked` is the last parts of what it is called."""
        return any(name.endswith(f".{asked}") for name in self.called)


def _pattern_lookup(name: str) -> re.Pattern[str]:
    return re.compile(r"\.".join(FREE.get(p, re.escape(p)) for p in name.split(".")))


def topics() -> list[Topic]:
    """All there is to ask about, each once, in the order of the catalogue."""
    merged: dict[str, Topic] = {}
    for topic in _walk(catalogue(), (), (), ()):
        old = merged.get(topic.name, topic)
        called = tuple(dict.fromkeys((*old.called, *topic.called)))
        variants = _merged((*old.variants, *topic.variants))
        merged[topic.name] = replace(old, called=called, variants=variants)
    return list(merged.values())


def _merged(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """Variants that say the same as one."""
    by_text: dict[tuple[str, ...], Variant] = {}
    for variant in variants:
        old = by_text.get(variant.key.said(), variant)
        owners = tuple(dict.fromkeys((*old.owners, *variant.owners)))
        by_text[variant.key.said()] = replace(old, owners=owners)
    return tuple(by_text.values())


def _walk(
    keys: Sequence[Key], owners: tuple[str, ...], among: tuple[str, ...], around: tuple[str, ...]
) -> Iterator[Topic]:
    for key in keys:
        called = tuple(f"{name}.{key.last}" for name in around) or (key.last,)
        kinds = _labels(key.shapes)
        also = tuple(f"{name}.kind" for name in called) if any(s.kinds for s in key.shapes) else ()
        yield Topic(key.name, called + also, (Variant(key, owners, among),))
        for shape in key.shapes:
            for kind in shape.kinds:
                yield from _kind(key, shape, kind, called + also)
            within = tuple(f"{name}.{kind}" for name in called for kind in shape.kinds)
            yield from _walk(shape.keys, _labels([shape]), kinds, called + within)


def _labels(shapes: Iterable[Shape]) -> tuple[str, ...]:
    return tuple(label for shape in shapes for label in shape.kinds or (shape.label,))


def _kind(key: Key, shape: Shape, kind: str, around: tuple[str, ...]) -> Iterator[Topic]:
    name, called = f"{key.name}={kind}", tuple(f"{a}.{kind}" for a in around)
    yield Topic(name, called, shape=shape)
    for dialect in shape.dialects:
        within = (*called, *(f"{a}.dialect" for a in (*called, *around)), *around)
        spoken = tuple(f"{a}.{dialect}" for a in within)
        yield Topic(f"{name} dialect={dialect}", spoken, shape=shape, dialect=dialect)


def find(asked: str, every: list[Topic] | None = None) -> list[Topic]:
    """What is called so, in full or by its last parts; ConfigError with near names if nothing is.

    `model.norm=batch` asks for a kind; any other value after `=` is left out, as is the number in
    `figures[0]`.
    """
    every = every or topics()
    key, _, value = (part.strip() for part in asked.partition("="))
    name = re.sub(r"\[\d*\]", "", key)
    found = _called(every, f"{name}.{value}" if value else name)
    if value and not found:
        found = _called(every, name)
        _refuse_kind(found, value, asked)
    if not found:
        raise ConfigError(f"{asked}: unknown key, expected {_expected(every, name)}")
    return found


def _called(every: list[Topic], name: str) -> list[Topic]:
    swept = re.fullmatch(r"sweep\.(?:zip\.)?(.+)", name)
    if swept and (inner := [topic for topic in every if topic.answers(swept[1])]):
        return inner
    exact = [topic for topic in every if name in topic.called]
    exact = exact or [topic for topic in every if topic.answers(name)]
    ending = exact or [topic for topic in every if topic.ends(name)]
    return [topic for topic in ending if not topic.free] or ending


def _refuse_kind(found: list[Topic], value: str, asked: str) -> None:
    """An unknown kind of the one key that is asked about."""
    kinds = [kind for topic in found for kind in inner_kinds(topic)]
    if kinds and len(found) == 1 and value not in (*kinds, "none"):
        raise ConfigError(f"{asked}: {UNKNOWN_KIND}, expected {choices(value, kinds)}")


def inner_kinds(topic: Topic) -> list[str]:
    """The kinds that a key's value can have."""
    shapes = [shape for variant in topic.variants for shape in variant.key.shapes]
    return list(dict.fromkeys(kind for shape in shapes for kind in shape.kinds))


def _expected(every: list[Topic], name: str) -> str:
    """The keys of the innermost mapping that there is, what came instead, and names like it."""
    around, dot, last = name.rpartition(".")
    inside = [topic for topic in every if topic.answers(around)] if dot else []
    names = [key.last for topic in inside for key in inner_keys(topic)]
    if names:
        return choices(last, list(dict.fromkeys(names)))
    longest_first = sorted(every, key=lambda topic: -topic.called[0].count("."))
    lasts = {topic.called[0].rpartition(".")[2]: topic.called[0] for topic in longest_first}
    near = [lasts[one] for one in difflib.get_close_matches(last, list(lasts), 3, 0.7)]
    hint = f"did you mean {listed([repr(one) for one in near], 'or')}?" if near else ""
    if name in shipped.experiment_names():
        hint = f"that is an experiment: `bnexp list --verbose {name}`"
    top = ", ".join(topic.called[0] for topic in every if not topic.inside)
    return f"one of {top}, or one inside them, got {name!r}; {hint or '`bnexp explain` lists them'}"


def inner_keys(topic: Topic) -> Iterator[Key]:
    """The keys inside a key's value, or of a kind."""
    shapes = [shape for variant in topic.variants for shape in variant.key.shapes]
    for shape in [topic.shape] if topic.shape else shapes:
        yield from shape.keys


# libyaml where there is one: shipped files are known to be valid, so that any parser will do.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def users(topic: Topic) -> dict[str, bool]:
    """The shipped experiments that say it or inherit it, and whether they sweep over it."""
    pattern = _pattern(topic)
    read: dict[str, Document] = {}
    found: dict[str, bool] = {}
    for name in shipped.experiment_names():
        values = _document(name, read).value
        uses = [swept for said, swept in _said(values) if pattern.fullmatch(said)]
        found |= {name: any(uses)} if uses else {}
    return found


def _pattern(topic: Topic) -> re.Pattern[str]:
    name = re.escape(topic.name.replace("[]", ""))
    for free, pattern in FREE.items():
        name = name.replace(free, pattern)
    return re.compile(name)


def _document(name: str, read: dict[str, Document]) -> Document:
    """An experiment's values with all that it extends; no positions."""
    if name not in read:
        text = (shipped.experiments_folder() / f"{name}.yaml").read_bytes()
        document = Document(yaml.load(text, Loader=_LOADER), {}, {})
        if parent := document.value.get("extends"):
            child = Document(without_key(document.value, "extends"), {}, {})
            document = merge_documents(
                inherited_part(_document(parent.removesuffix(".yaml"), read)), child
            )
        read[name] = document
    return read[name]


def _said(values: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """The names of all that a file says, as topics have them; true for what it sweeps over."""
    sweep = values.get("sweep", {})
    axes = {**without_key(sweep, "zip"), **sweep.get("zip", {})}
    for key, axis in axes.items():
        yield from ((said, True) for said in _inside(axis, key))
    yield from ((said, False) for said in _inside(values, ""))


def _inside(value: Any, name: str) -> Iterator[str]:
    if name:
        yield name
    if isinstance(value, list):
        for inner in value:
            yield from _inside(inner, name)
    elif isinstance(value, Mapping):
        kind, dialect = value.get("kind"), value.get("dialect")
        yield from [f"{name}={kind}", f"{name}={kind} dialect={dialect}"] if kind else []
        for key, inner in value.items():
            yield from _inside(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, str):
        yield f"{name}={value}"
