"""Domain values as documents and back; pydantic knows the shapes from the dataclasses."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")
Document = dict[str, Any]


class Documents(Generic[T]):
    """Turns one kind of value into documents whose `_id` is given by the caller, and back."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def document(self, document_id: str, value: T) -> Document:
        fields = self._adapter.dump_python(value)
        return {"_id": document_id, **_plain(fields)}

    def value(self, document: Document) -> T:
        fields = {name: field for name, field in document.items() if name != "_id"}
        return self._adapter.validate_python(fields)


# What BSON takes as it is: nearly everything in a document, so that only the rest is looked into.
_AS_IT_IS = frozenset({str, int, bool, datetime, type(None)})


def _plain(value: Any) -> Any:
    """Enums become their words: BSON would refuse the keys and keep the classes of the values."""
    if isinstance(value, dict):
        return {
            str(name): inner if type(inner) in _AS_IT_IS else _plain(inner)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [inner if type(inner) in _AS_IT_IS else _plain(inner) for inner in value]
    if isinstance(value, str):
        return str(value)
    return int(value) if isinstance(value, int) else value
