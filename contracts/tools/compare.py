"""Compatibility within a major: additive only, against all earlier versions, both directions.

A new reader must read old facts, and an old reader must read new ones. So nothing that was
required or typed may change; fields may be added, as optional ones.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

# Wider bounds break old readers, narrower ones break readers of old facts.
_FIXED = (
    "x-type",
    "x-topic",
    "type",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)


def breaks_of(old: Schema, new: Schema) -> list[str]:
    """Return what a subscriber to the old version, or a reader of old facts, would trip over."""
    return list(_breaks("", old, new))


def _breaks(place: str, old: Schema, new: Schema) -> Iterator[str]:
    where = place or "/"
    for key in _FIXED:
        if old.get(key) != new.get(key):
            yield f"{where}: {key} changed from {old.get(key)!r} to {new.get(key)!r}"
    gone = set(old.get("x-extensible-enum", ())) - set(new.get("x-extensible-enum", ()))
    if gone:
        yield f"{where}: words were taken away: {', '.join(sorted(gone))}"
    yield from _properties(place, old, new)
    if "items" in old:
        yield from _breaks(f"{place}[]", old["items"], new.get("items", {}))


def _properties(place: str, old: Schema, new: Schema) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was, now = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(now - was):
        yield f"{place}/{name}: became required"
    for name in sorted(was - now):
        yield f"{place}/{name}: is no longer required"
    for name, child in before.items():
        if name not in after:
            yield f"{place}/{name}: was removed"
        else:
            yield from _breaks(f"{place}/{name}", child, after[name])
