"""The JSON Schema of an experiment's file, as editors want it: a text on whatever one points at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bnexp.config import descriptions
from bnexp.config.descriptions import Schema, kinds_of
from bnexp.config.experiment import Experiment, refresh
from bnexp.config.reference import EXTENDS, LAYER, SWEPT, Key, catalogue, every

TITLE = "An experiment of bnexp"
# The schema's file, and the line by which an editor finds it beside an experiment.
FILE = "bnexp.schema.json"
MODELINE = f"# yaml-language-server: $schema={FILE}\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment's file; one that extends another may leave anything out."""
    refresh()
    raw = Experiment.model_json_schema()
    raw["properties"] = {"extends": EXTENDS, **raw["properties"]}
    whole = _for_editors(raw)
    definitions = whole.pop("$defs")
    parts = {f"Part{name}": _part(inner) for name, inner in definitions.items()}
    axes = {"Axes": _axes(raw["$defs"])}
    axes |= {name: _sweep(definitions["Sweep"], name) for name in ("Sweep", "PartSweep")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_part(whole),
        "title": TITLE,
        "if": {"not": {"required": ["extends"]}},
        "then": {key: whole[key] for key in ("required", "properties")},
        "$defs": definitions | parts | axes,
    }


def schema_text() -> str:
    """The schema as its file has it."""
    return json.dumps(json_schema(), indent=1) + "\n"


def _axes(definitions: Schema) -> dict[str, Any]:
    """Every dotted key that can be swept, with the values that it can take."""
    swept: dict[str, list[Key]] = {}
    for key in every(catalogue()):
        name = key.name.replace(LAYER, "output")
        if name.partition(".")[0] in SWEPT and "[]." not in name:
            swept.setdefault(name.removesuffix("[]"), []).append(key)
    return {"properties": {name: _axis(keys, definitions) for name, keys in swept.items()}}


def _axis(keys: list[Key], definitions: Schema) -> dict[str, Any]:
    """A list of what the key can be, and the ranges where that is a number; or null."""
    texts = _once(descriptions.described(key.meaning, key.default) for key in keys)
    values = _once(_for_editors({**key.node, "description": ""}) for key in keys)
    made = [{"type": "array", "minItems": 1, "items": {"anyOf": values}}, {"type": "null"}]
    ways = [one for key in keys for one in descriptions.alternatives(key.node, definitions)]
    if any(one.get("type") in ("number", "integer") for one in ways):
        ranges = definitions["Sweep"]["additionalProperties"]["anyOf"]
        made += [one for one in ranges if "$ref" in one]
    return {"description": "\n".join(texts), "anyOf": made}


def _once(things: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for thing in things:
        found += [thing] if thing not in found else []
    return found


def _sweep(sweep: Schema, name: str) -> dict[str, Any]:
    """With the dotted keys; in what extends, null takes an inherited axis away."""
    values = sweep["additionalProperties"]
    if name == "PartSweep":
        values = {"anyOf": [*values["anyOf"], {"type": "null"}]}
    axes = {"allOf": [{"$ref": "#/$defs/Axes"}], "additionalProperties": values}
    return {**sweep, **axes, "properties": {"zip": {**sweep["properties"]["zip"], **axes}}}


def _for_editors(node: Any) -> Any:
    """The same schema: what a key means and its default as its text, no titles but the kinds'."""
    if isinstance(node, list):
        return [_for_editors(inner) for inner in node]
    if not isinstance(node, Mapping):
        return node
    made = {
        key: _for_editors(inner)
        for key, inner in node.items()
        if key not in ("properties", "title", "dialects", "$defs") and inner != ""
    }
    if "properties" in node:
        made |= {"title": " or ".join(kinds)} if (kinds := kinds_of(node)) else {}
        made["properties"] = {
            k: _property(k, inner, node) for k, inner in node["properties"].items()
        }
    if "$defs" in node:
        made["$defs"] = {name: _for_editors(inner) for name, inner in node["$defs"].items()}
    return made


def _property(name: str, node: Schema, around: Schema) -> dict[str, Any]:
    made: dict[str, Any] = _for_editors(node)
    if name == "kind" and kinds_of(around):
        return {
            **made,
            "description": around.get("description", f"the kind: {kinds_of(around)[0]}"),
        }
    default = descriptions.default(node, name in around.get("required", ()))
    return {**made, "description": descriptions.described(descriptions.meaning(node), default)}


def _part(node: Any) -> Any:
    """The same schema without required keys, where several kinds of one thing can fit."""
    if isinstance(node, list):
        return [_part(inner) for inner in node]
    if not isinstance(node, Mapping):
        return node
    made: dict[str, Any] = {
        "anyOf" if key == "oneOf" else key: _properties(inner) if key == "properties" else inner
        for key, inner in node.items()
        if key not in ("discriminator", "required")
    }
    if "$ref" in made:
        made["$ref"] = made["$ref"].replace("#/$defs/", "#/$defs/Part")
    nested = ("anyOf", "items", "prefixItems", "additionalProperties", "allOf")
    return {key: _part(inner) if key in nested else inner for key, inner in made.items()}


def _properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _part(inner) for name, inner in properties.items()}
