"""Blocks: the book's entries sealed into a chain of hashes (`money.md` 1, R4).

The hash is SHA-256 of the RFC 8785 JSON of the block without its hash. A block holds nothing but
objects with ASCII names, arrays, text and integers below 2^53, and for those the standard
library's compact, sorted JSON is RFC 8785 byte for byte; a test holds it against the library.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.errors import Refused
from payouts.domain.ledger import Account, Balances, Entry, Posting, Row, post

ENTRIES_PER_BLOCK_MAX = 500
LARGEST_INTEGER = 2**53 - 1
GENESIS_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where the chain ends: number and hash of the last block, number of the last entry."""

    block: int = 0
    hash: str = GENESIS_HASH
    entry: int = 0


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
    """At most 500 entries, chained to the block before; never changed once sealed.

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
        return ChainHead(self.number, self.hash, self.first_entry + len(self.entries) - 1)


def seal(
    campaign_id: str,
    currency: str,
    head: ChainHead,
    balances: Balances,
    postings: Iterable[Posting],
    sealed_at: datetime,
) -> tuple[Block, ...]:
    """Post everything and return the blocks that say so, in order, none for no postings.

    A posting is never split between two blocks. Raises `Refused` where an account would be short:
    then nothing of the group is posted.
    """
    blocks: list[Block] = []
    for group in _groups(postings):
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


def _groups(postings: Iterable[Posting]) -> Iterator[list[Posting]]:
    group: list[Posting] = []
    size = 0
    for posting in postings:
        if size + len(posting.entries) > ENTRIES_PER_BLOCK_MAX:
            yield group
            group, size = [], 0
        group.append(posting)
        size += len(posting.entries)
    if group:
        yield group


def _number(group: Sequence[Posting], first: int) -> Iterator[SealedEntry]:
    number = first
    for posting in group:
        for line, entry in enumerate(posting.entries, start=1):
            yield SealedEntry(
                number, posting.row, posting.cause, line, entry, posting.balance_transaction
            )
            number += 1


def _with_hash(block: Block) -> Block:
    return replace(block, hash=hash_of(block))


def hash_of(block: Block) -> str:
    """Return what the block's hash must be, from everything in it but the hash."""
    return hashlib.sha256(canonical(content(block))).hexdigest()


def content(block: Block) -> dict[str, object]:
    """Return the hashed part of a block, in the names under which it is shown to anyone."""
    return {
        "campaign_id": block.campaign_id,
        "currency": block.currency,
        "number": block.number,
        "previous_hash": block.previous_hash,
        "first_entry": block.first_entry,
        "entries": [_entry_content(sealed) for sealed in block.entries],
        "balances": {account.value: block.balances[account] for account in Account},
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


def canonical(value: Mapping[str, object]) -> bytes:
    """Return the RFC 8785 JSON of a block's content; raises `Refused` above 2^53 - 1."""
    _refuse_unsafe(value)
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def _refuse_unsafe(value: object) -> None:
    if isinstance(value, Mapping):
        for inner in value.values():
            _refuse_unsafe(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_unsafe(inner)
    elif isinstance(value, float):
        raise Refused("unsafe-number", f"a block holds integers only, not {value!r}")
    elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise Refused("unsafe-number", f"{value} is not safe in JSON")
