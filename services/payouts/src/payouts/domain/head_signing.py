"""The daily signature over the heads of all chains (`money.md` 1, R4).

A chain that only we hold proves nothing: whoever may write our database can cut a chain's tail and
set its book back. Once a day the heads that moved are written down, hashed page by page, chained to
the day before and signed. What was signed must be in its chain for ever.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sosst_contracts.chain import GENESIS_HASH, canonical

HEADS_PER_PAGE = 1_000
STALE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a campaign's chain ended when it was signed."""

    campaign_id: str
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class DaySigned:
    """One day's signature. `pages` are the hashes of the pages of heads that moved since the last.

    `previous` is the digest of the day before; `set_id` says where the pages are kept, and is not
    signed. `signature` is Ed25519 over the digest's bytes, in hexadecimal, by the key of that id.
    """

    date: str
    signed_at: datetime
    heads: int
    pages: tuple[str, ...]
    previous: str
    key_id: str
    signature: str = ""
    set_id: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the RFC 8785 JSON of what is signed."""
        return hashlib.sha256(canonical(self.content())).hexdigest()

    def content(self) -> Mapping[str, object]:
        """Return what is signed, in the names under which it is shown to anyone."""
        return {
            "date": self.date,
            "signed_at": self.signed_at.isoformat(timespec="milliseconds"),
            "heads": self.heads,
            "pages": list(self.pages),
            "previous": self.previous,
            "key_id": self.key_id,
        }


def page_content(heads: Sequence[Head]) -> Mapping[str, object]:
    """Return a page of heads as it is hashed and shown."""
    return {"heads": [[one.campaign_id, one.number, one.hash] for one in heads]}


def page_hash(heads: Sequence[Head]) -> str:
    return hashlib.sha256(canonical(page_content(heads))).hexdigest()


def day_of(now: datetime) -> str:
    """Return the name of the day, in UTC."""
    return now.date().isoformat()


def is_due(last: DaySigned | None, now: datetime) -> bool:
    """One signature a day; a day that passed while nobody ran has none."""
    return last is None or last.date < day_of(now)


def draft(
    last: DaySigned | None,
    pages: Sequence[Sequence[Head]],
    key_id: str,
    set_id: str,
    now: datetime,
) -> DaySigned:
    """Return the day's document without its signature."""
    return DaySigned(
        date=day_of(now),
        signed_at=now.replace(microsecond=now.microsecond // 1_000 * 1_000),
        heads=sum(len(page) for page in pages),
        pages=tuple(page_hash(page) for page in pages),
        previous=last.digest if last else GENESIS_HASH,
        key_id=key_id,
        set_id=set_id,
    )


def follows(before: DaySigned | None, day: DaySigned) -> str | None:
    """Return what is wrong between a day and the one before it, None if it follows."""
    expected = before.digest if before else GENESIS_HASH
    if day.previous == expected:
        return None
    since = f"after {before.date}" if before else "before it"
    return f"a day {since} was removed or changed: it does not name its digest"
