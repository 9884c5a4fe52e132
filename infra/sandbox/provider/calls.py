"""What an operation is asked and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.sandbox.provider.book import Body
from infra.sandbox.provider.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `identifier` is the id in the path, `account` whom it acts for."""

    operation: str
    method: str
    path: str
    account: str
    parameters: Parameters
    identifier: str | None = None
    key: str | None = None

    def tokens(self) -> frozenset[str]:
        """Everything a fault may name this call by."""
        named = {self.identifier, self.key} - {None}
        return frozenset({str(value) for value in named} | set(self.parameters.values.values()))


@dataclass(frozen=True, slots=True)
class Answer:
    """`hang_seconds`: not None when the connection is to close unanswered after that long."""

    status: int
    body: Body
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_seconds: float | None = None
    emitted: tuple[str, ...] = ()
    early: tuple[str, ...] = ()
