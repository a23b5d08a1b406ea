"""Which keys a mapping may have: read off the JSON Schema, for messages about unknown keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bnexp.config.words import Schema, alternatives, kinds_of
from bnexp.config.yaml_text import Path


def allowed(schema: Schema, data: Any, path: Path) -> list[str]:
    """Key names allowed in the mapping at `path` of `data`."""
    nodes = [schema]
    for part in path:
        nodes = [inner for node in _objects(schema, nodes, data) for inner in _step(node, part)]
        data = data[part]
    names = [name for node in _objects(schema, nodes, data) for name in node.get("properties", {})]
    return list(dict.fromkeys(names))


def _step(node: Schema, part: int | str) -> Iterator[Schema]:
    if isinstance(part, int):
        yield node.get("items", {})
    elif part in node.get("properties", {}):
        yield node["properties"][part]
    elif isinstance(node.get("additionalProperties"), Mapping):
        yield node["additionalProperties"]


def _objects(schema: Schema, nodes: list[Schema], data: Any) -> Iterator[Schema]:
    """The alternatives that `data`, by its kind, can be."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    for node in nodes:
        for one in alternatives(node, schema.get("$defs", {})):
            kinds = kinds_of(one)
            if kind is None or not kinds or kind in kinds:
                yield one
