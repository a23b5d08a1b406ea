"""The JSON Schema of an experiment's file, in the form that editors show best.

pydantic's schema describes a complete experiment. Three things are added here: each key's meaning
and default as one text, which editors show when one points at the key; the dotted keys that can be
swept, with their values; and a second version of every part without required keys, for a file that
extends another and may leave out anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bnexp.config import descriptions
from bnexp.config.descriptions import Schema, kinds_of
from bnexp.config.experiment import Experiment
from bnexp.config.reference import EXTENDS, LAYER, SWEPT, Key, experiment_keys, walk_keys

TITLE = "An experiment of bnexp"
SCHEMA_FILE = "bnexp.schema.json"
# The line by which an editor finds the schema's file next to an experiment.
MODELINE = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment's file; one that extends another may leave out anything.

    The result is a new mapping of plain values in draft 2020-12 of JSON Schema. Classes that are
    registered in this process are part of it.
    """
    schema = Experiment.model_json_schema()
    schema["properties"] = {"extends": EXTENDS, **schema["properties"]}
    complete = _with_texts(schema)
    definitions = complete.pop("$defs")
    partial = {f"Part{name}": _optional(inner) for name, inner in definitions.items()}
    sweep = definitions["Sweep"]
    values = sweep["additionalProperties"]
    # In a file that extends another, an axis can be null.
    forms = {"Sweep": values, "PartSweep": {"anyOf": [*values["anyOf"], {"type": "null"}]}}
    sweeps = {}
    for name, form in forms.items():
        axes = {"allOf": [{"$ref": "#/$defs/Axes"}], "additionalProperties": form}
        zipped = {**sweep["properties"]["zip"], **axes}
        sweeps[name] = {**sweep, **axes, "properties": {"zip": zipped}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_optional(complete),
        "title": TITLE,
        "if": {"not": {"required": ["extends"]}},
        "then": {key: complete[key] for key in ("required", "properties")},
        "$defs": definitions | partial | {"Axes": _axes(schema["$defs"])} | sweeps,
    }


def schema_text() -> str:
    """The JSON Schema as the text of its file.

    `bnexp schema` prints it; configs/bnexp.schema.json has it for the built-in classes.
    """
    return json.dumps(json_schema(), indent=1) + "\n"


def _axes(definitions: Schema) -> dict[str, Any]:
    """Every dotted key that can be swept, with the values that its axis can have."""
    keys_by_name: dict[str, list[Key]] = {}
    for key in walk_keys(experiment_keys()):
        name = key.name.replace(LAYER, "output")
        if name.partition(".")[0] in SWEPT and "[]." not in name:
            keys_by_name.setdefault(name.removesuffix("[]"), []).append(key)
    return {"properties": {name: _axis(keys, definitions) for name, keys in keys_by_name.items()}}


def _axis(keys: list[Key], definitions: Schema) -> dict[str, Any]:
    """A list of values; for numbers also a range; or null, which removes an inherited axis.

    keys: the key as the different kinds of mapping that have it describe it.
    """
    texts, values = [], []
    for key in keys:
        text = descriptions.described(key.meaning, key.default)
        value = _with_texts({**key.schema, "description": ""})
        texts += [text] if text not in texts else []
        values += [value] if value not in values else []
    forms = [{"type": "array", "minItems": 1, "items": {"anyOf": values}}, {"type": "null"}]
    members = [one for key in keys for one in descriptions.alternatives(key.schema, definitions)]
    if any(member.get("type") in ("number", "integer") for member in members):
        ranges = definitions["Sweep"]["additionalProperties"]["anyOf"]
        forms += [form for form in ranges if "$ref" in form]
    return {"description": "\n".join(texts), "anyOf": forms}


def _with_texts(schema: Any) -> Any:
    """The schema with meaning and default as each key's description; titles are of kinds only.

    Editors show the description when one points at a key, and the title where a list of kinds can
    be completed. What only this package reads, such as `dialects`, is left out.
    """
    if isinstance(schema, list):
        return [_with_texts(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    result: dict[str, Any] = {
        key: _with_texts(value)
        for key, value in schema.items()
        if key not in ("properties", "title", "dialects", "$defs") and value != ""
    }
    if "properties" in schema:
        kinds, properties = kinds_of(schema), {}
        for name, key in schema["properties"].items():
            if name == "kind" and kinds:
                text = schema.get("description", f"the kind: {kinds[0]}")
            else:
                default = descriptions.default_in_words(key, name in schema.get("required", ()))
                text = descriptions.described(descriptions.meaning_of(key), default)
            properties[name] = {**_with_texts(key), "description": text}
        result |= {"title": " or ".join(kinds)} if kinds else {}
        result["properties"] = properties
    if "$defs" in schema:
        result["$defs"] = {name: _with_texts(inner) for name, inner in schema["$defs"].items()}
    return result


def _optional(schema: Any) -> Any:
    """The schema without required keys, with references to definitions that have none either.

    Several kinds of a mapping can fit then, so that one of them becomes any of them.
    """
    if isinstance(schema, list):
        return [_optional(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: _optional(inner) for name, inner in value.items()}
        elif key == "$ref":
            result[key] = value.replace("#/$defs/", "#/$defs/Part")
        elif key in ("anyOf", "oneOf", "items", "prefixItems", "additionalProperties", "allOf"):
            result["anyOf" if key == "oneOf" else key] = _optional(value)
        elif key not in ("discriminator", "required"):
            result[key] = value
    return result
