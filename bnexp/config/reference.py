"""The reference of keys: what `bnexp explain` says of every key, kind and dialect.

Everything is read off the JSON Schema of an experiment, so that a registered class appears here
without another line:

    experiment_keys    the tree of keys: each `Key` with the mappings that its value can be
    all_topics         the same as a flat list of topics: keys, kinds and dialects, each once
    find_topics        the topics that a user means by `norm`, `model.norm.eps` or `norm=batch`
    experiments_using  which shipped experiments use a topic, and which sweep over it
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from bnexp.config import descriptions
from bnexp.config.descriptions import Schema
from bnexp.config.document import experiment_names, experiments_folder, read_document, without_key
from bnexp.config.experiment import experiment_schema
from bnexp.config.frameworks import NAMES, name_hint
from bnexp.config.messages import UNKNOWN_KIND
from bnexp.data.datasets import DATASETS
from bnexp.errors import ConfigError
from bnexp.registry import until_registered
from bnexp.text import choices, listed, nearest_name

# Placeholders in the names of keys: the number of a layer, and any dotted key that is swept.
LAYER, KEY = "LAYER", "KEY"
PLACEHOLDERS = {LAYER: r"(\d+|output)", KEY: "[^=]+"}
# Keys whose values are described at another key: what is in them is not listed again.
REPEATED = ("figures[].optimizers",)
# The keys of an experiment that can be swept stand inside these.
SWEPT = ("data", "model", "train")
EXTENDS: Schema = {
    "type": "string",
    "description": "a shipped experiment or a file; values here take precedence. default: none",
}
# The order in which the keys of an experiment are written.
KEY_ORDER = (
    "name", "extends", "title", "source", "references", "tags", "description", "seconds",
    "data", "model", "train", "probes", "random", "sweep", "figures", "claims",
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A key of a mapping, with its meaning, type and default in words.

    name: its dotted name; `[]` follows a key whose value is a list of mappings, as in
        `figures[].kind`.
    schema: its part of the JSON Schema.
    mappings: the mappings that its value, or each value of its list, can be.
    """

    name: str
    meaning: str
    type: str
    default: str
    schema: Schema = field(repr=False)
    mappings: tuple[MappingType, ...] = field(default=(), repr=False)

    @property
    def last(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2].removesuffix("[]")

    @property
    def texts(self) -> tuple[str, str, str]:
        """Meaning, type and default."""
        return self.meaning, self.type, self.default


@dataclass(frozen=True)
class MappingType:
    """One type of mapping that the value of a key can be.

    kinds: the values of its key `kind`; empty if it has no such key.
    label: the first of the kinds, or else the required key that tells it from other types.
    docstring: what the class that it configures says of itself.
    name_suffices: whether the kind's name alone can stand for the mapping.
    """

    kinds: tuple[str, ...]
    label: str
    docstring: str
    name_suffices: bool
    keys: tuple[Key, ...]

    @property
    def summary(self) -> str:
        """The first paragraph of the docstring."""
        return descriptions.first_paragraph(self.docstring)

    @property
    def dialects(self) -> Mapping[str, Mapping[str, Any]]:
        """The values that each dialect sets, by key; the first dialect is the default."""
        presets: dict[str, dict[str, Any]] = {}
        for key in self.keys:
            for dialect, value in key.schema.get("dialects", ()):
                presets.setdefault(dialect, {})[key.last] = value
        return presets


@until_registered
def experiment_keys() -> tuple[Key, ...]:
    """The keys of an experiment in the order in which they are written, with all that is inside.

    Classes that were registered since the last call are included.
    """
    schema = experiment_schema()
    definitions = schema.get("$defs", {})
    extends = _key(EXTENDS, "extends", False, definitions)
    return tuple(sorted((extends, *_keys(schema, "", definitions)), key=key_position))


def key_position(key: Key | str) -> int:
    """The position of a key of an experiment among the others; unknown keys come last."""
    name = key if isinstance(key, str) else key.last
    return KEY_ORDER.index(name) if name in KEY_ORDER else len(KEY_ORDER)


def walk_keys(keys: Iterable[Key]) -> Iterator[Key]:
    """The keys and all keys inside them; a name is repeated where several kinds have the key."""
    for key in keys:
        yield key
        for mapping in key.mappings:
            yield from walk_keys(mapping.keys)


def keys_ending_in(name: str) -> list[str]:
    """The dotted keys whose last part is `name`, to suggest one; no key if there are over two."""
    names = {key.name for key in walk_keys(experiment_keys()) if key.last == name}
    settable = sorted(name for name in names if not re.search(r"[A-Z\[]", name))
    return settable if len(settable) <= 2 else []


def is_known_key(name: str) -> bool:
    """Whether this is the dotted name of a key of an experiment, of whatever kind."""
    names = {key.name for key in walk_keys(experiment_keys())}
    return any(_name_pattern(known).fullmatch(name) for known in names)


def _keys(schema: Schema, prefix: str, definitions: Schema) -> tuple[Key, ...]:
    """The keys of a mapping; a `kind` that tells the mapping from others is not one of them."""
    required = schema.get("required", ())
    return tuple(
        _key(inner, f"{prefix}{name}", name in required, definitions)
        for name, inner in schema.get("properties", {}).items()
        if name != "kind" or not descriptions.kinds_of(schema)
    )


def _key(schema: Schema, name: str, required: bool, definitions: Schema) -> Key:
    """The key `name` with this schema, and all that is inside its value.

    required: whether the mapping that has the key must give it.
    """
    is_repeated = name in REPEATED
    mappings = () if is_repeated else tuple(_mapping_types(schema, name, definitions))
    is_list_of_mappings = any(
        "properties" in item
        for alternative in descriptions.alternatives(schema, definitions)
        for item in descriptions.alternatives(alternative.get("items", {}), definitions)
    )
    return Key(
        f"{name}[]" if is_list_of_mappings else name,
        descriptions.meaning_of(schema),
        descriptions.type_in_words(schema, definitions),
        descriptions.default_in_words(schema, required),
        schema,
        mappings,
    )


def _mapping_types(schema: Schema, name: str, definitions: Schema) -> Iterator[MappingType]:
    """The mappings that the value of a key, or an item of its list, can be."""
    alternatives = list(descriptions.alternatives(schema, definitions))
    bare_names = {choice["const"] for choice in alternatives if "const" in choice}
    for choice in alternatives:
        values = choice.get("additionalProperties")
        if "items" in choice:
            yield from _mapping_types(choice["items"], f"{name}[]", definitions)
        elif "properties" in choice or isinstance(values, Mapping):
            kinds, required = descriptions.kinds_of(choice), choice.get("required", ())
            keys = _keys(choice, f"{name}.", definitions)
            if isinstance(values, Mapping):  # names are free
                placeholder = LAYER if name.endswith("layer_init") else KEY
                inner = f"{name}.{placeholder}"
                key = _key(values, inner, False, definitions)
                meaning = descriptions.meaning_of(choice)
                keys = (replace(key, name=inner, meaning=meaning, default="not set"), *keys)
            label = next(iter((*kinds, *required)), "")
            docstring = choice.get("description", "")
            name_suffices = bool(set(kinds) & bare_names)
            yield MappingType(kinds, label, docstring, name_suffices, keys)


@dataclass(frozen=True)
class Variant:
    """A key as some of the mappings that have it describe it.

    owners: the labels of these mappings. siblings: the labels of all types of mapping there.
    """

    key: Key
    owners: tuple[str, ...]
    siblings: tuple[str, ...]

    @property
    def is_common(self) -> bool:
        """Whether all siblings have the key so."""
        return set(self.owners) == set(self.siblings)

    @property
    def owners_to_name(self) -> tuple[str, ...]:
        """The owners; empty if all siblings have the key so, or if the key itself is the label."""
        return () if self.is_common or self.owners == (self.key.last,) else self.owners


@dataclass(frozen=True)
class Topic:
    """What one can ask about: a key; or a kind of a key; or a dialect of a kind.

    name: `model.norm.eps`, `model.norm=batch` or `model.norm=batch dialect=keras`.
    spellings: the names in dots alone that a user may give it.
    variants: of a key, its different descriptions.
    mapping: of a kind or a dialect, the mapping that the kind chooses.
    """

    name: str
    spellings: tuple[str, ...]
    variants: tuple[Variant, ...] = ()
    mapping: MappingType | None = None
    dialect: str = ""

    @property
    def parent(self) -> str:
        """The name of the key that it is inside; empty at the top."""
        return self.name.partition("=")[0] if self.mapping else self.name.rpartition(".")[0]

    @property
    def has_placeholder(self) -> bool:
        """Whether a part of its name stands for any name."""
        return any(part in PLACEHOLDERS for part in self.spellings[0].split("."))

    @property
    def text(self) -> str:
        """What is said of it: the meanings of a key, or the docstring of a kind, in one line.

        A dialect is described by its options alone.
        """
        if self.dialect:
            return ""
        texts = [self.mapping.docstring] if self.mapping else [v.key.meaning for v in self.variants]
        return " ".join(" ".join(texts).split())

    def matches(self, query: str) -> bool:
        """Whether `query` is one of its spellings, in full."""
        return query in self.spellings or (
            self.has_placeholder
            and any(_name_pattern(name).fullmatch(query) for name in self.spellings)
        )

    def inner_keys(self) -> Iterator[Key]:
        """The keys inside a key's value, or of a kind."""
        for mapping in [self.mapping] if self.mapping else self._mappings():
            yield from mapping.keys

    def inner_kinds(self) -> list[str]:
        """The kinds that a key's value can have."""
        return list(dict.fromkeys(kind for mapping in self._mappings() for kind in mapping.kinds))

    def _mappings(self) -> Iterator[MappingType]:
        for variant in self.variants:
            yield from variant.key.mappings


def _name_pattern(name: str) -> re.Pattern[str]:
    """A pattern of all names that `name` stands for."""
    pattern = re.escape(name)
    for placeholder, names in PLACEHOLDERS.items():
        pattern = pattern.replace(placeholder, names)
    return re.compile(pattern)


def all_topics() -> list[Topic]:
    """All topics, each once, in the order of the keys; equal variants are merged."""
    topics: dict[str, Topic] = {}
    for topic in _walk_topics(experiment_keys(), (), (), ()):
        earlier = topics.get(topic.name, topic)
        spellings = tuple(dict.fromkeys((*earlier.spellings, *topic.spellings)))
        variants: dict[tuple[str, ...], Variant] = {}
        for variant in (*earlier.variants, *topic.variants):
            same = variants.get(variant.key.texts, variant)
            owners = tuple(dict.fromkeys((*same.owners, *variant.owners)))
            variants[variant.key.texts] = replace(same, owners=owners)
        topics[topic.name] = replace(
            earlier, spellings=spellings, variants=tuple(variants.values())
        )
    return list(topics.values())


def _walk_topics(
    keys: Sequence[Key],
    owners: tuple[str, ...],
    siblings: tuple[str, ...],
    prefixes: tuple[str, ...],
) -> Iterator[Topic]:
    """The topics of `keys` and of what is inside them.

    owners: the labels of the mapping that has the keys. siblings: those of all mappings there.
    prefixes: the spellings of what the mapping belongs to.
    """
    for key in keys:
        spellings = tuple(f"{prefix}.{key.last}" for prefix in prefixes) or (key.last,)
        has_kinds = any(mapping.kinds for mapping in key.mappings)
        with_kind = (*spellings, *(f"{name}.kind" for name in spellings if has_kinds))
        yield Topic(key.name, with_kind, (Variant(key, owners, siblings),))
        labels = tuple(label for mapping in key.mappings for label in _labels(mapping))
        for mapping in key.mappings:
            for kind in mapping.kinds:
                name, in_dots = f"{key.name}={kind}", tuple(f"{p}.{kind}" for p in with_kind)
                yield Topic(name, in_dots, mapping=mapping)
                by_key = (f"{p}.dialect" for p in (*in_dots, *with_kind))
                before = (*in_dots, *by_key, *with_kind)
                for dialect in mapping.dialects:
                    names = tuple(f"{p}.{dialect}" for p in before)
                    yield Topic(f"{name} dialect={dialect}", names, (), mapping, dialect)
            within = tuple(f"{name}.{kind}" for name in spellings for kind in mapping.kinds)
            yield from _walk_topics(mapping.keys, _labels(mapping), labels, spellings + within)


def _labels(mapping: MappingType) -> tuple[str, ...]:
    """How messages name a type of mapping: by its kinds, or else by its label."""
    return mapping.kinds or (mapping.label,)


def find_topics(query: str, topics: Sequence[Topic] | None = None) -> list[Topic]:
    """The topics that are called `query`, in full or by the last parts of their names.

    `model.norm=batch` asks for a kind; any other value after `=` is ignored, and so is the number
    in `figures[0]`.

    ConfigError with near names if there is none.
    """
    topics = topics or all_topics()
    key, _, value = (part.strip() for part in query.partition("="))
    name = re.sub(r"\[\d*\]", "", key)
    matches = _matches(topics, f"{name}.{value}" if value else name)
    if value and not matches:
        matches = _matches(topics, name)
        kinds = [kind for topic in matches for kind in topic.inner_kinds()]
        if kinds and len(matches) == 1 and value not in (*kinds, "none"):
            explained = name_hint(value, matches[0].name.replace("[]", ""), is_kind=True)
            expected = choices(value, kinds, (), explained)
            raise ConfigError(f"{query}: {UNKNOWN_KIND}, expected {expected}")
    if not matches:
        raise ConfigError(f"{query}: unknown key, expected {_expected(topics, name)}")
    return matches


def _matches(topics: Sequence[Topic], name: str) -> list[Topic]:
    """The topics of this name; an exact name wins over a placeholder, and that over an ending.

    Where a name is both a key's own and the ending of others, only the first is meant. A key inside
    `sweep` is the key that is swept.
    """
    swept = re.fullmatch(r"sweep\.(?:zip\.)?(.+)", name)
    if swept and (matches := [topic for topic in topics if topic.matches(swept[1])]):
        return matches
    matches = (
        [topic for topic in topics if name in topic.spellings]
        or [topic for topic in topics if topic.matches(name)]
        or [topic for topic in topics if any(s.endswith(f".{name}") for s in topic.spellings)]
    )
    return [topic for topic in matches if not topic.has_placeholder] or matches


def search_topics(query: str) -> list[tuple[Topic, str]]:
    """The topics whose texts or names have every word of `query`, each with the sentence to show.

    Capitals do not matter, nor does how a word ends: `average` finds averages. Where some texts
    have the words one after the other, only these are found. A text without a sentence that has all
    the words is shown from its beginning.
    """
    texts = [(topic, topic.text, topic.spellings[0].replace("_", " ")) for topic in all_topics()]
    for patterns in _patterns(query):
        matches = [
            (topic, next((s for s in _sentences(text) if _has(s, patterns)), text))
            for topic, text, name in texts
            if _has(text, patterns) or _has(name, patterns)
        ]
        if matches:
            return matches
    return []


def search_experiments(query: str) -> list[str]:
    """The shipped experiments whose title or description has the words; see `search_topics`."""
    texts: dict[str, str] = {}
    for name in experiment_names():
        values = _complete_values(experiments_folder() / f"{name}.yaml")
        texts[name] = " ".join(str(values.get(key, "")) for key in ("title", "description"))
    for patterns in _patterns(query):
        if names := [name for name, text in texts.items() if _has(text, patterns)]:
            return names
    return []


def _patterns(query: str) -> Iterator[list[re.Pattern[str]]]:
    """What a text must have: first the words one after the other, then each of them somewhere."""
    if words := [re.escape(word) for word in query.split()]:
        yield [re.compile(r"\b" + r"\w*\W+".join(words), re.IGNORECASE)]
        yield [re.compile(rf"\b{word}", re.IGNORECASE) for word in words]


def _has(text: str, patterns: Iterable[re.Pattern[str]]) -> bool:
    return all(pattern.search(text) for pattern in patterns)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=\.)\s+(?=[A-Z`])", text)


def _expected(topics: Sequence[Topic], name: str) -> str:
    """What an error says of an unknown key: the keys of the innermost mapping that exists.

    Where no mapping around it exists, those are the keys of an experiment, with up to three keys
    whose last parts are spelled alike; names of experiments and data sets get hints of their own.
    """
    parent, dot, last = name.rpartition(".")
    parents = _matches(topics, parent) if dot else []
    if len(parents) == 1:
        parent = parents[0].name
    explained = name_hint(last, parent)
    if names := list(dict.fromkeys(key.last for topic in parents for key in topic.inner_keys())):
        is_short = len(parents) == 1 and not parents[0].matches(name.rpartition(".")[0])
        nearest = nearest_name(last, names) if is_short else None
        return choices(last, names, [f"{parent}.{nearest}"] if nearest else (), explained)
    if name in experiment_names():
        hint = f"that is an experiment: `bnexp list --verbose {name}`"
        hint += f"; {hint_of(name)}" * bool(hint_of(name))
    elif name in DATASETS:
        hint = f"that is a data set: `bnexp data info {name}`"
    elif explained or (explained := hint_of(last)):
        hint = explained
    else:
        longest_first = sorted(topics, key=lambda topic: -topic.spellings[0].count("."))
        full_names = {topic.spellings[0].rpartition(".")[2]: topic.spellings[0]
                      for topic in longest_first}  # fmt: skip
        near = difflib.get_close_matches(last, list(full_names), 3, 0.7)
        meant = listed([repr(full_names[word]) for word in near], "or")
        hint = f"did you mean {meant}?" if near else "`bnexp explain` lists them"
    top = ", ".join(topic.spellings[0] for topic in topics if not topic.parent)
    return f"one of {top}, or one inside them, got {name!r}; {hint}"


def hint_of(name: str) -> str:
    """What a key or a kind of another framework is called here, wherever; empty if none is."""
    places = dict.fromkeys(row.place for row in NAMES if row.is_kind)
    hints = ((place, name_hint(name, place, is_kind=True)) for place in places)
    kinds = (f"{hint} in {place}" for place, hint in hints if hint)
    return name_hint(name, "") or next(kinds, "")


def experiments_using(topic: Topic) -> dict[str, bool]:
    """The shipped experiments that state or inherit the topic, and whether they sweep over it."""
    pattern = _name_pattern(topic.name.replace("[]", ""))
    users: dict[str, bool] = {}
    for name in experiment_names():
        values = _complete_values(experiments_folder() / f"{name}.yaml")
        sweep = values.get("sweep", {})
        axes = {**without_key(sweep, "zip"), **sweep.get("zip", {})}
        swept = [name for key, axis in axes.items() for name in _topic_names(axis, key)]
        if any(map(pattern.fullmatch, swept)):
            users[name] = True
        elif any(map(pattern.fullmatch, _topic_names(values, ""))):
            users[name] = False
    return users


@cache
def _complete_values(path: Path) -> Mapping[str, Any]:
    """The plain values of an experiment with all that it extends."""
    values: Mapping[str, Any] = read_document(path).value
    return values


def _topic_names(value: Any, name: str) -> Iterator[str]:
    """The names of the topics that a value of the key `name` uses."""
    if name:
        yield name
    if isinstance(value, list):
        for item in value:
            yield from _topic_names(item, name)
    elif isinstance(value, Mapping):
        if kind := value.get("kind"):
            yield from (f"{name}={kind}", f"{name}={kind} dialect={value.get('dialect')}")
        for key, inner in value.items():
            yield from _topic_names(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, str):
        yield f"{name}={value}"
