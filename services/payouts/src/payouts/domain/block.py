"""Blocks: the book's entries sealed into a chain of hashes (`money.md` 1, R4).

How a block is hashed is published with the contracts, because anybody may check the chain.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from payouts.domain.errors import Refused
from payouts.domain.ledger import Balances, Entry, Posting, Row, post
from sosst_contracts.chain import GENESIS_HASH, NotABlock
from sosst_contracts.chain import hash_of as hash_of_content

ENTRIES_PER_BLOCK_MAX = 500
# What is published as one event stays below 256 KiB (decision 0016); heads and balances are small.
ENTRIES_BYTES_MAX = 192 * 1024
# All of an entry but its texts from outside: names of fields and accounts, and three numbers.
ENTRY_BYTES = 176


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where the chain ends: number and hash of the last block, number of the last entry.

    `sealed_at` is the last block's, None before the first, and in books of a release before.
    """

    block: int = 0
    hash: str = GENESIS_HASH
    entry: int = 0
    sealed_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry with its number in the book; `line` counts the entries of one posting from 1."""

    number: int
    row: Row
    cause: str
    line: int
    entry: Entry
    balance_transaction: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """At most 500 entries and 192 KiB, chained to the block before; never changed once sealed.

    `balances` are those after its last entry. `sealed_at` is an aware UTC instant.
    """

    campaign_id: str
    currency: str
    number: int
    previous_hash: str
    first_entry: int
    entries: tuple[SealedEntry, ...]
    balances: Balances
    sealed_at: datetime
    hash: str

    @property
    def head(self) -> ChainHead:
        last_entry = self.first_entry + len(self.entries) - 1
        return ChainHead(self.number, self.hash, last_entry, self.sealed_at)


def seal(
    campaign_id: str,
    currency: str,
    head: ChainHead,
    balances: Balances,
    postings: Iterable[Posting],
    sealed_at: datetime,
) -> tuple[Block, ...]:
    """Post everything and return the blocks that say so, in order, none for no postings.

    A posting is never split between two blocks. Raises `Refused` where an account would be short
    or a cause comes twice: then nothing of the group is posted. No block is earlier than the one
    before it, though the clock of who seals it is behind.
    """
    blocks: list[Block] = []
    if head.sealed_at is not None:
        sealed_at = max(sealed_at, head.sealed_at)
    for group in _groups(each_once(postings)):
        entries = tuple(_number(group, head.entry + 1))
        for posting in group:
            balances = post(balances, posting)
        block = Block(
            campaign_id=campaign_id,
            currency=currency,
            number=head.block + 1,
            previous_hash=head.hash,
            first_entry=head.entry + 1,
            entries=entries,
            balances=balances,
            sealed_at=sealed_at,
            hash="",
        )
        blocks.append(_with_hash(block))
        head = blocks[-1].head
    return tuple(blocks)


def each_once(postings: Iterable[Posting]) -> list[Posting]:
    """Return the postings; raises `Refused` where two of them have one cause (`money.md` 1, R1).

    The unique index over the causes of all blocks cannot see this: it does not compare a block with
    itself.
    """
    once = dict[str, Posting]()
    for posting in postings:
        if posting.cause in once:
            raise Refused("posted-twice", f"{posting.cause} comes twice in one group of postings")
        once[posting.cause] = posting
    return list(once.values())


def _groups(postings: Iterable[Posting]) -> Iterator[list[Posting]]:
    group: list[Posting] = []
    entries = size = 0
    for posting in postings:
        more, bytes_more = len(posting.entries), _size(posting)
        if entries + more > ENTRIES_PER_BLOCK_MAX or size + bytes_more > ENTRIES_BYTES_MAX:
            if group:
                yield group
            group, entries, size = [], 0, 0
        group.append(posting)
        entries, size = entries + more, size + bytes_more
    if group:
        yield group


def _size(posting: Posting) -> int:
    """Return how many bytes the posting takes in a block, at most."""
    texts = _bytes_of(posting.cause) + _bytes_of(posting.balance_transaction or "")
    return len(posting.entries) * (ENTRY_BYTES + texts)


def _bytes_of(text: str) -> int:
    if text.isascii() and text.isalnum():
        return len(text)
    # Half a surrogate pair is measured too; it is refused when the block is hashed.
    return len(json.dumps(text, ensure_ascii=False).encode(errors="surrogatepass"))


def _number(group: Sequence[Posting], first: int) -> Iterator[SealedEntry]:
    number = first
    for posting in group:
        for line, entry in enumerate(posting.entries, start=1):
            yield SealedEntry(
                number, posting.row, posting.cause, line, entry, posting.balance_transaction
            )
            number += 1


def postings_in(block: Block) -> list[Posting]:
    """Return the postings that were sealed into the block, in order; none is split between two."""
    found: dict[str, list[SealedEntry]] = {}
    for sealed in block.entries:
        found.setdefault(sealed.cause, []).append(sealed)
    return [
        Posting(of[0].row, cause, tuple(one.entry for one in of), of[0].balance_transaction)
        for cause, of in found.items()
    ]


def _with_hash(block: Block) -> Block:
    return replace(block, hash=hash_of(block))


def hash_of(block: Block) -> str:
    """Return what the block's hash must be, from everything in it but the hash."""
    with _refusing():
        return hash_of_content(content(block))


@contextmanager
def _refusing() -> Iterator[None]:
    """What cannot be shown to anyone is not sealed."""
    try:
        yield
    except NotABlock as refusal:
        raise Refused("unsealable", str(refusal)) from None


def published(block: Block) -> dict[str, object]:
    """Return the block as it is shown to anyone."""
    return content(block) | {"hash": block.hash}


def content(block: Block) -> dict[str, object]:
    """Return the hashed part of a block, in the names under which it is shown to anyone."""
    return {
        "campaign_id": block.campaign_id,
        "currency": block.currency,
        "number": block.number,
        "previous_hash": block.previous_hash,
        "first_entry": block.first_entry,
        "entries": [_entry_content(sealed) for sealed in block.entries],
        "balances": {account.value: amount for account, amount in block.balances.items()},
        "sealed_at": block.sealed_at.isoformat(timespec="milliseconds"),
    }


def _entry_content(sealed: SealedEntry) -> dict[str, object]:
    shown: dict[str, object] = {
        "number": sealed.number,
        "row": int(sealed.row),
        "cause": sealed.cause,
        "line": sealed.line,
        "debit": sealed.entry.debit.value,
        "credit": sealed.entry.credit.value,
        "amount": sealed.entry.amount,
    }
    if sealed.balance_transaction is not None:
        shown["balance_transaction"] = sealed.balance_transaction
    return shown
