"""Which shipped experiments use a key, a kind or a dialect, and which sweep over it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from bnexp.config import shipped
from bnexp.config.document import inherited, merge, without
from bnexp.config.keys import FREE
from bnexp.config.lookup import Topic
from bnexp.config.yaml_text import Document

# libyaml where there is one: shipped files are known to be valid, so that any parser will do.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def users(topic: Topic) -> dict[str, bool]:
    """The shipped experiments that say it or inherit it, and whether they sweep over it."""
    pattern = _pattern(topic)
    read: dict[str, Document] = {}
    found: dict[str, bool] = {}
    for name in shipped.names():
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
        text = (shipped.folder() / f"{name}.yaml").read_bytes()
        document = Document(yaml.load(text, Loader=_LOADER), {}, {})
        if parent := document.value.get("extends"):
            child = Document(without(document.value, "extends"), {}, {})
            document = merge(inherited(_document(parent.removesuffix(".yaml"), read)), child)
        read[name] = document
    return read[name]


def _said(values: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """The names of all that a file says, as topics have them; true for what it sweeps over."""
    sweep = values.get("sweep", {})
    axes = {**without(sweep, "zip"), **sweep.get("zip", {})}
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
