"""Which keys a mapping may have: read off the JSON Schema, for messages about unknown keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bnexp.config.yaml_text import Path

Schema = Mapping[str, Any]


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
    """The alternatives behind references and unions that `data`, by its kind, can be."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    for node in nodes:
        if "$ref" in node:
            yield from _objects(schema, [schema["$defs"][node["$ref"].split("/")[-1]]], data)
        elif unions := [*node.get("anyOf", []), *node.get("oneOf", [])]:
            yield from _objects(schema, unions, data)
        elif kind is None or _const(node) in (None, kind):
            yield node


def _const(node: Schema) -> Any:
    return node.get("properties", {}).get("kind", {}).get("const")
