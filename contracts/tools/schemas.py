"""Published schemas: JSON Schema of each event in the wire profile (`architecture.md`, contracts).

The models are strict writers; what readers get is the profile: optional is absent and never null,
integers carry format and bounds, vocabularies are open, unknown fields are allowed.
"""

import json
from functools import cache
from typing import Any

from sosst_contracts.event import Event

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_INTEGER_MAX = 2**53 - 1
_KEPT = (
    "type",
    "title",
    "description",
    "properties",
    "required",
    "items",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "x-extensible-enum",
    "x-personal-data",
)


@cache
def schema_of(event_type: type[Event]) -> Schema:
    """Return the schema of this event in its present form; to be read only, it is made once."""
    raw = event_type.model_json_schema(mode="validation")
    profiled = _profile(raw, raw.get("$defs", {}))
    _mark_personal_data(profiled)
    return (
        {
            "$schema": DIALECT,
            "$id": event_type.schema_id(),
            "x-type": event_type.type_name(),
            "x-topic": event_type.topic,
        }
        | profiled
        | {"title": event_type.__name__}
    )


def text_of(schema: Schema) -> str:
    """Return the bytes that are frozen."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _profile(node: Schema, definitions: Schema) -> Schema:
    node = _resolved(node, definitions)
    kept: Schema = {name: node[name] for name in _KEPT if name in node}
    if "properties" in kept:
        kept["properties"] = {
            name: _without_title(_profile(child, definitions))
            for name, child in node["properties"].items()
        }
        kept["required"] = node.get("required", [])
    if "items" in kept:
        kept["items"] = _without_title(_profile(node["items"], definitions))
    if kept.get("type") == "integer":
        bounds = {"minimum": 0, "maximum": _INTEGER_MAX}
        kept = {"type": "integer", "format": "int64"} | bounds | kept
    return kept


def _resolved(node: Schema, definitions: Schema) -> Schema:
    """Follow a reference; take the null out of "something or null"."""
    if "anyOf" in node:
        (present,) = [one for one in node["anyOf"] if one.get("type") != "null"]
        return _resolved(present, definitions) | _described(node)
    if "$ref" in node:
        found = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return _resolved(found, definitions) | _described(node)
    return node


def _described(node: Schema) -> Schema:
    wanted = ("description", "minItems", "maxItems", "maxLength")
    return {name: node[name] for name in wanted if name in node}


def _without_title(node: Schema) -> Schema:
    return {name: value for name, value in node.items() if name != "title"}


def _mark_personal_data(node: Schema) -> None:
    """Say of each field that is not marked by its type that it holds nothing about a person."""
    for child in node.get("properties", {}).values():
        child["x-personal-data"] = child.pop("x-personal-data", "none")
        _mark_personal_data(child)
        _mark_personal_data(child.get("items", {}))
