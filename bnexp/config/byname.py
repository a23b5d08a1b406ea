"""A union of mappings that a key `kind` tells apart, where the kind's name alone may do."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class ByName:
    """Annotation: a kind's name stands for {kind: NAME}, unless the kind needs more."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: {"kind": value} if isinstance(value, str) else value, handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        made = handler(schema)
        full = [(one, handler.resolve_ref_schema(one)) for one in made["oneOf"]]
        names = [
            {"const": node["properties"]["kind"]["const"], "description": node["description"]}
            for _, node in full
            if set(node["required"]) == {"kind"}
        ]
        return {"anyOf": [*names, made]}
