"""The linter of the wire profile: what generators of other languages cannot read is refused."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

FORBIDDEN = {
    "additionalProperties": "readers must be allowed to meet fields they do not know",
    "default": "an absent field has no value; a default would be invented by readers",
    "anyOf": "unions do not generate",
    "oneOf": "unions do not generate",
    "allOf": "compositions do not generate",
    "$ref": "a schema stands alone",
    "enum": "vocabularies are open: x-extensible-enum",
    "const": "vocabularies are open: x-extensible-enum",
}

# What people are called in events is a pseudonym; addresses and names have their place on one
# topic that can forget them, and nowhere else.
LEVELS = ("none", "pseudonym", "personal")


def faults_of(schema: Schema) -> list[str]:
    """Return what breaks the profile, each with its place; nothing if all is well."""
    faults = [f"/: {name} is missing" for name in ("$id", "title") if not schema.get(name)]
    return [*faults, *_faults("", schema)]


def _faults(place: str, node: Schema) -> Iterator[str]:
    yield from (f"{place or '/'}: {key}: {why}" for key, why in FORBIDDEN.items() if key in node)
    kind = node.get("type")
    if not isinstance(kind, str):
        yield f"{place or '/'}: exactly one type is needed, not {kind!r}"
    if kind == "number":
        yield f"{place}: amounts and counts are integers"
    if kind == "integer" and (
        node.get("format") != "int64" or "minimum" not in node or "maximum" not in node
    ):
        yield f"{place}: an integer carries format int64 and both bounds"
    if place and "description" not in node and not place.endswith("[]"):
        yield f"{place}: a field has a description"
    if place and node.get("x-personal-data") not in LEVELS and not place.endswith("[]"):
        yield f"{place}: x-personal-data is one of {', '.join(LEVELS)}"
    for name, child in node.get("properties", {}).items():
        yield from _faults(f"{place}/{name}", child)
    if "items" in node:
        yield from _faults(f"{place}[]", node["items"])
