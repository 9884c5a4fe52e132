"""Keys for the heads of the ledger's chains, and where the daily signatures are kept."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from payouts.domain.head_signing import DaySigned, Head


class HeadKeys(Protocol):
    """Keys that sign the ledger's heads: the current one signs, all verify."""

    current: str

    def sign(self, message: bytes) -> str: ...

    def verifies(self, key_id: str, message: bytes, signature: str) -> bool | None:
        """Return whether it is of this message, None for a key that is not among them."""
        ...

    def public(self) -> Mapping[str, str]:
        """Return the public keys by id."""
        ...


class HeadSignatures(Protocol):
    """Daily signatures over the heads of all chains. Outside any transaction."""

    async def last(self) -> DaySigned | None: ...

    async def signed(self, campaign_ids: Collection[str]) -> dict[str, Head]:
        """Return the last signed head of each."""
        ...

    async def keep(self, day: DaySigned, pages: Sequence[Sequence[Head]]) -> bool:
        """Keep the day's signature with its pages; False, and nothing kept, if it has one."""
        ...

    async def days(self, after: str, limit: int) -> list[DaySigned]:
        """Return signatures of later days, in order."""
        ...

    async def day(self, date: str) -> DaySigned | None: ...

    async def page(self, day: DaySigned, place: int) -> list[Head] | None: ...
