"""Dataclasses out of documents that another release may have written."""

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar, Protocol, TypeVar


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=_Dataclass)


def read_as(kind: type[T], row: Mapping[str, Any], /, **decoded: Any) -> T:
    """Return the dataclass of a document's fields; `decoded` are those that need more than that.

    The release after this one runs beside it on one database (`operations.md` 1), and what it has
    added to a document is no error here: it is left out.
    """
    names = kind.__dataclass_fields__
    kept = {name: value for name, value in row.items() if name in names}
    return kind(**kept | decoded)
