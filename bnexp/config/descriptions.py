"""A part of the JSON Schema in words: its type, its meaning, its default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bnexp.config.messages import NAME
from bnexp.config.yaml import KeyPath
from bnexp.text import listed

Schema = Mapping[str, Any]

_PLURALS = {"a whole number": "whole numbers", "a number": "numbers", "a text": "texts"}


def alternatives(node: Schema, definitions: Schema) -> Iterator[Schema]:
    """What `node` can be, references and unions resolved."""
    if "$ref" in node:
        yield from alternatives(definitions[node["$ref"].split("/")[-1]], definitions)
    elif inner := [*node.get("anyOf", ()), *node.get("oneOf", ())]:
        for one in inner:
            yield from alternatives(one, definitions)
    else:
        yield node


def kinds_of(node: Schema) -> tuple[str, ...]:
    """The names that choose this mapping by its key `kind`."""
    kind = node.get("properties", {}).get("kind", {})
    return (kind["const"],) if "const" in kind else tuple(kind.get("enum", ()))


def type_of(node: Schema, definitions: Schema) -> str:
    """`a number >= 0 and < 1`, `before or after`, ...; null, which is not set, is left out."""
    parts, names, kinds = [], [], False
    for one in alternatives(node, definitions):
        kind = "kind" in one.get("properties", {})
        if kind or "const" in one or "enum" in one:
            kinds = kinds or kind
            names += [] if kind else [shown(v) for v in one.get("enum", [one.get("const")])]
        elif one.get("type") != "null":
            parts.append(_single(one, definitions))
    if kinds:
        none = [name for name in names if name == "none"]
        names = [*none, *(["the name of a kind"] if len(names) > len(none) else [])]
        names.append("{kind: NAME, ...}")
    parts = list(dict.fromkeys([*names, *_merged(parts)]))
    return listed(parts, "or") if parts else "any value"


def _merged(parts: list[str]) -> list[str]:
    """A whole number is a number."""
    return [part for part in parts if part != "a whole number" or "a number" not in parts]


def _single(node: Schema, definitions: Schema) -> str:
    match node.get("type"):
        case "integer":
            return "a whole number" + _bounds(node)
        case "number":
            return "a number" + _bounds(node)
        case "string":
            return _text(node)
        case "boolean":
            return "true or false"
        case "array":
            return _list(node, definitions)
    inner, required = node.get("properties", {}), node.get("required", [])
    if len(inner) == len(required) == 1:
        ((key, value),) = inner.items()
        return f"{{{key}: {type_of(value, definitions)}}}"
    if "type" not in node:
        return "any value"
    return f"a mapping with {listed(required, 'and')}" if required and inner else "a mapping"


def _bounds(node: Schema) -> str:
    least, most = node.get("minimum"), node.get("maximum")
    if least is not None and most is not None:
        return f" from {least:,} to {most:,}"
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    parts = [f"{sign} {shown(node[key])}" for key, sign in signs.items() if key in node]
    return f" {' and '.join(parts)}" if parts else ""


def _text(node: Schema) -> str:
    if "pattern" in node:
        return f"a text of {NAME}"
    return f"a text of at most {node['maxLength']} characters" if "maxLength" in node else "a text"


def _list(node: Schema, definitions: Schema) -> str:
    if "prefixItems" in node:
        inner = [type_of(item, definitions) for item in node["prefixItems"]]
        return f"[{', '.join(inner)}]"
    if any("properties" in one for one in alternatives(node["items"], definitions)):
        what = "mappings"
    else:
        what = _plural(type_of(node["items"], definitions))
    return f"a list of {what}" + (f", at most {node['maxItems']:,}" if "maxItems" in node else "")


def _plural(words: str) -> str:
    for one, many in _PLURALS.items():
        if words == one or words.startswith(f"{one} "):
            return many + words.removeprefix(one)
    return "values" if words == "any value" else f"{words}"


def shown(value: Any) -> str:
    """A plain value on one line, numbers as short as they are exact."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {shown(v)}' for k, v in value.items())}}}"
    return str(value)


_DEFAULT = re.compile(r"[.;,]? ?\b[Dd]efault: (?P<words>.*)$", re.DOTALL)


def meaning(node: Schema) -> str:
    """The description without what it says of the default."""
    return _DEFAULT.sub("", " ".join(node.get("description", "").split()))


def default(node: Schema, required: bool) -> str:
    """The default in words; `required` where there is none."""
    if required:
        return "required"
    if said := _DEFAULT.search(" ".join(node.get("description", "").split())):
        return said["words"].rstrip(".")
    if "dialects" in node:
        return _of_dialects(node["dialects"])
    value = node.get("default")
    return "not set" if value in ("", None) else shown(value)


def _of_dialects(values: Sequence[tuple[str, Any]]) -> str:
    """`0.9; 0.99 with keras and tensorflow`: the first dialect's value, and who has another."""
    users: dict[str, list[str]] = {}
    for dialect, value in values:
        users.setdefault(shown(value), []).append(dialect)
    (first, _), *others = users.items()
    parts = [f"{value} with {listed(names, 'and')}" for value, names in others]
    return "; ".join([first, *parts])


def line(text: str) -> str:
    """The first paragraph of a docstring as one line."""
    return " ".join(text.split("\n\n")[0].split()).removesuffix(":")


def described(meaning: str, default: str) -> str:
    """The meaning and the default as one text."""
    told = "Required" if default == "required" else f"Default: {default}"
    return f"{meaning.rstrip('.')}. {told}."


def allowed(schema: Schema, data: Any, path: KeyPath) -> list[str]:
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
