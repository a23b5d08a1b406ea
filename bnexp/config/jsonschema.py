"""The JSON Schema of an experiment's file, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bnexp.config.schema import Experiment, refresh

_EXTENDS = {"type": "string", "description": "another experiment: values here win over its"}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment's file; one that extends another may leave anything out."""
    refresh()
    whole = Experiment.model_json_schema()
    definitions = whole.pop("$defs")
    parts = {f"Part{name}": _part(inner) for name, inner in definitions.items()}
    parts["PartSweep"] = _nullable_axes(parts["PartSweep"])
    part = _part(whole)
    strict = {key: whole[key] for key in ("required", "properties")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **part,
        "properties": {"extends": _EXTENDS, **part["properties"]},
        "if": {"not": {"required": ["extends"]}},
        "then": strict,
        "$defs": definitions | parts,
    }


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


def _nullable_axes(sweep: Mapping[str, Any]) -> dict[str, Any]:
    """null takes an inherited axis away."""
    axis = {"anyOf": [sweep["additionalProperties"], {"type": "null"}]}
    zipped = {**sweep["properties"]["zip"], "additionalProperties": axis}
    return {**sweep, "additionalProperties": axis, "properties": {"zip": zipped}}
