"""Parts of the JSON Schema in words: the type of a value, the meaning of a key and its default.

`bnexp explain`, the reference page, editors and error messages all describe keys by these
functions. A schema is a part of what pydantic writes; `definitions` are its `$defs`, to which a
`$ref` points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bnexp.config.messages import NAME, NAME_PATTERN
from bnexp.config.yaml import KeyPath
from bnexp.text import exact, listed

Schema = Mapping[str, Any]

_PLURALS = {
    "a whole number": "whole numbers",
    "a number": "numbers",
    "a text": "texts",
    "any value": "values",
}
_DEFAULT = re.compile(r"[.;,]? ?\b[Dd]efault: (?P<words>.*)$", re.DOTALL)


def alternatives(schema: Schema, definitions: Schema) -> Iterator[Schema]:
    """The schemas that a value can follow, with references and unions resolved.

    definitions: the `$defs` of the whole schema, by name. A type null is yielded like any other.
    """
    if "$ref" in schema:
        yield from alternatives(definitions[schema["$ref"].split("/")[-1]], definitions)
    elif members := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        for member in members:
            yield from alternatives(member, definitions)
    else:
        yield schema


def kinds_of(schema: Schema) -> tuple[str, ...]:
    """The values of the key `kind` that choose this mapping; empty if it has no such key."""
    kind = schema.get("properties", {}).get("kind", {})
    if "default" in kind and "enum" in kind:  # a key like any other, as that of claims
        return ()
    return (kind["const"],) if "const" in kind else tuple(kind.get("enum", ()))


def type_in_words(schema: Schema, definitions: Schema) -> str:
    """The type of a value; null is left out, because it stands for a value that is not set.

    >>> type_in_words({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {})
    'a number >= 0 and < 1'
    >>> type_in_words({"enum": ["before", "after"]}, {})
    'before or after'
    """
    types: list[str] = []
    constants: list[str] = []
    has_kinds = False
    for member in alternatives(schema, definitions):
        if kinds_of(member):
            has_kinds = True
        elif "const" in member or "enum" in member:
            constants += map(value_in_words, member.get("enum", [member.get("const")]))
        elif member.get("type") != "null":
            types.append(_member_in_words(member, definitions))
    if has_kinds:
        none = [name for name in constants if name == "none"]
        by_name = ["the name of a kind"] if len(constants) > len(none) else []
        constants = [*none, *by_name, "{kind: NAME, ...}"]
    if "a number" in types:
        types = [words for words in types if words != "a whole number"]
    words = list(dict.fromkeys([*constants, *types]))
    return listed(words, "or") if words else "any value"


def _member_in_words(schema: Schema, definitions: Schema) -> str:
    """The type of a value that can be of one type only."""
    match schema.get("type"):
        case "integer":
            return "a whole number" + _bounds_in_words(schema)
        case "number":
            return "a number" + _bounds_in_words(schema)
        case "boolean":
            return "true or false"
        case "string" if schema.get("pattern") == NAME_PATTERN:
            return f"a text of {NAME}"
        case "string" if "maxLength" in schema:
            return f"a text of at most {schema['maxLength']} characters"
        case "string":
            return "a text"
        case "array" if "prefixItems" in schema:
            items = [type_in_words(item, definitions) for item in schema["prefixItems"]]
            return f"[{', '.join(items)}]"
        case "array":
            return _list_in_words(schema, definitions)
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if len(properties) == len(required) == 1:
        ((key, value),) = properties.items()
        return f"{{{key}: {type_in_words(value, definitions)}}}"
    if "type" not in schema:
        return "any value"
    return f"a mapping with {listed(required, 'and')}" if required and properties else "a mapping"


def _bounds_in_words(schema: Schema) -> str:
    """The limits of a number, after a space; empty if it has none."""
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if lowest is not None and highest is not None:
        return f" from {lowest:,} to {highest:,}"
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [f"{sign} {value_in_words(schema[k])}" for k, sign in signs.items() if k in schema]
    return f" {' and '.join(bounds)}" if bounds else ""


def _list_in_words(schema: Schema, definitions: Schema) -> str:
    """The type of a list, by what its items are."""
    item = type_in_words(schema["items"], definitions)
    singular = next((words for words in _PLURALS if f"{item} ".startswith(f"{words} ")), "")
    items = _PLURALS.get(singular, "") + item.removeprefix(singular)
    if any("properties" in member for member in alternatives(schema["items"], definitions)):
        items = "mappings"
    limit = f", at most {schema['maxItems']:,}" if "maxItems" in schema else ""
    return f"a list of {items}{limit}"


def value_in_words(value: Any) -> str:
    """A plain value on one line, with numbers as short as they are exact.

    >>> value_in_words([1e-05, True, None, {"kind": "sgd", "lr": 0.1}])
    '[1e-05, true, null, {kind: sgd, lr: 0.1}]'
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return exact(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_in_words, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {value_in_words(v)}' for k, v in value.items())}}}"
    return str(value)


def meaning_of(schema: Schema) -> str:
    """The description of a key, without what it says of the default if it has no value by default.

    >>> meaning_of({"description": "the axis; default: the first", "default": None})
    'the axis'
    >>> meaning_of({"description": "a gain; default: see the paper", "default": 2.0})
    'a gain; default: see the paper'
    """
    text = " ".join(schema.get("description", "").split())
    return _DEFAULT.sub("", text) if _default(schema) in EMPTY else text


EMPTY: Sequence[Any] = (None, "", {}, [])  # defaults whose meaning the description says


def _default(schema: Schema) -> Any:
    """The default of a key; of an option that dialects set, the first dialect's value."""
    dialects = schema.get("dialects")
    return dialects[0][1] if dialects else schema.get("default")


def default_in_words(schema: Schema, required: bool) -> str:
    """The default of a key: its value, else what its description says, else `not set`.

    `required` if the key has to be given. Of an option that dialects set, the first dialect's
    value, and the other values with the dialects that set them.

    >>> default_in_words({"dialects": [["book", 0.9], ["keras", 0.99], ["torch", 0.9]]}, False)
    '0.9; 0.99 with keras'
    >>> text = "the step to end at; default: never"
    >>> default_in_words({"description": text, "dialects": [["a", None], ["b", 5]]}, False)
    'never; 5 with b'
    """
    if required:
        return "required"
    match = _DEFAULT.search(" ".join(schema.get("description", "").split()))

    def in_words(value: Any) -> str:
        if match and value in EMPTY:
            return match["words"].rstrip(".")
        return "not set" if value in (None, "") else value_in_words(value)

    users: dict[str, list[str]] = {}
    for dialect, value in schema.get("dialects", [("", _default(schema))]):
        users.setdefault(in_words(value), []).append(dialect)
    (first, _), *others = users.items()
    return "; ".join([first, *(f"{v} with {listed(names, 'and')}" for v, names in others)])


def first_paragraph(docstring: str) -> str:
    """The first paragraph of a docstring as one line."""
    return " ".join(docstring.split("\n\n")[0].split()).removesuffix(":")


def described(meaning: str, default: str) -> str:
    """The meaning and the default as one text.

    >>> described("images per step", "required"), described("the seed", "0")
    ('images per step. Required.', 'the seed. Default: 0.')
    """
    default = "Required" if default == "required" else f"Default: {default}"
    return f"{meaning.rstrip('.')}. {default}."


def allowed_keys(schema: Schema, values: Any, path: KeyPath) -> list[str]:
    """The keys that the mapping at `path` of `values` may have, for a message about another key.

    schema: the whole schema. The `kind` of the mappings on the way decides what they may have.

    values: the plain values of the experiment, valid or not. path: leads to a mapping in `values`.
    Each key is listed once; the list is empty if no kind fits.
    """
    schemas: Sequence[Schema] = [schema]
    for part in path:
        inner: list[Schema] = []
        for member in _fitting(schema, schemas, values):
            if isinstance(part, int):
                inner.append(member.get("items", {}))
            elif part in member.get("properties", {}):
                inner.append(member["properties"][part])
            elif isinstance(member.get("additionalProperties"), Mapping):
                inner.append(member["additionalProperties"])
        schemas, values = inner, values[part]
    fitting = _fitting(schema, schemas, values)
    return list(dict.fromkeys(name for member in fitting for name in member.get("properties", {})))


def _fitting(schema: Schema, schemas: Sequence[Schema], values: Any) -> Iterator[Schema]:
    """The alternatives of `schemas` that a value with this `kind` can follow."""
    kind = values.get("kind") if isinstance(values, Mapping) else None
    for union in schemas:
        for member in alternatives(union, schema.get("$defs", {})):
            kinds = kinds_of(member)
            if kind is None or not kinds or kind in kinds:
                yield member
