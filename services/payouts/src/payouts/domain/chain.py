"""Checking a chain of blocks against itself and against where it must end (`money.md` 1, R4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from payouts.domain.block import Block, ChainHead, hash_of
from payouts.domain.errors import InvariantBroken
from payouts.domain.ledger import EMPTY, Balances, check, fold


class Fault(StrEnum):
    GAP = "gap"
    TAMPERED = "tampered"
    BROKEN_LINK = "broken-link"
    DUPLICATE_CAUSE = "duplicate-cause"
    WRONG_BALANCES = "wrong-balances"
    CUT_TAIL = "cut-tail"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the chain, at this block."""

    fault: Fault
    block: int
    detail: str


def verify(blocks: Iterable[Block], head: ChainHead, balances: Balances) -> tuple[Finding, ...]:
    """Return everything wrong with a whole chain, given in the order of its numbers.

    `head` and `balances` are what the book says (I4): a chain that ends before it was cut.
    An empty answer is the proof.
    """
    findings: list[Finding] = []
    seen: set[tuple[str, int]] = set()
    reached, folded = ChainHead(), dict(EMPTY)
    for block in blocks:
        folded = fold(folded, (sealed.entry for sealed in block.entries))
        findings += _order(block, reached)
        findings += _contents(block, folded, seen)
        reached, folded = block.head, dict(block.balances)
    return (*findings, *_end(reached, folded, head, balances))


def _order(block: Block, before: ChainHead) -> Iterator[Finding]:
    if block.number != before.block + 1:
        detail = f"follows block {before.block}"
        yield Finding(Fault.GAP, block.number, detail)
    elif block.previous_hash != before.hash:
        yield Finding(Fault.BROKEN_LINK, block.number, "does not name the hash of the block before")
    if block.first_entry != before.entry + 1:
        yield Finding(Fault.GAP, block.number, f"entry {block.first_entry} follows {before.entry}")


def _contents(block: Block, folded: Balances, seen: set[tuple[str, int]]) -> Iterator[Finding]:
    if hash_of(block) != block.hash:
        yield Finding(Fault.TAMPERED, block.number, "its hash is not the hash of its content")
    for position, sealed in enumerate(block.entries):
        if sealed.number != block.first_entry + position:
            yield Finding(Fault.GAP, block.number, f"entry {sealed.number} is out of order")
        if (sealed.cause, sealed.line) in seen:
            yield Finding(Fault.DUPLICATE_CAUSE, block.number, f"{sealed.cause} is posted twice")
        seen.add((sealed.cause, sealed.line))
    yield from _balances(block, folded)


def _balances(block: Block, folded: Balances) -> Iterator[Finding]:
    if dict(folded) != dict(block.balances):
        yield Finding(Fault.WRONG_BALANCES, block.number, "balances are not the fold of entries")
    try:
        check(block.balances)
    except InvariantBroken as broken:
        yield Finding(Fault.WRONG_BALANCES, block.number, str(broken))


def _end(
    reached: ChainHead, folded: Balances, head: ChainHead, balances: Balances
) -> Iterator[Finding]:
    if reached.block < head.block:
        yield Finding(Fault.CUT_TAIL, head.block, f"the chain ends at block {reached.block}")
    elif reached != head:
        yield Finding(Fault.BROKEN_LINK, reached.block, "the book names another head")
    elif dict(folded) != dict(balances):
        yield Finding(Fault.WRONG_BALANCES, reached.block, "the book's balances differ (I4)")
